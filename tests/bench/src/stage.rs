//! The processes of a measurement, each of its own: control plane, emulated cloud, operator. They end with the values.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The namespace of the operator and the fence, as in `deploy/base`.
const SYSTEM: &str = "cooper-system";
const START_LIMIT: Duration = Duration::from_mins(3);

/// A process that says where it is by one line of JSON.
pub struct Program {
    child: Child,
    /// What it said.
    pub said: Value,
}

impl Program {
    /// Starts a program; it ends with the value, and where it knows `--until-stdin-closes` with this process too. Its standard error
    /// goes to `log`.
    async fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let errors = std::fs::File::create(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let out = child.stdout.take().context("standard output is piped")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(START_LIMIT, lines.next_line()).await;
        let line = line.with_context(|| format!("{name} says nothing"))??;
        let line = line.with_context(|| format!("{name} ended; see {}", log.display()))?;
        let said = serde_json::from_str(&line).with_context(|| format!("{name} said {line:?}"))?;
        // What it says later is read, lest it waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, said })
    }

    /// One of the addresses it said.
    pub fn address(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.said.get(name).and_then(Value::as_str);
        found.with_context(|| format!("no {name} in {}", self.said))
    }

    /// Ends it, and waits until it has.
    pub async fn end(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// Sends it a signal by its name, such as TERM.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let process = self.child.id().context("it has ended")?.to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &process]).status().await?;
        ensure!(sent.success(), "kill -s {name} {process}");
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> anyhow::Result<()> {
        tokio::time::timeout(START_LIMIT, self.child.wait()).await??;
        Ok(())
    }

    /// What it occupies now.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let process = self.child.id().context("it has ended")?;
        let read = |file: &str, field: &str| -> anyhow::Result<f64> {
            let text = std::fs::read_to_string(format!("/proc/{process}/{file}"))?;
            let line = text.lines().find(|line| line.starts_with(field));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            let kib: u32 = number.with_context(|| format!("no {field}"))?.parse()?;
            Ok(f64::from(kib) / 1024.0)
        };
        Ok(Memory {
            resident: read("status", "VmRSS:")?,
            own: read("smaps_rollup", "Private_Dirty:")?,
            peak: read("status", "VmHWM:")?,
        })
    }

    /// Processor time it has used, user and system, in seconds.
    pub fn processor(&self) -> anyhow::Result<f64> {
        let process = self.child.id().context("it has ended")?;
        let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the program, which may hold anything, ends with the last parenthesis.
        let (_, rest) = text.rsplit_once(')').context("no name")?;
        let ticks = |place: usize| -> anyhow::Result<f64> {
            let field = rest.split_whitespace().nth(place).context("too short")?;
            Ok(f64::from(field.parse::<u32>()?))
        };
        // Linux counts these in hundredths of a second, whatever its own clock does.
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }
}

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it, the pages of the program's file included (`VmRSS`).
    pub resident: f64,
    /// What the process wrote itself (`Private_Dirty`).
    pub own: f64,
    /// The most there ever was (`VmHWM`).
    pub peak: f64,
}

/// What an operator is started with.
#[derive(Clone, Copy)]
pub struct Flags {
    /// Seconds between two looks at a remote.
    pub drift: u32,
    /// Seconds between two looks at a Secret.
    pub secret: u32,
    /// Whether it watches Secrets.
    pub watch: bool,
}

impl Default for Flags {
    /// The operator's own defaults.
    fn default() -> Self {
        Self {
            drift: 600,
            secret: 60,
            watch: false,
        }
    }
}

/// A control plane with cooper installed, and where the programs are.
pub struct Stage {
    plane: Program,
    cluster: PathBuf,
    programs: PathBuf,
    folder: tempfile::TempDir,
    logs: PathBuf,
    operator: PathBuf,
}

impl Stage {
    /// Starts a control plane and installs `deploy/base`.
    pub async fn open(programs: PathBuf, logs: PathBuf) -> anyhow::Result<Self> {
        let cluster = Command::new(repository("tests/cluster/build.sh"))
            .stderr(Stdio::inherit())
            .output()
            .await?;
        ensure!(cluster.status.success(), "the control plane is not built");
        let cluster = PathBuf::from(String::from_utf8(cluster.stdout)?.trim());
        let mut command = Command::new(&cluster);
        command.args(["up", "--until-stdin-closes"]);
        let plane = Program::start(command, &logs.join("control-plane.log")).await?;
        let folder = tempfile::tempdir()?;
        let operator = folder.path().join("operator.kubeconfig");
        let stage = Self {
            plane,
            cluster,
            programs,
            folder,
            logs,
            operator,
        };
        stage.install("deploy/base").await?;
        let crds = ["wait", "--for=condition=Established", "crd", "--all"];
        stage.kubectl(&crds).await?;
        stage.write_operator_config().await?;
        Ok(stage)
    }

    /// Applies a folder or file of the repository, as the administrator.
    pub async fn install(&self, path: &str) -> anyhow::Result<()> {
        let path = repository(path);
        let how = if path.is_dir() { "-k" } else { "-f" };
        let path = path.to_string_lossy().into_owned();
        self.kubectl(&["apply", "--server-side", how, &path])
            .await
            .map(drop)
    }

    async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.cluster)
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", self.plane.address("kubeconfig")?)
            .env("KUBECACHEDIR", self.folder.path().join("kubectl"))
            .output()
            .await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {said}", arguments.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A kubeconfig like the administrator's, but with a token of the operator's ServiceAccount.
    async fn write_operator_config(&self) -> anyhow::Result<()> {
        let create = ["create", "token", "cooper", "-n", SYSTEM, "--duration=24h"];
        let token = self.kubectl(&create).await?;
        let text = std::fs::read_to_string(self.plane.address("kubeconfig")?)?;
        let mut config: Value = serde_json::from_str(&text)?;
        let user = config.pointer_mut("/users/0/user");
        *user.context("a kubeconfig without users")? = json!({"token": token.trim()});
        std::fs::write(&self.operator, config.to_string())?;
        Ok(())
    }

    /// A client of the administrator.
    pub async fn admin(&self) -> anyhow::Result<Client> {
        client(Path::new(self.plane.address("kubeconfig")?)).await
    }

    /// A client with the operator's own token and rights.
    pub async fn as_operator(&self) -> anyhow::Result<Client> {
        client(&self.operator).await
    }

    /// An emulated cloud whose services settle at once.
    pub async fn cloud(&self) -> anyhow::Result<Program> {
        let mut command = Command::new(self.programs.join("cooper-emulator"));
        command.args(["--step", "0", "--purge", "0", "--until-stdin-closes"]);
        Program::start(command, &self.logs.join("emulator.log")).await
    }

    /// An operator that is ready to work in one namespace.
    pub async fn operator(&self, namespace: &str, flags: Flags) -> anyhow::Result<Program> {
        // Several run side by side, each in its namespace.
        self.launch(namespace, namespace, flags, &["--no-leader-election"])
            .await
    }

    /// One of several operators of a namespace, which leads or stands by; `name` tells their logs apart.
    pub async fn candidate(
        &self,
        namespace: &str,
        name: &str,
        flags: Flags,
    ) -> anyhow::Result<Program> {
        let log = format!("{namespace}-{name}");
        self.launch(namespace, &log, flags, &[]).await
    }

    async fn launch(
        &self,
        namespace: &str,
        log: &str,
        flags: Flags,
        more: &[&str],
    ) -> anyhow::Result<Program> {
        let mut command = Command::new(self.programs.join("cooper"));
        command.args(["run", "--listen", "127.0.0.1:0", "--namespace", namespace]);
        command.args(more);
        command.arg("--kubeconfig").arg(&self.operator);
        command.args(["--drift-interval", &flags.drift.to_string()]);
        command.args(["--secret-interval", &flags.secret.to_string()]);
        if flags.watch {
            command.arg("--secrets-watch");
        }
        let log = self.logs.join(format!("operator-{log}.log"));
        let operator = Program::start(command, &log).await?;
        let ready = format!("{}/readyz", operator.address("http")?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let is_ready = async || {
            let answer = http.get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        for _ in 0..600 {
            if is_ready().await {
                return Ok(operator);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the operator is not ready; see {}", log.display())
    }
}

async fn client(file: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(file)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

//! The operator as the real program: told to stop, killed, cut off from the API server, its answers read.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{ACCOUNT, Ground, SYSTEM, eventually, kubeconfig};

/// Starting, stopping and being told take a moment; the machine may be busy.
const LIMIT: Duration = Duration::from_mins(1);
/// How many of the last log lines are kept.
const REMEMBERED: usize = 2000;

/// A running `cooper run`. Killed when dropped.
pub struct Process {
    /// Base URL of its probes.
    pub http: String,
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    listening: AbortOnDropHandle<()>,
    _folder: TempDir,
}

/// What it says on standard output when it listens.
#[derive(Deserialize)]
struct Said {
    http: String,
}

impl Process {
    /// Starts one with its ServiceAccount's token and these flags; returns when it listens. `way` is the API server's address, if it is
    /// to be reached by another than its own.
    pub async fn start(ground: &Ground, way: Option<&str>, flags: &[&str]) -> Self {
        Self::start_with(ground, way, flags, &[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_with(
        ground: &Ground,
        way: Option<&str>,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = kubeconfig::of(&ground.operator_config().await, "default");
        if let Some(way) = way {
            config["clusters"][0]["cluster"]["server"] = json!(way);
        }
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cooper"))
            .args(["run", "--listen=127.0.0.1:0", "--kubeconfig"])
            .arg(&path)
            .args(flags)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let listening = listen(child.stderr.take().unwrap(), Arc::clone(&log));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(LIMIT, lines.next_line()).await;
        let first = first
            .ok()
            .and_then(Result::ok)
            .flatten()
            .unwrap_or_else(|| panic!("it does not listen; it said {:#?}", log.lock().unwrap()));
        let said: Said = serde_json::from_str(&first).unwrap();
        Self {
            http: said.http,
            child,
            log,
            listening,
            _folder: folder,
        }
    }

    /// Code and text that it answers at a path.
    pub async fn ask(&self, path: &str) -> (u16, String) {
        let answer = http().get(format!("{}{path}", self.http)).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}; {}", self.log()));
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until it is, or is not, ready and says this.
    pub async fn says(&self, code: u16, part: &str) -> String {
        eventually(LIMIT, &format!("/readyz says {code} {part}"), async || {
            let (found, text) = self.ask("/readyz").await;
            if found == code && text.contains(part) {
                Ok(text)
            } else {
                Err(format!("{found} {text}\n{}", self.log()))
            }
        })
        .await
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The most memory that it had resident at any moment, in bytes. On Linux only.
    pub fn peak(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let mut lines = status.lines();
        let peak = lines.find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        peak.unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal by its name, such as TERM.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended by itself: its exit code, or none if a signal ended it.
    pub async fn end(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let status: ExitStatus = ended
            .unwrap_or_else(|_| panic!("it runs on: {}", self.log()))
            .unwrap();
        assert!(status.code().is_some() || status.signal().is_some());
        // Its last words may still be under way.
        let _ = tokio::time::timeout(LIMIT, &mut self.listening).await;
        status.code()
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().make_contiguous().join("\n")
    }
}

/// Lets the operator hold Leases in a namespace as it may in its own, by a copy of the shipped Role.
pub async fn may_lead(ground: &Ground, namespace: &str) {
    let shipped = super::install::documents("deploy/base")
        .into_iter()
        .find(|object| {
            object
                .types
                .as_ref()
                .is_some_and(|types| types.kind == "Role")
        });
    let rules = shipped.expect("a Role").data["rules"].clone();
    let named = json!({"name": "leading"});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": named, "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": named,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leading"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}],
    });
    let how = PatchParams::apply("test").force();
    Api::<k8s_openapi::api::rbac::v1::Role>::namespaced(ground.admin(), namespace)
        .patch("leading", &how, &Patch::Apply(&role))
        .await
        .unwrap();
    Api::<k8s_openapi::api::rbac::v1::RoleBinding>::namespaced(ground.admin(), namespace)
        .patch("leading", &how, &Patch::Apply(&binding))
        .await
        .unwrap();
}

/// A way to the API server that can be frozen: what is sent then arrives nowhere, and no connection is refused.
pub struct Tunnel {
    /// The address to use in place of the API server's own.
    pub url: String,
    frozen: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Tunnel {
    /// To the API server of this ground.
    pub async fn to(ground: &Ground) -> Self {
        let server = ground.operator_config().await.cluster_url;
        let behind: SocketAddr = server.authority().unwrap().as_str().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let frozen = watch::Sender::new(false);
        let told = frozen.clone();
        let serve = async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut told = told.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    let told = async { told.wait_for(|frozen| *frozen).await.map(drop) };
                    tokio::select! {
                        biased;
                        _ = told => std::future::pending().await,
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        };
        Self {
            url,
            frozen,
            _task: AbortOnDropHandle::new(tokio::spawn(serve)),
        }
    }

    /// Nothing gets through from now on.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

/// A client for what listens on this machine.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

fn listen(
    stream: impl AsyncRead + Unpin + Send + 'static,
    log: Arc<Mutex<VecDeque<String>>>,
) -> AbortOnDropHandle<()> {
    let mut lines = BufReader::new(stream).lines();
    AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = log.lock().unwrap();
            log.push_back(line);
            if log.len() > REMEMBERED {
                log.pop_front();
            }
        }
    }))
}

/// A value as text, for a flag.
pub fn flag(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

/// A member of a Lease's spec.
pub async fn lease(ground: &Ground, namespace: &str, member: &str) -> Value {
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(ground.admin(), namespace);
    let found = leases.get_opt("cooper").await.unwrap();
    let spec = found.map(|lease| serde_json::to_value(lease.spec).unwrap());
    spec.unwrap_or_default()[member].clone()
}

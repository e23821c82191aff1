//! The three control planes a ground can stand on.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;

use super::assets::Assets;
use super::child::Child;

/// Starting takes about 3 s on two idle cores.
const START_LIMIT: Duration = Duration::from_mins(3);

/// An API server with an administrator's access to it.
pub enum Plane {
    /// Ours, from `tests/cluster`: everything can be done with it.
    Cluster {
        child: Child,
        at: At,
        program: PathBuf,
    },
    /// etcd and kube-apiserver from the folder that `KUBEBUILDER_ASSETS` names.
    Assets(Assets),
    /// Somebody's cluster, from the file that `COOPER_TEST_KUBECONFIG` names.
    Existing(PathBuf),
}

/// What `cluster up` says when it is ready.
#[derive(Deserialize)]
pub struct At {
    pub kubeconfig: PathBuf,
    pub audit: PathBuf,
    pub dir: PathBuf,
}

/// What it answers to a command; `error` is absent if the command was carried out.
#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
}

impl Plane {
    /// The one that the environment asks for; our own if it asks for none.
    pub async fn start() -> Self {
        if let Some(path) = std::env::var_os("COOPER_TEST_KUBECONFIG") {
            return Self::Existing(path.into());
        }
        if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS") {
            return Self::Assets(Assets::start(folder.into()).await);
        }
        let program = tokio::task::spawn_blocking(built).await.unwrap();
        let mut command = Command::new(&program);
        command.args(["up", "--until-stdin-closes", "--audit", "audit.log"]);
        let child = Child::start("the control plane", command);
        let at = child.line(START_LIMIT).await;
        Self::Cluster { child, at, program }
    }

    /// The administrator's configuration.
    pub async fn admin(&self) -> Config {
        let path = match self {
            Self::Cluster { at, .. } => &at.kubeconfig,
            Self::Assets(assets) => return assets.admin(),
            Self::Existing(path) => path,
        };
        let file = Kubeconfig::read_from(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .unwrap();
        config.proxy_url = None;
        config
    }

    /// Kills a component and returns when its successor is ready.
    pub async fn restart(&self, component: &str) {
        let Self::Cluster { child, .. } = self else {
            panic!("only our own control plane can be restarted");
        };
        child.say(&format!("restart {component}"));
        let answer: Answer = child.line(START_LIMIT).await;
        assert!(
            answer.error.is_none(),
            "restart of {component}: {:?}",
            answer.error
        );
    }

    /// `kubectl` as the administrator.
    pub fn kubectl(&self) -> Command {
        match self {
            Self::Cluster { at, program, .. } => {
                let mut command = Command::new(program);
                command
                    .arg("kubectl")
                    .env("KUBECONFIG", &at.kubeconfig)
                    .env("KUBECACHEDIR", at.dir.join("kubectl"));
                command
            }
            Self::Assets(assets) => assets.kubectl(),
            Self::Existing(path) => {
                let mut command = Command::new("kubectl");
                command.env("KUBECONFIG", path);
                command
            }
        }
    }
}

/// The path of the control plane's program, built if it is not yet. The first
/// build takes minutes and shows its progress.
fn built() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/build.sh");
    let output = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    assert!(output.status.success(), "{script} failed; see above");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

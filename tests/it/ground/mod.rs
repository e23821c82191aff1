//! The ground that tests stand on: a real API server with cooper's objects
//! installed, and the emulated clouds.
//!
//! One control plane serves the test process; each test takes a [`Namespace`] of
//! its own. It is our own program from `tests/cluster`, unless the environment
//! names another: `KUBEBUILDER_ASSETS`, a folder with etcd and kube-apiserver (no
//! controllers), or `COOPER_TEST_KUBECONFIG`, a cluster that exists. Those can do
//! less; a test that needs more asks [`Ground::lacks`] first. CI sets
//! `COOPER_TEST_ALL=1`, and there a lack is a failure.
//!
//! The operator works with its ServiceAccount's token, never as administrator:
//! otherwise RBAC and the fence would be passed unseen.

mod assets;
mod audit;
mod child;
mod emulator;
mod eventually;
mod gateway;
mod impostor;
mod install;
mod kubeconfig;
mod namespace;
mod operator;
mod plane;
pub mod process;
pub mod receiver;
mod tls;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cooper::engine::controller::Scope;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};

pub use audit::{Request, Writes};
pub use emulator::{Emulator, Entry, Fault, Outcome, Side};
pub use eventually::eventually;
pub use gateway::{Gateway, Mishap};
pub use impostor::{Impostor, Spoilt, Stranger, Trick};
pub use namespace::Namespace;
pub use operator::{Cut, Operator, Start};
use plane::Plane;
pub use tls::TlsFront;

/// Where `deploy/base` puts the operator.
pub const SYSTEM: &str = "cooper-system";
/// The operator's ServiceAccount in [`SYSTEM`].
pub const ACCOUNT: &str = "cooper";

/// What not every ground has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// kube-controller-manager: garbage collection, namespace deletion.
    Controllers,
    /// [`Ground::own`]: a control plane for one test alone.
    Own,
    /// [`Ground::restart`].
    Restart,
    /// [`Ground::writes`].
    Audit,
}

/// A control plane with cooper's CRDs, RBAC and fence in it.
pub struct Ground {
    plane: Plane,
    admin: Config,
    operator: OnceCell<String>,
}

static SHARED: OnceCell<Ground> = OnceCell::const_new();

impl Ground {
    /// The ground of this test process, started by the first who asks.
    pub async fn get() -> &'static Self {
        static TRIED: AtomicBool = AtomicBool::new(false);
        let start = async || {
            // Each test trying once more would only take long.
            assert!(
                !TRIED.swap(true, Ordering::Relaxed),
                "the ground did not start; the test that asked first says why"
            );
            Self::start().await
        };
        SHARED.get_or_init(start).await
    }

    /// A ground with an operator that sees all of its namespaces, for those who need several. Started by the first who asks. Needs
    /// [`Need::Own`]: on the ground of all others it would do the work of theirs.
    pub async fn cluster() -> &'static Self {
        static CLUSTER: OnceCell<&'static Ground> = OnceCell::const_new();
        let start = async || {
            let (sender, started) = oneshot::channel();
            // The runtime of the test that asked first would end with it.
            thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let ground: &'static Self = Box::leak(Box::new(Self::own().await));
                    let _operator =
                        Operator::start_in(ground, Scope::Cluster, Start::default()).await;
                    let _ = sender.send(ground);
                    std::future::pending::<()>().await;
                });
            });
            started.await.expect("its thread says why")
        };
        CLUSTER.get_or_init(start).await
    }

    /// A ground for the caller alone, which may break it. Needs [`Need::Own`].
    pub async fn own() -> Self {
        Self::start().await
    }

    /// The same without anything of cooper's in it. Needs [`Need::Own`].
    pub async fn empty() -> Self {
        let plane = Plane::start().await;
        Self {
            admin: plane.admin().await,
            plane,
            operator: OnceCell::new(),
        }
    }

    async fn start() -> Self {
        let ground = Self::empty().await;
        install::install(&ground).await;
        ground
    }

    /// Applies a folder of the repository as its documentation says: `kubectl apply --server-side -k`.
    pub async fn install(&self, folder: &str) {
        let path = repository(folder);
        let apply = ["apply", "--server-side", "-k", path.to_str().unwrap()];
        let applied = self.kubectl(&apply).await;
        let said = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{folder}: {said}");
    }

    /// The needs that this ground meets.
    pub fn capabilities(&self) -> &'static [Need] {
        match self.plane {
            Plane::Cluster { .. } => &[Need::Controllers, Need::Own, Need::Restart, Need::Audit],
            Plane::Assets(_) => &[Need::Own],
            Plane::Existing(_) => &[Need::Controllers],
        }
    }

    /// Whether a test with these needs must leave. It has said so when it must.
    ///
    /// # Panics
    /// Where `COOPER_TEST_ALL` is set: there nothing may be left out.
    pub fn lacks(&self, needs: &[Need]) -> bool {
        let missing: Vec<_> = needs
            .iter()
            .filter(|need| !self.capabilities().contains(need))
            .collect();
        assert!(
            missing.is_empty() || std::env::var_os("COOPER_TEST_ALL").is_none(),
            "this ground lacks {missing:?}"
        );
        if !missing.is_empty() {
            eprintln!("not tested: this ground lacks {missing:?}");
        }
        !missing.is_empty()
    }

    /// A client of the administrator, for the test's own hand. Made for each test,
    /// because a client lives on the runtime that made it.
    pub fn admin(&self) -> Client {
        // A test that writes what cannot be read must go on reading the rest.
        cooper::shallow::client(self.admin.clone()).unwrap()
    }

    /// The configuration of the operator: its ServiceAccount's token, good for a day.
    pub async fn operator_config(&self) -> Config {
        self.config_with(self.operator_token().await)
    }

    /// That token.
    pub async fn operator_token(&self) -> String {
        let token = self.operator.get_or_init(|| self.token_of(SYSTEM, ACCOUNT));
        token.await.clone()
    }

    /// The operator's name as RBAC, admission and the audit log know it.
    pub fn operator() -> String {
        format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}")
    }

    /// A client of a fresh user who holds a ClusterRole (`view`, `edit`, `admin`)
    /// in one namespace. Needs [`Need::Controllers`] for the built-in roles, whose rules
    /// a controller gathers.
    pub async fn user_client(&self, namespace: &str, role: &str) -> Client {
        let name = install::bind_user(self, namespace, role).await;
        let token = self.token_of(namespace, &name).await;
        Client::try_from(self.config_with(token)).unwrap()
    }

    /// A kubeconfig, as JSON, for such a user.
    pub async fn user_kubeconfig(&self, namespace: &str, role: &str) -> Value {
        let name = install::bind_user(self, namespace, role).await;
        self.account_kubeconfig(namespace, &name).await
    }

    /// A kubeconfig, as JSON, for a ServiceAccount.
    pub async fn account_kubeconfig(&self, namespace: &str, account: &str) -> Value {
        let token = self.token_of(namespace, account).await;
        kubeconfig::of(&self.config_with(token), namespace)
    }

    async fn token_of(&self, namespace: &str, account: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(24 * 3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .unwrap_or_else(|error| {
                panic!("no token for ServiceAccount {namespace}/{account}: {error}")
            });
        made.status.expect("an issued token").token
    }

    fn config_with(&self, token: String) -> Config {
        let mut config = self.admin.clone();
        config.auth_info = AuthInfo {
            token: Some(token.into()),
            ..AuthInfo::default()
        };
        config
    }

    /// A new namespace, deleted with the value.
    pub async fn namespace(&self) -> Namespace {
        Namespace::create(
            self.admin.clone(),
            !matches!(self.plane, Plane::Cluster { .. }),
        )
        .await
    }

    /// A new namespace of this name.
    pub async fn namespace_called(&self, name: &str) -> Namespace {
        Namespace::called(
            self.admin.clone(),
            !matches!(self.plane, Plane::Cluster { .. }),
            name,
        )
        .await
    }

    /// Kills `etcd`, `kube-apiserver` or `kube-controller-manager` and returns when
    /// it serves again. Others use the shared ground: do it to one's [`own`](Self::own).
    pub async fn restart(&self, component: &str) {
        self.plane.restart(component).await;
    }

    /// What `user` has written since the ground was started. Needs [`Need::Audit`].
    pub async fn writes(&self, user: &str) -> Writes {
        let mark = self.mark().await;
        Writes::read(self.audit(), user, &mark).await
    }

    /// What a ServiceAccount in [`SYSTEM`] has asked for since the ground was started, reads too. Needs [`Need::Audit`].
    pub async fn requests(&self, account: &str) -> Vec<Request> {
        let mark = self.mark().await;
        let user = format!("system:serviceaccount:{SYSTEM}:{account}");
        audit::requests(self.audit(), &user, &mark).await
    }

    fn audit(&self) -> &Path {
        let Plane::Cluster { at, .. } = &self.plane else {
            panic!("this ground keeps no audit log");
        };
        &at.audit
    }

    /// Leaves a mark in the audit log. That is written in the order of answers: all up to the mark is all until now.
    async fn mark(&self) -> String {
        let mark = audit::mark();
        let secret = Secret {
            metadata: kube::core::ObjectMeta {
                name: Some(mark.clone()),
                ..Default::default()
            },
            ..Secret::default()
        };
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        Api::<Secret>::default_namespaced(self.admin())
            .create(&dry_run, &secret)
            .await
            .unwrap();
        mark
    }

    /// Runs `kubectl` as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(arguments, "").await
    }

    /// [`kubectl`](Self::kubectl) with these variables in its environment.
    pub async fn kubectl_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.plane.kubectl();
        command.envs(environment.iter().copied()).args(arguments);
        tokio::task::spawn_blocking(move || run(command, ""))
            .await
            .unwrap()
    }

    /// [`kubectl`](Self::kubectl) with something on its standard input.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.plane.kubectl();
        command.args(arguments);
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || run(command, &input))
            .await
            .unwrap()
    }
}

fn run(mut command: Command, input: &str) -> Output {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("kubectl: {error}"));
    // One that does not read its input may have ended before this is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

//! `cooper run`: the operator.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    app::{App, Options},
    engine::{clock::Clock, controller::Scope, core::Settings, trace::Traces},
    kinds::ProviderName,
    lease::Terms,
    server,
    telemetry::{
        self, Level,
        traces::{self, Exporter},
    },
    wire::Open,
};

/// The operator's flags.
#[derive(Debug, Args)]
pub struct Run {
    /// Kubeconfig to use outside a cluster. Without it: KUBECONFIG or the Pod's ServiceAccount.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Providers to work for: their CRDs are waited for, those of others may be missing.
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',', default_values_t = ProviderName::value_variants().to_vec())]
    providers: Vec<ProviderName>,
    /// Watch one namespace only.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Namespace the operator itself lives in; the admission fence is checked there.
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAMESPACE",
        default_value = "cooper-system"
    )]
    own_namespace: String,
    /// Work at once, without electing one operator of several: only where no other can run.
    #[arg(long)]
    no_leader_election: bool,
    /// Name of the Lease, in --own-namespace. Operators that watch the same must have the same one.
    #[arg(long, value_name = "NAME", default_value = "cooper")]
    lease_name: String,
    /// Who this operator is in the Lease; something random is added.
    #[arg(long, value_name = "NAME", env = "HOSTNAME", default_value = "cooper")]
    identity: String,
    /// How long the lease of an operator that died is left alone, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=3600))]
    lease_duration: u64,
    /// How long without a renewal an operator goes on working, in seconds; less than --lease-duration.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    renew_deadline: u64,
    /// Time between two renewals, in seconds; less than half of --renew-deadline.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    retry_period: u64,
    /// Do not check that the admission fence stands. Without the fence the operator's rights open every Secret.
    #[arg(long)]
    no_fence_check: bool,
    /// Address of the probes; port 0 picks a free one. The one chosen is printed as a line of JSON.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Time between two looks at a remote that is as wanted, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=86400))]
    drift_interval: u64,
    /// Time between two looks at a Secret, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=86400))]
    secret_interval: u64,
    /// Look at a Secret of ours as soon as somebody changes or deletes it. Takes the right to list and watch Secrets, which is the right
    /// to read all of them.
    #[arg(long, env = "COOPER_SECRETS_WATCH")]
    secrets_watch: bool,
    /// What is logged, such as info or cooper=debug,info.
    #[arg(long, env = "COOPER_LOG", default_value = "cooper=info,warn")]
    log: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: telemetry::Format,
}

impl Run {
    /// Runs the operator until it is told to stop.
    pub fn run(self) -> anyhow::Result<()> {
        let level = telemetry::start(&self.log, self.log_format)?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(self.operate(level))
    }

    async fn operate(self, level: Level) -> anyhow::Result<()> {
        let config = self.config().await?;
        let lease = self.terms()?;
        let (exporter, traces) = exporter().unzip();
        let options = Options {
            providers: self.providers,
            scope: self.namespace.map_or(Scope::Cluster, Scope::Namespace),
            settings: Settings {
                drift: Duration::from_secs(self.drift_interval),
                secret_check: Duration::from_secs(self.secret_interval),
                watch_secrets: self.secrets_watch,
                ..Settings::default()
            },
            fence_namespace: (!self.no_fence_check).then_some(self.own_namespace),
            lease,
            traces: traces.unwrap_or_default(),
        };
        let app = App::new(config, Arc::new(Open), Clock::system(), options)?;
        let listener = server::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        println!(
            "{}",
            serde_json::json!({"http": format!("http://{}", listener.local_addr()?)})
        );
        let _server =
            AbortOnDropHandle::new(tokio::spawn(server::serve(listener, app.core(), level)));
        let (told, wait) = oneshot::channel();
        let running = app.run(async {
            // A closed channel stops as well.
            let _ = wait.await;
        });
        let ended = CancellationToken::new();
        let sending = exporter.map(|exporter| tokio::spawn(exporter.run(ended.clone())));
        let done = until_stopped(running, told).await;
        ended.cancel();
        if let Some(sending) = sending {
            // Bounded by itself. A bug there must not change how this ends.
            let _ = sending.await;
        }
        done
    }

    /// The election to take part in.
    fn terms(&self) -> anyhow::Result<Option<Terms>> {
        if self.no_leader_election {
            return Ok(None);
        }
        let terms = Terms {
            namespace: self.own_namespace.clone(),
            name: self.lease_name.clone(),
            identity: format!("{}_{:08x}", self.identity, rand::random::<u32>()),
            duration: Duration::from_secs(self.lease_duration),
            deadline: Duration::from_secs(self.renew_deadline),
            retry: Duration::from_secs(self.retry_period),
        };
        terms.check()?;
        Ok(Some(terms))
    }

    async fn config(&self) -> anyhow::Result<Config> {
        match &self.kubeconfig {
            None => Config::infer()
                .await
                .context("no cluster: give --kubeconfig, set KUBECONFIG, or run in a Pod"),
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
            }
        }
    }
}

/// Runs to its end, which the process being asked to stop brings about.
async fn until_stopped(
    running: impl Future<Output = anyhow::Result<()>>,
    told: oneshot::Sender<()>,
) -> anyhow::Result<()> {
    tokio::pin!(running);
    tokio::select! {
        done = &mut running => return done,
        () = stop_signal() => {}
    }
    tracing::info!("stopping: passes under way are finished first");
    let _ = told.send(());
    running.await
}

/// Where traces go, if the environment says so. What is wrong with that keeps nothing else from working.
fn exporter() -> Option<(Exporter, Traces)> {
    let variable = |name: &str| std::env::var(name).ok();
    let (settings, warned) = traces::Settings::read(variable, |path| std::fs::read(path));
    for warning in warned {
        tracing::warn!("{warning}");
    }
    let settings = settings?;
    tracing::info!(
        host = settings.endpoint.host_str(),
        share = settings.share,
        "passes are traced"
    );
    Exporter::new(settings)
        .inspect_err(
            |error| tracing::warn!(%error, "no traces are sent: their client cannot be built"),
        )
        .ok()
}

/// Returns when the process is asked to stop.
async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

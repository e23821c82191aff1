//! How commands reach a cluster and get into an account.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    confidential::Confidential,
    engine::{
        account::{Outside, Way},
        clock::Clock,
        external::AccountKey,
    },
    http::Unmetered,
    shallow,
    wire::Open,
};

/// Longest wait for a connection to the API server: one that is not there should say so soon.
const CONNECT: Duration = Duration::from_secs(5);

/// Which cluster, as kubectl takes it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct Cluster {
    /// Kubeconfig to use. Default: KUBECONFIG, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace of what does not name one. Default: that of the context.
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// Whose credentials.
///
/// Secrets are not taken from the command line, which everybody on the machine can read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Credentials")]
pub struct Credentials {
    /// Use the credentials of this Account in the cluster; its Secret is read with your own rights. Without it: UPCLOUD_TOKEN, or
    /// UPCLOUD_USERNAME and UPCLOUD_PASSWORD, from the environment.
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    account: Option<String>,
    /// Base URL of the cloud's API for credentials from the environment. Default: the provider's own.
    #[arg(long, value_name = "URL", conflicts_with = "account")]
    endpoint: Option<String>,
}

/// A cluster that was reached, and the namespace meant there.
pub struct Reached {
    /// The cluster; none if it is not to be asked.
    pub kube: Option<Client>,
    /// The namespace of what does not name one.
    pub namespace: String,
}

impl Cluster {
    /// No cluster is to be asked.
    pub fn none(&self) -> Reached {
        Reached {
            kube: None,
            namespace: self.namespace.clone().unwrap_or_else(|| "default".into()),
        }
    }

    /// The cluster; none is an error.
    pub async fn reach(&self) -> anyhow::Result<Reached> {
        let config = self.config().await?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let host = config.cluster_url.to_string();
        let kube = shallow::client(config).context("cannot build a client for the cluster")?;
        match tokio::time::timeout(2 * CONNECT, kube.apiserver_version()).await {
            // It answers, be it that it tells strangers nothing of its version.
            Ok(Ok(_) | Err(kube::Error::Api(_))) => {}
            Ok(Err(error)) => {
                return Err(error).with_context(|| format!("cannot reach the cluster at {host}"));
            }
            Err(_) => anyhow::bail!("the cluster at {host} does not answer"),
        }
        Ok(Reached {
            kube: Some(kube),
            namespace,
        })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Config::from_custom_kubeconfig(file, &options).await
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await,
            None => {
                let inferred = Config::infer().await;
                let mut config =
                    inferred.context("no cluster: give --kubeconfig or set KUBECONFIG")?;
                Self::hasten(&mut config);
                return Ok(config);
            }
        };
        let mut config = config.context("cannot use the kubeconfig")?;
        Self::hasten(&mut config);
        Ok(config)
    }

    fn hasten(config: &mut Config) {
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false;
    }
}

impl Credentials {
    /// Whether they are in a cluster.
    pub fn are_in_cluster(&self) -> bool {
        self.account.is_some()
    }

    /// The name of the Account that was given, without its namespace.
    pub fn account_name(&self) -> Option<&str> {
        let named = self.account.as_deref()?;
        Some(named.split_once('/').map_or(named, |(_, name)| name))
    }

    /// The way into an account.
    pub fn way(&self, reached: &Reached) -> Way {
        let key = |named: &str| {
            let (namespace, name) = named.split_once('/').unwrap_or((&reached.namespace, named));
            AccountKey {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }
        };
        Way {
            kube: reached.kube.clone(),
            chosen: self.account.as_deref().map(key),
            endpoint: self.endpoint.clone(),
            variable: Box::new(|name| std::env::var(name).ok().map(Confidential::new)),
            outside: Outside {
                clock: Clock::system(),
                wire: Arc::new(Open),
                meter: Arc::new(Unmetered),
            },
        }
    }

    /// The way into one account, for commands that need a cluster only for its credentials.
    pub async fn way_in(&self, cluster: &Cluster) -> anyhow::Result<Way> {
        let reached = if self.are_in_cluster() {
            cluster.reach().await?
        } else {
            cluster.none()
        };
        Ok(self.way(&reached))
    }
}

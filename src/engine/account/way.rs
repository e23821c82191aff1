//! The way into an account for somebody at a command line, without an operator.
//!
//! Credentials come from the environment, or from the Secret of an Account in the cluster, read with the caller's own rights. The two
//! do not mix: what the environment holds is sent to the endpoint of the command line or the provider's own, and what a Secret holds
//! to the endpoint of the Account as the cluster has it. A file that somebody proposes for review decides neither.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, Resource};

use super::{Outside, Provider};
use crate::{
    confidential::Confidential,
    engine::{
        external::AccountKey,
        fault::Fault,
        object::{Trouble, answered},
    },
};

/// What a command line has at hand.
pub struct Way {
    /// The cluster, if there is one to ask.
    pub kube: Option<Client>,
    /// The account that was named.
    pub chosen: Option<AccountKey>,
    /// Base URL to use in place of the provider's own.
    pub endpoint: Option<String>,
    /// The environment.
    pub variable: Variable,
    /// What a session needs from outside.
    pub outside: Outside,
}

/// Looks a variable of the environment up.
pub type Variable = Box<dyn Fn(&str) -> Option<Confidential> + Send + Sync>;

/// Why there is no way into an account.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// Nothing says whose credentials to use.
    #[error("no credentials: name an Account with --account, or set {0}")]
    NoCredentials(String),
    /// The Account is not in the cluster.
    #[error("Account {0} does not exist in the cluster")]
    NoAccount(AccountKey),
    /// Its Secret is not there.
    #[error("Account {account} has no credentials: there is no Secret {secret} in its namespace")]
    NoSecret {
        /// The Account.
        account: AccountKey,
        /// The Secret it names.
        secret: String,
    },
    /// An Account is named, and there is no cluster to ask for it.
    #[error("Account {0} is in a cluster, and none can be asked: {1}")]
    NoCluster(AccountKey, &'static str),
    /// The cluster did not give what was asked for.
    #[error("cannot read {what}: {trouble}")]
    Cluster {
        /// What was to be read.
        what: String,
        /// What became of it.
        trouble: Trouble,
    },
    /// The credentials belong to another account than the one pinned in the Account's status.
    #[error(
        "the credentials belong to account {found} of the cloud, but Account {account} stands for {pinned}"
    )]
    Stranger {
        /// The Account.
        account: AccountKey,
        /// Whose the credentials are.
        found: String,
        /// Whose they should be.
        pinned: String,
    },
    /// The cloud did not let us in.
    #[error("{}", .0.told())]
    Cloud(#[from] Fault),
}

impl Way {
    /// Into the account that was named, or else the one whose credentials the environment holds. Asks the cloud whose they are.
    pub async fn open<A: Provider>(&self) -> Result<A::Cloud, Closed> {
        match &self.chosen {
            Some(key) => self.by_secret::<A>(key).await,
            None => self.by_environment::<A>(None).await,
        }
    }

    /// Into the account of this resource: as [`Way::open`], or with the credentials that it names in the cluster.
    pub async fn open_for<A: Provider>(&self, key: &AccountKey) -> Result<A::Cloud, Closed> {
        if let Some(chosen) = &self.chosen {
            return self.by_secret::<A>(chosen).await;
        }
        if self.has_environment::<A>() {
            let known = self.account::<A>(key).await?;
            return self.by_environment(known.as_ref().map(|a| (key, a))).await;
        }
        if self.kube.is_none() {
            return Err(Closed::NoCredentials(variables::<A>()));
        }
        self.by_secret::<A>(key).await
    }

    /// Whether an account can be used that no file and no cluster describes.
    pub fn stands_in<A: Provider>(&self) -> bool {
        self.chosen.is_some() || self.has_environment::<A>()
    }

    /// An Account as the cluster has it.
    async fn account<A: Provider>(&self, key: &AccountKey) -> Result<Option<A>, Closed> {
        let Some(kube) = &self.kube else {
            return Ok(None);
        };
        let api: Api<A> = Api::namespaced(kube.clone(), &key.namespace);
        let read = answered(api.get_opt(&key.name)).await;
        read.map_err(|trouble| Closed::Cluster {
            what: format!("{} {key}", A::kind(&())),
            trouble,
        })
    }

    async fn by_secret<A: Provider>(&self, key: &AccountKey) -> Result<A::Cloud, Closed> {
        let Some(kube) = &self.kube else {
            let why = "give --kubeconfig, or leave out --offline";
            return Err(Closed::NoCluster(key.clone(), why));
        };
        let account = self.account::<A>(key).await?;
        let account = account.ok_or_else(|| Closed::NoAccount(key.clone()))?;
        let secret = account.credentials_secret();
        let api: Api<Secret> = Api::namespaced(kube.clone(), &key.namespace);
        let read = answered(api.get_opt(secret)).await;
        let read = read.map_err(|trouble| Closed::Cluster {
            what: format!("Secret {}/{secret}", key.namespace),
            trouble,
        })?;
        let read = read.ok_or_else(|| Closed::NoSecret {
            account: key.clone(),
            secret: secret.to_owned(),
        })?;
        let entries = read.data.unwrap_or_default();
        let cloud = account.open(&entries, &self.outside)?;
        identified(cloud, Some((key, &account))).await
    }

    async fn by_environment<A: Provider>(
        &self,
        known: Option<(&AccountKey, &A)>,
    ) -> Result<A::Cloud, Closed> {
        let entries = self.entries::<A>();
        if entries.is_empty() {
            return Err(Closed::NoCredentials(variables::<A>()));
        }
        let stand_in = A::stand_in("", "", self.endpoint.as_deref());
        identified(stand_in.open(&entries, &self.outside)?, known).await
    }

    fn has_environment<A: Provider>(&self) -> bool {
        !self.entries::<A>().is_empty()
    }

    fn entries<A: Provider>(&self) -> BTreeMap<String, ByteString> {
        let found = A::ENVIRONMENT.iter().filter_map(|(variable, entry)| {
            let text = (self.variable)(variable)?;
            let bytes = ByteString(text.expose().as_bytes().to_vec());
            (!text.expose().is_empty()).then(|| ((*entry).to_owned(), bytes))
        });
        found.collect()
    }
}

/// The session, once the cloud has said whose it is, and that it is whose it should be.
async fn identified<A: Provider>(
    cloud: A::Cloud,
    known: Option<(&AccountKey, &A)>,
) -> Result<A::Cloud, Closed> {
    let found = A::identify(&cloud).await?;
    let pinned = known.and_then(|(key, account)| Some((key, account.status()?.identity.clone()?)));
    match pinned {
        Some((account, pinned)) if pinned != found => Err(Closed::Stranger {
            account: account.clone(),
            found,
            pinned,
        }),
        Some(_) | None => Ok(cloud),
    }
}

fn variables<A: Provider + Resource>() -> String {
    let names: Vec<_> = A::ENVIRONMENT.iter().map(|(name, _)| *name).collect();
    match names.split_first() {
        Some((first, rest)) if !rest.is_empty() => format!("{first}, or {}", rest.join(" and ")),
        Some((first, _)) => (*first).to_owned(),
        None => "its credentials".into(),
    }
}

//! `cooper keys`: which access keys are live, and whose they are.

use std::collections::HashMap;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use kube::{Api, Client, Resource, api::ListParams};
use serde::Serialize;

use super::{
    End,
    output::{Format, Table, age, print},
    reach::{Cluster, Credentials},
};
use crate::{
    engine::{
        budget::Lane,
        guarded::Guarded,
        key::{KeyId, Ledger},
        object::answered,
        standing,
        subject::{StatusOf, status_of},
    },
    upcloud::{
        account::Account,
        api::{AccessKey, Api as Cloud},
        iam_user::IamUser,
    },
};

/// List the access keys of all users at the cloud, and the IamUser that each belongs to.
///
/// OWNER is the IamUser whose status names the key; ROLE is what that status says: current (its Secret holds it), old (replaced, kept
/// for a while), making (being made), suspect (perhaps a lost one of ours), revoking (about to be deleted). Keys that no IamUser names
/// are unknown: somebody made them by other means, or their IamUser is in a cluster that was not asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done
  1  error
  2  with --fail-on-unknown: there are unknown keys

Example:
  cooper keys --account default
  cooper keys --account default --unknown --fail-on-unknown -o json")]
pub struct Keys {
    /// Only the service of this name.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only keys that no IamUser names.
    #[arg(long, conflicts_with = "offline")]
    unknown: bool,
    /// Exit with code 2 if there are keys that no IamUser names.
    #[arg(long, conflicts_with = "offline")]
    fail_on_unknown: bool,
    /// Do not ask a cluster: whose the keys are is not told.
    #[arg(long, conflicts_with = "account")]
    offline: bool,
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cluster: Cluster,
}

/// A key as it is told. Ids of keys are no secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    service: String,
    user: String,
    id: String,
    status: Option<String>,
    created_at: Option<Timestamp>,
    /// `None`: never, or the cloud does not say.
    last_used_at: Option<Timestamp>,
    never_used: bool,
    #[serde(flatten)]
    owner: Owner,
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    /// Namespace and name of the IamUser that stands for the cloud's user.
    owner: Option<String>,
    /// What the IamUser's status says of the key. Unknown: nothing; `None`: nobody was asked.
    role: Option<Role>,
}

/// What a ledger says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Current,
    Old,
    Making,
    Suspect,
    Revoking,
    Unknown,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Old => "old",
            Self::Making => "making",
            Self::Suspect => "suspect",
            Self::Revoking => "revoking",
            Self::Unknown => "unknown",
        }
    }

    /// What the ledger says of this key.
    fn of(ledger: &Ledger, id: &KeyId) -> Self {
        let attempts = || ledger.attempts.iter();
        match () {
            () if ledger.is_current(id) => Self::Current,
            () if ledger.revoking.contains(id) => Self::Revoking,
            () if ledger.is_old(id) => Self::Old,
            () if attempts().any(|attempt| attempt.key.as_ref() == Some(id)) => Self::Making,
            () if attempts().any(|attempt| attempt.suspect.as_ref() == Some(id)) => Self::Suspect,
            () => Self::Unknown,
        }
    }
}

/// IamUsers by the service and the name of the user that they stand for.
type Owners = HashMap<(String, String), (String, Ledger)>;

impl Keys {
    /// Lists them.
    pub async fn run(self) -> anyhow::Result<End> {
        let reached = if self.offline {
            self.cluster.none()
        } else {
            self.cluster.reach().await?
        };
        let way = self.credentials.way(&reached);
        let cloud = way.open::<Account>().await?;
        let mut services = cloud.services().await?;
        if let Some(name) = &self.service {
            services.retain(|service| service.name == *name);
            if services.is_empty() {
                bail!("the account has no service named {name}");
            }
        }
        let owners = match &reached.kube {
            Some(kube) => Some(owners(kube, self.cluster.namespace.as_deref()).await?),
            None => None,
        };
        let mut keys = Vec::new();
        for service in services {
            let id = service.uuid.as_str();
            let listed = listed(cloud.api(), &service.name, &service.uuid, |user, key| {
                owner(owners.as_ref(), id, user, key)
            });
            keys.extend(listed.await?);
        }
        let unknown = |key: &Key| key.owner.role == Some(Role::Unknown);
        let found = keys.iter().any(unknown);
        if self.unknown {
            keys.retain(unknown);
        }
        let now = way.outside.clock.now();
        print(self.output, &keys, |keys| table(keys, now))?;
        Ok(if found && self.fail_on_unknown {
            End::Found
        } else {
            End::Done
        })
    }
}

/// The keys of a service, by user and age.
async fn listed(
    api: &Cloud,
    service: &str,
    id: &crate::upcloud::api::ServiceId,
    owner: impl Fn(&str, &AccessKey) -> Owner,
) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for user in api.list_users(Lane::Fresh, id).await?.value {
        for key in user.access_keys {
            keys.push(Key {
                service: service.to_owned(),
                user: user.username.clone(),
                id: key.id.to_string(),
                status: key.status.as_ref().map(ToString::to_string),
                created_at: key.created_at,
                last_used_at: key.last_used_at.filter(|_| !key.is_never_used()),
                never_used: key.is_never_used(),
                owner: owner(&user.username, &key),
            });
        }
    }
    keys.sort_by(|one, other| {
        (&one.user, one.created_at, &one.id).cmp(&(&other.user, other.created_at, &other.id))
    });
    Ok(keys)
}

/// The IamUsers of the cluster that stand for a user of the cloud.
async fn owners(kube: &Client, namespace: Option<&str>) -> anyhow::Result<Owners> {
    let api: Api<Guarded<IamUser>> = match namespace {
        Some(namespace) => Api::namespaced(kube.clone(), namespace),
        None => Api::all(kube.clone()),
    };
    let users = answered(api.list(&ListParams::default())).await;
    let users = users.context("cannot list the IamUsers of the cluster")?;
    let owners = users.items.iter().filter_map(|user| {
        let status: StatusOf<IamUser> = status_of(user)?;
        let (_, place) = standing::claimed(&status)?;
        let meta = user.meta();
        let name = format!("{}/{}", meta.namespace.as_deref()?, meta.name.as_deref()?);
        let key = (place.service.to_string(), place.name.clone());
        Some((key, (name, status.keys.unwrap_or_default())))
    });
    Ok(owners.collect())
}

/// Whose a key is; nobody can say if no cluster was asked.
fn owner(owners: Option<&Owners>, service: &str, user: &str, key: &AccessKey) -> Owner {
    let place = (service.to_owned(), user.to_owned());
    let found = owners.and_then(|owners| owners.get(&place));
    let id = KeyId::new(key.id.as_str());
    let role = found.map_or(Role::Unknown, |(_, ledger)| Role::of(ledger, &id));
    Owner {
        owner: found.map(|(name, _)| name.clone()),
        role: owners.map(|_| role),
    }
}

fn table(keys: &[Key], now: Timestamp) -> String {
    let mut table = Table::new([
        "SERVICE",
        "USER",
        "KEY",
        "STATUS",
        "AGE",
        "LAST USED",
        "ROLE",
        "OWNER",
    ]);
    let since = |then: Timestamp| age(now.as_second() - then.as_second());
    for key in keys {
        let used = match key.last_used_at {
            Some(used) => format!("{} ago", since(used)),
            None if key.never_used => "never".into(),
            None => "unknown".into(),
        };
        table.row([
            key.service.clone(),
            key.user.clone(),
            key.id.clone(),
            key.status.clone().unwrap_or_default(),
            key.created_at.map(since).unwrap_or_default(),
            used,
            key.owner.role.map_or("", Role::word).into(),
            key.owner.owner.clone().unwrap_or_default(),
        ]);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::key::Current;

    fn key(id: &str) -> AccessKey {
        AccessKey {
            id: id.into(),
            status: None,
            created_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_that_no_ledger_names_is_unknown() {
        let mut ledger = Ledger::for_secret(Some("ci-s3"));
        ledger.current = Some(Current {
            id: KeyId::new("AKIA1"),
            serial: 0,
        });
        ledger.revoking.insert(KeyId::new("AKIA2"));
        let place = ("id".to_owned(), "ci".to_owned());
        let owners = Owners::from([(place, ("media/ci".to_owned(), ledger))]);
        for (user, id, owned, role) in [
            ("ci", "AKIA1", Some("media/ci"), Role::Current),
            ("ci", "AKIA2", Some("media/ci"), Role::Revoking),
            ("ci", "AKIA3", Some("media/ci"), Role::Unknown),
            ("other", "AKIA1", None, Role::Unknown),
        ] {
            let found = owner(Some(&owners), "id", user, &key(id));
            assert_eq!((found.owner.as_deref(), found.role), (owned, Some(role)));
        }
        assert_eq!(owner(None, "id", "ci", &key("AKIA1")).role, None);
    }
}

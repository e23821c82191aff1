//! Everything the emulator remembers: accounts, their services, and what is in them.
//!
//! One world stands behind one lock. Nothing here speaks HTTP.

pub mod iam;
pub mod service;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::choices::Choices;
use crate::data::Store;
use crate::lifecycle::{Pace, State};
use service::Service;

/// All accounts, and the settings that hold for all of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// Accounts in order of creation; few.
    pub accounts: Vec<Account>,
    /// Switches for what nobody knows.
    pub choices: Choices,
    /// Speed of the state machine.
    pub pace: Pace,
    /// Owners of access keys by key id; entries may be stale, the key itself decides.
    #[serde(skip)]
    pub key_owners: HashMap<String, (String, String)>,
    /// Services that are gone since the data plane last asked, so that it can drop their objects.
    #[serde(skip)]
    pub dropped: Vec<Dropped>,
}

/// Something whose objects are no longer wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// A whole service.
    Service(String),
    /// One bucket: service and name.
    Bucket(String, String),
}

/// One account: isolated from every other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Name within the control API; never on the wire.
    pub name: String,
    /// Credentials; an empty one admits nobody.
    pub credentials: Credentials,
    /// Services by UUID.
    pub services: BTreeMap<String, Service>,
    /// Routers by UUID, as sent.
    pub routers: BTreeMap<String, Value>,
    /// SDN networks by UUID, as sent.
    pub networks: BTreeMap<String, Value>,
}

/// Credentials of an account. Has secrets, hence a `Debug` of its own.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// Bearer token.
    pub token: String,
    /// User of Basic authentication.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl World {
    /// The account of a name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The account of a name, to change it.
    pub fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .find(|account| account.name == name)
    }

    /// All services of all accounts.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.accounts
            .iter()
            .flat_map(|account| account.services.values())
    }

    /// A service of any account.
    pub fn service(&self, uuid: &str) -> Option<&Service> {
        self.accounts
            .iter()
            .find_map(|account| account.services.get(uuid))
    }

    /// A service of any account, to change it.
    pub fn service_mut(&mut self, uuid: &str) -> Option<&mut Service> {
        self.accounts
            .iter_mut()
            .find_map(|account| account.services.get_mut(uuid))
    }

    /// Removes what is over by `now`: deleted services and purged buckets.
    pub fn settle(&mut self, now: Timestamp) {
        let Self {
            accounts,
            choices,
            pace,
            dropped,
            ..
        } = self;
        for account in accounts {
            account.services.retain(|uuid, service| {
                let gone = service.seen(now, pace, choices).state == State::Gone;
                if gone {
                    dropped.push(Dropped::Service(uuid.clone()));
                }
                !gone
            });
            for service in account.services.values_mut() {
                service
                    .buckets
                    .retain(|_, bucket| !bucket.is_purged(now, pace));
            }
        }
    }

    /// Changes the pace; what is under way goes on from where it is.
    pub fn set_pace(&mut self, now: Timestamp, pace: Pace) {
        self.settle(now);
        let Self {
            accounts,
            choices,
            pace: old,
            ..
        } = self;
        for service in accounts
            .iter_mut()
            .flat_map(|account| account.services.values_mut())
        {
            service.rebase(now, old, choices);
        }
        self.pace = pace;
    }

    /// Turns switches; services keep their place.
    pub fn set_choices(&mut self, now: Timestamp, choices: Choices) {
        self.settle(now);
        let Self {
            accounts,
            choices: old,
            pace,
            ..
        } = self;
        for service in accounts
            .iter_mut()
            .flat_map(|account| account.services.values_mut())
        {
            service.rebase(now, pace, old);
        }
        self.choices = choices;
    }

    /// Removes an account with its services; false if there is none of this name.
    pub fn remove_account(&mut self, name: &str) -> bool {
        let Some(at) = self
            .accounts
            .iter()
            .position(|account| account.name == name)
        else {
            return false;
        };
        let account = self.accounts.remove(at);
        let services = account.services.into_keys().map(Dropped::Service);
        self.dropped.extend(services);
        true
    }

    /// Counts anew what the buckets hold, and drops what no bucket of ours holds.
    pub fn recount(&mut self, store: &Store) {
        store.retain(|service, bucket| {
            let service = self.service(service);
            let bucket = service.and_then(|service| service.buckets.get(bucket));
            bucket.is_some_and(|bucket| bucket.deleted_at.is_none())
        });
        let services = self
            .accounts
            .iter_mut()
            .flat_map(|account| account.services.values_mut());
        for service in services {
            for (name, bucket) in &mut service.buckets {
                let held = store.usage(&service.uuid, name);
                bucket.objects = held.objects;
                bucket.bytes = held.bytes;
            }
        }
    }

    /// Rebuilds what is not saved.
    pub fn reindex(&mut self) {
        let mut owners = HashMap::new();
        for service in self.services() {
            for (name, user) in &service.iam.users {
                for key in &user.keys {
                    owners.insert(key.id.clone(), (service.uuid.clone(), name.clone()));
                }
            }
        }
        self.key_owners = owners;
    }
}

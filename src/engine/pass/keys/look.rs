//! Reading what the protocol decides on: resource first, then target and stagings by name, then the key list.

use std::{collections::BTreeMap, time::Instant};

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{Desk, List, Stop};
use crate::engine::{
    budget::Lane,
    external::External,
    fault::{Class, Fault},
    intent,
    key::{self, KeyStep, Ledger, Listed, SLOTS, Slot, Stored, Target, staging},
    keyring::{Keyring, Keys},
    object::Trouble,
    reason::Reason,
    secret::Found,
};

/// Everything that one look at Kubernetes showed.
pub(super) struct Sight {
    pub(super) stored: Stored,
    pub(super) target: Option<Secret>,
    pub(super) stagings: [Option<Secret>; SLOTS],
}

impl Sight {
    /// No Secret of ours, no ledger entry: nothing but a new user.
    pub(super) fn is_bare(&self) -> bool {
        let nothing = self.stored.ledger.as_ref().is_none_or(Ledger::is_empty);
        nothing && self.target.is_none() && self.stored.slots.iter().all(|slot| *slot == Slot::Free)
    }
}

impl<K: External> Desk<'_, '_, K> {
    /// The light look: with the ledger in hand, a list that may be older, and one read of the target, is there nothing to do?
    ///
    /// A staging that a dead process left beside a finished ledger shows in neither of them, so now and then it reads these too.
    pub(super) async fn is_settled(&mut self, keys: &Keys) -> Result<bool, Stop> {
        let ledger = self.pass.subject.status.keys.clone();
        let Some(ledger) = ledger.filter(|ledger| ledger.attempts.is_empty()) else {
            return Ok(false);
        };
        let look = self.pass.engine.core.hands.look().await;
        let target = self.read_target(Some(&ledger)).await?;
        let slots = if self.is_swept() {
            Default::default()
        } else {
            self.read_stagings().await?.1
        };
        drop(look);
        let stored = self.stored(Some(ledger), &target, slots);
        let listed = Listed {
            at: keys.at,
            keys: keys.keys.clone(),
        };
        let ledger = stored.ledger.as_ref();
        if key::noticed(ledger, &listed, &self.want).is_some() {
            return Ok(false);
        }
        self.want.serial = key::serial(ledger, &listed, &self.want);
        let step = key::next(&stored, &listed, &self.want);
        if step != KeyStep::Settled {
            return Ok(false);
        }
        self.tell(&stored, &listed, &step);
        self.swept();
        Ok(true)
    }

    /// Whether the stagings were looked at often enough: once since this process knows the resource or something went wrong, and once
    /// more a drift round later, when whatever was on its way from a dead process has arrived; after that with each deep read.
    fn is_swept(&self) -> bool {
        let needed = match self.site.view.lane {
            Lane::Drift => 2,
            Lane::Fresh | Lane::Write => 1,
        };
        self.pass.memo.sweeps >= needed && !self.site.view.deep
    }

    /// All is settled: no staging was left.
    pub(super) fn swept(&mut self) {
        if !self.is_swept() {
            self.pass.memo.sweeps = self.pass.memo.sweeps.saturating_add(1);
        }
    }

    /// Resource, then target and stagings, each by name.
    ///
    /// What is wanted and what is stored must be of one reading: an edit since the pass began ends it.
    pub(super) async fn look(&mut self) -> Result<Sight, Stop> {
        self.pass.subject.refresh().await?;
        if self.pass.subject.overtaken {
            return Err(Trouble::Conflict.into());
        }
        let ledger = self.pass.subject.status.keys.clone();
        let (target, stagings) =
            futures::future::join(self.read_target(ledger.as_ref()), self.read_stagings()).await;
        let (target, (stagings, states)) = (target?, stagings?);
        let stored = self.stored(ledger, &target, states);
        let target = match target {
            Found::Ours(secret) => Some(*secret),
            Found::Absent | Found::Foreign => None,
        };
        Ok(Sight {
            stored,
            target,
            stagings,
        })
    }

    async fn read_stagings(&self) -> Result<([Option<Secret>; SLOTS], [Slot; SLOTS]), Trouble> {
        let uid = self.uid();
        let names: [String; SLOTS] = std::array::from_fn(|slot| key::staging_name(&uid, slot));
        let secrets = &self.pass.engine.core.secrets;
        let reads = names
            .iter()
            .map(|name| secrets.read(self.namespace(), name));
        let mut stagings: [Option<Secret>; SLOTS] = Default::default();
        let mut states: [Slot; SLOTS] = Default::default();
        let found = futures::future::join_all(reads).await;
        for ((staging, state), read) in stagings.iter_mut().zip(&mut states).zip(found) {
            match read? {
                Found::Absent => {}
                Found::Foreign => *state = Slot::Taken,
                Found::Ours(secret) => {
                    *state = staging::decode(&secret, &uid);
                    *staging = Some(*secret);
                }
            }
        }
        Ok((stagings, states))
    }

    async fn read_target(&self, ledger: Option<&Ledger>) -> Result<Found, Trouble> {
        match key::target_name(ledger, &self.want) {
            Some(name) => {
                self.pass
                    .engine
                    .core
                    .secrets
                    .read(self.namespace(), name)
                    .await
            }
            None => Ok(Found::Absent),
        }
    }

    fn stored(&self, ledger: Option<Ledger>, target: &Found, slots: [Slot; SLOTS]) -> Stored {
        let target = match target {
            Found::Absent => Target::Absent,
            Found::Foreign => Target::Foreign,
            Found::Ours(secret) => match key::decode_target(secret, &self.uid(), &self.want) {
                Target::Ours(mut own) => {
                    own.stale = self.is_stale(secret);
                    Target::Ours(own)
                }
                other @ (Target::Absent | Target::Foreign) => other,
            },
        };
        Stored {
            uid: self.uid(),
            finalizer: intent::has_finalizer(&self.pass.subject.meta),
            ledger,
            target,
            slots,
            creates_refused: self.pass.memo.creates_refused,
            resource_version: self.pass.subject.version.clone(),
        }
    }

    /// Whether rendering the target anew from its own id and secret would change it.
    fn is_stale(&self, secret: &Secret) -> bool {
        let Some(rendered) = self.render_again(secret) else {
            return false;
        };
        let has = |have: Option<&BTreeMap<String, String>>, want: &BTreeMap<String, String>| {
            let get = |name| have.and_then(|have| have.get(name));
            want.iter().all(|(name, value)| get(name) == Some(value))
        };
        secret.data.as_ref() != Some(&rendered)
            || !has(secret.metadata.labels.as_ref(), &self.want.labels)
            || !has(secret.metadata.annotations.as_ref(), &self.want.annotations)
    }

    /// The entries of the target from its own id and secret. `None` if it holds none, or nothing can be rendered now.
    pub(super) fn render_again(&self, secret: &Secret) -> Option<BTreeMap<String, ByteString>> {
        let entries = secret.data.iter().flatten();
        let plain = entries
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect();
        let (id, secret) = K::Keys::extract(&plain)?;
        Some(bytes(K::Keys::render(
            self.desired?,
            &self.site.place,
            &id,
            &secret,
        )))
    }

    /// The user's keys, read by themselves now.
    pub(super) async fn list(&mut self, user_exists: bool) -> Result<List, Stop> {
        if !user_exists {
            // No user, no keys, and none can come to life: no date decides anything.
            let listed = Listed {
                at: self.pass.engine.core.clock.now(),
                keys: Vec::new(),
            };
            return Ok(List {
                listed,
                came: Instant::now(),
            });
        }
        self.check_limit()?;
        let cloud = self.paid.get_or_insert_with(|| self.site.cloud());
        let keys = K::Keys::list(cloud, &self.site.place).await?;
        let text = "the user went away at the cloud in the meantime";
        keys.map(List::from)
            .ok_or_else(|| Fault::new(Class::Conflict, Reason::NotFound, text).into())
    }
}

/// Entries as a Secret holds them.
pub(super) fn bytes(data: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, ByteString> {
    data.into_iter()
        .map(|(name, value)| (name, ByteString(value)))
        .collect()
}

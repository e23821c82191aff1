//! The ledger: what we decided about keys, and which ids are ours. It lives in `status.keys`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyId, KeyWant, Moment, Nonce};

/// What cooper knows and has decided about the access keys of this resource. Written by cooper only.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Running or unresolved attempts to mint a key; at most one request to make a key is sent for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub attempts: Vec<Attempt>,
    /// The key the Secret holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// The key it replaced, kept for pods that still use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Old>,
    /// Ids of keys that will be deleted at the cloud; never taken back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 256))]
    pub revoking: BTreeSet<KeyId>,
    /// The cloud refused another key because the user has as many as it may have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// The rotation that the annotation `cooper.dev/rotate` asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The deletion of the resource has begun: its keys are switched off, and nothing is deleted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parting: Option<Parting>,
    /// Name of the Secret these keys belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,
}

/// A rotation that was asked for by annotation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Digest of the annotation's text; empty once the annotation is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub text: String,
    /// Unix second in which that text was first seen; keys of a smaller serial are replaced. 0: there was no key then to replace.
    #[schemars(range(min = 0))]
    pub serial: i64,
}

/// The key the Secret holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// Id of the key.
    pub id: KeyId,
    /// Unix second of the rotation this key serves.
    #[schemars(range(min = 0))]
    pub serial: i64,
}

/// A key that was replaced and is kept for a while.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Old {
    /// Id of the key.
    pub id: KeyId,
    /// `Overlap`: Active beside the current key. `Inactive`: switched off, can be switched on again (`hold`).
    pub phase: OldPhase,
    /// Since when it is in this phase; cloud time.
    pub since: Moment,
}

/// What happens to a replaced key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum OldPhase {
    /// Active beside the current key.
    Overlap,
    /// Switched off, not yet deleted.
    Inactive,
}

/// What happens to the keys between the wish to delete the resource and the deletion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parting {
    /// `Off`: the keys are switched off, and the user goes when its undo window is over. `On`: the deletion is undone; the keys are
    /// switched on again.
    pub phase: PartingPhase,
    /// Since when it is in this phase; cloud time.
    pub since: Moment,
}

/// Which way keys are switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::engine::external::undescribed)]
pub enum PartingPhase {
    /// Off, before the deletion.
    Off,
    /// On again: it is undone.
    On,
}

/// One attempt to mint a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Random name of the attempt.
    pub nonce: Nonce,
    /// Ids that existed before it, and ids proven not to be ours since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 256))]
    pub known: BTreeSet<KeyId>,
    /// When the keys were listed for it; cloud time.
    pub at: Moment,
    /// After this moment no key of this attempt can come to life any more; cloud time.
    pub until: Moment,
    /// Unix second of the rotation its key would serve.
    #[schemars(range(min = 0))]
    pub serial: i64,
    /// How far it is resolved.
    pub phase: Phase,
    /// Id of the key it made, once recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The key was tested with a signed request (or could not be, and was let pass).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tested: bool,
    /// Id of a key that looks like the lost one of this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<KeyId>,
    /// Since when it is in this phase; cloud time.
    pub since: Moment,
}

/// How far an attempt is resolved. Only `Open` may still bring a key to life; the others judge a lost answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The request may be under way, or its key waits to be published.
    Open,
    /// Its answer was lost; a key that may be its own is watched for a while.
    Watch,
    /// The suspect is to be switched off.
    Deactivate,
    /// The suspect is switched off; any use or reactivation frees it.
    Inactive,
    /// The suspect is to be deleted.
    Delete,
    /// The suspect turned out to be somebody else's; it is switched on again.
    Release,
    /// Resolved; its private Secret goes, then the attempt.
    Close,
}

impl Ledger {
    /// An empty ledger for the Secret of that name.
    pub fn for_secret(name: Option<&str>) -> Self {
        Self {
            secret_name: name.map(str::to_owned),
            ..Self::default()
        }
    }

    /// A ledger as it is begun, for a new resource or after its status was lost: whatever is asked for by annotation counts as served.
    pub(super) fn begun(want: &KeyWant) -> Self {
        let asked = want.asked.clone().map(|text| Asked { text, serial: 0 });
        Self {
            asked,
            ..Self::for_secret(want.secret_name.as_deref())
        }
    }

    /// No key and no attempt is left in it.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
            && self.current.is_none()
            && self.old.is_none()
            && self.revoking.is_empty()
    }

    /// Some attempt may still bring a key to life.
    pub fn has_open(&self) -> bool {
        self.attempts.iter().any(|a| a.phase == Phase::Open)
    }

    pub fn attempt(&self, nonce: &Nonce) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.nonce == *nonce)
    }

    pub fn is_current(&self, id: &KeyId) -> bool {
        self.current.as_ref().is_some_and(|c| c.id == *id)
    }

    pub fn is_old(&self, id: &KeyId) -> bool {
        self.old.as_ref().is_some_and(|o| o.id == *id)
    }

    /// `id` is recorded as ours: current, old, revoking, or the key of an attempt. A suspect is not.
    pub fn names(&self, id: &KeyId) -> bool {
        self.is_current(id)
            || self.is_old(id)
            || self.revoking.contains(id)
            || self.attempts.iter().any(|a| a.key.as_ref() == Some(id))
    }

    /// Every id recorded as ours.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        let current = self.current.iter().map(|c| &c.id);
        let old = self.old.iter().map(|o| &o.id);
        let attempts = self.attempts.iter().filter_map(|a| a.key.as_ref());
        current.chain(old).chain(&self.revoking).chain(attempts)
    }

    /// The same ledger with its keys on their way in or out since `now`, or settled.
    #[must_use]
    pub(super) fn parted(&self, phase: Option<PartingPhase>, now: Moment) -> Self {
        Self {
            parting: phase.map(|phase| Parting { phase, since: now }),
            ..self.clone()
        }
    }

    /// The same ledger without that attempt.
    #[must_use]
    pub(in crate::engine) fn without(&self, nonce: &Nonce) -> Self {
        let mut ledger = self.clone();
        ledger.attempts.retain(|a| a.nonce != *nonce);
        ledger
    }

    /// The same ledger with that attempt changed by `change`.
    #[must_use]
    pub(super) fn with(&self, nonce: &Nonce, change: impl FnOnce(&mut Attempt)) -> Self {
        let mut ledger = self.clone();
        if let Some(attempt) = ledger.attempts.iter_mut().find(|a| a.nonce == *nonce) {
            change(attempt);
        }
        ledger
    }

    /// The same ledger with that attempt in another phase since `now`.
    #[must_use]
    pub(super) fn moved(&self, nonce: &Nonce, phase: Phase, now: Moment) -> Self {
        self.with(nonce, |a| {
            a.phase = phase;
            a.since = now;
            if matches!(phase, Phase::Open | Phase::Watch | Phase::Close) {
                a.suspect = None;
            }
        })
    }

    /// The same ledger with `ids` to be deleted, and in no other role.
    #[must_use]
    pub(in crate::engine) fn revoke<'a>(&self, ids: impl IntoIterator<Item = &'a KeyId>) -> Self {
        let mut ledger = self.clone();
        for id in ids {
            if ledger.is_current(id) {
                ledger.current = None;
            }
            if ledger.is_old(id) {
                ledger.old = None;
            }
            ledger.revoking.insert(id.clone());
        }
        ledger
    }

    /// Takes `id` in as ours where no role is known: as old if that place is free, else to be deleted.
    pub(super) fn take_in(&mut self, id: &KeyId, now: Moment) {
        if self.old.is_none() {
            self.old = Some(Old {
                id: id.clone(),
                phase: OldPhase::Overlap,
                since: now,
            });
        } else {
            self.revoking.insert(id.clone());
        }
    }
}

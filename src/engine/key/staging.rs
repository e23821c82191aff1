//! The staging: a private, short-lived Secret that fences one attempt and is the first home of its secret.
//!
//! ```yaml
//! metadata:
//!   name: cooper-mint-<uid>-0
//!   labels: {cooper.dev/issuer: <uid>}
//!   annotations:
//!     cooper.dev/nonce: 9f…
//!     cooper.dev/attempt: '{"known":["AK0"],"at":"2026-05-04T12:00:00Z","until":"2026-05-04T12:03:00Z","serial":0}'
//!     cooper.dev/state: Filled            # Empty | Filled | Void
//! type: cooper.dev/minted-key
//! data: {id: …, secret: …}                # when Filled
//! ```
//!
//! `Empty → Filled` is written by the process that created it, `Empty → Void` by whoever judges; never `Void → Filled`.
//! Identity is nonce and uid, never the name.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::stored::Slot;
use super::{ISSUER_LABEL, KeyId, Moment, Nonce, Owner, Revision, Uid};
use crate::confidential::Confidential;

/// `type` of a staging.
pub const STAGING_TYPE: &str = "cooper.dev/minted-key";
const NONCE: &str = "cooper.dev/nonce";
const ATTEMPT: &str = "cooper.dev/attempt";
const STATE: &str = "cooper.dev/state";

/// A staging of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Staging {
    pub revision: Revision,
    pub nonce: Nonce,
    pub reservation: Reservation,
    pub state: StagingState,
}

/// The second copy of what the ledger says about the attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Ids listed before the attempt.
    pub known: BTreeSet<KeyId>,
    /// When they were listed; cloud time.
    pub at: Moment,
    /// After this moment no key of the attempt can come to life; cloud time.
    pub until: Moment,
    /// Unix second of the rotation its key would serve.
    pub serial: i64,
}

/// How far the creator of the staging came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StagingState {
    /// No key committed yet.
    Empty,
    /// The key of that id and its secret are in it.
    Filled(KeyId),
    /// Judged: nobody may commit any more.
    Void,
}

impl Staging {
    /// The id of the committed key.
    pub fn filled(&self) -> Option<&KeyId> {
        match &self.state {
            StagingState::Filled(id) => Some(id),
            StagingState::Empty | StagingState::Void => None,
        }
    }
}

/// Name of the staging of a resource in that slot.
pub fn staging_name(uid: &Uid, slot: usize) -> String {
    format!("cooper-mint-{uid}-{slot}")
}

/// The Secret found under the name of a slot.
pub(in crate::engine) fn decode(secret: &Secret, uid: &Uid) -> Slot {
    let label = secret
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(ISSUER_LABEL));
    if label.map(String::as_str) != Some(uid.as_str())
        || secret.type_.as_deref() != Some(STAGING_TYPE)
    {
        return Slot::Taken;
    }
    let revision = Revision::of(secret);
    match parts(secret) {
        Some((nonce, reservation, state)) => Slot::Own(Staging {
            revision,
            nonce,
            reservation,
            state,
        }),
        None => Slot::Damaged(revision),
    }
}

fn parts(secret: &Secret) -> Option<(Nonce, Reservation, StagingState)> {
    let annotations = secret.metadata.annotations.as_ref()?;
    let state = match annotations.get(STATE)?.as_str() {
        "Empty" => StagingState::Empty,
        "Void" => StagingState::Void,
        "Filled" => StagingState::Filled(committed(secret)?.0),
        _ => return None,
    };
    let nonce = annotations.get(NONCE).filter(|n| !n.is_empty())?;
    let reservation = serde_json::from_str(annotations.get(ATTEMPT)?).ok()?;
    Some((Nonce::new(nonce), reservation, state))
}

/// Id and secret of a Filled staging.
pub(in crate::engine) fn committed(secret: &Secret) -> Option<(KeyId, Confidential)> {
    let data = secret.data.as_ref()?;
    let text = |name: &str| {
        String::from_utf8(data.get(name)?.0.clone())
            .ok()
            .filter(|t| !t.is_empty())
    };
    Some((KeyId::new(text("id")?), Confidential::new(text("secret")?)))
}

/// A new staging for the attempt `nonce`, Empty.
pub(in crate::engine) fn empty(
    owner: &Owner,
    slot: usize,
    nonce: &Nonce,
    reservation: &Reservation,
) -> Secret {
    // Strings, numbers and lists of strings: serialization cannot fail.
    let reservation = serde_json::to_string(reservation).unwrap_or_default();
    let annotations = [
        (NONCE, nonce.to_string()),
        (ATTEMPT, reservation),
        (STATE, "Empty".to_owned()),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(staging_name(&owner.uid, slot)),
            labels: Some(BTreeMap::from([(
                ISSUER_LABEL.to_owned(),
                owner.uid.to_string(),
            )])),
            annotations: Some(annotations.map(|(k, v)| (k.to_owned(), v)).into()),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        type_: Some(STAGING_TYPE.to_owned()),
        ..Secret::default()
    }
}

/// `Empty → Filled`, on the staging as it was created.
pub(in crate::engine) fn fill(mut staging: Secret, id: &KeyId, secret: &Confidential) -> Secret {
    set_state(&mut staging, "Filled");
    let entry = |name: &str, text: &str| (name.to_owned(), ByteString(text.as_bytes().to_vec()));
    staging.data = Some([entry("id", id.as_str()), entry("secret", secret.expose())].into());
    staging
}

/// `Empty → Void`, on the staging as it was read.
pub(in crate::engine) fn void(mut staging: Secret) -> Secret {
    set_state(&mut staging, "Void");
    staging
}

fn set_state(staging: &mut Secret, state: &str) {
    staging
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(STATE.to_owned(), state.to_owned());
}

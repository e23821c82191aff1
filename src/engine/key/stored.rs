//! What `next` looks at: everything that was read in one pass, in plain words.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{KeyId, Ledger, Mark, Moment, Place, Staging, Uid};

/// Stagings a resource can have, and so attempts.
///
/// Few, because each is read by name (no right to list Secrets) and each may hold one of the user's few keys.
pub const SLOTS: usize = 3;

/// What Kubernetes knows, read in this order: resource, then target and stagings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Uid of the resource.
    pub uid: Uid,
    /// The resource carries cooper's finalizer.
    pub finalizer: bool,
    /// `status.keys`; `None` if it was never written or is lost.
    pub ledger: Option<Ledger>,
    /// The Secret that pods read.
    pub target: Target,
    /// The staging Secrets, by slot.
    pub slots: [Slot; SLOTS],
    /// The namespace is terminating: creates are refused, replaces and deletes work.
    pub creates_refused: bool,
    /// `metadata.resourceVersion` of the resource, for the compare-and-set on the ledger.
    pub resource_version: String,
}

/// Which state of a Secret was read; every write to it is conditional on this.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Revision {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// The Secret that pods read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one a pass")]
pub enum Target {
    Absent,
    /// The name is taken by something that is not ours.
    Foreign,
    Ours(OwnTarget),
}

/// A target of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one object"
)]
pub struct OwnTarget {
    pub revision: Revision,
    /// Its owner references name this resource.
    pub owned: bool,
    /// Its issuer label is this resource's uid; false for one that is adopted from another.
    pub labelled: bool,
    /// Its mark, if the mark's own digest is right and it names this place.
    pub mark: Option<Mark>,
    /// The digest of its data is right.
    pub intact: bool,
    /// What is rendered from its own id and secret now differs from what it holds.
    pub stale: bool,
}

/// The Secret with the name of one staging slot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Slot {
    #[default]
    Free,
    /// Something that is not ours has the name.
    Taken,
    /// Ours, but its annotations cannot be read any more: it proves nothing.
    Damaged(Revision),
    Own(Staging),
}

impl Slot {
    pub fn staging(&self) -> Option<&Staging> {
        match self {
            Slot::Own(staging) => Some(staging),
            Slot::Free | Slot::Taken | Slot::Damaged(_) => None,
        }
    }
}

/// One answer of the cloud to "which keys has this user".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// `Date` of the answer.
    pub at: Timestamp,
    pub keys: Vec<ListedKey>,
}

/// One key as the cloud lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedKey {
    pub id: KeyId,
    /// Signed requests with it are accepted.
    pub active: bool,
    pub created_at: Timestamp,
    /// `None`, a zero time or `created_at` mean never.
    pub last_used_at: Option<Timestamp>,
}

impl ListedKey {
    /// When it was used, if ever.
    pub fn used_at(&self) -> Option<Timestamp> {
        // 62135596800 s before 1970 is year 1, the zero time of Go; 0 is that of C.
        let is_zero = |t: &Timestamp| matches!(t.as_second(), 0 | -62_135_596_800);
        self.last_used_at
            .filter(|t| !is_zero(t) && *t != self.created_at)
    }
}

impl Listed {
    pub fn key(&self, id: &KeyId) -> Option<&ListedKey> {
        self.keys.iter().find(|k| k.id == *id)
    }

    pub fn has(&self, id: &KeyId) -> bool {
        self.key(id).is_some()
    }

    pub fn is_active(&self, id: &KeyId) -> bool {
        self.key(id).is_some_and(|k| k.active)
    }

    pub fn now(&self) -> Moment {
        Moment::of(self.at)
    }
}

/// Whether there should be a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// One live key in the Secret.
    Present,
    /// The resource is deleted. `user_goes`: the cloud user is deleted with it and still exists.
    Gone { user_goes: bool },
    /// `spec.accessKey` was removed; the user stays.
    NoKey,
    /// cooper lets go of everything and deletes nothing.
    Released,
}

/// What the resource and its provider want.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "fields of a spec")]
pub struct KeyWant {
    pub want: Want,
    /// Unix second of the schedule point or rotate annotation the key must serve; a smaller one is rotated. See [`super::serial`].
    pub serial: i64,
    /// Age at which the key is rotated; `None`: it is not.
    pub every: Option<SignedDuration>,
    /// Digest of the annotation that asks for a rotation.
    pub asked: Option<String>,
    /// Every key of this user that is not ours is deleted.
    pub exclusive: bool,
    /// Roll back: the replaced key is switched on again and kept.
    pub hold: bool,
    /// How long a replaced key stays Active after the switch and after its last use, and then Inactive.
    pub overlap: SignedDuration,
    /// A new key is tested with one signed request before it is published.
    pub test: bool,
    /// How long the keys of a resource that is deleted are switched off before anything is deleted; `None`: they are not.
    pub undo: Option<SignedDuration>,
    /// How many keys the cloud allows a user, if known.
    pub quota: Option<usize>,
    /// The cloud user.
    pub place: Place,
    /// Name of the target; `None` if the spec names none.
    pub secret_name: Option<String>,
    /// Take over a target of another resource if its mark names this place.
    pub adopt: bool,
    /// Labels the user wants on the target.
    pub labels: BTreeMap<String, String>,
    /// Annotations the user wants on the target.
    pub annotations: BTreeMap<String, String>,
}

impl KeyWant {
    /// What is wanted of the keys in `ledger`. A Secret that is to get another name is first given up.
    pub fn of(&self, ledger: &Ledger) -> Want {
        if self.want == Want::Present && self.is_renamed(ledger) {
            Want::NoKey
        } else {
            self.want
        }
    }

    /// The ledger's keys belong to a Secret of another name.
    pub fn is_renamed(&self, ledger: &Ledger) -> bool {
        ledger.secret_name.is_some()
            && self.secret_name.is_some()
            && ledger.secret_name != self.secret_name
    }
}

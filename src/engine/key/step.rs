//! What `next` answers.

use super::{KeyId, Ledger, Mark, Moment, Nonce, Reservation};

/// The one thing to do now. The executor does it, then reads again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyStep {
    /// Write this ledger, if the resource is still as it was read.
    Record {
        ledger: Box<Ledger>,
        note: Option<Note>,
    },
    /// Reserve an attempt in that slot, POST once, commit. Its nonce is the executor's to draw (`reserve`).
    Mint {
        slot: usize,
        reservation: Box<Reservation>,
    },
    /// Write the key of that slot's staging into the target.
    Publish {
        key: KeyId,
        slot: usize,
        mark: Box<Mark>,
    },
    /// Delete the staging of that slot.
    DropStaging { slot: usize },
    /// Make the staging of that slot Void: a late commit of its creator fails.
    Fence { slot: usize },
    /// Delete a key at the cloud.
    Delete { key: KeyId },
    /// Switch a key on or off at the cloud.
    SetStatus { key: KeyId, active: bool },
    /// Sign one request with the key of that slot's staging, then ask `after_test`.
    Test {
        key: KeyId,
        attempt: Nonce,
        slot: usize,
    },
    /// Put owner reference and issuer label of the target back; `mark` has no `released`.
    Own { mark: Box<Mark> },
    /// Drop the owner reference of the target. Without a mark there is nothing live in it: label and mark go too.
    LetGo { mark: Option<Box<Mark>> },
    /// Delete the target.
    DropSecret,
    /// Render the fields of the target anew from the id and the secret it holds.
    Rerender { mark: Box<Mark> },
    /// The pass deletes the cloud user, and its keys with it.
    UserGoes,
    /// Nothing to do now.
    Wait(Waiting),
    /// Nothing can be done until somebody acts.
    Blocked(BlockedBy),
    /// All is as wanted.
    Settled,
}

/// Why nothing is done now, and when to look again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub why: WaitFor,
    /// Cloud time; `None`: something else must happen first.
    pub until: Option<Moment>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// The answer to a request for a key, or the moment after which it cannot come to life.
    OpenMint,
    /// Somebody to use the key that may be a lost one of ours.
    Suspect,
    /// The end of the overlap of a replaced key.
    OldKey,
    /// The replaced key is held; there is no room for a rotation.
    Held,
    /// A replica that has not seen the release yet.
    Release,
    /// The end of the undo window of a deleted resource.
    UndoWindow,
    /// A replica that has not seen yet that the deletion is undone.
    Undo,
    /// The pause after repeated lost answers.
    LostAnswers,
    /// The data plane, to test the new key.
    Test,
}

/// Who must act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockedBy {
    /// The name of the target is taken.
    SecretNotOurs,
    /// The name of every free staging is taken.
    StagingNotOurs,
    /// The user has as many keys as it may have, and none is ours to delete.
    QuotaFull,
    /// Three answers were lost, and the keys cannot be told from foreign ones.
    LostKeys,
    /// The namespace is terminating.
    NamespaceTerminating,
}

/// Something a Record means beyond what the ledgers before and after tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The data plane does not accept the new key; it is deleted.
    NewKeyNotAccepted,
    /// The data plane could not be reached; the key is published untested.
    NewKeyNotTested,
}

impl KeyStep {
    pub(super) fn record(ledger: Ledger) -> Self {
        Self::Record {
            ledger: Box::new(ledger),
            note: None,
        }
    }

    /// The step writes to Kubernetes or to the cloud.
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Wait(_) | Self::Blocked(_) | Self::Settled)
    }
}

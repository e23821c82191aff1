//! Access keys: minted, published, healed, rotated and revoked so that none is lost, leaked or doubled.
//!
//! A key at the cloud has a random id and carries no label, and its secret is shown once. The process may die at any
//! request and a second replica may run, so every fact stands twice: ids of live keys in the ledger (`status.keys`)
//! and in the mark of the Secret that pods read; a running mint in the ledger and in a private staging Secret.
//! Decisions are ordered by compare-and-set on the ledger; a cloud write happens only for what the ledger says.
//!
//! - [`next()`] decides: pure, total, no clock but the `Date` of the key list. Row numbers in its comments are those of
//!   the decision table in the documentation of that function.
//! - [`allowed_in_chain`] says how far the process that minted a key may go on without a second list.
//! - [`serial`] says which rotation a key must serve, by its age and by what an annotation asks for.
//! - [`issued`] and [`events`] say what users are told.
//! - `tests/key_model` searches all interleavings of two replicas, faults and user acts over these very functions.

mod chain;
mod ending;
mod evidence;
mod id;
mod keep;
mod ledger;
mod mark;
mod mint;
mod next;
mod report;
mod schedule;
pub(in crate::engine) mod staging;
mod step;
mod stored;
mod suspect;
pub(in crate::engine) mod target;
mod time;
mod view;

pub use chain::{Minting, allowed_in_chain, chain_list, chain_next};
pub use id::{KeyId, Nonce, Uid};
pub use ledger::{Asked, Attempt, Current, Ledger, Old, OldPhase, Parting, PartingPhase, Phase};
pub use mark::{Mark, Place, data_digest, text_digest};
pub use mint::{TestOutcome, after_test, refused, reserve};
pub use next::next;
pub use report::{events, issued};
pub use schedule::{next_rotation, noticed, serial};
pub use staging::{Reservation, STAGING_TYPE, Staging, StagingState, staging_name};
pub use step::{BlockedBy, KeyStep, Note, WaitFor, Waiting};
pub use stored::{
    KeyWant, Listed, ListedKey, OwnTarget, Revision, SLOTS, Slot, Stored, Target, Want,
};
pub use target::{Owner, decode_target, encode_target, target_name};
pub use time::{GRACE, LATE, Moment, SKEW, TEST_PATIENCE};

/// Label of every Secret cooper writes: the uid of the resource that issues the key.
pub const ISSUER_LABEL: &str = "cooper.dev/issuer";

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod table;

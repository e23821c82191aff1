//! How far the process that minted a key goes on without a second list.
//!
//! It reads resource and Secrets again before each step, and uses as list the one it minted from plus its own key. That
//! list knows nothing of what others did since, so it may carry its own key to the Secret and to the ledger, and nothing
//! else: no verdict on another attempt, no "not listed", no write to another key.

use jiff::Timestamp;

use super::{KeyId, KeyStep, KeyWant, Ledger, Listed, ListedKey, Nonce, Stored, next};

/// The key this process minted and committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Minting {
    pub nonce: Nonce,
    pub key: KeyId,
}

/// The list a key was minted from, plus the key. `at`: `Date` of the 201.
pub fn chain_list(before: &Listed, key: &KeyId, created_at: Timestamp, at: Timestamp) -> Listed {
    let own = ListedKey {
        id: key.clone(),
        active: true,
        created_at,
        last_used_at: None,
    };
    Listed {
        at,
        keys: before.keys.iter().cloned().chain([own]).collect(),
    }
}

/// The next step of the chain; `None` ends it, and the next pass lists.
pub fn chain_next(
    stored: &Stored,
    listed: &Listed,
    want: &KeyWant,
    own: &Minting,
) -> Option<KeyStep> {
    let step = next(stored, listed, want);
    allowed_in_chain(&step, stored, own).then_some(step)
}

/// Whether that step may be done on the word of the chain's list.
pub fn allowed_in_chain(step: &KeyStep, stored: &Stored, own: &Minting) -> bool {
    let Some(before) = &stored.ledger else {
        return false;
    };
    let is_own = |slot: usize| {
        stored
            .slots
            .get(slot)
            .and_then(|s| s.staging())
            .is_some_and(|staging| staging.nonce == own.nonce)
    };
    match step {
        KeyStep::Publish { key, slot, .. } => *key == own.key && is_own(*slot),
        KeyStep::Test { key, attempt, .. } => *key == own.key && *attempt == own.nonce,
        KeyStep::Record { ledger, .. } => {
            is_published(before, ledger, own) || is_named(before, ledger, own)
        }
        KeyStep::DropStaging { slot } => is_own(*slot) && before.is_current(&own.key),
        KeyStep::Settled => true,
        KeyStep::Mint { .. }
        | KeyStep::Fence { .. }
        | KeyStep::Delete { .. }
        | KeyStep::SetStatus { .. }
        | KeyStep::Own { .. }
        | KeyStep::LetGo { .. }
        | KeyStep::DropSecret
        | KeyStep::Rerender { .. }
        | KeyStep::UserGoes
        | KeyStep::Wait(_)
        | KeyStep::Blocked(_) => false,
    }
}

/// Row 4 for our own key: current is ours, our attempt is out, every other attempt stays as it was.
fn is_published(before: &Ledger, after: &Ledger, own: &Minting) -> bool {
    before.attempt(&own.nonce).is_some()
        && after.is_current(&own.key)
        && after.attempts == before.without(&own.nonce).attempts
}

/// Row 8a for our own key: nothing but its name, or the outcome of its test, is written.
fn is_named(before: &Ledger, after: &Ledger, own: &Minting) -> bool {
    let Some(attempt) = after.attempt(&own.nonce) else {
        return false;
    };
    attempt.key.as_ref() == Some(&own.key)
        && before.with(&own.nonce, |a| *a = attempt.clone()) == *after
}

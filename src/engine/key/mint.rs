//! Rows 8, 8a and 9: attempts that may still bring a key to life; and the ledgers a mint writes.

use std::collections::BTreeSet;

use super::view::{Pending, View};
use super::{
    Attempt, KeyId, KeyStep, KeyWant, Ledger, Listed, Mark, Nonce, Note, Phase, Reservation,
    StagingState, Stored, TEST_PATIENCE, Target, WaitFor, Want,
};

/// An Open attempt. `None`: it waits, or a foreign target blocks it; the search goes on.
pub(super) fn open(view: &View, pending: &mut Pending, attempt: &Attempt) -> Option<KeyStep> {
    let staging = view.staging_of(attempt);
    if let Some((slot, id)) = staging.and_then(|(slot, s)| s.filled().map(|id| (slot, id))) {
        return committed(view, pending, attempt, slot, id);
    }
    // Row 8a, last part: committed and named, but its only copy is gone.
    if let Some(id) = &attempt.key {
        return Some(if view.is_listed(id) {
            discard(view, attempt, id)
        } else {
            close(view, attempt)
        });
    }
    // Row 9
    if !view.is_past(attempt.until) {
        pending.wait(WaitFor::OpenMint, Some(attempt.until));
        return None;
    }
    // From here on nobody may commit: the list that judges comes after the fence.
    if let Some((slot, staging)) = staging
        && staging.state == StagingState::Empty
    {
        return Some(KeyStep::Fence { slot });
    }
    let candidates = view.candidates(attempt);
    Some(if candidates.is_empty() {
        close(view, attempt)
    } else if view.spec.exclusive {
        KeyStep::record(view.ledger.revoke(candidates))
    } else {
        KeyStep::record(view.ledger.moved(&attempt.nonce, Phase::Watch, view.now))
    })
}

/// Row 8: the staging holds the key `id`.
fn committed(
    view: &View,
    pending: &Pending,
    attempt: &Attempt,
    slot: usize,
    id: &KeyId,
) -> Option<KeyStep> {
    if !view.is_listed(id) {
        return Some(close(view, attempt));
    }
    let is_usable = view.needs_key() && view.listed.is_active(id);
    let is_tested = !view.spec.test || attempt.tested;
    if view.want == Want::Released && is_usable && is_tested && can_write_target(view.stored) {
        // A stalled replica may still publish it, and nobody heals a released Secret.
        return Some(publish(view, attempt, slot, id));
    }
    if pending.window && view.listed.is_active(id) {
        // Its creator may still publish it, and an undo would keep that Secret.
        return None;
    }
    if view.is_ending() || !is_usable {
        return Some(discard(view, attempt, id));
    }
    if view.stored.target == Target::Foreign {
        // Row 19 says so.
        return None;
    }
    if is_tested {
        return Some(publish(view, attempt, slot, id));
    }
    // Row 8a: nobody signs with a key that only a staging names.
    if attempt.key.as_ref() == Some(id) {
        return Some(KeyStep::Test {
            key: id.clone(),
            attempt: attempt.nonce.clone(),
            slot,
        });
    }
    Some(KeyStep::record(view.ledger.with(&attempt.nonce, |a| {
        a.key = Some(id.clone());
        a.since = view.now;
    })))
}

fn can_write_target(stored: &Stored) -> bool {
    match stored.target {
        Target::Ours(_) => true,
        Target::Absent => !stored.creates_refused,
        Target::Foreign => false,
    }
}

fn publish(view: &View, attempt: &Attempt, slot: usize, id: &KeyId) -> KeyStep {
    let ledger = view.ledger;
    let mut replaces: BTreeSet<KeyId> = ledger.revoking.clone();
    replaces.extend(ledger.current.iter().map(|c| c.id.clone()));
    replaces.extend(ledger.old.iter().map(|o| o.id.clone()));
    replaces.extend(view.mark().iter().flat_map(|m| m.replaces.clone()));
    replaces.remove(id);
    let mark = Mark {
        id: id.clone(),
        nonce: attempt.nonce.clone(),
        serial: attempt.serial,
        replaces,
        place: view.spec.place.clone(),
        released: None,
    };
    KeyStep::Publish {
        key: id.clone(),
        slot,
        mark: Box::new(mark),
    }
}

fn discard(view: &View, attempt: &Attempt, id: &KeyId) -> KeyStep {
    KeyStep::record(view.ledger.without(&attempt.nonce).revoke([id]))
}

/// The staging goes, then the attempt (row 14).
pub(super) fn close(view: &View, attempt: &Attempt) -> KeyStep {
    KeyStep::record(view.ledger.moved(&attempt.nonce, Phase::Close, view.now))
}

/// The ledger with a new Open attempt in it; created if there is none.
pub fn reserve(
    stored: &Stored,
    want: &KeyWant,
    nonce: &Nonce,
    reservation: &Reservation,
) -> Ledger {
    let mut ledger = match &stored.ledger {
        Some(ledger) => ledger.clone(),
        None => Ledger::begun(want),
    };
    if ledger.secret_name.is_none() {
        ledger.secret_name.clone_from(&want.secret_name);
    }
    ledger.attempts.push(Attempt {
        nonce: nonce.clone(),
        known: reservation.known.clone(),
        at: reservation.at,
        until: reservation.until,
        serial: reservation.serial,
        phase: Phase::Open,
        key: None,
        tested: false,
        suspect: None,
        since: reservation.at,
    });
    ledger
}

/// The ledger after a POST that was refused for certain: no key came to life.
///
/// A refusal is read as "full" only if as many keys as the quota were listed.
pub fn refused(ledger: &Ledger, nonce: &Nonce, want: &KeyWant, listed: &Listed) -> Ledger {
    let mut after = ledger.without(nonce);
    after.full = want.quota.is_some_and(|quota| listed.keys.len() >= quota);
    after
}

/// What came of one signed request with a new key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TestOutcome {
    Accepted,
    NotAccepted,
    Unreachable,
}

/// Row 8a, after the Test: what to do with the tested key of the attempt.
pub fn after_test(
    stored: &Stored,
    listed: &Listed,
    want: &KeyWant,
    nonce: &Nonce,
    outcome: TestOutcome,
) -> KeyStep {
    let Some(ledger) = &stored.ledger else {
        return KeyStep::Settled;
    };
    let view = View::new(stored, listed, want, ledger);
    let tested = |note| KeyStep::Record {
        ledger: Box::new(ledger.with(nonce, |a| a.tested = true)),
        note,
    };
    let Some((attempt, id)) = ledger
        .attempt(nonce)
        .and_then(|a| a.key.as_ref().map(|id| (a, id)))
    else {
        return KeyStep::Settled;
    };
    match outcome {
        TestOutcome::Accepted => tested(None),
        TestOutcome::NotAccepted => KeyStep::Record {
            ledger: Box::new(ledger.without(nonce).revoke([id])),
            note: Some(Note::NewKeyNotAccepted),
        },
        TestOutcome::Unreachable => {
            let patience = attempt.since.plus(TEST_PATIENCE);
            if !view.is_good() && view.is_past(patience) {
                return tested(Some(Note::NewKeyNotTested));
            }
            let until = (!view.is_good()).then_some(patience);
            KeyStep::Wait(super::Waiting {
                why: WaitFor::Test,
                until,
            })
        }
    }
}

//! Rows 2 to 6: what target and stagings prove and the ledger does not say yet.

use std::collections::BTreeSet;

use super::view::{Pending, View};
use super::{
    Attempt, Current, KeyId, KeyStep, Ledger, Mark, Old, OldPhase, Phase, Slot, Staging,
    StagingState, WaitFor,
};

/// Row 2: no ledger. What the Secrets prove, in one write; `None` where they prove nothing.
pub(super) fn rebuild(view: &View) -> Option<KeyStep> {
    if view.mark().is_none() && view.stagings().next().is_none() {
        return None;
    }
    let mut ledger = view.ledger.clone();
    if let Some(mark) = view.mark() {
        if view.is_listed(&mark.id) {
            ledger.current = Some(current(mark));
        }
        for id in mark
            .replaces
            .iter()
            .filter(|id| view.is_listed(id) && !ledger.is_current(id))
            .collect::<Vec<_>>()
        {
            ledger.take_in(id, view.now);
        }
    }
    for (_, staging) in view.stagings() {
        // A second staging with the same nonce is a copy somebody made.
        let is_new = ledger.attempt(&staging.nonce).is_none();
        if is_new && !staging.filled().is_some_and(|id| ledger.names(id)) {
            ledger.attempts.push(reopened(staging, view));
        }
    }
    Some(KeyStep::record(ledger))
}

/// The Open attempt a staging is the second copy of.
fn reopened(staging: &Staging, view: &View) -> Attempt {
    let reservation = &staging.reservation;
    Attempt {
        nonce: staging.nonce.clone(),
        known: reservation.known.clone(),
        at: reservation.at,
        until: reservation.until,
        serial: reservation.serial,
        phase: Phase::Open,
        key: staging.filled().cloned(),
        tested: false,
        suspect: None,
        since: view.now,
    }
}

/// Row 3: stagings the ledger does not name.
pub(super) fn orphans(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    view.stored
        .slots
        .iter()
        .enumerate()
        .find_map(|(slot, content)| match content {
            Slot::Free | Slot::Taken => None,
            // It can commit nothing and prove nothing; as if somebody had deleted it.
            Slot::Damaged(_) => Some(KeyStep::DropStaging { slot }),
            Slot::Own(staging) if view.ledger.attempt(&staging.nonce).is_some() => None,
            Slot::Own(staging) => orphan(view, pending, slot, staging),
        })
}

fn orphan(view: &View, pending: &mut Pending, slot: usize, staging: &Staging) -> Option<KeyStep> {
    let ledger = view.ledger;
    match &staging.state {
        StagingState::Filled(id)
            if ledger.is_current(id) || ledger.is_old(id) || !view.is_listed(id) =>
        {
            Some(KeyStep::DropStaging { slot })
        }
        // Row 7 deletes the key, then the staging.
        StagingState::Filled(id) if ledger.revoking.contains(id) => None,
        StagingState::Filled(id) => Some(KeyStep::record(ledger.revoke([id]))),
        StagingState::Empty | StagingState::Void => {
            let until = staging.reservation.until;
            if view.is_past(until) || view.is_ending() {
                return Some(KeyStep::DropStaging { slot });
            }
            pending.orphan = true;
            pending.wait(WaitFor::OpenMint, Some(until));
            None
        }
    }
}

/// Row 4: the target holds a live key that is not current yet, or that an Open attempt published.
pub(super) fn published(view: &View) -> Option<KeyStep> {
    let mark = view.intact_mark()?;
    let ledger = view.ledger;
    if !view.is_listed(&mark.id) || ledger.revoking.contains(&mark.id) {
        return None;
    }
    let publisher = ledger.attempts.iter().find(|a| is_publisher(view, a, mark));
    if ledger.is_current(&mark.id) && publisher.is_none() {
        return None;
    }
    let mut after = match publisher {
        Some(attempt) => ledger.without(&attempt.nonce),
        None => ledger.clone(),
    };
    if !ledger.is_current(&mark.id) {
        if let Some(old) = after.old.take().filter(|old| old.id != mark.id) {
            after.revoking.insert(old.id);
        }
        let replaced = after.current.replace(current(mark));
        after.old = replaced.map(|c| Old {
            id: c.id,
            phase: OldPhase::Overlap,
            since: view.now,
        });
    }
    Some(KeyStep::record(after))
}

/// The key of the mark came from this Open attempt: its staging holds it, or is gone and the mark names the attempt.
fn is_publisher(view: &View, attempt: &Attempt, mark: &Mark) -> bool {
    attempt.phase == Phase::Open
        && match view.staging_of(attempt) {
            Some((_, staging)) => staging.filled() == Some(&mark.id),
            None => mark.nonce == attempt.nonce && !attempt.known.contains(&mark.id),
        }
}

/// Rows 5 and 6: ids of ours that only the mark still names.
pub(super) fn marked(view: &View) -> Option<KeyStep> {
    let mark = view.mark()?;
    let is_unnamed = |id: &KeyId| view.is_listed(id) && !view.ledger.names(id);
    let is_edited = view.intact_mark().is_none();
    // Row 5: somebody edited the data; the key is ours all the same.
    if is_edited && is_unnamed(&mark.id) && !view.is_filled(&mark.id) {
        let mut after = view.ledger.clone();
        if after.current.is_none() {
            after.current = Some(current(mark));
        } else {
            after.take_in(&mark.id, view.now);
        }
        return Some(KeyStep::record(after));
    }
    // Row 6
    let replaced: BTreeSet<&KeyId> = mark
        .replaces
        .iter()
        .filter(|id| is_unnamed(id) && **id != mark.id)
        .collect();
    let mut after: Ledger = view.ledger.clone();
    after.take_in(replaced.first()?, view.now);
    Some(KeyStep::record(after))
}

fn current(mark: &Mark) -> Current {
    Current {
        id: mark.id.clone(),
        serial: mark.serial,
    }
}

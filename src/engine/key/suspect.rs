//! Rows 10 to 14: an answer was lost, and a key that may be ours is listed.
//!
//! A lost key and a foreign key differ by nothing but knowledge. The suspect stays Active for a grace, then Inactive for
//! another, and the evidence is read again before every step: any use or reactivation by anyone frees it for good.

use super::mint::close;
use super::view::{Pending, View};
use super::{Attempt, KeyId, KeyStep, Phase, WaitFor, Want};

/// An attempt that is not Open. `None`: it waits or is ambiguous; the search goes on.
pub(super) fn judge(view: &View, pending: &mut Pending, attempt: &Attempt) -> Option<KeyStep> {
    let to = |phase| {
        Some(KeyStep::record(view.ledger.moved(
            &attempt.nonce,
            phase,
            view.now,
        )))
    };
    match (attempt.phase, &attempt.suspect) {
        (Phase::Close, _) => Some(match view.staging_of(attempt) {
            // Row 14
            Some((slot, _)) => KeyStep::DropStaging { slot },
            None => KeyStep::record(view.ledger.without(&attempt.nonce)),
        }),
        (Phase::Deactivate, Some(suspect)) => Some(deactivate(view, attempt, suspect)),
        (Phase::Inactive | Phase::Delete, Some(suspect)) => {
            inactive(view, pending, attempt, suspect)
        }
        (Phase::Release, Some(suspect)) => release(view, pending, attempt, suspect),
        (Phase::Watch, _) => watch(view, pending, attempt),
        // Without a suspect (an edited ledger) the question is open again.
        (Phase::Deactivate | Phase::Inactive | Phase::Delete | Phase::Release, None) => {
            to(Phase::Watch)
        }
        (Phase::Open, _) => None,
    }
}

/// Row 10
fn watch(view: &View, pending: &mut Pending, attempt: &Attempt) -> Option<KeyStep> {
    if view
        .staging_of(attempt)
        .is_some_and(|(_, s)| s.filled().is_some())
    {
        // Never after a fence; only an older ledger put back can say so. The key is there, so row 8 decides.
        return Some(KeyStep::record(view.ledger.moved(
            &attempt.nonce,
            Phase::Open,
            view.now,
        )));
    }
    let candidates = view.candidates(attempt);
    let Some(first) = candidates.first() else {
        return Some(close(view, attempt));
    };
    if candidates.len() > 1 {
        // At least one of them is not ours, and nothing tells which.
        let gives_up =
            matches!(view.want, Want::Gone { .. } | Want::Released) && !view.ledger.has_open();
        return gives_up.then(|| close(view, attempt));
    }
    let is_contested = view.ledger.attempts.iter().any(|other| {
        other.phase == Phase::Open && candidates.iter().any(|id| is_candidate_id(view, other, id))
            || other
                .suspect
                .as_ref()
                .is_some_and(|s| candidates.contains(s))
    });
    let until = View::grace_ends(attempt);
    if is_contested || !view.is_past(until) {
        pending.wait(WaitFor::Suspect, (!is_contested).then_some(until));
        return None;
    }
    let ledger = view
        .ledger
        .moved(&attempt.nonce, Phase::Deactivate, view.now);
    Some(KeyStep::record(ledger.with(&attempt.nonce, |a| {
        a.suspect = Some((*first).clone());
    })))
}

/// Row 11
fn deactivate(view: &View, attempt: &Attempt, suspect: &KeyId) -> KeyStep {
    let to = |phase| KeyStep::record(view.ledger.moved(&attempt.nonce, phase, view.now));
    if view.ledger.is_current(suspect) || view.ledger.is_old(suspect) {
        close(view, attempt)
    } else if !view.is_listed(suspect) || view.is_ours(suspect) {
        to(Phase::Watch)
    } else if !is_candidate_id(view, attempt, suspect) {
        // Used meanwhile: not ours.
        to(Phase::Release)
    } else if view.listed.is_active(suspect) {
        KeyStep::SetStatus {
            key: suspect.clone(),
            active: false,
        }
    } else {
        to(Phase::Inactive)
    }
}

/// Row 12
fn inactive(
    view: &View,
    pending: &mut Pending,
    attempt: &Attempt,
    suspect: &KeyId,
) -> Option<KeyStep> {
    let to = |phase| {
        Some(KeyStep::record(view.ledger.moved(
            &attempt.nonce,
            phase,
            view.now,
        )))
    };
    if view.ledger.is_current(suspect) || view.ledger.is_old(suspect) || !view.is_listed(suspect) {
        return Some(close(view, attempt));
    }
    if view.listed.is_active(suspect) || !is_candidate_id(view, attempt, suspect) {
        return to(Phase::Release);
    }
    if attempt.phase == Phase::Delete {
        return Some(KeyStep::Delete {
            key: suspect.clone(),
        });
    }
    let until = View::grace_ends(attempt);
    if view.is_past(until) {
        return to(Phase::Delete);
    }
    pending.wait(WaitFor::Suspect, Some(until));
    None
}

/// Row 13: proven foreign after we had decided to switch it off. Switched on again, then never touched any more.
fn release(
    view: &View,
    pending: &mut Pending,
    attempt: &Attempt,
    suspect: &KeyId,
) -> Option<KeyStep> {
    if view.is_listed(suspect) {
        if !view.listed.is_active(suspect) {
            return Some(KeyStep::SetStatus {
                key: suspect.clone(),
                active: true,
            });
        }
        let until = View::grace_ends(attempt);
        if !view.is_past(until) {
            // A stale replica may still switch it off.
            pending.wait(WaitFor::Suspect, Some(until));
            return None;
        }
    }
    let mut ledger = view.ledger.moved(&attempt.nonce, Phase::Watch, view.now);
    for other in &mut ledger.attempts {
        other.known.insert(suspect.clone());
    }
    Some(KeyStep::record(ledger))
}

fn is_candidate_id(view: &View, attempt: &Attempt, id: &KeyId) -> bool {
    view.listed
        .key(id)
        .is_some_and(|key| view.is_candidate(attempt, key))
}

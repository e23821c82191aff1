//! Rows 7, 15 and 17 to 21: one live key in the target, and no other of ours.

use super::view::{Pending, View};
use super::{
    BlockedBy, GRACE, KeyId, KeyStep, LATE, Ledger, Mark, Moment, Old, OldPhase, Phase,
    Reservation, SLOTS, Slot, Target, WaitFor,
};

/// Row 7: recorded revocations.
pub(super) fn revoking(view: &View) -> Option<KeyStep> {
    let id = view.ledger.revoking.first()?;
    if view.is_listed(id) {
        return Some(KeyStep::Delete { key: id.clone() });
    }
    if let Some((slot, _)) = view.stagings().find(|(_, s)| s.filled() == Some(id)) {
        return Some(KeyStep::DropStaging { slot });
    }
    let mut ledger = view.ledger.clone();
    ledger.revoking.remove(id);
    Some(KeyStep::record(ledger))
}

/// Row 15: nothing but our keys may live; intent first, then DELETE.
pub(super) fn exclusive(view: &View) -> Option<KeyStep> {
    if !view.spec.exclusive || view.ledger.has_open() {
        return None;
    }
    let unknown = view.unknown();
    (!unknown.is_empty()).then(|| KeyStep::record(view.ledger.revoke(unknown)))
}

/// Rows 17 to 21
pub(super) fn keep(view: &View, mut pending: Pending) -> KeyStep {
    let step = tend_target(view, &mut pending).or_else(|| tend_old(view, &mut pending));
    if let Some(step) = step {
        return step;
    }
    // Row 19: the keys stay in the ledger until the Secret or the resource is gone.
    if view.stored.target == Target::Foreign {
        return pending.or_blocked(BlockedBy::SecretNotOurs);
    }
    // Row 20
    if view.needs_key() {
        return need(view, pending);
    }
    // Row 21
    pending.or(KeyStep::Settled)
}

/// Row 17: the target is good; its owner, its key and its derived fields must be as well.
fn tend_target(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    let (target, mark) = view.good()?;
    let ours = || {
        Box::new(Mark {
            released: None,
            ..mark.clone()
        })
    };
    if !target.owned || !target.labelled {
        // A replica that has not seen that the release was taken back must not be overtaken, nor one that has not
        // seen the release undo it.
        let until = mark
            .released
            .map(|r| r.plus(GRACE))
            .filter(|until| target.labelled && !view.is_past(*until));
        if until.is_none() {
            return Some(KeyStep::Own { mark: ours() });
        }
        pending.wait(WaitFor::Release, until);
    }
    if !view.listed.is_active(&mark.id) {
        return Some(KeyStep::SetStatus {
            key: mark.id.clone(),
            active: true,
        });
    }
    (target.owned && target.stale).then(|| KeyStep::Rerender { mark: ours() })
}

/// Row 18: the replaced key.
fn tend_old(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    let old = view.ledger.old.as_ref()?;
    if !view.is_listed(&old.id) {
        return Some(KeyStep::record(Ledger {
            old: None,
            ..view.ledger.clone()
        }));
    }
    view.good()?;
    let set = |active| {
        Some(KeyStep::SetStatus {
            key: old.id.clone(),
            active,
        })
    };
    let to = |phase| {
        let old = Old {
            phase,
            since: view.now,
            ..old.clone()
        };
        Some(KeyStep::record(Ledger {
            old: Some(old),
            ..view.ledger.clone()
        }))
    };
    let is_active = view.listed.is_active(&old.id);
    let until = old_until(view, old);
    match (view.spec.hold, old.phase) {
        (true, OldPhase::Inactive) => to(OldPhase::Overlap),
        (_, OldPhase::Overlap) if !is_active => set(true),
        (true, OldPhase::Overlap) => None,
        (false, OldPhase::Overlap) if view.is_past(until) => to(OldPhase::Inactive),
        (false, OldPhase::Inactive) if is_active => set(false),
        (false, OldPhase::Inactive) if view.is_past(until) => {
            Some(KeyStep::record(view.ledger.revoke([&old.id])))
        }
        (false, OldPhase::Overlap | OldPhase::Inactive) => {
            pending.wait(WaitFor::OldKey, Some(until));
            None
        }
    }
}

/// When the phase of the replaced key is over. An overlap also needs that nobody uses the key any more.
fn old_until(view: &View, old: &Old) -> Moment {
    let used = view
        .listed
        .key(&old.id)
        .and_then(super::ListedKey::used_at)
        .map(Moment::of);
    let idle_since = match old.phase {
        OldPhase::Overlap => used.map_or(old.since, |used| used.max(old.since)),
        OldPhase::Inactive => old.since,
    };
    idle_since.plus(view.spec.overlap)
}

/// Row 20
fn need(view: &View, mut pending: Pending) -> KeyStep {
    let ledger = view.ledger;
    if let Some(open) = ledger.attempts.iter().find(|a| a.phase == Phase::Open) {
        pending.wait(WaitFor::OpenMint, Some(open.until));
    }
    if ledger.has_open() || pending.orphan {
        return pending.or(KeyStep::Settled);
    }
    if view.is_good() && ledger.old.is_some() {
        // Only a held key has no end of its own.
        pending.wait(WaitFor::Held, None);
        return pending.or(KeyStep::Settled);
    }
    if ledger.full {
        return make_room(view, pending);
    }
    if ledger.attempts.len() >= SLOTS {
        return pending.or_blocked(BlockedBy::LostKeys);
    }
    if view.stored.creates_refused {
        return pending.or_blocked(BlockedBy::NamespaceTerminating);
    }
    if let Some(until) = pause(view).filter(|until| !view.is_past(*until)) {
        pending.wait(WaitFor::LostAnswers, Some(until));
        return pending.or(KeyStep::Settled);
    }
    mint(view, pending)
}

fn mint(view: &View, pending: Pending) -> KeyStep {
    let Some(slot) = view.stored.slots.iter().position(|s| *s == Slot::Free) else {
        return pending.or_blocked(BlockedBy::StagingNotOurs);
    };
    let reservation = Reservation {
        known: view.listed.keys.iter().map(|k| k.id.clone()).collect(),
        at: view.now,
        until: view.now.plus(LATE),
        serial: view.spec.serial,
    };
    KeyStep::Mint {
        slot,
        reservation: Box::new(reservation),
    }
}

/// Full: a key of ours that no Secret needs makes room; a live key in the target never does.
fn make_room(view: &View, pending: Pending) -> KeyStep {
    let ledger = view.ledger;
    let is_full = view
        .spec
        .quota
        .is_some_and(|quota| view.listed.keys.len() >= quota);
    if !is_full {
        return KeyStep::record(Ledger {
            full: false,
            ..ledger.clone()
        });
    }
    let give_up = |id: &KeyId| KeyStep::record(ledger.revoke([id]));
    match (view.is_good(), &ledger.old, &ledger.current) {
        (false, Some(old), _) => give_up(&old.id),
        (false, None, Some(current)) => give_up(&current.id),
        (true, _, _) | (false, None, None) => pending.or_blocked(BlockedBy::QuotaFull),
    }
}

/// Repeated lost answers back off, so that the slots are not used up in minutes: no pause after the first, a grace after
/// the second.
fn pause(view: &View) -> Option<Moment> {
    let lost = view
        .ledger
        .attempts
        .iter()
        .filter(|a| a.phase != Phase::Close);
    let latest = lost.clone().map(|a| a.until).max()?;
    Some(if lost.count() > 1 {
        latest.plus(GRACE)
    } else {
        latest
    })
}

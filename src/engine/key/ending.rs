//! Rows 6a, 6b and 16: the resource is deleted, wants no key any more, or is let go.

use std::collections::BTreeSet;

use super::view::{Pending, View};
use super::{
    GRACE, KeyId, KeyStep, Ledger, Mark, OldPhase, OwnTarget, PartingPhase, Phase, WaitFor,
    Waiting, Want,
};

/// Row 6b: keys are switched off before anything is deleted, and on again if the deletion is undone.
///
/// Recorded before the first of them is switched, so that whoever undoes it knows what to switch on. An undo is over only after a grace:
/// a replica that has not seen it may still switch a key off, and nobody heals the Secret of a resource that is gone.
pub(super) fn parting(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    let record = |phase| Some(KeyStep::record(view.ledger.parted(phase, view.now)));
    let parting = view.ledger.parting;
    if let Want::Gone { .. } = view.want {
        let window = view.spec.undo?;
        let Some(off) = parting.filter(|parting| parting.phase == PartingPhase::Off) else {
            let is_nothing = window.is_zero() && switch(view, false).is_none();
            return record(Some(PartingPhase::Off)).filter(|_| !is_nothing);
        };
        let until = off.since.plus(window);
        let step = switch(view, false);
        if step.is_none() && !view.is_past(until) {
            pending.wait(WaitFor::UndoWindow, Some(until));
            pending.window = true;
        }
        return step;
    }
    let parting = parting?;
    if parting.phase == PartingPhase::Off {
        return record(Some(PartingPhase::On));
    }
    if let Some(step) = switch(view, true) {
        return Some(step);
    }
    let until = parting.since.plus(GRACE);
    if view.is_past(until) {
        return record(None);
    }
    pending.wait(WaitFor::Undo, Some(until));
    None
}

/// The first key in service that is not switched as it should be.
fn switch(view: &View, active: bool) -> Option<KeyStep> {
    let ledger = view.ledger;
    let current = ledger.current.iter().map(|current| &current.id);
    let old = ledger.old.iter();
    let old = old.filter(|old| old.phase == OldPhase::Overlap);
    // A suspect is switched by its own rows.
    let is_suspect = |id: &KeyId| {
        ledger
            .attempts
            .iter()
            .any(|a| a.suspect.as_ref() == Some(id))
    };
    let mut wrong = current.chain(old.map(|old| &old.id)).filter(|id| {
        let key = view.listed.key(id);
        key.is_some_and(|key| key.active != active) && !is_suspect(id)
    });
    wrong.next().map(|id| KeyStep::SetStatus {
        key: id.clone(),
        active,
    })
}

/// Row 6a: the cloud user goes, and its keys with it, if none of them is somebody else's.
pub(super) fn user_goes(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    let stays = pending.window || !view.unknown().is_empty();
    if view.want != (Want::Gone { user_goes: true }) || stays {
        return None;
    }
    let mut open = view
        .ledger
        .attempts
        .iter()
        .filter(|a| a.phase == Phase::Open && !view.is_past(a.until));
    if let Some(attempt) = open.next() {
        return Some(KeyStep::Wait(Waiting {
            why: WaitFor::OpenMint,
            until: Some(attempt.until),
        }));
    }
    match (pending.orphan, pending.wait.take()) {
        (true, Some(waiting)) => Some(KeyStep::Wait(waiting)),
        _ => Some(KeyStep::UserGoes),
    }
}

/// Row 16: keys first, then the target, then the stagings; the ledger, as evidence, is the pass's to remove last.
pub(super) fn end(view: &View, pending: Pending) -> KeyStep {
    if let Some(waiting) = pending.wait {
        return KeyStep::Wait(waiting);
    }
    if let Some(open) = view.ledger.attempts.iter().find(|a| a.phase == Phase::Open) {
        return KeyStep::Wait(Waiting {
            why: WaitFor::OpenMint,
            until: Some(open.until),
        });
    }
    let target = if view.want == Want::Released {
        released(view)
    } else {
        revoked(view)
    };
    target
        .or_else(|| view.used_slot().map(|slot| KeyStep::DropStaging { slot }))
        .or_else(|| renamed(view))
        .unwrap_or(KeyStep::Settled)
}

/// Gone, `NoKey`
fn revoked(view: &View) -> Option<KeyStep> {
    let ledger = view.ledger;
    let kept: Vec<&KeyId> = ledger
        .current
        .iter()
        .map(|c| &c.id)
        .chain(ledger.old.iter().map(|o| &o.id))
        .collect();
    if !kept.is_empty() {
        return Some(KeyStep::record(ledger.revoke(kept)));
    }
    view.target().map(|_| KeyStep::DropSecret)
}

/// Released: what the mark names stays live and is the record; nothing else of ours is left.
fn released(view: &View) -> Option<KeyStep> {
    let ledger = view.ledger;
    let target = view.target();
    let is_named = |id: &KeyId| match target.map(|t| &t.mark) {
        Some(Some(mark)) => mark.id == *id,
        // LetGo writes a bad mark anew.
        Some(None) => true,
        None => false,
    };
    let current = ledger
        .current
        .iter()
        .map(|c| &c.id)
        .filter(|id| !is_named(id));
    let old = ledger
        .old
        .iter()
        .map(|o| &o.id)
        .filter(|_| target.is_none());
    let lost: Vec<&KeyId> = current.chain(old).collect();
    if !lost.is_empty() {
        return Some(KeyStep::record(ledger.revoke(lost)));
    }
    let target = target?;
    let rewritten = released_mark(view, target);
    let is_done = !target.owned
        && target.mark.as_ref().is_some_and(|m| {
            m.released.is_some()
                && rewritten
                    .as_ref()
                    .is_some_and(|after| after.replaces.is_subset(&m.replaces))
        });
    (!is_done).then(|| KeyStep::LetGo {
        mark: rewritten.map(Box::new),
    })
}

/// The mark a released target keeps: the listed ids of ours, so that a later adoption can retire them.
fn released_mark(view: &View, target: &OwnTarget) -> Option<Mark> {
    let listed_old = view.ledger.old.iter().map(|o| &o.id);
    let before = target.mark.iter().flat_map(|m| &m.replaces);
    let replaces: BTreeSet<KeyId> = before
        .chain(listed_old)
        .filter(|id| view.is_listed(id))
        .cloned()
        .collect();
    let let_go = Some(view.now);
    match (&target.mark, &view.ledger.current) {
        (Some(mark), _) => Some(Mark {
            replaces,
            released: let_go,
            ..mark.clone()
        }),
        (None, Some(current)) => Some(Mark {
            id: current.id.clone(),
            // Nobody knows any more which attempt minted it.
            nonce: super::Nonce::new("-"),
            serial: current.serial,
            replaces,
            place: view.spec.place.clone(),
            released: let_go,
        }),
        (None, None) => None,
    }
}

/// The Secret of the former name is gone with its keys: from now on the ledger serves the new name.
fn renamed(view: &View) -> Option<KeyStep> {
    (view.spec.want == Want::Present && view.spec.is_renamed(view.ledger)).then(|| {
        KeyStep::record(Ledger {
            secret_name: view.spec.secret_name.clone(),
            ..view.ledger.clone()
        })
    })
}

//! What users are told: the condition `Issued`, and events. Key ids may be shown, secrets never.

use std::collections::BTreeSet;

use super::view::View;
use super::{
    Attempt, BlockedBy, KeyId, KeyStep, KeyWant, Ledger, Listed, Note as Remark, OldPhase, Phase,
    Stored, Target, Want, next_rotation,
};
use crate::engine::event::Note;
use crate::engine::outcome::Issue;
use crate::engine::reason::Reason;
use crate::engine::status::Truth;

/// The condition `Issued` after `next` answered `step`. True while the target holds a live key, whatever else goes on.
pub fn issued(stored: &Stored, listed: &Listed, want: &KeyWant, step: &KeyStep) -> Issue {
    let empty = Ledger::default();
    let ledger = stored.ledger.as_ref().unwrap_or(&empty);
    let view = View::new(stored, listed, want, ledger);
    let is_live = view
        .good()
        .is_some_and(|(_, mark)| listed.is_active(&mark.id));
    let (reason, message) = blocked(&view, step)
        .or_else(|| rejected(step))
        .unwrap_or_else(|| {
            if is_live {
                live(&view, step)
            } else {
                missing(&view)
            }
        });
    let truth = if is_live { Truth::True } else { Truth::False };
    Issue {
        truth,
        reason,
        message,
    }
}

type Said = (Reason, String);

/// Somebody has to act.
fn blocked(view: &View, step: &KeyStep) -> Option<Said> {
    let KeyStep::Blocked(by) = step else {
        return None;
    };
    let secret = secret_name(view);
    Some(match by {
        BlockedBy::SecretNotOurs => (
            Reason::SecretNotOurs,
            format!(
                "Secret {secret} exists and this resource did not make it; rename or remove it, or choose another secretName"
            ),
        ),
        BlockedBy::StagingNotOurs => (
            Reason::SecretNotOurs,
            format!(
                "every Secret cooper-mint-{}-0 to -2 was made by somebody else; remove them",
                view.stored.uid
            ),
        ),
        BlockedBy::QuotaFull => (
            Reason::QuotaFull,
            format!(
                "the user has as many access keys as the cloud allows ({}), and cooper did not make {}; delete one of those at the cloud, or set exclusive: true to let cooper delete them",
                view.listed.keys.len(),
                ids(view.unknown()),
            ),
        ),
        BlockedBy::LostKeys => ambiguous(view).unwrap_or((
            Reason::LostKeys,
            "the answers to three requests for a key were lost; no more is asked for until they are resolved".into(),
        )),
        BlockedBy::NamespaceTerminating => (
            Reason::NamespaceTerminating,
            "the namespace is being deleted; no Secret can be made in it".into(),
        ),
    })
}

fn rejected(step: &KeyStep) -> Option<Said> {
    let KeyStep::Record {
        note: Some(Remark::NewKeyNotAccepted),
        ..
    } = step
    else {
        return None;
    };
    Some((
        Reason::NewKeyNotAccepted,
        "the storage endpoint does not accept the new key; it is deleted and another one is made"
            .into(),
    ))
}

/// The target holds a live key; what else is there to know.
fn live(view: &View, step: &KeyStep) -> Said {
    let ledger = view.ledger;
    let until = match step {
        KeyStep::Wait(waiting) => waiting.until.map(|until| format!(" until {until}")),
        _ => None,
    };
    if let Some(old) = &ledger.old {
        let id = &old.id;
        return match (view.spec.hold, old.phase) {
            (true, _) => (
                Reason::Held,
                format!("the replaced key {id} is kept too; set hold: false to let it go"),
            ),
            (false, OldPhase::Overlap) => (
                Reason::Rotating,
                format!(
                    "the Secret holds a new key; the replaced key {id} still works{}, and as long as it is used",
                    until.unwrap_or_default()
                ),
            ),
            (false, OldPhase::Inactive) => (
                Reason::Rotating,
                format!(
                    "the replaced key {id} is switched off and kept{}; set hold: true to switch it on again",
                    until.unwrap_or_default()
                ),
            ),
        };
    }
    if view.needs_key() {
        return (
            Reason::Rotating,
            "a new key is being made beside the one in the Secret".into(),
        );
    }
    ambiguous(view)
        .or_else(|| suspected(view))
        .or_else(|| unknown(view))
        .unwrap_or_else(|| {
            let secret = secret_name(view);
            let next = next_rotation(Some(ledger), view.listed, view.spec);
            let next = next.map(|at| format!("; it is replaced at {at}"));
            let text = format!(
                "Secret {secret} holds a live key{}",
                next.unwrap_or_default()
            );
            (Reason::Issued, text)
        })
}

/// The target holds no live key.
fn missing(view: &View) -> Said {
    if view.stored.target == Target::Foreign {
        let secret = secret_name(view);
        return (
            Reason::SecretNotOurs,
            format!(
                "Secret {secret} exists and this resource did not make it; rename or remove it"
            ),
        );
    }
    let open = view.ledger.attempts.iter().find(|a| {
        a.phase == Phase::Open
            && view
                .staging_of(a)
                .is_none_or(|(_, staging)| staging.filled().is_none())
    });
    match open {
        Some(attempt) => (
            Reason::AwaitingLostMint,
            format!(
                "a request for a key has no answer yet; if none comes, another key is asked for at {}",
                attempt.until
            ),
        ),
        None => (Reason::Minting, "a key is being made".into()),
    }
}

/// Two keys look like the one lost one: nobody but their owner can tell.
fn ambiguous(view: &View) -> Option<Said> {
    let (attempt, candidates) = view.ledger.attempts.iter().find_map(|attempt| {
        let candidates = view.candidates(attempt);
        (attempt.phase == Phase::Watch && candidates.len() > 1).then_some((attempt, candidates))
    })?;
    Some((
        Reason::AmbiguousKeys,
        format!(
            "an answer was lost, and one of the keys {} made between {} and {} is probably cooper's; delete those nobody uses at the cloud, use the others once, or set exclusive: true",
            ids(candidates),
            attempt.at,
            attempt.until,
        ),
    ))
}

/// One key looks like a lost one and is on its way out.
fn suspected(view: &View) -> Option<Said> {
    let attempt = view
        .ledger
        .attempts
        .iter()
        .find(|a| !matches!(a.phase, Phase::Open | Phase::Close))?;
    Some((Reason::AwaitingLostMint, lost_text(view, attempt)))
}

fn lost_text(view: &View, attempt: &Attempt) -> String {
    let suspect = match &attempt.suspect {
        Some(id) => id.to_string(),
        None => ids(view.candidates(attempt)),
    };
    let ends = View::grace_ends(attempt);
    match attempt.phase {
        Phase::Release => {
            format!("key {suspect} turned out to be somebody else's and is switched on again")
        }
        Phase::Inactive | Phase::Delete => format!(
            "key {suspect}, probably one of cooper's whose answer was lost, is switched off and will be deleted after {ends}; switch it on or use it to keep it"
        ),
        Phase::Open | Phase::Watch | Phase::Deactivate | Phase::Close => format!(
            "the answer to a request for a key was lost; key {suspect} was made in those minutes and never used, so it is switched off after {ends}; use it to keep it"
        ),
    }
}

fn unknown(view: &View) -> Option<Said> {
    let unknown = view.unknown();
    (!unknown.is_empty()).then(|| {
        let text = format!(
            "the Secret holds a live key; the user also has {}, which cooper did not make",
            ids(unknown)
        );
        (Reason::UnknownKeys, text)
    })
}

/// What to tell once `step` is done; `stored` and `listed` are what it was decided on.
pub fn events(stored: &Stored, listed: &Listed, want: &KeyWant, step: &KeyStep) -> Vec<Note> {
    let empty = Ledger::default();
    let before = stored.ledger.as_ref().unwrap_or(&empty);
    let view = View::new(stored, listed, want, before);
    match step {
        KeyStep::Record { ledger, note } => recorded(&view, ledger, *note),
        KeyStep::Publish { key, mark, .. } => healed(&view, key, mark.serial).into_iter().collect(),
        KeyStep::Delete { key } => {
            vec![Note::normal(
                Reason::KeyDeleted,
                format!("access key {key} was deleted"),
            )]
        }
        KeyStep::SetStatus { key, active: false } => vec![Note::normal(
            Reason::KeyDeactivated,
            format!("access key {key} was switched off"),
        )],
        KeyStep::LetGo { mark } => {
            let left: BTreeSet<&KeyId> = mark
                .iter()
                .flat_map(|m| m.replaces.iter().chain([&m.id]))
                .filter(|id| listed.has(id))
                .collect();
            let secret = secret_name(&view);
            let text = format!(
                "Secret {secret} stays, and so do its keys at the cloud: {}",
                ids(left)
            );
            vec![Note::normal(Reason::SecretReleased, text)]
        }
        KeyStep::Mint { .. }
        | KeyStep::DropStaging { .. }
        | KeyStep::Fence { .. }
        | KeyStep::SetStatus { active: true, .. }
        | KeyStep::Test { .. }
        | KeyStep::Own { .. }
        | KeyStep::DropSecret
        | KeyStep::Rerender { .. }
        | KeyStep::UserGoes
        | KeyStep::Wait(_)
        | KeyStep::Blocked(_)
        | KeyStep::Settled => Vec::new(),
    }
}

fn recorded(view: &View, after: &Ledger, note: Option<Remark>) -> Vec<Note> {
    let before = view.ledger;
    let mut events = Vec::new();
    if let Some(current) = after.current.as_ref().filter(|c| !before.is_current(&c.id)) {
        let (id, secret) = (&current.id, secret_name(view));
        let text = format!("access key {id} is in Secret {secret}");
        events.push(Note::normal(Reason::KeyIssued, text));
    }
    for attempt in &after.attempts {
        let was = before.attempt(&attempt.nonce).map(|a| a.phase);
        events.extend(
            was.filter(|was| *was != attempt.phase)
                .and_then(|was| judged(view, attempt, was)),
        );
    }
    let is_held = |old: &super::Old| view.spec.hold && old.phase == OldPhase::Overlap;
    if let (Some(old), Some(was)) = (&after.old, &before.old)
        && is_held(old)
        && was.phase == OldPhase::Inactive
    {
        let text = format!("the replaced access key {} is switched on again", old.id);
        events.push(Note::normal(Reason::RolledBack, text));
    }
    events.extend(note.map(|note| match note {
        Remark::NewKeyNotAccepted => Note::warning(
            Reason::NewKeyNotAccepted,
            "the storage endpoint does not accept the new key; it is deleted",
        ),
        Remark::NewKeyNotTested => Note::warning(
            Reason::OutcomeUnknown,
            "the storage endpoint could not be reached to test the new key; it is used untested",
        ),
    }));
    events
}

/// An attempt went from phase `was` to another.
fn judged(view: &View, attempt: &Attempt, was: Phase) -> Option<Note> {
    let warning = |reason| Some(Note::warning(reason, lost_text(view, attempt)));
    match (was, attempt.phase) {
        (Phase::Open, Phase::Watch) => warning(Reason::KeyLost),
        (_, Phase::Release) => warning(Reason::KeyReleased),
        (Phase::Watch, Phase::Close) if matches!(view.want, Want::Gone { .. } | Want::Released) => {
            ambiguous(view).map(|(reason, text)| Note::warning(reason, text))
        }
        _ => None,
    }
}

/// A key is published though the one before it served: its Secret or it was lost.
fn healed(view: &View, key: &KeyId, serial: i64) -> Option<Note> {
    let before = view
        .ledger
        .current
        .as_ref()
        .filter(|c| c.serial >= serial)?;
    let cause = match &view.stored.target {
        _ if !view.is_listed(&before.id) => format!("key {} was deleted at the cloud", before.id),
        Target::Ours(target) if target.mark.is_none() => "its annotations were edited".to_owned(),
        Target::Ours(_) => "its data was edited".to_owned(),
        Target::Absent | Target::Foreign => "it was deleted".to_owned(),
    };
    let secret = secret_name(view);
    let text = format!("Secret {secret} holds the new key {key}, because {cause}");
    Some(Note::normal(Reason::SecretHealed, text))
}

fn secret_name<'a>(view: &'a View) -> &'a str {
    super::target_name(Some(view.ledger), view.spec).unwrap_or("-")
}

fn ids<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> String {
    let ids: Vec<&str> = ids.into_iter().map(KeyId::as_str).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Case, NOW, case, healthy, id, ids as set};
    use super::super::*;
    use super::*;

    fn told(case: &Case) -> (Truth, Reason, String) {
        let issue = issued(&case.stored, &case.listed, &case.want, &case.next());
        (issue.truth, issue.reason, issue.message)
    }

    fn happened(case: &Case) -> Vec<(Reason, String)> {
        let events = events(&case.stored, &case.listed, &case.want, &case.next());
        events.into_iter().map(|e| (e.reason, e.text)).collect()
    }

    fn rotating(phase: OldPhase) -> Case {
        healthy().key("O").old("O", phase, NOW)
    }

    fn lost(phase: Phase, age: i64) -> Case {
        let suspect = |a: &mut Attempt| {
            a.suspect = (!matches!(phase, Phase::Open | Phase::Watch)).then(|| id("X"));
        };
        healthy()
            .attempt("n1", phase, NOW - age, suspect)
            .listed_key("X", phase != Phase::Inactive, NOW - age + 5, None)
    }

    #[test]
    fn the_reason_says_what_goes_on_while_the_key_lives() {
        let rows = [
            (healthy(), Reason::Issued),
            (healthy().key("X"), Reason::UnknownKeys),
            (healthy().wants(|w| w.serial = 1), Reason::Rotating),
            (rotating(OldPhase::Overlap), Reason::Rotating),
            (
                rotating(OldPhase::Overlap).wants(|w| w.hold = true),
                Reason::Held,
            ),
            (lost(Phase::Watch, 300), Reason::AwaitingLostMint),
            (
                lost(Phase::Watch, 300).listed_key("Y", true, NOW - 290, None),
                Reason::AmbiguousKeys,
            ),
            (
                healthy()
                    .key("X")
                    .ledger(|l| l.full = true)
                    .wants(|w| w.serial = 1),
                Reason::QuotaFull,
            ),
        ];
        for (case, reason) in rows {
            let (truth, told, text) = told(&case);
            assert_eq!((truth, told), (Truth::True, reason), "{text}");
        }
    }

    #[test]
    fn the_reason_says_why_there_is_no_key() {
        let open = case().attempt("n1", Phase::Open, NOW - 5, |_| ());
        let rows = [
            (case(), Reason::Minting),
            (open, Reason::AwaitingLostMint),
            (case().foreign_target(), Reason::SecretNotOurs),
            (
                case().inactive_key("A").current("A").target("A"),
                Reason::Minting,
            ),
            (
                case().key("X").key("Y").ledger(|l| l.full = true),
                Reason::QuotaFull,
            ),
            (
                case().stored(|s| s.creates_refused = true),
                Reason::NamespaceTerminating,
            ),
        ];
        for (case, reason) in rows {
            let (truth, told, text) = told(&case);
            assert_eq!((truth, told), (Truth::False, reason), "{text}");
        }
    }

    #[test]
    fn a_full_quota_names_the_keys_in_the_way() {
        let (_, _, text) = told(&case().key("X").key("Y").ledger(|l| l.full = true));
        assert!(
            text.contains("X, Y") && text.contains("exclusive"),
            "{text}"
        );
    }

    #[test]
    fn each_turn_of_a_lost_key_is_told_once() {
        let reasons = |case: &Case| {
            happened(case)
                .into_iter()
                .map(|(r, _)| r)
                .collect::<Vec<_>>()
        };
        assert_eq!(reasons(&lost(Phase::Open, 300)), [Reason::KeyLost]);
        assert_eq!(reasons(&lost(Phase::Watch, 3600)), []);
        assert_eq!(
            reasons(&lost(Phase::Deactivate, 3600)),
            [Reason::KeyDeactivated]
        );
        assert_eq!(reasons(&lost(Phase::Inactive, 3600)), []);
        let freed = lost(Phase::Delete, 3600);
        assert_eq!(reasons(&freed), [Reason::KeyReleased]);
    }

    #[test]
    fn a_healed_secret_is_told_with_its_cause() {
        let staged = |c: Case| {
            c.key("B")
                .attempt("n1", Phase::Open, NOW - 5, |_| ())
                .staging(0, "n1", NOW - 5, StagingState::Filled(id("B")))
        };
        let cause = |c: Case| happened(&staged(c)).remove(0);
        let (reason, text) = cause(case().key("A").current("A"));
        assert_eq!(reason, Reason::SecretHealed);
        assert!(text.ends_with("because it was deleted"), "{text}");
        let edited = healthy().target_with(|t| t.intact = false);
        assert!(cause(edited).1.ends_with("its data was edited"));
        let gone = case().current("A").target("A");
        assert!(cause(gone).1.contains("A was deleted at the cloud"));
        assert!(happened(&staged(healthy().wants(|w| w.serial = 1))).len() <= 1);
    }

    #[test]
    fn a_release_names_the_keys_it_leaves() {
        let released = rotating(OldPhase::Inactive)
            .mark(|m| m.replaces = set(["gone"]))
            .want(Want::Released);
        let (reason, text) = happened(&released).remove(0);
        assert_eq!(reason, Reason::SecretReleased);
        assert!(text.ends_with("A, O"), "{text}");
    }

    #[test]
    fn a_rollback_is_told() {
        let held = rotating(OldPhase::Inactive).wants(|w| w.hold = true);
        assert_eq!(happened(&held).remove(0).0, Reason::RolledBack);
    }
}

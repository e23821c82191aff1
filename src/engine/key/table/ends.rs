//! Rows 6a, 6b, 7, 15 and 16.

use jiff::SignedDuration;

use super::super::fixture::*;
use super::super::*;
use super::*;

// Row 6a

#[test]
fn row_6a_a_user_without_foreign_keys_goes_with_its_keys() {
    let gone = Want::Gone { user_goes: true };
    assert_eq!(healthy().want(gone).next(), KeyStep::UserGoes);
    let open = healthy()
        .attempt("n1", Phase::Open, FRESH, |_| ())
        .want(gone);
    assert!(is_wait(&open, WaitFor::OpenMint));
    let expired = healthy()
        .attempt("n1", Phase::Open, EXPIRED, |_| ())
        .want(gone);
    assert_eq!(expired.next(), KeyStep::UserGoes);
    assert_eq!(
        healthy().key("foreign").want(gone).recorded().revoking,
        ids(["A"])
    );
}

// Row 6b

/// A healthy user with an old key, deleted with an undo window of ten minutes.
fn parted(phase: Option<PartingPhase>, since: i64) -> Case {
    let since = at(since);
    healthy()
        .key("O")
        .old("O", OldPhase::Overlap, NOW)
        .ledger(|l| l.parting = phase.map(|phase| Parting { phase, since }))
        .want(Want::Gone { user_goes: true })
        .wants(|w| w.undo = Some(SignedDuration::from_mins(10)))
}

fn switches(case: &Case) -> Option<(KeyId, bool)> {
    match case.next() {
        KeyStep::SetStatus { key, active } => Some((key, active)),
        _ => None,
    }
}

fn switched(mut case: Case, active: bool) -> Case {
    case.listed
        .keys
        .iter_mut()
        .for_each(|key| key.active = active);
    case
}

#[test]
fn row_6b_keys_are_switched_off_once_that_is_recorded_and_the_user_goes_after_the_window() {
    let asked = parted(None, NOW);
    let off = Parting {
        phase: PartingPhase::Off,
        since: at(NOW),
    };
    assert_eq!(asked.recorded().parting, Some(off));
    let mut case = parted(Some(PartingPhase::Off), NOW);
    assert_eq!(switches(&case), Some((id("A"), false)));
    case.listed.keys[0].active = false;
    assert_eq!(switches(&case), Some((id("O"), false)));
    assert!(is_wait(&switched(case, false), WaitFor::UndoWindow));
    let over = switched(parted(Some(PartingPhase::Off), NOW - 600), false);
    assert_eq!(over.next(), KeyStep::UserGoes);
}

#[test]
fn row_6b_a_window_holds_also_a_user_with_foreign_keys() {
    let foreign = |since| switched(parted(Some(PartingPhase::Off), since), false).key("foreign");
    assert!(is_wait(&foreign(NOW), WaitFor::UndoWindow));
    assert_eq!(foreign(NOW - 600).recorded().revoking, ids(["A", "O"]));
}

#[test]
fn row_6b_without_a_window_keys_are_switched_off_and_the_user_goes_at_once() {
    let at_once = |case: Case| case.wants(|w| w.undo = Some(SignedDuration::ZERO));
    assert!(at_once(parted(None, NOW)).recorded().parting.is_some());
    let off = switched(parted(Some(PartingPhase::Off), NOW), false);
    assert_eq!(at_once(off).next(), KeyStep::UserGoes);
    let keyless = case().want(Want::Gone { user_goes: true });
    assert_eq!(at_once(keyless).next(), KeyStep::UserGoes);
    let not_asked = parted(None, NOW).wants(|w| w.undo = None);
    assert_eq!(not_asked.next(), KeyStep::UserGoes);
}

#[test]
fn row_6b_an_undo_switches_on_waits_out_stalled_replicas_and_lets_go() {
    let undo = |phase, since| parted(phase, since).want(Want::Released);
    let asked = switched(undo(Some(PartingPhase::Off), NOW - 60), false);
    let on = Parting {
        phase: PartingPhase::On,
        since: at(NOW),
    };
    assert_eq!(asked.recorded().parting, Some(on));
    let off = switched(undo(Some(PartingPhase::On), NOW), false);
    assert_eq!(switches(&off), Some((id("A"), true)));
    assert!(is_wait(
        &undo(Some(PartingPhase::On), NOW - 599),
        WaitFor::Undo
    ));
    assert_eq!(
        undo(Some(PartingPhase::On), NOW - 600).recorded().parting,
        None
    );
    assert!(matches!(undo(None, NOW).next(), KeyStep::LetGo { .. }));
}

#[test]
fn row_6b_a_key_that_is_not_published_yet_is_kept_until_the_window_is_over() {
    let minted = |phase, since| {
        switched(parted(Some(phase), since), false)
            .key("N")
            .attempt("n1", Phase::Open, FRESH, |_| ())
            .staging(0, "n1", FRESH, filled("N"))
            .wants(|w| w.serial = 1)
    };
    assert!(is_wait(
        &minted(PartingPhase::Off, NOW),
        WaitFor::UndoWindow
    ));
    let undone = switched(minted(PartingPhase::On, NOW - 600), true).want(Want::Released);
    let undone = undone.ledger(|l| l.parting = None);
    assert!(matches!(undone.next(), KeyStep::Publish { key, .. } if key == id("N")));
}

#[test]
fn row_6b_an_undo_that_is_taken_back_begins_the_window_anew() {
    let again = parted(Some(PartingPhase::On), NOW - 3600).recorded();
    assert_eq!(
        again.parting.map(|p| (p.phase, p.since)),
        Some((PartingPhase::Off, at(NOW)))
    );
}

// Row 7

#[test]
fn row_7_a_revoked_key_is_deleted_then_its_staging_then_its_record() {
    let case = healthy().revoking("R");
    assert_eq!(
        case.clone().key("R").next(),
        KeyStep::Delete { key: id("R") }
    );
    let staged = case
        .clone()
        .attempt("n1", Phase::Watch, STALE, |_| ())
        .staging(1, "n1", STALE, filled("R"));
    assert_eq!(staged.next(), drop_staging(1));
    assert!(case.recorded().revoking.is_empty());
}

// Row 15

#[test]
fn row_15_exclusive_revokes_what_is_not_ours() {
    let exclusive = healthy().key("X").key("Y").wants(|w| w.exclusive = true);
    assert_eq!(exclusive.recorded().revoking, ids(["X", "Y"]));
    let open = exclusive.attempt("n1", Phase::Open, FRESH, |_| ());
    assert!(is_wait(&open, WaitFor::OpenMint));
}

// Row 16

#[test]
fn row_16_an_ending_waits_for_an_open_attempt() {
    for want in [Want::Gone { user_goes: false }, Want::NoKey, Want::Released] {
        assert!(is_wait(
            &healthy()
                .attempt("n1", Phase::Open, FRESH, |_| ())
                .want(want),
            WaitFor::OpenMint
        ));
    }
}

#[test]
fn row_16_keys_go_before_the_target_and_the_target_before_stagings() {
    for want in [Want::Gone { user_goes: false }, Want::NoKey] {
        let keys = healthy()
            .key("O")
            .old("O", OldPhase::Inactive, NOW)
            .want(want);
        assert_eq!(keys.recorded().revoking, ids(["A", "O"]));
        let secret = case().ledger(|_| ()).target("A").want(want);
        assert_eq!(secret.next(), KeyStep::DropSecret);
        assert_eq!(
            case().ledger(|_| ()).foreign_target().want(want).next(),
            KeyStep::Settled
        );
        assert_eq!(case().ledger(|_| ()).want(want).next(), KeyStep::Settled);
    }
}

#[test]
fn row_16_a_release_keeps_what_the_mark_names() {
    let released = healthy()
        .key("O")
        .old("O", OldPhase::Inactive, NOW)
        .want(Want::Released);
    let KeyStep::LetGo { mark: Some(mark) } = released.next() else {
        panic!("{:?}", released.next())
    };
    assert_eq!(
        (mark.id.as_str(), &mark.replaces, mark.released),
        ("A", &ids(["O"]), Some(at(NOW)))
    );
    let done = released
        .target_with(|t| t.owned = false)
        .mark(|m| *m = (*mark).clone());
    assert_eq!(done.next(), KeyStep::Settled);
}

#[test]
fn row_16_a_release_revokes_keys_without_a_secret() {
    let lost = case()
        .key("A")
        .key("O")
        .current("A")
        .old("O", OldPhase::Overlap, NOW)
        .want(Want::Released);
    assert_eq!(lost.recorded().revoking, ids(["A", "O"]));
}

#[test]
fn row_16_a_release_rewrites_a_bad_mark_of_ours() {
    let bad = healthy()
        .target_with(|t| t.mark = None)
        .want(Want::Released);
    assert!(matches!(bad.next(), KeyStep::LetGo { mark: Some(mark) } if mark.id == id("A")));
    let nothing = bad.ledger(|l| l.current = None);
    assert_eq!(nothing.next(), KeyStep::LetGo { mark: None });
}

#[test]
fn row_16_a_secret_that_gets_another_name_is_given_up_first() {
    let renamed = healthy().wants(|w| w.secret_name = Some("other".into()));
    assert_eq!(renamed.recorded().revoking, ids(["A"]));
    let empty = case()
        .ledger(|_| ())
        .wants(|w| w.secret_name = Some("other".into()));
    assert_eq!(empty.recorded().secret_name.as_deref(), Some("other"));
}

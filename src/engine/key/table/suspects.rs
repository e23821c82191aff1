//! Rows 10 to 14.

use super::super::fixture::*;
use super::super::*;
use super::*;

// Rows 10 to 14

#[test]
fn row_10_one_candidate_is_watched_for_a_grace_then_suspected() {
    assert!(is_wait(
        &suspected(Phase::Watch, EXPIRED, None),
        WaitFor::Suspect
    ));
    let ledger = suspected(Phase::Watch, STALE, None).recorded();
    assert_eq!(
        (phase_of(&ledger), ledger.attempts[0].suspect.clone()),
        (Phase::Deactivate, Some(id("X")))
    );
    assert_eq!(ledger.attempts[0].since, at(NOW));
    let none = healthy().attempt("n1", Phase::Watch, STALE, |_| ());
    assert_eq!(phase_of(&none.recorded()), Phase::Close);
}

#[test]
fn row_10_two_candidates_are_left_alone() {
    let two = suspected(Phase::Watch, STALE, None).listed_key("Y", true, STALE + 6, None);
    assert_eq!(two.next(), KeyStep::Settled);
    assert_eq!(
        phase_of(&two.clone().want(Want::Released).recorded()),
        Phase::Close
    );
    let open = two
        .attempt("n2", Phase::Open, FRESH, |_| ())
        .want(Want::Released);
    assert!(is_wait(&open, WaitFor::OpenMint));
}

#[test]
fn row_10_a_candidate_of_an_open_attempt_or_anothers_suspect_is_left_to_it() {
    let shared =
        suspected(Phase::Watch, NOW - 900, None).attempt("n2", Phase::Open, NOW - 950, |a| {
            a.until = at(NOW + 10);
        });
    assert!(is_wait(&shared, WaitFor::OpenMint));
    let contested =
        suspected(Phase::Watch, STALE, None).attempt("n2", Phase::Inactive, EXPIRED, |a| {
            a.suspect = Some(id("X"));
            a.at = at(STALE);
        });
    let contested = Case {
        listed: Listed {
            keys: vec![],
            ..contested.listed.clone()
        },
        ..contested
    };
    let contested = contested.key("A").listed_key("X", false, STALE + 5, None);
    assert!(is_wait(&contested, WaitFor::Suspect));
}

#[test]
fn row_11_a_suspect_is_switched_off() {
    let suspect = suspected(Phase::Deactivate, STALE, Some("X"));
    assert_eq!(
        suspect.next(),
        KeyStep::SetStatus {
            key: id("X"),
            active: false
        }
    );
    let off = healthy().attempt("n1", Phase::Deactivate, STALE, |a| {
        a.suspect = Some(id("X"));
    });
    let used = off.clone().listed_key("X", true, STALE + 5, Some(NOW));
    assert_eq!(phase_of(&used.recorded()), Phase::Release);
    assert_eq!(phase_of(&off.recorded()), Phase::Watch);
    let off = off.listed_key("X", false, STALE + 5, None);
    assert_eq!(phase_of(&off.recorded()), Phase::Inactive);
    let ours = healthy().attempt("n1", Phase::Deactivate, STALE, |a| {
        a.suspect = Some(id("A"));
    });
    assert_eq!(phase_of(&ours.recorded()), Phase::Close);
}

fn inactive(phase: Phase, since: i64, active: bool, used: Option<i64>) -> Case {
    let case = healthy().attempt("n1", phase, STALE, |a| {
        a.suspect = Some(id("X"));
        a.since = at(since);
    });
    case.listed_key("X", active, STALE + 5, used)
}

#[test]
fn row_12_an_inactive_suspect_is_deleted_after_another_grace() {
    assert!(is_wait(
        &inactive(Phase::Inactive, NOW - 599, false, None),
        WaitFor::Suspect
    ));
    assert_eq!(
        phase_of(&inactive(Phase::Inactive, NOW - 600, false, None).recorded()),
        Phase::Delete
    );
    assert_eq!(
        inactive(Phase::Delete, NOW, false, None).next(),
        KeyStep::Delete { key: id("X") }
    );
    let gone = healthy().attempt("n1", Phase::Delete, STALE, |a| a.suspect = Some(id("X")));
    assert_eq!(phase_of(&gone.recorded()), Phase::Close);
}

#[test]
fn row_12_any_use_or_reactivation_frees_a_suspect() {
    for phase in [Phase::Inactive, Phase::Delete] {
        assert_eq!(
            phase_of(&inactive(phase, STALE, true, None).recorded()),
            Phase::Release
        );
        assert_eq!(
            phase_of(&inactive(phase, STALE, false, Some(NOW)).recorded()),
            Phase::Release
        );
    }
}

#[test]
fn row_13_a_freed_suspect_is_switched_on_and_never_touched_again() {
    assert_eq!(
        inactive(Phase::Release, NOW, false, None).next(),
        KeyStep::SetStatus {
            key: id("X"),
            active: true
        }
    );
    assert!(is_wait(
        &inactive(Phase::Release, NOW - 599, true, None),
        WaitFor::Suspect
    ));
    let freed = inactive(Phase::Release, NOW - 600, true, None).attempt(
        "n2",
        Phase::Watch,
        EXPIRED,
        |_| (),
    );
    let ledger = freed.recorded();
    assert_eq!(
        (phase_of(&ledger), ledger.attempts[0].suspect.clone()),
        (Phase::Watch, None)
    );
    assert!(ledger.attempts.iter().all(|a| a.known.contains(&id("X"))));
}

#[test]
fn row_14_a_closed_attempt_loses_its_staging_then_goes() {
    let closed = healthy().attempt("n1", Phase::Close, STALE, |_| ());
    assert_eq!(
        closed
            .clone()
            .staging(0, "n1", STALE, StagingState::Void)
            .next(),
        drop_staging(0)
    );
    assert!(closed.recorded().attempts.is_empty());
}

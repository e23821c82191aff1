//! The decision table, row by row.

use super::fixture::{Case, LONG_AGO, NOW, at, case, healthy, id, ids, place};
use super::*;

const FRESH: i64 = NOW - 10;
/// Its window is over, its grace is not.
const EXPIRED: i64 = NOW - 200;
/// Window and grace are over.
const STALE: i64 = NOW - 3600;

fn filled(key: &str) -> StagingState {
    StagingState::Filled(id(key))
}

fn is_wait(case: &Case, why: WaitFor) -> bool {
    matches!(case.next(), KeyStep::Wait(Waiting { why: w, .. }) if w == why)
}

fn drop_staging(slot: usize) -> KeyStep {
    KeyStep::DropStaging { slot }
}

fn blocked(by: BlockedBy) -> KeyStep {
    KeyStep::Blocked(by)
}

/// An attempt in `phase` with one unused key made in its window.
fn suspected(phase: Phase, listed: i64, suspect: Option<&str>) -> Case {
    healthy()
        .attempt("n1", phase, listed, |a| a.suspect = suspect.map(id))
        .listed_key("X", true, listed + 5, None)
}

fn phase_of(ledger: &Ledger) -> Phase {
    ledger.attempts[0].phase
}

// Row 1

#[test]
fn row_1_without_the_finalizer_nothing_is_done() {
    assert_eq!(
        case().stored(|s| s.finalizer = false).next(),
        KeyStep::Settled
    );
}

// Row 2

#[test]
fn row_2_a_lost_ledger_is_rebuilt_from_mark_and_stagings() {
    let ledger = healthy()
        .no_ledger()
        .key("B")
        .key("C")
        .mark(|m| m.replaces = ids(["B", "C", "gone"]))
        .staging(0, "n1", FRESH, StagingState::Empty)
        .staging(1, "n2", FRESH, filled("D"))
        .staging(2, "n3", FRESH, filled("A"))
        .recorded();
    assert_eq!(ledger.current.unwrap().id, id("A"));
    assert_eq!(ledger.old.unwrap().id, id("B"));
    assert_eq!(ledger.revoking, ids(["C"]));
    let attempts: Vec<_> = ledger
        .attempts
        .iter()
        .map(|a| (a.nonce.as_str(), a.phase, a.key.clone()))
        .collect();
    assert_eq!(
        attempts,
        [
            ("n1", Phase::Open, None),
            ("n2", Phase::Open, Some(id("D")))
        ]
    );
    assert_eq!(ledger.secret_name.as_deref(), Some("s3"));
}

#[test]
fn row_2_a_mark_whose_key_is_gone_gives_no_current() {
    assert_eq!(case().target("A").recorded().current, None);
}

#[test]
fn row_2_without_any_evidence_the_ledger_counts_as_empty() {
    assert!(matches!(case().key("foreign").next(), KeyStep::Mint { .. }));
    let edited = case().key("A").target("A").target_with(|t| t.mark = None);
    assert!(matches!(edited.next(), KeyStep::Mint { .. }));
}

// Row 3

#[test]
fn row_3_the_staging_of_a_key_with_a_role_is_dropped() {
    assert_eq!(
        healthy().staging(1, "x", FRESH, filled("A")).next(),
        drop_staging(1)
    );
    assert_eq!(
        healthy().staging(1, "x", FRESH, filled("gone")).next(),
        drop_staging(1)
    );
}

#[test]
fn row_3_a_committed_key_nobody_reserved_is_revoked() {
    assert_eq!(
        healthy()
            .key("B")
            .staging(0, "x", FRESH, filled("B"))
            .recorded()
            .revoking,
        ids(["B"])
    );
}

#[test]
fn row_3_a_staging_without_attempt_is_waited_for_until_it_expires() {
    let young = healthy().staging(0, "x", FRESH, StagingState::Empty);
    assert!(is_wait(&young, WaitFor::OpenMint));
    assert_eq!(young.clone().want(Want::NoKey).next(), drop_staging(0));
    assert_eq!(
        healthy()
            .staging(0, "x", EXPIRED, StagingState::Empty)
            .next(),
        drop_staging(0)
    );
    assert!(is_wait(
        &case()
            .staging(0, "x", FRESH, StagingState::Empty)
            .ledger(|_| ()),
        WaitFor::OpenMint
    ));
}

#[test]
fn row_3_a_damaged_staging_is_dropped() {
    let damaged = healthy().stored(|s| s.slots[2] = Slot::Damaged(Revision::default()));
    assert_eq!(damaged.next(), drop_staging(2));
}

// Row 4

#[test]
fn row_4_a_published_key_becomes_current_and_the_former_one_old() {
    let ledger = healthy()
        .key("B")
        .key("O")
        .old("O", OldPhase::Inactive, LONG_AGO)
        .target("B")
        .mark(|m| m.serial = 7)
        .attempt("n1", Phase::Open, FRESH, |_| ())
        .staging(0, "n1", FRESH, filled("B"))
        .recorded();
    assert_eq!(
        ledger.current,
        Some(Current {
            id: id("B"),
            serial: 7
        })
    );
    assert_eq!(
        ledger.old,
        Some(Old {
            id: id("A"),
            phase: OldPhase::Overlap,
            since: at(NOW)
        })
    );
    assert_eq!(ledger.revoking, ids(["O"]));
    assert!(ledger.attempts.is_empty());
}

#[test]
fn row_4_the_mark_names_the_attempt_whose_staging_is_gone() {
    let published =
        healthy()
            .mark(|m| m.nonce = Nonce::new("n1"))
            .attempt("n1", Phase::Open, FRESH, |_| ());
    assert!(published.recorded().attempts.is_empty());
}

#[test]
fn row_4_an_older_secret_put_back_makes_its_key_current_again() {
    let ledger = healthy()
        .key("B")
        .current("B")
        .old("A", OldPhase::Inactive, NOW)
        .recorded();
    assert_eq!(ledger.current.unwrap().id, id("A"));
    assert_eq!(ledger.old.unwrap().id, id("B"));
    assert!(ledger.revoking.is_empty());
}

#[test]
fn row_4_a_key_that_is_revoked_never_comes_back() {
    let case = healthy().key("B").current("B").revoking("A");
    assert_eq!(case.next(), KeyStep::Delete { key: id("A") });
}

// Rows 5 and 6

#[test]
fn row_5_a_key_only_an_edited_target_names_gets_a_role() {
    let edited = |c: Case| c.key("A").target("A").target_with(|t| t.intact = false);
    assert_eq!(
        edited(case().ledger(|_| ())).recorded().current.unwrap().id,
        id("A")
    );
    assert_eq!(
        edited(case().key("B").current("B"))
            .recorded()
            .old
            .unwrap()
            .id,
        id("A")
    );
    let full = case()
        .key("B")
        .key("O")
        .current("B")
        .old("O", OldPhase::Overlap, NOW);
    assert_eq!(edited(full).recorded().revoking, ids(["A"]));
}

#[test]
fn row_6_a_replaced_key_only_the_mark_names_gets_a_role() {
    let case = healthy().key("B").mark(|m| m.replaces = ids(["B", "gone"]));
    assert_eq!(case.recorded().old.unwrap().id, id("B"));
    let case = case.key("O").old("O", OldPhase::Overlap, NOW);
    assert_eq!(case.recorded().revoking, ids(["B"]));
}

#[test]
fn row_6_an_edited_mark_is_not_believed() {
    let case = healthy().key("foreign").target_with(|t| t.mark = None);
    assert!(matches!(case.next(), KeyStep::Mint { .. }));
}

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

// Row 8

fn committed(listed: bool) -> Case {
    let case =
        case()
            .attempt("n1", Phase::Open, FRESH, |_| ())
            .staging(1, "n1", FRESH, filled("B"));
    if listed { case.key("B") } else { case }
}

#[test]
fn row_8_a_committed_key_is_published() {
    let case = committed(true)
        .key("O")
        .key("R")
        .old("O", OldPhase::Overlap, NOW)
        .current("A")
        .target("A");
    let case = case.mark(|m| m.replaces = ids(["P"]));
    let mark = Mark {
        id: id("B"),
        nonce: Nonce::new("n1"),
        serial: 0,
        replaces: ids(["A", "O", "P"]),
        place: place(),
        released: None,
    };
    assert_eq!(
        case.next(),
        KeyStep::Publish {
            key: id("B"),
            slot: 1,
            mark: Box::new(mark)
        }
    );
}

#[test]
fn row_8_a_committed_key_that_vanished_closes_its_attempt() {
    assert_eq!(phase_of(&committed(false).recorded()), Phase::Close);
}

#[test]
fn row_8_a_committed_key_nobody_needs_is_revoked() {
    let unneeded = committed(true).key("A").current("A").target("A");
    let inactive = committed(false).inactive_key("B");
    let ending = committed(true).want(Want::NoKey);
    for case in [unneeded, inactive, ending] {
        let ledger = case.recorded();
        assert_eq!(ledger.revoking, ids(["B"]));
        assert!(ledger.attempts.is_empty());
    }
}

#[test]
fn row_8_a_release_still_publishes_the_key_the_target_needs() {
    let released = committed(true).want(Want::Released);
    assert!(matches!(released.next(), KeyStep::Publish { .. }));
    assert_eq!(
        released
            .clone()
            .stored(|s| s.creates_refused = true)
            .recorded()
            .revoking,
        ids(["B"])
    );
    assert_eq!(
        released.clone().foreign_target().recorded().revoking,
        ids(["B"])
    );
    assert_eq!(
        released.wants(|w| w.test = true).recorded().revoking,
        ids(["B"])
    );
}

#[test]
fn row_8_a_foreign_target_blocks_the_publish() {
    assert_eq!(
        committed(true).foreign_target().next(),
        blocked(BlockedBy::SecretNotOurs)
    );
}

// Row 8a

#[test]
fn row_8a_a_key_is_named_in_the_ledger_before_it_is_tested() {
    let case = committed(true).wants(|w| w.test = true);
    assert_eq!(case.recorded().attempts[0].key, Some(id("B")));
    let named = case.ledger(|l| l.attempts[0].key = Some(id("B")));
    assert_eq!(
        named.next(),
        KeyStep::Test {
            key: id("B"),
            attempt: Nonce::new("n1"),
            slot: 1
        }
    );
    let tested = named.ledger(|l| l.attempts[0].tested = true);
    assert!(matches!(tested.next(), KeyStep::Publish { .. }));
}

#[test]
fn row_8a_the_outcome_of_a_test_decides() {
    let case = committed(true).ledger(|l| l.attempts[0].key = Some(id("B")));
    let after = |case: &Case, outcome| {
        after_test(
            &case.stored,
            &case.listed,
            &case.want,
            &Nonce::new("n1"),
            outcome,
        )
    };
    let note = |step| match step {
        KeyStep::Record { ledger, note } => (
            ledger.attempts.first().map(|a| a.tested),
            ledger.revoking,
            note,
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        note(after(&case, TestOutcome::Accepted)),
        (Some(true), ids([]), None)
    );
    let refused = note(after(&case, TestOutcome::NotAccepted));
    assert_eq!(refused, (None, ids(["B"]), Some(Note::NewKeyNotAccepted)));
    let early = after(&case, TestOutcome::Unreachable);
    assert!(matches!(
        early,
        KeyStep::Wait(Waiting {
            why: WaitFor::Test,
            until: Some(_)
        })
    ));
    let late = case.ledger(|l| l.attempts[0].since = at(NOW - 60));
    assert_eq!(
        note(after(&late, TestOutcome::Unreachable)),
        (Some(true), ids([]), Some(Note::NewKeyNotTested))
    );
    let rotating = late.key("A").current("A").target("A");
    assert!(!after(&rotating, TestOutcome::Unreachable).writes());
}

#[test]
fn row_8a_a_named_key_whose_staging_is_gone_is_revoked() {
    let case = case().attempt("n1", Phase::Open, FRESH, |a| a.key = Some(id("B")));
    assert_eq!(case.clone().key("B").recorded().revoking, ids(["B"]));
    assert_eq!(phase_of(&case.recorded()), Phase::Close);
}

// Row 9

#[test]
fn row_9_an_open_attempt_is_not_judged_before_its_deadline() {
    let case = case().attempt("n1", Phase::Open, FRESH, |_| ()).staging(
        0,
        "n1",
        FRESH,
        StagingState::Empty,
    );
    assert_eq!(
        case.clone().listed_key("X", true, FRESH, None).next(),
        KeyStep::Wait(Waiting {
            why: WaitFor::OpenMint,
            until: Some(at(FRESH).plus(LATE))
        })
    );
}

#[test]
fn row_9_an_expired_attempt_is_fenced_then_judged() {
    let open = case().attempt("n1", Phase::Open, EXPIRED, |_| ());
    assert_eq!(
        open.clone()
            .staging(2, "n1", EXPIRED, StagingState::Empty)
            .next(),
        KeyStep::Fence { slot: 2 }
    );
    let void = open.staging(2, "n1", EXPIRED, StagingState::Void);
    assert_eq!(phase_of(&void.recorded()), Phase::Close);
    let lost = void.listed_key("X", true, EXPIRED + 5, None);
    assert_eq!(phase_of(&lost.recorded()), Phase::Watch);
    assert_eq!(
        lost.wants(|w| w.exclusive = true).recorded().revoking,
        ids(["X"])
    );
}

#[test]
fn row_9_another_nonce_in_the_slot_means_gone() {
    let case = case().attempt("n1", Phase::Open, EXPIRED, |_| ()).attempt(
        "n2",
        Phase::Open,
        FRESH,
        |_| (),
    );
    let case = case.staging(0, "n2", FRESH, StagingState::Empty);
    assert_eq!(phase_of(&case.recorded()), Phase::Close);
}

#[test]
fn row_9_known_used_or_older_keys_are_no_candidates() {
    let open = || case().attempt("n1", Phase::Open, EXPIRED, |a| a.known = ids(["K"]));
    let no_candidates = [
        open().listed_key("K", true, EXPIRED + 5, None),
        open().listed_key("X", true, EXPIRED + 5, Some(NOW - 1)),
        open().listed_key("X", true, EXPIRED - 61, None),
        open().listed_key("X", true, EXPIRED + 180 + 61, None),
    ];
    for case in no_candidates {
        assert_eq!(phase_of(&case.recorded()), Phase::Close);
    }
    let unused = [None, Some(0), Some(-62_135_596_800), Some(EXPIRED - 60)];
    for used in unused {
        let case = open().listed_key("X", true, EXPIRED - 60, used);
        assert_eq!(phase_of(&case.recorded()), Phase::Watch, "{used:?}");
    }
}

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
        a.suspect = Some(id("X"))
    });
    let used = off.clone().listed_key("X", true, STALE + 5, Some(NOW));
    assert_eq!(phase_of(&used.recorded()), Phase::Release);
    assert_eq!(phase_of(&off.recorded()), Phase::Watch);
    let off = off.listed_key("X", false, STALE + 5, None);
    assert_eq!(phase_of(&off.recorded()), Phase::Inactive);
    let ours = healthy().attempt("n1", Phase::Deactivate, STALE, |a| {
        a.suspect = Some(id("A"))
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

// Rows 17 and 18

#[test]
fn row_17_a_lost_owner_is_put_back() {
    let orphan = healthy().target_with(|t| t.owned = false);
    assert!(matches!(orphan.next(), KeyStep::Own { .. }));
    let released = orphan.mark(|m| m.released = Some(at(NOW - 599)));
    assert!(is_wait(&released, WaitFor::Release));
    let KeyStep::Own { mark } = released.mark(|m| m.released = Some(at(NOW - 600))).next() else {
        panic!()
    };
    assert_eq!(mark.released, None);
}

#[test]
fn row_17_an_adopted_target_is_owned_at_once() {
    let adopted = healthy().target_with(|t| (t.owned, t.labelled) = (false, false));
    assert!(matches!(
        adopted.mark(|m| m.released = Some(at(NOW))).next(),
        KeyStep::Own { .. }
    ));
}

#[test]
fn row_17_the_current_key_is_switched_on() {
    let off = case().inactive_key("A").current("A").target("A");
    assert_eq!(
        off.next(),
        KeyStep::SetStatus {
            key: id("A"),
            active: true
        }
    );
}

#[test]
fn row_17_derived_fields_are_rendered_without_minting() {
    assert!(matches!(
        healthy().target_with(|t| t.stale = true).next(),
        KeyStep::Rerender { .. }
    ));
    let edited = healthy().target_with(|t| (t.stale, t.intact) = (true, false));
    assert!(matches!(edited.next(), KeyStep::Mint { .. }));
}

fn rotated(phase: OldPhase, since: i64, active: bool, used: Option<i64>) -> Case {
    healthy()
        .listed_key("O", active, LONG_AGO, used)
        .old("O", phase, since)
}

const DAY: i64 = 86_400;

#[test]
fn row_18_a_replaced_key_overlaps_then_is_off_then_goes() {
    let overlap = rotated(OldPhase::Overlap, NOW - DAY + 1, true, None);
    assert!(is_wait(&overlap, WaitFor::OldKey));
    let over = rotated(OldPhase::Overlap, NOW - DAY, true, None).recorded();
    assert_eq!(
        over.old,
        Some(Old {
            id: id("O"),
            phase: OldPhase::Inactive,
            since: at(NOW)
        })
    );
    let off = KeyStep::SetStatus {
        key: id("O"),
        active: false,
    };
    assert_eq!(rotated(OldPhase::Inactive, NOW, true, None).next(), off);
    assert!(is_wait(
        &rotated(OldPhase::Inactive, NOW - 1, false, None),
        WaitFor::OldKey
    ));
    assert_eq!(
        rotated(OldPhase::Inactive, NOW - DAY, false, None)
            .recorded()
            .revoking,
        ids(["O"])
    );
}

#[test]
fn row_18_an_overlap_lasts_while_the_old_key_is_used() {
    assert!(is_wait(
        &rotated(OldPhase::Overlap, NOW - 9 * DAY, true, Some(NOW - 60)),
        WaitFor::OldKey
    ));
}

#[test]
fn row_18_a_rollback_switches_the_old_key_on_and_keeps_it() {
    let held = |phase, active| rotated(phase, NOW - 9 * DAY, active, None).wants(|w| w.hold = true);
    assert_eq!(
        held(OldPhase::Inactive, false)
            .recorded()
            .old
            .unwrap()
            .phase,
        OldPhase::Overlap
    );
    let on = KeyStep::SetStatus {
        key: id("O"),
        active: true,
    };
    assert_eq!(held(OldPhase::Overlap, false).next(), on);
    assert_eq!(held(OldPhase::Overlap, true).next(), KeyStep::Settled);
}

#[test]
fn row_18_an_old_key_that_is_gone_is_forgotten() {
    assert_eq!(
        healthy().old("O", OldPhase::Overlap, NOW).recorded().old,
        None
    );
}

#[test]
fn row_18_the_old_key_stays_while_the_target_is_not_good() {
    let broken = case()
        .key("A")
        .key("O")
        .current("A")
        .old("O", OldPhase::Overlap, LONG_AGO);
    assert!(matches!(broken.next(), KeyStep::Mint { .. }));
}

// Rows 19 to 21

#[test]
fn row_19_a_foreign_target_blocks() {
    assert_eq!(
        case().foreign_target().next(),
        blocked(BlockedBy::SecretNotOurs)
    );
    let kept = case().key("A").current("A").foreign_target();
    assert_eq!(kept.next(), blocked(BlockedBy::SecretNotOurs));
}

#[test]
fn row_20_a_needed_key_is_minted() {
    let reservation = Reservation {
        known: ids(["foreign"]),
        at: at(NOW),
        until: at(NOW).plus(LATE),
        serial: 0,
    };
    let mint = KeyStep::Mint {
        slot: 0,
        reservation: Box::new(reservation),
    };
    assert_eq!(case().key("foreign").next(), mint);
    assert!(
        matches!(
            healthy().wants(|w| w.serial = 1).next(),
            KeyStep::Mint { .. }
        ),
        "a rotation"
    );
    assert!(
        matches!(case().current("A").target("A").next(), KeyStep::Mint { .. }),
        "deleted at the cloud"
    );
    assert!(
        matches!(case().key("A").current("A").next(), KeyStep::Mint { .. }),
        "the Secret is gone"
    );
}

#[test]
fn row_20_a_rotation_waits_for_the_former_one() {
    let held =
        rotated(OldPhase::Overlap, NOW, true, None).wants(|w| (w.serial, w.hold) = (1, true));
    assert!(is_wait(&held, WaitFor::Held));
}

#[test]
fn row_20_the_quota_never_costs_the_live_key() {
    let full = healthy()
        .key("foreign")
        .ledger(|l| l.full = true)
        .wants(|w| w.serial = 1);
    assert_eq!(full.next(), blocked(BlockedBy::QuotaFull));
    assert!(
        !healthy()
            .ledger(|l| l.full = true)
            .wants(|w| w.serial = 1)
            .recorded()
            .full
    );
}

#[test]
fn row_20_room_is_made_by_keys_no_secret_holds() {
    let full = case()
        .key("A")
        .key("O")
        .current("A")
        .ledger(|l| l.full = true);
    assert_eq!(
        full.clone()
            .old("O", OldPhase::Overlap, NOW)
            .recorded()
            .revoking,
        ids(["O"])
    );
    assert_eq!(full.recorded().revoking, ids(["A"]));
}

#[test]
fn row_20_three_lost_answers_block() {
    let lost = |n: &str, c: Case| c.attempt(n, Phase::Watch, LONG_AGO, |_| ());
    let two = case()
        .listed_key("X", true, LONG_AGO, None)
        .listed_key("Y", true, LONG_AGO, None);
    let two = lost("n2", lost("n1", two)).wants(|w| w.quota = None);
    assert!(matches!(two.next(), KeyStep::Mint { .. }));
    assert_eq!(lost("n3", two).next(), blocked(BlockedBy::LostKeys));
}

#[test]
fn row_20_a_second_lost_answer_is_followed_by_a_pause() {
    let lost =
        case()
            .listed_key("X", true, EXPIRED, None)
            .attempt("n1", Phase::Watch, EXPIRED, |_| ());
    assert!(matches!(lost.next(), KeyStep::Mint { .. }));
    let twice = lost.attempt("n2", Phase::Watch, EXPIRED, |_| ());
    assert!(!twice.next().writes());
}

#[test]
fn row_20_no_mint_where_its_staging_cannot_be_created() {
    let terminating = case().stored(|s| s.creates_refused = true);
    assert_eq!(terminating.next(), blocked(BlockedBy::NamespaceTerminating));
    let taken = case().stored(|s| s.slots = [Slot::Taken, Slot::Taken, Slot::Taken]);
    assert_eq!(taken.next(), blocked(BlockedBy::StagingNotOurs));
    let one = case().stored(|s| s.slots[0] = Slot::Taken);
    assert!(matches!(one.next(), KeyStep::Mint { slot: 1, .. }));
}

#[test]
fn row_21_a_live_key_in_its_secret_is_settled() {
    assert_eq!(healthy().next(), KeyStep::Settled);
    assert_eq!(healthy().key("foreign").next(), KeyStep::Settled);
}

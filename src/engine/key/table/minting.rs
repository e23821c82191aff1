//! Rows 8 and 9.

use super::super::fixture::*;
use super::super::*;
use super::*;

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

//! Rows 1 to 6.

use super::super::fixture::*;
use super::super::*;
use super::*;

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

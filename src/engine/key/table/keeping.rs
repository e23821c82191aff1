//! Rows 17 to 21.

use super::super::fixture::*;
use super::super::*;
use super::*;

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

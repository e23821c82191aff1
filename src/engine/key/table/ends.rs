//! Rows 6a, 7, 15 and 16.

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

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn policy(name: &str) -> Right {
    Right::Policy(name.to_owned())
}

fn begun(second: i64, rights: &[Right]) -> Begun {
    Begun {
        at: Time(at(second)),
        rights: rights.to_vec(),
        again: Vec::new(),
    }
}

fn sending(second: i64) -> Sending {
    Sending {
        at: at(second),
        is_answered: true,
    }
}

fn set(rights: &[Right]) -> BTreeSet<Right> {
    rights.iter().cloned().collect()
}

#[test]
fn a_note_is_made_once_and_anew_once_it_covers_no_more() {
    let (a, b) = (policy("a"), policy("b"));
    let noted = begun(0, std::slice::from_ref(&b));
    for (before, missing, second, after) in [
        (None, vec![], 0, None),
        (
            None,
            vec![a.clone()],
            0,
            Some(begun(0, std::slice::from_ref(&a))),
        ),
        (Some(&noted), vec![b.clone()], 59, Some(noted.clone())),
        (Some(&noted), vec![], 59, Some(noted.clone())),
        (
            Some(&noted),
            vec![b.clone()],
            60,
            Some(begun(60, std::slice::from_ref(&b))),
        ),
        (
            Some(&noted),
            vec![a.clone()],
            9,
            Some(begun(9, &[a.clone(), b.clone()])),
        ),
    ] {
        assert_eq!(
            Begun::with(before, missing.clone(), sending(second)),
            after,
            "{missing:?} at {second}"
        );
    }
}

#[test]
fn what_takes_away_makes_no_note_last() {
    let noted = begun(0, &[policy("a")]);
    let found = Begun::with(Some(&noted), [], sending(10_000));
    assert_eq!(found, Some(noted));
}

#[test]
fn what_is_sent_again_after_an_unknown_answer_is_noted_as_such() {
    let (a, b) = (policy("a"), policy("b"));
    let noted = begun(0, &[a.clone(), b.clone()]);
    let unknown = |second| Sending {
        at: at(second),
        is_answered: false,
    };
    let again = Begun {
        at: Time(at(1)),
        again: vec![a.clone()],
        ..noted.clone()
    };
    // Also within the time that the note covers, and once is enough.
    let found = Begun::with(Some(&noted), [a.clone()], unknown(1));
    assert_eq!(found.as_ref(), Some(&again));
    let found = Begun::with(Some(&again), [a.clone()], unknown(2));
    assert_eq!(found.as_ref(), Some(&again));
    let found = Begun::with(Some(&again), [a.clone(), b.clone()], sending(2));
    assert_eq!(found.as_ref(), Some(&again));
}

#[test]
fn what_was_sent_twice_stays_begun_once_it_shows_until_neither_can_arrive_any_more() {
    let a = policy("a");
    let noted = Begun {
        again: vec![a.clone()],
        ..begun(0, std::slice::from_ref(&a))
    };
    let (none, only) = (BTreeSet::new(), BTreeSet::from([a.clone()]));
    for (given, wanted, undone, second, left) in [
        (&only, &only, &none, 359, Some(noted.clone())),
        (&only, &none, &none, 359, Some(noted.clone())),
        (&none, &none, &only, 359, Some(noted.clone())),
        (&only, &only, &none, 360, None),
        (&none, &none, &only, 360, None),
        // It did not come; what is sent next is sent once.
        (
            &none,
            &only,
            &none,
            360,
            Some(begun(0, std::slice::from_ref(&a))),
        ),
    ] {
        let found = noted.left(given, wanted, undone, at(second));
        assert_eq!(found, left, "{given:?} {wanted:?} {undone:?} {second}");
    }
}

#[test]
fn what_is_begun_stays_so_until_it_is_known_what_became_of_it() {
    let (a, bound) = (policy("a"), Right::Boundary("b".into()));
    let none: &[Right] = &[];
    let all = [a.clone(), bound.clone()];
    for (given, wanted, undone, second, left) in [
        // Known to be given: nothing is open.
        (all.as_slice(), all.as_slice(), none, 0, none),
        (&all, none, none, 0, none),
        // Not given yet, for however long.
        (none, &all, none, 10_000, &all),
        // Wanted no more: it may still arrive, even after it was taken back.
        (none, none, none, 359, &all),
        (none, none, &all[..1], 359, &all),
        // It cannot arrive any more, but nobody has taken it back; a boundary would show.
        (none, none, none, 360, &all[..1]),
        (none, none, &all[..1], 360, none),
    ] {
        let left = (!left.is_empty()).then(|| begun(0, left));
        let found = begun(0, &all).left(&set(given), &set(wanted), &set(undone), at(second));
        assert_eq!(found, left, "{given:?} {wanted:?} {undone:?} {second}");
    }
}

#[test]
fn what_was_begun_and_is_wanted_no_more_is_taken_back_once_a_pass() {
    let grants = Grants {
        begun: Some(begun(
            0,
            &[
                policy("shown"),
                policy("a"),
                policy("wanted"),
                Right::InlinePolicy("b".into()),
                Right::Boundary("c".into()),
                Right::Tag("d".into()),
                Right::Group("e".into()),
            ],
        )),
        ..Grants::default()
    };
    let want = Rights {
        policies: ["wanted".to_owned()].into(),
        ..Rights::default()
    };
    let mut has = Has {
        policies: ["shown".to_owned()].into(),
        ..Has::default()
    };
    let told = |has: &Has| {
        let changes = want.taken_back(has, &grants);
        changes.map(|change| change.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&has),
        ["detach policy a", "delete inline policy b", "remove tag d"]
    );
    has.undone = [policy("a"), Right::Tag("d".into())].into();
    assert_eq!(told(&has), ["delete inline policy b"]);
    // What shows is ours from then on, and goes like all that is.
    let seen = grants.after(Some(&want), &has);
    assert_eq!(
        (seen.policies, seen.foreign_policies),
        (vec!["shown".to_owned()], Vec::new())
    );
}

#[test]
fn what_is_wanted_and_not_known_to_be_given_is_missing() {
    let want = Rights {
        policies: ["a".to_owned(), "b".to_owned()].into(),
        inline: BTreeMap::from([("c".to_owned(), json!({}))]),
        boundary: Some("d".into()),
        tags: BTreeMap::from([("e".to_owned(), "1".to_owned())]),
        ..Rights::default()
    };
    let grants = Grants {
        policies: vec!["a".into()],
        foreign_policies: vec!["b".into()],
        ..Grants::default()
    };
    let bounds = Bounds {
        tags: vec!["e".into()],
        ..Bounds::default()
    };
    let missing: Vec<_> = want.missing(&grants, &bounds).collect();
    let boundary = Right::Boundary("d".into());
    assert_eq!(
        missing,
        [policy("b"), Right::InlinePolicy("c".into()), boundary]
    );
}

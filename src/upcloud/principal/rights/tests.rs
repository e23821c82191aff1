use serde_json::json;

use super::*;
use crate::upcloud::mark::MARK;

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}

fn list(of: &[&str]) -> Vec<String> {
    names(of).into_iter().collect()
}

fn tags(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = of.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn document(action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] })
}

/// Inline policies by key, each allowing one action.
fn inline(of: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let named =
        |(key, action): &(&str, &str)| (inline_name(key, &document(action)), document(action));
    of.iter().map(named).collect()
}

fn inline_names(of: &[(&str, &str)]) -> BTreeSet<String> {
    inline(of).into_keys().collect()
}

/// All changes in their order; inline policies by their keys.
fn changes(want: &Rights, has: &Has, grants: &Grants, bounds: &Bounds) -> Vec<String> {
    let Steps {
        narrow,
        widen,
        last,
    } = want.steps(has, grants, bounds);
    let told = |change: Change| match &change {
        Change::Write { name, .. } => format!("make inline policy {}", key_of(name).unwrap()),
        Change::Erase(name) => format!("delete inline policy {}", key_of(name).unwrap_or(name)),
        _ => change.to_string(),
    };
    narrow
        .into_iter()
        .chain(widen)
        .chain(last)
        .map(told)
        .collect()
}

#[test]
fn what_narrows_comes_first_and_the_boundary_goes_last() {
    let has = Has {
        policies: names(&["old", "foreign"]),
        inline: inline_names(&[("gone", "a"), ("kept", "a"), ("changed", "a")]),
        boundary: Some("former".into()),
        tags: Some(tags(&[("env", "test"), ("theirs", "1"), ("dropped", "x")])),
        ..Has::default()
    };
    let grants = Grants {
        policies: list(&["old"]),
        inline_policies: has.inline.iter().cloned().collect(),
        ..Grants::default()
    };
    let bounds = Bounds {
        permissions_boundary: Some("former".into()),
        tags: list(&["env", "dropped"]),
        ..Bounds::default()
    };
    let want = Rights {
        policies: names(&["new"]),
        inline: inline(&[("kept", "a"), ("changed", "b"), ("fresh", "a")]),
        boundary: Some("limit".into()),
        tags: tags(&[("env", "prod")]),
        ..Rights::default()
    };
    assert_eq!(
        changes(&want, &has, &grants, &bounds),
        [
            "set permissions boundary limit",
            "detach policy old",
            "delete inline policy gone",
            "make inline policy changed",
            "make inline policy fresh",
            "delete inline policy changed",
            "attach policy new",
            "remove tag dropped",
            "set tags env, theirs",
        ]
    );
    let unbound = Rights {
        boundary: None,
        ..want
    };
    let last = changes(&unbound, &has, &grants, &bounds).pop();
    assert_eq!(last.as_deref(), Some("remove permissions boundary former"));
}

#[test]
fn what_others_gave_stays_unless_the_principal_is_exclusive() {
    let has = Has {
        policies: names(&["theirs"]),
        inline: names(&["by-hand"]),
        boundary: Some("their-limit".into()),
        tags: Some(tags(&[("theirs", "1")])),
        ..Has::default()
    };
    let want = Rights::default();
    let told = |want: &Rights| changes(want, &has, &Grants::default(), &Bounds::default());
    assert_eq!(told(&want), [""; 0]);
    let exclusive = Rights {
        exclusive: true,
        ..want
    };
    // A boundary and tags allow nothing: they are nobody's to lose.
    assert_eq!(
        told(&exclusive),
        ["detach policy theirs", "delete inline policy by-hand"]
    );
}

#[test]
fn who_adopts_marks_it_once_and_takes_no_mark_away() {
    let theirs = |mark: &str| Has {
        tags: Some(tags(&[("env", "prod"), (MARK, mark)])),
        ..Has::default()
    };
    let want = Rights {
        mark: Mark {
            uid: "uid-1".into(),
            adopts: true,
        },
        ..Rights::default()
    };
    let told =
        |want: &Rights, has: &Has, bounds: &Bounds| changes(want, has, &Grants::default(), bounds);
    let (none, ours) = (Bounds::default(), theirs("uid-1"));
    assert_eq!(
        told(&want, &theirs("uid-2"), &none),
        ["set tags cooper-uid, env"]
    );
    let bounds = none.after(Some(&want), &ours, &Grants::default());
    assert_eq!(bounds.owner.as_deref(), Some("uid-1"));
    assert_eq!(bounds.tags, [""; 0]);
    assert_eq!(told(&want, &ours, &bounds), [""; 0]);
    assert_eq!(told(&Rights::default(), &ours, &bounds), [""; 0]);
    assert!(theirs("uid-2").not_taken_over("user ci", &bounds).is_err());
    assert!(Has::default().not_taken_over("user ci", &bounds).is_ok());
}

#[test]
fn an_inline_policy_that_means_the_same_keeps_its_name() {
    let other = json!({ "Statement": { "Resource": ["*"], "Action": ["s3:Get*"], "Effect": "Allow" }, "Version": "2012-10-17" });
    assert_eq!(
        inline_name("a", &document("s3:Get*")),
        inline_name("a", &other)
    );
    assert_ne!(
        inline_name("a", &document("s3:Put*")),
        inline_name("a", &other)
    );
    let name = inline_name("put-only", &other);
    assert_eq!((name.len(), key_of(&name)), (17, Some("put-only")));
    assert_eq!(key_of("by-hand"), None);
}

#[test]
fn a_boundary_of_ours_is_put_back_and_a_foreign_one_is_replaced_but_not_removed() {
    let set = |policy: &str| Bounds {
        permissions_boundary: Some(policy.into()),
        ..Bounds::default()
    };
    let hidden = |policy: &str| Bounds {
        boundary_hidden: true,
        ..set(policy)
    };
    let none = Bounds::default();
    let bound = |policy: &str, again| {
        let policy = policy.to_owned();
        (Some(Change::Bound { policy, again }), None)
    };
    let nothing = (None, None);
    let unbound = (None, Some(Change::Unbound("a".into())));
    for (wanted, shown, facts, expected) in [
        (Some("a"), None, &none, bound("a", false)),
        (Some("a"), Some("a"), &set("a"), nothing.clone()),
        (Some("a"), Some("b"), &none, bound("a", false)),
        // Set, and not there: gone, or not shown.
        (Some("a"), None, &set("a"), bound("a", true)),
        (Some("a"), None, &hidden("a"), nothing.clone()),
        (Some("b"), None, &hidden("a"), bound("b", false)),
        (None, None, &hidden("a"), unbound.clone()),
        (None, Some("a"), &set("a"), unbound),
        (None, Some("b"), &set("a"), nothing.clone()),
        (None, None, &set("a"), nothing),
    ] {
        let want = Rights {
            boundary: wanted.map(str::to_owned),
            ..Rights::default()
        };
        let has = Has {
            boundary: shown.map(str::to_owned),
            boundary_hidden: facts.boundary_hidden && shown.is_none(),
            ..Has::default()
        };
        assert_eq!(
            want.boundary(&has, facts),
            expected,
            "{wanted:?} {shown:?} {facts:?}"
        );
    }
}

#[test]
fn a_boundary_that_was_set_is_remembered_while_it_is_wanted_or_hidden() {
    let set = Bounds {
        permissions_boundary: Some("a".into()),
        ..Bounds::default()
    };
    let wanting = |policy: Option<&str>| Rights {
        boundary: policy.map(str::to_owned),
        ..Rights::default()
    };
    let shown = |policy: Option<&str>, boundary_hidden| Has {
        boundary: policy.map(str::to_owned),
        boundary_hidden,
        ..Has::default()
    };
    for (want, has, before, expected) in [
        (
            Some("a"),
            shown(Some("a"), false),
            Bounds::default(),
            Some("a"),
        ),
        (Some("a"), shown(None, false), set.clone(), Some("a")),
        (None, shown(None, true), set.clone(), Some("a")),
        (None, shown(None, false), set.clone(), None),
        (None, shown(Some("b"), false), set.clone(), None),
        (None, shown(Some("a"), false), set, Some("a")),
    ] {
        let after = before.after(Some(&wanting(want)), &has, &Grants::default());
        assert_eq!(
            after.permissions_boundary.as_deref(),
            expected,
            "{want:?} {has:?}"
        );
    }
}

#[test]
fn tags_that_were_not_read_are_neither_changed_nor_forgotten() {
    let want = Rights {
        tags: tags(&[("env", "prod")]),
        ..Rights::default()
    };
    let bounds = Bounds {
        tags: list(&["old"]),
        ..Bounds::default()
    };
    let unread = Has::default();
    assert_eq!(
        changes(&want, &unread, &Grants::default(), &bounds),
        [""; 0]
    );
    assert_eq!(
        bounds.after(Some(&want), &unread, &Grants::default()).tags,
        ["old"]
    );
    let read = Has {
        tags: Some(tags(&[("env", "prod"), ("theirs", "1")])),
        ..Has::default()
    };
    assert_eq!(
        bounds.after(Some(&want), &read, &Grants::default()).tags,
        ["env"]
    );
}

#[test]
fn only_what_is_there_and_was_wanted_is_ours() {
    let want = Rights {
        policies: names(&["new", "missing"]),
        inline: inline(&[("mine", "a")]),
        ..Rights::default()
    };
    let mine = inline_name("mine", &document("a"));
    let has = Has {
        policies: names(&["old", "new", "foreign"]),
        inline: names(&[&mine, "by-hand"]),
        ..Has::default()
    };
    let before = Grants {
        policies: list(&["old", "gone"]),
        ..Grants::default()
    };
    let after = before.after(Some(&want), &has);
    assert_eq!(after.policies, ["new", "old"]);
    assert_eq!(after.foreign_policies, ["foreign"]);
    assert_eq!(after.inline_policies, [mine]);
    assert_eq!(after.foreign_inline_policies, ["by-hand"]);
    assert_eq!(
        (after.attached(), after.inline()),
        (has.policies, has.inline)
    );
}

#[test]
fn foreign_rights_hold_a_deletion_and_are_named() {
    let has = Has {
        policies: names(&["mine", "foreign"]),
        inline: names(&["by-hand"]),
        ..Has::default()
    };
    let grants = Grants {
        policies: list(&["mine"]),
        ..Grants::default()
    };
    let why = has.held("user", false, &grants).unwrap().why;
    assert!(why.contains(": foreign, by-hand (inline);"), "{why}");
    assert_eq!(has.held("user", true, &grants), None);
    let bare = Has {
        policies: names(&["mine"]),
        ..Has::default()
    };
    assert_eq!(bare.held("user", false, &grants), None);
}

#[test]
fn a_boundary_that_is_not_in_force_is_told() {
    let forced = Rights {
        boundary: Some("limit".into()),
        overruled: true,
        ..Rights::default()
    };
    assert!(
        forced
            .hint()
            .is_some_and(|hint| hint.contains("policy limit"))
    );
    let own = Rights {
        overruled: false,
        ..forced
    };
    assert_eq!(own.hint(), None);
}

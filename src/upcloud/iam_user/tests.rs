use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    engine::{
        external::{External, Held},
        keyring::Keyring,
    },
    upcloud::cloud::Seen,
};

fn wanting(policies: &[&str]) -> Desired {
    Desired {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        exclusive: false,
        surroundings: None,
    }
}

/// A user with these policies, one key made in February and one in March.
fn having(policies: &[&str]) -> Remote {
    let policies: Vec<_> = policies
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    Remote {
        user: serde_json::from_value(json!({
            "username": "ci",
            "policies": policies,
            "access_keys": [
                {
                    "access_key_id": "AKIA1", "status": "Active",
                    "created_at": "2026-02-03T09:20:00Z", "last_used_at": "2026-02-03T09:20:00Z",
                },
                { "access_key_id": "AKIA2", "status": "Inactive", "created_at": "2026-03-03T09:20:00Z" },
            ],
        }))
        .unwrap(),
        seen: Seen {
            at: Timestamp::UNIX_EPOCH,
            began: Timestamp::UNIX_EPOCH,
        },
        made: false,
    }
}

/// Facts that name these policies as ours.
fn ours(policies: &[&str]) -> UserFacts {
    UserFacts {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        ..UserFacts::default()
    }
}

fn changes(want: &Desired, now: &Remote, facts: &UserFacts) -> Vec<String> {
    let diff = IamUser::diff(want, now, facts);
    diff.changes.iter().map(ToString::to_string).collect()
}

fn spec(more: &serde_json::Value) -> UserSpec {
    let mut spec = json!({ "serviceRef": { "name": "media" } });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn held(more: &serde_json::Value, now: &Remote, facts: &UserFacts) -> Option<Held> {
    IamUser::held(Some(&spec(more)), now, facts, Timestamp::UNIX_EPOCH)
}

#[test]
fn what_is_ours_and_no_longer_wanted_is_detached_before_anything_is_attached() {
    let now = having(&["old", "foreign"]);
    assert_eq!(
        changes(&wanting(&["new"]), &now, &ours(&["old"])),
        ["detach policy old", "attach policy new"]
    );
}

#[test]
fn an_exclusive_user_loses_foreign_policies_too() {
    let want = Desired {
        exclusive: true,
        ..wanting(&[])
    };
    assert_eq!(
        changes(&want, &having(&["foreign"]), &ours(&[])),
        ["detach policy foreign"]
    );
}

#[test]
fn only_what_is_attached_and_was_wanted_is_ours() {
    let want = wanting(&["new", "missing"]);
    let now = having(&["old", "new", "foreign"]);
    let facts = IamUser::facts(
        Some(&want),
        &now,
        &ours(&["old", "gone"]),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(facts.policies, ["new", "old"]);
    assert_eq!(facts.foreign_policies, ["foreign"]);
    let march = "2026-03-03T09:20:00Z".parse().unwrap();
    assert_eq!(facts.key_created_at, Some(Time(march)));
}

#[test]
fn foreign_policies_hold_a_deletion_and_are_named() {
    let why = held(&json!({}), &having(&["mine", "foreign"]), &ours(&["mine"]))
        .unwrap()
        .why;
    assert!(why.contains(": foreign;"), "{why}");
    assert_eq!(held(&json!({}), &having(&["mine"]), &ours(&["mine"])), None);
    let exclusive = json!({ "exclusive": true });
    assert_eq!(held(&exclusive, &having(&["foreign"]), &ours(&[])), None);
    let unreadable = IamUser::held(
        None,
        &having(&["foreign"]),
        &ours(&[]),
        Timestamp::UNIX_EPOCH,
    );
    assert!(unreadable.is_some());
}

#[test]
fn only_a_detachment_narrows() {
    assert!(IamUser::narrows(&Change::Detach("a".into())));
    assert!(!IamUser::narrows(&Change::Attach("a".into())));
}

#[test]
fn keys_are_shown_as_the_cloud_lists_them() {
    let keys = AccessKeys::seen(&having(&[])).unwrap().keys;
    let shown: Vec<_> = keys
        .iter()
        .map(|key| (key.id.as_str(), key.active))
        .collect();
    assert_eq!(shown, [("AKIA1", true), ("AKIA2", false)]);
    assert!(
        keys[0].used_at().is_none(),
        "the time of creation means never used"
    );
}

#[test]
fn a_key_is_wanted_only_with_an_access_key_in_the_spec() {
    assert_eq!(AccessKeys::spec(&spec(&json!({}))), None);
    let with = json!({ "accessKey": { "secretName": "ci-s3" }, "exclusive": true });
    let key = AccessKeys::spec(&spec(&with)).unwrap();
    assert_eq!(key.secret_name, "ci-s3");
    assert!(key.exclusive && !key.hold);
}

#[test]
fn a_policy_is_named_by_reference_or_as_one_of_upcloud() {
    let both = json!({ "policies": [
        { "policyRef": { "name": "readers" } },
        { "systemPolicy": "ECSS3ReadOnlyAccess" },
    ] });
    let local = Local {
        name: "readers".into(),
    };
    assert_eq!(
        spec(&both).policies,
        [
            PolicySource::PolicyRef(local),
            PolicySource::SystemPolicy("ECSS3ReadOnlyAccess".into()),
        ]
    );
}

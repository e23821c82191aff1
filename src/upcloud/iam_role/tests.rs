use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    engine::external::External,
    upcloud::{api::RolePatch, principal::Rights},
};

fn trusting(user: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": [user] }, "Action": ["sts:AssumeRole"] }],
    })
}

fn wanting(trusted: &str, policies: &[&str]) -> Desired {
    Desired {
        trust: trusting(trusted),
        description: None,
        session: None,
        rights: Rights {
            policies: policies.iter().map(|name| (*name).to_owned()).collect(),
            ..Rights::default()
        },
    }
}

/// A role as a list shows it, trusting this user.
fn having(trusted: &str, more: &Value) -> Remote {
    let mut role = json!({
        "name": "uploader",
        "assume_role_policy_document": trusting(trusted).to_string(),
        "description": "CI uploads",
        "max_session_duration": 3600,
    });
    for (key, value) in more.as_object().unwrap() {
        role[key] = value.clone();
    }
    Remote::of(serde_json::from_value(role).unwrap(), &RoleFacts::default())
}

fn changes(want: &Desired, now: &Remote, facts: &RoleFacts) -> Vec<String> {
    let diff = IamRole::diff(want, now, facts);
    diff.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn trust_changes_between_what_is_taken_and_what_is_given() {
    let now = having("old", &json!({ "policies": [{ "name": "before" }] }));
    let facts = RoleFacts {
        grants: Grants {
            policies: vec!["before".into()],
            ..Grants::default()
        },
        ..RoleFacts::default()
    };
    assert_eq!(
        changes(&wanting("new", &["after"]), &now, &facts),
        [
            "detach policy before",
            "change who may assume it",
            "attach policy after"
        ]
    );
}

#[test]
fn trust_is_compared_by_meaning_in_any_encoding() {
    let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22AWS%22%3A%22ci%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D";
    let now = having("ci", &json!({ "assume_role_policy_document": encoded }));
    assert_eq!(
        changes(&wanting("ci", &[]), &now, &RoleFacts::default()),
        [""; 0]
    );
}

#[test]
fn what_is_not_said_is_left_as_it_is() {
    let now = having("ci", &json!({}));
    let told = |description: Option<&str>, session| {
        let want = Desired {
            description: description.map(str::to_owned),
            session,
            ..wanting("ci", &[])
        };
        changes(&want, &now, &RoleFacts::default())
    };
    assert_eq!(told(None, None), [""; 0]);
    assert_eq!(told(Some("CI uploads"), Some(3600)), [""; 0]);
    assert_eq!(
        told(Some("other"), Some(7200)),
        ["change description and sessions of 7200 s"]
    );
}

#[test]
fn only_what_is_said_and_differs_is_sent() {
    let want = Desired {
        description: Some("CI uploads".into()),
        session: Some(7200),
        ..wanting("ci", &[])
    };
    let diff = IamRole::diff(&want, &having("ci", &json!({})), &RoleFacts::default());
    let patch = RolePatch {
        description: None,
        max_session_duration: Some(7200),
    };
    assert_eq!(diff.changes, [Change::Modify(patch)]);
}

#[test]
fn a_list_shows_all_of_a_role_s_rights() {
    let now = having(
        "ci",
        &json!({
            "policies": [{ "name": "readers" }],
            "inline_policies": [{ "name": "put-only-1a2b3c4d" }],
            "permissions_boundary": "limit",
            "tags": [{ "key": "env", "value": "prod" }],
        }),
    );
    assert_eq!(now.has.policies, BTreeSet::from(["readers".to_owned()]));
    assert_eq!(
        now.has.inline,
        BTreeSet::from(["put-only-1a2b3c4d".to_owned()])
    );
    assert_eq!(now.has.boundary.as_deref(), Some("limit"));
    assert!(
        now.has
            .tags
            .as_ref()
            .is_some_and(|tags| tags["env"] == "prod")
    );
    let depth = IamRole::depth(Some(&wanting("ci", &[])), &RoleFacts::default());
    assert_eq!(depth, 1, "its tags, with the owner's mark");
}

#[test]
fn foreign_policies_hold_the_deletion_of_a_role() {
    let now = having("ci", &json!({ "policies": [{ "name": "theirs" }] }));
    let held = IamRole::held(None, &now, &RoleFacts::default(), Timestamp::UNIX_EPOCH);
    assert!(held.is_some_and(|held| held.why.contains("the role: theirs;")));
}

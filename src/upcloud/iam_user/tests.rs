use jiff::Timestamp;
use serde_json::json;

use super::{external::Said, *};
use crate::{
    engine::{
        external::{External, Held},
        keyring::Keyring,
    },
    upcloud::{
        cloud::Seen,
        mark::Mark,
        principal::{PolicySource, Rights, rights},
    },
};

fn wanting(policies: &[&str]) -> Desired {
    Desired {
        rights: Rights {
            policies: policies.iter().map(|name| (*name).to_owned()).collect(),
            ..Rights::default()
        },
        groups: BTreeMap::new(),
        said: Said::default(),
        surroundings: None,
    }
}

/// The same in these groups, all made at second 1.
fn in_groups(groups: &[&str]) -> Desired {
    let made = Timestamp::from_second(1).unwrap();
    let groups = groups.iter();
    Desired {
        groups: groups
            .map(|name| ((*name).to_owned(), Some(made)))
            .collect(),
        ..wanting(&[])
    }
}

/// A user with these policies, one key made in February and one in March.
fn having(policies: &[&str], facts: &UserFacts) -> Remote {
    let policies: Vec<_> = policies
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    let user = serde_json::from_value(json!({
        "username": "ci",
        "policies": policies,
        "access_keys": [
            {
                "access_key_id": "AKIA1", "status": "Active",
                "created_at": "2026-02-03T09:20:00Z", "last_used_at": "2026-02-03T09:20:00Z",
            },
            { "access_key_id": "AKIA2", "status": "Inactive", "created_at": "2026-03-03T09:20:00Z" },
        ],
    }));
    let seen = Seen {
        at: Timestamp::UNIX_EPOCH,
        began: Timestamp::UNIX_EPOCH,
    };
    Remote::of(user.unwrap(), seen, facts)
}

/// Facts that name these policies as ours.
fn ours(policies: &[&str]) -> UserFacts {
    UserFacts {
        grants: Grants {
            policies: policies.iter().map(|name| (*name).to_owned()).collect(),
            ..Grants::default()
        },
        ..UserFacts::default()
    }
}

/// Facts that name these groups as joined, when they were made at that second.
fn joined(groups: &[&str], second: i64) -> UserFacts {
    let joined = |name: &&str| Joined {
        name: (*name).to_owned(),
        created_at: Some(Time(Timestamp::from_second(second).unwrap())),
    };
    UserFacts {
        groups: groups.iter().map(joined).collect(),
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
    let facts = ours(&["old"]);
    let now = having(&["old", "foreign"], &facts);
    assert_eq!(
        changes(&wanting(&["new"]), &now, &facts),
        ["detach policy old", "attach policy new"]
    );
}

#[test]
fn groups_are_left_before_and_joined_after_policies_are_given() {
    let facts = joined(&["former"], 1);
    let want = Desired {
        rights: wanting(&["new"]).rights,
        ..in_groups(&["ops"])
    };
    assert_eq!(
        changes(&want, &having(&[], &facts), &facts),
        [
            "take it out of group former",
            "attach policy new",
            "put it into group ops"
        ]
    );
}

#[test]
fn a_group_is_joined_again_when_it_was_made_anew_or_is_in_doubt() {
    let want = in_groups(&["ops"]);
    let known = joined(&["ops"], 1);
    assert_eq!(changes(&want, &having(&[], &known), &known), [""; 0]);
    let former = joined(&["ops"], 0);
    assert_eq!(
        changes(&want, &having(&[], &former), &former),
        ["put it into group ops"]
    );
    let mut doubted = having(&[], &known);
    doubted.doubted.insert("ops".into());
    let diff = IamUser::diff(&want, &doubted, &known);
    assert_eq!(diff.changes.len(), 1);
    assert!(diff.changes.iter().all(IamUser::unseen));
}

#[test]
fn a_deep_read_costs_only_who_has_something_to_read() {
    let with = |rights: Rights, groups: &[&str]| Desired {
        rights,
        ..in_groups(groups)
    };
    let exclusive = Rights {
        exclusive: true,
        ..Rights::default()
    };
    let tagged = Rights {
        tags: BTreeMap::from([("env".into(), "prod".into())]),
        ..Rights::default()
    };
    let mut once = UserFacts::default();
    once.grants.inline_policies = vec!["put-only-1a2b3c4d".into()];
    once.bounds.tags = vec!["env".into()];
    let nothing = UserFacts::default();
    for (want, facts, requests) in [
        (with(Rights::default(), &[]), &nothing, 0),
        (with(exclusive, &[]), &nothing, 1),
        (with(tagged.clone(), &[]), &nothing, 1),
        (with(tagged, &["a", "b"]), &nothing, 3),
        (with(Rights::default(), &[]), &once, 2),
    ] {
        assert_eq!(IamUser::depth(Some(&want), facts), requests, "{want:?}");
    }
    let marking = Rights {
        mark: Mark {
            uid: "uid-1".into(),
            adopts: true,
        },
        ..Rights::default()
    };
    let adopting = IamUser::depth(Some(&with(marking, &[])), &nothing);
    assert_eq!(adopting, 1, "whose it is");
    let parting = IamUser::depth(None, &nothing);
    assert_eq!(parting, 2, "what holds a deletion, and whose it is");
}

#[test]
fn what_was_joined_and_the_newest_key_are_remembered() {
    let facts = joined(&["ops"], 1);
    let now = having(&[], &facts);
    let after = IamUser::facts(None, &now, &facts, Timestamp::UNIX_EPOCH);
    assert_eq!(after.groups, facts.groups);
    let march = "2026-03-03T09:20:00Z".parse().unwrap();
    assert_eq!(after.key_created_at, Some(Time(march)));
}

#[test]
fn foreign_policies_hold_a_deletion_unless_the_user_is_exclusive() {
    let facts = ours(&["mine"]);
    let foreign = having(&["mine", "foreign"], &facts);
    assert!(held(&json!({}), &foreign, &facts).is_some());
    assert_eq!(held(&json!({}), &having(&["mine"], &facts), &facts), None);
    assert_eq!(held(&json!({ "exclusive": true }), &foreign, &facts), None);
    let unreadable = IamUser::held(None, &foreign, &facts, Timestamp::UNIX_EPOCH);
    assert!(unreadable.is_some());
}

#[test]
fn only_a_detachment_narrows() {
    let rights = |change| IamUser::narrows(&Change::Rights(change));
    assert!(rights(rights::Change::Detach("a".into())));
    assert!(!rights(rights::Change::Attach("a".into())));
    assert!(!IamUser::narrows(&Change::Leave("a".into())));
}

#[test]
fn keys_are_shown_as_the_cloud_lists_them() {
    let keys = AccessKeys::seen(&having(&[], &UserFacts::default()))
        .unwrap()
        .keys;
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
        spec(&both).grants.policies,
        [
            PolicySource::PolicyRef(local),
            PolicySource::SystemPolicy("ECSS3ReadOnlyAccess".into()),
        ]
    );
}

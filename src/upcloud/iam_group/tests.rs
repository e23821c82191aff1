use super::*;

fn wanting(policies: &[&str]) -> Rights {
    Rights {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        ..Rights::default()
    }
}

fn facts(policies: &[&str]) -> GroupFacts {
    GroupFacts {
        grants: Grants {
            policies: policies.iter().map(|name| (*name).to_owned()).collect(),
            ..Grants::default()
        },
        ..GroupFacts::default()
    }
}

fn group() -> Group {
    serde_json::from_value(json!({ "name": "ops", "created_at": "2026-02-03T09:40:00Z" })).unwrap()
}

#[test]
fn what_the_list_does_not_show_is_taken_as_remembered() {
    let known = facts(&["old"]);
    let now = Remote::of(group(), &known);
    let told: Vec<_> = IamGroup::diff(&wanting(&["new"]), &now, &known)
        .changes
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told, ["detach policy old", "attach policy new"]);
    let same = IamGroup::diff(&wanting(&["old"]), &now, &known);
    assert!(same.changes.is_empty());
}

#[test]
fn a_group_offers_when_it_was_made() {
    let group: IamGroup = serde_json::from_value(json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1",
        "kind": "IamGroup",
        "metadata": { "name": "ops", "namespace": "demo" },
        "spec": { "serviceRef": { "name": "media" } },
        "status": {
            "origin": "Created",
            "place": { "service": "12ab", "name": "ops" },
            "atProvider": { "createdAt": "2026-02-03T09:40:00Z" },
        },
    }))
    .unwrap();
    assert_eq!(group.offer()["createdAt"], "2026-02-03T09:40:00Z");
    assert_eq!(group.offer()["made"]["name"], "ops");
}

#[test]
fn foreign_policies_hold_the_deletion_of_a_group() {
    let mut now = Remote::of(group(), &GroupFacts::default());
    now.has.policies.insert("theirs".into());
    let held = IamGroup::held(None, &now, &facts(&[]), Timestamp::UNIX_EPOCH).unwrap();
    assert!(held.why.contains("the group: theirs;"), "{}", held.why);
}

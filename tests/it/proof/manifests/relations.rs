//! Who names whom: what is not there, what is somebody else's, and those who name each other.

use serde_json::{Value, json};

use super::draft::{Case, Draft, Expect, SELF, UID};
use crate::admission::schema::{Node, Step};

/// Places of the kind that name a resource: such that have a name and nothing but a namespace beside.
fn places(case: &Case) -> Vec<Node> {
    let is_reference = |node: &Node| {
        let fields = node.schema["properties"].as_object();
        let is_named = fields.is_some_and(|fields| {
            fields.contains_key("name")
                && fields
                    .keys()
                    .all(|name| name == "name" || name == "namespace")
        });
        let owners = Step::Field("allowedNamespaces".to_owned());
        is_named && node.steps.iter().rev().nth(1) != Some(&owners)
    };
    case.places("spec")
        .into_iter()
        .filter(is_reference)
        .collect()
}

pub fn references(case: &Case) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for node in places(case) {
        let has_namespace = node.schema["properties"]["namespace"].is_object();
        let mut add = |about: &str, value: Value, expect: Expect| {
            let about = format!("{} names {about}", node.path());
            drafts.push(Draft::new(about, &case.with(&node.steps, &value), expect));
        };
        // A service reads what its tenants are bound by only once there are some.
        let is_told = !node
            .steps
            .contains(&Step::Field("allowedNamespaces".to_owned()));
        let explained = || {
            if is_told {
                Expect::Explained
            } else {
                Expect::Any
            }
        };
        add("what is not there", json!({"name": "nowhere"}), explained());
        add(
            "what nobody could be called",
            json!({"name": "a".repeat(253)}),
            explained(),
        );
        add("points alone", json!({"name": "a...a"}), explained());
        add(
            "itself",
            json!({"name": SELF}),
            if case.kind.kind == "IamPolicy" {
                Expect::Any
            } else {
                explained()
            },
        );
        add(
            "something of another kind",
            json!({"name": "files-ci-logs"}),
            explained(),
        );
        add(
            "nothing",
            json!({"name": ""}),
            Expect::Refused(vec!["name".to_owned()]),
        );
        add(
            "a path",
            json!({"name": "../media"}),
            Expect::Refused(vec!["name".to_owned()]),
        );
        if has_namespace {
            add(
                "what is elsewhere",
                json!({"name": "media", "namespace": "kube-system"}),
                Expect::Explained,
            );
            add(
                "what is nowhere at all",
                json!({"name": "media", "namespace": "no-such-place"}),
                Expect::Explained,
            );
            add(
                "the operator's home",
                json!({"name": "default", "namespace": "cooper-system"}),
                Expect::Explained,
            );
            add(
                "a namespace that is none",
                json!({"name": "media", "namespace": "A.b"}),
                Expect::Refused(vec!["namespace".to_owned()]),
            );
        }
        if node.steps.last() == Some(&Step::Item) {
            let (_, above) = node.steps.split_last().unwrap();
            let twice = json!([{"name": "nowhere"}, {"name": "nowhere"}]);
            let about = format!("{} names the same twice", node.path());
            drafts.push(Draft::new(about, &case.with(above, &twice), Expect::Any));
        }
    }
    drafts.extend(takeovers(case));
    drafts
}

/// What the sample of the kind stands for is wanted by this one, too.
fn takeovers(case: &Case) -> Vec<Draft> {
    let theirs = match case.kind.kind.as_str() {
        "ObjectStorageService" => json!({"name": "media"}),
        "Bucket" => json!({"name": "logs"}),
        "IamUser" => json!({"name": "ci"}),
        "IamPolicy" => json!({"name": "logs-rw"}),
        "IamGroup" => json!({"name": "readers"}),
        "IamRole" => json!({"name": "uploader"}),
        "CustomDomain" => json!({"domainName": "files.example.org"}),
        "StaticWebsite" => json!({}),
        // Two accounts may have the same credentials.
        _ => return Vec::new(),
    };
    let greedy = json!({"adoption": "IfExists", "deletionPolicy": "Delete"});
    let mut drafts = Vec::new();
    for (about, more) in [
        ("wants what its neighbour has", json!({})),
        ("wants to adopt and delete what its neighbour has", greedy),
        (
            "watches what its neighbour has",
            json!({"managementPolicy": "Observe", "deletionPolicy": "Delete"}),
        ),
    ] {
        let spec = crate::admission::merged(&theirs, &more);
        let expect = if about.starts_with("watches") {
            Expect::Any
        } else {
            Expect::Explained
        };
        drafts.push(Draft::new(
            about,
            &case.merged(&json!({"spec": spec})),
            expect,
        ));
    }
    if case.kind.kind == "IamUser" {
        for name in ["ci-s3", "upcloud"] {
            let more = json!({"spec": {"accessKey": {"secretName": name}}});
            let about = format!("wants the Secret {name}");
            drafts.push(Draft::new(about, &case.merged(&more), Expect::Explained));
        }
    }
    drafts
}

/// The same resource under another name.
fn again(object: &Value, name: &str) -> Value {
    let text = object.to_string().replace(SELF, name);
    serde_json::from_str(&text).unwrap()
}

/// The uid of a resource of the manifest.
fn owner(kind: &Value, name: &str, number: usize, more: &Value) -> Value {
    let owner = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind, "name": name, "uid": format!("{UID}{number}"),
    });
    crate::admission::merged(&owner, more)
}

pub fn cycles(case: &Case) -> Vec<Draft> {
    let base = &case.base;
    let kind = &base["kind"];
    let names = [SELF.to_owned(), format!("{SELF}-b"), format!("{SELF}-c")];
    let mut drafts = Vec::new();
    for count in 1..=3 {
        for more in [
            json!({}),
            json!({"controller": true, "blockOwnerDeletion": true}),
        ] {
            let about = format!("{count} own each other in a circle {more}");
            let mut draft = Draft::new(about, base, case.harmless());
            for name in &names[1..count] {
                draft = draft.and(&again(base, name));
            }
            for number in 0..count {
                let next = (number + 1) % count;
                let owner = owner(kind, &names[next], next, &more);
                draft = draft.then(number, json!({"metadata": {"ownerReferences": [owner]}}));
            }
            drafts.push(draft);
        }
    }
    drafts.extend(boundaries(case, &names));
    let has_name = case.kind.schema["properties"]["spec"]["properties"]["name"].is_object();
    if has_name {
        let called = |own: &str, remote: &str| {
            let mut object = again(base, own);
            object["spec"]["name"] = json!(remote);
            object
        };
        let crossed = Draft::new(
            "two have each other's name",
            &called(SELF, &names[1]),
            Expect::Any,
        );
        drafts.push(crossed.and(&called(&names[1], SELF)));
        let same = Draft::new("three want one name", &called(SELF, SELF), Expect::Any);
        drafts.push(
            same.and(&called(&names[1], SELF))
                .and(&called(&names[2], SELF)),
        );
    }
    drafts
}

/// Services whose tenants are bound by policies of services whose tenants are bound by policies of the first.
fn boundaries(case: &Case, names: &[String; 3]) -> Vec<Draft> {
    let service = |own: &str, policy: &str| {
        json!({
            "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "ObjectStorageService", "metadata": {"name": own},
            "spec": {"accountRef": {"name": "default"}, "region": "europe-2",
                "allowedNamespaces": [{"name": "kube-system", "permissionsBoundaryRef": {"name": policy}}]},
        })
    };
    let policy = |own: &str, service: &str| {
        let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        json!({
            "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "IamPolicy", "metadata": {"name": own},
            "spec": {"serviceRef": {"name": service}, "document": {"Version": "2012-10-17", "Statement": [statement]}},
        })
    };
    let mut drafts = Vec::new();
    for count in 1..=3 {
        let bounds = |number: usize| &names[(number + 1) % count];
        let mut objects: Vec<_> = (0..count).map(|n| service(&names[n], bounds(n))).collect();
        let policies = (0..count).map(|n| policy(&names[n], &names[n]));
        match case.kind.kind.as_str() {
            "ObjectStorageService" => objects.extend(policies),
            "IamPolicy" => objects = policies.chain(objects).collect(),
            _ => return drafts,
        }
        let about = format!("{count} services and their policies bound each other");
        let draft = Draft::new(about, &objects[0], Expect::Any);
        drafts.push(objects[1..].iter().fold(draft, Draft::and));
    }
    drafts
}

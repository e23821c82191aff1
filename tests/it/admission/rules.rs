//! Every CEL rule of every kind: what it lets through, and what it refuses with its message and no other.

use std::collections::BTreeSet;

use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};

use super::desk::{Complaints, Desk};
use super::{merged, schema};
use crate::ground::Ground;
use crate::scene::{document, resource};

/// A rule of a kind, found by place and message.
struct Rule {
    kind: &'static str,
    at: &'static str,
    message: String,
    passes: Vec<Try>,
    fails: Vec<Try>,
}

/// The sample with these differences.
enum Try {
    /// A new resource: its metadata.name, and what its spec says.
    New(&'static str, Value),
    /// A resource that exists, and what it is to say.
    Change(Value, Value),
}

use Try::{Change, New};

/// The rules of all kinds, with rows.
fn rules() -> Vec<Rule> {
    let rule = |kind, at, message: &str, passes, fails| Rule {
        kind,
        at,
        message: message.to_owned(),
        passes,
        fails,
    };
    let mut all: Vec<Rule> = [
        "ObjectStorageService",
        "IamPolicy",
        "IamGroup",
        "IamUser",
        "IamRole",
    ]
    .into_iter()
    .map(safe_name)
    .collect();
    for kind in [
        "ObjectStorageService",
        "Bucket",
        "IamPolicy",
        "IamGroup",
        "IamUser",
        "IamRole",
    ] {
        all.push(optional(kind, "name"));
    }
    for kind in [
        "Bucket",
        "IamPolicy",
        "IamGroup",
        "IamUser",
        "IamRole",
        "StaticWebsite",
        "CustomDomain",
    ] {
        all.push(parent(kind, "serviceRef"));
    }
    all.extend([
        bucket_name(),
        parent("ObjectStorageService", "accountRef"),
        optional("IamPolicy", "description"),
        rule(
            "StaticWebsite",
            ".spec",
            "domainRef cannot be changed, added or removed; make a new resource",
            vec![Change(
                json!({"domainRef": {"name": "www"}}),
                json!({"domainRef": {"name": "www"}, "enabled": false}),
            )],
            vec![
                Change(json!({}), json!({"domainRef": {"name": "www"}})),
                Change(
                    json!({"domainRef": {"name": "www"}}),
                    json!({"domainRef": {"name": "other"}}),
                ),
                Change(
                    json!({"domainRef": {"name": "www"}}),
                    json!({"domainRef": null}),
                ),
            ],
        ),
        rule(
            "CustomDomain",
            ".spec",
            "domainName cannot be changed; make a new resource",
            vec![Change(json!({}), json!({"deletionPolicy": "Orphan"}))],
            vec![Change(
                json!({}),
                json!({"domainName": "other.example.org"}),
            )],
        ),
        rule(
            "CustomDomain",
            ".spec",
            "mode cannot be changed: the cloud fixes it when the domain is attached; make a new resource",
            vec![Change(json!({}), json!({"mode": "Api"}))],
            vec![Change(json!({}), json!({"mode": "Website"}))],
        ),
        rule(
            "ObjectStorageService",
            ".spec",
            "region cannot be changed: a service stays where it was made",
            vec![Change(json!({}), json!({"state": "Stopped"}))],
            vec![Change(json!({}), json!({"region": "europe-3"}))],
        ),
    ]);
    all.extend(networks());
    all.extend(labels());
    all.extend(users());
    all.extend(["IamGroup", "IamUser", "IamRole"].map(inline_names));
    all.extend(["IamUser", "IamRole"].map(tag_keys));
    all.extend(rotations());
    all.extend(error_pages());
    all
}

/// A field that is set when the resource is made or never.
fn optional(kind: &'static str, field: &'static str) -> Rule {
    let set = json!({ field: "one" });
    let unset = json!({ field: null });
    Rule {
        kind,
        at: ".spec",
        message: format!("{field} cannot be changed, added or removed; make a new resource"),
        passes: vec![
            Change(
                set.clone(),
                merged(&set, &json!({"deletionPolicy": "Orphan"})),
            ),
            Change(unset.clone(), json!({"deletionPolicy": "Orphan"})),
        ],
        fails: vec![
            Change(set.clone(), json!({ field: "two" })),
            Change(set.clone(), unset.clone()),
            Change(unset, set),
        ],
    }
}

/// What a resource belongs to.
fn parent(kind: &'static str, field: &'static str) -> Rule {
    Rule {
        kind,
        at: ".spec",
        message: format!("{field} cannot be changed; make a new resource"),
        passes: vec![Change(json!({}), json!({"deletionPolicy": "Orphan"}))],
        fails: vec![
            Change(json!({}), json!({ field: {"name": "other"} })),
            Change(json!({}), json!({ field: {"namespace": "other"} })),
            Change(
                json!({ field: {"namespace": "other"} }),
                json!({ field: {"namespace": null} }),
            ),
        ],
    }
}

fn name_rule(kind: &'static str, meaning: &str, passes: Vec<Try>, fails: Vec<Try>) -> Rule {
    Rule {
        kind,
        at: "",
        message: format!(
            "the name at the cloud (spec.name, or else metadata.name) must be {meaning}; set spec.name (other names only with adoption: IfExists)"
        ),
        passes,
        fails,
    }
}

fn safe_name(kind: &'static str) -> Rule {
    let named = |name: &str| New("a.b", json!({ "name": name }));
    name_rule(
        kind,
        "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit",
        vec![
            New("a-b", json!({})),
            named("a"),
            named("a-b-1"),
            named(&"a".repeat(63)),
            New("a", json!({"name": "Media_1", "adoption": "IfExists"})),
        ],
        vec![
            New("a.b", json!({})),
            New("a.b", json!({"adoption": "IfExists"})),
            named("Media"),
            named("a_b"),
            named("-a"),
            named("a-"),
            named(&"a".repeat(64)),
        ],
    )
}

fn bucket_name() -> Rule {
    let named = |name: &str| New("a.b", json!({ "name": name }));
    name_rule(
        "Bucket",
        "3 to 63 of a-z, 0-9, - and ., beginning and ending with a letter or digit",
        vec![
            New("a.b", json!({})),
            named("abc"),
            named("logs.2026"),
            named(&"a".repeat(63)),
            New("ab", json!({"name": "Logs_1", "adoption": "IfExists"})),
        ],
        vec![
            New("ab", json!({})),
            New("ab", json!({"adoption": "IfExists"})),
            named("Logs"),
            named("lo_gs"),
            named("-logs"),
            named("logs."),
            named(&"a".repeat(64)),
        ],
    )
}

fn networks() -> Vec<Rule> {
    let uuid = "03f0a1b2-0000-4000-8000-000000000001";
    let new = |networks: Value| New("a-b", json!({ "networks": networks }));
    let public = json!({"name": "pub", "type": "Public"});
    let private = json!({"name": "back", "type": "Private", "uuid": uuid});
    let second = merged(&private, &json!({"name": "more"}));
    vec![
        Rule {
            kind: "ObjectStorageService",
            at: ".spec",
            message: "networks can have one entry of type Public at most".to_owned(),
            passes: vec![
                new(json!([])),
                new(json!([public])),
                new(json!([public, private, second])),
                new(json!([private, second])),
            ],
            fails: vec![new(json!([public, {"name": "two", "type": "Public"}]))],
        },
        Rule {
            kind: "ObjectStorageService",
            at: ".spec.networks[]",
            message:
                "a Private network needs the uuid of an SDN network, a Public one must not have it"
                    .to_owned(),
            passes: vec![new(json!([public])), new(json!([private]))],
            fails: vec![
                new(json!([{"name": "pub", "type": "Private"}])),
                new(json!([{"name": "pub", "type": "Public", "uuid": uuid}])),
            ],
        },
    ]
}

fn labels() -> Vec<Rule> {
    let new = |labels: Value| New("a-b", json!({ "labels": labels }));
    let (long, longer) = ("k".repeat(32), "k".repeat(33));
    let key = |labels: Value| {
        New(
            "a-b",
            json!({"accessKey": {"secretName": "s3", "labels": labels}}),
        )
    };
    let note = |notes: Value| {
        New(
            "a-b",
            json!({"accessKey": {"secretName": "s3", "annotations": notes}}),
        )
    };
    vec![
        Rule {
            kind: "ObjectStorageService",
            at: ".spec",
            message: "label keys have 2 to 32 characters and begin neither with _ nor with cooper-"
                .to_owned(),
            passes: vec![
                new(json!({})),
                new(json!({"ab": "", "a_b": "x"})),
                new(json!({ long: "x" })),
            ],
            fails: vec![
                new(json!({"_team": "x"})),
                new(json!({"cooper-uid": "x"})),
                new(json!({"team": "x", "t": "x"})),
                new(json!({ longer: "x" })),
            ],
        },
        Rule {
            kind: "IamUser",
            at: ".spec.accessKey",
            message: "labels of cooper.dev are cooper's own".to_owned(),
            passes: vec![key(json!({"team": "media", "example.org/cooper.dev": "x"}))],
            fails: vec![key(json!({"cooper.dev/issuer": "x"}))],
        },
        Rule {
            kind: "IamUser",
            at: ".spec.accessKey",
            message: "annotations of cooper.dev are cooper's own".to_owned(),
            passes: vec![note(json!({"example.org/cooper.dev": "b c"}))],
            fails: vec![note(json!({"a": "b", "cooper.dev/mark": "x"}))],
        },
    ]
}

fn users() -> Vec<Rule> {
    let key = |secret: &str| json!({"accessKey": {"secretName": secret}});
    let none = || json!({"accessKey": null});
    vec![
        Rule {
            kind: "IamUser",
            at: ".spec",
            message: "_upcloud-internal-user belongs to UpCloud".to_owned(),
            passes: vec![New("ci", json!({"name": "upcloud-internal-user"}))],
            fails: vec![New("ci", json!({"name": "_upcloud-internal-user", "adoption": "IfExists"}))],
        },
        Rule {
            kind: "IamUser",
            at: ".spec",
            message: "accessKey.secretName cannot be changed while accessKey is set; remove accessKey, which revokes the key, and add it again".to_owned(),
            passes: vec![
                Change(key("one"), none()),
                Change(none(), key("two")),
                Change(key("one"), json!({"accessKey": {"secretName": "one", "labels": {"team": "media"}}})),
            ],
            fails: vec![Change(key("one"), key("two"))],
        },
    ]
}

fn inline_names(kind: &'static str) -> Rule {
    let named = |name: &str| New("a-b", json!({"inlinePolicies": { name: document("s3:*") }}));
    Rule {
        kind,
        at: ".spec",
        message: "names in inlinePolicies must be 1 to 54 of a-z, 0-9 and -, beginning and ending with a letter or digit".to_owned(),
        passes: vec![named("a"), named("put-only-2"), named(&"a".repeat(54))],
        fails: vec![
            named("Put"),
            named("put_only"),
            named("-put"),
            named("put-"),
            named(&"a".repeat(55)),
        ],
    }
}

fn tag_keys(kind: &'static str) -> Rule {
    let named = |key: &str| New("a-b", json!({"tags": { key: "x" }}));
    Rule {
        kind,
        at: ".spec",
        message: "keys in tags must be 1 to 128 of letters, digits and _.:=+@-; cooper-uid is cooper's own".to_owned(),
        passes: vec![
            named("env"),
            named("Cost:Center_1.a=b+c@d-e"),
            named(&"a".repeat(128)),
        ],
        fails: vec![
            named("a/b"),
            named("a b"),
            named(&"a".repeat(129)),
            named("cooper-uid"),
        ],
    }
}

fn rotations() -> Vec<Rule> {
    let new = |rotation: Value| {
        let key = json!({"secretName": "ci-s3", "rotation": rotation});
        New("ci", json!({ "accessKey": key }))
    };
    let rule = |message: &str, passes, fails| Rule {
        kind: "IamUser",
        at: ".spec.accessKey.rotation",
        message: message.to_owned(),
        passes,
        fails,
    };
    let window = |window: &str| New("ci", json!({ "undoWindow": window }));
    let within = |within: &str| New("default", json!({"brake": {"within": within}}));
    let undo = Rule {
        kind: "IamUser",
        at: ".spec",
        message: "undoWindow must be 30d at most".to_owned(),
        passes: vec![window("0s"), window("24h"), window("30d")],
        fails: vec![window("31d"), window("721h")],
    };
    let brake = Rule {
        kind: "Account",
        at: ".spec.brake",
        message: "within must be 1m at least and 1h at most".to_owned(),
        passes: vec![
            New("default", json!({"brake": {"enabled": false}})),
            within("60s"),
            within("60m"),
        ],
        fails: vec![within("59s"), within("61m"), within("2h")],
    };
    vec![
        undo,
        brake,
        rule(
            "every must be 1h at least",
            vec![
                new(json!({})),
                new(json!({"every": "1h", "overlap": "1m"})),
                new(json!({"every": "90d"})),
            ],
            vec![
                new(json!({"every": "59m", "overlap": "1m"})),
                new(json!({"every": "3599s", "overlap": "1m"})),
            ],
        ),
        rule(
            "overlap must be 1m at least",
            vec![
                new(json!({"overlap": "60s"})),
                new(json!({"overlap": "1m", "hold": true})),
            ],
            vec![
                new(json!({"overlap": "59s"})),
                new(json!({"overlap": "0d"})),
            ],
        ),
        rule(
            "overlap (24h if it is not said) must be shorter than every",
            vec![
                new(json!({"every": "25h"})),
                new(json!({"every": "2h", "overlap": "119m"})),
                new(json!({"overlap": "90d"})),
            ],
            vec![
                new(json!({"every": "1d"})),
                new(json!({"every": "2h", "overlap": "2h"})),
                new(json!({"every": "1d", "overlap": "1440m"})),
            ],
        ),
    ]
}

fn error_pages() -> Vec<Rule> {
    let new = |page: Value| {
        let page = merged(&page, &json!({"document": "error.html"}));
        New("www", json!({ "errorPages": [page] }))
    };
    vec![
        Rule {
            kind: "StaticWebsite",
            at: ".spec.errorPages[]",
            message: "an error page needs either status, or from and to".to_owned(),
            passes: vec![
                new(json!({"status": 404})),
                new(json!({"from": 500, "to": 599})),
            ],
            fails: vec![
                new(json!({})),
                new(json!({"status": 404, "from": 500, "to": 599})),
                new(json!({"status": 404, "to": 599})),
                new(json!({"from": 500})),
                new(json!({"to": 500})),
            ],
        },
        Rule {
            kind: "StaticWebsite",
            at: ".spec.errorPages[]",
            message: "from must be smaller than to".to_owned(),
            passes: vec![new(json!({"from": 500, "to": 501}))],
            fails: vec![
                new(json!({"from": 500, "to": 500})),
                new(json!({"from": 501, "to": 500})),
            ],
        },
    ]
}

#[test]
fn every_rule_has_rows() {
    let mut missing: BTreeSet<(String, String, String)> = BTreeSet::new();
    for kind in schema::kinds() {
        for node in schema::nodes(&kind.schema) {
            let rules = node.schema["x-kubernetes-validations"].as_array();
            for rule in rules.into_iter().flatten() {
                let message = rule["message"].as_str();
                let message =
                    message.unwrap_or_else(|| panic!("{}: a rule without a message", kind.kind));
                missing.insert((kind.kind.clone(), node.path(), message.to_owned()));
            }
        }
    }
    for rule in rules() {
        assert!(
            !rule.passes.is_empty() && !rule.fails.is_empty(),
            "{}",
            rule.message
        );
        let known = (rule.kind.to_owned(), rule.at.to_owned(), rule.message);
        assert!(missing.remove(&known), "no such rule, or twice: {known:?}");
    }
    assert!(missing.is_empty(), "no rows for {missing:#?}");
}

#[tokio::test]
async fn every_rule_lets_through_and_refuses_what_it_should() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let samples = schema::samples();
    let mut wrong = Vec::new();
    for (number, rule) in rules().iter().enumerate() {
        let passes = rule.passes.iter().map(|row| (row, true));
        let fails = rule.fails.iter().map(|row| (row, false));
        for (at, (row, passes)) in passes.chain(fails).enumerate() {
            let sample = &samples[rule.kind];
            let with = |spec: &Value| merged(sample, &json!({ "spec": spec }));
            let said = match row {
                New(name, spec) => {
                    let mut object = with(spec);
                    object["metadata"]["name"] = json!(name);
                    Desk::new(ground.admin(), "POST", rule.kind, &namespace, "")
                        .send(&object)
                        .await
                }
                Change(before, after) => {
                    let mut stored = with(before);
                    stored["metadata"]["name"] = json!(format!("r{number}-{at}"));
                    let api: Api<DynamicObject> =
                        Api::namespaced_with(ground.admin(), &namespace, &resource(rule.kind));
                    let made: DynamicObject = serde_json::from_value(stored.clone()).unwrap();
                    let made = api.create(&PostParams::default(), &made).await.unwrap();
                    let name = made.metadata.name.clone().unwrap();
                    let mut changed = merged(&stored, &json!({ "spec": after }));
                    changed["metadata"]["resourceVersion"] = json!(made.metadata.resource_version);
                    Desk::new(
                        ground.admin(),
                        "PUT",
                        rule.kind,
                        &namespace,
                        &format!("/{name}"),
                    )
                    .send(&changed)
                    .await
                }
            };
            let row = match row {
                New(name, spec) => format!("{} {name} {spec}", rule.kind),
                Change(before, after) => format!("{} {before} to {after}", rule.kind),
            };
            match (said, passes) {
                (Ok(_), true) => {}
                (Ok(_), false) => wrong.push(format!("{row}: let through by {:?}", rule.message)),
                (Err(said), true) => wrong.push(format!("{row}: refused: {said:?}")),
                (Err(said), false) if rule.is_what_was_said(&said) => {}
                (Err(said), false) => wrong.push(format!(
                    "{row}: not refused by {:?}, but {said:?}",
                    rule.message
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Rule {
    /// Whether the rule refused, at its place, and nothing else did.
    fn is_what_was_said(&self, said: &Complaints) -> bool {
        let is_ours = |(field, message): &(String, String)| {
            let field = match field.as_str() {
                // How the API server names the whole object.
                "<nil>" => String::new(),
                field => format!(".{}", field.replace("[0]", "[]")),
            };
            field == self.at && message.contains(&self.message)
        };
        said.iter().all(is_ours)
    }
}

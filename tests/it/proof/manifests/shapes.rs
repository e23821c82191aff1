//! What the schemas lead to: values of other types, at the edge, null, and fields that nobody knows.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::draft::{Case, Draft, Expect, RAW, words};
use crate::admission::rows::{Try, rows};
use crate::admission::schema::{Node, Step};

/// Values that are not of this type.
pub fn others(kind: &str) -> Vec<Value> {
    let all = [
        ("string", json!("seven")),
        ("integer", json!(7)),
        ("number", json!(1.5)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("array", json!([[["x"]]])),
        ("object", json!({})),
        ("object", json!({"": {"$ref": "#"}})),
    ];
    let all = all.into_iter().filter(|(of, _)| *of != kind);
    all.map(|(_, value)| value).collect()
}

/// Numbers as nobody writes them: some are none, some are the same as others.
const NUMBERS: [&str; 7] = [
    "1e999",
    "-1e-999",
    "99999999999999999999999999",
    "0x10",
    "NaN",
    "1E0",
    "-0",
];

pub fn types(case: &Case) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for node in case.places("spec") {
        let Some(kind) = node.schema["type"].as_str() else {
            continue;
        };
        for value in others(kind) {
            let about = format!("{} is {value}", node.path());
            let refused = Expect::Refused(words(&node.steps));
            drafts.push(Draft::new(about, &case.with(&node.steps, &value), refused));
        }
        if kind == "integer" {
            for number in NUMBERS {
                let about = format!("{} is {number}", node.path());
                let object = case.with(&node.steps, &json!(RAW));
                drafts.push(Draft::raw(about, &object, number.as_bytes(), Expect::Any));
            }
        }
    }
    let refused = || Expect::Refused(Vec::new());
    for (field, value) in [
        ("spec", json!("seven")),
        ("spec", json!([])),
        ("metadata", json!(7)),
        ("metadata", json!([])),
        ("kind", json!(7)),
        ("kind", json!("Buckets")),
        ("apiVersion", json!({})),
        ("apiVersion", json!("v1")),
    ] {
        let mut object = case.base.clone();
        object[field] = value.clone();
        drafts.push(Draft::new(
            format!("{field} is {value}"),
            &object,
            refused(),
        ));
    }
    for body in [
        "",
        "[]",
        "7",
        "null",
        "{}",
        "{\"kind\":",
        "\u{feff}{}",
        "kind: Bucket",
    ] {
        let about = format!("the whole body is {body:?}");
        drafts.push(Draft::raw(about, &json!(RAW), body.as_bytes(), refused()));
    }
    drafts
}

pub fn bounds(case: &Case) -> Vec<Draft> {
    let places = case.places("spec");
    let all = places.iter().flat_map(rows).map(|row| {
        let (object, field) = row.put(&case.base, &case.kind.schema);
        let about = row.about(&case.kind.kind);
        let expect = match (row.refused, &row.try_it) {
            (Some(_), Try::Surplus) => Expect::Refused(vec!["surplus".to_owned()]),
            (Some(_), _) => Expect::Refused(ends(&field)),
            (None, _) => Expect::Any,
        };
        Draft::new(about, &object, expect)
    });
    all.collect()
}

/// The last names of a path such as `spec.networks[0].name`.
fn ends(field: &str) -> Vec<String> {
    let names = field.rsplit('.').take(2);
    let names = names.map(|name| name.split('[').next().unwrap_or_default().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

pub fn null(case: &Case) -> Vec<Draft> {
    let places = case.places("spec");
    let mut drafts: Vec<_> = places
        .iter()
        .map(|node| {
            let expect = if is_required(node, &places) {
                Expect::Refused(words(&node.steps))
            } else {
                Expect::Any
            };
            let about = format!("{} is null", node.path());
            Draft::new(about, &case.with(&node.steps, &Value::Null), expect)
        })
        .collect();
    for field in ["kind", "apiVersion", "metadata"] {
        let mut object = case.base.clone();
        object[field] = Value::Null;
        let refused = Expect::Refused(Vec::new());
        drafts.push(Draft::new(format!("{field} is null"), &object, refused));
    }
    for (field, value) in [
        ("labels", json!({"a": null})),
        ("annotations", json!({"a": null})),
        ("finalizers", json!([null])),
        ("ownerReferences", json!([null])),
    ] {
        let mut object = case.base.clone();
        object["metadata"][field] = value.clone();
        let about = format!("metadata.{field} is {value}");
        drafts.push(Draft::new(about, &object, Expect::Any));
    }
    drafts
}

/// Whether the object in which this field stands does not go without it.
fn is_required(node: &Node, places: &[Node]) -> bool {
    let Some((Step::Field(name), parent)) = node.steps.split_last() else {
        return false;
    };
    let parent = places.iter().find(|other| other.steps == parent);
    let required = parent.and_then(|parent| parent.schema["required"].as_array());
    let names = required.into_iter().flatten();
    let is_named = parent.is_none() || names.into_iter().any(|other| other == name);
    is_named && node.schema["default"].is_null()
}

/// Fields that no schema has.
const SURPLUS: [&str; 10] = [
    "surplus",
    "__proto__",
    "constructor",
    "$ref",
    "Spec",
    "service_ref",
    "a.b/c",
    "\u{202e}eman",
    "na\u{200b}me",
    "status",
];

pub fn unknown(case: &Case, dice: &mut StdRng) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let is_closed = |node: &Node| {
        node.schema["properties"].is_object()
            && node.schema["x-kubernetes-preserve-unknown-fields"] != true
    };
    for node in case.places("spec").into_iter().filter(is_closed) {
        let name = *SURPLUS.choose(dice).unwrap();
        let value = [json!(null), json!({"a": {"b": [1]}}), json!("x")];
        let value = value.choose(dice).unwrap();
        let object = case.changed(&node.steps, &|place| place[name] = value.clone());
        let about = format!("{}.{name} is {value}", node.path());
        let refused = Expect::Refused(Vec::new());
        drafts.push(Draft::new(about.clone(), &object, refused));
        let about = format!("{about}, and dropped");
        // What leads there may itself do something.
        drafts.push(Draft::new(about, &object, Expect::Any).lenient());
    }
    for name in ["surplus", "data", "Status", ""] {
        let mut object = case.base.clone();
        object[name] = json!({"a": 1});
        let about = format!("a field {name:?} beside the spec");
        let refused = Expect::Refused(Vec::new());
        drafts.push(Draft::new(about.clone(), &object, refused));
        drafts
            .push(Draft::new(format!("{about}, and dropped"), &object, case.harmless()).lenient());
    }
    for status in statuses() {
        let mut object = case.base.clone();
        let about = format!("comes with the status {status}");
        object["status"] = status;
        drafts.push(Draft::new(about, &object, case.harmless()).lenient());
    }
    let text = case.base["spec"].to_string();
    let object = json!({"apiVersion": case.base["apiVersion"], "kind": case.base["kind"],
        "metadata": case.base["metadata"], "spec": RAW});
    let twice = format!("{text},\"spec\":{text}");
    let about = "the spec twice";
    drafts.push(Draft::raw(
        about,
        &object,
        twice.as_bytes(),
        Expect::Refused(vec!["duplicate".into()]),
    ));
    drafts.push(Draft::raw(about, &object, twice.as_bytes(), case.harmless()).lenient());
    drafts
}

/// What a user might want the status to be; it is not hers to say.
fn statuses() -> Vec<Value> {
    let ready = json!({"type": "Ready", "status": "True", "reason": "Available", "message": "it is",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
    vec![
        json!({}),
        json!({"conditions": [ready], "observedGeneration": 1}),
        json!({"origin": "Created", "account": {"name": "default", "namespace": "default"}}),
        json!({"place": {"service": "11", "name": "logs"}, "origin": "Adopted", "deletionPolicy": "Delete"}),
    ]
}

//! What stands around a spec that is as good as the sample's, and what the API server stored when it did not look.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::draft::{Case, Draft, Expect, SELF};
use crate::admission::schema::{Step, change};

/// The base with a field of its metadata.
fn with(case: &Case, field: &str, value: &Value, expect: Expect) -> Draft {
    let mut object = case.base.clone();
    object["metadata"][field] = value.clone();
    let value: String = value.to_string().chars().take(120).collect();
    Draft::new(format!("metadata.{field} is {value}"), &object, expect)
}

pub fn metadata(case: &Case) -> Vec<Draft> {
    let mut drafts = notes(case);
    let mut add = |field: &str, value: Value, expect: Expect| {
        drafts.push(with(case, field, &value, expect));
    };
    for label in ["issuer", "credentials", "finalizer", "nobody-knows"] {
        add(
            "labels",
            json!({format!("cooper.dev/{label}"): "upcloud"}),
            case.harmless(),
        );
    }
    for finalizers in [
        json!(["example.org/hold"]),
        json!(["cooper.dev/finalizer"]),
        json!(["cooper.dev/finalizer", "cooper.dev/finalizer"]),
        json!(["example.org/a", "cooper.dev/finalizer", "example.org/b"]),
        json!(["cooper.dev/in-use"]),
        json!(["foregroundDeletion"]),
        json!(["orphan"]),
        json!(["no-domain"]),
        json!(["cooper.dev/\u{202e}finalizer"]),
    ] {
        add("finalizers", finalizers, Expect::Any);
    }
    let nobody = "0f6c1f1e-0000-4000-8000-000000000000";
    for (version, kind, name) in [
        ("upcloud.cooper.dev/v1alpha1", "Account", "default"),
        ("v1", "Secret", "upcloud"),
        ("v1", "Namespace", "kube-system"),
        ("no.such.group/v1", "Nothing", "nobody"),
        ("upcloud.cooper.dev/v1alpha1", "Bucket", SELF),
    ] {
        let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": nobody});
        add("ownerReferences", json!([owner]), Expect::Any);
        let blocking = crate::admission::merged(
            &owner,
            &json!({"controller": true, "blockOwnerDeletion": true}),
        );
        add("ownerReferences", json!([blocking]), Expect::Any);
    }
    for (field, value) in [
        ("ownerReferences", json!([{"kind": "Bucket"}])),
        ("uid", json!(nobody)),
        ("generation", json!(-1)),
        ("deletionTimestamp", json!("2020-01-01T00:00:00Z")),
        ("deletionGracePeriodSeconds", json!(-9)),
        ("creationTimestamp", json!("0001-01-01T00:00:00Z")),
        ("namespace", json!("kube-system")),
        ("generateName", json!("\u{202e}")),
        ("selfLink", json!("/")),
        (
            "managedFields",
            json!([{"manager": "cooper", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]),
        ),
    ] {
        add(field, value, Expect::Any);
    }
    drafts
}

/// Annotations of cooper that say something odd, or what nobody should want.
fn notes(case: &Case) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let is_account = case.kind.kind == "Account";
    let mut add = |value: Value, expect: Expect| {
        drafts.push(with(case, "annotations", &value, expect));
    };
    for note in [
        "paused",
        "abandon",
        "undo",
        "recreate",
        "rotate",
        "release-brake",
        "in-use",
        "key",
        "nobody-knows",
    ] {
        let key = format!("cooper.dev/{note}");
        for text in [
            "true",
            "TRUE",
            "",
            "yes\n",
            "\u{202e}eurt",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:60Z",
        ] {
            let is_pause = note == "paused" && text == "true" && !is_account;
            let expect = if is_pause {
                Expect::Explained
            } else {
                case.harmless()
            };
            add(json!({key.as_str(): text}), expect);
        }
        add(json!({key.as_str(): "9".repeat(100_000)}), case.harmless());
    }
    drafts
}

/// Objects that the API server took under another schema: their specs, and their statuses after they were Ready.
pub fn stored(case: &Case, dice: &mut StdRng) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for node in case.places("spec") {
        let Some(kind) = node.schema["type"].as_str() else {
            continue;
        };
        for value in super::shapes::others(kind).into_iter().chain([Value::Null]) {
            let about = format!("{} is stored as {value}", node.path());
            drafts.push(Draft::new(
                about,
                &case.with(&node.steps, &value),
                Expect::Any,
            ));
        }
    }
    let text = super::words::nested(300, "[", "]");
    let deep = case.merged(&json!({"spec": {"surplus": super::draft::RAW}}));
    drafts.push(Draft::raw(
        "300 levels are stored",
        &deep,
        &text,
        Expect::Any,
    ));
    for node in case.places("status") {
        let Some(kind) = node.schema["type"].as_str() else {
            continue;
        };
        // There are far more places than in most specs.
        for value in super::shapes::others(kind).choose_multiple(dice, 1) {
            let mut status = json!({"status": {}});
            if node
                .steps
                .iter()
                .any(|step| *step != Step::Item && *step != Step::Member)
            {
                change(&mut status, &case.kind.schema, &node.steps, &|place| {
                    *place = value.clone();
                });
            }
            let about = format!("{} is stored as {value}", node.path());
            drafts.push(Draft::new(about, &case.base, Expect::Any).then_status(status));
        }
    }
    drafts
}

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use kube::core::cel::Validator;
use serde_json::json;

use super::*;
use crate::engine::reason::Reason;

/// Schemas by kind, as they are installed.
fn schemas() -> BTreeMap<String, Value> {
    let files = crds().unwrap().into_iter();
    let schemas = files.map(|(_, yaml)| {
        let crd: Value = serde_saphyr::from_str(&yaml).unwrap();
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        let kind = crd.pointer("/spec/names/kind").unwrap().as_str().unwrap();
        (kind.to_owned(), crd.pointer(schema).unwrap().clone())
    });
    schemas.collect()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "demo" },
        "spec": spec,
    })
}

/// What CEL says about making an object, and then changing it.
fn complaint(kind: &str, name: &str, spec: &Value, before: Option<&Value>) -> Option<String> {
    let schemas = schemas();
    let before = before.map(|spec| object(kind, name, spec));
    let said =
        Validator::new().validate(&schemas[kind], &object(kind, name, spec), before.as_ref());
    said.err().map(|errors| errors.to_string())
}

#[test]
fn the_written_crds_are_what_the_code_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let list = std::fs::read_to_string(dir.join("kustomization.yaml")).unwrap();
    for (name, yaml) in crds().unwrap() {
        let written = std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
        assert!(
            written == yaml,
            "crds/{name} is stale: run `cooper crds --dir crds`"
        );
        assert!(list.contains(&name), "crds/kustomization.yaml lacks {name}");
    }
}

#[test]
fn the_written_reference_is_what_the_code_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = root.join("docs/reference");
    let pages = reference::pages(&root.join("deploy/samples")).unwrap();
    for (name, page) in &pages {
        let written = std::fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert!(
            written == *page,
            "docs/reference/{name} is stale: run `make crds`"
        );
    }
    let written = std::fs::read_dir(&dir).unwrap().count();
    assert_eq!(written, pages.len(), "docs/reference holds something else");
}

#[test]
fn every_reason_of_a_condition_has_a_runbook() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks/reasons");
    let pages = std::fs::read_dir(dir).unwrap();
    let pages: BTreeSet<String> = pages
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    let reasons = Reason::of_conditions().map(|reason| format!("{reason}.md"));
    assert_eq!(pages, reasons.collect());
}

/// Calls `check` for every schema below this one, with its path.
fn walk(path: &str, schema: &Value, check: &mut impl FnMut(&str, &Value)) {
    check(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, check);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&format!("{path}[]"), &schema[inner], check);
        }
    }
}

#[test]
fn every_field_of_a_spec_is_bounded_and_described() {
    for (kind, schema) in schemas() {
        let spec = &schema["properties"]["spec"];
        walk(&format!("{kind}.spec"), spec, &mut |path, field| {
            let is_item = path.ends_with("[]");
            assert!(
                is_item || field["description"].is_string(),
                "{path} is not described"
            );
            let bounded = match field["type"].as_str() {
                Some("string") => field["enum"].is_array() || field["maxLength"].is_u64(),
                Some("array") => field["maxItems"].is_u64(),
                Some("integer") => field["minimum"].is_number() && field["maximum"].is_number(),
                Some("object") => {
                    field["properties"].is_object() || field["maxProperties"].is_u64()
                }
                Some("boolean") => true,
                other => panic!("{path} has type {other:?}"),
            };
            assert!(bounded, "{path} has no bounds");
            assert!(field["nullable"].is_null(), "{path} is nullable");
        });
    }
}

#[test]
fn every_field_reads_well_in_kubectl_explain() {
    let mut wrong = Vec::new();
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, field| {
            let text = field["description"].as_str().unwrap_or_default();
            let is_item = path.ends_with("[]");
            // Whoever chooses one of several fields knows what is without it.
            let is_choice =
                field["oneOf"].is_array() || field["x-kubernetes-validations"].is_array();
            let rust = ["`", "Option", "Vec<", "::", "[`"];
            if let Some(words) = rust.iter().find(|words| text.contains(**words)) {
                wrong.push(format!("{path} speaks Rust: {words}"));
            }
            if !(text.ends_with('.') || is_item && text.is_empty()) {
                wrong.push(format!(
                    "{path} is not described in full sentences: {text:?}"
                ));
            }
            let required: Vec<&Value> =
                field["required"].as_array().into_iter().flatten().collect();
            for (name, below) in field["properties"].as_object().into_iter().flatten() {
                let is_optional = !required.iter().any(|other| *other == name);
                let is_spec = path.contains(".spec");
                let told = below["description"].as_str().unwrap_or_default();
                if is_spec && is_optional && !is_choice && !told.contains("Default: ") {
                    wrong.push(format!("{path}.{name} does not tell its default"));
                }
                let default = match &below["default"] {
                    Value::String(text) => text.clone(),
                    Value::Object(_) | Value::Null => String::new(),
                    other => other.to_string(),
                };
                let says = told.contains(&format!("Default: {default}"));
                // An empty text is told in words.
                if is_spec && !below["default"].is_null() && !says {
                    wrong.push(format!(
                        "{path}.{name} tells another default than {default}"
                    ));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_issuers_have_keys_in_their_status() {
    for (kind, schema) in schemas() {
        for field in ["key", "keys"] {
            let found = schema.pointer(&format!("/properties/status/properties/{field}"));
            assert_eq!(found.is_some(), kind == "IamUser", "{kind} {field}");
        }
    }
}

#[test]
fn a_name_that_the_cloud_refuses_is_refused_at_admission() {
    let service = json!({ "serviceRef": { "name": "media" } });
    for (kind, name, spec, good) in [
        ("Bucket", "logs.example", json!({}), true),
        ("Bucket", "lo", json!({}), false),
        ("IamUser", "ci", json!({}), true),
        ("IamUser", "ci.example", json!({}), false),
        ("IamUser", "ci.example", json!({ "name": "ci" }), true),
        ("IamUser", "ci", json!({ "name": "Backup_Writer" }), false),
        (
            "IamUser",
            "ci",
            json!({ "name": "Backup_Writer", "adoption": "IfExists" }),
            true,
        ),
        (
            "IamUser",
            "a",
            json!({ "name": "_upcloud-internal-user", "adoption": "IfExists" }),
            false,
        ),
    ] {
        let mut whole = service.clone();
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let said = complaint(kind, name, &whole, None);
        assert_eq!(said.is_none(), good, "{kind} {name} {spec}: {said:?}");
    }
}

#[test]
fn what_cannot_change_can_be_neither_changed_nor_added_nor_removed() {
    let bare = json!({ "serviceRef": { "name": "media" } });
    let named = json!({ "serviceRef": { "name": "media" }, "name": "logs" });
    let other = json!({ "serviceRef": { "name": "media" }, "name": "more" });
    let moved = json!({ "serviceRef": { "name": "media", "namespace": "infra" } });
    for (before, after) in [
        (&bare, &named),
        (&named, &bare),
        (&named, &other),
        (&bare, &moved),
    ] {
        assert!(
            complaint("Bucket", "logs", after, Some(before)).is_some(),
            "{before} to {after}"
        );
    }
    assert_eq!(complaint("Bucket", "logs", &named, Some(&named)), None);
}

#[test]
fn the_secret_of_a_key_keeps_its_name_while_there_is_a_key() {
    let user = |secret: Option<&str>| match secret {
        Some(name) => {
            json!({ "serviceRef": { "name": "media" }, "accessKey": { "secretName": name } })
        }
        None => json!({ "serviceRef": { "name": "media" } }),
    };
    let change = |from, to| complaint("IamUser", "ci", &user(to), Some(&user(from)));
    assert!(change(Some("one"), Some("two")).is_some());
    assert_eq!(change(Some("one"), None), None);
    assert_eq!(change(None, Some("two")), None);
}

#[test]
fn an_error_page_is_for_one_status_or_a_range() {
    for (page, good) in [
        (json!({ "status": 404, "document": "404.html" }), true),
        (
            json!({ "from": 500, "to": 599, "document": "5xx.html" }),
            true,
        ),
        (json!({ "document": "404.html" }), false),
        (
            json!({ "status": 404, "from": 500, "to": 599, "document": "x" }),
            false,
        ),
        (json!({ "from": 500, "document": "x" }), false),
        (json!({ "from": 599, "to": 500, "document": "x" }), false),
    ] {
        let spec = json!({
            "serviceRef": { "name": "media" }, "bucketRef": { "name": "site" }, "errorPages": [page],
        });
        let said = complaint("StaticWebsite", "www", &spec, None);
        assert_eq!(said.is_none(), good, "{page}: {said:?}");
    }
}

#[test]
fn networks_and_labels_of_a_service_follow_the_rules_of_the_cloud() {
    let uuid = "03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1";
    for (more, good) in [
        (
            json!({ "networks": [{ "name": "pub", "type": "Public" }] }),
            true,
        ),
        (
            json!({ "networks": [{ "name": "pub", "type": "Public", "uuid": uuid }] }),
            false,
        ),
        (
            json!({ "networks": [{ "name": "back", "type": "Private", "uuid": uuid }] }),
            true,
        ),
        (
            json!({ "networks": [{ "name": "back", "type": "Private" }] }),
            false,
        ),
        (
            json!({ "networks": [{ "name": "a", "type": "Public" }, { "name": "b", "type": "Public" }] }),
            false,
        ),
        (json!({ "labels": { "team": "media" } }), true),
        (json!({ "labels": { "_team": "media" } }), false),
        (json!({ "labels": { "cooper-uid": "x" } }), false),
        (json!({ "labels": { "t": "media" } }), false),
    ] {
        let mut spec = json!({ "accountRef": { "name": "default" }, "region": "europe-2" });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let said = complaint("ObjectStorageService", "media", &spec, None);
        assert_eq!(said.is_none(), good, "{more}: {said:?}");
    }
}

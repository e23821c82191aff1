//! What the API server lets through, for every kind: each rule and bound with a row that passes and one that fails, with the field
//! named in the answer. All but the objects that updates start from is sent as a dry run.

mod iam;
mod storage;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A spec that is let through, and what tables say of others: what differs from it, and the words of the refusal; none if let through.
struct Kind {
    kind: &'static str,
    spec: Value,
}

type Row = (&'static str, Value, &'static str);

impl Kind {
    fn of(kind: &'static str, spec: Value) -> Self {
        Self { kind, spec }
    }

    /// Rows are tried as new resources; a row's first word is the metadata.name.
    async fn creates(&self, rows: Vec<Row>) {
        let scene = Scene::without_operator().await;
        self.check(&scene, &rows).await;
    }

    /// Rows are tried as changes of a resource that exists: `stored` merged into the spec.
    async fn updates(&self, stored: Value, rows: Vec<Row>) {
        let scene = Scene::without_operator().await;
        let stored = merged(&self.spec, &stored);
        scene.apply(self.kind, "stored", stored.clone()).await;
        let from = Self {
            kind: self.kind,
            spec: stored,
        };
        from.check(&scene, &rows).await;
    }

    async fn check(&self, scene: &Scene, rows: &[Row]) {
        let mut wrong = Vec::new();
        for (name, differs, words) in rows {
            let spec = merged(&self.spec, differs);
            let said = self.dry_run(scene, name, spec).await;
            let fits = match (&said, words.is_empty()) {
                (None, is_allowed) => is_allowed,
                (Some(said), false) => said.contains(words),
                (Some(_), true) => false,
            };
            if !fits {
                wrong.push(format!(
                    "{} {name} {differs}: {}, not {words:?}",
                    self.kind,
                    said.as_deref().unwrap_or("let through")
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn dry_run(&self, scene: &Scene, name: &str, spec: Value) -> Option<String> {
        let body = json!({"apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": self.kind, "metadata": {"name": name}, "spec": spec});
        let how = PatchParams::apply("test").force().dry_run();
        let api = scene.api(self.kind);
        match api.patch(name, &how, &Patch::Apply(&body)).await {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    }
}

/// A merge patch: null removes.
fn merged(base: &Value, patch: &Value) -> Value {
    let (Value::Object(base), Value::Object(patch)) = (base, patch) else {
        return patch.clone();
    };
    let mut all = base.clone();
    for (name, value) in patch {
        if value.is_null() {
            all.remove(name);
        } else {
            let below = all.get(name).cloned().unwrap_or_else(|| json!({}));
            all.insert(name.clone(), merged(&below, value));
        }
    }
    Value::Object(all)
}

fn long(letters: usize) -> String {
    "a".repeat(letters)
}

/// An object with so many members.
fn many(members: usize) -> Value {
    (0..members)
        .map(|number| (format!("key-{number}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Rows that hold for every kind but Account.
fn common() -> Vec<Row> {
    vec![
        ("plain", json!({}), ""),
        (
            "a-b",
            json!({"adoption": "IfExists", "managementPolicy": "Observe"}),
            "",
        ),
        ("a-b", json!({"adoption": "Always"}), "spec.adoption"),
        (
            "a-b",
            json!({"managementPolicy": "Half"}),
            "spec.managementPolicy",
        ),
        ("a-b", json!({"deletionPolicy": "Orphan"}), ""),
        (
            "a-b",
            json!({"deletionPolicy": "Keep"}),
            "spec.deletionPolicy",
        ),
    ]
}

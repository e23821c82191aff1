//! What must hold once everything has come to rest, read from the API server and the cloud alone.
//!
//! Wanted is what the resources say: each that is there is Ready and stands for exactly one remote that is as its spec says; what is
//! at the cloud without a resource was there before and is untouched. A user has one live key, and that stands in its Secret.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::view::View;
use crate::ground::Entry;
use crate::hands::named;
use crate::scene::Scene;

/// A Secret of somebody else in the namespace.
const THEIR_SECRET: &str = "their-s3";

/// How long ago the last trouble was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// A replaced key may still be kept.
    Fresh,
    /// Whatever takes a while is over.
    Old,
}

/// Knows what belongs to somebody else, and how it looked before.
#[derive(Default)]
pub struct Witness {
    /// Their service.
    service: Value,
    /// Their things in our service, by list.
    within: BTreeMap<&'static str, Vec<Value>>,
    secret: Option<Secret>,
    /// Keys that were there before their users were adopted.
    kept: BTreeMap<String, BTreeSet<String>>,
    /// A key that was to be replaced.
    replaced: Option<String>,
}

/// Lists of a service in which somebody else's things are called `their-…`.
const LISTS: [&str; 3] = ["users", "policies", "buckets"];

impl Witness {
    /// Somebody else comes: a Secret, a service; and in our service, if there is one, a user with a key, a policy, a bucket.
    pub async fn with_theirs(scene: &Scene) -> Self {
        let mut witness = Self::default();
        let secret: Secret = serde_json::from_value(
            json!({"metadata": {"name": THEIR_SECRET}, "stringData": {"AWS_ACCESS_KEY_ID": "theirs"}}),
        )
        .unwrap();
        let made = scene
            .secrets()
            .create(&PostParams::default(), &secret)
            .await;
        witness.secret = Some(made.unwrap());
        if service(&scene.cloud.state().await, "media").is_object() {
            scene
                .theirs("POST", "/users", json!({"username": "their-user"}))
                .await;
            let attach = json!({"name": "ECSS3FullAccess"});
            scene
                .theirs("POST", "/users/their-user/policies", attach)
                .await;
            scene
                .theirs("POST", "/users/their-user/access-keys", json!({}))
                .await;
            let policy = json!({"name": "their-policy", "document": encoded("s3:Get*")});
            scene.theirs("POST", "/policies", policy).await;
            scene
                .theirs("POST", "/buckets", json!({"name": "their-bucket"}))
                .await;
        }
        scene.their_service("theirs").await;
        witness.look(scene).await;
        witness
    }

    /// Takes down how their things look.
    async fn look(&mut self, scene: &Scene) {
        let state = scene.cloud.state().await;
        self.service = service(&state, "theirs");
        let media = service(&state, "media");
        for list in LISTS {
            self.within.insert(list, theirs(&media, list));
        }
    }

    /// A user that is about to be adopted has these keys; they stay.
    pub fn keeps(&mut self, user: &str, keys: impl IntoIterator<Item = String>) {
        self.kept
            .insert(user.to_owned(), keys.into_iter().collect());
    }

    /// This key is to be replaced by another.
    pub fn replaces(&mut self, key: String) {
        self.replaced = Some(key);
    }

    /// What is not as it must be.
    pub async fn wrongs(&self, scene: &Scene, age: Age) -> Vec<String> {
        let view = match View::of(scene).await {
            Ok(view) => view,
            Err(error) => return vec![format!("nothing can be seen: {error}")],
        };
        let mut wrongs = Vec::new();
        view.resources_are_ready(&mut wrongs);
        view.services_are_as_wanted(&mut wrongs);
        for (object, remote) in view.services() {
            view.contents_are_as_wanted(&object.name_any(), &remote, &mut wrongs);
            for user in view.inside("IamUser", &object.name_any()) {
                self.keys_are_as_wanted(&view, user, &remote, age, &mut wrongs);
            }
        }
        view.secrets_have_owners(&mut wrongs);
        wrongs.extend(self.touched(&view));
        wrongs
    }

    /// What of somebody else is not as it was, or was asked to change even if it was refused. Must be nothing at any moment.
    fn touched(&self, view: &View) -> Vec<String> {
        let mut wrongs = Vec::new();
        let now = service(&view.state, "theirs");
        if now != self.service {
            wrongs.push(format!(
                "their service was touched: {} → {now}",
                self.service
            ));
        }
        let media = service(&view.state, "media");
        if media.is_object() {
            for (list, before) in &self.within {
                let now = theirs(&media, list);
                if now != *before {
                    wrongs.push(format!("their {list} were touched: {before:?} → {now:?}"));
                }
            }
        }
        let secret = view
            .secrets
            .iter()
            .find(|one| one.name_any() == THEIR_SECRET);
        if secret != self.secret.as_ref() {
            wrongs.push(format!(
                "their Secret was touched: {:?}",
                secret.map(|s| &s.metadata)
            ));
        }
        let uuid = self.service["uuid"].as_str().unwrap_or("?");
        let aims = |entry: &&Entry| entry.path.contains("/their-") || entry.path.contains(uuid);
        let ours = |entry: &&Entry| entry.is_write() && !entry.foreign;
        for entry in view.journal.iter().filter(ours).filter(aims) {
            wrongs.push(format!(
                "{} {} aims at what is not ours",
                entry.method, entry.path
            ));
        }
        wrongs
    }

    fn keys_are_as_wanted(
        &self,
        view: &View,
        user: &DynamicObject,
        service: &Value,
        age: Age,
        wrongs: &mut Vec<String>,
    ) {
        let name = remote_name(user);
        let mut keys = BTreeMap::new();
        for key in named(service, "users", &name)["keys"]
            .as_array()
            .into_iter()
            .flatten()
        {
            keys.insert(text(&key["id"]), text(&key["status"]));
        }
        for kept in self.kept.get(&name).into_iter().flatten() {
            if keys.remove(kept).is_none() {
                wrongs.push(format!(
                    "key {kept} of user {name} is gone; it was there before us"
                ));
            }
        }
        let ledger = &user.data["status"]["keys"];
        let Some(secret) = user.data["spec"]["accessKey"]["secretName"].as_str() else {
            if !keys.is_empty() {
                wrongs.push(format!("user {name} wants no key and has {keys:?}"));
            }
            return;
        };
        let published = view.secrets.iter().find(|one| one.name_any() == secret);
        let id = published.and_then(|one| entry(one, "AWS_ACCESS_KEY_ID"));
        let Some(id) = id else {
            wrongs.push(format!(
                "Secret {secret} of user {name} holds no key: {ledger}"
            ));
            return;
        };
        if self.replaced.as_ref() == Some(&id) {
            wrongs.push(format!("Secret {secret} still holds {id}: {ledger}"));
        }
        if keys.remove(&id).as_deref() != Some("Active") {
            wrongs.push(format!(
                "Secret {secret} holds {id}, which is not live: {ledger}"
            ));
        }
        if age == Age::Fresh
            && let Some(old) = ledger["old"]["id"].as_str()
        {
            keys.remove(old);
        }
        if !keys.is_empty() {
            wrongs.push(format!(
                "user {name} has keys in no Secret: {keys:?}; {ledger}"
            ));
        }
        for (what, left) in [
            ("attempts", &ledger["attempts"]),
            ("revoking", &ledger["revoking"]),
        ] {
            if left.as_array().is_some_and(|left| !left.is_empty()) {
                wrongs.push(format!("{what} of user {name} do not end: {left}"));
            }
        }
    }
}

/// A service at the cloud by name; Null if there is none.
pub fn service(state: &Value, name: &str) -> Value {
    named(&state["accounts"]["demo"], "services", name)
}

/// A policy document as the cloud's API takes it.
pub fn encoded(action: &str) -> String {
    let text = crate::scene::document(action).to_string();
    percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Whether a condition of the spec as it stands is True.
pub fn is_true(object: &DynamicObject, condition: &str) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|found| {
        found["type"] == condition
            && found["status"] == "True"
            && found["observedGeneration"].as_i64() == object.metadata.generation
    })
}

fn theirs(service: &Value, list: &str) -> Vec<Value> {
    let rows = service[list].as_array().into_iter().flatten();
    let rows = rows.filter(|row| text(&row["name"]).starts_with("their-"));
    rows.cloned().collect()
}

/// What a resource is called at the cloud.
pub fn remote_name(object: &DynamicObject) -> String {
    object.data["spec"]["name"]
        .as_str()
        .map_or_else(|| object.name_any(), str::to_owned)
}

fn entry(secret: &Secret, name: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.0.clone()).ok()
}

/// The texts of a list.
pub fn strings(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().map(text)
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

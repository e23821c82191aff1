//! What tests do to a [`Scene`] besides applying resources: somebody else's hands at the cloud, annotations, what was asked and told.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::ground::{Entry, eventually};
use crate::scene::{PATIENCE, Scene};

/// A drift round and what it may be late.
const ROUND: Duration = Duration::from_secs(700);

/// Root of the product in the cloud's API.
pub const SERVICES: &str = "/1.3/object-storage-2";

impl Scene {
    /// The service `media`, usable.
    pub async fn running() -> Self {
        let scene = Self::open().await;
        scene.service().await;
        scene.ready("ObjectStorageService", "media").await;
        scene
    }

    /// The service `media` and the user `ci` with its Secret, usable.
    pub async fn issued() -> Self {
        let scene = Self::running().await;
        scene.user().await;
        scene.ready("IamUser", "ci").await;
        scene
    }

    /// Sets an annotation, or takes it off.
    pub async fn annotate(&self, kind: &str, name: &str, annotation: &str, value: Option<&str>) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.merge(kind, name, patch).await;
    }

    /// Somebody else asks something of the one service, by a path below it; it must be done.
    pub async fn theirs(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("{SERVICES}/{}{path}", self.service_id().await);
        let done = self
            .cloud
            .foreign("demo", method, &path, body.clone())
            .await;
        assert!(done.status < 300, "{method} {path} {body}: {done:?}");
        done.body
    }

    /// Somebody else makes a service of this name.
    pub async fn their_service(&self, name: &str) {
        let body = json!({
            "name": name, "region": "europe-2", "configured_status": "started",
            "networks": [{"family": "IPv4", "name": "public", "type": "public"}],
        });
        let done = self.cloud.foreign("demo", "POST", SERVICES, body).await;
        assert_eq!(done.status, 201, "{done:?}");
    }

    /// Steps over a drift round and waits until it has begun: the services are listed anew.
    pub async fn round(&self) {
        let before = self
            .cloud
            .journal(0)
            .await
            .last()
            .map_or(0, |last| last.seq);
        self.advance(ROUND).await;
        eventually(PATIENCE, "a drift round begins", async || {
            let entries = self.cloud.journal(0).await;
            let list =
                |entry: &Entry| !entry.foreign && entry.method == "GET" && entry.path == SERVICES;
            let begun = entries
                .iter()
                .any(|entry| entry.seq > before && list(entry));
            begun
                .then_some(())
                .ok_or_else(|| "the services were not listed".to_owned())
        })
        .await;
    }

    /// What cooper asked the cloud to change since the journal was last forgotten, such as `POST /users`.
    pub async fn writes(&self) -> Vec<String> {
        let entries = self.cloud.journal(0).await;
        let ours = entries
            .iter()
            .filter(|entry| entry.is_write() && !entry.foreign);
        ours.map(|entry| {
            let below = entry.path.trim_start_matches(SERVICES);
            let below = below.splitn(3, '/').nth(2).map(|rest| format!("/{rest}"));
            format!("{} {}", entry.method, below.unwrap_or_default())
        })
        .collect()
    }

    /// Waits until the one service at the cloud looks like this; answers it.
    pub async fn cloud_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(PATIENCE, what, async || {
            let now = self.at_cloud().await;
            if holds(&now) {
                Ok(now)
            } else {
                Err(format!("{now}"))
            }
        })
        .await
    }

    /// Waits for an event about a resource; answers its text.
    pub async fn event(&self, kind: &str, name: &str, reason: &str) -> String {
        let events: Api<Event> = Api::namespaced(self.ground.admin(), &self.namespace);
        let what = format!("event {reason} about {kind} {name}");
        eventually(PATIENCE, &what, async || {
            let all = events.list(&ListParams::default()).await;
            let all = all.map_err(|error| error.to_string())?.items;
            let about = |event: &&Event| {
                event.regarding.as_ref().is_some_and(|about| {
                    about.kind.as_deref() == Some(kind) && about.name.as_deref() == Some(name)
                })
            };
            let found = all
                .iter()
                .filter(about)
                .find(|event| event.reason.as_deref() == Some(reason));
            let told: Vec<_> = all
                .iter()
                .filter(about)
                .map(|event| &event.reason)
                .collect();
            found
                .map(|event| event.note.clone().unwrap_or_default())
                .ok_or_else(|| format!("there are {told:?}"))
        })
        .await
    }

    /// Ids of the keys that are Active at the cloud for a user.
    pub async fn live_keys(&self, user: &str) -> Vec<String> {
        let cloud = self.at_cloud().await;
        let found = named(&cloud, "users", user);
        let keys = found["keys"].as_array().cloned().unwrap_or_default();
        keys.iter()
            .filter(|key| key["status"] == "Active")
            .map(|key| key["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until the Secret holds a live key of the user, and that key is none of these; answers its id.
    pub async fn new_key(&self, user: &str, secret: &str, besides: &[&str]) -> String {
        let what = format!("Secret {secret} holds a new live key of {user}, not {besides:?}");
        eventually(PATIENCE, &what, async || {
            let live = self.live_keys(user).await;
            let data = self.secret(secret).await.unwrap_or_default();
            let id = data.get("AWS_ACCESS_KEY_ID").cloned().unwrap_or_default();
            if live.contains(&id) && !besides.contains(&id.as_str()) {
                Ok(id)
            } else {
                Err(format!("live {live:?}, in the Secret {id:?}"))
            }
        })
        .await
    }
}

/// An entry of a list of the service, by name; Null if there is none.
pub fn named(service: &Value, list: &str, name: &str) -> Value {
    let rows = service[list].as_array().cloned().unwrap_or_default();
    rows.into_iter()
        .find(|row| row["name"] == name)
        .unwrap_or_default()
}

/// Whether the service holds a bucket of this name that is not being purged.
pub fn has_bucket(service: &Value, name: &str) -> bool {
    named(service, "buckets", name)["deleted"] == false
}

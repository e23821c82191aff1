//! Bad input: each gives a condition that says what to do, harms nobody else, and heals by itself once its cause is gone.

mod accounts;
mod documents;
mod keys;
mod names;
mod outage;
mod references;
mod unreadable;

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::ground::eventually;
use crate::scene::{PATIENCE, Scene};

/// Longer than the wait after a refusal that nobody announces the end of.
const SLOW: Duration = Duration::from_secs(350);
/// Longer than the time between two looks at credentials or Secrets.
const CHECK: Duration = Duration::from_secs(70);

/// A resource that has nothing to do with the trouble, as it was before.
struct Neighbour {
    kind: &'static str,
    name: &'static str,
    ready_since: Value,
}

impl Neighbour {
    /// Bucket `steady` of service `media`.
    async fn bucket(scene: &Scene) -> Self {
        scene
            .apply("Bucket", "steady", json!({"serviceRef": {"name": "media"}}))
            .await;
        Self::of(scene, "Bucket", "steady").await
    }

    /// A resource that becomes Ready before the trouble begins.
    async fn of(scene: &Scene, kind: &'static str, name: &'static str) -> Self {
        scene.ready(kind, name).await;
        let ready_since = since(scene, kind, name).await;
        Self {
            kind,
            name,
            ready_since,
        }
    }

    /// It was Ready all the time, and is so now.
    async fn was_ready_throughout(&self, scene: &Scene) {
        let now = since(scene, self.kind, self.name).await;
        assert_eq!(
            now, self.ready_since,
            "{} {} did not stay Ready",
            self.kind, self.name
        );
    }
}

/// Status and last transition of Ready.
async fn since(scene: &Scene, kind: &str, name: &str) -> Value {
    let ready = condition(scene, kind, name, "Ready").await;
    assert_eq!(ready["status"], "True", "{kind} {name}: {ready}");
    ready["lastTransitionTime"].clone()
}

/// A condition as it stands; Null if it is not there.
async fn condition(scene: &Scene, kind: &str, name: &str, condition: &str) -> Value {
    let status = scene.status(kind, name).await;
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .into_iter()
        .find(|found| found["type"] == condition)
        .unwrap_or_default()
}

/// Steps time until a condition stands that only a timer brings; answers its message.
async fn in_time(
    scene: &Scene,
    step: Duration,
    (kind, name): (&str, &str),
    (condition, status, reason): (&str, &str, &str),
) -> String {
    for _ in 0..6 {
        scene.advance(step).await;
        let stands = scene.until(kind, name, condition, status, reason);
        if let Ok(message) = tokio::time::timeout(Duration::from_secs(5), stands).await {
            return message;
        }
    }
    scene.until(kind, name, condition, status, reason).await
}

/// Steps time until a resource is Ready and Synced.
async fn ready_in_time(scene: &Scene, step: Duration, kind: &str, name: &str) {
    in_time(scene, step, (kind, name), ("Synced", "True", "")).await;
    in_time(scene, Duration::ZERO, (kind, name), ("Ready", "True", "")).await;
}

/// Waits for the warning about a resource; answers its note.
async fn warned(scene: &Scene, name: &str, reason: &str) -> String {
    let events: Api<Event> = Api::namespaced(scene.ground.admin(), &scene.namespace);
    let what = format!("an event warns about {name}: {reason}");
    eventually(PATIENCE, &what, async || {
        let list = events
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let found = list.items.into_iter().find(|event| {
            event.type_.as_deref() == Some("Warning")
                && event.reason.as_deref() == Some(reason)
                && event.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some(name)
        });
        found
            .and_then(|event| event.note)
            .ok_or_else(|| "no such event".into())
    })
    .await
}

/// The message helps if it has all these words.
#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(
            message.contains(word),
            "{word:?} is not in the message {message:?}"
        );
    }
}

/// Paths that the cloud was asked to change since this number of the journal.
async fn writes_since(scene: &Scene, seq: u64) -> Vec<String> {
    let journal = scene.cloud.journal(seq).await;
    let writes = journal
        .iter()
        .filter(|entry| entry.is_write() && !entry.foreign);
    writes
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect()
}

/// The number that the next entry of the journal will have, or a lower one.
async fn journal_end(scene: &Scene) -> u64 {
    let journal = scene.cloud.journal(0).await;
    journal.last().map_or(0, |entry| entry.seq + 1)
}

/// Does something at the cloud as somebody else, on a path below the service.
async fn foreign(scene: &Scene, method: &str, path: &str, body: Value) -> Value {
    let path = format!("/1.3/object-storage-2/{}/{path}", scene.service_id().await);
    let done = scene
        .cloud
        .foreign("demo", method, &path, body.clone())
        .await;
    assert!(
        (200..300).contains(&done.status),
        "{method} {path} {body}: {} {}",
        done.status,
        done.body
    );
    done.body
}

/// One row of a list of the service at the cloud; Null if there is none.
async fn row(scene: &Scene, list: &str, name: &str) -> Value {
    let cloud = scene.at_cloud().await;
    let rows = cloud[list].as_array().cloned().unwrap_or_default();
    rows.into_iter()
        .find(|row| row["name"] == name)
        .unwrap_or_default()
}

//! A cloud that fails for a while is told once.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::ready_in_time;
use crate::ground::{Fault, eventually};
use crate::scene::{PATIENCE, Scene};

const WORDS: &str = "UpCloud failed to list the buckets";

/// How often the cloud was asked for the buckets in vain.
async fn tries(scene: &Scene) -> usize {
    let journal = scene.cloud.journal(0).await;
    let failed = journal
        .iter()
        .filter(|entry| entry.path.ends_with("/buckets") && entry.status == Some(500));
    failed.count()
}

#[tokio::test]
async fn an_outage_is_told_once_and_not_with_every_try() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    scene.cloud.fault(Fault::status(500).times(0)).await;
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "media"}}))
        .await;
    let told = eventually(PATIENCE, "the outage is told", async || {
        let object = scene.get("Bucket", "logs").await;
        let text = serde_json::to_string(&object.data).unwrap();
        if !text.contains(WORDS) {
            return Err(text);
        }
        Ok(object.metadata.resource_version)
    })
    .await;

    let before = tries(&scene).await;
    eventually(PATIENCE, "it is tried again", async || {
        scene.advance(Duration::from_secs(20)).await;
        let now = tries(&scene).await;
        (now > before + 3).then_some(()).ok_or(now.to_string())
    })
    .await;
    let object = scene.get("Bucket", "logs").await;
    assert_eq!(object.metadata.resource_version, told);
    let events: Api<Event> = Api::namespaced(scene.admin(), &scene.namespace);
    let list = events.list(&ListParams::default()).await.unwrap();
    let notes = list.items.iter().filter_map(|event| event.note.as_deref());
    let about: Vec<&str> = notes.filter(|note| note.contains(WORDS)).collect();
    assert_eq!(about.len(), 1, "{about:?}");
    assert!(about[0].contains(" (request "), "{about:?}");

    scene.cloud.heal().await;
    ready_in_time(&scene, Duration::from_secs(350), "Bucket", "logs").await;
}

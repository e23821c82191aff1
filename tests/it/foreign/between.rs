//! Somebody else is faster: what they make between our look and our create is theirs.

use std::time::Duration;

use serde_json::{Value, json};

use super::{listed, resource_name, touched, twins, with_buckets};
use crate::ground::{Fault, Side};
use crate::hands::SERVICES;
use crate::scene::Scene;

/// Ours hangs on its way while theirs is made, and is refused.
async fn slow(scene: &Scene, path: &str) {
    let slow = Fault::latency(Duration::from_secs(4)).at(Side::Api);
    scene.cloud.fault(slow.on("POST", path)).await;
}

#[tokio::test]
async fn what_somebody_makes_between_our_look_and_our_create_is_theirs() {
    let scene = with_buckets().await;
    for (kind, list, theirs_name, theirs, spec) in twins() {
        let name = resource_name(kind, theirs_name);
        slow(&scene, &format!("/{list}$")).await;
        scene.cloud.forget().await;
        scene.apply(kind, name, spec).await;
        scene.claimed(kind, name).await;
        scene.theirs("POST", &format!("/{list}"), theirs).await;
        let before = listed(&scene.at_cloud().await, list);
        scene.until(kind, name, "Ready", "False", "NameTaken").await;
        scene.delete(kind, name).await;
        scene.gone(kind, name).await;
        assert_eq!(listed(&scene.at_cloud().await, list), before, "{kind}");
        let path = format!("/{list}/{theirs_name}");
        assert_eq!(touched(&scene, &path).await, [""; 0], "{kind}");
    }
}

#[tokio::test]
async fn a_service_that_somebody_makes_between_our_look_and_our_create_is_theirs() {
    let scene = Scene::open().await;
    scene.account().await;
    scene.ready("Account", "default").await;
    slow(&scene, &format!("{SERVICES}$")).await;
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
    scene.apply("ObjectStorageService", "media", spec).await;
    scene.claimed("ObjectStorageService", "media").await;
    scene.their_service("media").await;
    let before = scene.at_cloud().await;
    scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "NameTaken",
        )
        .await;
    let word = json!({"spec": {"deletionPolicy": "Delete"}});
    scene.merge("ObjectStorageService", "media", word).await;
    scene.delete("ObjectStorageService", "media").await;
    scene.gone("ObjectStorageService", "media").await;
    let now = scene.at_cloud().await;
    assert_ne!(now, Value::Null);
    assert_eq!(now, before);
    let uuid = before["uuid"].as_str().unwrap();
    assert_eq!(touched(&scene, uuid).await, [""; 0]);
}

//! `cooper.dev/paused`: no writes, and it goes on at once when the annotation is taken off.

use serde_json::json;

use crate::hands::{has_bucket, named};
use crate::scene::{Scene, user_spec};

const PAUSED: &str = "cooper.dev/paused";

#[tokio::test]
async fn a_paused_user_is_not_changed_until_it_is_resumed() {
    let scene = Scene::issued().await;
    scene.annotate("IamUser", "ci", PAUSED, Some("true")).await;
    scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    scene.cloud.forget().await;
    let mut spec = user_spec();
    spec["policies"] = json!([]);
    scene.apply("IamUser", "ci", spec).await;
    scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    assert_eq!(scene.writes().await, [""; 0]);
    scene.annotate("IamUser", "ci", PAUSED, None).await;
    scene
        .cloud_until("the policy is detached", |cloud| {
            named(cloud, "users", "ci")["attached"] == json!([])
        })
        .await;
}

#[tokio::test]
async fn a_paused_user_that_works_stays_ready() {
    let scene = Scene::issued().await;
    scene.annotate("IamUser", "ci", PAUSED, Some("true")).await;
    let told = scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    assert!(told.contains("remove it to go on"), "{told}");
    scene.until("IamUser", "ci", "Ready", "True", "").await;
}

#[tokio::test]
async fn a_paused_resource_makes_nothing() {
    let scene = Scene::running().await;
    let body = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "Bucket",
        "metadata": {"name": "logs", "annotations": {PAUSED: "true"}},
        "spec": {"serviceRef": {"name": "media"}},
    });
    let how = kube::api::PatchParams::apply("test");
    let api = scene.api("Bucket");
    api.patch("logs", &how, &kube::api::Patch::Apply(&body))
        .await
        .unwrap();
    scene
        .until("Bucket", "logs", "Ready", "False", "Paused")
        .await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
    scene.annotate("Bucket", "logs", PAUSED, None).await;
    scene.ready("Bucket", "logs").await;
}

#[tokio::test]
async fn a_paused_deletion_waits_and_goes_on_at_once() {
    let scene = Scene::running().await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    scene.annotate("Bucket", "logs", PAUSED, Some("true")).await;
    scene
        .until("Bucket", "logs", "Synced", "False", "Paused")
        .await;
    scene.delete("Bucket", "logs").await;
    let told = scene
        .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains(PAUSED), "{told}");
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
    scene.annotate("Bucket", "logs", PAUSED, None).await;
    scene.gone("Bucket", "logs").await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
}

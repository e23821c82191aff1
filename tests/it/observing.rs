//! `managementPolicy: Observe`: it looks, reports and writes nothing.

use serde_json::{Value, json};

use crate::hands::has_bucket;
use crate::scene::{Scene, user_spec};

fn observed_service(labels: &Value) -> Value {
    json!({"accountRef": {"name": "default"}, "region": "europe-2", "managementPolicy": "Observe", "labels": labels})
}

fn observed_bucket() -> Value {
    json!({"serviceRef": {"name": "media"}, "managementPolicy": "Observe"})
}

#[tokio::test]
async fn what_is_as_the_spec_says_is_synced_and_nothing_is_written() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    scene
        .apply(
            "ObjectStorageService",
            "media",
            observed_service(&json!({})),
        )
        .await;
    scene.ready("ObjectStorageService", "media").await;
    assert_eq!(scene.writes().await, [""; 0]);
    let object = scene.get("ObjectStorageService", "media").await;
    assert_eq!(object.metadata.finalizers, None);
}

#[tokio::test]
async fn what_differs_is_named_and_not_changed() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    let spec = observed_service(&json!({"team": "media"}));
    scene.apply("ObjectStorageService", "media", spec).await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Synced",
            "False",
            "Drifted",
        )
        .await;
    assert!(told.contains("labels"), "{told}");
    scene
        .until("ObjectStorageService", "media", "Ready", "True", "")
        .await;
    assert_eq!(scene.writes().await, [""; 0]);
}

#[tokio::test]
async fn what_is_not_there_is_not_made_and_seen_once_it_is() {
    let scene = Scene::running().await;
    scene.apply("Bucket", "logs", observed_bucket()).await;
    scene
        .until("Bucket", "logs", "Ready", "False", "NotThere")
        .await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.round().await;
    scene.ready("Bucket", "logs").await;
}

#[tokio::test]
async fn what_went_away_is_not_there_any_more() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.apply("Bucket", "logs", observed_bucket()).await;
    scene.ready("Bucket", "logs").await;
    scene.theirs("DELETE", "/buckets/logs", Value::Null).await;
    scene.round().await;
    // Still listed as being purged once, then no more.
    scene.until("Bucket", "logs", "Ready", "False", "").await;
    scene.round().await;
    scene
        .until("Bucket", "logs", "Ready", "False", "NotThere")
        .await;
}

#[tokio::test]
async fn children_live_in_an_observed_service() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    scene
        .apply(
            "ObjectStorageService",
            "media",
            observed_service(&json!({})),
        )
        .await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await.len(), 1);
}

#[tokio::test]
async fn deleting_an_observed_service_leaves_it_at_the_cloud() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    scene
        .apply(
            "ObjectStorageService",
            "media",
            observed_service(&json!({})),
        )
        .await;
    scene.ready("ObjectStorageService", "media").await;
    scene.delete("ObjectStorageService", "media").await;
    scene.gone("ObjectStorageService", "media").await;
    assert_eq!(scene.at_cloud().await["name"], "media");
}

#[tokio::test]
async fn a_user_that_comes_under_observe_is_released_with_its_secret() {
    let scene = Scene::issued().await;
    let mut spec = user_spec();
    spec["managementPolicy"] = json!("Observe");
    scene.apply("IamUser", "ci", spec).await;
    scene
        .until("IamUser", "ci", "Synced", "True", "Observed")
        .await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    let left = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(left.metadata.owner_references, None);
    assert_eq!(scene.live_keys("ci").await.len(), 1);
}

#[tokio::test]
async fn an_observed_user_gets_no_key() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    scene.cloud.forget().await;
    let mut spec = user_spec();
    spec["managementPolicy"] = json!("Observe");
    spec["policies"] = json!([]);
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    assert!(scene.secret("ci-s3").await.is_none());
    assert_eq!(scene.writes().await, [""; 0]);
}

#[tokio::test]
async fn an_observed_bucket_is_made_once_it_is_managed() {
    let scene = Scene::running().await;
    scene.apply("Bucket", "logs", observed_bucket()).await;
    scene
        .until("Bucket", "logs", "Ready", "False", "NotThere")
        .await;
    let spec = json!({"serviceRef": {"name": "media"}});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
}

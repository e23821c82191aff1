//! `deletionPolicy` and the ways in which a deletion is held and goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{Fault, eventually};
use crate::hands::{has_bucket, named};
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, user_spec};

fn bucket(policy: &str, empty_for: &str) -> Value {
    json!({"serviceRef": {"name": "media"}, "deletionPolicy": policy, "emptyFor": empty_for})
}

/// Bucket `logs` with one object in it, put there with the Secret of `ci`.
async fn filled(policy: &str, empty_for: &str) -> (Scene, S3) {
    let scene = Scene::issued().await;
    scene
        .apply("Bucket", "logs", bucket(policy, empty_for))
        .await;
    scene.ready("Bucket", "logs").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("logs", "one.txt", "1").await, 200);
    (scene, s3)
}

#[tokio::test]
async fn an_orphaned_user_leaves_a_live_key_in_a_secret_that_nobody_owns() {
    let scene = Scene::running().await;
    scene.policy().await;
    let mut spec = user_spec();
    spec["deletionPolicy"] = json!("Orphan");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let before = scene.secrets().get("ci-s3").await.unwrap();
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    let after = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(after.metadata.owner_references, None);
    assert_eq!(after.data, before.data);
    assert_eq!(after.metadata.labels, before.metadata.labels);
    let id = scene.secret("ci-s3").await.unwrap()["AWS_ACCESS_KEY_ID"].clone();
    assert_eq!(scene.live_keys("ci").await, [id]);
}

#[tokio::test]
async fn an_orphaned_bucket_stays_at_the_cloud() {
    let scene = Scene::running().await;
    scene.apply("Bucket", "logs", bucket("Orphan", "5m")).await;
    scene.ready("Bucket", "logs").await;
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
    scene.event("Bucket", "logs", "Released").await;
}

#[tokio::test]
async fn a_bucket_is_deleted_with_its_objects_only_by_the_word_delete() {
    let (scene, _) = filled("Delete", "5m").await;
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_bucket_with_objects_is_held_and_says_how_to_go_on() {
    let (scene, _) = filled("DeleteIfEmpty", "0s").await;
    scene.delete("Bucket", "logs").await;
    let told = scene
        .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
        .await;
    for words in ["1 objects", "deletionPolicy: Delete", "cooper.dev/abandon"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_held_bucket_goes_once_it_has_been_empty_long_enough() {
    let (scene, s3) = filled("DeleteIfEmpty", "5m").await;
    scene.delete("Bucket", "logs").await;
    scene
        .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
        .await;
    assert_eq!(s3.delete("logs", "one.txt").await, 204);
    scene.advance(Duration::from_secs(61)).await;
    let message = "the bucket is empty since";
    eventually(PATIENCE, message, async || {
        let told = scene
            .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
            .await;
        told.contains(message).then_some(()).ok_or(told)
    })
    .await;
    scene.advance(Duration::from_secs(301)).await;
    scene.gone("Bucket", "logs").await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_bucket_long_empty_goes_at_once() {
    let scene = Scene::running().await;
    scene
        .apply("Bucket", "logs", bucket("DeleteIfEmpty", "5m"))
        .await;
    scene.ready("Bucket", "logs").await;
    scene.advance(Duration::from_secs(400)).await;
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
}

#[tokio::test]
async fn a_service_with_something_foreign_in_it_is_held() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "theirs"}))
        .await;
    scene.delete("ObjectStorageService", "media").await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "DeletionHeld",
        )
        .await;
    assert!(told.contains("bucket theirs"), "{told}");
}

#[tokio::test]
async fn a_service_is_deleted_with_what_is_in_it_only_by_the_word_delete() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "theirs"}))
        .await;
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2", "deletionPolicy": "Delete"});
    scene.apply("ObjectStorageService", "media", spec).await;
    scene.delete("ObjectStorageService", "media").await;
    scene.gone("ObjectStorageService", "media").await;
    assert_eq!(scene.at_cloud().await, Value::Null);
}

#[tokio::test]
async fn a_service_that_is_deleted_while_it_is_being_made_goes_by_its_mark() {
    let scene = Scene::open().await;
    let slow = Fault::latency(Duration::from_secs(2)).on("POST", "object-storage-2");
    scene.cloud.fault(slow).await;
    scene.service().await;
    scene.claimed("ObjectStorageService", "media").await;
    // What the pass learns of it is lost: somebody else has written since.
    scene.delete("ObjectStorageService", "media").await;
    scene.gone("ObjectStorageService", "media").await;
    let cloud = scene.cloud.state().await;
    assert_eq!(cloud["accounts"]["demo"]["services"], json!([]));
    let writes = scene.writes().await;
    assert_eq!(writes.len(), 2, "made once, deleted once: {writes:?}");
}

#[tokio::test]
async fn a_service_that_is_deleted_first_names_the_child_it_waits_for() {
    let scene = Scene::running().await;
    scene
        .apply("Bucket", "logs", bucket("DeleteIfEmpty", "0s"))
        .await;
    scene.ready("Bucket", "logs").await;
    scene.delete("ObjectStorageService", "media").await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "DeletionHeld",
        )
        .await;
    assert!(told.contains("Bucket") && told.contains("logs"), "{told}");
    scene.delete("Bucket", "logs").await;
    scene.gone("ObjectStorageService", "media").await;
}

#[tokio::test]
async fn a_user_with_a_foreign_key_is_held_and_goes_with_the_word_exclusive() {
    let scene = Scene::issued().await;
    scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    scene.delete("IamUser", "ci").await;
    let told = scene
        .until("IamUser", "ci", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("spec.exclusive: true"), "{told}");
    scene
        .merge("IamUser", "ci", json!({"spec": {"exclusive": true}}))
        .await;
    scene.gone("IamUser", "ci").await;
    assert_eq!(
        named(&scene.at_cloud().await, "users", "ci"),
        Value::Null,
        "the user is gone"
    );
}

#[tokio::test]
async fn an_attached_policy_waits_for_its_user() {
    let scene = Scene::issued().await;
    scene.delete("IamPolicy", "logs-rw").await;
    let told = scene
        .until("IamPolicy", "logs-rw", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("IamUser") && told.contains("ci"), "{told}");
    scene.delete("IamUser", "ci").await;
    scene.gone("IamPolicy", "logs-rw").await;
}

#[tokio::test]
async fn the_annotation_abandon_ends_a_held_deletion_and_leaves_the_remote() {
    let (scene, _) = filled("DeleteIfEmpty", "0s").await;
    scene.delete("Bucket", "logs").await;
    scene
        .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
        .await;
    scene
        .annotate("Bucket", "logs", "cooper.dev/abandon", Some("true"))
        .await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
    let told = scene.event("Bucket", "logs", "Abandoned").await;
    assert!(told.contains("logs"), "{told}");
}

#[tokio::test]
async fn abandoning_a_user_at_a_dead_cloud_keeps_its_secret() {
    let scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.unwrap();
    scene.cloud.fault(Fault::status(500).times(0)).await;
    scene.delete("IamUser", "ci").await;
    scene
        .annotate("IamUser", "ci", "cooper.dev/abandon", Some("true"))
        .await;
    scene.gone("IamUser", "ci").await;
    let after = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(after.metadata.owner_references, None);
    assert_eq!(scene.secret("ci-s3").await.unwrap(), before);
}

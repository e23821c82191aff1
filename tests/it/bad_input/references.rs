//! Names that lead nowhere: of resources, and of a region.

use serde_json::json;

use super::{Neighbour, journal_end, says, warned, writes_since};
use crate::scene::{Scene, user_spec};

#[tokio::test]
async fn a_user_waits_for_a_policy_that_does_not_exist_and_goes_on_when_it_is_made() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let before = journal_end(&scene).await;
    scene.apply("IamUser", "ci", user_spec()).await;

    let message = scene
        .until("IamUser", "ci", "Resolved", "False", "ReferenceNotReady")
        .await;
    says(
        &message,
        &[
            "logs-rw does not exist",
            "create it or correct the reference",
        ],
    );
    scene
        .until("IamUser", "ci", "Ready", "False", "ReferenceNotReady")
        .await;
    says(
        &warned(&scene, "ci", "ReferenceNotReady").await,
        &["create it or correct the reference"],
    );
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);

    scene.policy().await;
    scene.ready("IamUser", "ci").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_bucket_waits_for_a_service_that_does_not_exist_and_goes_on_when_it_is_made() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "later"}}))
        .await;

    let message = scene
        .until("Bucket", "logs", "Resolved", "False", "ReferenceNotReady")
        .await;
    says(
        &message,
        &["later does not exist", "create it or correct the reference"],
    );

    scene
        .apply(
            "ObjectStorageService",
            "later",
            json!({"accountRef": {"name": "default"}, "region": "europe-1"}),
        )
        .await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn an_unknown_region_is_told_and_goes_without_a_trace() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let spec = |region| json!({"accountRef": {"name": "default"}, "region": region});
    scene
        .apply("ObjectStorageService", "far", spec("atlantis-1"))
        .await;
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "far"}}))
        .await;

    let message = scene
        .until("ObjectStorageService", "far", "Stalled", "True", "")
        .await;
    let help = [
        "atlantis-1",
        "delete this resource and make it anew with another",
    ];
    says(&message, &help);
    scene
        .until("ObjectStorageService", "far", "Ready", "False", "")
        .await;
    says(&warned(&scene, "far", "Refused").await, &help);
    scene
        .until("Bucket", "logs", "Resolved", "False", "ReferenceNotReady")
        .await;

    // The bucket names it all the while: nothing was ever made, so nothing holds the deletion.
    scene.delete("ObjectStorageService", "far").await;
    scene.gone("ObjectStorageService", "far").await;
    scene
        .apply("ObjectStorageService", "far", spec("europe-1"))
        .await;
    scene.ready("ObjectStorageService", "far").await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

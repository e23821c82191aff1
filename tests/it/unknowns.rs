//! Where nobody knows what UpCloud does, it must not matter.

use std::time::Duration;

use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::ground::{Fault, eventually};
use crate::hands::{SERVICES, named};
use crate::scene::{PATIENCE, Scene, document, user_spec};

/// A drift round and what it may be late.
const ROUND: Duration = Duration::from_secs(700);

const ALL: [(&str, &str); 6] = [
    ("Account", "default"),
    ("ObjectStorageService", "media"),
    ("IamPolicy", "logs-rw"),
    ("Bucket", "logs"),
    ("IamUser", "ci"),
    ("StaticWebsite", "site"),
];

/// Everything there is, changed once.
async fn everything(scene: &Scene) {
    scene.service().await;
    scene.user().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "logs"}});
    scene.apply("StaticWebsite", "site", site.clone()).await;
    for (kind, name) in &ALL[1..] {
        scene.ready(kind, name).await;
    }
    let policy = json!({"serviceRef": {"name": "media"}, "document": document("s3:Get*")});
    scene.apply("IamPolicy", "logs-rw", policy).await;
    let mut user = user_spec();
    user["policies"] =
        json!([{"policyRef": {"name": "logs-rw"}}, {"systemPolicy": "ECSS3FullAccess"}]);
    scene.apply("IamUser", "ci", user).await;
    for (kind, name) in &ALL[1..] {
        scene.ready(kind, name).await;
    }
}

/// Deletes everything in this order, without waiting in between, and waits until all is gone.
async fn all_go(scene: &Scene, order: &[usize]) {
    for at in order {
        scene.delete(ALL[*at].0, ALL[*at].1).await;
    }
    eventually(PATIENCE, "all is gone", async || {
        let mut left = Vec::new();
        for (kind, _) in ALL {
            let list = scene.api(kind).list(&ListParams::default()).await;
            let list = list.map_err(|error| error.to_string())?.items;
            left.extend(
                list.iter()
                    .map(|object| format!("{kind}: {}", object.data["status"]["conditions"])),
            );
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("\n"))
        }
    })
    .await;
    assert_eq!(scene.at_cloud().await, Value::Null);
}

async fn choose(scene: &Scene, choices: &[(&str, &str)]) {
    for (name, value) in choices {
        scene.cloud.choose(name, value).await;
    }
}

#[tokio::test]
async fn everything_goes_in_the_order_of_its_making() {
    let scene = Scene::open().await;
    everything(&scene).await;
    all_go(&scene, &[0, 1, 2, 3, 4, 5]).await;
}

#[tokio::test]
async fn everything_goes_in_an_order_that_nobody_would_choose() {
    let scene = Scene::open().await;
    everything(&scene).await;
    let how = DeleteParams::default();
    scene.secrets().delete("upcloud", &how).await.unwrap();
    all_go(&scene, &[2, 0, 4, 1, 3, 5]).await;
}

#[tokio::test]
async fn everything_comes_and_goes_where_refusals_are_of_the_other_kind() {
    let scene = Scene::open().await;
    let choices = [
        ("duplicate-status", "409"),
        ("missing-delete", "204"),
        ("auth-form", "legacy"),
        ("path-names", "strict"),
        ("second-delete", "404"),
        ("deleting-writes", "accept"),
        ("attach-twice", "400"),
    ];
    choose(&scene, &choices).await;
    everything(&scene).await;
    all_go(&scene, &[5, 4, 3, 2, 1, 0]).await;
}

#[tokio::test]
async fn everything_comes_and_goes_where_deletions_are_refused_for_what_hangs_on() {
    let scene = Scene::open().await;
    let choices = [
        ("user-with-attachments", "blocked"),
        ("policy-with-versions", "blocked"),
        ("deleted-buckets-block", "yes"),
        ("domain-with-website", "blocked"),
    ];
    choose(&scene, &choices).await;
    everything(&scene).await;
    all_go(&scene, &[5, 4, 3, 2, 1, 0]).await;
}

#[tokio::test]
async fn everything_comes_and_goes_where_answers_are_of_another_shape() {
    let scene = Scene::open().await;
    let choices = [
        ("labels-patch", "settled"),
        ("unchanged-patch", "settled"),
        ("sort-default", "created_at"),
        ("total-count", "omit"),
        ("secret-after-creation", "empty"),
        ("version-date", "create_date"),
        ("document-plus", "plus"),
        ("website-list", "array"),
        ("interval-m", "month"),
    ];
    choose(&scene, &choices).await;
    everything(&scene).await;
    all_go(&scene, &[5, 4, 3, 2, 1, 0]).await;
}

#[tokio::test]
async fn users_get_keys_where_answers_are_as_recorded_in_2025() {
    let scene = Scene::open().await;
    choose(&scene, &[("service-shape", "2025")]).await;
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await.len(), 1);
}

#[tokio::test]
async fn a_bucket_waits_for_its_name_to_be_purged() {
    let scene = Scene::running().await;
    let purge = Duration::from_mins(5);
    scene.cloud.pace(Duration::ZERO, purge).await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.theirs("DELETE", "/buckets/logs", Value::Null).await;
    let bucket = json!({"serviceRef": {"name": "media"}});
    scene.apply("Bucket", "logs", bucket).await;
    let told = scene
        .until("Bucket", "logs", "Ready", "False", "Removing")
        .await;
    assert!(told.contains("the name is free"), "{told}");
    scene.advance(purge + Duration::from_mins(1)).await;
    scene.ready("Bucket", "logs").await;
}

#[tokio::test]
async fn a_policy_that_somebody_else_attached_goes_once_it_is_detached() {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene
        .theirs("POST", "/users", json!({"username": "theirs"}))
        .await;
    let policy = json!({"name": "logs-rw"});
    scene.theirs("POST", "/users/theirs/policies", policy).await;
    scene.delete("IamPolicy", "logs-rw").await;
    let told = scene
        .until("IamPolicy", "logs-rw", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("attached to 1 users"), "{told}");
    scene
        .theirs("DELETE", "/users/theirs/policies/logs-rw", Value::Null)
        .await;
    scene.advance(Duration::from_secs(61)).await;
    scene.gone("IamPolicy", "logs-rw").await;
}

#[tokio::test]
async fn a_protected_service_says_why_it_does_not_stop() {
    let scene = Scene::running().await;
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2", "terminationProtection": true});
    scene
        .apply("ObjectStorageService", "media", spec.clone())
        .await;
    scene.ready("ObjectStorageService", "media").await;
    let mut stopped = spec;
    stopped["state"] = json!("Stopped");
    scene.apply("ObjectStorageService", "media", stopped).await;
    let told = scene
        .until("ObjectStorageService", "media", "Synced", "False", "")
        .await;
    assert!(told.contains("terminationProtection"), "{told}");
}

#[tokio::test]
async fn a_service_in_another_region_is_not_adopted() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    let spec =
        json!({"accountRef": {"name": "default"}, "region": "europe-1", "adoption": "IfExists"});
    scene.apply("ObjectStorageService", "media", spec).await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "ImmutableField",
        )
        .await;
    assert!(
        told.contains("region: the service is in europe-2"),
        "{told}"
    );
    assert_eq!(scene.writes().await, [""; 0]);
}

async fn service_goes(scene: &Scene) {
    let path = format!("{SERVICES}/{}?force=true", scene.service_id().await);
    let done = scene
        .cloud
        .foreign("demo", "DELETE", &path, Value::Null)
        .await;
    assert!(done.status < 300, "{done:?}");
    scene
        .cloud_until("the service is gone", Value::is_null)
        .await;
}

#[tokio::test]
async fn an_observed_service_that_somebody_made_anew_is_found_by_its_name() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.account().await;
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2", "managementPolicy": "Observe"});
    scene.apply("ObjectStorageService", "media", spec).await;
    scene.ready("ObjectStorageService", "media").await;
    service_goes(&scene).await;
    scene.advance(ROUND).await;
    scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "NotThere",
        )
        .await;
    scene.their_service("media").await;
    scene.advance(ROUND).await;
    scene.ready("ObjectStorageService", "media").await;
    let status = scene.status("ObjectStorageService", "media").await;
    assert_eq!(status["atProvider"]["id"], scene.service_id().await);
}

#[tokio::test]
async fn a_service_made_anew_without_an_answer_is_made_once() {
    let scene = Scene::running().await;
    service_goes(&scene).await;
    scene.advance(ROUND).await;
    scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "RemoteLost",
        )
        .await;
    let fault = Fault::lost().on("POST", &format!("{SERVICES}$"));
    scene.cloud.fault(fault).await;
    scene
        .annotate(
            "ObjectStorageService",
            "media",
            "cooper.dev/recreate",
            Some("true"),
        )
        .await;
    scene.ready("ObjectStorageService", "media").await;
    let state = scene.cloud.state().await;
    let services = state["accounts"]["demo"]["services"].as_array().unwrap();
    assert_eq!(services.len(), 1);
}

#[tokio::test]
async fn a_user_follows_a_service_made_anew_when_asked() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    service_goes(&scene).await;
    scene.advance(ROUND).await;
    let recreate = "cooper.dev/recreate";
    scene
        .annotate("ObjectStorageService", "media", recreate, Some("true"))
        .await;
    for (kind, name) in [("IamPolicy", "logs-rw"), ("IamUser", "ci")] {
        scene
            .until(kind, name, "Resolved", "False", "PlaceChanged")
            .await;
        scene.annotate(kind, name, recreate, Some("true")).await;
    }
    scene.ready("IamUser", "ci").await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    let user = named(&scene.at_cloud().await, "users", "ci");
    assert_eq!(user["attached"], json!(["logs-rw"]));
}

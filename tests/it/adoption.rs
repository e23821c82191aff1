//! `adoption`: what exists at the cloud is taken over only when asked, and left behind by default.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::hands::{has_bucket, named};
use crate::scene::{Scene, document, user_spec};

async fn their_policy(scene: &Scene, name: &str, document: &Value) {
    let text = document.to_string();
    let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    let body = json!({"name": name, "document": encoded});
    scene.theirs("POST", "/policies", body).await;
}

fn bucket(adoption: &str) -> Value {
    json!({"serviceRef": {"name": "media"}, "adoption": adoption, "emptyFor": "0s"})
}

#[tokio::test]
async fn an_existing_bucket_is_taken_over_when_asked() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.apply("Bucket", "logs", bucket("IfExists")).await;
    scene.ready("Bucket", "logs").await;
    assert_eq!(scene.status("Bucket", "logs").await["origin"], "Adopted");
}

#[tokio::test]
async fn an_adopted_bucket_stays_when_its_resource_is_deleted() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.apply("Bucket", "logs", bucket("IfExists")).await;
    scene.ready("Bucket", "logs").await;
    let policy = scene.status("Bucket", "logs").await["deletionPolicy"].clone();
    assert_eq!(policy, "Orphan", "the policy in effect is shown");
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn an_existing_bucket_is_left_alone_when_adoption_is_not_asked_for() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.cloud.forget().await;
    scene.apply("Bucket", "logs", bucket("None")).await;
    let told = scene
        .until("Bucket", "logs", "Ready", "False", "NameTaken")
        .await;
    assert!(told.contains("adoption: IfExists"), "{told}");
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
    assert_eq!(scene.writes().await, ["POST /buckets"; 0]);
}

#[tokio::test]
async fn adoption_granted_later_is_acted_on_at_once() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene.apply("Bucket", "logs", bucket("None")).await;
    scene
        .until("Bucket", "logs", "Ready", "False", "NameTaken")
        .await;
    scene.apply("Bucket", "logs", bucket("IfExists")).await;
    scene.ready("Bucket", "logs").await;
}

#[tokio::test]
async fn an_adopted_user_gets_a_key_beside_the_ones_it_has() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    let theirs = scene.live_keys("ci").await;
    scene.policy().await;
    let mut spec = user_spec();
    spec["adoption"] = json!("IfExists");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let live = scene.live_keys("ci").await;
    let ours = scene.secret("ci-s3").await.unwrap()["AWS_ACCESS_KEY_ID"].clone();
    assert_eq!(live.len(), 2, "{live:?}");
    assert!(
        live.contains(&theirs[0]) && live.contains(&ours),
        "{live:?}"
    );
}

#[tokio::test]
async fn an_adopted_user_and_its_secret_stay_when_its_resource_is_deleted() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    scene.policy().await;
    let mut spec = user_spec();
    spec["adoption"] = json!("IfExists");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    let left = scene.secret("ci-s3").await.expect("the Secret stays");
    assert_eq!(
        scene.live_keys("ci").await,
        [left["AWS_ACCESS_KEY_ID"].clone()]
    );
}

#[tokio::test]
async fn a_user_that_somebody_else_made_gets_neither_policies_nor_a_key() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    scene.user().await;
    scene
        .until("IamUser", "ci", "Ready", "False", "NameTaken")
        .await;
    let user = named(&scene.at_cloud().await, "users", "ci");
    assert_eq!((&user["attached"], &user["keys"]), (&json!([]), &json!([])));
    assert!(scene.secret("ci-s3").await.is_none());
}

#[tokio::test]
async fn an_adopted_policy_is_made_to_say_what_the_spec_says() {
    let scene = Scene::running().await;
    their_policy(&scene, "logs-rw", &document("s3:GetObject")).await;
    let spec = json!({"serviceRef": {"name": "media"}, "adoption": "IfExists", "document": document("s3:*")});
    scene.apply("IamPolicy", "logs-rw", spec).await;
    scene.ready("IamPolicy", "logs-rw").await;
    let policy = named(&scene.at_cloud().await, "policies", "logs-rw");
    assert_eq!(policy["default"], "v2");
    scene.delete("IamPolicy", "logs-rw").await;
    scene.gone("IamPolicy", "logs-rw").await;
    let policy = named(&scene.at_cloud().await, "policies", "logs-rw");
    assert_eq!(policy["default"], "v2", "it stays as it is");
}

#[tokio::test]
async fn an_existing_service_is_taken_over_only_when_asked() {
    let scene = Scene::open().await;
    scene.their_service("media").await;
    scene.service().await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "NameTaken",
        )
        .await;
    assert!(told.contains("adoption: IfExists"), "{told}");
    let spec =
        json!({"accountRef": {"name": "default"}, "region": "europe-2", "adoption": "IfExists"});
    scene.apply("ObjectStorageService", "media", spec).await;
    scene.ready("ObjectStorageService", "media").await;
    let origin = scene.status("ObjectStorageService", "media").await["origin"].clone();
    assert_eq!(origin, "Adopted");
}

//! IamUser: attachments and the life of its key.

use std::time::Duration;

use k8s_openapi::ByteString;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::ground::eventually;
use crate::hands::named;
use crate::scene::{PATIENCE, Scene, user_spec};

/// A look at the Secret and what it may be late.
const CHECK: Duration = Duration::from_secs(67);

async fn attached(scene: &Scene) -> Value {
    named(&scene.at_cloud().await, "users", "ci")["attached"].clone()
}

async fn with_policies(scene: &Scene, policies: Value, exclusive: bool) {
    let mut spec = user_spec();
    spec["policies"] = policies;
    spec["exclusive"] = json!(exclusive);
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
}

#[tokio::test]
async fn policies_are_attached_by_reference_and_by_the_name_of_the_system() {
    let scene = Scene::issued().await;
    let both = json!([{"policyRef": {"name": "logs-rw"}}, {"systemPolicy": "ECSS3ReadOnlyAccess"}]);
    with_policies(&scene, both, false).await;
    assert_eq!(
        attached(&scene).await,
        json!(["ECSS3ReadOnlyAccess", "logs-rw"])
    );
}

#[tokio::test]
async fn policies_taken_from_the_spec_are_detached() {
    let scene = Scene::issued().await;
    with_policies(
        &scene,
        json!([{"systemPolicy": "ECSS3ReadOnlyAccess"}]),
        false,
    )
    .await;
    assert_eq!(attached(&scene).await, json!(["ECSS3ReadOnlyAccess"]));
}

#[tokio::test]
async fn what_somebody_else_attached_stays_and_is_shown() {
    let scene = Scene::issued().await;
    let theirs = json!({"name": "ECSS3FullAccess"});
    scene.theirs("POST", "/users/ci/policies", theirs).await;
    scene.round().await;
    with_policies(&scene, json!([]), false).await;
    assert_eq!(attached(&scene).await, json!(["ECSS3FullAccess"]));
    let status = scene.status("IamUser", "ci").await;
    assert_eq!(
        status["atProvider"]["foreignPolicies"],
        json!(["ECSS3FullAccess"])
    );
}

#[tokio::test]
async fn an_exclusive_user_has_only_what_the_spec_says() {
    let scene = Scene::issued().await;
    with_policies(&scene, json!([{"policyRef": {"name": "logs-rw"}}]), true).await;
    let theirs = json!({"name": "ECSS3FullAccess"});
    scene.theirs("POST", "/users/ci/policies", theirs).await;
    scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    scene.round().await;
    scene
        .cloud_until("only ours is left", |cloud| {
            let user = named(cloud, "users", "ci");
            user["attached"] == json!(["logs-rw"]) && user["keys"].as_array().unwrap().len() == 1
        })
        .await;
}

#[tokio::test]
async fn a_detached_policy_is_attached_again() {
    let scene = Scene::issued().await;
    scene
        .theirs("DELETE", "/users/ci/policies/logs-rw", Value::Null)
        .await;
    scene.round().await;
    scene
        .cloud_until("it is attached", |cloud| {
            named(cloud, "users", "ci")["attached"] == json!(["logs-rw"])
        })
        .await;
}

#[tokio::test]
async fn without_access_key_the_key_is_revoked_and_the_secret_gone() {
    let scene = Scene::issued().await;
    let mut spec = user_spec();
    spec.as_object_mut().unwrap().remove("accessKey");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    assert!(scene.secret("ci-s3").await.is_none());
    assert_eq!(scene.live_keys("ci").await, [""; 0]);
}

#[tokio::test]
async fn an_access_key_put_back_is_a_new_one() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let mut spec = user_spec();
    spec.as_object_mut().unwrap().remove("accessKey");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let mut spec = user_spec();
    spec["accessKey"]["secretName"] = json!("another");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    scene.new_key("ci", "another", &[&old[0]]).await;
    assert!(scene.secret("ci-s3").await.is_none());
}

#[tokio::test]
async fn a_deleted_secret_is_made_again_with_a_new_key() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    scene.advance(CHECK).await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
}

#[tokio::test]
async fn a_key_whose_secret_was_deleted_lives_on_for_a_day() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    scene.advance(CHECK).await;
    let new = scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    scene.ready("IamUser", "ci").await;
    assert!(scene.live_keys("ci").await.contains(&old[0]));
    // Switched off after the overlap, deleted after a while without complaints.
    for _ in 0..2 {
        scene.advance(Duration::from_hours(25)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    scene
        .cloud_until("only the new key is left", |cloud| {
            let keys = named(cloud, "users", "ci")["keys"].clone();
            keys.as_array().is_some_and(|keys| keys.len() == 1) && keys[0]["id"] == new.as_str()
        })
        .await;
}

#[tokio::test]
async fn an_edited_secret_is_healed_with_a_new_key() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let edit = json!({"data": {"AWS_SECRET_ACCESS_KEY": ByteString(b"guessed".to_vec())}});
    let how = PatchParams::default();
    scene
        .secrets()
        .patch("ci-s3", &how, &Patch::Merge(&edit))
        .await
        .unwrap();
    scene.advance(CHECK).await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    let secret = scene.secret("ci-s3").await.unwrap();
    assert_ne!(secret["AWS_SECRET_ACCESS_KEY"], "guessed");
}

#[tokio::test]
async fn a_key_deleted_at_the_cloud_is_replaced() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let path = format!("/users/ci/access-keys/{}", old[0]);
    scene.theirs("DELETE", &path, Value::Null).await;
    scene.round().await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
}

#[tokio::test]
async fn a_key_switched_off_by_somebody_else_is_switched_on_again() {
    let scene = Scene::issued().await;
    let key = scene.live_keys("ci").await;
    let path = format!("/users/ci/access-keys/{}", key[0]);
    scene
        .theirs("PATCH", &path, json!({"status": "Inactive"}))
        .await;
    scene.round().await;
    eventually(PATIENCE, "the key is live", async || {
        let live = scene.live_keys("ci").await;
        if live == key {
            Ok(())
        } else {
            Err(format!("{live:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_waits_for_the_policy_it_names_and_goes_on_when_it_comes() {
    let scene = Scene::running().await;
    scene.apply("IamUser", "ci", user_spec()).await;
    let told = scene
        .until("IamUser", "ci", "Resolved", "False", "ReferenceNotReady")
        .await;
    assert!(told.contains("logs-rw"), "{told}");
    scene.policy().await;
    scene.ready("IamUser", "ci").await;
}

#[tokio::test]
async fn an_unused_recreate_does_no_harm() {
    let scene = Scene::issued().await;
    let key = scene.live_keys("ci").await;
    scene
        .annotate("IamUser", "ci", "cooper.dev/recreate", Some("true"))
        .await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await, key);
}

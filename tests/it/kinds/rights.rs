//! IamUser: inline policies, boundary and tags, at the cloud and over S3.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::eventually;
use crate::hands::named;
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, document, user_spec};

/// After this, what no list shows has been read again.
const DAY: Duration = Duration::from_hours(25);

/// User `ci` with its key and what else is said; the bucket `logs`.
async fn with_user(more: Value) -> Scene {
    let scene = Scene::running().await;
    scene.policy().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    say(&scene, more).await;
    scene
}

async fn say(scene: &Scene, more: Value) {
    let mut spec = json!({"serviceRef": {"name": "media"}, "accessKey": {"secretName": "ci-s3"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
}

async fn ci(scene: &Scene) -> Value {
    named(&scene.at_cloud().await, "users", "ci")
}

async fn s3(scene: &Scene) -> S3 {
    S3::of(&scene.secret("ci-s3").await.unwrap())
}

/// Writes in their order, names of inline policies without what tells their content.
async fn writes(scene: &Scene) -> Vec<String> {
    let shown = |write: &String| match write.split_once("/inline-policies/") {
        Some((before, name)) => {
            let key = name.rsplit_once('-').map_or(name, |(key, _)| key);
            format!("{before}/inline-policies/{key}")
        }
        None => write.clone(),
    };
    scene.writes().await.iter().map(shown).collect()
}

#[tokio::test]
async fn a_user_may_do_what_its_inline_policy_allows_as_that_changes() {
    let scene = with_user(json!({"inlinePolicies": {"mine": document("s3:PutObject")}})).await;
    let s3 = s3(&scene).await;
    assert_eq!(s3.put("logs", "day/1", "x").await, 200);
    assert_eq!(s3.delete("logs", "day/1").await, 403);
    say(
        &scene,
        json!({"inlinePolicies": {"mine": document("s3:DeleteObject")}}),
    )
    .await;
    assert_eq!(s3.put("logs", "day/1", "x").await, 403);
    assert_eq!(s3.delete("logs", "day/1").await, 204);
}

#[tokio::test]
async fn a_boundary_limits_what_policies_allow() {
    let boundary = json!({
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "permissionsBoundary": {"systemPolicy": "ECSS3ReadOnlyAccess"},
    });
    let scene = with_user(boundary).await;
    let s3 = s3(&scene).await;
    assert_eq!(s3.put("logs", "day/1", "x").await, 403);
    say(
        &scene,
        json!({"policies": [{"policyRef": {"name": "logs-rw"}}]}),
    )
    .await;
    assert_eq!(s3.put("logs", "day/1", "x").await, 200);
    assert_eq!(ci(&scene).await["boundary"], Value::Null);
}

#[tokio::test]
async fn a_change_of_everything_narrows_before_it_widens() {
    let before = json!({
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"gone": document("s3:A"), "kept": document("s3:A")},
    });
    let scene = with_user(before).await;
    scene.cloud.forget().await;
    let after = json!({
        "policies": [{"systemPolicy": "ECSS3ReadOnlyAccess"}],
        "inlinePolicies": {"fresh": document("s3:A"), "kept": document("s3:B")},
        "permissionsBoundary": {"policyRef": {"name": "logs-rw"}},
        "tags": {"env": "prod"},
    });
    say(&scene, after).await;
    assert_eq!(
        writes(&scene).await,
        [
            "PUT /users/ci/permissions-boundary",
            "DELETE /users/ci/policies/logs-rw",
            "DELETE /users/ci/inline-policies/gone",
            "POST /users/ci/inline-policies",
            "POST /users/ci/inline-policies",
            "DELETE /users/ci/inline-policies/kept",
            "POST /users/ci/policies",
            "PUT /users/ci/tags",
        ]
    );
    scene.cloud.forget().await;
    say(
        &scene,
        json!({"policies": [{"systemPolicy": "ECSS3FullAccess"}]}),
    )
    .await;
    let writes = writes(&scene).await;
    let (first, last) = (writes.first().unwrap(), writes.last().unwrap());
    assert_eq!(first, "DELETE /users/ci/policies/ECSS3ReadOnlyAccess");
    assert_eq!(last, "DELETE /users/ci/permissions-boundary");
}

#[tokio::test]
async fn a_boundary_that_somebody_else_removes_is_put_back_in_a_round() {
    let scene = with_user(json!({"permissionsBoundary": {"policyRef": {"name": "logs-rw"}}})).await;
    scene
        .theirs("DELETE", "/users/ci/permissions-boundary", Value::Null)
        .await;
    scene.round().await;
    scene
        .cloud_until("it is bounded", |cloud| {
            named(cloud, "users", "ci")["boundary"] == "logs-rw"
        })
        .await;
}

#[tokio::test]
async fn where_boundaries_do_not_show_one_is_set_again_once_and_then_daily() {
    let scene = with_user(json!({"permissionsBoundary": {"policyRef": {"name": "logs-rw"}}})).await;
    scene.cloud.choose("service-shape", "2025").await;
    let set = ["PUT /users/ci/permissions-boundary"];
    scene.cloud.forget().await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    scene
        .until("IamUser", "ci", "Synced", "True", "InSync")
        .await;
    eventually(PATIENCE, "it is found hidden", async || {
        let status = scene.status("IamUser", "ci").await;
        let hidden = status["atProvider"]["boundaryHidden"] == json!(true);
        hidden.then_some(()).ok_or_else(|| status.to_string())
    })
    .await;
    assert_eq!(scene.writes().await, set);
    scene.cloud.forget().await;
    for _ in 0..2 {
        scene.round().await;
    }
    assert_eq!(scene.writes().await, [""; 0]);
    scene
        .theirs("DELETE", "/users/ci/permissions-boundary", Value::Null)
        .await;
    scene.advance(DAY).await;
    scene
        .cloud_until("it is bounded", |cloud| {
            named(cloud, "users", "ci")["boundary"] == "logs-rw"
        })
        .await;
}

#[tokio::test]
async fn tags_of_others_stay_and_ours_are_kept() {
    let scene = with_user(json!({"tags": {"env": "prod", "team": "media"}})).await;
    let all = json!([{"key": "env", "value": "test"}, {"key": "theirs", "value": "1"}]);
    scene.theirs("PUT", "/users/ci/tags", all).await;
    scene.advance(DAY).await;
    let both = json!([
        {"key": "env", "value": "prod"}, {"key": "team", "value": "media"}, {"key": "theirs", "value": "1"}
    ]);
    scene
        .cloud_until("ours are back beside theirs", |cloud| {
            named(cloud, "users", "ci")["tags"] == both
        })
        .await;
    say(&scene, json!({"tags": {"team": "media"}})).await;
    assert_eq!(
        ci(&scene).await["tags"],
        json!([{"key": "team", "value": "media"}, {"key": "theirs", "value": "1"}])
    );
}

#[tokio::test]
async fn an_inline_policy_that_somebody_else_deletes_is_back_within_a_day() {
    let scene = with_user(json!({"inlinePolicies": {"mine": document("s3:PutObject")}})).await;
    let before = ci(&scene).await["inline"].clone();
    let name = before.as_object().unwrap().keys().next().unwrap();
    assert!(name.starts_with("mine-"), "{name}");
    let path = format!("/users/ci/inline-policies/{name}");
    scene.theirs("DELETE", &path, Value::Null).await;
    let theirs = json!({"name": "by-hand", "document": document("s3:GetObject").to_string()});
    scene
        .theirs("POST", "/users/ci/inline-policies", theirs)
        .await;
    scene.advance(DAY).await;
    let now = scene
        .cloud_until("it is back", |cloud| {
            !named(cloud, "users", "ci")["inline"][name].is_null()
        })
        .await;
    assert!(!named(&now, "users", "ci")["inline"]["by-hand"].is_null());
    scene.delete("IamUser", "ci").await;
    let told = scene
        .until("IamUser", "ci", "Synced", "False", "DeletionHeld")
        .await;
    assert!(told.contains("by-hand (inline)"), "{told}");
}

#[tokio::test]
async fn a_cloud_that_deletes_only_what_is_bare_is_obeyed() {
    let mut more = user_spec();
    more["inlinePolicies"] = json!({"mine": document("s3:PutObject")});
    let scene = with_user(more).await;
    scene.cloud.choose("user-with-attachments", "blocked").await;
    scene.cloud.choose("inline-repeat", "400").await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    assert_eq!(ci(&scene).await, Value::Null);
}

//! `IamGroup`: what it gives its members, and what nobody can see of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hands::named;
use crate::s3::S3;
use crate::scene::{Scene, document};

/// After this, what no list shows has been read again.
const DAY: Duration = Duration::from_hours(25);

fn group_spec() -> Value {
    json!({
        "serviceRef": {"name": "media"},
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"list": document("s3:ListAllMyBuckets")},
    })
}

fn member_spec(groups: &[&str]) -> Value {
    let groups: Vec<_> = groups.iter().map(|name| json!({"name": name})).collect();
    json!({"serviceRef": {"name": "media"}, "groups": groups, "accessKey": {"secretName": "ci-s3"}})
}

/// Group `ops` with policy `logs-rw`, and user `ci`, who has nothing but the group.
async fn with_member() -> Scene {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.apply("IamGroup", "ops", group_spec()).await;
    scene.apply("IamUser", "ci", member_spec(&["ops"])).await;
    scene.ready("IamGroup", "ops").await;
    scene.ready("IamUser", "ci").await;
    scene
}

async fn ops(scene: &Scene) -> Value {
    named(&scene.at_cloud().await, "groups", "ops")
}

/// Somebody else takes away what a group that is in use does not hold up.
async fn loosely(scene: &Scene) {
    scene.cloud.choose("group-in-use", "delete").await;
}

#[tokio::test]
async fn a_user_may_do_what_its_group_allows_until_it_leaves() {
    let scene = with_member().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("logs", "day/1", "x").await, 200);
    scene.apply("IamUser", "ci", member_spec(&[])).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(s3.put("logs", "day/2", "x").await, 403);
    assert_eq!(ops(&scene).await["members"], json!([]));
}

#[tokio::test]
async fn members_are_noted_in_the_status_of_the_user() {
    let scene = with_member().await;
    let status = scene.status("IamUser", "ci").await;
    assert_eq!(status["atProvider"]["groups"][0]["name"], "ops");
    assert_eq!(ops(&scene).await["members"], json!(["ci"]));
}

#[tokio::test]
async fn what_somebody_else_took_from_a_group_is_put_back_within_a_day() {
    let scene = with_member().await;
    scene
        .theirs("DELETE", "/groups/ops/policies/logs-rw", Value::Null)
        .await;
    scene
        .theirs("DELETE", "/groups/ops/users/ci", Value::Null)
        .await;
    scene.advance(DAY).await;
    scene
        .cloud_until("policy and member are back", |cloud| {
            let ops = named(cloud, "groups", "ops");
            ops["attached"] == json!(["logs-rw"]) && ops["members"] == json!(["ci"])
        })
        .await;
}

#[tokio::test]
async fn a_group_that_was_made_anew_gets_its_members_back_at_once() {
    let scene = with_member().await;
    loosely(&scene).await;
    // Made anew in the same second, it would look like the same.
    scene.advance(Duration::from_secs(5)).await;
    scene.theirs("DELETE", "/groups/ops", Value::Null).await;
    scene.round().await;
    scene
        .cloud_until("it is back with policy and member", |cloud| {
            let ops = named(cloud, "groups", "ops");
            ops["attached"] == json!(["logs-rw"]) && ops["members"] == json!(["ci"])
        })
        .await;
}

#[tokio::test]
async fn what_is_taken_from_the_spec_is_taken_from_the_group() {
    let scene = with_member().await;
    let spec = json!({"serviceRef": {"name": "media"}, "policies": [{"systemPolicy": "ECSS3ReadOnlyAccess"}]});
    scene.apply("IamGroup", "ops", spec).await;
    scene.ready("IamGroup", "ops").await;
    let ops = ops(&scene).await;
    assert_eq!(ops["attached"], json!(["ECSS3ReadOnlyAccess"]));
    assert_eq!(ops["inline"], json!({}));
}

#[tokio::test]
async fn an_adopted_group_keeps_what_others_gave_it() {
    let scene = Scene::running().await;
    scene.policy().await;
    scene
        .theirs("POST", "/groups", json!({"name": "ops"}))
        .await;
    let theirs = json!({"name": "ECSS3FullAccess"});
    scene.theirs("POST", "/groups/ops/policies", theirs).await;
    let mut spec = group_spec();
    scene.apply("IamGroup", "ops", spec.clone()).await;
    scene
        .until("IamGroup", "ops", "Ready", "False", "NameTaken")
        .await;
    spec["adoption"] = json!("IfExists");
    scene.apply("IamGroup", "ops", spec).await;
    scene.ready("IamGroup", "ops").await;
    let attached = ops(&scene).await["attached"].clone();
    assert_eq!(attached, json!(["ECSS3FullAccess", "logs-rw"]));
    let status = scene.status("IamGroup", "ops").await;
    assert_eq!(
        status["atProvider"]["foreignPolicies"],
        json!(["ECSS3FullAccess"])
    );
}

#[tokio::test]
async fn group_and_member_go_in_either_order() {
    for order in [["IamGroup", "IamUser"], ["IamUser", "IamGroup"]] {
        let scene = with_member().await;
        let name = |kind: &str| if kind == "IamUser" { "ci" } else { "ops" };
        for kind in order {
            scene.delete(kind, name(kind)).await;
        }
        for kind in order {
            scene.gone(kind, name(kind)).await;
        }
        let cloud = scene.at_cloud().await;
        assert_eq!(
            (&cloud["users"], &cloud["groups"]),
            (&json!([]), &json!([]))
        );
    }
}

#[tokio::test]
async fn members_that_others_put_there_hold_a_deletion_until_it_is_forced() {
    let scene = with_member().await;
    scene
        .theirs("POST", "/users", json!({"username": "theirs"}))
        .await;
    scene
        .theirs("POST", "/groups/ops/users/theirs", Value::Null)
        .await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    scene.delete("IamGroup", "ops").await;
    let told = scene
        .until("IamGroup", "ops", "Synced", "False", "DeletionHeld")
        .await;
    assert!(
        told.contains("users that cooper did not put there"),
        "{told}"
    );
    let force = json!({"spec": {"deletionPolicy": "Delete"}});
    scene.merge("IamGroup", "ops", force).await;
    scene.gone("IamGroup", "ops").await;
    assert_eq!(ops(&scene).await, Value::Null);
}

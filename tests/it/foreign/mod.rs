//! What somebody else made is left as it is: before our first step, between any two of them, and when two clusters have one account.
//!
//! The emulator's journal tells what was asked of what is theirs: nothing but to show it.

mod between;
mod clusters;

use serde_json::{Value, json};

use crate::ground::Entry;
use crate::hands::{has_bucket, named};
use crate::scene::{Scene, document, user_spec};

/// Requests of ours that asked for a change of something at a path in which this is found.
async fn touched(scene: &Scene, path: &str) -> Vec<String> {
    let journal = scene.cloud.journal(0).await;
    let ours = |entry: &&Entry| entry.is_write() && !entry.foreign && entry.path.contains(path);
    let told = |entry: &Entry| format!("{} {} {:?}", entry.method, entry.path, entry.status);
    journal.iter().filter(ours).map(told).collect()
}

fn encoded(document: &Value) -> String {
    percent_encoding::utf8_percent_encode(&document.to_string(), percent_encoding::NON_ALPHANUMERIC)
        .to_string()
}

/// A kind that lives in a service, its list at the cloud, the name there, what somebody else sends to make one, and what ours says.
fn twins() -> Vec<(&'static str, &'static str, &'static str, Value, Value)> {
    let service = json!({"name": "media"});
    let document = document("s3:*");
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "sts:AssumeRole"}]});
    vec![
        (
            "Bucket",
            "buckets",
            "logs",
            json!({"name": "logs"}),
            json!({"serviceRef": service, "emptyFor": "0s"}),
        ),
        (
            "IamUser",
            "users",
            "ci",
            json!({"username": "ci"}),
            json!({"serviceRef": service, "accessKey": {"secretName": "ci-s3"}}),
        ),
        (
            "IamPolicy",
            "policies",
            "logs-rw",
            json!({"name": "logs-rw", "document": encoded(&document)}),
            json!({"serviceRef": service, "document": document}),
        ),
        (
            "IamGroup",
            "groups",
            "ops",
            json!({"name": "ops"}),
            json!({"serviceRef": service}),
        ),
        (
            "IamRole",
            "roles",
            "runner",
            json!({"name": "runner", "assume_role_policy_document": trust.to_string()}),
            json!({"serviceRef": service, "trust": {"document": trust}}),
        ),
        (
            "CustomDomain",
            "custom-domains",
            "files.example.org",
            json!({"domain_name": "files.example.org", "type": "public"}),
            json!({"serviceRef": service, "domainName": "files.example.org"}),
        ),
        // They are one if they are on one domain, here that of the service.
        (
            "StaticWebsite",
            "static-websites",
            "",
            json!({"bucket_name": THEIR_BUCKET}),
            json!({"serviceRef": service, "bucketRef": {"name": OUR_BUCKET}}),
        ),
    ]
}

/// Buckets for two websites on one domain.
const THEIR_BUCKET: &str = "theirs";
const OUR_BUCKET: &str = "ours";

/// The service `media`, usable, and what twins need in it.
async fn with_buckets() -> Scene {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": THEIR_BUCKET}))
        .await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", OUR_BUCKET, spec).await;
    scene.ready("Bucket", OUR_BUCKET).await;
    scene
}

/// What stands in a list of the service.
fn listed(cloud: &Value, list: &str) -> Value {
    let field = match list {
        "custom-domains" => "custom_domains",
        "static-websites" => "websites",
        other => other,
    };
    assert!(cloud.get(field).is_some(), "{field}: {cloud}");
    cloud[field].clone()
}

/// What our resource is called.
fn resource_name<'a>(kind: &str, name: &'a str) -> &'a str {
    match kind {
        "CustomDomain" => "files",
        "StaticWebsite" => "site",
        _ => name,
    }
}

#[tokio::test]
async fn what_exists_under_the_wanted_name_is_neither_changed_nor_deleted_with_the_resource() {
    let scene = with_buckets().await;
    for (_, list, _, theirs, _) in twins() {
        scene.theirs("POST", &format!("/{list}"), theirs).await;
    }
    // Lists from before are too old to be believed by then; to create what they do not show is refused, and nothing worse.
    scene.round().await;
    scene.round().await;
    scene.cloud.forget().await;
    let before = scene.at_cloud().await;
    for policy in [None, Some("Delete")] {
        for (kind, _, name, _, mut spec) in twins() {
            if let Some(policy) = policy {
                spec["deletionPolicy"] = policy.into();
            }
            scene.apply(kind, resource_name(kind, name), spec).await;
        }
        for (kind, _, name, _, _) in twins() {
            let name = resource_name(kind, name);
            let told = scene.until(kind, name, "Ready", "False", "NameTaken").await;
            assert!(told.contains("adoption: IfExists"), "{kind}: {told}");
            scene.delete(kind, name).await;
            scene.gone(kind, name).await;
        }
    }
    assert_eq!(scene.at_cloud().await, before);
    assert_eq!(scene.writes().await, [""; 0]);
    assert!(scene.secret("ci-s3").await.is_none());
}

#[tokio::test]
async fn what_is_deleted_and_made_anew_by_somebody_else_between_two_looks_is_theirs_where_it_can_be_told()
 {
    let scene = Scene::issued().await;
    let key = scene.live_keys("ci").await;
    scene
        .theirs("DELETE", "/users/ci?force=true", Value::Null)
        .await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    let theirs = scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    let id = theirs["access_key_id"].as_str().unwrap().to_owned();
    scene.cloud.forget().await;
    scene.round().await;
    // Ours is gone with the old user: the Secret is healed by a key of our own, and theirs is left alone.
    let new = scene.new_key("ci", "ci-s3", &[&key[0], &id]).await;
    assert!(scene.live_keys("ci").await.contains(&id));
    assert_ne!(new, id);
    assert_eq!(touched(&scene, &id).await, [""; 0]);
}

#[tokio::test]
async fn foreign_keys_and_attachments_outlive_every_change_of_ours() {
    let scene = Scene::issued().await;
    let theirs = scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    let id = theirs["access_key_id"].as_str().unwrap().to_owned();
    let attach = json!({"name": "ECSS3FullAccess"});
    scene.theirs("POST", "/users/ci/policies", attach).await;
    scene.cloud.forget().await;
    let mut spec = user_spec();
    for policies in [json!([]), json!([{"policyRef": {"name": "logs-rw"}}])] {
        spec["policies"] = policies;
        scene.apply("IamUser", "ci", spec.clone()).await;
        scene.ready("IamUser", "ci").await;
        scene.round().await;
    }
    scene
        .annotate("IamUser", "ci", "cooper.dev/rotate", Some("now"))
        .await;
    scene.round().await;
    spec["deletionPolicy"] = json!("Orphan");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    assert!(scene.live_keys("ci").await.contains(&id));
    let user = named(&scene.at_cloud().await, "users", "ci");
    let attached = user["attached"].as_array().unwrap();
    assert!(attached.contains(&json!("ECSS3FullAccess")), "{user}");
    for path in [id.as_str(), "ECSS3FullAccess"] {
        assert_eq!(touched(&scene, path).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_foreign_bucket_beside_ours_is_never_asked_for_anything() {
    let scene = Scene::running().await;
    scene
        .theirs("POST", "/buckets", json!({"name": "theirs"}))
        .await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "theirs"));
    assert_eq!(touched(&scene, "/theirs").await, [""; 0]);
}

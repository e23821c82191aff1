//! IamPolicy: one meaning in force, whatever the versions.

use serde_json::{Value, json};

use crate::hands::named;
use crate::scene::{Scene, document};

async fn with_policy() -> Scene {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene
}

async fn say(scene: &Scene, document: Value, keep: i32) {
    let spec = json!({"serviceRef": {"name": "media"}, "document": document, "keepVersions": keep});
    scene.apply("IamPolicy", "logs-rw", spec).await;
    scene.ready("IamPolicy", "logs-rw").await;
}

/// Version in force, and all versions.
async fn versions(scene: &Scene) -> (String, Vec<String>) {
    let policy = named(&scene.at_cloud().await, "policies", "logs-rw");
    let mut all: Vec<_> = policy["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["id"].as_str().unwrap().to_owned())
        .collect();
    all.sort();
    (policy["default"].as_str().unwrap().to_owned(), all)
}

fn text(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn another_document_becomes_a_new_version_in_force() {
    let scene = with_policy().await;
    say(&scene, document("s3:GetObject"), 2).await;
    assert_eq!(
        versions(&scene).await,
        ("v2".to_owned(), text(&["v1", "v2"]))
    );
    let policy = named(&scene.at_cloud().await, "policies", "logs-rw");
    let in_force = policy["versions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|version| version["id"] == "v2")
        .unwrap()
        .clone();
    assert_eq!(in_force["document"], document("s3:GetObject"));
}

#[tokio::test]
async fn old_versions_are_pruned_to_the_number_to_keep() {
    let scene = with_policy().await;
    say(&scene, document("s3:GetObject"), 2).await;
    say(&scene, document("s3:PutObject"), 2).await;
    assert_eq!(
        versions(&scene).await,
        ("v3".to_owned(), text(&["v2", "v3"]))
    );
}

#[tokio::test]
async fn a_smaller_number_to_keep_takes_effect_at_once() {
    let scene = with_policy().await;
    for action in ["s3:A", "s3:B"] {
        say(&scene, document(action), 5).await;
    }
    say(&scene, document("s3:B"), 1).await;
    assert_eq!(versions(&scene).await, ("v3".to_owned(), text(&["v3"])));
}

#[tokio::test]
async fn a_sixth_version_finds_room() {
    let scene = with_policy().await;
    for action in ["s3:A", "s3:B", "s3:C", "s3:D", "s3:E"] {
        say(&scene, document(action), 5).await;
    }
    let (in_force, all) = versions(&scene).await;
    assert_eq!((in_force.as_str(), all.len()), ("v6", 5));
}

#[tokio::test]
async fn going_back_puts_the_old_version_in_force_again() {
    let scene = with_policy().await;
    say(&scene, document("s3:GetObject"), 2).await;
    say(&scene, document("s3:*"), 2).await;
    assert_eq!(
        versions(&scene).await,
        ("v1".to_owned(), text(&["v1", "v2"]))
    );
}

#[tokio::test]
async fn the_same_meaning_in_other_words_changes_nothing() {
    let scene = with_policy().await;
    scene.cloud.forget().await;
    let other = json!({"Statement": {"Resource": "*", "Action": "s3:*", "Effect": "Allow"}, "Version": "2012-10-17"});
    say(&scene, other, 2).await;
    assert_eq!(scene.writes().await, [""; 0]);
}

#[tokio::test]
async fn another_version_put_in_force_by_somebody_else_is_put_right() {
    let scene = with_policy().await;
    say(&scene, document("s3:GetObject"), 2).await;
    let back = json!({"version_id": "v1"});
    scene.theirs("PATCH", "/policies/logs-rw", back).await;
    scene.round().await;
    scene
        .cloud_until("v2 is in force", |cloud| {
            named(cloud, "policies", "logs-rw")["default"] == "v2"
        })
        .await;
}

#[tokio::test]
async fn an_invalid_document_is_refused_before_the_cloud_is_asked() {
    let scene = Scene::running().await;
    scene.cloud.forget().await;
    let wrong = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps", "Action": "s3:*", "Resource": "*"}]});
    let spec = json!({"serviceRef": {"name": "media"}, "document": wrong});
    scene.apply("IamPolicy", "logs-rw", spec).await;
    let told = scene
        .until("IamPolicy", "logs-rw", "Ready", "False", "InvalidSpec")
        .await;
    assert!(told.contains("spec.document"), "{told}");
    assert_eq!(scene.writes().await, [""; 0]);
}

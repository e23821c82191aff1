//! A key that is good for nothing says so, and why.

use serde_json::{Value, json};

use crate::ground::eventually;
use crate::scene::{PATIENCE, Scene, document, user_spec};

/// A policy of that name with one statement.
async fn policy(scene: &Scene, name: &str, effect: &str, action: &str) {
    let statement = json!({"Effect": effect, "Action": [action], "Resource": ["*"]});
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    let spec = json!({"serviceRef": {"name": "media"}, "document": document});
    scene.apply("IamPolicy", name, spec).await;
}

fn with(policies: Value) -> Value {
    let mut spec = user_spec();
    spec["policies"] = policies;
    spec
}

async fn says_nothing(scene: &Scene) {
    eventually(PATIENCE, "the condition is gone", async || {
        let status = scene.status("IamUser", "ci").await;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|it| it["type"] == "Effective");
        match found {
            None => Ok(()),
            Some(found) => Err(found.to_string()),
        }
    })
    .await;
}

async fn says(scene: &Scene, reason: &str) -> String {
    scene
        .until("IamUser", "ci", "Effective", "False", reason)
        .await
}

#[tokio::test]
async fn a_key_without_a_policy_says_so_and_stays_ready() {
    let scene = Scene::running().await;
    scene.apply("IamUser", "ci", with(json!([]))).await;
    let told = says(&scene, "NoPolicy").await;
    assert!(told.contains("spec.policies"), "{told}");
    scene.ready("IamUser", "ci").await;
    let all = json!([{"systemPolicy": "ECSS3ReadOnlyAccess"}]);
    scene.apply("IamUser", "ci", with(all)).await;
    scene.ready("IamUser", "ci").await;
    says_nothing(&scene).await;
}

#[tokio::test]
async fn a_user_without_a_key_says_nothing() {
    let scene = Scene::running().await;
    let spec = json!({"serviceRef": {"name": "media"}});
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    says_nothing(&scene).await;
}

#[tokio::test]
async fn a_deny_that_covers_everything_is_named_until_its_document_changes() {
    let scene = Scene::running().await;
    policy(&scene, "readers", "Allow", "s3:Get*").await;
    policy(&scene, "freeze", "Deny", "s3:*").await;
    let both = json!([{"policyRef": {"name": "readers"}}, {"policyRef": {"name": "freeze"}}]);
    scene.apply("IamUser", "ci", with(both)).await;
    let told = says(&scene, "ExplicitDeny").await;
    assert!(
        told.contains("readers") && told.contains("freeze"),
        "{told}"
    );
    policy(&scene, "freeze", "Deny", "s3:Delete*").await;
    says_nothing(&scene).await;
}

#[tokio::test]
async fn what_somebody_else_attached_may_grant() {
    let scene = Scene::running().await;
    scene.apply("IamUser", "ci", with(json!([]))).await;
    says(&scene, "NoPolicy").await;
    let theirs = json!({"name": "theirs", "document": document("s3:*").to_string()});
    scene.theirs("POST", "/policies", theirs).await;
    let attach = json!({"name": "theirs"});
    scene.theirs("POST", "/users/ci/policies", attach).await;
    scene.round().await;
    says_nothing(&scene).await;
}

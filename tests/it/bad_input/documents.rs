//! Specs that the API server takes and that cannot work all the same.

use serde_json::json;

use super::{Neighbour, condition, journal_end, says, warned, writes_since};
use crate::scene::{Scene, document, user_spec};

#[tokio::test]
async fn an_invalid_policy_document_is_refused_before_any_request_and_heals_by_an_edit() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let before = journal_end(&scene).await;
    let mut wrong = document("s3:*");
    wrong["Statement"][0]["Effect"] = json!("Permit");
    let spec = |document| json!({"serviceRef": {"name": "media"}, "document": document});
    scene.apply("IamPolicy", "logs-rw", spec(wrong)).await;
    scene.apply("IamUser", "ci", user_spec()).await;

    let message = scene
        .until("IamPolicy", "logs-rw", "Stalled", "True", "InvalidSpec")
        .await;
    says(&message, &["spec.document", "Effect", "Allow"]);
    says(
        &warned(&scene, "logs-rw", "InvalidSpec").await,
        &["spec.document", "Effect"],
    );
    scene
        .until("IamUser", "ci", "Ready", "False", "ReferenceNotReady")
        .await;
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);

    scene
        .apply("IamPolicy", "logs-rw", spec(document("s3:*")))
        .await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene.ready("IamUser", "ci").await;
    let stalled = condition(&scene, "IamPolicy", "logs-rw", "Stalled").await;
    assert_eq!(stalled, json!(null));
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn an_invalid_edit_of_a_policy_leaves_the_version_in_force() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.user().await;
    let user = Neighbour::of(&scene, "IamUser", "ci").await;
    let policy = Neighbour::of(&scene, "IamPolicy", "logs-rw").await;
    let before = super::row(&scene, "policies", "logs-rw").await;

    let mut wrong = document("s3:*");
    wrong["Statement"] = json!([]);
    let spec = |document| json!({"serviceRef": {"name": "media"}, "document": document});
    scene.apply("IamPolicy", "logs-rw", spec(wrong)).await;
    scene
        .until("IamPolicy", "logs-rw", "Synced", "False", "InvalidSpec")
        .await;
    assert_eq!(super::row(&scene, "policies", "logs-rw").await, before);

    scene
        .apply("IamPolicy", "logs-rw", spec(document("s3:GetObject")))
        .await;
    scene.ready("IamPolicy", "logs-rw").await;
    let after = super::row(&scene, "policies", "logs-rw").await;
    assert_ne!(after["default"], before["default"]);
    for kept in [user, policy] {
        kept.was_ready_throughout(&scene).await;
    }
}

#[tokio::test]
async fn an_unknown_placeholder_is_refused_before_a_key_is_made() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    let before = journal_end(&scene).await;
    let spec = |text: &str| {
        let mut spec = user_spec();
        spec["accessKey"]["template"] = json!({"rclone.conf": text});
        spec
    };
    scene
        .apply("IamUser", "ci", spec("key = {{ accesKeyId }}"))
        .await;

    let message = scene
        .until("IamUser", "ci", "Stalled", "True", "InvalidSpec")
        .await;
    let help = [
        "spec.accessKey.template: entry rclone.conf",
        "{{ accesKeyId }} is no placeholder",
        "accessKeyId",
    ];
    says(&message, &help);
    says(&warned(&scene, "ci", "InvalidSpec").await, &help);
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);
    assert!(scene.secret("ci-s3").await.is_none());

    scene
        .apply("IamUser", "ci", spec("key = {{ accessKeyId }}"))
        .await;
    scene.ready("IamUser", "ci").await;
    let secret = scene.secret("ci-s3").await.unwrap();
    assert_eq!(
        secret["rclone.conf"],
        format!("key = {}", secret["AWS_ACCESS_KEY_ID"])
    );

    // Wrong again later: what works stays as it is.
    let user = Neighbour::of(&scene, "IamUser", "ci").await;
    scene.apply("IamUser", "ci", spec("{{ secret }}")).await;
    scene
        .until("IamUser", "ci", "Synced", "False", "InvalidSpec")
        .await;
    assert_eq!(scene.secret("ci-s3").await.unwrap(), secret);
    user.was_ready_throughout(&scene).await;
    neighbour.was_ready_throughout(&scene).await;
}

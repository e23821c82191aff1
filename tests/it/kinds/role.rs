//! `IamRole`: whom it trusts, what it may do, seen in one list.

use serde_json::{Value, json};

use crate::hands::named;
use crate::scene::{Scene, document};

fn role_spec() -> Value {
    json!({
        "serviceRef": {"name": "media"},
        "trust": {"userRefs": [{"name": "ci"}]},
        "description": "CI uploads",
        "maxSessionSeconds": 7200,
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"put-only": document("s3:PutObject")},
        "permissionsBoundary": {"systemPolicy": "ECSS3FullAccess"},
        "tags": {"env": "prod"},
    })
}

/// User `ci` and role `uploader`, which trusts it.
async fn with_role() -> Scene {
    let scene = Scene::issued().await;
    scene.cloud.forget().await;
    scene.apply("IamRole", "uploader", role_spec()).await;
    scene.ready("IamRole", "uploader").await;
    scene
}

async fn uploader(scene: &Scene) -> Value {
    named(&scene.at_cloud().await, "roles", "uploader")
}

#[tokio::test]
async fn a_role_is_made_whole_by_one_request_and_then_given_its_policies() {
    let scene = with_role().await;
    assert_eq!(
        scene.writes().await,
        [
            "POST /roles",
            "POST /roles/uploader/inline-policies",
            "POST /roles/uploader/policies"
        ]
    );
    let role = uploader(&scene).await;
    let arn = scene.status("IamUser", "ci").await["atProvider"]["arn"].clone();
    assert_eq!(
        role["trust"]["Statement"][0]["Principal"]["AWS"],
        json!([arn])
    );
    assert_eq!(role["boundary"], "ECSS3FullAccess");
    assert_eq!(role["max_session_seconds"], 7200);
    let uid = scene.get("IamRole", "uploader").await.metadata.uid;
    let mark = json!({"key": "cooper-uid", "value": uid});
    assert_eq!(role["tags"][0], mark);
    assert_eq!(role["tags"][1]["key"], "env");
}

#[tokio::test]
async fn whatever_somebody_else_changed_is_put_right_in_a_round() {
    let scene = with_role().await;
    let before = uploader(&scene).await;
    let everybody = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    ]});
    let trust = json!({"document": everybody.to_string()});
    scene
        .theirs("PUT", "/roles/uploader/assume-role-policy", trust)
        .await;
    let modify = json!({"description": "mine", "max_session_duration": 3600});
    scene.theirs("PATCH", "/roles/uploader", modify).await;
    let inline = before["inline"].as_object().unwrap().keys().next().unwrap();
    for below in [
        "policies/logs-rw".to_owned(),
        "permissions-boundary".to_owned(),
        "tags/env".to_owned(),
        format!("inline-policies/{inline}"),
    ] {
        let path = format!("/roles/uploader/{below}");
        scene.theirs("DELETE", &path, Value::Null).await;
    }
    scene.round().await;
    scene
        .cloud_until("it is as before", |cloud| {
            named(cloud, "roles", "uploader") == before
        })
        .await;
}

#[tokio::test]
async fn a_change_of_everything_narrows_first_and_unbounds_last() {
    let scene = with_role().await;
    scene.cloud.forget().await;
    let spec = json!({
        "serviceRef": {"name": "media"},
        "trust": {"document": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]}},
        "description": "nobody",
        "policies": [{"systemPolicy": "ECSS3ReadOnlyAccess"}],
        "inlinePolicies": {"put-only": document("s3:GetObject")},
        "tags": {"env": "prod"},
    });
    scene.apply("IamRole", "uploader", spec).await;
    scene.ready("IamRole", "uploader").await;
    let writes = scene.writes().await;
    let shown: Vec<_> = writes
        .iter()
        .map(|write| match write.split_once("/put-only-") {
            Some((before, _)) => format!("{before}/put-only"),
            None => write.clone(),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "DELETE /roles/uploader/policies/logs-rw",
            "PUT /roles/uploader/assume-role-policy",
            "PATCH /roles/uploader",
            "POST /roles/uploader/inline-policies",
            "DELETE /roles/uploader/inline-policies/put-only",
            "POST /roles/uploader/policies",
            "DELETE /roles/uploader/permissions-boundary",
        ]
    );
}

#[tokio::test]
async fn what_others_attached_to_a_role_stays_and_holds_its_deletion() {
    let scene = with_role().await;
    let theirs = json!({"name": "ECSS3FullAccess"});
    scene
        .theirs("POST", "/roles/uploader/policies", theirs)
        .await;
    scene.round().await;
    scene.delete("IamRole", "uploader").await;
    let told = scene
        .until("IamRole", "uploader", "Synced", "False", "DeletionHeld")
        .await;
    assert!(told.contains("ECSS3FullAccess"), "{told}");
    let role = uploader(&scene).await;
    assert_eq!(role["attached"], json!(["ECSS3FullAccess", "logs-rw"]));
    let force = json!({"spec": {"exclusive": true}});
    scene.merge("IamRole", "uploader", force).await;
    scene.gone("IamRole", "uploader").await;
}

#[tokio::test]
async fn a_role_and_whom_it_trusts_go_in_either_order() {
    for order in [["IamRole", "IamUser"], ["IamUser", "IamRole"]] {
        let scene = with_role().await;
        let name = |kind: &str| if kind == "IamUser" { "ci" } else { "uploader" };
        for kind in order {
            scene.delete(kind, name(kind)).await;
        }
        for kind in order {
            scene.gone(kind, name(kind)).await;
        }
        let cloud = scene.at_cloud().await;
        assert_eq!((&cloud["users"], &cloud["roles"]), (&json!([]), &json!([])));
    }
}

#[tokio::test]
async fn a_role_waits_for_whom_it_trusts() {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene.apply("IamRole", "uploader", role_spec()).await;
    let told = scene
        .until(
            "IamRole",
            "uploader",
            "Resolved",
            "False",
            "ReferenceNotReady",
        )
        .await;
    assert!(told.contains("ci"), "{told}");
    scene.user().await;
    scene.ready("IamRole", "uploader").await;
}

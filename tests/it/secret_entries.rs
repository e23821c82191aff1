//! What a workload finds in its Secret.

use serde_json::{Value, json};

use crate::ground::eventually;
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, user_spec};

fn with_key(more: Value) -> Value {
    let mut spec = user_spec();
    if let (Value::Object(key), Value::Object(more)) = (&mut spec["accessKey"], more) {
        key.extend(more);
    }
    spec
}

async fn with_buckets(buckets: &[&str]) -> Scene {
    let scene = Scene::running().await;
    for bucket in buckets {
        let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
        scene.apply("Bucket", bucket, spec).await;
    }
    scene.policy().await;
    let refs: Vec<_> = buckets.iter().map(|name| json!({"name": name})).collect();
    let spec = with_key(json!({"bucketRefs": refs}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    scene
}

#[tokio::test]
async fn the_entries_are_those_that_clients_read_from_the_environment() {
    let scene = with_buckets(&["logs"]).await;
    let secret = scene.secret("ci-s3").await.unwrap();
    let names: Vec<_> = secret.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "BUCKET_NAME",
            "config",
            "credentials"
        ]
    );
    assert_eq!(secret["BUCKET_NAME"], "logs");
}

#[tokio::test]
async fn the_files_are_those_that_awscli_reads() {
    let scene = Scene::issued().await;
    let secret = scene.secret("ci-s3").await.unwrap();
    let (id, key) = (
        &secret["AWS_ACCESS_KEY_ID"],
        &secret["AWS_SECRET_ACCESS_KEY"],
    );
    assert_eq!(
        secret["credentials"],
        format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {key}\n")
    );
    let endpoint = &scene.cloud.s3;
    assert_eq!(
        secret["config"],
        format!(
            "[default]\nregion = europe-2\nendpoint_url = {endpoint}\ns3 =\n    addressing_style = path\n"
        )
    );
}

#[tokio::test]
async fn with_two_buckets_none_is_the_bucket() {
    let scene = with_buckets(&["logs", "site"]).await;
    let secret = scene.secret("ci-s3").await.unwrap();
    assert!(!secret.contains_key("BUCKET_NAME"), "{:?}", secret.keys());
}

#[tokio::test]
async fn an_s3_client_works_with_nothing_but_the_secret() {
    let scene = with_buckets(&["logs"]).await;
    let secret = scene.secret("ci-s3").await.unwrap();
    let status = S3::of(&secret)
        .put(&secret["BUCKET_NAME"], "a.txt", "a")
        .await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_template_is_filled() {
    let scene = Scene::running().await;
    scene.policy().await;
    let template =
        json!({"rclone.conf": "{{ username }}:{{accessKeyId}}@{{ region }} {{ endpoint }}"});
    let spec = with_key(json!({"template": template}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let secret = scene.secret("ci-s3").await.unwrap();
    let id = &secret["AWS_ACCESS_KEY_ID"];
    assert_eq!(
        secret["rclone.conf"],
        format!("ci:{id}@europe-2 {}", scene.cloud.s3)
    );
}

#[tokio::test]
async fn another_template_is_filled_without_another_key() {
    let scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.unwrap();
    let spec = with_key(json!({"template": {"who": "{{ username }}"}}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let mut after = scene.secret("ci-s3").await.unwrap();
    assert_eq!(after.remove("who").as_deref(), Some("ci"));
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_entry_taken_from_the_template_goes_from_the_secret() {
    let scene = Scene::running().await;
    scene.policy().await;
    let spec = with_key(json!({"template": {"who": "{{ username }}"}}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene.ready("IamUser", "ci").await;
    let secret = scene.secret("ci-s3").await.unwrap();
    assert!(!secret.contains_key("who"), "{:?}", secret.keys());
}

#[tokio::test]
async fn a_template_with_an_unknown_placeholder_makes_no_key() {
    let scene = Scene::running().await;
    scene.policy().await;
    let spec = with_key(json!({"template": {"who": "{{ password }}"}}));
    scene.apply("IamUser", "ci", spec).await;
    let told = scene
        .until("IamUser", "ci", "Ready", "False", "InvalidSpec")
        .await;
    assert!(told.contains("{{ password }}"), "{told}");
    assert_eq!(scene.live_keys("ci").await, [""; 0]);
}

#[tokio::test]
async fn labels_and_annotations_of_the_spec_land_on_the_secret() {
    let scene = Scene::running().await;
    scene.policy().await;
    let spec =
        with_key(json!({"labels": {"team": "media"}, "annotations": {"example.org/why": "ci"}}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let secret = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["team"], "media");
    assert_eq!(
        secret.metadata.annotations.unwrap()["example.org/why"],
        "ci"
    );
}

#[tokio::test]
async fn a_label_added_later_lands_on_the_secret_without_another_key() {
    let scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.unwrap();
    let spec = with_key(json!({"labels": {"team": "media"}}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let secret = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["team"], "media");
    assert_eq!(scene.secret("ci-s3").await.unwrap(), before);
}

#[tokio::test]
async fn another_address_of_the_storage_reaches_the_secret_without_another_key() {
    let scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.unwrap();
    let mut spec = scene.account_spec();
    spec["dataPlane"]["hostOverride"] = json!("localhost");
    scene.apply("Account", "default", spec).await;
    eventually(PATIENCE, "the address is the new one", async || {
        let now = scene.secret("ci-s3").await.unwrap();
        let address = &now["AWS_ENDPOINT_URL"];
        if address.starts_with("http://localhost:")
            && now["AWS_ACCESS_KEY_ID"] == before["AWS_ACCESS_KEY_ID"]
        {
            Ok(())
        } else {
            Err(address.clone())
        }
    })
    .await;
}

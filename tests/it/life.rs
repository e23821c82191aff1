//! The main story: everything becomes Ready, works, and goes again without a trace.

use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn a_user_with_a_policy_gets_a_live_key_and_everything_goes_again() {
    let mut scene = Scene::open().await;
    scene.service().await;
    scene
        .apply(
            "Bucket",
            "logs",
            json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"}),
        )
        .await;
    scene.user().await;
    scene.ready("ObjectStorageService", "media").await;
    scene.ready("Bucket", "logs").await;
    scene.ready("IamUser", "ci").await;

    let secret = scene.secret("ci-s3").await.expect("a Secret");
    let cloud = scene.at_cloud().await;
    let keys = cloud["users"][0]["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1, "one key: {cloud}");
    assert_eq!(keys[0]["id"], secret["AWS_ACCESS_KEY_ID"].as_str());
    assert_eq!(secret["AWS_REGION"], "europe-2");
    assert_eq!(secret["AWS_ENDPOINT_URL_S3"], scene.cloud.s3);

    for (kind, name) in [
        ("IamUser", "ci"),
        ("IamPolicy", "logs-rw"),
        ("Bucket", "logs"),
        ("ObjectStorageService", "media"),
        ("Account", "default"),
    ] {
        scene.delete(kind, name).await;
    }
    for (kind, name) in [
        ("IamUser", "ci"),
        ("IamPolicy", "logs-rw"),
        ("Bucket", "logs"),
        ("ObjectStorageService", "media"),
        ("Account", "default"),
    ] {
        scene.gone(kind, name).await;
    }
    assert_eq!(
        scene.at_cloud().await,
        serde_json::Value::Null,
        "nothing is left at the cloud"
    );
    let left = scene.secrets().get_opt("ci-s3").await.unwrap();
    assert!(left.is_none(), "the Secret goes with its user");
    let credentials = scene.secrets().get("upcloud").await.unwrap();
    assert_eq!(
        credentials.metadata.finalizers, None,
        "the credentials are given back"
    );
    // Asked to stop while idle, it does at once and without an error.
    scene.stop().await;
}

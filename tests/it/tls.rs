//! An account whose API has a certificate of a CA that nobody knows.

use serde_json::json;

use crate::ground::TlsFront;
use crate::scene::{Scene, TOKEN};

#[tokio::test]
async fn an_account_trusts_the_ca_in_its_bundle_and_no_other() {
    let scene = Scene::open().await;
    let (front, other) = (
        TlsFront::of(&scene.cloud.api).await,
        TlsFront::of(&scene.cloud.api).await,
    );
    scene.credentials(TOKEN).await;
    let mut spec = scene.account_spec();
    spec["endpoint"] = json!(front.url);
    spec["caBundle"] = json!(other.ca);
    scene.apply("Account", "default", spec.clone()).await;
    scene
        .until("Account", "default", "Ready", "False", "CloudUnavailable")
        .await;

    spec["caBundle"] = json!(format!("{}{}", other.ca, front.ca));
    scene.apply("Account", "default", spec).await;
    scene.ready("Account", "default").await;
    let service = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
    scene.apply("ObjectStorageService", "media", service).await;
    scene.ready("ObjectStorageService", "media").await;
}

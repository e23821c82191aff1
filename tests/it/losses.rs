//! What happens to resources whose remotes, namespaces, credentials or CRDs are taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cooper::wire::{Open, Side, Verdict, Wire};
use http::{Method, Uri};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

use crate::ground::{Ground, Need, eventually};
use crate::hands::{SERVICES, has_bucket, named};
use crate::scene::{PATIENCE, Scene, document};

const PAUSED: &str = "cooper.dev/paused";

fn bucket() -> Value {
    json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"})
}

async fn lose_the_service(scene: &Scene) {
    let path = format!("{SERVICES}/{}?force=true", scene.service_id().await);
    let done = scene
        .cloud
        .foreign("demo", "DELETE", &path, Value::Null)
        .await;
    assert!(done.status < 300, "{done:?}");
    scene
        .cloud_until("the service is gone", Value::is_null)
        .await;
    scene.round().await;
}

#[tokio::test]
async fn a_lost_service_is_reported_and_not_made_anew() {
    let scene = Scene::running().await;
    lose_the_service(&scene).await;
    let told = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "RemoteLost",
        )
        .await;
    assert!(told.contains("cooper.dev/recreate"), "{told}");
    assert_eq!(scene.at_cloud().await, Value::Null);
}

#[tokio::test]
async fn a_lost_service_is_made_anew_when_asked() {
    let scene = Scene::running().await;
    lose_the_service(&scene).await;
    scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "RemoteLost",
        )
        .await;
    scene
        .annotate(
            "ObjectStorageService",
            "media",
            "cooper.dev/recreate",
            Some("true"),
        )
        .await;
    scene.ready("ObjectStorageService", "media").await;
    assert_eq!(scene.at_cloud().await["name"], "media");
}

#[tokio::test]
async fn what_was_in_a_lost_service_is_not_ready() {
    let scene = Scene::issued().await;
    scene.apply("Bucket", "logs", bucket()).await;
    scene.ready("Bucket", "logs").await;
    lose_the_service(&scene).await;
    for (kind, name) in [
        ("Bucket", "logs"),
        ("IamPolicy", "logs-rw"),
        ("IamUser", "ci"),
    ] {
        let told = scene
            .until(kind, name, "Ready", "False", "RemoteLost")
            .await;
        assert!(told.contains("service media is gone"), "{told}");
    }
}

#[tokio::test]
async fn everything_in_a_lost_service_can_be_deleted() {
    let scene = Scene::issued().await;
    scene.apply("Bucket", "logs", bucket()).await;
    scene.ready("Bucket", "logs").await;
    lose_the_service(&scene).await;
    let all = [
        ("IamUser", "ci"),
        ("Bucket", "logs"),
        ("IamPolicy", "logs-rw"),
        ("ObjectStorageService", "media"),
        ("Account", "default"),
    ];
    for (kind, name) in all {
        scene.delete(kind, name).await;
    }
    for (kind, name) in all {
        scene.gone(kind, name).await;
    }
}

#[tokio::test]
async fn a_lost_bucket_is_reported_and_not_made_anew() {
    let scene = Scene::running().await;
    scene.apply("Bucket", "logs", bucket()).await;
    scene.ready("Bucket", "logs").await;
    scene.theirs("DELETE", "/buckets/logs", Value::Null).await;
    scene.round().await;
    scene.until("Bucket", "logs", "Ready", "False", "").await;
    scene.round().await;
    scene
        .until("Bucket", "logs", "Ready", "False", "RemoteLost")
        .await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_lost_user_is_made_anew_and_its_secret_healed() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    scene.theirs("DELETE", "/users/ci", Value::Null).await;
    scene.round().await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    let user = named(&scene.at_cloud().await, "users", "ci");
    assert_eq!(user["attached"], json!(["logs-rw"]));
    scene.ready("IamUser", "ci").await;
}

#[tokio::test]
async fn a_lost_policy_is_made_anew() {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene
        .theirs("DELETE", "/policies/logs-rw", Value::Null)
        .await;
    scene.round().await;
    scene
        .cloud_until("the policy is there", |cloud| {
            !named(cloud, "policies", "logs-rw").is_null()
        })
        .await;
}

#[tokio::test]
async fn what_another_made_anew_in_our_name_is_seen_before_it_is_made_twice() {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    // Another operator on the same resource, as this one sees it: the claim stands, and the list it remembers is from before.
    pause(&scene, Some("true")).await;
    scene
        .theirs("DELETE", "/policies/logs-rw", Value::Null)
        .await;
    let spec = json!({"serviceRef": {"name": "media"}, "document": document("s3:GetObject")});
    scene.apply("IamPolicy", "other", spec).await;
    scene.ready("IamPolicy", "other").await;
    scene.round().await;
    let document = document("s3:*").to_string();
    let theirs = json!({"name": "logs-rw", "document": document});
    scene.theirs("POST", "/policies", theirs).await;
    pause(&scene, None).await;
    scene
        .until("IamPolicy", "logs-rw", "Synced", "True", "InSync")
        .await;
    assert_eq!(
        scene.status("IamPolicy", "logs-rw").await["origin"],
        "Created"
    );
}

async fn pause(scene: &Scene, value: Option<&str>) {
    scene.annotate("IamPolicy", "logs-rw", PAUSED, value).await;
    if value.is_some() {
        scene
            .until("IamPolicy", "logs-rw", "Synced", "False", "Paused")
            .await;
    }
}

/// No status of a resource is written any more; counts the tries.
#[derive(Default)]
struct Untold {
    is_on: AtomicBool,
    tries: AtomicUsize,
}

impl Wire for Untold {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let is_it = side == Side::Kube && *method == Method::PUT && uri.path().ends_with("/status");
        if is_it && self.is_on.load(Ordering::SeqCst) {
            self.tries.fetch_add(1, Ordering::SeqCst);
            return Verdict::Before;
        }
        Verdict::Pass
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_tried_again_ever_more_rarely() {
    let mut scene = Scene::without_operator().await;
    let wire = Arc::new(Untold::default());
    scene.start(Arc::clone(&wire) as Arc<_>).await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    wire.is_on.store(true, Ordering::SeqCst);
    scene
        .annotate("ObjectStorageService", "media", PAUSED, Some("true"))
        .await;
    let tries = || wire.tries.load(Ordering::SeqCst);
    eventually(PATIENCE, "the first try", async || {
        (tries() > 0).then_some(()).ok_or_else(String::new)
    })
    .await;
    for _ in 0..60 {
        scene.advance(Duration::from_secs(2)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((4..=12).contains(&tries()), "{} tries in 120 s", tries());
}

async fn everything(scene: &Scene) {
    scene.service().await;
    scene.user().await;
    scene.apply("Bucket", "logs", bucket()).await;
    let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "logs"}});
    scene.apply("StaticWebsite", "site", site).await;
    scene.ready("IamUser", "ci").await;
    scene.ready("StaticWebsite", "site").await;
}

async fn namespace_goes(scene: &Scene) {
    let namespaces: Api<Namespace> = Api::all(scene.ground.admin());
    namespaces
        .delete(&scene.namespace, &DeleteParams::default())
        .await
        .unwrap();
    eventually(PATIENCE, "the namespace is gone", async || {
        let left = namespaces.get_opt(&scene.namespace).await;
        match left.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(namespace) => Err(format!("{:?}", namespace.status)),
        }
    })
    .await;
}

#[tokio::test]
async fn deleting_the_namespace_ends_and_leaves_nothing_at_the_cloud() {
    let scene = Scene::open().await;
    if scene.ground.lacks(&[Need::Controllers]) {
        return;
    }
    everything(&scene).await;
    namespace_goes(&scene).await;
    assert_eq!(scene.at_cloud().await, Value::Null);
}

#[tokio::test]
async fn deleting_the_credentials_first_does_not_hinder_the_rest() {
    let scene = Scene::open().await;
    if scene.ground.lacks(&[Need::Controllers]) {
        return;
    }
    everything(&scene).await;
    let how = DeleteParams::default();
    scene.secrets().delete("upcloud", &how).await.unwrap();
    namespace_goes(&scene).await;
    assert_eq!(scene.at_cloud().await, Value::Null);
}

#[tokio::test]
async fn removing_the_crds_leaves_remotes_and_keys_at_the_cloud() {
    if Ground::get().await.lacks(&[Need::Own]) {
        return;
    }
    // It lives as long as the process, as the shared one does.
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    let scene = Scene::on(ground).await;
    everything(&scene).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(ground.admin());
    let ours = definitions.list(&ListParams::default()).await.unwrap();
    let ours = ours.items.into_iter().filter_map(|crd| crd.metadata.name);
    let ours: Vec<_> = ours.filter(|name| name.ends_with(".cooper.dev")).collect();
    assert!(ours.len() >= 6, "{ours:?}");
    for name in &ours {
        let how = DeleteParams::default();
        definitions.delete(name, &how).await.unwrap();
    }
    eventually(PATIENCE, "the CRDs are gone", async || {
        let left = definitions.list(&ListParams::default()).await;
        let left = left.map_err(|error| error.to_string())?.items;
        let left: Vec<_> = left.iter().map(|crd| &crd.metadata.name).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
    let cloud = scene.at_cloud().await;
    assert!(has_bucket(&cloud, "logs"), "{cloud}");
    let id = scene.secret("ci-s3").await.expect("the Secret stays")["AWS_ACCESS_KEY_ID"].clone();
    assert_eq!(scene.live_keys("ci").await, [id]);
}

#[tokio::test]
async fn a_user_whose_status_is_lost_is_known_by_the_mark_on_its_secret() {
    let mut scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.expect("a Secret");
    scene.crash();
    let api = scene.api("IamUser");
    let mut user = api.get("ci").await.unwrap();
    user.data["status"] = json!({});
    api.replace_status("ci", &PostParams::default(), &user)
        .await
        .unwrap();
    scene.cloud.forget().await;

    scene.start(Arc::new(Open)).await;

    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.secret("ci-s3").await.expect("a Secret"), before);
    let writes: Vec<_> = scene.cloud.journal(0).await;
    assert!(
        !writes.iter().any(crate::ground::Entry::is_write),
        "{writes:?}"
    );
}

#[tokio::test]
async fn a_finalizer_that_was_taken_off_comes_back() {
    let scene = Scene::running().await;
    scene.apply("Bucket", "kept", bucket()).await;
    scene.ready("Bucket", "kept").await;
    let off = json!({"metadata": {"finalizers": null}});
    scene.merge("Bucket", "kept", off).await;
    eventually(PATIENCE, "the finalizer is back", async || {
        let finalizers = scene.get("Bucket", "kept").await.metadata.finalizers;
        finalizers.map(drop).ok_or_else(|| "none".to_owned())
    })
    .await;
}

//! Objects that the API server took and that the operator cannot read: it is older or newer than the CRD in the cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Neighbour, row, says, warned};
use crate::ground::{Ground, Need, eventually};
use crate::scene::{PATIENCE, Scene, TOKEN};

/// A ground of its own, on which a field of a kind may be anything.
async fn scene_where(crd: &str, pointer: &str) -> Option<Scene> {
    if Ground::get().await.lacks(&[Need::Own]) {
        return None;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    let crds: Api<CustomResourceDefinition> = Api::all(ground.admin());
    let path = format!("/spec/versions/0/schema/openAPIV3Schema/properties/{pointer}");
    let mut weaker = serde_json::to_value(crds.get(crd).await.unwrap()).unwrap();
    *weaker.pointer_mut(&path).unwrap() = json!({"x-kubernetes-preserve-unknown-fields": true});
    let weaker = serde_json::from_value(weaker).unwrap();
    crds.replace(crd, &PostParams::default(), &weaker)
        .await
        .unwrap();
    Some(Scene::on(ground).await)
}

/// Merges again and again until the API server works with the weakened schema.
async fn merge(scene: &Scene, kind: &str, name: &str, patch: Value) {
    eventually(PATIENCE, "the schema takes it", async || {
        scene
            .api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn an_undecodable_spec_is_told_and_heals_by_an_edit() {
    let Some(scene) = scene_where("buckets.upcloud.cooper.dev", "spec/properties/emptyFor").await
    else {
        return;
    };
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec.clone()).await;
    let bucket = Neighbour::of(&scene, "Bucket", "logs").await;
    let broken = json!({"spec": {"emptyFor": 5}});
    merge(&scene, "Bucket", "logs", broken.clone()).await;

    let message = scene
        .until("Bucket", "logs", "Stalled", "True", "Undecodable")
        .await;
    let help = [
        "cannot be read",
        "correct it with kubectl edit",
        "invalid type: integer",
    ];
    says(&message, &help);
    says(&warned(&scene, "logs", "Undecodable").await, &help);
    bucket.was_ready_throughout(&scene).await;

    let whole = json!({"spec": {"emptyFor": "0s"}});
    scene.merge("Bucket", "logs", whole).await;
    scene.ready("Bucket", "logs").await;

    // One that is so from the beginning, and an operator that starts with it.
    scene
        .apply(
            "Bucket",
            "never",
            json!({"serviceRef": {"name": "media"}, "emptyFor": 5}),
        )
        .await;
    scene
        .until("Bucket", "never", "Ready", "False", "Undecodable")
        .await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn an_undecodable_bucket_can_be_deleted() {
    let Some(mut scene) =
        scene_where("buckets.upcloud.cooper.dev", "spec/properties/emptyFor").await
    else {
        return;
    };
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let spec =
        json!({"serviceRef": {"name": "media"}, "emptyFor": "0s", "deletionPolicy": "Delete"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    merge(&scene, "Bucket", "logs", json!({"spec": {"emptyFor": 5}})).await;
    scene
        .until("Bucket", "logs", "Stalled", "True", "Undecodable")
        .await;
    // What was known of its spec is forgotten.
    scene.start(std::sync::Arc::new(cooper::wire::Open)).await;

    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    let remote = row(&scene, "buckets", "logs").await;
    assert!(
        remote.is_null() || remote["deleted"] == true,
        "by the policy that was in effect: {remote}"
    );
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn an_undecodable_status_is_told_by_an_event_and_heals_when_it_is_put_right() {
    let Some(scene) = scene_where("buckets.upcloud.cooper.dev", "status/properties/origin").await
    else {
        return;
    };
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    let remote = row(&scene, "buckets", "logs").await;
    let set = async |origin: &str| {
        let patch = json!({"status": {"origin": origin}});
        eventually(PATIENCE, "the schema takes it", async || {
            let (how, patch) = (PatchParams::default(), Patch::Merge(&patch));
            let done = scene.api("Bucket").patch_status("logs", &how, &patch).await;
            done.map(drop).map_err(|error| error.to_string())
        })
        .await;
    };
    set("Inherited").await;
    let note = warned(&scene, "logs", "Undecodable").await;
    says(
        &note,
        &["not even its status", "correct it", "cooper.dev/abandon"],
    );
    assert_eq!(row(&scene, "buckets", "logs").await, remote);

    set("Created").await;
    scene
        .merge("Bucket", "logs", json!({"spec": {"emptyFor": "1s"}}))
        .await;
    scene.ready("Bucket", "logs").await;

    // The last way out.
    set("Inherited").await;
    scene.delete("Bucket", "logs").await;
    let abandon = json!({"metadata": {"annotations": {"cooper.dev/abandon": "true"}}});
    scene.merge("Bucket", "logs", abandon).await;
    scene.gone("Bucket", "logs").await;
    assert_eq!(row(&scene, "buckets", "logs").await, remote);
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn an_undecodable_account_keeps_its_session_heals_and_can_go() {
    let Some(scene) = scene_where(
        "accounts.upcloud.cooper.dev",
        "spec/properties/requestsPerSecond",
    )
    .await
    else {
        return;
    };
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    merge(
        &scene,
        "Account",
        "default",
        json!({"spec": {"requestsPerSecond": "many"}}),
    )
    .await;

    let message = scene
        .until("Account", "default", "Synced", "False", "Undecodable")
        .await;
    let help = ["cannot be read", "correct it with kubectl edit"];
    says(&message, &help);
    says(&warned(&scene, "default", "Undecodable").await, &help);
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;

    let whole = json!({"spec": {"requestsPerSecond": 500}});
    scene.merge("Account", "default", whole).await;
    scene.ready("Account", "default").await;

    let broken = json!({"spec": {"requestsPerSecond": "many"}});
    scene.merge("Account", "default", broken).await;
    scene.delete("Account", "default").await;
    neighbour.was_ready_throughout(&scene).await;
    for (kind, name) in [
        ("Bucket", "logs"),
        ("Bucket", "steady"),
        ("ObjectStorageService", "media"),
    ] {
        scene.delete(kind, name).await;
    }
    scene.advance(super::SLOW).await;
    for (kind, name) in [
        ("Bucket", "logs"),
        ("Bucket", "steady"),
        ("ObjectStorageService", "media"),
        ("Account", "default"),
    ] {
        scene.gone(kind, name).await;
    }
    let secret = scene.secrets().get("upcloud").await.unwrap();
    assert_eq!(
        secret.metadata.finalizers, None,
        "the credentials are given back"
    );
    let token = scene.secret("upcloud").await.unwrap()["token"].clone();
    assert_eq!(token, TOKEN);
}

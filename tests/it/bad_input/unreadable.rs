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

#[tokio::test]
async fn conditions_that_let_nobody_change_an_object_are_put_right_and_it_can_go() {
    const CRD: &str = "buckets.upcloud.cooper.dev";
    let Some(mut scene) = scene_where(CRD, "status").await else {
        return;
    };
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    let stands = json!({"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2026-02-03T09:10:11Z"});
    let broken = [
        json!([{"status": "True"}]),
        json!([{"type": 7}]),
        json!(["Ready"]),
        json!([stands, stands]),
    ];
    let names = |which: &str| -> Vec<_> {
        let all = 0..broken.len();
        all.map(|number| format!("{which}-{number}")).collect()
    };
    let (live, going) = (names("live"), names("going"));
    let spec =
        json!({"serviceRef": {"name": "media"}, "emptyFor": "0s", "deletionPolicy": "Delete"});
    for name in live.iter().chain(&going) {
        scene.apply("Bucket", name, spec.clone()).await;
        scene.ready("Bucket", name).await;
    }
    scene.crash();
    for name in &going {
        scene.delete("Bucket", name).await;
    }
    for names in [&live, &going] {
        for (name, broken) in names.iter().zip(&broken) {
            status_is(&scene, name, broken).await;
        }
    }
    strict_again(&scene, CRD).await;
    let freed = json!({"metadata": {"finalizers": null}});
    let how = PatchParams::default();
    let patched = scene
        .api("Bucket")
        .patch("going-0", &how, &Patch::Merge(&freed))
        .await;
    let refused = patched.unwrap_err().to_string();
    assert!(refused.contains("status.conditions[0]"), "{refused}");

    scene.start(std::sync::Arc::new(cooper::wire::Open)).await;
    for name in &live {
        scene
            .until("Bucket", name, "Ready", "True", "Available")
            .await;
    }
    for name in &going {
        scene.gone("Bucket", name).await;
        let remote = row(&scene, "buckets", name).await;
        assert!(remote.is_null() || remote["deleted"] == true, "{remote}");
    }
}

/// Stores conditions that the strict schema would refuse.
async fn status_is(scene: &Scene, name: &str, conditions: &Value) {
    let patch = json!({"status": {"conditions": conditions}});
    eventually(PATIENCE, "the schema takes it", async || {
        let (how, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let done = scene.api("Bucket").patch_status(name, &how, &patch).await;
        done.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

/// Installs the CRD as it is shipped, and returns when the API server goes by it.
async fn strict_again(scene: &Scene, crd: &str) {
    let file = format!(
        "crds/{}.yaml",
        crd.split_once('.')
            .map(|(plural, group)| format!("{group}_{plural}"))
            .unwrap()
    );
    let text = std::fs::read_to_string(crate::ground::repository(&file)).unwrap();
    let mut shipped: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
    let crds: Api<CustomResourceDefinition> = Api::all(scene.admin());
    shipped.metadata.resource_version = crds.get(crd).await.unwrap().metadata.resource_version;
    let how = PostParams::default();
    crds.replace(crd, &how, &shipped).await.unwrap();
    let probe = json!({"status": {"conditions": ["probe"]}});
    eventually(PATIENCE, "the schema is in force", async || {
        let how = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let probe = Patch::Merge(&probe);
        match scene
            .api("Bucket")
            .patch_status("live-0", &how, &probe)
            .await
        {
            Ok(_) => Err("it is taken".into()),
            Err(_) => Ok(()),
        }
    })
    .await;
}

//! The brake: so many deletions at once that they wait until somebody says that they are meant.

use std::sync::Arc;

use cooper::wire::Open;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::ground::{Need, eventually};
use crate::hands::has_bucket;
use crate::scene::{PATIENCE, Scene};

const RELEASE: &str = "cooper.dev/release-brake";
const UNDO: &str = "cooper.dev/undo";

/// Buckets of the story; with the service they are two more than may always go.
const MANY: usize = 13;

fn name(n: usize) -> String {
    format!("logs-{n}")
}

/// A service with many empty buckets, and nothing of it deleted.
async fn many() -> Scene {
    let scene = Scene::running().await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    for n in 0..MANY {
        scene.apply("Bucket", &name(n), spec.clone()).await;
    }
    for n in 0..MANY {
        scene.ready("Bucket", &name(n)).await;
    }
    scene
}

async fn delete(scene: &Scene, which: std::ops::Range<usize>) {
    for n in which {
        scene.delete("Bucket", &name(n)).await;
    }
}

async fn held(scene: &Scene, which: std::ops::Range<usize>) {
    for n in which {
        scene
            .until("Bucket", &name(n), "Ready", "False", "Braked")
            .await;
    }
}

async fn gone(scene: &Scene, which: std::ops::Range<usize>) {
    for n in which {
        scene.gone("Bucket", &name(n)).await;
    }
}

/// How many of the buckets are at the cloud.
async fn left(scene: &Scene) -> usize {
    let cloud = scene.at_cloud().await;
    (0..MANY).filter(|n| has_bucket(&cloud, &name(*n))).count()
}

/// Waits until the account holds so many deletions; answers the instant to release them by.
async fn instant(scene: &Scene, held: usize) -> String {
    let what = format!("the account holds {held} deletions");
    eventually(PATIENCE, &what, async || {
        let told = scene
            .until("Account", "default", "Braked", "True", "Braked")
            .await;
        let status = scene.status("Account", "default").await;
        if status["brake"]["held"] != held {
            return Err(told);
        }
        let (_, after) = told
            .split_once(&format!("{RELEASE}="))
            .ok_or("no command")?;
        let instant = after.split(". ").next().unwrap_or_default();
        Ok(instant.to_owned())
    })
    .await
}

async fn release(scene: &Scene, held: usize) {
    let instant = instant(scene, held).await;
    scene
        .annotate("Account", "default", RELEASE, Some(&instant))
        .await;
}

#[tokio::test]
async fn a_wave_is_held_before_anything_is_taken_away_and_goes_once_released() {
    let scene = many().await;
    scene.cloud.forget().await;
    delete(&scene, 0..MANY).await;
    held(&scene, 0..MANY).await;
    assert_eq!(left(&scene).await, MANY);
    assert_eq!(scene.writes().await, [""; 0]);
    let told = scene
        .until("Account", "default", "Braked", "True", "Braked")
        .await;
    for words in [
        "13 of 14 things",
        "13 of these",
        "Bucket",
        "and 8 more",
        UNDO,
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    scene.event("Account", "default", "Braked").await;
    release(&scene, MANY).await;
    gone(&scene, 0..MANY).await;
    assert_eq!(left(&scene).await, 0);
    scene.event("Account", "default", "BrakeReleased").await;
    let conditions = scene.status("Account", "default").await["conditions"].to_string();
    assert!(!conditions.contains("Braked"), "{conditions}");
}

#[tokio::test]
async fn a_namespace_that_is_deleted_is_held_and_ends_once_released() {
    let scene = many().await;
    if scene.ground.lacks(&[Need::Controllers]) {
        return;
    }
    let namespaces: Api<Namespace> = Api::all(scene.ground.admin());
    let how = DeleteParams::default();
    namespaces.delete(&scene.namespace, &how).await.unwrap();
    held(&scene, 0..MANY).await;
    scene
        .until("ObjectStorageService", "media", "Ready", "False", "Braked")
        .await;
    assert_eq!(left(&scene).await, MANY);
    release(&scene, MANY + 1).await;
    eventually(PATIENCE, "the namespace is gone", async || {
        let found = namespaces.get_opt(&scene.namespace).await;
        match found.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(namespace) => Err(format!("{:?}", namespace.status)),
        }
    })
    .await;
    assert_eq!(scene.at_cloud().await, serde_json::Value::Null);
}

#[tokio::test]
async fn a_few_of_many_go_and_the_one_too_many_is_held_also_by_a_new_operator() {
    let mut scene = many().await;
    delete(&scene, 0..6).await;
    gone(&scene, 0..6).await;
    delete(&scene, 6..10).await;
    gone(&scene, 6..10).await;
    let counted = async || {
        let status = scene.status("Account", "default").await;
        let recent = status["brake"]["recent"].as_array().cloned();
        let recent = recent.unwrap_or_default();
        let counts = recent.iter().filter_map(|ended| ended["count"].as_i64());
        let sum: i64 = counts.sum();
        (sum == 10).then_some(()).ok_or(status.to_string())
    };
    eventually(PATIENCE, "ten deletions are counted", counted).await;
    scene.start(Arc::new(Open)).await;
    delete(&scene, 10..11).await;
    held(&scene, 10..11).await;
    assert_eq!(left(&scene).await, 3);
}

#[tokio::test]
async fn what_was_deleted_while_the_operator_was_down_is_held_by_the_next_one() {
    let mut scene = many().await;
    scene.crash();
    delete(&scene, 0..MANY).await;
    scene.start(Arc::new(Open)).await;
    held(&scene, 0..MANY).await;
    scene.start(Arc::new(Open)).await;
    release(&scene, MANY).await;
    gone(&scene, 0..MANY).await;
}

#[tokio::test]
async fn a_release_is_for_this_wave_alone() {
    let scene = many().await;
    delete(&scene, 0..12).await;
    release(&scene, 12).await;
    gone(&scene, 0..12).await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    for n in 0..12 {
        scene.apply("Bucket", &name(n), spec.clone()).await;
    }
    for n in 0..12 {
        scene.ready("Bucket", &name(n)).await;
    }
    delete(&scene, 0..12).await;
    held(&scene, 0..12).await;
    assert_eq!(left(&scene).await, MANY);
}

#[tokio::test]
async fn a_brake_that_is_switched_off_lets_a_held_wave_go() {
    let scene = many().await;
    delete(&scene, 0..MANY).await;
    held(&scene, 0..MANY).await;
    let off = json!({"spec": {"brake": {"enabled": false}}});
    scene.merge("Account", "default", off).await;
    gone(&scene, 0..MANY).await;
    assert_eq!(left(&scene).await, 0);
}

#[tokio::test]
async fn of_a_held_wave_one_is_released_and_one_is_kept() {
    let scene = many().await;
    delete(&scene, 0..MANY).await;
    held(&scene, 0..MANY).await;
    scene
        .annotate("Bucket", "logs-0", RELEASE, Some("true"))
        .await;
    scene.gone("Bucket", "logs-0").await;
    scene.annotate("Bucket", "logs-1", UNDO, Some("true")).await;
    scene.gone("Bucket", "logs-1").await;
    assert_eq!(left(&scene).await, MANY - 1);
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs-1", spec).await;
    scene.ready("Bucket", "logs-1").await;
    let status = scene.status("Bucket", "logs-1").await;
    assert_eq!(status["origin"], "Restored");
    held(&scene, 2..MANY).await;
}

//! `accessKey.rotation`: a new key beside the old one, and nobody who holds either is ever refused before its time.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::ground::{Fault, Side, eventually};
use crate::hands::named;
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, user_spec};

const HOUR: Duration = Duration::from_hours(1);
const ROTATE: &str = "cooper.dev/rotate";

fn rotating(rotation: Value) -> Value {
    let mut spec = user_spec();
    spec["accessKey"]["rotation"] = rotation;
    spec
}

/// A user whose key is replaced every day and overlaps for an hour, and the id of its key.
async fn daily() -> (Scene, String) {
    let scene = Scene::running().await;
    scene.policy().await;
    let spec = rotating(json!({"every": "1d", "overlap": "1h"}));
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let id = scene.new_key("ci", "ci-s3", &[]).await;
    (scene, id)
}

async fn rotate(scene: &Scene, text: &str) {
    scene.annotate("IamUser", "ci", ROTATE, Some(text)).await;
}

/// The status of a key at the cloud; `None` if it is gone.
async fn key(scene: &Scene, id: &str) -> Option<String> {
    let user = named(&scene.at_cloud().await, "users", "ci");
    let keys = user["keys"].as_array().cloned().unwrap_or_default();
    let found = keys.into_iter().find(|key| key["id"] == id)?;
    Some(found["status"].as_str().unwrap().to_owned())
}

async fn key_is(scene: &Scene, id: &str, wanted: Option<&str>) {
    let what = format!("key {id} is {wanted:?}");
    eventually(PATIENCE, &what, async || {
        let found = key(scene, id).await;
        if found.as_deref() == wanted {
            Ok(())
        } else {
            Err(format!("it is {found:?}"))
        }
    })
    .await;
}

/// Waits until the ledger has nothing more to do about a replaced key in this phase.
async fn old_is(scene: &Scene, phase: &str) {
    eventually(PATIENCE, &format!("the old key is {phase}"), async || {
        let keys = scene.status("IamUser", "ci").await["keys"].clone();
        let attempts = keys["attempts"].as_array().map_or(0, Vec::len);
        if keys["old"]["phase"] == phase && attempts == 0 {
            Ok(())
        } else {
            Err(keys.to_string())
        }
    })
    .await;
}

async fn mints(scene: &Scene) -> usize {
    let entries = scene.cloud.journal(0).await;
    let mint = |path: &str| path.ends_with("/users/ci/access-keys");
    let posts = entries
        .iter()
        .filter(|entry| entry.method == "POST" && mint(&entry.path));
    posts.count()
}

/// How many events with this reason there are about the user, repeats included.
async fn events(scene: &Scene, reason: &str) -> usize {
    let api: Api<Event> = Api::namespaced(scene.ground.admin(), &scene.namespace);
    let all = api.list(&ListParams::default()).await.unwrap().items;
    let found = all.iter().filter(|event| {
        let about = event.regarding.as_ref().and_then(|it| it.name.as_deref());
        about == Some("ci") && event.reason.as_deref() == Some(reason)
    });
    found.count()
}

#[tokio::test]
async fn a_key_of_age_is_replaced_switched_off_and_deleted() {
    let (scene, first) = daily().await;
    let status = scene.status("IamUser", "ci").await;
    assert_eq!(status["key"]["id"], first);
    assert!(status["key"]["rotatesAt"].is_string(), "{status}");
    scene.advance(23 * HOUR).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await, std::slice::from_ref(&first));
    scene.advance(HOUR).await;
    let second = scene.new_key("ci", "ci-s3", &[&first]).await;
    scene
        .until("IamUser", "ci", "Issued", "True", "Rotating")
        .await;
    old_is(&scene, "Overlap").await;
    scene.advance(HOUR).await;
    key_is(&scene, &first, Some("Inactive")).await;
    old_is(&scene, "Inactive").await;
    scene.advance(HOUR).await;
    key_is(&scene, &first, None).await;
    scene
        .until("IamUser", "ci", "Issued", "True", "Issued")
        .await;
    assert_eq!(scene.live_keys("ci").await, std::slice::from_ref(&second));
    assert_eq!(scene.status("IamUser", "ci").await["key"]["id"], second);
    assert_eq!(mints(&scene).await, 2);
    scene.event("IamUser", "ci", "KeyDeactivated").await;
    scene.event("IamUser", "ci", "KeyDeleted").await;
    assert_eq!(events(&scene, "KeyIssued").await, 2);
}

#[tokio::test]
async fn a_workload_with_the_old_key_never_fails_while_it_uses_it() {
    let (scene, first) = daily().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    let workload = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(workload.put("logs", "a.txt", "a").await, 200);
    scene.advance(24 * HOUR).await;
    scene.new_key("ci", "ci-s3", &[&first]).await;
    for _ in 0..4 {
        assert_eq!(workload.put("logs", "a.txt", "a").await, 200);
        scene.advance(Duration::from_mins(50)).await;
        old_is(&scene, "Overlap").await;
        scene.ready("IamUser", "ci").await;
    }
    assert_eq!(workload.put("logs", "a.txt", "a").await, 200);
    let newer = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(newer.put("logs", "b.txt", "b").await, 200);
    scene.advance(2 * HOUR).await;
    key_is(&scene, &first, Some("Inactive")).await;
    assert_eq!(workload.put("logs", "a.txt", "a").await, 403);
}

#[tokio::test]
async fn a_text_in_the_annotation_replaces_the_key_once() {
    let (scene, first) = daily().await;
    rotate(&scene, "leaked").await;
    let second = scene.new_key("ci", "ci-s3", &[&first]).await;
    old_is(&scene, "Overlap").await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    eventually(PATIENCE, "the status shows the new key", async || {
        let key = scene.status("IamUser", "ci").await["key"].clone();
        if key["id"] == second {
            Ok(())
        } else {
            Err(key.to_string())
        }
    })
    .await;
    assert_eq!(mints(&scene).await, 2);
}

#[tokio::test]
async fn a_second_request_waits_until_the_first_is_done() {
    let (scene, first) = daily().await;
    rotate(&scene, "one").await;
    let second = scene.new_key("ci", "ci-s3", &[&first]).await;
    rotate(&scene, "two").await;
    old_is(&scene, "Overlap").await;
    let overlap = HOUR + Duration::from_secs(5);
    scene.advance(overlap).await;
    key_is(&scene, &first, Some("Inactive")).await;
    old_is(&scene, "Inactive").await;
    assert_eq!(mints(&scene).await, 2);
    scene.advance(overlap).await;
    key_is(&scene, &first, None).await;
    let third = scene.new_key("ci", "ci-s3", &[&first, &second]).await;
    assert_eq!(mints(&scene).await, 3);
    assert_ne!(third, second);
}

#[tokio::test]
async fn an_annotation_from_the_beginning_asks_for_nothing() {
    let scene = Scene::running().await;
    scene.policy().await;
    let body = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "IamUser",
        "metadata": {"name": "ci", "annotations": {ROTATE: "one"}}, "spec": user_spec(),
    });
    let how = kube::api::PatchParams::apply("test");
    let api = scene.api("IamUser");
    let patch = kube::api::Patch::Apply(&body);
    api.patch("ci", &how, &patch).await.unwrap();
    scene.ready("IamUser", "ci").await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(mints(&scene).await, 1);
}

#[tokio::test]
async fn a_restart_halfway_goes_on_with_the_same_rotation() {
    let (mut scene, first) = daily().await;
    rotate(&scene, "leaked").await;
    scene.new_key("ci", "ci-s3", &[&first]).await;
    scene.start(std::sync::Arc::new(cooper::wire::Open)).await;
    old_is(&scene, "Overlap").await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(mints(&scene).await, 2);
}

#[tokio::test]
async fn the_old_key_comes_back_under_hold_and_goes_after_it() {
    let (scene, first) = daily().await;
    rotate(&scene, "new image").await;
    let second = scene.new_key("ci", "ci-s3", &[&first]).await;
    old_is(&scene, "Overlap").await;
    scene.advance(HOUR + Duration::from_secs(5)).await;
    key_is(&scene, &first, Some("Inactive")).await;
    let spec = rotating(json!({"every": "1d", "overlap": "1h", "hold": true}));
    scene.apply("IamUser", "ci", spec).await;
    key_is(&scene, &first, Some("Active")).await;
    scene.until("IamUser", "ci", "Issued", "True", "Held").await;
    scene.event("IamUser", "ci", "RolledBack").await;
    scene.advance(6 * HOUR).await;
    scene.ready("IamUser", "ci").await;
    key_is(&scene, &first, Some("Active")).await;
    assert_eq!(scene.status("IamUser", "ci").await["key"]["id"], second);
    let spec = rotating(json!({"every": "1d", "overlap": "1h"}));
    scene.apply("IamUser", "ci", spec).await;
    key_is(&scene, &first, Some("Inactive")).await;
    old_is(&scene, "Inactive").await;
    scene.advance(HOUR + Duration::from_secs(5)).await;
    key_is(&scene, &first, None).await;
}

#[tokio::test]
async fn without_room_the_live_key_stays_and_the_rotation_waits() {
    let (scene, first) = daily().await;
    let theirs = scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    let theirs = theirs["access_key_id"].as_str().unwrap().to_owned();
    rotate(&scene, "now").await;
    let told = scene
        .until("IamUser", "ci", "Issued", "True", "QuotaFull")
        .await;
    assert!(told.contains(&theirs), "{told}");
    assert_eq!(key(&scene, &first).await.as_deref(), Some("Active"));
    assert_eq!(scene.status("IamUser", "ci").await["key"]["id"], first);
    let path = format!("/users/ci/access-keys/{theirs}");
    scene.theirs("DELETE", &path, Value::Null).await;
    scene.round().await;
    scene.new_key("ci", "ci-s3", &[&first]).await;
    old_is(&scene, "Overlap").await;
}

#[tokio::test]
async fn a_new_key_that_is_not_accepted_leaves_the_old_one_in_use() {
    let scene = Scene::running().await;
    scene.policy().await;
    let mut spec = rotating(json!({"overlap": "1h"}));
    spec["accessKey"]["test"] = json!("Signed");
    scene.apply("IamUser", "ci", spec).await;
    scene.ready("IamUser", "ci").await;
    let first = scene.new_key("ci", "ci-s3", &[]).await;
    let body = "<Error><Code>InvalidAccessKeyId</Code></Error>";
    let unknown = json!({"status": {"code": 403, "body": body, "content_type": "application/xml"}});
    scene
        .cloud
        .fault(Fault::of(unknown).at(Side::S3).times(0))
        .await;
    rotate(&scene, "now").await;
    scene
        .until("IamUser", "ci", "Issued", "True", "NewKeyNotAccepted")
        .await;
    scene.until("IamUser", "ci", "Ready", "True", "").await;
    let secret = scene.secret("ci-s3").await.unwrap();
    assert_eq!(secret["AWS_ACCESS_KEY_ID"], first);
    assert_eq!(key(&scene, &first).await.as_deref(), Some("Active"));
    scene.cloud.heal().await;
    scene.advance(Duration::from_mins(6)).await;
    scene.new_key("ci", "ci-s3", &[&first]).await;
    scene.ready("IamUser", "ci").await;
}

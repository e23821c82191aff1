//! A deletion that is undone: keys that are switched off, then on again, and a user that comes back to its Secret.

use std::sync::Arc;
use std::time::Duration;

use cooper::wire::Open;
use serde_json::{Value, json};

use crate::ground::eventually;
use crate::hands::named;
use crate::scene::{PATIENCE, Scene, user_spec};

const UNDO: &str = "cooper.dev/undo";
const PAUSED: &str = "cooper.dev/paused";

/// Longer than another replica may take to see an undo.
const GRACE: Duration = Duration::from_secs(605);

fn spec(window: Option<&str>) -> Value {
    let mut spec = user_spec();
    spec["deletionPolicy"] = json!("Delete");
    if let Some(window) = window {
        spec["undoWindow"] = json!(window);
    }
    spec
}

/// IamUser `ci` with a key, to be deleted after this window.
async fn user(window: Option<&str>) -> (Scene, String) {
    let scene = Scene::running().await;
    scene.policy().await;
    scene.apply("IamUser", "ci", spec(window)).await;
    scene.ready("IamUser", "ci").await;
    let id = scene.secret("ci-s3").await.unwrap()["AWS_ACCESS_KEY_ID"].clone();
    (scene, id)
}

/// The same, deleted an instant ago: its key is off, and all else is there.
async fn parting() -> (Scene, String) {
    let (scene, id) = user(Some("1h")).await;
    scene.delete("IamUser", "ci").await;
    switched_off(&scene, &id).await;
    (scene, id)
}

async fn switched_off(scene: &Scene, id: &str) {
    let told = scene
        .until("IamUser", "ci", "Ready", "False", "UndoWindow")
        .await;
    for words in [id, "switched off", UNDO] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(scene.live_keys("ci").await, [""; 0]);
    assert_eq!(named(&scene.at_cloud().await, "users", "ci")["name"], "ci");
}

async fn live_again(scene: &Scene, id: &str) {
    eventually(PATIENCE, "the key is switched on again", async || {
        let live = scene.live_keys("ci").await;
        (live == [id]).then_some(()).ok_or(format!("{live:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_deletion_is_undone_and_the_same_manifest_takes_user_and_secret_back() {
    let (scene, id) = parting().await;
    let before = scene.secrets().get("ci-s3").await.unwrap();
    scene.cloud.forget().await;
    scene.annotate("IamUser", "ci", UNDO, Some("true")).await;
    live_again(&scene, &id).await;
    scene
        .until("IamUser", "ci", "Ready", "False", "Undoing")
        .await;
    scene.advance(GRACE).await;
    scene.gone("IamUser", "ci").await;
    scene.event("IamUser", "ci", "Undone").await;
    let kept = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(kept.metadata.owner_references, None);
    assert_eq!(kept.data, before.data);
    assert_eq!(scene.live_keys("ci").await, std::slice::from_ref(&id));

    let user = scene.apply("IamUser", "ci", spec(Some("1h"))).await;
    scene.ready("IamUser", "ci").await;
    let after = scene.secrets().get("ci-s3").await.unwrap();
    let owners = after.metadata.owner_references.unwrap_or_default();
    assert_eq!(Some(&owners[0].uid), user.metadata.uid.as_ref());
    assert_eq!(after.metadata.uid, before.metadata.uid);
    assert_eq!(after.data, before.data);
    assert_eq!(scene.live_keys("ci").await, [id]);
    let status = scene.status("IamUser", "ci").await;
    assert_eq!(status["origin"], "Restored");
    let account = scene.status("Account", "default").await;
    assert_eq!(account["kept"], Value::Null);
    let writes = scene.writes().await;
    let made = writes.iter().filter(|write| write.starts_with("POST"));
    assert_eq!(made.count(), 0, "nothing is made anew: {writes:?}");
}

#[tokio::test]
async fn when_its_window_is_over_the_user_goes_also_after_a_restart() {
    let (mut scene, id) = parting().await;
    scene.crash();
    scene.advance(Duration::from_mins(30)).await;
    scene.start(Arc::new(Open)).await;
    scene.advance(Duration::from_mins(15)).await;
    switched_off(&scene, &id).await;
    scene.advance(Duration::from_mins(16)).await;
    scene.gone("IamUser", "ci").await;
    assert_eq!(
        named(&scene.at_cloud().await, "users", "ci"),
        Value::Null,
        "the user is gone"
    );
    assert_eq!(scene.secret("ci-s3").await, None);
}

#[tokio::test]
async fn without_a_window_keys_are_switched_off_before_the_user_is_deleted() {
    let (scene, id) = user(None).await;
    scene.cloud.forget().await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    let key = format!("PATCH /users/ci/access-keys/{id}");
    assert_eq!(scene.writes().await, [key, "DELETE /users/ci".to_owned()]);
}

#[tokio::test]
async fn an_undo_that_comes_too_late_says_so_and_the_deletion_ends() {
    let (scene, id) = parting().await;
    scene.theirs("DELETE", "/users/ci", Value::Null).await;
    scene.annotate("IamUser", "ci", UNDO, Some("true")).await;
    scene.gone("IamUser", "ci").await;
    let told = scene.event("IamUser", "ci", "UndoTooLate").await;
    assert!(told.contains("too late"), "{told}");
    assert_eq!(scene.secret("ci-s3").await, None);
    scene.apply("IamUser", "ci", spec(None)).await;
    scene.ready("IamUser", "ci").await;
    scene.new_key("ci", "ci-s3", &[&id]).await;
}

#[tokio::test]
async fn an_undo_waits_while_paused() {
    let (scene, id) = parting().await;
    let both = json!({"metadata": {"annotations": {PAUSED: "true", UNDO: "true"}}});
    scene.merge("IamUser", "ci", both).await;
    let told = scene
        .until("IamUser", "ci", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("undo") && told.contains(PAUSED), "{told}");
    // Past the window: a pause holds that as well.
    scene.advance(Duration::from_hours(2)).await;
    assert_eq!(scene.live_keys("ci").await, [""; 0]);
    scene.annotate("IamUser", "ci", PAUSED, None).await;
    live_again(&scene, &id).await;
    scene.advance(GRACE).await;
    scene.gone("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await, [id]);
}

#[tokio::test]
async fn what_was_kept_is_nobody_elses_to_take() {
    let (scene, _) = parting().await;
    scene.annotate("IamUser", "ci", UNDO, Some("true")).await;
    scene
        .until("IamUser", "ci", "Ready", "False", "Undoing")
        .await;
    scene.advance(GRACE).await;
    scene.gone("IamUser", "ci").await;
    let mut other = spec(None);
    other["name"] = json!("ci");
    scene.apply("IamUser", "thief", other).await;
    scene
        .until("IamUser", "thief", "Ready", "False", "NameTaken")
        .await;
}

//! Names that are taken: at the cloud by somebody else, or here by another resource.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Neighbour, SLOW, condition, foreign, in_time, ready_in_time, row, says, warned, writes_since,
};
use crate::ground::{Fault, Side};
use crate::scene::{Scene, document, user_spec};

const HELP: [&str; 3] = [
    "exists at the cloud and was not made by this resource",
    "choose another name",
    "spec.adoption: IfExists",
];

/// A service, a neighbour in it, and something of somebody else.
async fn with_foreign(path: &str, body: Value) -> (Scene, Neighbour) {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    foreign(&scene, "POST", path, body).await;
    (scene, neighbour)
}

/// The resource says that its name is taken, and nothing was asked of the cloud but to show it.
async fn is_taken(scene: &Scene, kind: &str, name: &str) {
    let message = scene
        .until(kind, name, "Stalled", "True", "NameTaken")
        .await;
    says(&message, &HELP);
    scene.until(kind, name, "Ready", "False", "NameTaken").await;
    says(&warned(scene, name, "NameTaken").await, &HELP);
    let status = scene.status(kind, name).await;
    assert_eq!(status["origin"], Value::Null, "nothing is claimed");
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_left_alone_until_it_is_gone() {
    let (scene, neighbour) = with_foreign("buckets", json!({"name": "logs"})).await;
    let theirs = row(&scene, "buckets", "logs").await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec.clone()).await;
    is_taken(&scene, "Bucket", "logs").await;
    scene.delete("Bucket", "logs").await;
    scene.gone("Bucket", "logs").await;
    assert_eq!(row(&scene, "buckets", "logs").await, theirs);

    scene.apply("Bucket", "logs", spec).await;
    is_taken(&scene, "Bucket", "logs").await;
    foreign(&scene, "DELETE", "buckets/logs", Value::Null).await;
    ready_in_time(&scene, SLOW, "Bucket", "logs").await;
    assert_eq!(scene.status("Bucket", "logs").await["origin"], "Created");
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_user_of_somebody_else_is_left_alone_until_it_may_be_adopted() {
    let (scene, neighbour) = with_foreign("users", json!({"username": "ci"})).await;
    let key = foreign(&scene, "POST", "users/ci/access-keys", Value::Null).await;
    let theirs = row(&scene, "users", "ci").await;
    scene.user().await;
    is_taken(&scene, "IamUser", "ci").await;
    assert_eq!(row(&scene, "users", "ci").await, theirs);
    assert!(scene.secret("ci-s3").await.is_none());

    scene
        .merge("IamUser", "ci", json!({"spec": {"adoption": "IfExists"}}))
        .await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.status("IamUser", "ci").await["origin"], "Adopted");
    let now = row(&scene, "users", "ci").await;
    let ids: Vec<_> = now["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["id"].clone())
        .collect();
    assert!(
        ids.len() == 2 && ids.contains(&key["access_key_id"]),
        "{ids:?} {key}"
    );
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_policy_of_somebody_else_is_left_alone_until_it_is_gone() {
    let text = document("s3:GetObject").to_string();
    let theirs = json!({"name": "logs-rw", "document": percent(&text)});
    let (scene, neighbour) = with_foreign("policies", theirs).await;
    let theirs = row(&scene, "policies", "logs-rw").await;
    scene.user().await;
    is_taken(&scene, "IamPolicy", "logs-rw").await;
    scene
        .until("IamUser", "ci", "Ready", "False", "ReferenceNotReady")
        .await;
    assert_eq!(row(&scene, "policies", "logs-rw").await, theirs);

    foreign(&scene, "DELETE", "policies/logs-rw", Value::Null).await;
    ready_in_time(&scene, SLOW, "IamPolicy", "logs-rw").await;
    scene.ready("IamUser", "ci").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_user_that_somebody_else_makes_between_our_look_and_our_create_is_theirs() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    // Ours hangs on its way while theirs is made.
    let slow = Fault::latency(Duration::from_secs(3));
    scene
        .cloud
        .fault(slow.at(Side::Api).on("POST", "/users$"))
        .await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene.claimed("IamUser", "ci").await;
    foreign(&scene, "POST", "users", json!({"username": "ci"})).await;
    let theirs = row(&scene, "users", "ci").await;
    is_taken(&scene, "IamUser", "ci").await;
    assert_eq!(row(&scene, "users", "ci").await, theirs);
    assert!(scene.secret("ci-s3").await.is_none());

    // Nothing of theirs goes with our resource.
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    assert_eq!(row(&scene, "users", "ci").await, theirs);
    scene.apply("IamUser", "ci", user_spec()).await;
    is_taken(&scene, "IamUser", "ci").await;
    foreign(&scene, "DELETE", "users/ci", Value::Null).await;
    ready_in_time(&scene, SLOW, "IamUser", "ci").await;
    neighbour.was_ready_throughout(&scene).await;
}

/// Bucket `name` for the remote `shared`.
async fn sharing(scene: &Scene, name: &str, more: Value) {
    let mut spec = json!({"serviceRef": {"name": "media"}, "name": "shared", "emptyFor": "0s"});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    scene.apply("Bucket", name, spec).await;
}

async fn is_managed_by(scene: &Scene, name: &str, other: &str) {
    let message = scene
        .until("Bucket", name, "Stalled", "True", "AlreadyManaged")
        .await;
    says(
        &message,
        &[
            other,
            "was first",
            "name another one here, or delete one of the two",
        ],
    );
}

#[tokio::test]
async fn of_two_resources_for_one_remote_the_older_keeps_it_and_the_younger_follows() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    sharing(&scene, "elder", json!({})).await;
    let elder = Neighbour::of(&scene, "Bucket", "elder").await;
    let before = super::journal_end(&scene).await;
    sharing(&scene, "younger", json!({})).await;
    is_managed_by(&scene, "younger", "elder").await;
    warned(&scene, "younger", "AlreadyManaged").await;
    elder.was_ready_throughout(&scene).await;
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);

    // No time has to pass: who leaves the place calls the next.
    scene.delete("Bucket", "elder").await;
    scene.gone("Bucket", "elder").await;
    scene.ready("Bucket", "younger").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn the_younger_of_two_may_go_and_takes_nothing_along() {
    let scene = Scene::open().await;
    scene.service().await;
    sharing(&scene, "elder", json!({})).await;
    let elder = Neighbour::of(&scene, "Bucket", "elder").await;
    sharing(&scene, "younger", json!({"deletionPolicy": "Delete"})).await;
    is_managed_by(&scene, "younger", "elder").await;
    let remote = row(&scene, "buckets", "shared").await;

    scene.delete("Bucket", "younger").await;
    scene.gone("Bucket", "younger").await;
    assert_eq!(row(&scene, "buckets", "shared").await, remote);
    elder.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn what_the_older_left_behind_on_purpose_the_younger_may_adopt() {
    let scene = Scene::open().await;
    scene.service().await;
    sharing(&scene, "elder", json!({"deletionPolicy": "Orphan"})).await;
    scene.ready("Bucket", "elder").await;
    let remote = row(&scene, "buckets", "shared").await;
    sharing(&scene, "younger", json!({"adoption": "IfExists"})).await;
    sharing(&scene, "third", json!({})).await;
    is_managed_by(&scene, "younger", "elder").await;
    is_managed_by(&scene, "third", "elder").await;

    scene.delete("Bucket", "elder").await;
    scene.gone("Bucket", "elder").await;
    // Whichever of the two comes first; one that may not adopt does not keep the other from it.
    scene.ready("Bucket", "younger").await;
    scene.until("Bucket", "third", "Ready", "False", "").await;
    assert_eq!(scene.status("Bucket", "younger").await["origin"], "Adopted");
    assert_eq!(row(&scene, "buckets", "shared").await, remote);
}

#[tokio::test]
async fn a_resource_that_never_got_its_name_does_not_keep_it_from_others() {
    let (scene, neighbour) = with_foreign("buckets", json!({"name": "shared"})).await;
    sharing(&scene, "unlucky", json!({})).await;
    is_taken(&scene, "Bucket", "unlucky").await;
    sharing(&scene, "next", json!({"adoption": "IfExists"})).await;
    scene.ready("Bucket", "next").await;
    let stalled = condition(&scene, "Bucket", "next", "Stalled").await;
    assert_eq!(stalled, Value::Null);
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_taken_service_name_is_told() {
    let scene = Scene::open().await;
    scene.service().await;
    let neighbour = Neighbour::bucket(&scene).await;
    let theirs = json!({"name": "archive", "region": "europe-1", "configured_status": "started", "networks": []});
    let made = scene
        .cloud
        .foreign("demo", "POST", "/1.3/object-storage-2", theirs)
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-1"});
    scene.apply("ObjectStorageService", "archive", spec).await;
    is_taken(&scene, "ObjectStorageService", "archive").await;

    let path = format!(
        "/1.3/object-storage-2/{}",
        made.body["uuid"].as_str().unwrap()
    );
    scene
        .cloud
        .foreign("demo", "DELETE", &path, Value::Null)
        .await;
    in_time(
        &scene,
        SLOW,
        ("ObjectStorageService", "archive"),
        ("Ready", "True", ""),
    )
    .await;
    neighbour.was_ready_throughout(&scene).await;
}

/// Percent-encoded, as managed policies are sent.
fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

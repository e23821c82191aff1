//! `accessKey.test: Signed`: a new key is tried at S3 before it goes into the Secret.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{Entry, Fault, Side, eventually};
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, document, user_spec};

fn tried() -> Value {
    let mut spec = user_spec();
    spec["accessKey"]["test"] = json!("Signed");
    spec
}

/// An answer of S3 with this code.
fn refusal(code: &str) -> Fault {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Fault::of(json!({"status": {"code": 403, "body": body, "content_type": "application/xml"}}))
        .at(Side::S3)
}

async fn apply(scene: &Scene) {
    scene.policy().await;
    scene.apply("IamUser", "ci", tried()).await;
}

/// What was asked of S3, and each request for a key, in order.
async fn requests(scene: &Scene) -> Vec<Entry> {
    let mut entries = scene.cloud.journal(0).await;
    entries.retain(|entry| {
        let mints = entry.method == "POST" && entry.path.ends_with("/access-keys");
        mints || entry.side == Side::S3
    });
    entries
}

fn told(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| match entry.side {
        Side::S3 => format!("{} {}", entry.method, entry.path),
        Side::Api | Side::Web => "mint".to_owned(),
    };
    entries.iter().map(line).collect()
}

async fn s3_was_asked(scene: &Scene, times: usize) {
    eventually(PATIENCE, "S3 is asked", async || {
        let entries = requests(scene).await;
        let asked = entries.iter().filter(|entry| entry.side == Side::S3);
        let count = asked.count();
        (count >= times)
            .then_some(())
            .ok_or_else(|| format!("{count} times"))
    })
    .await;
}

#[tokio::test]
async fn a_key_is_tried_once_after_it_was_made_and_never_again() {
    let scene = Scene::running().await;
    apply(&scene).await;
    scene.ready("IamUser", "ci").await;
    scene.round().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(told(&requests(&scene).await), ["mint", "GET /"]);
}

#[tokio::test]
async fn without_the_test_nothing_is_asked_of_s3() {
    let scene = Scene::issued().await;
    assert_eq!(told(&requests(&scene).await), ["mint"]);
}

#[tokio::test]
async fn a_key_that_may_not_list_buckets_is_accepted() {
    let scene = Scene::running().await;
    let spec = json!({"serviceRef": {"name": "media"}, "document": document("s3:GetObject")});
    scene.apply("IamPolicy", "logs-rw", spec).await;
    scene.apply("IamUser", "ci", tried()).await;
    scene.ready("IamUser", "ci").await;
    let entries = requests(&scene).await;
    assert_eq!(told(&entries), ["mint", "GET /"]);
    assert_eq!(entries[1].status, Some(403));
}

#[tokio::test]
async fn a_key_that_s3_does_not_know_is_deleted_and_another_one_made() {
    let scene = Scene::running().await;
    scene.cloud.fault(refusal("InvalidAccessKeyId")).await;
    apply(&scene).await;
    let text = scene.event("IamUser", "ci", "NewKeyNotAccepted").await;
    assert!(text.contains("deleted"), "{text}");
    let id = scene.new_key("ci", "ci-s3", &[]).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await, [id]);
    let order = told(&requests(&scene).await);
    assert_eq!(order, ["mint", "GET /", "mint", "GET /"]);
}

#[tokio::test]
async fn a_key_that_is_never_accepted_never_stands_in_a_secret() {
    let scene = Scene::running().await;
    let fault = refusal("SignatureDoesNotMatch").times(0);
    scene.cloud.fault(fault).await;
    apply(&scene).await;
    s3_was_asked(&scene, 2).await;
    let told = scene
        .until("IamUser", "ci", "Issued", "False", "NewKeyNotAccepted")
        .await;
    assert!(told.contains("SignatureDoesNotMatch"), "{told}");
    assert_eq!(scene.secret("ci-s3").await, None);
    eventually(PATIENCE, "no refused key is left", async || {
        let live = scene.live_keys("ci").await;
        if live.len() <= 1 {
            Ok(())
        } else {
            Err(format!("{live:?}"))
        }
    })
    .await;
    scene.cloud.heal().await;
    scene.advance(Duration::from_mins(6)).await;
    scene.ready("IamUser", "ci").await;
}

#[tokio::test]
async fn while_s3_cannot_be_reached_there_is_no_secret_for_a_minute() {
    let scene = Scene::running().await;
    let fault = Fault::status(503).at(Side::S3).times(0);
    scene.cloud.fault(fault).await;
    apply(&scene).await;
    s3_was_asked(&scene, 1).await;
    let why = eventually(PATIENCE, "the reason is told", async || {
        let status = scene.status("IamUser", "ci").await.to_string();
        if status.contains("not tested yet") {
            Ok(status)
        } else {
            Err(status)
        }
    })
    .await;
    assert!(why.contains("status 503"), "{why}");
    assert_eq!(scene.secret("ci-s3").await, None);
    scene.advance(Duration::from_secs(61)).await;
    scene.ready("IamUser", "ci").await;
    let text = scene.event("IamUser", "ci", "OutcomeUnknown").await;
    assert!(text.contains("untested"), "{text}");
    let minted = told(&requests(&scene).await);
    let mints = minted.iter().filter(|line| *line == "mint").count();
    assert_eq!(mints, 1, "{minted:?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_by_the_answer() {
    let scene = Scene::without_operator().await;
    let mut scene = scene;
    scene.clock.advance(Duration::from_hours(1));
    scene.start(std::sync::Arc::new(cooper::wire::Open)).await;
    scene.service().await;
    apply(&scene).await;
    scene.ready("IamUser", "ci").await;
    let entries = requests(&scene).await;
    assert_eq!(told(&entries), ["mint", "GET /", "GET /"]);
    let statuses: Vec<_> = entries[1..].iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(403), Some(200)]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_signed_request() {
    let scene = Scene::running().await;
    let elsewhere = format!("{}/elsewhere", scene.cloud.s3);
    let fault = Fault::of(json!({"redirect": {"to": elsewhere}})).at(Side::S3);
    scene.cloud.fault(fault).await;
    apply(&scene).await;
    s3_was_asked(&scene, 1).await;
    scene.advance(Duration::from_secs(20)).await;
    scene.ready("IamUser", "ci").await;
    let entries = requests(&scene).await;
    assert!(
        !told(&entries).contains(&"GET /elsewhere".to_owned()),
        "{entries:?}"
    );
}

#[tokio::test]
async fn a_key_waits_for_its_service_to_be_ready() {
    let scene = Scene::open().await;
    scene.cloud.stick(Some("setup-tls")).await;
    scene.service().await;
    apply(&scene).await;
    scene
        .cloud_until("a key is made", |service| {
            let keys = service["users"][0]["keys"].as_array();
            keys.is_some_and(|keys| !keys.is_empty())
        })
        .await;
    eventually(PATIENCE, "the user says that it waits", async || {
        let status = scene.status("IamUser", "ci").await.to_string();
        if status.contains("until the service is Ready") {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    assert_eq!(told(&requests(&scene).await), ["mint"]);
    scene.cloud.stick(None).await;
    scene.advance(Duration::from_mins(1)).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(told(&requests(&scene).await), ["mint", "GET /"]);
}

#[tokio::test]
async fn the_secret_of_a_tried_key_works() {
    let scene = Scene::running().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    apply(&scene).await;
    scene.ready("IamUser", "ci").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("logs", "a.txt", "a").await, 200);
}

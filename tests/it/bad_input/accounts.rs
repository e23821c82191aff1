//! Credentials that do not work, belong to somebody else, or may not be read.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    CHECK, Neighbour, condition, in_time, journal_end, ready_in_time, says, warned, writes_since,
};
use crate::ground::eventually;
use crate::scene::{PATIENCE, Scene, TOKEN};

/// Account `healthy` of another customer of the cloud, with service `healthy` in it.
async fn healthy_neighbour(scene: &Scene) -> Neighbour {
    scene.cloud.account("healthy", "ucat_healthy").await;
    lend(scene, "healthy", "ucat_healthy", true).await;
    let mut spec = scene.account_spec();
    spec["credentialsSecretRef"]["name"] = json!("healthy");
    scene.apply("Account", "healthy", spec).await;
    scene
        .apply(
            "ObjectStorageService",
            "healthy",
            json!({"accountRef": {"name": "healthy"}, "region": "europe-1"}),
        )
        .await;
    Neighbour::of(scene, "ObjectStorageService", "healthy").await
}

/// A credentials Secret, lent to cooper or not.
async fn lend(scene: &Scene, name: &str, token: &str, consent: bool) {
    let labels = if consent {
        json!({"cooper.dev/credentials": "upcloud"})
    } else {
        json!({})
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "stringData": {"token": token},
    });
    let how = PatchParams::apply("test").force();
    scene
        .secrets()
        .patch(name, &how, &Patch::Apply(&secret))
        .await
        .unwrap();
}

/// Account `default` and what lives in it, whatever its Secret holds.
async fn story(scene: &Scene) {
    scene
        .apply("Account", "default", scene.account_spec())
        .await;
    scene
        .apply(
            "ObjectStorageService",
            "media",
            json!({"accountRef": {"name": "default"}, "region": "europe-2"}),
        )
        .await;
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "media"}}))
        .await;
}

const ACCOUNT: (&str, &str) = ("Account", "default");

#[tokio::test]
async fn a_wrong_token_is_told_on_the_account_and_works_once_it_is_corrected() {
    let scene = Scene::open().await;
    let neighbour = healthy_neighbour(&scene).await;
    let before = journal_end(&scene).await;
    lend(&scene, "upcloud", "ucat_wrong", true).await;
    story(&scene).await;

    let message = scene
        .until("Account", "default", "Ready", "False", "CredentialsRefused")
        .await;
    says(&message, &["put valid ones into the Account's Secret"]);
    let note = warned(&scene, "default", "CredentialsRefused").await;
    says(&note, &["put valid ones into the Account's Secret"]);
    let message = scene
        .until(
            "ObjectStorageService",
            "media",
            "Ready",
            "False",
            "AccountNotReady",
        )
        .await;
    says(&message, &["Account", "default"]);
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);

    scene.credentials(TOKEN).await;
    in_time(&scene, CHECK, ACCOUNT, ("Ready", "True", "Connected")).await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_token_that_stops_working_leaves_what_works_ready() {
    let scene = Scene::open().await;
    scene.service().await;
    let bucket = Neighbour::bucket(&scene).await;

    scene.credentials("ucat_revoked").await;
    in_time(
        &scene,
        CHECK,
        ACCOUNT,
        ("Ready", "False", "CredentialsRefused"),
    )
    .await;
    let message = scene
        .until("Bucket", "steady", "Synced", "Unknown", "AccountNotReady")
        .await;
    says(&message, &["put valid ones into the Account's Secret"]);
    bucket.was_ready_throughout(&scene).await;

    scene.credentials(TOKEN).await;
    in_time(&scene, CHECK, ACCOUNT, ("Ready", "True", "Connected")).await;
    scene.ready("Bucket", "steady").await;
    bucket.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn the_token_of_another_account_is_not_used_for_anything() {
    let scene = Scene::open().await;
    let neighbour = healthy_neighbour(&scene).await;
    scene.cloud.account("other", "ucat_other").await;
    scene.service().await;
    scene.user().await;
    let bucket = Neighbour::bucket(&scene).await;
    let user = Neighbour::of(&scene, "IamUser", "ci").await;
    let secret = scene.secret("ci-s3").await;
    let service = scene.service_id().await;

    scene.credentials("ucat_other").await;
    let message = in_time(&scene, CHECK, ACCOUNT, ("Ready", "False", "AnotherAccount")).await;
    says(
        &message,
        &[
            "account other",
            "stands for demo",
            "Put the credentials of demo into the Secret, or make another Account for other",
        ],
    );
    let before = journal_end(&scene).await;
    scene
        .until("IamUser", "ci", "Synced", "Unknown", "AccountNotReady")
        .await;
    // Rounds that would find everything absent, and make it anew, if they asked.
    for _ in 0..3 {
        scene.advance(CHECK * 10).await;
        scene
            .until("Account", "default", "Ready", "False", "AnotherAccount")
            .await;
    }
    let journal = scene.cloud.journal(before).await;
    let by_other: Vec<_> = journal
        .iter()
        .filter(|entry| entry.account.as_deref() == Some("other"))
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect();
    assert!(
        by_other.iter().all(|asked| asked == "GET /1.3/account"),
        "{by_other:?}"
    );
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);
    let state = scene.cloud.state().await;
    assert_eq!(state["accounts"]["other"]["services"], json!([]));

    scene.credentials(TOKEN).await;
    in_time(&scene, CHECK, ACCOUNT, ("Ready", "True", "Connected")).await;
    scene.ready("Bucket", "steady").await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.service_id().await, service, "nothing was made anew");
    assert_eq!(scene.secret("ci-s3").await, secret);
    assert_eq!(writes_since(&scene, before).await, [] as [String; 0]);
    for kept in [neighbour, bucket, user] {
        kept.was_ready_throughout(&scene).await;
    }
}

#[tokio::test]
async fn an_unlabelled_credentials_secret_is_not_read_until_its_owner_consents() {
    let scene = Scene::open().await;
    let neighbour = healthy_neighbour(&scene).await;
    lend(&scene, "upcloud", TOKEN, false).await;
    story(&scene).await;

    let message = scene
        .until("Account", "default", "Ready", "False", "SecretNotLabelled")
        .await;
    let way = format!(
        "kubectl label secret -n {} upcloud cooper.dev/credentials=upcloud",
        &*scene.namespace
    );
    says(&message, &[&way]);
    says(
        &warned(&scene, "default", "SecretNotLabelled").await,
        &[&way],
    );
    scene.until("Bucket", "logs", "Ready", "False", "").await;

    let labelled = scene
        .ground
        .kubectl(&way.split(' ').skip(1).collect::<Vec<_>>())
        .await;
    assert!(labelled.status.success(), "{labelled:?}");
    in_time(&scene, CHECK, ACCOUNT, ("Ready", "True", "Connected")).await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn the_secret_that_was_named_before_is_given_back() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    let marks = async |name: &str| {
        let secret = scene.secrets().get_metadata_opt(name).await.unwrap();
        secret.map(|secret| secret.metadata.finalizers.unwrap_or_default())
    };
    let in_use = Some(vec!["cooper.dev/in-use".to_owned()]);
    eventually(PATIENCE, "the Secret is marked", async || {
        scene.advance(CHECK).await;
        let now = marks("upcloud").await;
        (now == in_use).then_some(()).ok_or(format!("{now:?}"))
    })
    .await;

    lend(&scene, "second", TOKEN, true).await;
    scene
        .merge(
            "Account",
            "default",
            json!({"spec": {"credentialsSecretRef": {"name": "second"}}}),
        )
        .await;
    scene
        .secrets()
        .delete("upcloud", &DeleteParams::default())
        .await
        .unwrap();
    eventually(PATIENCE, "the first Secret goes", async || {
        scene.advance(CHECK).await;
        let now = marks("upcloud").await;
        now.is_none().then_some(()).ok_or(format!("{now:?}"))
    })
    .await;
    assert_eq!(marks("second").await, in_use);
}

#[tokio::test]
async fn missing_credentials_are_asked_for_and_taken_once_they_are_there() {
    let scene = Scene::open().await;
    let neighbour = healthy_neighbour(&scene).await;
    story(&scene).await;

    let message = scene
        .until("Account", "default", "Ready", "False", "SecretNotFound")
        .await;
    says(
        &message,
        &[
            "Secret upcloud does not exist",
            "create it with the credentials and the label cooper.dev/credentials: upcloud",
        ],
    );
    warned(&scene, "default", "SecretNotFound").await;

    scene.credentials(TOKEN).await;
    in_time(&scene, CHECK, ACCOUNT, ("Ready", "True", "Connected")).await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn credentials_that_are_no_credentials_say_what_to_put() {
    let scene = Scene::open().await;
    let neighbour = healthy_neighbour(&scene).await;
    lend(&scene, "upcloud", "", true).await;
    story(&scene).await;

    let message = scene
        .until("Account", "default", "Ready", "False", "InvalidCredentials")
        .await;
    says(&message, &["`token` or `username` and `password`"]);
    let stalled = condition(&scene, "Account", "default", "Stalled").await;
    assert_ne!(stalled, Value::Null, "only a person can help");

    scene.credentials(TOKEN).await;
    ready_in_time(&scene, CHECK, "Account", "default").await;
    scene.ready("Bucket", "logs").await;
    neighbour.was_ready_throughout(&scene).await;
}

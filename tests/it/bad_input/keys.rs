//! What stands in the way of a key: a Secret of the wanted name, and keys of others.

use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use super::{CHECK, Neighbour, foreign, in_time, ready_in_time, row, says, warned};
use crate::scene::{Scene, user_spec};

/// IamUser `steady` with a Secret of its own.
async fn steady_user(scene: &Scene) -> Neighbour {
    let mut spec = user_spec();
    spec["accessKey"]["secretName"] = json!("steady-s3");
    scene.apply("IamUser", "steady", spec).await;
    Neighbour::of(scene, "IamUser", "steady").await
}

async fn keys(scene: &Scene) -> Vec<String> {
    let user = row(scene, "users", "ci").await;
    let keys = user["keys"].as_array().cloned().unwrap_or_default();
    keys.iter()
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_foreign_secret_of_the_wanted_name_is_left_alone_and_no_key_is_made_for_it() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.policy().await;
    let neighbour = steady_user(&scene).await;
    let secret = json!({"metadata": {"name": "ci-s3"}, "stringData": {"password": "hunter2"}});
    let secret = serde_json::from_value(secret).unwrap();
    let secret = scene
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
    scene.apply("IamUser", "ci", user_spec()).await;

    let message = scene
        .until("IamUser", "ci", "Issued", "False", "SecretNotOurs")
        .await;
    let help = [
        "Secret ci-s3 exists and this resource did not make it",
        "rename or remove it, or choose another secretName",
    ];
    says(&message, &help);
    scene
        .until("IamUser", "ci", "Ready", "False", "SecretNotOurs")
        .await;
    says(&warned(&scene, "ci", "SecretNotOurs").await, &help);
    scene.advance(CHECK).await;
    scene
        .until("IamUser", "ci", "Issued", "False", "SecretNotOurs")
        .await;
    assert_eq!(scene.secrets().get("ci-s3").await.unwrap(), secret);
    assert_eq!(keys(&scene).await, [] as [String; 0]);

    scene
        .secrets()
        .delete("ci-s3", &DeleteParams::default())
        .await
        .unwrap();
    in_time(
        &scene,
        CHECK,
        ("IamUser", "ci"),
        ("Issued", "True", "Issued"),
    )
    .await;
    scene.ready("IamUser", "ci").await;
    let ours = scene.secret("ci-s3").await.unwrap();
    assert_eq!(keys(&scene).await, [ours["AWS_ACCESS_KEY_ID"].clone()]);
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_foreign_secret_in_place_of_ours_is_left_alone_and_the_key_lives_on() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.user().await;
    let neighbour = steady_user(&scene).await;
    scene.ready("IamUser", "ci").await;
    let before = keys(&scene).await;

    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    let secret = json!({"metadata": {"name": "ci-s3"}, "stringData": {"password": "hunter2"}});
    let secret = serde_json::from_value(secret).unwrap();
    let made = scene
        .secrets()
        .create(&PostParams::default(), &secret)
        .await;
    let secret = made.unwrap();
    in_time(
        &scene,
        CHECK,
        ("IamUser", "ci"),
        ("Issued", "False", "SecretNotOurs"),
    )
    .await;
    assert_eq!(scene.secrets().get("ci-s3").await.unwrap(), secret);
    assert!(keys(&scene).await.len() <= before.len());

    scene.secrets().delete("ci-s3", &how).await.unwrap();
    in_time(
        &scene,
        CHECK,
        ("IamUser", "ci"),
        ("Issued", "True", "Rotating"),
    )
    .await;
    let ours = scene.secret("ci-s3").await.unwrap();
    assert!(keys(&scene).await.contains(&ours["AWS_ACCESS_KEY_ID"]));
    neighbour.was_ready_throughout(&scene).await;
}

#[tokio::test]
async fn a_full_key_quota_is_told_and_the_keys_of_others_stay() {
    let scene = Scene::open().await;
    scene.service().await;
    scene.policy().await;
    let neighbour = steady_user(&scene).await;
    let mut without_key = user_spec();
    without_key.as_object_mut().unwrap().remove("accessKey");
    scene.apply("IamUser", "ci", without_key).await;
    scene.ready("IamUser", "ci").await;
    for _ in 0..2 {
        foreign(&scene, "POST", "users/ci/access-keys", Value::Null).await;
    }
    let theirs = keys(&scene).await;
    assert_eq!(theirs.len(), 2);

    scene.apply("IamUser", "ci", user_spec()).await;
    let message = scene
        .until("IamUser", "ci", "Issued", "False", "QuotaFull")
        .await;
    let help = [
        &theirs[0],
        &theirs[1],
        "delete one of those at the cloud",
        "exclusive: true",
    ];
    says(&message, &help);
    scene
        .until("IamUser", "ci", "Ready", "False", "QuotaFull")
        .await;
    says(&warned(&scene, "ci", "QuotaFull").await, &help);
    scene.advance(CHECK * 2).await;
    scene
        .until("IamUser", "ci", "Issued", "False", "QuotaFull")
        .await;
    assert_eq!(keys(&scene).await, theirs);
    assert!(scene.secret("ci-s3").await.is_none());

    let (gone, kept) = (&theirs[0], &theirs[1]);
    let path = format!("users/ci/access-keys/{gone}");
    foreign(&scene, "DELETE", &path, Value::Null).await;
    ready_in_time(&scene, CHECK, "IamUser", "ci").await;
    let ours = scene.secret("ci-s3").await.unwrap()["AWS_ACCESS_KEY_ID"].clone();
    let now = keys(&scene).await;
    assert!(
        now.len() == 2 && now.contains(kept) && now.contains(&ours),
        "{now:?}"
    );
    neighbour.was_ready_throughout(&scene).await;
}

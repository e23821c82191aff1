//! `keys`: live keys, and whose they are.

use serde_json::Value;

use super::Cooper;
use crate::scene::{Scene, TOKEN};

#[tokio::test]
async fn a_key_that_no_resource_names_is_unknown() {
    let scene = Scene::issued().await;
    let cooper = Cooper::in_cluster(&scene)
        .await
        .flag("--account=default")
        .flag(&format!("--namespace={}", &*scene.namespace));
    let secret = scene.secret("ci-s3").await.unwrap();
    let said = cooper.run(&["keys", "--fail-on-unknown"]).await;
    assert!(!said.out.contains(&secret["AWS_SECRET_ACCESS_KEY"]));
    assert!(!said.out.contains(TOKEN));
    let table = said.done();
    let words: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let owner = format!("{}/ci", &*scene.namespace);
    assert_eq!(words.len(), 2, "{table}");
    assert_eq!(
        words[1][..4],
        ["media", "ci", &secret["AWS_ACCESS_KEY_ID"], "Active"],
        "{table}"
    );
    assert_eq!(words[1][5..], ["never", "current", &owner], "{table}");

    let theirs = scene
        .theirs("POST", "/users/ci/access-keys", Value::Null)
        .await;
    let unknown = ["keys", "--unknown", "--fail-on-unknown", "-o", "json"];
    let keys = cooper.run(&unknown).await.json(2);
    assert_eq!(keys.as_array().unwrap().len(), 1, "{keys}");
    assert_eq!(keys[0]["id"], theirs["access_key_id"]);
    assert_eq!(keys[0]["role"], "unknown");
    assert_eq!(keys[0]["owner"], owner);
    assert_eq!(keys[0]["neverUsed"], true);
}

#[tokio::test]
async fn without_a_cluster_nobody_is_called_unknown() {
    let scene = Scene::issued().await;
    let cooper = Cooper::with_token(&scene.cloud);
    let keys = cooper
        .run(&["keys", "--offline", "-o", "json"])
        .await
        .json(0);
    assert_eq!(keys[0]["user"], "ci");
    assert_eq!(keys[0]["role"], Value::Null);
    let both = cooper
        .run(&["keys", "--offline", "--fail-on-unknown"])
        .await;
    assert!(both.failed().contains("cannot be used with"));
}

#[tokio::test]
async fn users_that_may_not_be_listed_are_an_error() {
    let scene = Scene::without_operator().await;
    scene.account().await;
    let cooper = Cooper::in_cluster(&scene).await;
    let told = cooper.run(&["keys", "--account", "default"]).await.failed();
    assert!(
        told.contains("cannot list the IamUsers") && told.contains("forbidden"),
        "{told}"
    );
}

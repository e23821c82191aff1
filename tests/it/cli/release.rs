//! `release`: finalizers off, Secrets kept, the cloud not asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use cooper::wire::Open;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use super::Cooper;
use crate::ground::eventually;
use crate::hands::{has_bucket, named};
use crate::scene::{PATIENCE, Scene};

const ALL: [(&str, &str); 5] = [
    ("IamUser", "ci"),
    ("Bucket", "logs"),
    ("IamPolicy", "logs-rw"),
    ("ObjectStorageService", "media"),
    ("Account", "default"),
];

/// All of [`ALL`], usable, with nothing in the journal.
async fn full() -> (Scene, Cooper) {
    let scene = Scene::issued().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    all_is_held(&scene).await;
    scene.cloud.forget().await;
    let cooper = Cooper::in_cluster(&scene).await;
    let cooper = cooper.flag(&format!("--namespace={}", &*scene.namespace));
    (scene, cooper)
}

/// Who has a finalizer of ours, the credentials Secret among them.
async fn held(scene: &Scene) -> Vec<&'static str> {
    let mut held = Vec::new();
    for (kind, name) in ALL {
        let object = scene.get(kind, name).await;
        held.extend(
            object
                .metadata
                .finalizers
                .filter(|all| !all.is_empty())
                .map(|_| kind),
        );
    }
    let credentials = scene.secrets().get("upcloud").await.unwrap();
    held.extend(
        credentials
            .metadata
            .finalizers
            .filter(|all| !all.is_empty())
            .map(|_| "Secret"),
    );
    held
}

/// Waits until everything is; the credentials are looked at now and then.
async fn all_is_held(scene: &Scene) {
    eventually(PATIENCE, "everything is held", async || {
        let held = held(scene).await;
        if held.len() == 6 {
            return Ok(());
        }
        scene.advance(std::time::Duration::from_secs(61)).await;
        Err(format!("{held:?}"))
    })
    .await;
}

async fn owners(scene: &Scene) -> usize {
    let secret = scene.secrets().get("ci-s3").await.unwrap();
    secret
        .metadata
        .owner_references
        .map_or(0, |owners| owners.len())
}

/// What was done, by kind.
fn results(told: &Value) -> BTreeMap<&str, &str> {
    let rows = told.as_array().unwrap().iter();
    rows.map(|row| (row["kind"].as_str().unwrap(), row["done"].as_str().unwrap()))
        .collect()
}

/// The cloud and the Secret are as they were, and the key works.
async fn is_all_there(scene: &Scene, secret: &BTreeMap<String, String>) {
    assert_eq!(scene.writes().await, [""; 0]);
    let cloud = scene.at_cloud().await;
    assert!(
        has_bucket(&cloud, "logs") && !named(&cloud, "users", "ci").is_null(),
        "{cloud}"
    );
    assert_eq!(scene.secret("ci-s3").await.as_ref(), Some(secret));
    assert_eq!(
        scene.live_keys("ci").await,
        [secret["AWS_ACCESS_KEY_ID"].clone()]
    );
}

#[tokio::test]
async fn what_is_released_can_be_removed_and_the_cloud_and_the_secret_stay() {
    let (mut scene, cooper) = full().await;
    let secret = scene.secret("ci-s3").await.unwrap();
    scene.stop().await;
    let before = held(&scene).await;
    assert_eq!(before.len(), 6, "{before:?}");

    let dry = cooper
        .run(&["release", "--all", "--dry-run", "-o", "json"])
        .await
        .json(0);
    assert!(
        results(&dry).values().all(|done| *done == "would-release"),
        "{dry}"
    );
    assert_eq!((held(&scene).await, owners(&scene).await), (before, 1));

    let told = cooper
        .run(&["release", "--all", "-o", "json"])
        .await
        .json(0);
    assert_eq!(results(&told).len(), 5, "{told}");
    assert!(
        results(&told).values().all(|done| *done == "released"),
        "{told}"
    );
    assert_eq!((held(&scene).await, owners(&scene).await), (vec![], 0));

    let again = cooper
        .run(&["release", "--all", "-o", "json"])
        .await
        .json(0);
    assert!(
        results(&again).values().all(|done| *done == "free"),
        "{again}"
    );

    for (kind, name) in ALL {
        scene.delete(kind, name).await;
        scene.gone(kind, name).await;
    }
    is_all_there(&scene, &secret).await;
}

#[tokio::test]
async fn an_operator_that_is_started_later_looks_after_everything_again() {
    let (mut scene, cooper) = full().await;
    let secret = scene.secret("ci-s3").await.unwrap();
    scene.stop().await;
    cooper.run(&["release", "--all"]).await.done();
    scene.start(Arc::new(Open)).await;
    all_is_held(&scene).await;
    eventually(PATIENCE, "the Secret has its owner again", async || {
        scene.advance(std::time::Duration::from_secs(61)).await;
        let owners = owners(&scene).await;
        (owners == 1).then_some(()).ok_or(format!("{owners}"))
    })
    .await;
    is_all_there(&scene, &secret).await;
}

#[tokio::test]
async fn while_an_operator_runs_what_comes_back_is_told() {
    let (scene, cooper) = full().await;
    let said = cooper.run(&["release", "--all"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("came back"), "{said:?}");
    assert!(said.out.contains("an operator is at work"), "{said:?}");
    assert_eq!(scene.writes().await, [""; 0]);
}

#[tokio::test]
async fn a_named_resource_is_paused_and_let_go_while_the_operator_runs() {
    let (scene, cooper) = full().await;
    let secret = scene.secret("ci-s3").await.unwrap();
    let told = cooper
        .run(&["release", "ucuser/ci", "-o", "json"])
        .await
        .json(0);
    assert_eq!(
        results(&told),
        BTreeMap::from([("IamUser", "released")]),
        "{told}"
    );
    assert_eq!(told[0]["secrets"], json!(["ci-s3"]));
    scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    scene.advance(std::time::Duration::from_secs(700)).await;
    scene.ready("Bucket", "logs").await;
    assert_eq!(
        (
            held(&scene).await.contains(&"IamUser"),
            owners(&scene).await
        ),
        (false, 0)
    );
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    is_all_there(&scene, &secret).await;
}

#[tokio::test]
async fn what_cannot_be_released_is_said() {
    let (_scene, cooper) = full().await;
    for (arguments, words) in [
        (&["release", "secret/x"][..], "no kind of cooper's"),
        (&["release", "bucket/other"], "bucket/other does not exist"),
        (
            &["release", "account/default"],
            "stop it, and release --all",
        ),
    ] {
        let said = cooper.run(arguments).await.failed();
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_running_operator_is_seen_by_its_pod() {
    let (mut scene, cooper) = full().await;
    scene.stop().await;
    // Whoever may see all Pods.
    let admin = scene.ground.admin();
    let name = format!("pods-{}", &*scene.namespace);
    let how = PostParams::default();
    let role = json!({"metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]});
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    roles
        .create(&how, &serde_json::from_value(role).unwrap())
        .await
        .unwrap();
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("system:serviceaccounts:{}", &*scene.namespace)}],
    });
    let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
    bindings
        .create(&how, &serde_json::from_value(binding).unwrap())
        .await
        .unwrap();
    let pods: Api<Pod> = Api::namespaced(admin, &scene.namespace);
    let pod = json!({
        "metadata": {"name": "operator", "labels": {"app.kubernetes.io/name": "cooper"}},
        "spec": {"containers": [{"name": "cooper", "image": "cooper"}]},
    });
    pods.create(&how, &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();

    let said = cooper.run(&["release", "--all"]).await.failed();
    assert!(
        said.contains(&format!("Pod {}/operator", &*scene.namespace)),
        "{said}"
    );
    assert!(said.contains("--stop"), "{said}");
    assert_eq!(held(&scene).await.len(), 6);

    // Nobody runs it, so it is gone at once.
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("operator", &at_once).await.unwrap();
    cooper.run(&["release", "--all"]).await.done();
    assert_eq!(held(&scene).await, [""; 0]);
    let how = DeleteParams::default();
    bindings.delete(&name, &how).await.unwrap();
    roles.delete(&name, &how).await.unwrap();
}

#[tokio::test]
async fn a_deployment_of_the_operator_is_stopped_first() {
    let (mut scene, cooper) = full().await;
    scene.stop().await;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cooper", "namespace": &*scene.namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cooper"}}, "template": {
            "metadata": {"labels": {"app": "cooper"}}, "spec": {"containers": [{"name": "cooper", "image": "cooper"}]}}},
    });
    let made = scene
        .ground
        .kubectl_with(&["apply", "-f", "-"], &deployment.to_string())
        .await;
    assert!(made.status.success(), "{made:?}");
    let stop = format!("{}/cooper", &*scene.namespace);
    let said = cooper.run(&["release", "--all", "--stop", &stop]).await;
    assert!(
        said.err.contains(&format!("stopped Deployment {stop}")),
        "{said:?}"
    );
    said.done();
    let jsonpath = [
        "get",
        "deployment",
        "cooper",
        "-o",
        "jsonpath={.spec.replicas}",
        "-n",
        &*scene.namespace,
    ];
    let replicas = scene.ground.kubectl(&jsonpath).await;
    assert_eq!(replicas.stdout, b"0");
    assert_eq!(held(&scene).await, [""; 0]);
}

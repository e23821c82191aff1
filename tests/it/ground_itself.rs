//! The ground does what the tests on it rely on.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::ground::{Ground, Need, SYSTEM, eventually};

const LIMIT: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn what_an_owner_leaves_is_collected() {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Controllers]) {
        return;
    }
    let namespace = ground.namespace().await;
    let maps: Api<ConfigMap> = Api::namespaced(ground.admin(), &namespace);
    let owner = maps
        .create(&PostParams::default(), &config_map("owner"))
        .await
        .unwrap();
    let mut child = config_map("owned");
    child.metadata.owner_references = Some(vec![kube::Resource::owner_ref(&owner, &()).unwrap()]);
    maps.create(&PostParams::default(), &child).await.unwrap();

    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();

    eventually(LIMIT, "the owned object is gone", async || {
        match maps.get_opt("owned").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_has_a_role_in_one_namespace_only() {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Controllers]) {
        return;
    }
    let (home, elsewhere) = (ground.namespace().await, ground.namespace().await);
    let viewer = ground.user_client(&home, "view").await;

    let seen = Api::<ConfigMap>::namespaced(viewer.clone(), &home)
        .list(&ListParams::default())
        .await;
    assert!(seen.is_ok(), "{seen:?}");
    for refused in [
        Api::<ConfigMap>::namespaced(viewer.clone(), &home)
            .create(&PostParams::default(), &config_map("a"))
            .await
            .err(),
        Api::<ConfigMap>::namespaced(viewer.clone(), &elsewhere)
            .list(&ListParams::default())
            .await
            .err(),
        Api::<Secret>::namespaced(viewer.clone(), &home)
            .list(&ListParams::default())
            .await
            .err(),
    ] {
        assert!(
            matches!(&refused, Some(kube::Error::Api(status)) if status.is_forbidden()),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn writes_are_counted_without_dry_runs_and_events() {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Audit]) {
        return;
    }
    let namespace = ground.namespace().await;
    let editor = ground.user_client(&namespace, "edit").await;
    let (dry_run, really) = (
        PostParams {
            dry_run: true,
            ..PostParams::default()
        },
        PostParams::default(),
    );
    let name = format!(
        "system:serviceaccount:{}:{}",
        &*namespace,
        account_of(&editor).await
    );
    let before = ground.writes(&name).await;

    let maps: Api<ConfigMap> = Api::namespaced(editor.clone(), &namespace);
    maps.create(&dry_run, &config_map("dry")).await.unwrap();
    maps.create(&really, &config_map("a")).await.unwrap();
    maps.create(&really, &config_map("b")).await.unwrap();
    maps.create(&really, &config_map("b")).await.unwrap_err();
    maps.patch(
        "a",
        &PatchParams::default().dry_run(),
        &Patch::Merge(json!({"data": {"k": "v"}})),
    )
    .await
    .unwrap();
    maps.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(json!({"data": {"k": "v"}})),
    )
    .await
    .unwrap();
    maps.list(&ListParams::default()).await.unwrap();
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": &*namespace}});
    Api::<Event>::namespaced(editor, &namespace)
        .create(&really, &serde_json::from_value(event).unwrap())
        .await
        .ok();
    maps.delete("a", &DeleteParams::default().dry_run())
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();

    let writes = ground.writes(&name).await.since(&before).within(&namespace);
    assert_eq!(writes.of("create", "configmaps"), 3, "{writes:?}");
    assert!(
        writes
            .all()
            .iter()
            .all(|write| ["a", "b"].contains(&write.name.as_str())),
        "{writes:?}"
    );
    assert_eq!(writes.of("patch", "configmaps"), 1, "{writes:?}");
    assert_eq!(writes.of("delete", "configmaps"), 1, "{writes:?}");
    assert_eq!(writes.total(), 5, "{writes:?}");
    assert_eq!(
        writes
            .all()
            .iter()
            .filter(|write| write.code == 409)
            .count(),
        1,
        "{writes:?}"
    );
}

/// The ServiceAccount behind a client, asked of the server.
async fn account_of(client: &kube::Client) -> String {
    let question = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(&question).unwrap())
        .unwrap();
    let answer: serde_json::Value = client.request(request).await.unwrap();
    let name = answer["status"]["userInfo"]["username"].as_str().unwrap();
    name.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_operator_is_held_by_its_rights_and_by_the_fence() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let operator = kube::Client::try_from(ground.operator_config().await).unwrap();
    let secrets: Api<Secret> = Api::namespaced(operator.clone(), &namespace);

    assert_eq!(
        format!(
            "system:serviceaccount:{SYSTEM}:{}",
            account_of(&operator).await
        ),
        Ground::operator()
    );
    let read = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&read, kube::Error::Api(status) if status.is_forbidden()),
        "{read:?}"
    );
    let unlabelled = Secret {
        metadata: config_map("plain").metadata,
        ..Secret::default()
    };
    let made = secrets
        .create(&PostParams::default(), &unlabelled)
        .await
        .unwrap_err();
    assert!(
        matches!(&made, kube::Error::Api(status) if status.code == 422 && status.message.contains("cooper fence:")),
        "{made:?}"
    );
}

#[tokio::test]
async fn kubectl_reads_what_it_is_given() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "piped"}}).to_string();

    let applied = ground
        .kubectl_with(&["apply", "-n", &namespace, "-f", "-"], &manifest)
        .await;
    assert!(applied.status.success(), "{applied:?}");
    let absent = ground
        .kubectl(&["get", "configmap", "absent", "-n", &namespace])
        .await;
    assert_eq!(absent.status.code(), Some(1), "{absent:?}");
    assert!(
        String::from_utf8_lossy(&absent.stderr).contains("NotFound"),
        "{absent:?}"
    );
}

#[tokio::test]
async fn each_component_comes_back_with_what_was_stored() {
    if Ground::get()
        .await
        .lacks(&[Need::Own, Need::Restart, Need::Controllers])
    {
        return;
    }
    let ground = Ground::own().await;
    let namespace = ground.namespace().await;
    let maps: Api<ConfigMap> = Api::namespaced(ground.admin(), &namespace);
    maps.create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();

    for component in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        ground.restart(component).await;
        maps.get("kept")
            .await
            .unwrap_or_else(|error| panic!("after restart of {component}: {error}"));
    }
}

#[tokio::test]
#[should_panic(expected = "not so within 50ms: pigs fly; at last: they walk")]
async fn what_never_comes_is_told_with_its_last_reason() {
    eventually::<()>(Duration::from_millis(50), "pigs fly", async || {
        Err("they walk".to_owned())
    })
    .await;
}

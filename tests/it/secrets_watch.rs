//! `secrets.watch`: a Secret that somebody changes or deletes is healed without waiting for the next look, where the right is granted.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cooper::wire::Open;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ground::{ACCOUNT, Ground, SYSTEM, repository};
use crate::scene::Scene;

/// The user `ci` with its Secret, and an operator that would look at the Secret again in an hour.
async fn issued(scene: &mut Scene) {
    scene.settings.secret_check = Duration::from_hours(1);
    scene.settings.drift = Duration::from_hours(1);
    scene.settings.watch_secrets = true;
    scene.start(Arc::new(Open)).await;
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
}

/// The right that the overlay grants in the whole cluster, in the namespace of this test.
async fn grant(scene: &Scene) {
    let text = fs::read_to_string(repository("deploy/components/secrets-watch/rbac.yaml")).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let rules = &objects[0]["rules"];
    make::<Role>(
        scene,
        json!({"metadata": {"name": "watch"}, "rules": rules}),
    )
    .await;
    let binding = json!({
        "metadata": {"name": "watch"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watch"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}],
    });
    make::<RoleBinding>(scene, binding).await;
}

async fn make<K>(scene: &Scene, object: Value)
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + DeserializeOwned
        + serde::Serialize
        + Clone
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(scene.ground.admin(), &scene.namespace);
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn watching() -> Scene {
    let mut scene = Scene::without_operator().await;
    grant(&scene).await;
    issued(&mut scene).await;
    scene
}

#[tokio::test]
async fn a_deleted_secret_comes_back_without_waiting() {
    let scene = watching().await;
    let old = scene.live_keys("ci").await;
    scene
        .secrets()
        .delete("ci-s3", &DeleteParams::default())
        .await
        .unwrap();
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
}

#[tokio::test]
async fn an_edited_secret_is_healed_without_waiting() {
    let scene = watching().await;
    let old = scene.live_keys("ci").await;
    let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
    scene
        .secrets()
        .patch("ci-s3", &PatchParams::default(), &Patch::Merge(&edit))
        .await
        .unwrap();
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
}

#[tokio::test]
async fn a_secret_that_loses_our_label_is_reported_without_waiting() {
    let scene = watching().await;
    let edit = json!({"metadata": {"labels": {"cooper.dev/issuer": null}}});
    scene
        .secrets()
        .patch("ci-s3", &PatchParams::default(), &Patch::Merge(&edit))
        .await
        .unwrap();
    scene
        .until("IamUser", "ci", "Issued", "False", "SecretNotOurs")
        .await;
}

#[tokio::test]
async fn without_the_right_keys_are_issued_all_the_same() {
    let mut scene = Scene::without_operator().await;
    issued(&mut scene).await;
    let old = scene.live_keys("ci").await;
    scene
        .secrets()
        .delete("ci-s3", &DeleteParams::default())
        .await
        .unwrap();
    scene.advance(Duration::from_mins(70)).await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
}

#[tokio::test]
async fn an_installation_that_does_not_ask_for_it_has_no_right_to_watch_secrets() {
    let ground = Ground::get().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    let reviews: Api<SelfSubjectAccessReview> = Api::all(operator);
    for (verb, allowed) in [
        ("get", false),
        ("list", false),
        ("watch", false),
        ("create", true),
    ] {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    resource: Some("secrets".to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: Some("default".to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &review).await;
        assert_eq!(answer.unwrap().status.unwrap().allowed, allowed, "{verb}");
    }
}

//! The operator's way to Secrets, with its own token and the fence installed.

use cooper::engine::secret::{CONSENT, Found, IN_USE, Secrets};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

use crate::ground::{Ground, Namespace};

const ISSUER: &str = "cooper.dev/issuer";

struct Here {
    namespace: Namespace,
    secrets: Secrets,
    admin: Api<Secret>,
}

async fn here() -> Here {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    Here {
        secrets: Secrets::new(operator),
        admin: Api::namespaced(ground.admin(), &namespace),
        namespace,
    }
}

fn secret(name: &str, label: &str) -> Secret {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {label: "upcloud"}, "finalizers": ["a.b/c"]},
        "stringData": {"token": "hunter2"},
    }))
    .unwrap()
}

impl Here {
    async fn make(&self, name: &str, label: &str) -> Secret {
        let how = PostParams::default();
        self.admin.create(&how, &secret(name, label)).await.unwrap()
    }

    async fn read(&self, name: &str) -> Found {
        self.secrets.read(&self.namespace, name).await.unwrap()
    }

    async fn ours(&self, name: &str) -> Secret {
        match self.read(name).await {
            Found::Ours(secret) => *secret,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_read_is_what_is_stored() {
    let here = here().await;
    let (made, lent) = (
        here.make("made", ISSUER).await,
        here.make("lent", CONSENT).await,
    );

    assert_eq!(here.ours("made").await, made);
    assert_eq!(here.ours("lent").await, lent);
    assert_eq!(
        here.admin.get("made").await.unwrap(),
        made,
        "a read changes nothing"
    );
}

#[tokio::test]
async fn a_foreign_secret_is_not_read_and_an_absent_one_is_told_apart() {
    let here = here().await;
    here.make("foreign", "app").await;

    assert!(matches!(here.read("foreign").await, Found::Foreign));
    assert!(matches!(here.read("absent").await, Found::Absent));
}

#[tokio::test]
async fn what_was_read_can_be_replaced_and_deleted() {
    let here = here().await;
    here.make("made", ISSUER).await;

    let mut read = here.ours("made").await;
    read.metadata.finalizers = None;
    let stale = read.clone();
    let replaced = here.secrets.replace(&here.namespace, &read).await.unwrap();

    assert!(here.secrets.delete(&here.namespace, &stale).await.is_err());
    here.secrets
        .delete(&here.namespace, &replaced)
        .await
        .unwrap();
    assert!(matches!(here.read("made").await, Found::Absent));
}

#[tokio::test]
async fn credentials_in_use_are_marked_and_nothing_else_in_them_changes() {
    let here = here().await;
    let before = here.make("lent", CONSENT).await;

    for (in_use, finalizers) in [(true, vec!["a.b/c", IN_USE]), (false, vec!["a.b/c"])] {
        let read = here.ours("lent").await;
        here.secrets
            .mark_in_use(&here.namespace, &read, in_use)
            .await
            .unwrap();
        let after = here.ours("lent").await;
        assert_eq!(after.metadata.finalizers.unwrap(), finalizers);
        assert_eq!(after.data, before.data);
        assert_eq!(after.metadata.labels, before.metadata.labels);
    }
}

#[tokio::test]
async fn credentials_being_deleted_go_with_the_mark() {
    let here = here().await;
    let mut lent = secret("lent", CONSENT);
    lent.metadata.finalizers = Some(vec![IN_USE.to_owned()]);
    here.admin
        .create(&PostParams::default(), &lent)
        .await
        .unwrap();
    here.admin
        .delete("lent", &DeleteParams::default())
        .await
        .unwrap();

    let read = here.ours("lent").await;
    here.secrets
        .mark_in_use(&here.namespace, &read, false)
        .await
        .unwrap();
    assert!(matches!(here.read("lent").await, Found::Absent));
}

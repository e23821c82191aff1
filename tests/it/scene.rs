//! What most tests play on: a namespace, an emulated cloud, an operator that sees both, and the resources of a small story.
//!
//! Names: Account `default`, ObjectStorageService `media`, Bucket `logs`, IamPolicy `logs-rw`, IamUser `ci` with Secret `ci-s3`,
//! StaticWebsite `site` on Bucket `site`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cooper::engine::{
    clock::Clock,
    controller::Scope,
    core::{Core, Settings},
};
use cooper::wire::{Open, Wire};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::ground::{Emulator, Ground, Namespace, Operator, Start, eventually};

/// How long something may take that should take a moment: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The token of the emulator's default account.
pub const TOKEN: &str = "ucat_demo";

/// A namespace, a cloud, an operator.
pub struct Scene {
    pub ground: &'static Ground,
    pub namespace: Namespace,
    pub cloud: Arc<Emulator>,
    pub clock: Clock,
    pub settings: Settings,
    /// Where Account `default` finds the cloud's API: at the emulator, unless a test puts something before it.
    pub endpoint: String,
    /// The operator's way to the API server; none: straight.
    pub config: Option<Config>,
    /// The test's own hand.
    admin: Client,
    operator: Option<Operator>,
}

impl Scene {
    /// A cloud that settles at once, and an operator.
    pub async fn open() -> Self {
        Self::on(Ground::get().await).await
    }

    /// The same on a ground of the test's own.
    pub async fn on(ground: &'static Ground) -> Self {
        let mut scene = Self::bare(ground).await;
        scene.start(Arc::new(Open)).await;
        scene
    }

    /// No operator yet.
    pub async fn without_operator() -> Self {
        Self::bare(Ground::get().await).await
    }

    /// On this ground; no operator yet.
    pub async fn bare(ground: &'static Ground) -> Self {
        Self::within(ground, ground.namespace().await).await
    }

    /// In this namespace; no operator yet.
    pub async fn within(ground: &'static Ground, namespace: Namespace) -> Self {
        let cloud = Emulator::start(&["--step", "0", "--purge", "0"]).await;
        Self {
            ground,
            namespace,
            endpoint: cloud.api.clone(),
            cloud: Arc::new(cloud),
            clock: Clock::system(),
            settings: Settings::default(),
            config: None,
            admin: ground.admin(),
            operator: None,
        }
    }

    /// A namespace beside others that one operator sees, all of them. Time cannot be stepped there.
    pub async fn shared() -> Self {
        Self::bare(Ground::cluster().await).await
    }

    /// Another namespace on the same ground, of people who use the same cloud.
    pub async fn neighbour(&self) -> Self {
        Self {
            ground: self.ground,
            namespace: self.ground.namespace().await,
            cloud: Arc::clone(&self.cloud),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
            config: None,
            endpoint: self.endpoint.clone(),
            admin: self.admin.clone(),
            operator: None,
        }
    }

    /// Starts an operator, in place of any that runs, over this hook.
    pub async fn start(&mut self, wire: Arc<dyn Wire>) {
        self.crash();
        self.operator = Some(self.beside(wire).await);
    }

    /// Starts an operator, in place of any that runs, and does not wait until it is ready.
    pub async fn start_soon(&mut self, wire: Arc<dyn Wire>) {
        self.crash();
        self.operator = Some(self.launch(wire).await);
    }

    /// Starts another operator, beside any that runs.
    pub async fn beside(&self, wire: Arc<dyn Wire>) -> Operator {
        let operator = self.launch(wire).await;
        operator.ready().await;
        operator
    }

    /// The same, without waiting until it is ready.
    pub async fn launch(&self, wire: Arc<dyn Wire>) -> Operator {
        let start = Start {
            clock: self.clock.clone(),
            wire,
            settings: self.settings.clone(),
            lease: None,
            config: self.config.clone(),
            ..Start::default()
        };
        let scope = Scope::Namespace(self.namespace.to_string());
        Operator::launch(self.ground, scope, start).await
    }

    /// What the controllers of the running operator share.
    pub fn core(&self) -> Arc<Core> {
        let operator = self.operator.as_ref().expect("a running operator");
        Arc::clone(&operator.core)
    }

    /// Asks the operator to stop and waits until it has.
    pub async fn stop(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
    }

    /// Ends the operator where it stands.
    pub fn crash(&mut self) {
        drop(self.operator.take());
    }

    /// Steps the time of cloud and operator; the cloud first, so that what the operator then asks shows the new time.
    pub async fn advance(&self, by: Duration) {
        self.cloud.advance(by).await;
        self.clock.advance(by);
    }

    /// Resources of a kind, as the administrator.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.admin(), &self.namespace, &resource(kind))
    }

    /// Secrets, as the administrator.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.admin(), &self.namespace)
    }

    /// A client of the administrator; one connection for the whole scene.
    pub fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// Applies a resource with this spec.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) -> DynamicObject {
        self.try_apply(kind, name, spec)
            .await
            .unwrap_or_else(|error| panic!("{kind} {name} is refused: {error}"))
    }

    /// Applies a resource that the API server may refuse.
    pub async fn try_apply(
        &self,
        kind: &str,
        name: &str,
        spec: Value,
    ) -> kube::Result<DynamicObject> {
        let body = json!({"apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.api(kind)
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&body),
            )
            .await
    }

    /// Merges into a resource, metadata included.
    pub async fn merge(&self, kind: &str, name: &str, patch: Value) -> DynamicObject {
        self.api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap()
    }

    /// Deletes a resource and does not wait.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// A resource as it stands.
    pub async fn get(&self, kind: &str, name: &str) -> DynamicObject {
        self.api(kind).get(name).await.unwrap()
    }

    /// The status of a resource as it stands.
    pub async fn status(&self, kind: &str, name: &str) -> Value {
        self.get(kind, name).await.data["status"].clone()
    }

    /// Waits until a condition says this of the spec as it stands; answers its message.
    pub async fn until(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let what = format!("{kind} {name} says {condition}={status} {reason}");
        eventually(PATIENCE, &what, async || {
            let object = self
                .api(kind)
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let generation = object.metadata.generation;
            let conditions = object.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let found = conditions.iter().find(|found| {
                found["type"] == condition
                    && found["status"] == status
                    && (reason.is_empty() || found["reason"] == reason)
                    && found["observedGeneration"].as_i64() == generation
            });
            found
                .map(|found| found["message"].as_str().unwrap_or_default().to_owned())
                .ok_or_else(|| told(&conditions))
        })
        .await
    }

    /// Waits until a resource is Ready as its spec stands.
    pub async fn ready(&self, kind: &str, name: &str) {
        self.until(kind, name, "Ready", "True", "").await;
        self.until(kind, name, "Synced", "True", "").await;
    }

    /// Waits until a resource has claimed what it is about to make.
    pub async fn claimed(&self, kind: &str, name: &str) {
        eventually(PATIENCE, "the claim is written", async || {
            let status = self.status(kind, name).await;
            let is_claimed = status["origin"] == "Claimed";
            is_claimed.then_some(()).ok_or_else(|| status.to_string())
        })
        .await;
    }

    /// Waits until a resource is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        eventually(
            PATIENCE,
            &format!("{kind} {name} is gone"),
            async || match self
                .api(kind)
                .get_opt(name)
                .await
                .map_err(|error| error.to_string())?
            {
                None => Ok(()),
                Some(object) => Err(told(
                    object.data["status"]["conditions"]
                        .as_array()
                        .map_or(&[][..], Vec::as_slice),
                )),
            },
        )
        .await;
    }

    /// The entries of a Secret as text; `None` if there is none.
    pub async fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let secret = self.secrets().get_opt(name).await.unwrap()?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Some(
            secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, text(value.0)))
                .collect(),
        )
    }

    /// The credentials Secret `upcloud` with this token and the label of consent.
    pub async fn credentials(&self, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "upcloud", "labels": {"cooper.dev/credentials": "upcloud"}},
            "stringData": {"token": token},
        });
        self.secrets()
            .patch(
                "upcloud",
                &PatchParams::apply("test").force(),
                &Patch::Apply(&secret),
            )
            .await
            .unwrap();
    }

    /// Account `default`, with its credentials.
    pub async fn account(&self) {
        self.credentials(TOKEN).await;
        self.apply("Account", "default", self.account_spec()).await;
    }

    /// What Account `default` says.
    pub fn account_spec(&self) -> Value {
        let s3 = self
            .cloud
            .s3
            .rsplit(':')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap();
        json!({
            "credentialsSecretRef": {"name": "upcloud"},
            "endpoint": self.endpoint,
            "requestsPerSecond": 500,
            "dataPlane": {"scheme": "http", "port": s3, "hostOverride": "127.0.0.1"},
        })
    }

    /// ObjectStorageService `media`, in Account `default`.
    pub async fn service(&self) {
        self.account().await;
        self.apply(
            "ObjectStorageService",
            "media",
            json!({"accountRef": {"name": "default"}, "region": "europe-2"}),
        )
        .await;
    }

    /// IamPolicy `logs-rw`.
    pub async fn policy(&self) {
        self.apply(
            "IamPolicy",
            "logs-rw",
            json!({"serviceRef": {"name": "media"}, "document": document("s3:*")}),
        )
        .await;
    }

    /// IamUser `ci` with IamPolicy `logs-rw` and Secret `ci-s3`.
    pub async fn user(&self) {
        self.policy().await;
        self.apply("IamUser", "ci", user_spec()).await;
    }

    /// The emulator's view of the one service of its default account.
    pub async fn at_cloud(&self) -> Value {
        let state = self.cloud.state().await;
        state["accounts"]["demo"]["services"][0].clone()
    }

    /// The id of the one service of the emulator's default account.
    pub async fn service_id(&self) -> String {
        self.at_cloud().await["uuid"]
            .as_str()
            .unwrap_or_else(|| panic!("no service at the cloud"))
            .to_owned()
    }
}

/// What IamUser `ci` says.
pub fn user_spec() -> Value {
    json!({
        "serviceRef": {"name": "media"},
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "accessKey": {"secretName": "ci-s3"},
    })
}

/// A policy document that allows an action on everything.
pub fn document(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": ["*"]}]})
}

fn told(conditions: &[Value]) -> String {
    let one = |c: &Value| {
        format!(
            "{}={} {}: {}",
            c["type"].as_str().unwrap_or("?"),
            c["status"].as_str().unwrap_or("?"),
            c["reason"].as_str().unwrap_or("?"),
            c["message"].as_str().unwrap_or("?")
        )
    };
    conditions.iter().map(one).collect::<Vec<_>>().join("\n  ")
}

pub fn resource(kind: &str) -> ApiResource {
    let plural = match kind {
        "IamPolicy" => "iampolicies".to_owned(),
        other => format!("{}s", other.to_lowercase()),
    };
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("upcloud.cooper.dev", "v1alpha1", kind),
        &plural,
    )
}

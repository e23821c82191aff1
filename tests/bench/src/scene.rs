//! A namespace, a cloud, and users and buckets of some services in it; and when each of them was first seen Ready.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::counts::Journal;
use crate::stage::{Program, Stage};

const TOKEN: &str = "ucat_demo";
/// Users who apply things at the same time.
pub const HANDS: usize = 32;
/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// A namespace and a cloud.
pub struct Scene {
    /// The administrator.
    pub admin: Client,
    /// The namespace.
    pub namespace: String,
    /// The emulator.
    pub cloud: Program,
    /// How many services there are.
    pub services: usize,
}

impl Scene {
    /// An empty one, for this many services.
    pub async fn new(stage: &Stage, namespace: &str, services: usize) -> anyhow::Result<Self> {
        let admin = stage.admin().await?;
        let object: Namespace = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        let namespaces: Api<Namespace> = Api::all(admin.clone());
        namespaces.create(&PostParams::default(), &object).await?;
        Ok(Self {
            admin,
            namespace: namespace.to_owned(),
            cloud: stage.cloud().await?,
            services,
        })
    }

    /// What the cloud is asked.
    pub fn journal(&self) -> anyhow::Result<Journal<'_>> {
        let control = self.cloud.address("control")?;
        Ok(Journal { control })
    }

    /// Each answer of the cloud takes this long from now on.
    pub async fn delay(&self, by: Duration) -> anyhow::Result<()> {
        let faults = format!("{}/faults", self.cloud.address("control")?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        http.delete(&faults).send().await?.error_for_status()?;
        if !by.is_zero() {
            let slow = json!({"match": {}, "kind": {"latency": {"ms": by.as_millis()}}});
            let sent = http.post(&faults).json(&slow).send().await?;
            sent.error_for_status()?;
        }
        Ok(())
    }

    /// Ends the cloud.
    pub async fn end(self) -> anyhow::Result<()> {
        self.cloud.end().await
    }

    /// Account, services and a policy in each, as a user applies them. `rate`: the account's requests per second.
    pub async fn set_up(&self, rate: u32) -> anyhow::Result<()> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": "upcloud", "labels": {"cooper.dev/credentials": "upcloud"}},
            "stringData": {"token": TOKEN},
        }))?;
        let secrets: Api<Secret> = Api::namespaced(self.admin.clone(), &self.namespace);
        secrets.create(&PostParams::default(), &secret).await?;
        let s3 = self.cloud.address("s3")?;
        let port: u16 = s3.rsplit(':').next().unwrap_or_default().parse()?;
        let account = json!({
            "credentialsSecretRef": {"name": "upcloud"},
            "endpoint": self.cloud.address("api")?,
            "requestsPerSecond": rate,
            "dataPlane": {"scheme": "http", "port": port, "hostOverride": "127.0.0.1"},
        });
        self.create("Account", "default", account).await?;
        let ready = self.ready("IamPolicy");
        for service in 0..self.services {
            let name = format!("s{service}");
            let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
            self.create("ObjectStorageService", &name, spec).await?;
            let spec = json!({"serviceRef": {"name": name}, "document": document()});
            self.create("IamPolicy", &format!("rw-{service}"), spec)
                .await?;
        }
        ready.all(self.services).await?;
        Ok(())
    }

    /// The spec of a user: its service and policy in turn, its Secret by its own name.
    pub fn user(&self, number: usize) -> (&'static str, String, Value) {
        let service = number % self.services;
        let name = format!("u-{number}");
        let spec = json!({
            "serviceRef": {"name": format!("s{service}")},
            "policies": [{"policyRef": {"name": format!("rw-{service}")}}],
            "accessKey": {"secretName": name},
        });
        ("IamUser", name, spec)
    }

    /// The spec of a bucket.
    pub fn bucket(&self, number: usize) -> (&'static str, String, Value) {
        let service = format!("s{}", number % self.services);
        let spec = json!({"serviceRef": {"name": service}});
        ("Bucket", format!("b-{number}"), spec)
    }

    /// Makes many resources, [`HANDS`] at a time.
    pub async fn create_all(
        &self,
        objects: impl Iterator<Item = (&'static str, String, Value)>,
    ) -> anyhow::Result<()> {
        futures::stream::iter(objects.map(anyhow::Ok))
            .try_for_each_concurrent(HANDS, async |(kind, name, spec)| {
                self.create(kind, &name, spec).await.map(drop)
            })
            .await
    }

    /// Makes one resource.
    pub async fn create(
        &self,
        kind: &str,
        name: &str,
        spec: Value,
    ) -> anyhow::Result<DynamicObject> {
        let object = serde_json::from_value(json!({
            "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        }))?;
        let made = self
            .api(&self.admin, kind)
            .create(&PostParams::default(), &object)
            .await;
        made.with_context(|| format!("{kind} {name}"))
    }

    /// The resources of a kind, for whoever has this client.
    pub fn api(&self, client: &Client, kind: &str) -> Api<DynamicObject> {
        let plural = match kind {
            "IamPolicy" => "iampolicies".to_owned(),
            other => format!("{}s", other.to_lowercase()),
        };
        let kind = GroupVersionKind::gvk("upcloud.cooper.dev", "v1alpha1", kind);
        let kind = ApiResource::from_gvk_with_plural(&kind, &plural);
        Api::namespaced_with(client.clone(), &self.namespace, &kind)
    }

    /// Watches when the resources of a kind become Ready.
    pub fn ready(&self, kind: &'static str) -> Moments {
        let watch = watcher(self.api(&self.admin, kind), watcher::Config::default())
            .default_backoff()
            .applied_objects();
        Moments::of(kind, watch, |object: &DynamicObject| {
            is_ready(object).then(|| object.name_any())
        })
    }

    /// Watches when Secrets appear; one that is made again is another one.
    pub fn secrets(&self) -> Moments {
        let api: Api<Secret> = Api::namespaced(self.admin.clone(), &self.namespace);
        let pods = watcher::Config::default()
            .labels("cooper.dev/issuer")
            .fields("type=Opaque");
        let watch = watcher(api, pods).default_backoff().applied_objects();
        Moments::of("Secret", watch, |secret: &Secret| {
            Some(secret.uid().unwrap_or_default() + "/" + &secret.name_any())
        })
    }
}

fn document() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]})
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions");
    let conditions = conditions.and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let says =
            |field: &str, value: &str| condition.get(field).and_then(Value::as_str) == Some(value);
        says("type", "Ready") && says("status", "True")
    })
}

/// When something was first seen, by name.
pub struct Moments {
    kind: &'static str,
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    task: JoinHandle<()>,
}

impl Drop for Moments {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Moments {
    fn of<K: Send + 'static>(
        kind: &'static str,
        watch: impl futures::Stream<Item = watcher::Result<K>> + Send + 'static,
        name: impl Fn(&K) -> Option<String> + Send + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let note = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut watch = Box::pin(watch);
            while let Some(object) = watch.next().await {
                if let Some(name) = object.ok().and_then(|object| name(&object)) {
                    let mut seen = note.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.entry(name).or_insert_with(Instant::now);
                }
            }
        });
        Self { kind, seen, task }
    }

    fn map<T>(&self, read: impl FnOnce(&HashMap<String, Instant>) -> T) -> T {
        read(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When this one was seen.
    pub fn of_name(&self, name: &str) -> Option<Instant> {
        self.map(|seen| seen.get(name).copied())
    }

    /// All that were seen so far.
    pub fn names(&self) -> Vec<String> {
        self.map(|seen| seen.keys().cloned().collect())
    }

    /// Waits until this one is seen.
    pub async fn one(&self, name: &str) -> anyhow::Result<Instant> {
        let begin = Instant::now();
        loop {
            if let Some(at) = self.of_name(name) {
                return Ok(at);
            }
            ensure!(begin.elapsed() < PATIENCE, "{} {name} is not", self.kind);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until this many were seen; when the last of them was.
    pub async fn all(&self, count: usize) -> anyhow::Result<Instant> {
        let begin = Instant::now();
        loop {
            let (have, last) = self.map(|seen| (seen.len(), seen.values().max().copied()));
            if have >= count {
                return last.context("none were asked for");
            }
            if begin.elapsed() > PATIENCE {
                bail!("{have} of {count} of kind {} after {PATIENCE:?}", self.kind);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

//! The bare client: the fewest requests that lead to the same result, with none of the notes that survive a crash.
//!
//! For each user three requests go to the cloud (the user, the policy, the key) and two to Kubernetes (the Secret, the status). It asks
//! for nothing, since it is told what exists; it keeps to the same request budget; each user is a task of its own, as each pass is in the
//! operator; and it works with the operator's own token, so that the same admission is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::scene::Scene;

const SERVICES: &str = "/1.3/object-storage-2";
/// The document of the policy as the API takes it, percent-encoded: allow s3:* on *.
const DOCUMENT: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B%22s3%3A%2A%22%5D%2C%22Resource%22%3A%5B%22%2A%22%5D%7D%5D%7D";

/// The bare client at work on one scene.
pub struct Floor<'a> {
    scene: &'a Scene,
    worker: Worker,
    services: Vec<String>,
}

#[derive(Clone)]
struct Worker {
    http: reqwest::Client,
    api: Arc<str>,
    budget: Arc<Budget>,
    secrets: Api<Secret>,
    users: Api<DynamicObject>,
}

impl<'a> Floor<'a> {
    /// A client with the operator's rights, and with services and policies made at the cloud. `rate`: requests per second.
    pub async fn new(scene: &'a Scene, kube: &Client, rate: u32) -> anyhow::Result<Self> {
        let worker = Worker {
            http: reqwest::Client::builder().no_proxy().build()?,
            api: scene.cloud.address("api")?.into(),
            budget: Arc::new(Budget::new(rate)),
            secrets: Api::namespaced(kube.clone(), &scene.namespace),
            users: scene.api(kube, "IamUser"),
        };
        let mut services = Vec::new();
        for number in 0..scene.services {
            let network = json!({"family": "IPv4", "name": "public", "type": "public"});
            let body = json!({"name": format!("s{number}"), "region": "europe-2", "configured_status": "started", "networks": [network]});
            let made = worker.ask("", &body).await?;
            let id = text(&made, "uuid")?;
            let policy = json!({"name": format!("rw-{number}"), "document": DOCUMENT});
            worker.ask(&format!("/{id}/policies"), &policy).await?;
            services.push(id);
        }
        Ok(Self {
            scene,
            worker,
            services,
        })
    }

    /// Makes so many users, from the resource that a user applies to the status that says Ready.
    pub async fn run(&self, users: usize) -> anyhow::Result<()> {
        let (failed, mut failures) = mpsc::unbounded_channel();
        let objects = (0..users).map(|number| self.scene.user(number));
        let each = async |(number, (kind, name, spec)): (usize, (&str, String, Value))| {
            let made = self.scene.create(kind, &name, spec).await?;
            let (worker, failed) = (self.worker.clone(), failed.clone());
            let which = number % self.services.len();
            let service = self.services.get(which).context("no services")?.clone();
            tokio::spawn(async move {
                if let Err(error) = worker.make(&service, which, made).await {
                    // Nobody listens once one failure has ended it all.
                    let _ = failed.send(error);
                }
            });
            anyhow::Ok(())
        };
        futures::stream::iter(objects.enumerate().map(anyhow::Ok))
            .try_for_each_concurrent(crate::scene::HANDS, each)
            .await?;
        drop(failed);
        // Ends when the last task has dropped its sender.
        match failures.recv().await {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Worker {
    async fn make(
        &self,
        service: &str,
        number: usize,
        resource: DynamicObject,
    ) -> anyhow::Result<()> {
        let name = resource.name_any();
        let user = format!("/{service}/users");
        for _ in 0..3 {
            self.budget.take().await;
        }
        self.ask(&user, &json!({"username": name})).await?;
        let policies = format!("{user}/{name}/policies");
        self.ask(&policies, &json!({"name": format!("rw-{number}")}))
            .await?;
        let keys = format!("{user}/{name}/access-keys");
        let key = self.ask(&keys, &json!({})).await?;
        self.keep(&resource, &key).await?;
        self.tell(resource).await
    }

    async fn ask(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{SERVICES}{path}", self.api);
        let request = self.http.post(&url).bearer_auth("ucat_demo").json(body);
        let answer = request.send().await?;
        let status = answer.status();
        let said = answer.text().await?;
        ensure!(status.is_success(), "{url}: {status}: {said}");
        Ok(serde_json::from_str(&said).unwrap_or_default())
    }

    /// The key goes into a Secret with the entries that the operator writes.
    async fn keep(&self, resource: &DynamicObject, key: &Value) -> anyhow::Result<()> {
        let (id, secret) = (text(key, "access_key_id")?, text(key, "secret_access_key")?);
        let (region, endpoint) = ("europe-2", "http://127.0.0.1:80");
        let uid = resource.uid().unwrap_or_default();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": resource.name_any(),
                "labels": {"cooper.dev/issuer": uid},
                "ownerReferences": [{
                    "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "IamUser", "controller": true,
                    "name": resource.name_any(), "uid": uid,
                }],
            },
            "stringData": {
                "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": region,
                "AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": endpoint,
                "credentials": format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
                "config": format!("[default]\nregion = {region}\nendpoint_url = {endpoint}\n"),
            },
        }))?;
        self.secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    async fn tell(&self, mut resource: DynamicObject) -> anyhow::Result<()> {
        let now = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let condition = |name: &str| json!({"type": name, "status": "True", "reason": "InSync", "message": "", "lastTransitionTime": now, "observedGeneration": 1});
        let conditions = ["Ready", "Synced", "Resolved", "Issued"].map(condition);
        let status = json!({"observedGeneration": 1, "conditions": conditions});
        let data = resource.data.as_object_mut().context("no object")?;
        data.insert("status".to_owned(), status);
        let name = resource.name_any();
        self.users
            .replace_status(&name, &PostParams::default(), &resource)
            .await?;
        Ok(())
    }
}

fn text(value: &Value, member: &str) -> anyhow::Result<String> {
    let found = value.get(member).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no {member}"))?.to_owned())
}

/// The account's budget: a second's worth at once, then evenly.
struct Budget {
    every: Duration,
    burst: Duration,
    next: Mutex<Instant>,
}

impl Budget {
    fn new(rate: u32) -> Self {
        let burst = Duration::from_secs(1);
        Self {
            every: burst / rate,
            burst,
            next: Mutex::new(
                Instant::now()
                    .checked_sub(burst)
                    .unwrap_or_else(Instant::now),
            ),
        }
    }

    async fn take(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            *next = (*next).max(now.checked_sub(self.burst).unwrap_or(now)) + self.every;
            *next
        };
        tokio::time::sleep_until(at.into()).await;
    }
}

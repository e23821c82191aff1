//! Plays one row: everything is made, then deleted; who holds what is read; what is left is compared with the promise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::Config;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy, WatchEvent, WatchParams,
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::recorder::Recorder;
use super::row::{Circumstance, Left, Order, Row, SET, Secret, Way};
use crate::ground::{Entry, Ground, eventually};
use crate::hands::{SERVICES, has_bucket, named};
use crate::s3::S3;
use crate::scene::{Scene, document};

/// Most passes that a resource takes once nothing holds it any more.
const PASSES: usize = 6;
/// Edits of each resource by somebody else in a race; each of them is a reason for one pass more.
const EDITS: usize = 2;
/// How long a row may take to end.
const LIMIT: Duration = Duration::from_mins(4);
/// After so long without anything, time is stepped to whatever is waited for.
const QUIET: Duration = Duration::from_secs(2);
/// Longer than the longest wait between two looks at what is held.
const STEP: Duration = Duration::from_secs(61);

const PAUSED: &str = "cooper.dev/paused";
const ABANDON: &str = "cooper.dev/abandon";

/// All but the account, which has neither policies nor a pause.
fn externals() -> impl Iterator<Item = (&'static str, &'static str)> {
    SET.into_iter().skip(1)
}

/// The most passes that any resource took after its last blocker was gone.
pub async fn play(row: Row) -> usize {
    let recorder = Recorder::new();
    let mut stage = Stage::set(Ground::get().await, row, Arc::clone(&recorder), None).await;
    stage.circumstance().await;
    let _ends = stage.listen().await;
    stage.delete().await;
    if row.circumstance == Circumstance::OperatorDown {
        stage.scene.start(Arc::clone(&recorder) as _).await;
    }
    stage.unblock().await;
    recorder.free();
    stage.ends().await;
    stage.check().await;
    let (most, kind, heard) = recorder.most(&row);
    let edits = if row.circumstance == Circumstance::Race {
        EDITS
    } else {
        0
    };
    if most > PASSES + edits {
        let asked = stage.asked().await;
        panic!("{kind} took {most} passes: {heard}\nof the cloud was asked: {asked:#?}");
    }
    most
}

/// Everything of a row.
pub struct Stage {
    pub scene: Scene,
    row: Row,
    recorder: Arc<Recorder>,
    secret: BTreeMap<String, String>,
}

impl Stage {
    /// Everything is made and usable. `config` is the operator's way to the API server; none: straight.
    pub async fn set(
        ground: &'static Ground,
        row: Row,
        recorder: Arc<Recorder>,
        config: Option<Config>,
    ) -> Self {
        let mut scene = Scene::bare(ground).await;
        scene.config = config;
        scene.start(Arc::clone(&recorder) as _).await;
        scene.service().await;
        for (kind, name, spec) in specs() {
            scene.apply(kind, name, spec).await;
        }
        for (kind, name) in SET {
            scene.ready(kind, name).await;
        }
        let secret = scene.secret("ci-s3").await.expect("the Secret");
        Self {
            scene,
            row,
            recorder,
            secret,
        }
    }

    /// Tells the recorder of every resource that is gone.
    async fn listen(&self) -> Vec<AbortOnDropHandle<()>> {
        let mut listening = Vec::new();
        for (kind, _) in SET {
            let api = self.scene.api(kind);
            let version = api.list(&ListParams::default()).await.unwrap();
            let version = version.metadata.resource_version.unwrap_or_default();
            let recorder = Arc::clone(&self.recorder);
            let events = api.watch(&WatchParams::default(), &version).await.unwrap();
            listening.push(AbortOnDropHandle::new(tokio::spawn(async move {
                let mut events = std::pin::pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    if matches!(event, WatchEvent::Deleted(_)) {
                        recorder.gone(kind);
                    }
                }
            })));
        }
        listening
    }

    async fn circumstance(&mut self) {
        let scene = &mut self.scene;
        match self.row.circumstance {
            Circumstance::Nothing => {}
            Circumstance::OperatorDown => scene.crash(),
            Circumstance::ServiceGone => {
                let path = format!("{SERVICES}/{}?force=true", scene.service_id().await);
                let done = scene
                    .cloud
                    .foreign("demo", "DELETE", &path, Value::Null)
                    .await;
                assert!(done.status < 300, "{done:?}");
                // While it is on its way out it still holds what is in it.
                scene
                    .cloud_until("the service is gone", Value::is_null)
                    .await;
            }
            Circumstance::Race => {
                self.policy(&["ObjectStorageService"], "deletionPolicy", "Delete")
                    .await;
            }
            Circumstance::Paused => {
                for (kind, name) in externals() {
                    scene.annotate(kind, name, PAUSED, Some("true")).await;
                }
            }
            Circumstance::Observed => self.policy(&[], "managementPolicy", "Observe").await,
            Circumstance::Orphaned => self.policy(&[], "deletionPolicy", "Orphan").await,
            Circumstance::Protected => {
                let body = json!({"termination_protection": true});
                scene.theirs("PATCH", "", body).await;
            }
            Circumstance::Filled => {
                let s3 = S3::of(&self.secret);
                assert_eq!(s3.put("logs", "one.txt", "1").await, 200);
            }
        }
        self.scene.cloud.forget().await;
    }

    /// Sets a field of the spec of these kinds; of all if none is named.
    async fn policy(&self, kinds: &[&str], field: &str, word: &str) {
        for (kind, name) in externals() {
            if kinds.is_empty() || kinds.contains(&kind) {
                let patch = json!({"spec": {field: word}});
                self.scene.merge(kind, name, patch).await;
            }
        }
    }

    async fn delete(&self) {
        let scene = &self.scene;
        if self.row.order == Order::CredentialsFirst {
            let how = DeleteParams::default();
            scene.secrets().delete("upcloud", &how).await.unwrap();
        }
        let policy = match self.row.way {
            Way::Background => PropagationPolicy::Background,
            Way::Foreground => PropagationPolicy::Foreground,
            Way::Orphan => PropagationPolicy::Orphan,
            Way::Namespace => {
                let namespaces: Api<Namespace> = Api::all(scene.ground.admin());
                let how = DeleteParams::default();
                namespaces.delete(&scene.namespace, &how).await.unwrap();
                return self.race().await;
            }
        };
        let how = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        for (kind, name) in self.row.sequence() {
            scene.api(kind).delete(name, &how).await.unwrap();
        }
        self.race().await;
    }

    /// In a race everything is edited, and somebody takes our finalizer off the user.
    async fn race(&self) {
        if self.row.circumstance != Circumstance::Race {
            return;
        }
        let how = PatchParams::default();
        for edit in 0..EDITS {
            for (kind, name) in SET {
                let note =
                    json!({"metadata": {"annotations": {"example.org/edit": edit.to_string()}}});
                // It may be gone.
                let _ = self
                    .scene
                    .api(kind)
                    .patch(name, &how, &Patch::Merge(&note))
                    .await;
            }
            let off = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            let _ = self.scene.api("IamUser").patch("ci", &how, &off).await;
        }
    }

    /// Reads who holds what, and takes it away as the condition says.
    async fn unblock(&self) {
        let scene = &self.scene;
        match self.row.circumstance {
            Circumstance::Paused => {
                for (kind, name) in externals() {
                    self.told(kind, name, &[PAUSED, "remove it to go on"]).await;
                }
                assert_eq!(
                    scene.writes().await,
                    [""; 0],
                    "nothing is written while it is paused"
                );
                for (kind, name) in self.row.sequence() {
                    if kind != "Account" {
                        scene.annotate(kind, name, PAUSED, None).await;
                    }
                }
            }
            Circumstance::Protected => {
                let words = ["spec.terminationProtection: false", ABANDON];
                self.told("ObjectStorageService", "media", &words).await;
                let off = json!({"spec": {"terminationProtection": false}});
                scene.merge("ObjectStorageService", "media", off).await;
            }
            Circumstance::Filled => {
                let words = ["1 objects", "spec.deletionPolicy: Delete", ABANDON];
                self.told("Bucket", "logs", &words).await;
                self.told(
                    "ObjectStorageService",
                    "media",
                    &["Bucket", "/logs", ABANDON],
                )
                .await;
                self.open().await;
            }
            _ => {}
        }
    }

    /// The two ways out of a bucket that is not empty.
    async fn open(&self) {
        let scene = &self.scene;
        if self.row.abandons() {
            scene
                .annotate("Bucket", "logs", ABANDON, Some("true"))
                .await;
            // What it leaves behind holds the service now.
            self.told("ObjectStorageService", "media", &["bucket logs", ABANDON])
                .await;
            scene
                .annotate("ObjectStorageService", "media", ABANDON, Some("true"))
                .await;
        } else {
            let word = json!({"spec": {"deletionPolicy": "Delete"}});
            scene.merge("Bucket", "logs", word).await;
        }
    }

    /// Waits until a deletion is held and says this.
    async fn told(&self, kind: &str, name: &str, words: &[&str]) {
        let what = format!("{kind} {name} is held and says {words:?}");
        let begin = Instant::now();
        eventually(LIMIT, &what, async || {
            let object = self
                .scene
                .api(kind)
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let conditions = object.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let ready = conditions
                .into_iter()
                .find(|one| one["type"] == "Ready")
                .unwrap_or_default();
            let text = ready["message"].as_str().unwrap_or_default();
            if ready["reason"] == "DeletionHeld" && words.iter().all(|word| text.contains(word)) {
                return Ok(());
            }
            self.step(begin).await;
            Err(format!("{ready}"))
        })
        .await;
    }

    /// Steps time once nothing happens any more.
    async fn step(&self, begin: Instant) {
        if begin.elapsed() > QUIET && self.recorder.is_quiet(QUIET) {
            self.recorder.stepped();
            self.scene.advance(STEP).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Waits until every resource is gone, and the namespace where that was deleted.
    async fn ends(&self) {
        let begin = Instant::now();
        let namespaces: Api<Namespace> = Api::all(self.scene.ground.admin());
        eventually(LIMIT, "everything is gone", async || {
            let mut left = Vec::new();
            for (kind, name) in SET {
                let found = self.scene.api(kind).get_opt(name).await;
                if let Some(object) = found.map_err(|error| error.to_string())? {
                    let finalizers = object.metadata.finalizers;
                    let conditions = &object.data["status"]["conditions"];
                    left.push(format!("{kind} {finalizers:?} {conditions}"));
                }
            }
            if left.is_empty() && self.row.way == Way::Namespace {
                let found = namespaces.get_opt(&self.scene.namespace).await;
                let found = found.map_err(|error| error.to_string())?;
                left.extend(found.map(|namespace| format!("{:?}", namespace.status)));
            }
            if left.is_empty() {
                return Ok(());
            }
            self.step(begin).await;
            Err(left.join("\n"))
        })
        .await;
    }

    /// What the cloud was asked since things were deleted, and how it answered.
    async fn asked(&self) -> Vec<String> {
        let journal = self.scene.cloud.journal(0).await;
        let below = |entry: &Entry| entry.path.rsplit('/').take(2).collect::<Vec<_>>().join("<");
        let told = |entry: &Entry| format!("{} {} {:?}", entry.method, below(entry), entry.status);
        journal.iter().map(told).collect()
    }

    async fn check(&self) {
        let cloud = self.scene.at_cloud().await;
        match self.row.left() {
            Left::Nothing => assert_eq!(cloud, Value::Null),
            Left::TheBucket => {
                assert!(has_bucket(&cloud, "logs"), "{cloud}");
                for list in ["users", "policies", "groups", "roles"] {
                    let rows = cloud[list].as_array().map_or(0, Vec::len);
                    assert_eq!(rows, 0, "{list}: {cloud}");
                }
            }
            Left::Everything => self.all_is_there(&cloud).await,
        }
        self.check_secret().await;
        self.check_credentials().await;
    }

    /// Nothing was written at the cloud but, where its Secret was lost, a key that nobody can read any more was revoked.
    pub async fn all_is_there(&self, cloud: &Value) {
        assert!(has_bucket(cloud, "logs"), "{cloud}");
        for (list, name) in [
            ("users", "ci"),
            ("policies", "logs-rw"),
            ("groups", "ops"),
            ("roles", "runner"),
        ] {
            assert!(
                !named(cloud, list, name).is_null(),
                "{list} {name}: {cloud}"
            );
        }
        let journal = self.scene.cloud.journal(0).await;
        // A membership, which nobody can look at, is asserted now and then.
        let may_be = |entry: &&Entry| {
            entry.path.contains("/access-keys/") || entry.path.ends_with("/groups/ops/users/ci")
        };
        let ours = journal
            .iter()
            .filter(|entry| entry.is_write() && !entry.foreign);
        let others: Vec<_> = ours.filter(|entry| !may_be(entry)).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    pub async fn check_secret(&self) {
        let secret = self.scene.secrets().get_opt("ci-s3").await.unwrap();
        let live = self.scene.live_keys("ci").await;
        let id = &self.secret["AWS_ACCESS_KEY_ID"];
        let stays = match self.row.secret() {
            Secret::Goes => false,
            Secret::Stays => true,
            Secret::Lost => {
                assert!(secret.is_none());
                assert!(live.is_empty() || live == [id.clone()], "{live:?}");
                return;
            }
            // It may be on its way out; the user is gone, and its keys with it.
            Secret::Either if !self.row.keeps() => return assert_eq!(live, [""; 0]),
            Secret::Either => secret.is_some(),
        };
        if !stays {
            let gone = "the Secret is collected";
            eventually(LIMIT, gone, async || {
                let left = self.scene.secrets().get_opt("ci-s3").await;
                match left.map_err(|error| error.to_string())? {
                    None => Ok(()),
                    Some(secret) => Err(format!("{:?}", secret.metadata)),
                }
            })
            .await;
            assert_eq!(live, [""; 0], "a key without a Secret");
            return;
        }
        let secret = secret.expect("the Secret stays");
        assert_eq!(secret.metadata.owner_references.unwrap_or_default(), []);
        assert_eq!(self.scene.secret("ci-s3").await.unwrap(), self.secret);
        if self.row.keeps() {
            assert_eq!(live, std::slice::from_ref(id));
        }
    }

    /// Nothing of ours is left on the Secret of the account.
    async fn check_credentials(&self) {
        let secret = self.scene.secrets().get_opt("upcloud").await.unwrap();
        let goes = self.row.order == Order::CredentialsFirst || self.row.way == Way::Namespace;
        match secret {
            Some(secret) if !goes => {
                assert_eq!(secret.metadata.finalizers.unwrap_or_default(), [""; 0]);
            }
            other => assert_eq!(other.is_none(), goes),
        }
    }
}

/// What lives in the service.
fn specs() -> [(&'static str, &'static str, Value); 7] {
    let service = json!({"name": "media"});
    let policies = json!([{"policyRef": {"name": "logs-rw"}}]);
    [
        (
            "Bucket",
            "logs",
            json!({"serviceRef": service, "emptyFor": "0s"}),
        ),
        (
            "IamPolicy",
            "logs-rw",
            json!({"serviceRef": service, "document": document("s3:*")}),
        ),
        (
            "IamGroup",
            "ops",
            json!({"serviceRef": service, "policies": policies}),
        ),
        (
            "IamUser",
            "ci",
            json!({"serviceRef": service, "policies": policies, "groups": [{"name": "ops"}], "accessKey": {"secretName": "ci-s3"}}),
        ),
        (
            "IamRole",
            "runner",
            json!({"serviceRef": service, "policies": policies, "trust": {"userRefs": [{"name": "ci"}]}}),
        ),
        (
            "CustomDomain",
            "files",
            json!({"serviceRef": service, "domainName": "files.example.org"}),
        ),
        (
            "StaticWebsite",
            "site",
            json!({"serviceRef": service, "bucketRef": {"name": "logs"}}),
        ),
    ]
}

//! Where manifests are played: the samples, all Ready, beside them; who watches that they stay so; and what must be as before afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cooper::engine::core::Core;
use cooper::wire::{Side, Verdict, Wire};
use futures::StreamExt;
use futures::future::BoxFuture;
use http::{Method, Uri};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::ground::{Cut, Ground, eventually};
use crate::scene::{PATIENCE, Scene, TOKEN};

/// Operators that asked nothing for so long have nothing to do.
const QUIET: Duration = Duration::from_millis(150);
/// Set on what must stay Ready.
const NEIGHBOUR: &str = "neighbour";
/// What manifests act upon: a service whose spec they change need not stay Ready.
const MEDIA: (&str, &str) = ("ObjectStorageService", "media");

/// An edit of each sample that changes nothing for the others.
fn edit(kind: &str) -> Value {
    match kind {
        "Account" => json!({"requestsPerSecond": 499}),
        // Nothing that the cloud would have to do.
        "ObjectStorageService" | "CustomDomain" => json!({"deletionPolicy": "Delete"}),
        "Bucket" => json!({"emptyFor": "1s"}),
        "IamPolicy" => json!({"keepVersions": 3}),
        "StaticWebsite" => json!({"singlePage": true}),
        _ => json!({"exclusive": true}),
    }
}

/// A namespace, a cloud, an operator, and the samples.
pub struct Stage {
    pub scene: Scene,
    cut: Arc<Cut>,
    watch: Watch,
    before: Standing,
}

impl Stage {
    /// With everything Ready and at rest.
    pub async fn open(ground: &'static Ground) -> Self {
        let mut scene = Scene::bare(ground).await;
        let cut = Cut::never();
        scene.start(Arc::new(AtHome(Arc::clone(&cut)))).await;
        scene.credentials(TOKEN).await;
        let mut samples = crate::samples::objects();
        let media = samples.iter().find(|sample| names(sample) == MEDIA);
        let mut steady = media.unwrap().clone();
        steady["metadata"]["name"] = json!("steady");
        samples.push(steady);
        for sample in &samples {
            let (kind, name) = names(sample);
            let mut object = sample.clone();
            if names(sample) != MEDIA {
                object["metadata"]["labels"][NEIGHBOUR] = json!("true");
            }
            if kind == "Account" {
                object["spec"] = scene.account_spec();
                // What is deleted here is meant.
                object["spec"]["brake"] = json!({"enabled": false});
            }
            let how = PatchParams::apply("test").force();
            let applied = scene
                .api(kind)
                .patch(name, &how, &Patch::Apply(&object))
                .await;
            applied.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
        }
        for sample in &samples {
            let (kind, name) = names(sample);
            scene.ready(kind, name).await;
        }
        cut.quiet(QUIET).await;
        samples.retain(|sample| names(sample) != MEDIA);
        let watch = Watch::over(&scene, &samples).await;
        let before = Standing::of(&scene).await;
        Self {
            scene,
            cut,
            watch,
            before,
        }
    }

    /// Returns when the operator has nothing to do.
    pub async fn rest(&self) {
        self.cut.quiet(QUIET).await;
    }

    /// Lets time pass, and what is due then end.
    pub async fn step(&self, by: Duration) {
        self.scene.advance(by).await;
        self.rest().await;
    }

    /// What is wrong with everybody else, once all manifests are gone but what `left` of them stays at the cloud on purpose.
    pub async fn close(mut self, left: &BTreeSet<String>) -> Vec<String> {
        let mut wrongs = self.stands_as_before(left).await;
        self.scene.ready(MEDIA.0, MEDIA.1).await;
        let watch = &self.watch;
        for ((kind, name), since) in &watch.since {
            let spec = json!({"spec": edit(kind)});
            self.scene.merge(kind, name, spec).await;
            self.scene.ready(kind, name).await;
            let now = ready_since(&self.scene.get(kind, name).await);
            if now != *since {
                wrongs.push(format!(
                    "{kind} {name} was not Ready all the time: {since} → {now}"
                ));
            }
        }
        self.a_timer_rings().await;
        wrongs.extend(watch.seen.lock().unwrap().drain(..));
        let core = self.scene.core();
        for (name, since) in core.pulse.hanging() {
            wrongs.push(format!("loop {name} hangs since {since:?}"));
        }
        let shut = core.gate.shut_by();
        if !shut.is_empty() {
            wrongs.push(format!("the operator is not ready: {shut:?}"));
        }
        drop(core);
        // Says so if a task of it has ended before.
        self.scene.stop().await;
        wrongs
    }

    /// What is remembered, stored and at the cloud is what was there before.
    async fn stands_as_before(&self, left: &BTreeSet<String>) -> Vec<String> {
        let mut wrongs = Vec::new();
        for _ in 0..40 {
            self.rest().await;
            wrongs = self.before.differs(&Standing::of(&self.scene).await, left);
            if wrongs.is_empty() {
                break;
            }
            tokio::time::sleep(QUIET).await;
        }
        wrongs
    }

    /// A Secret that is gone is missed when its time has come, and somebody is told.
    async fn a_timer_rings(&self) {
        self.scene
            .secrets()
            .delete("ci-s3", &DeleteParams::default())
            .await
            .unwrap();
        self.scene.advance(Duration::from_secs(70)).await;
        eventually(PATIENCE, "Secret ci-s3 is healed", async || {
            let secret = self.scene.secret("ci-s3").await;
            secret.map(drop).ok_or_else(|| "there is none".to_owned())
        })
        .await;
        self.rest().await;
    }
}

/// Kind and name.
fn names(object: &Value) -> (&str, &str) {
    (
        object["kind"].as_str().unwrap(),
        object["metadata"]["name"].as_str().unwrap(),
    )
}

/// What stands somewhere, by name, and how many of it.
#[derive(Debug)]
struct Standing {
    /// Tables of the operator.
    tables: BTreeMap<String, usize>,
    /// Passes that ended by a bug.
    panics: usize,
    secrets: BTreeSet<String>,
    /// Things at the cloud.
    things: BTreeSet<String>,
}

impl Standing {
    async fn of(scene: &Scene) -> Self {
        let core = scene.core();
        let text = core.metrics.text(&core).unwrap();
        let secrets = scene.secrets().list(&ListParams::default()).await.unwrap();
        Self {
            tables: tables(&core, &text),
            panics: sum(&text, "cooper_pass_panics_total"),
            secrets: secrets.iter().map(ResourceExt::name_any).collect(),
            things: things(&scene.cloud.state().await),
        }
    }

    fn differs(&self, now: &Self, left: &BTreeSet<String>) -> Vec<String> {
        let mut wrongs = Vec::new();
        if now.panics > 0 {
            wrongs.push(format!("{} passes panicked", now.panics));
        }
        for (table, count) in &now.tables {
            if *count > self.tables[table] {
                wrongs.push(format!(
                    "{table} had {} entries and has {count}",
                    self.tables[table]
                ));
            }
        }
        let is_left = |thing: &&String| thing.split('/').any(|part| left.contains(part));
        let more = |what: &str, before: &BTreeSet<String>, now: &BTreeSet<String>| {
            let new: Vec<_> = now
                .difference(before)
                .filter(|thing| !is_left(thing))
                .collect();
            let gone: Vec<_> = before.difference(now).collect();
            let is_same = new.is_empty() && gone.is_empty();
            (!is_same).then(|| format!("{what}: {new:?} are left over, {gone:?} are gone"))
        };
        wrongs.extend(more("Secrets", &self.secrets, &now.secrets));
        wrongs.extend(more("at the cloud", &self.things, &now.things));
        wrongs
    }
}

/// How many entries the operator's tables have that grow with resources.
fn tables(core: &Core, metrics: &str) -> BTreeMap<String, usize> {
    let mut tables = BTreeMap::from([
        ("references".to_owned(), core.references.size()),
        ("owners".to_owned(), core.owners.size()),
        ("timers".to_owned(), core.wakes.timers()),
        (
            "sessions".to_owned(),
            sum(metrics, "cooper_accounts_connected"),
        ),
    ]);
    for table in ["cooper_stored_objects", "cooper_remembered_objects"] {
        tables.insert(table.to_owned(), sum(metrics, table));
    }
    tables
}

/// The sum of a metric over its labels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small whole numbers"
)]
fn sum(text: &str, metric: &str) -> usize {
    let lines = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let value = rest.rsplit(' ').next()?;
        (rest.starts_with([' ', '{'])).then(|| value.parse::<f64>().unwrap() as usize)
    });
    lines.sum()
}

/// Everything that the account has at the cloud, by path.
fn things(state: &Value) -> BTreeSet<String> {
    let mut things = BTreeSet::new();
    let services = state["accounts"]["demo"]["services"].as_array();
    for service in services.into_iter().flatten() {
        let name = text(&service["name"]);
        things.insert(name.clone());
        for (list, field) in [
            ("users", "name"),
            ("policies", "name"),
            ("groups", "name"),
            ("roles", "name"),
            ("buckets", "name"),
            ("custom_domains", "domain_name"),
            ("websites", "bucket_name"),
        ] {
            let rows = &service[list];
            let listed = rows.as_array().into_iter().flatten();
            let mapped = rows.as_object().into_iter().flat_map(|rows| rows.values());
            for row in listed.chain(mapped).filter(|row| row["deleted"] != true) {
                things.insert(format!("{name}/{list}/{}", text(&row[field])));
            }
        }
    }
    things
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Watches the samples all the time.
struct Watch {
    /// When none of them was not Ready.
    seen: Arc<Mutex<Vec<String>>>,
    /// Since when each is Ready.
    since: BTreeMap<(String, String), Value>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Watch {
    async fn over(scene: &Scene, samples: &[Value]) -> Self {
        let mut since = BTreeMap::new();
        for sample in samples {
            let (kind, name) = names(sample);
            let ready = ready_since(&scene.get(kind, name).await);
            since.insert((kind.to_owned(), name.to_owned()), ready);
        }
        let seen = Arc::default();
        let kinds: BTreeSet<_> = samples.iter().map(|sample| names(sample).0).collect();
        let tasks = kinds.into_iter().map(|kind| {
            let noting = note(scene.api(kind), kind.to_owned(), Arc::clone(&seen));
            AbortOnDropHandle::new(tokio::spawn(noting))
        });
        Self {
            _tasks: tasks.collect(),
            seen,
            since,
        }
    }
}

async fn note(api: Api<DynamicObject>, kind: String, seen: Arc<Mutex<Vec<String>>>) {
    let config = watcher::Config::default().labels(NEIGHBOUR);
    let mut events = std::pin::pin!(watcher(api, config));
    while let Some(event) = events.next().await {
        let wrong = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let ready = ready(&object);
                (ready["status"] != "True")
                    .then(|| format!("{kind} {} says {ready}", object.name_any()))
            }
            Ok(Event::Delete(object)) => Some(format!("{kind} {} is gone", object.name_any())),
            Ok(Event::Init | Event::InitDone) | Err(_) => None,
        };
        seen.lock().unwrap().extend(wrong);
    }
}

/// The condition Ready.
fn ready(object: &DynamicObject) -> Value {
    let conditions = object.data["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|condition| condition["type"] == "Ready");
    ready.cloned().unwrap_or_default()
}

fn ready_since(object: &DynamicObject) -> Value {
    ready(object)["lastTransitionTime"].clone()
}

/// Lets nothing out of this machine: an Account that leaves its endpoint out means the real cloud.
struct AtHome(Arc<Cut>);

impl Wire for AtHome {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        if side == Side::Cloud && uri.host() != Some("127.0.0.1") {
            return Verdict::Before;
        }
        self.0.request(side, method, uri)
    }

    fn carry(&self, late: BoxFuture<'static, ()>) {
        self.0.carry(late);
    }

    fn ended(&self, uri: &Uri) {
        self.0.ended(uri);
    }
}

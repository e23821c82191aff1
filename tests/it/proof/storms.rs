//! Storms: for a while everything fails by chance, and nobody waits for it to be over.
//!
//! Three in ten of the cloud's answers go wrong in one of the ways the emulator knows, and as many of the API server's; watches break,
//! the API server goes away and comes back, operators die and start anew. Meanwhile users create, change and
//! delete, and somebody tampers with Secrets and with what is at the cloud. Then it is calm; time passes, users put back what they want
//! and miss, and [`Witness`] must find nothing wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kube::api::{DeleteParams, Patch, PatchParams};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::world::{Age, Witness, service};
use super::{Bound, caught, dice};
use crate::ground::{Cut, Fault, Gateway, Ground, Mishap, Side};
use crate::hands::{SERVICES, named};
use crate::scene::{Scene, document};

/// Storms of a share, and of all.
const SHARE: usize = 10;
const ALL: u64 = 100;
/// Of a hundred calls so many fail.
const PERCENT: u32 = 30;
/// Rounds of a storm: what somebody does, a moment, a step of time.
const ROUNDS: usize = 14;
/// Requests to the cloud that a storm may see; those after them do not fail.
const REQUESTS: u32 = 500;
/// Longest step of time in a storm, in seconds. A request that comes late comes at most so much and one step later: together with a
/// step between a list and its mint this stays within the window in which the cloud may still carry it out.
const STEP: u64 = 45;
/// How long a round may take of real time.
const MOMENT: Duration = Duration::from_millis(500);
/// Real time after which a calm world that is not right never will be. A watch that broke often waits up to 30 s.
const PATIENCE: Duration = Duration::from_mins(2);
/// The operators have nothing to do.
const QUIET: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_storm_everything_is_as_wanted_and_nothing_foreign_was_touched() {
    let bound = Bound::get();
    if bound
        .only
        .as_ref()
        .is_some_and(|only| !only.starts_with("storm"))
    {
        return;
    }
    let ground = Ground::get().await;
    let begin = Instant::now();
    let seeds = match (bound.seed, &bound.only) {
        (Some(seed), Some(_)) => vec![seed],
        _ if bound.is_full => bound.part_of(0..ALL),
        (seed, _) => (seed.unwrap_or(0)..).take(SHARE).collect(),
    };
    let count = seeds.len();
    let playing = seeds
        .into_iter()
        .map(|seed| async move { (seed, Box::pin(caught(storm(ground, seed))).await) });
    let played: Vec<_> = stream::iter(playing)
        .buffer_unordered(bound.lanes)
        .collect()
        .await;
    println!("{count} storms in {} s", begin.elapsed().as_secs());
    let failed: Vec<_> = played
        .iter()
        .filter_map(|(seed, played)| played.as_ref().err().map(|why| failure(*seed, why)))
        .collect();
    assert!(
        failed.is_empty(),
        "{} storms left something wrong:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

fn failure(seed: u64, why: &str) -> String {
    format!(
        "storm {seed}: {why}\n  again: COOPER_ONLY=storm COOPER_SEED={seed} cargo test --workspace --test it -- --nocapture proof::storms"
    )
}

async fn storm(ground: &'static Ground, seed: u64) -> Result<(), String> {
    let mut storm = Storm::gather(ground, seed).await;
    storm.rage().await;
    storm.calm().await
}

/// A namespace, a cloud, a way to the API server, operators, and those who do something.
struct Storm {
    dice: StdRng,
    scene: Scene,
    gateway: Gateway,
    witness: Witness,
    cut: Arc<Cut>,
    /// What users want, by kind and name.
    wanted: BTreeMap<(&'static str, String), Value>,
    /// What was done, for a failure to tell.
    story: Vec<String>,
}

impl Storm {
    async fn gather(ground: &'static Ground, seed: u64) -> Self {
        let gateway = Gateway::open(ground).await;
        let mut scene = Scene::bare(ground).await;
        scene.config = Some(gateway.config.clone());
        let cut = Cut::never();
        scene.start(Arc::clone(&cut) as Arc<_>).await;
        scene.service().await;
        scene.policy().await;
        scene.ready("IamPolicy", "logs-rw").await;
        let witness = Witness::with_theirs(&scene).await;
        Self {
            dice: dice(seed),
            scene,
            gateway,
            witness,
            cut,
            wanted: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    async fn rage(&mut self) {
        self.cloud_fails().await;
        let seed = self.dice.random();
        self.gateway.mood(mood(seed));
        for _ in 0..ROUNDS {
            for _ in 0..self.dice.random_range(1..=2) {
                self.somebody_acts().await;
            }
            self.a_moment().await;
            self.something_breaks().await;
            let step = self.dice.random_range(5..=STEP);
            self.scene.advance(Duration::from_secs(step)).await;
        }
    }

    /// Orders the faults of all requests to come.
    async fn cloud_fails(&mut self) {
        for nth in 1..=REQUESTS {
            if self.dice.random_ratio(PERCENT, 100) {
                let fault = fault(&mut self.dice);
                self.scene.cloud.fault(fault.at(Side::Api).nth(nth)).await;
            }
        }
    }

    async fn somebody_acts(&mut self) {
        let user = format!("ci-{}", self.dice.random_range(0..3));
        let other = format!("more-{}", self.dice.random_range(0..2));
        let act = self.dice.random_range(0..15);
        self.story.push(format!("act {act} on {user}, {other}"));
        match act {
            0..=3 => {
                let spec = user_spec(&mut self.dice, &user);
                self.want("IamUser", &user, spec).await;
            }
            4 => self.want_no("IamUser", &user).await,
            5 => self.want("Bucket", &other, bucket_spec()).await,
            6 => self.want_no("Bucket", &other).await,
            7 => {
                let action = ["s3:*", "s3:Get*", "s3:Put*"]
                    .choose(&mut self.dice)
                    .unwrap();
                let policy = json!({"serviceRef": {"name": "media"}, "document": document(action)});
                let name = [String::from("logs-rw"), other]
                    .choose(&mut self.dice)
                    .unwrap()
                    .clone();
                self.want("IamPolicy", &name, policy).await;
            }
            8 => self.want_no("IamPolicy", &other).await,
            9 => self.site_comes_or_goes().await,
            10 => {
                let _ = self
                    .scene
                    .secrets()
                    .delete(&format!("{user}-s3"), &DeleteParams::default())
                    .await;
            }
            11 => self.secret_is_edited(&user).await,
            12 => {
                let path = format!("/users/{user}/policies/logs-rw");
                self.somebody_else("DELETE", &path, Value::Null).await;
            }
            13 => self.keys_are_tampered_with(&user).await,
            _ => {
                self.somebody_else("DELETE", &format!("/users/{user}"), Value::Null)
                    .await;
            }
        }
    }

    async fn want(&mut self, kind: &'static str, name: &str, spec: Value) {
        self.wanted.insert((kind, name.to_owned()), spec.clone());
        self.scene.apply(kind, name, spec).await;
    }

    async fn want_no(&mut self, kind: &'static str, name: &str) {
        self.wanted.remove(&(kind, name.to_owned()));
        let _ = self
            .scene
            .api(kind)
            .delete(name, &DeleteParams::default())
            .await;
    }

    /// A website and its bucket come and go together: a bucket that a website needs would stay.
    async fn site_comes_or_goes(&mut self) {
        if self.dice.random() {
            self.want("Bucket", "site", bucket_spec()).await;
            let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
            self.want("StaticWebsite", "site", site).await;
        } else {
            self.want_no("StaticWebsite", "site").await;
            self.want_no("Bucket", "site").await;
        }
    }

    async fn secret_is_edited(&mut self, user: &str) {
        let edit = if self.dice.random() {
            json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}})
        } else {
            json!({"metadata": {"annotations": {"cooper.dev/key": null}}})
        };
        let name = format!("{user}-s3");
        let _ = self
            .scene
            .secrets()
            .patch(&name, &PatchParams::default(), &Patch::Merge(&edit))
            .await;
    }

    /// Somebody switches the keys of a user off, or deletes them.
    async fn keys_are_tampered_with(&mut self, user: &str) {
        let media = service(&self.scene.cloud.state().await, "media");
        let keys = named(&media, "users", user)["keys"].clone();
        for key in keys.as_array().into_iter().flatten() {
            let path = format!("/users/{user}/access-keys/{}", key["id"].as_str().unwrap());
            if self.dice.random() {
                self.somebody_else("PATCH", &path, json!({"status": "Inactive"}))
                    .await;
            } else {
                self.somebody_else("DELETE", &path, Value::Null).await;
            }
        }
    }

    /// Asks the cloud for something in our service; it may be refused.
    async fn somebody_else(&mut self, method: &str, path: &str, body: Value) {
        let uuid = service(&self.scene.cloud.state().await, "media")["uuid"].clone();
        let path = format!("{SERVICES}/{}{path}", uuid.as_str().unwrap());
        let done = self.scene.cloud.foreign("demo", method, &path, body).await;
        self.story.push(format!("{method} {path}: {}", done.status));
    }

    async fn something_breaks(&mut self) {
        let what = self.dice.random_range(0..10);
        match what {
            0..=2 => self.gateway.break_watches(),
            3 => {
                self.gateway.away(true);
                tokio::time::sleep(Duration::from_millis(self.dice.random_range(50..300))).await;
                self.gateway.away(false);
            }
            4 | 5 => {
                self.cut = Cut::never();
                self.scene.crash();
                self.scene.start_soon(Arc::clone(&self.cut) as Arc<_>).await;
            }
            _ => return,
        }
        self.story.push(format!("break {what}"));
    }

    /// Lets the operators do something, but not until they are done.
    async fn a_moment(&self) {
        let _ = tokio::time::timeout(MOMENT, self.rest()).await;
    }

    async fn rest(&self) {
        self.cut.quiet(QUIET).await;
    }

    /// Nothing fails any more; time passes until everything is as wanted.
    async fn calm(&mut self) -> Result<(), String> {
        self.gateway.mood(|_, _| Mishap::None);
        self.scene.cloud.heal().await;
        let begin = Instant::now();
        // What is late arrives, and passes under way end, before hours go by.
        for _ in 0..4 {
            self.rest().await;
            tokio::time::sleep(QUIET).await;
            self.scene.advance(Duration::from_secs(STEP)).await;
        }
        let mut wrongs = Vec::new();
        let mut turns = 0;
        while begin.elapsed() < PATIENCE || turns < CALM.len() {
            self.rest().await;
            self.users_insist().await;
            self.rest().await;
            wrongs = self.witness.wrongs(&self.scene, Age::Old).await;
            if wrongs.is_empty() {
                return self.stays_calm().await;
            }
            self.scene.advance(CALM[turns % CALM.len()]).await;
            turns += 1;
        }
        Err(format!(
            "{}\n  {}",
            wrongs.join("\n  "),
            self.story.join("; ")
        ))
    }

    /// What is right stays right.
    async fn stays_calm(&self) -> Result<(), String> {
        for _ in 0..2 {
            self.scene.advance(CALM[0]).await;
            self.rest().await;
        }
        let wrongs = self.witness.wrongs(&self.scene, Age::Old).await;
        if wrongs.is_empty() {
            return Ok(());
        }
        Err(format!(
            "right, and then: {}\n  {}",
            wrongs.join("\n  "),
            self.story.join("; ")
        ))
    }

    /// What was applied while its last life was still ending is applied again.
    async fn users_insist(&self) {
        for ((kind, name), spec) in &self.wanted {
            if self.scene.api(kind).get_opt(name).await.unwrap().is_none() {
                self.scene.apply(kind, name, spec.clone()).await;
            }
        }
    }
}

/// Steps of time after a storm: lost answers are judged, replaced keys expire.
const CALM: [Duration; 6] = [
    Duration::from_mins(11),
    Duration::from_mins(11),
    Duration::from_mins(11),
    Duration::from_hours(25),
    Duration::from_mins(6),
    Duration::from_hours(25),
];

fn bucket_spec() -> Value {
    json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"})
}

fn user_spec(dice: &mut StdRng, name: &str) -> Value {
    let mut policies = Vec::new();
    if dice.random() {
        policies.push(json!({"policyRef": {"name": "logs-rw"}}));
    }
    if dice.random() {
        policies.push(json!({"systemPolicy": "ECSS3ReadOnlyAccess"}));
    }
    let mut spec = json!({"serviceRef": {"name": "media"}, "policies": policies});
    if dice.random_ratio(4, 5) {
        spec["accessKey"] = json!({"secretName": format!("{name}-s3")});
    }
    spec
}

/// One of the ways in which the emulator fails. A lie is not among them: who is told by the cloud itself that a thing is not there must
/// believe it.
fn fault(dice: &mut StdRng) -> Fault {
    match dice.random_range(0..12) {
        0 => Fault::lost(),
        1 => Fault::cut(),
        2 => Fault::late(dice.random_range(1..STEP)),
        3 => Fault::latency(Duration::from_millis(dice.random_range(1..100))),
        4 => Fault::of(json!({"truncate": {"bytes": dice.random_range(0..40)}})),
        5 => Fault::of(json!({"html": {}})),
        6 => Fault::of(json!({"drip": {"ms_per_byte": 1}})),
        7 => Fault::of(json!({"redirect": {"to": "http://127.0.0.1:9/"}})),
        8 => Fault::of(json!({"status": {"code": 429, "retry_after": 1}})),
        _ => Fault::status(
            *[400, 401, 403, 408, 409, 429, 500, 502, 503, 504]
                .choose(dice)
                .unwrap(),
        ),
    }
}

/// What becomes of requests to the API server.
fn mood(seed: u64) -> impl FnMut(&http::Method, &http::Uri) -> Mishap + Send + 'static {
    let mut dice = dice(seed);
    move |_, _| {
        if !dice.random_ratio(PERCENT, 100) {
            return Mishap::None;
        }
        *[
            Mishap::Refused(409),
            Mishap::Refused(410),
            Mishap::Refused(429),
            Mishap::Refused(500),
            Mishap::Cut,
            Mishap::Lost,
        ]
        .choose(&mut dice)
        .unwrap()
    }
}

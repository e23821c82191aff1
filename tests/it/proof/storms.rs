//! Storms: for a while everything fails by chance, and nobody waits for it to be over.
//!
//! Three in ten of the cloud's answers go wrong in one of the ways the emulator knows, and as many of the API server's; watches break,
//! the way to the API server is cut for a moment, operators die and start anew; in one storm of ten the API server itself is killed in
//! the middle of it and started again. Meanwhile users create, change and delete, rotate keys, give and take rights, and somebody
//! tampers with Secrets and with what is at the cloud. Then it is calm; time passes, users put back what they want and miss, and
//! [`Witness`] must find nothing wrong.
//!
//! Not here: adoption, undo and the brake, domains, changes of services, accounts and credentials, and somebody who takes a member
//! out of a group, which nobody can see. Nor a loss of etcd: what it stored is what users want.

mod chance;

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
use crate::ground::{Cut, Gateway, Ground, Mishap, Need, Side};
use crate::hands::{SERVICES, named};
use crate::scene::{Scene, document};
use chance::{bucket_spec, fault, granted, mood, role_spec, user_spec};

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
/// The group that users may be in.
const GROUP: &str = "ops";
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
    let begin = Instant::now();
    let seeds = match (bound.seed, &bound.only) {
        (Some(seed), Some(_)) => vec![seed],
        _ if bound.is_full => bound.part_of(0..ALL),
        (seed, _) => (seed.unwrap_or(0)..).take(SHARE).collect(),
    };
    let count = seeds.len();
    let (restarting, others): (Vec<_>, Vec<_>) =
        seeds.into_iter().partition(|seed| restarts(*seed));
    let ground = Ground::get().await;
    let playing = others.into_iter().map(|seed| play(ground, seed, false));
    let playing = stream::iter(playing).buffer_unordered(bound.lanes);
    let (played, shaken) = tokio::join!(playing.collect::<Vec<_>>(), shaken(restarting));
    println!(
        "{count} storms in {} s, in {} of them the API server was killed",
        begin.elapsed().as_secs(),
        shaken.len()
    );
    let failed: Vec<_> = played
        .iter()
        .chain(&shaken)
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

/// One of each ten, and one of each tenth of all.
fn restarts(seed: u64) -> bool {
    seed % 10 == seed / 10 % 10
}

/// How a storm went, by its seed.
type Played = (u64, Result<(), String>);

async fn play(ground: &'static Ground, seed: u64, restarts: bool) -> Played {
    (seed, Box::pin(caught(storm(ground, seed, restarts))).await)
}

/// Storms in which the API server is killed, one after the other: it is that of all of them, and of nobody else.
async fn shaken(seeds: Vec<u64>) -> Vec<Played> {
    let mut played = Vec::new();
    if seeds.is_empty() || Ground::get().await.lacks(&[Need::Own, Need::Restart]) {
        return played;
    }
    // It lives as long as the process, as the shared one does.
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    for seed in seeds {
        played.push(play(ground, seed, true).await);
    }
    played
}

async fn storm(ground: &'static Ground, seed: u64, restarts: bool) -> Result<(), String> {
    let mut storm = Storm::gather(ground, seed).await;
    storm.rage(restarts).await;
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
        let mut storm = Self {
            dice: dice(seed),
            scene,
            gateway,
            witness,
            cut,
            wanted: BTreeMap::new(),
            story: Vec::new(),
        };
        // Users name it as long as they are there, so it stays.
        let group = granted(&mut storm.dice);
        storm.want("IamGroup", GROUP, group).await;
        storm
    }

    /// `restarts`: in the middle of it the API server is killed and started again.
    async fn rage(&mut self, restarts: bool) {
        self.cloud_fails().await;
        let seed = self.dice.random();
        self.gateway.mood(mood(seed));
        for round in 0..ROUNDS {
            for _ in 0..self.dice.random_range(1..=2) {
                self.somebody_acts().await;
            }
            if restarts && round == ROUNDS / 2 {
                self.scene.ground.restart("kube-apiserver").await;
                self.story.push("the API server was killed".to_owned());
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
        let act = self.dice.random_range(0..20);
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
            15 => self.key_is_rotated(&user).await,
            16 => {
                let spec = granted(&mut self.dice);
                self.want("IamGroup", GROUP, spec).await;
            }
            17 => {
                let spec = role_spec(&mut self.dice);
                self.want("IamRole", &other, spec).await;
            }
            18 => self.want_no("IamRole", &other).await,
            19 => {
                let path = format!("/groups/{GROUP}/policies/logs-rw");
                self.somebody_else("DELETE", &path, Value::Null).await;
            }
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

    /// A website and its bucket come and go together: a bucket that a website needs would stay. So they do not come back either while
    /// one of them is on its way out.
    async fn site_comes_or_goes(&mut self) {
        if !self.dice.random::<bool>() {
            self.want_no("StaticWebsite", "site").await;
            self.want_no("Bucket", "site").await;
            return;
        }
        for kind in ["StaticWebsite", "Bucket"] {
            let found = self.scene.api(kind).get_opt("site").await.unwrap();
            if found.is_some_and(|object| object.metadata.deletion_timestamp.is_some()) {
                return;
            }
        }
        self.want("Bucket", "site", bucket_spec()).await;
        let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
        self.want("StaticWebsite", "site", site).await;
    }

    /// By the annotation, on a user that may be gone, or have no key.
    async fn key_is_rotated(&mut self, user: &str) {
        let now = format!("round {}", self.story.len());
        let rotate = json!({"metadata": {"annotations": {"cooper.dev/rotate": now}}});
        let _ = self
            .scene
            .api("IamUser")
            .patch(user, &PatchParams::default(), &Patch::Merge(&rotate))
            .await;
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

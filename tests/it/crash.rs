//! One mint, crashed at each of its requests: nothing is lost or doubled.
//!
//! For every i a new user is applied, the operator's connections are cut at the i-th request of both its clients, the operator is dropped
//! and another one started. It ends where a user becomes Ready before the cut. The next operator heals the user before, so that one
//! start a schedule is enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cooper::engine::key::{GRACE, LATE};
use cooper::wire::Verdict;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::ground::{Cut, Ground, Need, Writes, eventually};
use crate::scene::{PATIENCE, Scene};

/// An operator that asked nothing for this long has nothing to do.
const QUIET: Duration = Duration::from_millis(300);
/// Far more than a mint needs: a user that is not Ready by then never will be.
const MOST: usize = 80;
/// Fewer requests than these cannot have made a user with a policy, a key and a Secret.
const LEAST: usize = 15;

#[tokio::test]
async fn a_mint_that_dies_before_any_request_loses_and_doubles_nothing() {
    Play::run("before", Verdict::Before).await;
}

#[tokio::test]
async fn a_mint_that_dies_with_the_answer_to_any_request_loses_and_doubles_nothing() {
    Play::run("lost", Verdict::Lost).await;
}

#[tokio::test]
async fn a_mint_whose_dead_operators_request_arrives_late_loses_and_doubles_nothing() {
    Play::run("late", Verdict::Late(Duration::ZERO)).await;
}

/// All schedules of one kind of cut.
struct Play {
    scene: Scene,
    /// The hook of the running operator.
    cut: Arc<Cut>,
    how: &'static str,
    verdict: Verdict,
    /// Where each user's operator was cut.
    points: BTreeMap<String, String>,
}

impl Play {
    async fn run(how: &'static str, verdict: Verdict) {
        if Ground::get().await.lacks(&[Need::Audit]) {
            return;
        }
        let scene = Scene::open().await;
        scene.service().await;
        scene.policy().await;
        scene.ready("IamPolicy", "logs-rw").await;
        let outsider = outsider(&scene).await;
        let mut play = Self {
            scene,
            cut: Cut::never(),
            how,
            verdict,
            points: BTreeMap::new(),
        };
        play.next_operator().await;
        let schedules = play.cut_everywhere().await;
        assert!(
            (LEAST..MOST).contains(&schedules),
            "{schedules} requests in a mint: {:#?}",
            play.cut.log()
        );
        // The last one is still armed.
        play.scene.crash();
        play.next_operator().await;
        play.let_graces_pass().await;
        play.everything_is_as_wanted().await;
        assert_eq!(
            outsider,
            found(&play.scene.at_cloud().await, "outsider"),
            "nothing foreign is touched"
        );
        println!("{schedules} schedules with the cut {how}");
    }

    /// Cuts at each request in turn; how many there are.
    async fn cut_everywhere(&mut self) -> usize {
        for number in 0..MOST {
            let user = format!("ci-{number}");
            self.cut.arm(number, self.verdict);
            self.apply(&user).await;
            let is_cut = self.cut_or_ready(&user).await;
            if !is_cut {
                self.points.insert(user, "never".to_owned());
                return number;
            }
            self.points
                .insert(user.clone(), self.cut.point().unwrap_or_default());
            self.restart().await;
            self.scene
                .advance(LATE.unsigned_abs() + Duration::from_secs(1))
                .await;
            self.is_ready(&user).await;
            self.cut.quiet(QUIET).await;
        }
        MOST
    }

    async fn apply(&self, user: &str) {
        let spec = json!({
            "serviceRef": {"name": "media"},
            "policies": [{"policyRef": {"name": "logs-rw"}}],
            "accessKey": {"secretName": format!("{user}-s3")},
        });
        self.scene.apply("IamUser", user, spec).await;
    }

    /// Whether the cut came before all was done.
    async fn cut_or_ready(&self, user: &str) -> bool {
        eventually(
            PATIENCE,
            "the cut comes, or the user is Ready",
            async || {
                let status = self.scene.status("IamUser", user).await;
                if self.cut.is_done() || says_ready(&status) {
                    return Ok(());
                }
                Err(format!("{status}"))
            },
        )
        .await;
        if !self.cut.is_done() {
            // The last requests of an undisturbed mint come after its Ready.
            self.cut.quiet(QUIET).await;
        }
        self.cut.is_done()
    }

    /// Crashes the operator, and lets what it had sent arrive: before the next one starts, or only after that has looked around.
    async fn restart(&mut self) {
        let before = Arc::clone(&self.cut);
        self.scene.crash();
        if self.verdict == Verdict::Lost {
            before.deliver().await;
        }
        self.next_operator().await;
        before.deliver().await;
    }

    async fn next_operator(&mut self) {
        self.cut = Cut::never();
        let wire = Arc::clone(&self.cut);
        self.scene.start(wire).await;
        eventually(PATIENCE, "the operator looks around", async || {
            let log = self.cut.log();
            let is_there = |line: &String| line.contains("Cloud") && line.contains("/policies");
            log.iter()
                .any(is_there)
                .then_some(())
                .ok_or_else(|| format!("{log:#?}"))
        })
        .await;
        self.cut.quiet(QUIET).await;
    }

    async fn is_ready(&self, user: &str) {
        let at = &self.points[user];
        eventually(
            PATIENCE,
            &format!("{user}, cut {} {at}, is Ready", self.how),
            async || {
                let status = self.scene.status("IamUser", user).await;
                if says_ready(&status) {
                    Ok(())
                } else {
                    Err(status.to_string())
                }
            },
        )
        .await;
    }

    /// A suspect is Active for one grace, Inactive for another, and each step is taken at a look.
    async fn let_graces_pass(&self) {
        for _ in 0..4 {
            self.scene
                .advance(GRACE.unsigned_abs() + Duration::from_mins(1))
                .await;
            self.cut.quiet(QUIET).await;
        }
    }

    async fn everything_is_as_wanted(&self) {
        let writes = self.scene.ground.writes(&Ground::operator()).await;
        let writes = writes.within(&self.scene.namespace);
        let secrets = self
            .scene
            .secrets()
            .list(&ListParams::default())
            .await
            .unwrap();
        let names: Vec<_> = secrets
            .items
            .iter()
            .filter_map(|secret| secret.metadata.name.clone())
            .collect();
        let journal = self.scene.cloud.journal(0).await;
        let cloud = self.scene.at_cloud().await;
        let mut wrong = Vec::new();
        for (user, point) in &self.points {
            let resource = self.scene.get("IamUser", user).await;
            let uid = resource.metadata.uid.clone().unwrap();
            let status = &resource.data["status"];
            let secret = self.scene.secret(&format!("{user}-s3")).await;
            let keys = found(&cloud, user)["keys"].clone();
            let posts = journal
                .iter()
                .filter(|entry| {
                    entry.method == "POST"
                        && entry.path.ends_with(&format!("/users/{user}/access-keys"))
                })
                .count();
            let mut check = |holds: bool, what: String| {
                if !holds {
                    wrong.push(format!("{user}, cut {} {point}: {what}", self.how));
                }
            };
            let alone = keys.as_array().filter(|keys| keys.len() == 1);
            check(alone.is_some(), format!("not one key: {keys}"));
            let key = &keys[0];
            let published = secret.unwrap_or_default();
            check(
                key["status"] == "Active" && key["id"] == json!(published.get("AWS_ACCESS_KEY_ID")),
                format!("the Secret does not hold the live key: {keys}"),
            );
            check(
                status["keys"]["attempts"]
                    .as_array()
                    .is_none_or(Vec::is_empty),
                format!("attempts are left: {}", status["keys"]),
            );
            let staging = format!("cooper-mint-{uid}");
            check(
                !names.iter().any(|name| name.starts_with(&staging)),
                "a staging is left".to_owned(),
            );
            let attempts = attempts(&writes, &staging);
            check(
                (1..=attempts).contains(&posts),
                format!("{posts} requests for a key in {attempts} attempts"),
            );
            check(says_ready(status), format!("not Ready: {status}"));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Stagings of this prefix that were made.
fn attempts(writes: &Writes, staging: &str) -> usize {
    let made = |write: &&crate::ground::Write| {
        (write.verb.as_str(), write.resource.as_str(), write.code) == ("create", "secrets", 201)
            && write.name.starts_with(staging)
    };
    writes.all().iter().filter(made).count()
}

fn says_ready(status: &Value) -> bool {
    let is = |kind: &str| {
        let conditions = status["conditions"].as_array();
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    is("Ready") && is("Synced")
}

/// A user of somebody else in the same service, with the policy and a key.
async fn outsider(scene: &Scene) -> Value {
    let users = format!("/1.3/object-storage-2/{}/users", scene.service_id().await);
    for (path, body) in [
        (users.clone(), json!({"username": "outsider"})),
        (
            format!("{users}/outsider/policies"),
            json!({"name": "logs-rw"}),
        ),
        (format!("{users}/outsider/access-keys"), json!({})),
    ] {
        let made = scene.cloud.foreign("demo", "POST", &path, body).await;
        assert!(made.status < 300, "{path}: {} {}", made.status, made.body);
    }
    found(&scene.at_cloud().await, "outsider")
}

/// A user in the emulator's view of a service.
fn found(service: &Value, user: &str) -> Value {
    let users = service["users"].as_array();
    let mut users = users.into_iter().flatten();
    users
        .find(|found| found["name"] == user)
        .cloned()
        .unwrap_or_default()
}

//! How many requests things cost, with 200 users and 200 buckets of one service.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::ground::{Cut, Entry, Ground, Need, eventually};
use crate::scene::Scene;

const MANY: usize = 200;
/// Making so many takes a while on a small machine.
const PATIENCE: Duration = Duration::from_mins(4);
/// An operator that did nothing but wait for this long has come to rest.
const QUIET: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn objects_cost_pages_and_untouched_ones_nothing() {
    if Ground::get().await.lacks(&[Need::Audit]) {
        return;
    }
    let mut scene = Scene::without_operator().await;
    let cut = Cut::never();
    scene.start(Arc::clone(&cut) as Arc<_>).await;
    scene.service().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    let many = Many { scene, cut };
    many.rest().await;
    many.are_made().await;
    many.a_drift_round_reads_pages().await;
    many.untouched_objects_cost_no_writes().await;
}

struct Many {
    scene: Scene,
    cut: Arc<Cut>,
}

impl Many {
    async fn are_made(&self) {
        self.scene.cloud.forget().await;
        let before = self.scene.ground.writes(&Ground::operator()).await;
        self.apply().await;
        for kind in ["IamUser", "Bucket"] {
            self.all_ready(kind).await;
        }
        self.rest().await;

        let journal = self.journal().await;
        let (writes, reads): (Vec<_>, Vec<_>) = journal.iter().partition(|entry| entry.is_write());
        let user_writes = writes.iter().filter(|w| w.path.contains("/users")).count();
        let bucket_writes = writes
            .iter()
            .filter(|w| w.path.contains("/buckets"))
            .count();
        let (single, lists): (Vec<&Entry>, Vec<&Entry>) =
            reads.into_iter().partition(|read| is_single(read));
        let after = self.scene.ground.writes(&Ground::operator()).await;
        let kube = after.since(&before).within(&self.scene.namespace);
        let for_buckets = kube
            .all()
            .iter()
            .filter(|write| write.resource.starts_with("buckets"))
            .count();
        let for_users = kube.total() - for_buckets;
        println!(
            "{MANY} users and buckets: {user_writes} + {bucket_writes} cloud writes of {}, {} lists, {} single reads, {for_users} + {for_buckets} Kubernetes writes",
            writes.len(),
            lists.len(),
            single.len()
        );
        println!("{:#?}", kube.counts());
        let goals = [
            ("cloud writes for users", user_writes, 3 * MANY),
            ("cloud writes for buckets", bucket_writes, MANY),
            (
                "other cloud writes",
                writes.len() - user_writes - bucket_writes,
                0,
            ),
            ("list requests", lists.len(), 10),
            ("single reads", single.len(), 0),
            ("Kubernetes writes for users", for_users, 12 * MANY),
        ];
        let missed: Vec<_> = goals.iter().filter(|(_, have, goal)| have > goal).collect();
        assert!(
            missed.is_empty(),
            "{missed:?}\n{}\n{}",
            summary(&journal),
            self.kube_summary()
        );
    }

    /// Nothing is read deep: that is due once a day.
    async fn a_drift_round_reads_pages(&self) {
        self.scene.cloud.forget().await;
        self.drift_round().await;
        let journal = self.journal().await;
        println!(
            "a drift round: {} requests\n{}",
            journal.len(),
            summary(&journal)
        );
        assert!(
            journal.len() <= 8,
            "a drift round costs {}:\n{}",
            journal.len(),
            summary(&journal)
        );
    }

    async fn untouched_objects_cost_no_writes(&self) {
        let before = self.scene.ground.writes(&Ground::operator()).await;
        for _ in 0..2 {
            self.drift_round().await;
        }
        for _ in 0..10 {
            self.step(self.scene.settings.secret_check.mul_f64(1.1))
                .await;
        }
        let after = self.scene.ground.writes(&Ground::operator()).await;
        let writes = after.since(&before).within(&self.scene.namespace);
        assert_eq!(
            writes.total(),
            0,
            "untouched objects are written: {:#?}",
            writes.all()
        );
    }

    async fn drift_round(&self) {
        let begin = self.cut.seen();
        self.step(self.scene.settings.drift.mul_f64(1.11)).await;
        let log = self.cut.log();
        let lists = |what: &str| {
            log[begin..]
                .iter()
                .any(|line| line.contains(what) && line.contains("Cloud"))
        };
        for what in ["/users", "/buckets", "/policies"] {
            assert!(lists(what), "a drift round looks at {what}");
        }
    }

    /// Time goes on, and every Secret is looked at.
    async fn step(&self, by: Duration) {
        let begin = self.cut.seen();
        self.scene.advance(by + Duration::from_secs(1)).await;
        eventually(PATIENCE, "each Secret is looked at", async || {
            let log = self.cut.log();
            let secrets: HashSet<_> = log[begin..]
                .iter()
                .filter(|line| {
                    line.contains(" DELETE ")
                        && line.contains("/secrets/u-")
                        && line.contains("dryRun=All")
                })
                .filter_map(|line| line.split_whitespace().last())
                .collect();
            match secrets.len() {
                MANY => Ok(()),
                some => Err(format!("{some} so far")),
            }
        })
        .await;
        self.rest().await;
    }

    /// The operator asks the cloud nothing more and writes nothing more. Reads of Secrets go on once a minute.
    async fn rest(&self) {
        self.cut
            .still(QUIET, |line| {
                !line.contains("dryRun=All") && !line.contains("Kube GET")
            })
            .await;
    }

    async fn journal(&self) -> Vec<Entry> {
        self.scene.cloud.journal(0).await
    }

    async fn apply(&self) {
        let wanted = (0..MANY).flat_map(|number| {
            let user = json!({
                "serviceRef": {"name": "media"},
                "policies": [{"policyRef": {"name": "logs-rw"}}],
                "accessKey": {"secretName": format!("u-{number}")},
            });
            let bucket = json!({"serviceRef": {"name": "media"}});
            [
                ("IamUser", format!("u-{number}"), user),
                ("Bucket", format!("b-{number}"), bucket),
            ]
        });
        futures::stream::iter(wanted)
            .for_each_concurrent(16, async |(kind, name, spec)| {
                self.scene.apply(kind, &name, spec).await;
            })
            .await;
    }

    async fn all_ready(&self, kind: &str) {
        eventually(
            PATIENCE,
            &format!("all of kind {kind} are Ready"),
            async || {
                let list = self
                    .scene
                    .api(kind)
                    .list(&ListParams::default())
                    .await
                    .map_err(|error| error.to_string())?;
                let ready = list
                    .items
                    .iter()
                    .filter(|item| is_ready(&item.data["status"]))
                    .count();
                match ready {
                    MANY => Ok(()),
                    some => Err(format!("{some} are")),
                }
            },
        )
        .await;
    }

    fn kube_summary(&self) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        for line in self.cut.log().iter().filter(|line| line.contains(" Kube ")) {
            *counts
                .entry(shape(line.split_once(' ').map_or("", |(_, rest)| rest)))
                .or_default() += 1;
        }
        format!("{counts:#?}")
    }
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// A read of one thing: what comes after its collection's name.
fn is_single(entry: &Entry) -> bool {
    let last = entry.path.rsplit('/').next().unwrap_or_default();
    ![
        "account",
        "object-storage-2",
        "buckets",
        "users",
        "policies",
        "groups",
        "roles",
    ]
    .contains(&last)
        || entry.path.matches("/users/").count() > 0
}

/// Requests by method and path, with numbers in names left out.
fn summary(journal: &[Entry]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for entry in journal {
        let key = shape(&format!(
            "{} {}?{} {:?}",
            entry.method, entry.path, entry.query, entry.status
        ));
        *counts.entry(key).or_default() += 1;
    }
    format!("{counts:#?}")
}

fn shape(text: &str) -> String {
    let is_number = |word: &str| {
        word.starts_with("u-") || word.starts_with("b-") || word.starts_with("cooper-mint")
    };
    text.split_inclusive(['/', '?', ' '])
        .map(|word| if is_number(word) { "*/" } else { word })
        .collect()
}

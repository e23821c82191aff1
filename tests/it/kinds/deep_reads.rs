//! What no list shows is read now and then, however many want it: a drift round stays cheap.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::ground::{Cut, Entry, eventually};
use crate::scene::{PATIENCE, Scene, document};

/// More users than one interval has requests for.
const MANY: usize = 15;
/// An operator that asked nothing for this long has come to rest.
const QUIET: Duration = Duration::from_millis(1500);

fn is_deep(entry: &Entry) -> bool {
    entry.path.ends_with("/inline-policies") || entry.path.ends_with("/tags")
}

/// All requests to the cloud, and the deep ones among them, since the journal was forgotten.
async fn counts(scene: &Scene, cut: &Cut) -> (usize, usize) {
    cut.still(QUIET, |line| line.contains("Cloud")).await;
    let journal = scene.cloud.journal(0).await;
    (
        journal.len(),
        journal.iter().filter(|entry| is_deep(entry)).count(),
    )
}

#[tokio::test]
async fn after_a_restart_and_in_a_round_deep_reads_share_eight_requests() {
    let mut scene = Scene::running().await;
    scene.policy().await;
    for number in 0..MANY {
        let spec = json!({
            "serviceRef": {"name": "media"},
            "policies": [{"policyRef": {"name": "logs-rw"}}],
            "inlinePolicies": {"mine": document("s3:PutObject")},
            "tags": {"env": "prod"},
        });
        scene.apply("IamUser", &format!("u-{number}"), spec).await;
    }
    for number in 0..MANY {
        scene.ready("IamUser", &format!("u-{number}")).await;
    }
    // Lists show no tags, so they take a request of their own.
    scene.cloud.choose("service-shape", "2025").await;
    let cut = Cut::never();
    scene.cloud.forget().await;
    scene.start(Arc::clone(&cut) as Arc<_>).await;
    eventually(PATIENCE, "the first deep read", async || {
        let journal = scene.cloud.journal(0).await;
        let begun = journal.iter().any(is_deep);
        begun.then_some(()).ok_or_else(|| journal.len().to_string())
    })
    .await;
    let (_, deep) = counts(&scene, &cut).await;
    assert!((1..=8).contains(&deep), "{deep} deep reads at the start");

    for _ in 0..2 {
        scene.cloud.forget().await;
        scene.round().await;
        let (all, deep) = counts(&scene, &cut).await;
        assert!((1..=8).contains(&deep), "{deep} deep reads in a round");
        assert!(all <= 25, "{all} requests in a round");
    }
}

#[tokio::test]
async fn users_with_nothing_to_read_cost_no_deep_reads() {
    let mut scene = Scene::running().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    let cut = Cut::never();
    scene.cloud.forget().await;
    scene.start(Arc::clone(&cut) as Arc<_>).await;
    scene.round().await;
    let (_, deep) = counts(&scene, &cut).await;
    assert_eq!(deep, 0);
}

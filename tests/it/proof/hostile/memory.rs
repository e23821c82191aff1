//! What answers without end cost of memory: of a process of its own, for the tests share theirs.

use std::time::Duration;

use serde_json::json;

use super::{PATIENCE, tricks};
use crate::ground::process::{Process, flag};
use crate::ground::{Ground, Impostor, SYSTEM, eventually};
use crate::proof::Bound;
use crate::proof::world::is_true;
use crate::scene::{Scene, document};

/// Of an answer up to 16 MiB are read, and of some at a time.
const MOST: u64 = 256 << 20;
/// What no reader should take whole.
const ENDLESS: [&str; 7] = [
    "depth",
    "a gigabyte",
    "a gigabyte without a length",
    "an endless body",
    "an endless head",
    "an endless refusal",
    "more than it says",
];
/// So many answers of each.
const ANSWERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_end_cost_a_bounded_amount_of_memory() {
    let bound = Bound::get();
    if bound.only.is_some_and(|only| !only.starts_with("hostile")) || !cfg!(target_os = "linux") {
        return;
    }
    let ground = Ground::get().await;
    let mut scene = Scene::bare(ground).await;
    let impostor = Impostor::before(&scene.cloud.api).await;
    scene.endpoint.clone_from(&impostor.address);
    let flags = [
        flag("own-namespace", SYSTEM),
        // Others in this namespace may lead.
        "--no-leader-election".to_owned(),
        flag("namespace", &scene.namespace),
        flag("drift-interval", "10"),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let mut operator = Process::start(ground, None, &flags).await;
    operator.says(200, "").await;
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    let before = operator.peak();

    let mut number = 0;
    for (name, trick) in tricks("http://127.0.0.1:9") {
        if !ENDLESS.contains(&name) {
            continue;
        }
        let least = impostor.played() + ANSWERS;
        impostor.play(Some(trick));
        eventually(PATIENCE, &format!("answered by {name}"), async || {
            // An edit is a reason to ask at once.
            number += 1;
            let policy = json!({"serviceRef": {"name": "media"}, "document": document(&format!("s3:Get{number}*"))});
            scene.apply("IamPolicy", "logs-rw", policy).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let played = impostor.played();
            (played >= least).then_some(()).ok_or_else(|| format!("{played} of {least}"))
        })
        .await;
        impostor.play(None);
    }
    scene.policy().await;
    eventually(PATIENCE, "the policy is as wanted again", async || {
        let policy = scene.get("IamPolicy", "logs-rw").await;
        is_true(&policy, "Synced")
            .then_some(())
            .ok_or_else(|| policy.data["status"].to_string())
    })
    .await;
    assert!(operator.is_running());
    let grown = operator.peak().saturating_sub(before);
    println!(
        "{} MiB more for {} answers without end",
        grown >> 20,
        impostor.played()
    );
    assert!(grown <= MOST, "{} MiB", grown >> 20);
}

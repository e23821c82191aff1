//! Crash exhaustion: every scenario, its connections cut at every request, in every way, with every kind of aftermath.
//!
//! An undisturbed run says how many requests a scenario takes, counted over both clients by their shared hook, watches left out. For
//! each of them there is a schedule for each [`Loss`] and each [`After`]. A schedule has a namespace, a cloud and operators of its
//! own; time is stepped.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{StreamExt, stream};
use rand::seq::SliceRandom;

use super::scenario::Scenario;
use super::stage::{After, Loss, Schedule, Stage};
use super::world::Age;
use super::{Bound, caught, dice};
use crate::ground::{Entry, Ground, Need};

/// The share that is played when not all is.
const SHARE: usize = 20;
/// Which share, unless a seed is given.
const SEED: u64 = 5;
/// Of those that are played, so many in a hundred cut a request: beside another operator the first may have fewer to send than alone.
const HITS: usize = 80;
/// Fewer schedules than these cannot be all.
const LEAST: usize = 1000;

/// How a schedule went.
struct Played {
    /// The request that was hit; none if the scenario took fewer this time.
    hit: Option<String>,
    /// Where it was played.
    namespace: String,
    /// Requests for a key that reached the cloud.
    mints: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_the_connections_are_cut_the_wanted_state_is_reached_and_nothing_is_lost() {
    let bound = Bound::get();
    Ground::get().await;
    let begin = Instant::now();
    let counts = count(&bound).await;
    let told: BTreeMap<_, _> = counts
        .iter()
        .map(|(scenario, requests)| (scenario.name(), requests.len()))
        .collect();
    println!("requests of an undisturbed run: {told:?}");
    let all = schedules(&counts);
    let total = all.len();
    let chosen = choose(all, &counts, &bound);
    let playing = chosen.iter().map(|schedule| async move {
        let played = Box::pin(caught(play(*schedule))).await;
        (*schedule, played)
    });
    let played: Vec<_> = stream::iter(playing)
        .buffer_unordered(bound.lanes)
        .collect()
        .await;
    let hits = played
        .iter()
        .filter(|(_, played)| matches!(played, Ok(Played { hit: Some(_), .. })))
        .count();
    println!(
        "{} of {total} schedules played, {hits} cut a request, in {} s",
        played.len(),
        begin.elapsed().as_secs()
    );
    let mut failed: Vec<_> = played
        .iter()
        .filter_map(|(schedule, played)| played.as_ref().err().map(|why| failure(*schedule, why)))
        .collect();
    failed.extend(one_mint_an_attempt(&played).await);
    assert!(
        failed.is_empty(),
        "{} schedules failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(
        bound.only.is_some() || total >= LEAST,
        "only {total} schedules"
    );
    assert!(
        bound.only.is_some() || hits * 100 >= played.len() * HITS,
        "only {hits} of {} schedules cut a request",
        played.len()
    );
}

fn failure(schedule: Schedule, why: &str) -> String {
    format!(
        "{schedule}: {why}\n  again: COOPER_PROOF=full COOPER_ONLY={schedule} cargo test --workspace --test it -- --nocapture proof::schedules"
    )
}

/// Where more keys were asked for than attempts were recorded, each in a private Secret of its own. Read from the audit log, all at once.
async fn one_mint_an_attempt(played: &[(Schedule, Result<Played, String>)]) -> Vec<String> {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Audit]) {
        return Vec::new();
    }
    let mut attempts = BTreeMap::<String, usize>::new();
    for write in ground.writes(&Ground::operator()).await.all() {
        let made = (write.verb.as_str(), write.resource.as_str(), write.code);
        if made == ("create", "secrets", 201) && write.name.starts_with("cooper-mint-") {
            *attempts.entry(write.namespace.clone()).or_default() += 1;
        }
    }
    let fine = played
        .iter()
        .filter_map(|(schedule, played)| Some((schedule, played.as_ref().ok()?)));
    let too_many = fine.filter_map(|(schedule, played)| {
        let attempts = attempts.get(&played.namespace).copied().unwrap_or_default();
        let why = format!("{} requests for a key in {attempts} attempts", played.mints);
        (played.mints > attempts).then(|| failure(*schedule, &why))
    });
    too_many.collect()
}

/// The requests that each scenario takes when nothing goes wrong: whether they write.
type Counts = BTreeMap<Scenario, Vec<bool>>;

async fn count(bound: &Bound) -> Counts {
    let wanted = |scenario: &Scenario| {
        let only = bound.only.as_deref().unwrap_or_default();
        only.starts_with(scenario.name()) || scenario.name().starts_with(only)
    };
    let counting = Scenario::ALL
        .into_iter()
        .filter(wanted)
        .map(|scenario| async move {
            let counted = Box::pin(caught(undisturbed(scenario))).await;
            (
                scenario,
                counted.unwrap_or_else(|why| panic!("{}, undisturbed: {why}", scenario.name())),
            )
        });
    stream::iter(counting)
        .buffer_unordered(bound.lanes)
        .collect()
        .await
}

fn schedules(counts: &Counts) -> Vec<Schedule> {
    let mut all = Vec::new();
    for (scenario, requests) in counts {
        for loss in [Loss::Before, Loss::Answer, Loss::Late] {
            for after in [After::Restart, After::Overlap, After::Double] {
                all.extend((0..requests.len()).map(|at| Schedule {
                    scenario: *scenario,
                    loss,
                    after,
                    at,
                }));
            }
        }
    }
    all
}

/// Those that are played: all, those of a name, or a share by chance. In the share are no reads whose answers are lost or late: the
/// world is then as if they had not been sent.
fn choose(mut all: Vec<Schedule>, counts: &Counts, bound: &Bound) -> Vec<Schedule> {
    if let Some(only) = &bound.only {
        all.retain(|schedule| {
            let name = schedule.to_string();
            // 1 must not bring 10 along.
            name == *only
                || (name.starts_with(only.as_str())
                    && !only.ends_with(|c: char| c.is_ascii_digit()))
        });
        return all;
    }
    if bound.is_full {
        return bound.part_of(all);
    }
    all.retain(|schedule| schedule.loss == Loss::Before || counts[&schedule.scenario][schedule.at]);
    let share = all.len().div_ceil(SHARE);
    all.shuffle(&mut dice(bound.seed.unwrap_or(SEED)));
    all.truncate(share);
    all
}

async fn undisturbed(scenario: Scenario) -> Result<Vec<bool>, String> {
    let mut stage = Stage::open(scenario).await;
    stage.disarm();
    scenario.act(&stage.scene).await;
    stage.settle(Age::Fresh).await?;
    let log = stage.cut.log();
    stage.age().await?;
    let is_read = |line: &String| line.contains(" GET ") || line.contains("dryRun=All");
    Ok(log.iter().map(|line| !is_read(line)).collect())
}

async fn play(schedule: Schedule) -> Result<Played, String> {
    let mut stage = Stage::open(schedule.scenario).await;
    if schedule.after == After::Double {
        stage.beside().await;
    }
    stage.arm(schedule);
    schedule.scenario.act(&stage.scene).await;
    let is_hit = stage.until_hit().await;
    let hit = stage.cut.point().filter(|_| is_hit);
    if is_hit {
        stage.go_on(schedule).await;
    } else {
        stage.disarm();
    }
    let mut done = stage.settle(Age::Fresh).await;
    if done.is_ok() {
        done = stage.age().await;
    }
    done.map_err(|why| format!("cut at {hit:?}: {why}\n{}", stage.story()))?;
    let mint = |entry: &&Entry| {
        entry.method == "POST" && !entry.foreign && entry.path.ends_with("/access-keys")
    };
    Ok(Played {
        hit,
        mints: stage
            .scene
            .cloud
            .journal(0)
            .await
            .iter()
            .filter(mint)
            .count(),
        namespace: stage.scene.namespace.to_string(),
    })
}

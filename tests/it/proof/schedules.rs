//! Crash exhaustion: every scenario, its connections cut at every request, in every way, with every kind of aftermath.
//!
//! An undisturbed run says how many requests a scenario takes, counted over both clients by their shared hook, watches left out. For
//! each of them there is a schedule for each [`Loss`] and each [`After`]. A schedule has a namespace, a cloud and operators of its
//! own; time is stepped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cooper::engine::key::{GRACE, LATE};
use cooper::wire::Verdict;
use futures::{StreamExt, stream};
use rand::seq::SliceRandom;

use super::scenario::Scenario;
use super::world::{Age, Witness};
use super::{Bound, caught, dice};
use crate::ground::{Cut, Entry, Ground, Need, Operator};
use crate::scene::Scene;

/// Operators that asked nothing for this long, and wait for no answer, have nothing to do.
const QUIET: Duration = Duration::from_millis(120);
/// The share that is played when not all is.
const SHARE: usize = 20;
/// Which share, unless a seed is given.
const SEED: u64 = 5;
/// Fewer schedules than these cannot be all.
const LEAST: usize = 1000;

/// What happens to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    /// It is not sent.
    Before,
    /// It is sent and carried out; its answer is lost.
    Answer,
    /// It is carried out long after its sender has given up.
    Late,
}

/// Who goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    /// The operator is dead from then on; another one starts, with fresh memory.
    Restart,
    /// The operator goes on, and another one starts beside it.
    Overlap,
    /// Another one runs beside it from the beginning; then the first is dead.
    Double,
}

/// One way to cut one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Schedule {
    scenario: Scenario,
    loss: Loss,
    after: After,
    /// The request that is hit, from 0.
    at: usize,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loss = match self.loss {
            Loss::Before => "before",
            Loss::Answer => "answer",
            Loss::Late => "late",
        };
        let after = match self.after {
            After::Restart => "restart",
            After::Overlap => "overlap",
            After::Double => "double",
        };
        write!(f, "{}/{loss}/{after}/{}", self.scenario.name(), self.at)
    }
}

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
        return all;
    }
    all.retain(|schedule| schedule.loss == Loss::Before || counts[&schedule.scenario][schedule.at]);
    let share = all.len().div_ceil(SHARE);
    all.shuffle(&mut dice(bound.seed.unwrap_or(SEED)));
    all.truncate(share);
    all
}

async fn undisturbed(scenario: Scenario) -> Result<Vec<bool>, String> {
    let mut stage = Stage::open(scenario).await;
    stage.cut.arm(usize::MAX, Verdict::Pass);
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

/// A namespace, a cloud, operators.
struct Stage {
    scene: Scene,
    witness: Witness,
    /// The hook of the first operator.
    cut: Arc<Cut>,
    /// The hooks of all operators that run.
    running: Vec<Arc<Cut>>,
    /// The hooks of all that ever ran.
    all: Vec<Arc<Cut>>,
    /// Those beside the first.
    others: Vec<Operator>,
}

impl Stage {
    /// With everything in place that a scenario needs, and at rest.
    async fn open(scenario: Scenario) -> Self {
        let mut scene = Scene::without_operator().await;
        let cut = Cut::never();
        scene.start(Arc::clone(&cut) as Arc<_>).await;
        let witness = scenario.prepare(&scene).await;
        let stage = Self {
            scene,
            witness,
            running: vec![Arc::clone(&cut)],
            all: vec![Arc::clone(&cut)],
            cut,
            others: Vec::new(),
        };
        stage.rest().await;
        stage
    }

    /// Another operator, with fresh memory.
    async fn beside(&mut self) {
        let cut = Cut::never();
        let other = self.scene.beside(Arc::clone(&cut) as Arc<_>).await;
        self.others.push(other);
        self.all.push(Arc::clone(&cut));
        self.running.push(cut);
        self.rest().await;
    }

    fn arm(&self, schedule: Schedule) {
        let verdict = match schedule.loss {
            Loss::Before => Verdict::Before,
            Loss::Answer => Verdict::Lost,
            Loss::Late => Verdict::Late(Duration::ZERO),
        };
        match schedule.after {
            After::Restart | After::Double => self.cut.arm(schedule.at, verdict),
            After::Overlap => self.cut.blip(schedule.at, verdict),
        }
    }

    /// Whether the request came, before everything was as wanted without it.
    async fn until_hit(&self) -> bool {
        for _ in 0..TURNS {
            self.rest().await;
            if self.cut.is_done() {
                return true;
            }
            if self
                .witness
                .wrongs(&self.scene, Age::Fresh)
                .await
                .is_empty()
            {
                return self.cut.is_done();
            }
            self.step(SOON).await;
        }
        false
    }

    /// What comes after the cut. What was sent by the dead arrives before the next one looks around, or long after.
    async fn go_on(&mut self, schedule: Schedule) {
        if schedule.after != After::Overlap {
            self.scene.crash();
            self.running.retain(|cut| !Arc::ptr_eq(cut, &self.cut));
        }
        if schedule.loss == Loss::Answer {
            self.cut.deliver().await;
        }
        match schedule.after {
            After::Restart | After::Overlap => self.beside().await,
            After::Double => self.rest().await,
        }
        self.cut.deliver().await;
    }

    /// Lets time pass until everything is as wanted.
    async fn settle(&mut self, age: Age) -> Result<(), String> {
        let mut wrongs = Vec::new();
        for turn in 0..TURNS {
            self.rest().await;
            wrongs = self.witness.wrongs(&self.scene, age).await;
            if wrongs.is_empty() {
                return Ok(());
            }
            self.step(if turn < 2 {
                SOON
            } else {
                LATER[turn % LATER.len()]
            })
            .await;
        }
        Err(wrongs.join("\n  "))
    }

    /// Two days later, everything must still be as wanted, and what was kept for a while be gone.
    async fn age(&mut self) -> Result<(), String> {
        for span in [LATER[0], LATER[1], DAY, DAY] {
            self.step(span).await;
            self.rest().await;
        }
        self.settle(Age::Old).await
    }

    /// What the operators asked, each in its order.
    fn story(&self) -> String {
        let logs = self.all.iter().enumerate().map(|(number, cut)| {
            let log = cut.log();
            let first = &log[..log.len().min(TOLD)];
            format!("  operator {number}:\n    {}", first.join("\n    "))
        });
        logs.collect::<Vec<_>>().join("\n")
    }

    async fn step(&self, by: Duration) {
        self.scene.advance(by).await;
    }

    async fn rest(&self) {
        for cut in &self.running {
            cut.quiet(QUIET).await;
        }
    }
}

/// Requests of an operator that a failure shows: those around the cut, not all that came while time passed.
const TOLD: usize = 120;
/// Steps of time until what is not as wanted never will be.
const TURNS: usize = 14;
/// What waits for a moment is looked at again.
const SOON: Duration = Duration::from_secs(31);
/// A day and what a look may be late.
const DAY: Duration = Duration::from_hours(25);
/// The end of an attempt, and of each step of judging it.
const LATER: [Duration; 2] = [
    Duration::from_secs(LATE.as_secs().unsigned_abs() + 1),
    Duration::from_secs(GRACE.as_secs().unsigned_abs() + 60),
];

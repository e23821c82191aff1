//! One way to cut one scenario, and the stage on which it is played.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cooper::engine::key::{GRACE, LATE};
use cooper::wire::Verdict;

use super::scenario::Scenario;
use super::world::{Age, Witness};
use crate::ground::{Cut, Operator};
use crate::scene::Scene;

/// Operators that asked nothing for this long, and wait for no answer, have nothing to do.
const QUIET: Duration = Duration::from_millis(120);
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

/// What happens to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It is not sent.
    Before,
    /// It is sent and carried out; its answer is lost.
    Answer,
    /// It is carried out long after its sender has given up.
    Late,
}

/// Who goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    /// The operator is dead from then on; another one starts, with fresh memory.
    Restart,
    /// The operator goes on, and another one starts beside it.
    Overlap,
    /// Another one runs beside it from the beginning; then the first is dead.
    Double,
}

/// One way to cut one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schedule {
    pub scenario: Scenario,
    pub loss: Loss,
    pub after: After,
    /// The request that is hit, from 0.
    pub at: usize,
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

/// A namespace, a cloud, operators.
pub struct Stage {
    pub scene: Scene,
    witness: Witness,
    /// The hook of the first operator.
    pub cut: Arc<Cut>,
    /// The hooks of all operators that run.
    running: Vec<Arc<Cut>>,
    /// The hooks of all that ever ran.
    all: Vec<Arc<Cut>>,
    /// Those beside the first.
    others: Vec<Operator>,
    /// When it was opened.
    begin: Instant,
}

impl Stage {
    /// With everything in place that a scenario needs, and at rest.
    pub async fn open(scenario: Scenario) -> Self {
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
            begin: Instant::now(),
        };
        stage.rest().await;
        stage
    }

    /// Another operator, with fresh memory.
    pub async fn beside(&mut self) {
        let cut = Cut::never();
        let other = self.scene.beside(Arc::clone(&cut) as Arc<_>).await;
        self.others.push(other);
        self.all.push(Arc::clone(&cut));
        self.running.push(cut);
        self.rest().await;
    }

    pub fn arm(&self, schedule: Schedule) {
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

    /// The request did not come: later ones, of which there are many, are not meant.
    pub fn disarm(&self) {
        self.cut.arm(usize::MAX, Verdict::Pass);
    }

    /// Whether the request came, before everything was as wanted without it.
    pub async fn until_hit(&self) -> bool {
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
    pub async fn go_on(&mut self, schedule: Schedule) {
        if schedule.after != After::Overlap {
            self.scene.crash();
            self.running.retain(|cut| !Arc::ptr_eq(cut, &self.cut));
        }
        if schedule.loss == Loss::Answer {
            self.cut.deliver().await;
        }
        schedule.scenario.rethink(&self.scene).await;
        match schedule.after {
            After::Restart | After::Overlap => self.beside().await,
            After::Double => self.rest().await,
        }
        self.cut.deliver().await;
    }

    /// Lets time pass until everything is as wanted.
    pub async fn settle(&mut self, age: Age) -> Result<(), String> {
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
    pub async fn age(&mut self) -> Result<(), String> {
        for span in [LATER[0], LATER[1], DAY, DAY] {
            self.step(span).await;
            self.rest().await;
        }
        self.settle(Age::Old).await
    }

    /// What the operators asked, each in its order.
    pub fn story(&self) -> String {
        let logs = self.all.iter().enumerate().map(|(number, cut)| {
            let log = cut.story(self.begin);
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

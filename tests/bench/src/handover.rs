//! How long nobody works: from the moment the operator that leads is told to stop, or killed, until the one that stood by says it leads.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::measures::{self, Size};
use crate::scene::Scene;
use crate::stage::{Flags, Program, Stage};

/// Users who are being made while the leader is told to stop: three requests each, so six seconds at the default rate.
const BATCH: usize = 100;
/// What each answer of a cloud further away takes.
const FAR: Duration = Duration::from_millis(200);
/// Far more than a lease's duration.
const PATIENCE: Duration = Duration::from_mins(2);

/// Handovers, in seconds each.
pub struct Handovers {
    /// After SIGTERM, nothing going on.
    pub idle: Vec<f64>,
    /// After SIGTERM, while one drift round follows the other.
    pub drifting: Vec<f64>,
    /// After SIGTERM, while users are being made.
    pub creating: Vec<f64>,
    /// The same at a cloud of which each answer takes [`FAR`].
    pub far: Vec<f64>,
    /// After SIGKILL.
    pub killed: Vec<f64>,
    /// `--lease-duration`, in seconds.
    pub lease: f64,
}

/// Handovers beside many users and buckets.
pub async fn measure(stage: &Stage, size: &Size) -> anyhow::Result<Handovers> {
    let scene = Scene::new(stage, "handover", 1).await?;
    let mut pair = Pair::start(stage, &scene, Flags::default()).await?;
    scene.set_up(size.raised).await?;
    measures::make_both(&scene, 0, size.many).await?;
    measures::set_rate(&scene, size.rate).await?;

    eprintln!("  idle");
    let mut idle = Vec::new();
    for _ in 0..size.handovers {
        measures::rest(&pair.leader).await?;
        idle.push(pair.change("TERM").await?);
    }
    eprintln!("  killed");
    let mut killed = Vec::new();
    for _ in 0..size.handovers {
        measures::rest(&pair.leader).await?;
        killed.push(pair.change("KILL").await?);
    }
    eprintln!("  while users are being made");
    let mut made = size.many;
    let creating = pair.while_creating(&scene, size, &mut made).await?;
    scene.delay(FAR).await?;
    let far = pair.while_creating(&scene, size, &mut made).await?;
    scene.delay(Duration::ZERO).await?;
    pair.end().await?;

    eprintln!("  during drift rounds");
    let drift = Flags {
        drift: 10,
        ..Flags::default()
    };
    let mut pair = Pair::start(stage, &scene, drift).await?;
    let mut drifting = Vec::new();
    for _ in 0..size.handovers {
        // Not in step with the rounds.
        tokio::time::sleep(Duration::from_millis(13_700)).await;
        drifting.push(pair.change("TERM").await?);
    }
    pair.end().await?;
    scene.end().await?;
    Ok(Handovers {
        idle,
        drifting,
        creating,
        far,
        killed,
        lease: f64::from(LEASE),
    })
}

/// The operator's own default, in seconds.
const LEASE: u32 = 15;

/// One operator that leads and one that stands by.
struct Pair<'a> {
    stage: &'a Stage,
    namespace: String,
    flags: Flags,
    leader: Program,
    standby: Program,
    started: usize,
}

impl<'a> Pair<'a> {
    async fn start(stage: &'a Stage, scene: &Scene, flags: Flags) -> anyhow::Result<Self> {
        let namespace = scene.namespace.clone();
        let leader = stage.candidate(&namespace, "0", flags).await?;
        says(&leader, "ok: leading").await?;
        let standby = stage.candidate(&namespace, "1", flags).await?;
        says(&standby, "ok: standing by").await?;
        Ok(Self {
            stage,
            namespace,
            flags,
            leader,
            standby,
            started: 2,
        })
    }

    /// Ends the leader by a signal; answers the seconds until the other one leads, and has another one stand by for it.
    async fn change(&mut self, signal: &str) -> anyhow::Result<f64> {
        let begin = Instant::now();
        self.leader.signal(signal).await?;
        says(&self.standby, "ok: leading").await?;
        let seconds = begin.elapsed().as_secs_f64();
        let number = self.started.to_string();
        self.started += 1;
        let next = self.stage.candidate(&self.namespace, &number, self.flags);
        let next = next.await?;
        says(&next, "ok: standing by").await?;
        let before =
            std::mem::replace(&mut self.leader, std::mem::replace(&mut self.standby, next));
        before.ended().await?;
        Ok(seconds)
    }

    /// Ends the leader each time when a tenth of a batch of users is Ready; nothing may be left behind.
    async fn while_creating(
        &mut self,
        scene: &Scene,
        size: &Size,
        made: &mut usize,
    ) -> anyhow::Result<Vec<f64>> {
        let mut seconds = Vec::new();
        for _ in 0..size.handovers {
            let ready = scene.ready("IamUser");
            ready.all(*made).await?;
            let batch = *made..*made + BATCH;
            scene
                .create_all(batch.map(|number| scene.user(number)))
                .await?;
            ready.all(*made + BATCH / 10).await?;
            seconds.push(self.change("TERM").await?);
            *made += BATCH;
            ready.all(*made).await?;
        }
        Ok(seconds)
    }

    async fn end(self) -> anyhow::Result<()> {
        self.standby.end().await?;
        self.leader.signal("TERM").await?;
        self.leader.ended().await
    }
}

/// Waits until `/readyz` begins with this; asked every two milliseconds.
async fn says(operator: &Program, words: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/readyz", operator.address("http")?);
    let begin = Instant::now();
    loop {
        let answer = http.get(&url).send().await;
        let said = match answer {
            Ok(answer) => answer.text().await.context("no text")?,
            Err(error) => error.to_string(),
        };
        if said.starts_with(words) {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "waited for {words:?}: {said}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

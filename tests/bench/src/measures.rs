//! The measurements, each a story of its own.

use std::time::{Duration, Instant};

use anyhow::Context;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::counts::{Requests, Served};
use crate::floor::Floor;
use crate::scene::Scene;
use crate::stage::{Flags, Memory, Program, Stage};

/// How much is measured.
#[derive(Clone)]
pub struct Size {
    /// Users of the comparison, and users and buckets each of a drift round.
    pub many: usize,
    /// Requests per second of an account, as by default.
    pub rate: u32,
    /// The most that an account may have: so much that the machine is the bound.
    pub raised: u32,
    /// Numbers of objects at which memory is read, half users and half buckets.
    pub growth: Vec<usize>,
    /// New objects, one after the other, and deleted Secrets.
    pub samples: usize,
    /// Seconds between two drift rounds while these are counted.
    pub drift: u32,
    /// Seconds between two looks at a Secret.
    pub secret: u32,
    /// Handovers of each sort.
    pub handovers: usize,
}

impl Size {
    /// What `docs/performance.md` tells of.
    pub fn full() -> Self {
        Self {
            many: 1000,
            rate: 50,
            raised: 500,
            growth: vec![100, 300, 1000, 3000, 10_000],
            samples: 100,
            drift: 60,
            secret: 60,
            handovers: 5,
        }
    }

    /// To see that it works.
    pub fn quick() -> Self {
        Self {
            many: 100,
            growth: vec![20, 60, 200],
            samples: 10,
            drift: 15,
            secret: 10,
            handovers: 2,
            ..Self::full()
        }
    }
}

/// Users made by one side.
pub struct Made {
    /// From the first create to the last Ready.
    pub seconds: f64,
    /// What was asked of the cloud.
    pub cloud: Requests,
    /// What was asked of Kubernetes.
    pub kube: Requests,
    /// Processor time of the operator; none for the bare client, which is a part of this process.
    pub processor: Option<f64>,
}

/// The same users made by both.
pub struct Pair {
    /// By the operator.
    pub cooper: Made,
    /// By the bare client.
    pub floor: Made,
}

impl Pair {
    /// Time of the operator by that of the bare client.
    pub fn ratio(&self) -> f64 {
        self.cooper.seconds / self.floor.seconds
    }
}

/// Users in `services` services until all are Ready, by both.
pub async fn users(
    stage: &Stage,
    name: &str,
    services: usize,
    size: &Size,
    rate: u32,
) -> anyhow::Result<Pair> {
    let scene = Scene::new(stage, &format!("{name}-floor"), services).await?;
    let floor = Floor::new(&scene, &stage.as_operator().await?, rate).await?;
    let count = Count::begin(&scene).await?;
    let (begin, ready) = (Instant::now(), scene.ready("IamUser"));
    floor.run(size.many).await?;
    let seconds = (ready.all(size.many).await? - begin).as_secs_f64();
    let (cloud, kube) = count.end(&scene).await?;
    let floor = Made {
        seconds,
        cloud,
        kube,
        processor: None,
    };
    scene.end().await?;

    let scene = Scene::new(stage, &format!("{name}-cooper"), services).await?;
    let operator = stage.operator(&scene.namespace, Flags::default()).await?;
    scene.set_up(rate).await?;
    rest(&operator).await?;
    let (count, before) = (Count::begin(&scene).await?, operator.processor()?);
    let (begin, ready) = (Instant::now(), scene.ready("IamUser"));
    scene
        .create_all((0..size.many).map(|number| scene.user(number)))
        .await?;
    let seconds = (ready.all(size.many).await? - begin).as_secs_f64();
    rest(&operator).await?;
    let processor = Some(operator.processor()? - before);
    let (cloud, kube) = count.end(&scene).await?;
    operator.end().await?;
    scene.end().await?;
    let cooper = Made {
        seconds,
        cloud,
        kube,
        processor,
    };
    Ok(Pair { cooper, floor })
}

/// Counts requests of both sides.
struct Count(Served);

impl Count {
    async fn begin(scene: &Scene) -> anyhow::Result<Self> {
        scene.journal()?.forget().await?;
        Ok(Self(Served::now(&scene.admin).await?))
    }

    async fn end(self, scene: &Scene) -> anyhow::Result<(Requests, Requests)> {
        let kube = Served::now(&scene.admin).await?.since(&self.0);
        Ok((scene.journal()?.read().await?, kube))
    }
}

/// Waits until the operator has nothing to do: it uses next to no processor time for a second.
pub async fn rest(operator: &Program) -> anyhow::Result<()> {
    let mut quiet = 0;
    while quiet < 4 {
        let before = operator.processor()?;
        tokio::time::sleep(Duration::from_millis(250)).await;
        quiet = if operator.processor()? - before < 0.025 {
            quiet + 1
        } else {
            0
        };
    }
    Ok(())
}

/// One number of objects.
pub struct Step {
    /// Objects there are now.
    pub objects: usize,
    /// From the first create of this step to the last Ready.
    pub seconds: f64,
    /// Requests of this step.
    pub cloud: Requests,
    /// Requests of this step.
    pub kube: Requests,
    /// After it has come to rest.
    pub memory: Memory,
}

/// More and more objects under one operator; and its memory after a restart with all of them.
pub async fn growth(stage: &Stage, size: &Size) -> anyhow::Result<(Vec<Step>, Memory)> {
    let scene = Scene::new(stage, "growth", 1).await?;
    let operator = stage.operator(&scene.namespace, Flags::default()).await?;
    scene.set_up(size.raised).await?;
    let mut steps: Vec<Step> = Vec::new();
    for &objects in &size.growth {
        rest(&operator).await?;
        let count = Count::begin(&scene).await?;
        let have = steps.last().map_or(0, |step| step.objects) / 2;
        let begin = Instant::now();
        make_both(&scene, have, objects / 2).await?;
        let seconds = begin.elapsed().as_secs_f64();
        rest(&operator).await?;
        let (cloud, kube) = count.end(&scene).await?;
        let memory = operator.memory()?;
        eprintln!(
            "  {objects} objects: {seconds:.1} s, {:.1} MiB",
            memory.resident
        );
        steps.push(Step {
            objects,
            seconds,
            cloud,
            kube,
            memory,
        });
    }
    operator.end().await?;
    let operator = stage.operator(&scene.namespace, Flags::default()).await?;
    rest(&operator).await?;
    let restarted = operator.memory()?;
    operator.end().await?;
    scene.end().await?;
    Ok((steps, restarted))
}

/// Users and buckets from number `have` up to `want` each, until all are Ready.
pub async fn make_both(scene: &Scene, have: usize, want: usize) -> anyhow::Result<()> {
    let (users, buckets) = (scene.ready("IamUser"), scene.ready("Bucket"));
    let new = (have..want).flat_map(|number| [scene.user(number), scene.bucket(number)]);
    scene.create_all(new).await?;
    users.all(want).await?;
    buckets.all(want).await?;
    Ok(())
}

/// Requests per second of the account from now on.
pub async fn set_rate(scene: &Scene, rate: u32) -> anyhow::Result<()> {
    let rate = json!({"spec": {"requestsPerSecond": rate}});
    let accounts = scene.api(&scene.admin, "Account");
    accounts
        .patch("default", &PatchParams::default(), &Patch::Merge(&rate))
        .await?;
    Ok(())
}

/// What a drift round costs.
pub struct Round {
    /// Requests in the time between two rounds.
    pub cloud: Requests,
    /// Requests in the same time.
    pub kube: Requests,
    /// Processor time of the operator in the same time.
    pub processor: f64,
    /// That time, in seconds.
    pub every: u32,
}

/// What is measured beside many users and buckets that exist.
pub struct Beside {
    /// A drift round over all of them.
    pub round: Round,
    /// From the create of one more user to its Ready, nothing else going on; seconds.
    pub idle: Vec<f64>,
    /// The same while one drift round follows the other.
    pub drifting: Vec<f64>,
    /// From the delete of a Secret to the new one; seconds.
    pub timed: Vec<f64>,
    /// The same with `secrets.watch`.
    pub watched: Vec<f64>,
}

/// Drift rounds, new objects and lost Secrets beside many users and buckets.
pub async fn beside(stage: &Stage, size: &Size) -> anyhow::Result<Beside> {
    let scene = Scene::new(stage, "beside", 1).await?;
    let space = &scene.namespace;
    let flags = Flags {
        secret: size.secret,
        ..Flags::default()
    };
    let operator = stage.operator(space, flags).await?;
    scene.set_up(size.raised).await?;
    make_both(&scene, 0, size.many).await?;
    set_rate(&scene, size.rate).await?;
    rest(&operator).await?;
    eprintln!("  new users, idle");
    let idle = new_users(&scene, size.many, size.samples).await?;
    operator.end().await?;

    eprintln!("  drift round");
    let drift = Flags {
        drift: size.drift,
        ..flags
    };
    let operator = stage.operator(space, drift).await?;
    let round = round(&scene, &operator, size).await?;
    operator.end().await?;

    eprintln!("  new users during drift rounds");
    let drift = Flags { drift: 10, ..flags };
    let operator = stage.operator(space, drift).await?;
    rest_for(Duration::from_secs(15)).await;
    let more = size.many + size.samples;
    let drifting = new_users(&scene, more, size.samples).await?;
    operator.end().await?;

    // Last: a user whose key was replaced is looked at more closely for a day.
    eprintln!("  deleted Secrets, by the timed look");
    let operator = stage.operator(space, flags).await?;
    rest(&operator).await?;
    let timed = all_at_once(&scene, size.samples).await?;
    operator.end().await?;

    eprintln!("  deleted Secrets, with secrets.watch");
    stage
        .install("deploy/components/secrets-watch/rbac.yaml")
        .await?;
    let watch = Flags {
        watch: true,
        ..flags
    };
    let operator = stage.operator(space, watch).await?;
    rest(&operator).await?;
    let watched = one_by_one(&scene, size.samples).await?;
    operator.end().await?;
    scene.end().await?;
    Ok(Beside {
        round,
        idle,
        drifting,
        timed,
        watched,
    })
}

async fn rest_for(span: Duration) {
    tokio::time::sleep(span).await;
}

/// One interval, after a first one in which everything was looked at once. It begins halfway between two rounds, or it would count the
/// end of one and more of the beginning of the next.
async fn round(scene: &Scene, operator: &Program, size: &Size) -> anyhow::Result<Round> {
    let span = Duration::from_secs(u64::from(size.drift));
    rest(operator).await?;
    rest_for(span.mul_f64(1.2)).await;
    scene.journal()?.forget().await?;
    while scene.journal()?.read().await?.all() == 0 {
        rest_for(Duration::from_millis(100)).await;
    }
    rest_for(span / 2).await;
    let (count, before) = (Count::begin(scene).await?, operator.processor()?);
    rest_for(span).await;
    let processor = operator.processor()? - before;
    let (cloud, kube) = count.end(scene).await?;
    Ok(Round {
        cloud,
        kube,
        processor,
        every: size.drift,
    })
}

/// Seconds to Ready of new users, one after the other.
async fn new_users(scene: &Scene, first: usize, count: usize) -> anyhow::Result<Vec<f64>> {
    let ready = scene.ready("IamUser");
    ready.all(first).await?;
    let mut seconds = Vec::new();
    for number in first..first + count {
        let (kind, name, spec) = scene.user(number);
        let begin = Instant::now();
        scene.create(kind, &name, spec).await?;
        let at = ready.one(&name).await?;
        seconds.push((at - begin).as_secs_f64());
        // Not in step with anything that comes again and again.
        rest_for(Duration::from_millis(37)).await;
    }
    Ok(seconds)
}

/// Seconds to the new Secrets of users whose Secrets are deleted at the same time.
async fn all_at_once(scene: &Scene, count: usize) -> anyhow::Result<Vec<f64>> {
    let moments = scene.secrets();
    moments.all(count).await?;
    rest_for(Duration::from_secs(1)).await;
    let known = moments.names();
    let secrets: Api<Secret> = Api::namespaced(scene.admin.clone(), &scene.namespace);
    let begin = Instant::now();
    for number in 0..count {
        let name = format!("u-{number}");
        secrets.delete(&name, &DeleteParams::default()).await?;
    }
    moments.all(known.len() + count).await?;
    let mut seconds = Vec::new();
    for name in moments.names() {
        if !known.contains(&name) {
            let at = moments.of_name(&name).context("it was seen")?;
            seconds.push((at - begin).as_secs_f64());
        }
    }
    Ok(seconds)
}

/// Seconds to the new Secrets of users whose Secrets are deleted one after the other.
async fn one_by_one(scene: &Scene, count: usize) -> anyhow::Result<Vec<f64>> {
    let moments = scene.secrets();
    moments.all(count).await?;
    rest_for(Duration::from_secs(1)).await;
    let secrets: Api<Secret> = Api::namespaced(scene.admin.clone(), &scene.namespace);
    let mut seconds = Vec::new();
    // Others than before: a user whose key was just replaced has another one to give up first.
    for number in count..2 * count {
        let have = moments.names().len();
        let begin = Instant::now();
        let name = format!("u-{number}");
        secrets.delete(&name, &DeleteParams::default()).await?;
        let at = moments.all(have + 1).await?;
        seconds.push((at - begin).as_secs_f64());
        rest_for(Duration::from_millis(37)).await;
    }
    Ok(seconds)
}

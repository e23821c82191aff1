//! The operator, in this process: started, stopped, crashed, its requests counted and cut.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use cooper::app::{App, Options};
use cooper::engine::{
    clock::Clock,
    controller::Scope,
    core::{Core, Settings},
    trace::Traces,
};
use cooper::kinds::ProviderName;
use cooper::lease::Terms;
use cooper::wire::{Open, Side, Verdict, Wire, is_watch};
use futures::future::BoxFuture;
use http::{Method, Uri};
use kube::Config;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::{Ground, SYSTEM, eventually};
use crate::scene::Scene;

/// A running operator that sees one namespace or all. Dropping it is a crash.
pub struct Operator {
    /// What its controllers share.
    pub core: Arc<Core>,
    stop: Option<oneshot::Sender<()>>,
    task: AbortOnDropHandle<anyhow::Result<()>>,
}

/// How an operator is started.
pub struct Start {
    /// Its clock; shared with the next one, time does not go back at a crash.
    pub clock: Clock,
    /// The hook in front of its requests.
    pub wire: Arc<dyn Wire>,
    /// Its intervals.
    pub settings: Settings,
    /// The election it takes part in.
    pub lease: Option<Terms>,
    /// Its way to the API server; none: straight.
    pub config: Option<Config>,
    /// Which passes it traces.
    pub traces: Traces,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            wire: Arc::new(Open),
            settings: Settings::default(),
            lease: None,
            config: None,
            traces: Traces::default(),
        }
    }
}

impl Operator {
    /// Starts one that sees these namespaces, with its ServiceAccount's token, and returns when it is ready.
    pub async fn start_in(ground: &Ground, scope: Scope, start: Start) -> Self {
        let operator = Self::launch(ground, scope, start).await;
        operator.ready().await;
        operator
    }

    /// Starts one in the namespace of a scene, beside any that runs there, and does not wait.
    pub async fn launch_beside(scene: &Scene, start: Start) -> Self {
        let scope = Scope::Namespace(scene.namespace.to_string());
        Self::launch(scene.ground, scope, start).await
    }

    /// Starts one and does not wait.
    pub async fn launch(ground: &Ground, scope: Scope, start: Start) -> Self {
        // Once a process, whoever is first; a second provider would make every client panic.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let options = Options {
            providers: ProviderName::value_variants().to_vec(),
            scope,
            settings: start.settings,
            fence_namespace: Some(SYSTEM.to_owned()),
            lease: start.lease,
            traces: start.traces,
        };
        let config = match start.config {
            Some(config) => config,
            None => ground.operator_config().await,
        };
        let app = App::new(config, start.wire, start.clock, options).unwrap();
        let core = app.core();
        let (stop, stopped) = oneshot::channel();
        let running = app.run(async {
            let _ = stopped.await;
        });
        Self {
            core,
            stop: Some(stop),
            task: AbortOnDropHandle::new(tokio::spawn(running)),
        }
    }

    /// Returns when its passes run.
    pub async fn ready(&self) {
        eventually(
            Duration::from_mins(1),
            "the operator is ready",
            async || {
                let missing = self.core.gate.shut_by();
                if missing.is_empty() {
                    Ok(())
                } else {
                    Err(format!("waiting for {missing:?}"))
                }
            },
        )
        .await;
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap().unwrap();
    }
}

/// Cuts the process's connections at one request, counted over both sides; watches and Events are left out of the count.
///
/// That request meets its verdict; all later ones are not sent: the process might as well be dead. A request that is lost or late
/// stays in the network until [`Cut::deliver`]. After a [blip](Cut::blip) the connections are whole again.
#[derive(Default)]
pub struct Cut {
    plan: Mutex<Plan>,
    network: Mutex<Vec<BoxFuture<'static, ()>>>,
    under_way: AtomicUsize,
}

#[derive(Default)]
struct Plan {
    cut: Option<(usize, Verdict)>,
    /// Only the one request is hit.
    is_blip: bool,
    log: Vec<String>,
    /// When each of them came.
    times: Vec<Instant>,
}

impl Cut {
    /// Counts and cuts nothing, until it is armed.
    pub fn never() -> Arc<Self> {
        Arc::default()
    }

    /// Counts anew, and cuts at request `after`, the first being 0.
    pub fn arm(&self, after: usize, how: Verdict) {
        *self.plan() = Plan {
            cut: Some((after, how)),
            ..Plan::default()
        };
    }

    /// Counts anew, and hits request `after` alone: its process goes on.
    pub fn blip(&self, after: usize, how: Verdict) {
        self.arm(after, how);
        self.plan().is_blip = true;
    }

    /// Requests counted so far.
    pub fn seen(&self) -> usize {
        self.plan().log.len()
    }

    /// Whether the cut has happened.
    pub fn is_done(&self) -> bool {
        self.plan().is_done()
    }

    /// The counted requests, in order.
    pub fn log(&self) -> Vec<String> {
        self.plan().log.clone()
    }

    /// The same, with the moment of each since this one.
    pub fn story(&self, since: Instant) -> Vec<String> {
        let plan = self.plan();
        let told = plan.log.iter().zip(&plan.times).map(|(line, time)| {
            let at = time.saturating_duration_since(since).as_millis();
            format!("{line} at {at} ms")
        });
        told.collect()
    }

    /// The request at which it was cut.
    pub fn point(&self) -> Option<String> {
        let plan = self.plan();
        plan.log.get(plan.cut?.0).cloned()
    }

    /// Waits until no request was made for a while: passes follow each other within milliseconds.
    pub async fn quiet(&self, span: Duration) {
        self.still(span, |_| true).await;
    }

    /// Waits until no such request was made for a while, and none is under way.
    pub async fn still(&self, span: Duration, counts: impl Fn(&str) -> bool) {
        let now = || self.plan().log.iter().filter(|line| counts(line)).count();
        let mut last = (now(), Instant::now());
        eventually(
            Duration::from_mins(1),
            "the operator comes to rest",
            async || {
                let seen = now();
                let is_busy = self.under_way.load(Ordering::SeqCst) > 0;
                // The dead try in vain for as long as they are let.
                let is_news = seen != last.0 && !self.plan().is_dead();
                if is_news || is_busy {
                    last = (seen, Instant::now());
                }
                if last.1.elapsed() >= span {
                    return Ok(());
                }
                Err(format!("{seen} requests so far: {:#?}", self.last()))
            },
        )
        .await;
    }

    /// Lets what is still in the network arrive, and waits for it.
    pub async fn deliver(&self) {
        let network = std::mem::take(&mut *self.network.lock().unwrap());
        futures::future::join_all(network).await;
    }

    /// The last requests, to show what does not end.
    fn last(&self) -> Vec<String> {
        let log = self.log();
        log[log.len().saturating_sub(40)..].to_vec()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }
}

impl Plan {
    fn is_done(&self) -> bool {
        self.cut.is_some_and(|(after, _)| self.log.len() > after)
    }

    /// Whether nothing gets through any more.
    fn is_dead(&self) -> bool {
        self.is_done() && !self.is_blip
    }

    fn unless_dead(&self) -> Verdict {
        if self.is_dead() {
            Verdict::Before
        } else {
            Verdict::Pass
        }
    }
}

impl Wire for Cut {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let mut plan = self.plan();
        let verdict = match plan.cut {
            _ if plan.is_dead() => Verdict::Before,
            Some((after, how)) if plan.log.len() == after => how,
            _ => Verdict::Pass,
        };
        if side == Side::Kube && is_watch(uri) {
            return plan.unless_dead();
        }
        let is_event = uri.path().ends_with("/events") || uri.path().contains("/events/");
        let verdict = if side == Side::Kube && is_event {
            plan.unless_dead()
        } else {
            let number = plan.log.len();
            plan.log.push(format!("{number} {side:?} {method} {uri}"));
            plan.times.push(Instant::now());
            match verdict {
                // Its sender is dead before the answer comes either way; this one can be waited for.
                Verdict::Lost if !plan.is_blip => Verdict::Late(Duration::ZERO),
                verdict => verdict,
            }
        };
        if matches!(verdict, Verdict::Pass | Verdict::Lost) {
            self.under_way.fetch_add(1, Ordering::SeqCst);
        }
        verdict
    }

    fn carry(&self, late: BoxFuture<'static, ()>) {
        self.network.lock().unwrap().push(late);
    }

    fn ended(&self, uri: &Uri) {
        if !is_watch(uri) {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

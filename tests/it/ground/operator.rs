//! The operator, in this process: started, stopped, crashed, its requests counted and cut.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use cooper::app::{App, Options};
use cooper::engine::{
    clock::Clock,
    controller::Scope,
    core::{Core, Settings},
};
use cooper::wire::{Open, Side, Verdict, Wire, is_watch};
use http::{Method, Uri};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::{Ground, SYSTEM, eventually};

/// A running operator that sees one namespace. Dropping it is a crash.
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
}

impl Default for Start {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            wire: Arc::new(Open),
            settings: Settings::default(),
        }
    }
}

impl Operator {
    /// Starts one with its ServiceAccount's token and returns when it is ready.
    pub async fn start(ground: &Ground, namespace: &str, start: Start) -> Self {
        let operator = Self::launch(ground, namespace, start).await;
        operator.ready().await;
        operator
    }

    /// Starts one and does not wait.
    pub async fn launch(ground: &Ground, namespace: &str, start: Start) -> Self {
        // Once a process, whoever is first; a second provider would make every client panic.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let options = Options {
            scope: Scope::Namespace(namespace.to_owned()),
            settings: start.settings,
            fence_namespace: Some(SYSTEM.to_owned()),
        };
        let app = App::new(
            ground.operator_config().await,
            start.wire,
            start.clock,
            options,
        )
        .unwrap();
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

    /// Ends it where it stands: what it held in memory is gone.
    pub fn crash(self) {
        drop(self);
    }
}

/// Cuts the process's connections at its `after`th request, counted over both sides, watches left out.
///
/// That request meets `how`; all later ones are not sent: the process might as well be dead.
pub struct Cut {
    after: usize,
    how: Verdict,
    seen: AtomicUsize,
    log: Mutex<Vec<String>>,
}

impl Cut {
    /// Counts and cuts nothing.
    pub fn never() -> Arc<Self> {
        Self::at(usize::MAX, Verdict::Pass)
    }

    /// Cuts at request `after`, the first being 0.
    pub fn at(after: usize, how: Verdict) -> Arc<Self> {
        Arc::new(Self {
            after,
            how,
            seen: AtomicUsize::new(0),
            log: Mutex::default(),
        })
    }

    /// Requests counted so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Whether the cut has happened.
    pub fn is_done(&self) -> bool {
        self.seen() > self.after
    }

    /// The counted requests, in order.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Wire for Cut {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        if side == Side::Kube && is_watch(uri) {
            return if self.is_done() {
                Verdict::Before
            } else {
                Verdict::Pass
            };
        }
        if side == Side::Kube && is_watch(uri) {
            return if self.is_done() {
                Verdict::Before
            } else {
                Verdict::Pass
            };
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.log
            .lock()
            .unwrap()
            .push(format!("{number} {side:?} {method} {uri}"));
        match number.cmp(&self.after) {
            std::cmp::Ordering::Less => Verdict::Pass,
            std::cmp::Ordering::Equal => self.how,
            std::cmp::Ordering::Greater => Verdict::Before,
        }
    }
}

//! What all controllers of one operator share. One value, no globals: dropping it is a crash, building it anew is a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    brake::Brakes,
    clock::Clock,
    delay,
    depth::Depths,
    event::Events,
    external::Target,
    hands::Hands,
    index::{Owners, References},
    known::Known,
    metrics::Metrics,
    office::Office,
    pulse::Pulse,
    secret::Secrets,
    trace::Traces,
    wake::{Cause, Wakes},
};
use crate::wire::Wire;

/// How often things are looked at, and on what occasion; fixed at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Between two looks at a remote that is as wanted. Default 10 min.
    pub drift: Duration,
    /// Between two looks at a Secret of ours; more if that were over 20 looks a second. Default 60 s.
    pub secret_check: Duration,
    /// Between two reads of what no list shows, of one object. Default 24 h; longer where many objects want them, see [`Depths`].
    pub deep: Duration,
    /// Whether a Secret of ours is also looked at when it changes; takes the right to list and watch Secrets. Default false.
    pub watch_secrets: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            drift: delay::DRIFT,
            secret_check: Duration::from_mins(1),
            deep: Duration::from_hours(24),
            watch_secrets: false,
        }
    }
}

/// What all controllers share.
pub struct Core {
    /// The Kubernetes client for reads and writes of single objects. It does not retry by itself.
    pub kube: Client,
    /// Time.
    pub clock: Clock,
    /// When this operator began; drift rounds are counted from then.
    pub began: Timestamp,
    /// Stores of all kinds.
    pub known: Known,
    /// Who names whom.
    pub references: References,
    /// Who stands for what.
    pub owners: Owners,
    /// Waves of deletions.
    pub brakes: Brakes,
    /// Wake-ups and timers.
    pub wakes: Arc<Wakes>,
    /// Secrets, as far as they are ours.
    pub secrets: Secrets,
    /// Events for users.
    pub events: Events,
    /// Intervals.
    pub settings: Settings,
    /// How much of what no list shows may be read now.
    pub depths: Depths,
    /// How many passes work at once.
    pub hands: Hands,
    /// Closed until every store is filled, the fence stands and this operator leads.
    pub gate: Gate,
    /// Whether this operator may write.
    pub office: Arc<Office>,
    /// Whether its loops turn.
    pub pulse: Pulse,
    /// What Prometheus is told.
    pub metrics: Arc<Metrics>,
    /// Which passes are traced.
    pub traces: Traces,
    /// The hook in front of every request; told of passes, too.
    pub wire: Arc<dyn Wire>,
}

impl Core {
    /// A place was left: whoever stands or wants to stand there looks again.
    pub fn pass_on(&self, next: &[Target]) {
        for target in next {
            self.wakes.wake(target, Cause::Woken);
        }
    }
}

/// Holds all passes back while anybody keeps it shut.
pub struct Gate {
    /// Who, and why if that can be told.
    shut_by: watch::Sender<BTreeMap<String, String>>,
    closing: CancellationToken,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shut_by: watch::Sender::new(BTreeMap::new()),
            closing: CancellationToken::new(),
        }
    }
}

impl Gate {
    /// Keeps the gate shut under this name.
    pub fn shut(&self, by: &str) {
        self.shut_by.send_modify(|names| {
            names.entry(by.to_owned()).or_default();
        });
    }

    /// Says why it is shut under this name, if it is. Answers whether that is news.
    pub fn because(&self, by: &str, why: &str) -> bool {
        let mut is_news = false;
        self.shut_by.send_if_modified(|names| {
            if let Some(said) = names.get_mut(by).filter(|said| *said != why) {
                why.clone_into(said);
                is_news = true;
            }
            is_news
        });
        is_news
    }

    /// Lets go of it.
    pub fn open(&self, by: &str) {
        self.shut_by
            .send_if_modified(|names| names.remove(by).is_some());
    }

    /// Who keeps it shut now.
    pub fn shut_by(&self) -> BTreeSet<String> {
        self.shut_by.borrow().keys().cloned().collect()
    }

    /// Who keeps it shut now, each with what is known of the cause.
    pub fn causes(&self) -> BTreeMap<String, String> {
        self.shut_by.borrow().clone()
    }

    /// The operator stops: no pass begins any more.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Returns once the operator stops.
    pub async fn closed(&self) {
        self.closing.cancelled().await;
    }

    /// Returns once nobody keeps it shut, and whether a pass may begin: not when the operator stops.
    pub async fn pass(&self) -> bool {
        let mut names = self.shut_by.subscribe();
        tokio::select! {
            biased;
            () = self.closing.cancelled() => false,
            // The sender lives in this very value.
            _ = names.wait_for(BTreeMap::is_empty) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn nobody_passes_a_gate_that_is_shut_or_closing() {
        let gate = Gate::default();
        assert_eq!(gate.pass().now_or_never(), Some(true));
        gate.shut("a");
        gate.shut("b");
        gate.open("a");
        assert_eq!(gate.pass().now_or_never(), None);
        gate.close();
        assert_eq!(gate.pass().now_or_never(), Some(false));
        gate.open("b");
        assert_eq!(gate.pass().now_or_never(), Some(false));
    }

    #[test]
    fn a_cause_is_news_once_and_only_while_the_gate_is_shut() {
        let gate = Gate::default();
        assert!(!gate.because("a", "no CRD"));
        gate.shut("a");
        assert!(gate.because("a", "no CRD"));
        assert!(!gate.because("a", "no CRD"));
        gate.shut("a");
        assert_eq!(gate.causes().get("a").map(String::as_str), Some("no CRD"));
    }
}

//! What all controllers of one operator share. One value, no globals: dropping it is a crash, building it anew is a restart.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;

use super::{
    clock::Clock,
    delay,
    depth::Depths,
    event::Events,
    external::Target,
    hands::Hands,
    index::{Owners, References},
    known::Known,
    secret::Secrets,
    wake::{Cause, Wakes},
};

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
    /// Closed until every store is filled and the fence stands.
    pub gate: Gate,
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
    shut_by: watch::Sender<BTreeSet<String>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shut_by: watch::Sender::new(BTreeSet::new()),
        }
    }
}

impl Gate {
    /// Keeps the gate shut under this name.
    pub fn shut(&self, by: &str) {
        self.shut_by.send_modify(|names| {
            names.insert(by.to_owned());
        });
    }

    /// Lets go of it.
    pub fn open(&self, by: &str) {
        self.shut_by.send_if_modified(|names| names.remove(by));
    }

    /// Who keeps it shut now.
    pub fn shut_by(&self) -> BTreeSet<String> {
        self.shut_by.borrow().clone()
    }

    /// Returns once nobody keeps it shut.
    pub async fn pass(&self) {
        let mut names = self.shut_by.subscribe();
        // The sender lives in this very value.
        let _ = names.wait_for(BTreeSet::is_empty).await;
    }
}

//! Wake-ups: one channel a kind, and one timer for all resources.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError, RwLock},
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    clock::Clock,
    external::Target,
    pulse::{BEAT, Pulse},
};

/// Why a resource is looked at although it did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time has come.
    Due,
    /// Something it depends on changed.
    Woken,
}

/// A wake-up of one resource.
#[derive(Clone, Debug)]
pub struct Wake {
    /// The resource.
    pub target: Target,
    /// Why.
    pub cause: Cause,
}

/// The name of the timer among the loops that beat.
const TIMER: &str = "timer";

/// Group and kind.
type Kind = (Cow<'static, str>, Cow<'static, str>);

/// Wakes resources of any kind, now or later.
pub struct Wakes {
    clock: Clock,
    channels: RwLock<HashMap<Kind, UnboundedSender<Wake>>>,
    timers: Mutex<Timers>,
    changed: Notify,
}

#[derive(Default)]
struct Timers {
    queue: BTreeSet<(Timestamp, Target)>,
    due: HashMap<Target, Timestamp>,
}

impl Wakes {
    /// Nothing is due and nobody listens yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            channels: RwLock::default(),
            timers: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The wake-ups of one kind; called once a kind, before anything is woken.
    pub fn listen(
        &self,
        group: impl Into<Cow<'static, str>>,
        kind: impl Into<Cow<'static, str>>,
    ) -> UnboundedReceiver<Wake> {
        let (sender, receiver) = unbounded();
        let mut channels = self
            .channels
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        channels.insert((group.into(), kind.into()), sender);
        receiver
    }

    /// Wakes a resource now. A kind that nobody listens for is ignored.
    pub fn wake(&self, target: &Target, cause: Cause) {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = channels.get(&(target.group.clone(), target.kind.clone())) {
            // A closed channel means that the operator is stopping.
            let _ = sender.unbounded_send(Wake {
                target: target.clone(),
                cause,
            });
        }
    }

    /// Wakes a resource at `moment`, in place of any time set before; `None` clears it.
    pub fn at(&self, target: &Target, moment: Option<Timestamp>) {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = timers.due.remove(target) {
            timers.queue.remove(&(before, target.clone()));
        }
        if let Some(moment) = moment {
            timers.due.insert(target.clone(), moment);
            let first = timers
                .queue
                .first()
                .is_none_or(|(earliest, _)| moment < *earliest);
            timers.queue.insert((moment, target.clone()));
            if first {
                self.changed.notify_one();
            }
        }
    }

    /// How many resources have a time at which they are due.
    pub fn timers(&self) -> usize {
        let timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.due.len()
    }

    /// When a resource is due.
    pub fn due(&self, target: &Target) -> Option<Timestamp> {
        self.timers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .due
            .get(target)
            .copied()
    }

    /// Wakes whatever becomes due; runs for as long as the operator.
    pub async fn run(&self, pulse: &Pulse) {
        loop {
            pulse.beat(TIMER);
            let (ready, next) = self.take_due();
            for target in &ready {
                self.wake(target, Cause::Due);
            }
            let due = async {
                match next {
                    Some(moment) => self.clock.sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    fn take_due(&self) -> (Vec<Target>, Option<Timestamp>) {
        let now = self.clock.now();
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = Vec::new();
        while let Some((moment, target)) = timers.queue.pop_first() {
            if moment > now {
                timers.queue.insert((moment, target));
                return (ready, Some(moment));
            }
            timers.due.remove(&target);
            ready.push(target);
        }
        (ready, None)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures::StreamExt;

    use super::*;
    use crate::engine::clock::later;

    fn target(name: &str) -> Target {
        Target::new("g", "K", "ns", name)
    }

    #[tokio::test]
    async fn what_is_due_after_a_step_wakes_in_order() {
        let clock = Clock::system();
        let wakes = Arc::new(Wakes::new(clock.clone()));
        let mut stream = wakes.listen("g", "K");
        let now = clock.now();
        wakes.at(&target("late"), Some(later(now, Duration::from_hours(2))));
        wakes.at(&target("second"), Some(later(now, Duration::from_mins(10))));
        wakes.at(&target("first"), Some(later(now, Duration::from_mins(15))));
        wakes.at(&target("first"), Some(later(now, Duration::from_mins(5))));
        let timer = tokio::spawn({
            let wakes = wakes.clone();
            async move { wakes.run(&Pulse::default()).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(1000));
        let woken = [
            stream.next().await.unwrap().target,
            stream.next().await.unwrap().target,
        ];
        assert_eq!(woken, [target("first"), target("second")]);
        assert!(wakes.due(&target("late")).is_some() && wakes.due(&target("first")).is_none());
        timer.abort();
    }
}

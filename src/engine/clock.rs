//! Time as the operator sees it.
//!
//! Everything that is scheduled (drift rounds, rechecks, waits of the key protocol) asks this clock, so a test can step hours in a
//! moment with [`Clock::advance`]. Limits that protect a running request stay on real time: a socket does not hurry because a test does.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Real time plus what [`Clock::advance`] has added. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    ahead: Arc<watch::Sender<Duration>>,
}

impl Clock {
    /// The machine's time.
    pub fn system() -> Self {
        Self {
            ahead: Arc::new(watch::Sender::new(Duration::ZERO)),
        }
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::try_from(*self.ahead.borrow()).unwrap_or(SignedDuration::ZERO);
        let real = Timestamp::now();
        real.checked_add(ahead).unwrap_or(real)
    }

    /// Returns once `moment` has come, by itself or by being stepped over.
    pub async fn sleep_until(&self, moment: Timestamp) {
        let mut ahead = self.ahead.subscribe();
        loop {
            ahead.mark_unchanged();
            let left =
                Duration::try_from(moment.duration_since(self.now())).unwrap_or(Duration::ZERO);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = ahead.changed() => {}
            }
        }
    }

    /// Returns after `span`, or once it has been stepped over.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(later(self.now(), span)).await;
    }

    /// Steps the time forward; whatever becomes due wakes at once.
    pub fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}

/// `moment` plus `span`, held at the end of time instead of overflowing.
pub fn later(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

/// `moment` minus `span`, held at the beginning of time.
pub fn earlier(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.checked_sub(span).ok())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_over_the_moment_ends_a_sleep() {
        let clock = Clock::system();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_hours(1)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_mins(30));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1801));
        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .unwrap()
            .unwrap();
    }
}

//! How many passes work at the same time.
//!
//! Passes are not capped, since those that wait are cheap and the request budget decides who goes first. But what they do at the API
//! server comes in bursts that no budget spreads: after a start every Secret is looked at, and a thousand new users want a claim each.
//! Without a bound each of them holds a connection for each read, and all wait for one another: seconds lie between two steps of a mint,
//! which must be on its way within ten, and its work is lost. So whoever makes, mends or deletes takes a hand of its account first, and
//! keeps it to the end of the pass; whoever only looks at a Secret takes one for that look.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

use super::external::AccountKey;

/// Passes that work on one account: at 30 requests and a second for each, more than an account's default rate ever asks for.
const WORKING: usize = 32;
/// Passes that look at a Secret, each with up to four reads at once.
const LOOKING: usize = 16;
/// Passes over what was as wanted. After a start all of it comes at once, and each pass takes some 10 kB while it is under way.
const GLANCING: usize = 128;
/// The longest that a pass waits for its turn to glance: behind an account that cannot be asked, others' passes go on.
const PATIENCE: Duration = Duration::from_mins(1);

/// What passes take before they work. Accounts do not wait for one another.
pub struct Hands {
    working: Mutex<HashMap<AccountKey, Arc<Semaphore>>>,
    looking: Semaphore,
    glancing: Semaphore,
    held: Arc<watch::Sender<Held>>,
}

/// Hands that are held now.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    count: usize,
    /// None is given out any more.
    closed: bool,
}

/// Held by a pass that makes, mends or deletes, to its end.
pub struct Hand {
    _permit: OwnedSemaphorePermit,
    held: Arc<watch::Sender<Held>>,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.held.send_modify(|held| held.count -= 1);
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self {
            working: Mutex::default(),
            looking: Semaphore::new(LOOKING),
            glancing: Semaphore::new(GLANCING),
            held: Arc::new(watch::Sender::new(Held::default())),
        }
    }
}

impl Hands {
    /// One for making, mending or deleting in an account; in the order of the calls.
    ///
    /// Once the operator stops there is none for anybody: who waits has not begun, and another operator will do it.
    pub async fn work(&self, account: &AccountKey) -> Option<Hand> {
        let hands = {
            let mut all = self.working.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Semaphore::new(WORKING));
            Arc::clone(all.entry(account.clone()).or_insert_with(fresh))
        };
        // Nobody closes it.
        let permit = hands.acquire_owned().await.ok()?;
        let mut is_closed = false;
        self.held.send_modify(|held| {
            is_closed = held.closed;
            held.count += usize::from(!is_closed);
        });
        if is_closed {
            return std::future::pending().await;
        }
        Some(Hand {
            _permit: permit,
            held: Arc::clone(&self.held),
        })
    }

    /// Gives out no hand any more, and returns when the last one is back: nothing is changed at a cloud from then on.
    pub async fn rest(&self) {
        self.held.send_modify(|held| held.closed = true);
        let mut held = self.held.subscribe();
        // The sender lives in this very value.
        let _ = held.wait_for(|held| held.count == 0).await;
    }

    /// Whether none is given out any more, because the operator stops.
    pub fn are_closed(&self) -> bool {
        self.held.borrow().closed
    }

    /// Returns when none is given out any more, because the operator stops.
    pub async fn closed(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in this very value.
        let _ = held.wait_for(|held| held.closed).await;
    }

    /// A place for a pass over what was as wanted when it was last looked at; those over news do not wait here.
    pub async fn glance(&self) -> Option<SemaphorePermit<'_>> {
        let place = tokio::time::timeout(PATIENCE, self.glancing.acquire()).await;
        place.ok()?.ok()
    }

    /// One for a look at a Secret.
    pub async fn look(&self) -> Option<SemaphorePermit<'_>> {
        self.looking.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn account(name: &str) -> AccountKey {
        AccountKey {
            namespace: "ns".into(),
            name: name.into(),
        }
    }

    #[test]
    fn one_account_with_its_hands_full_does_not_hold_up_another() {
        let hands = Hands::default();
        let (busy, idle) = (account("busy"), account("idle"));
        let mut held: Vec<_> = (0..WORKING)
            .map(|_| hands.work(&busy).now_or_never().unwrap())
            .collect();
        assert!(hands.work(&busy).now_or_never().is_none());
        assert!(hands.work(&idle).now_or_never().is_some());
        held.pop();
        assert!(hands.work(&busy).now_or_never().is_some());
    }

    #[test]
    fn hands_come_to_rest_when_the_last_is_back_and_no_other_is_given_out() {
        let hands = Hands::default();
        let mut held = hands.work(&account("a")).now_or_never();
        assert!(hands.closed().now_or_never().is_none());
        assert!(!hands.are_closed());
        let mut rest = Box::pin(hands.rest());
        assert!((&mut rest).now_or_never().is_none());
        assert!(hands.work(&account("b")).now_or_never().is_none());
        assert!(hands.closed().now_or_never().is_some());
        assert!(hands.are_closed());
        held.take();
        assert!(rest.now_or_never().is_some());
    }
}

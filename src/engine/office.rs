//! Who may write: the one operator of several that leads.
//!
//! Others keep their watches and stores warm and wait at the [gate](super::core::Gate). Leading ends at a moment known beforehand: the
//! renew deadline lies before the end of the lease, so whoever lost touch with the API server has stopped by itself when another takes
//! over. Nothing is trusted to timers alone: [`Led`] asks before every single write.

use std::fmt::Display;
use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{Method, Uri};
use tokio::{sync::watch, time::Instant};

use crate::wire::{Side, Verdict, Wire};

/// Where an operator stands among its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no election: it works.
    Alone,
    /// It cannot tell who leads, for this reason.
    Unsure(String),
    /// Another one leads; its name, unless the lease is free.
    StandingBy(Option<String>),
    /// It leads until this moment, unless the lease is renewed before.
    Leading(Instant),
}

/// The standing of this operator, for all who ask.
pub struct Office(watch::Sender<Standing>);

impl Default for Office {
    /// Of an operator without election.
    fn default() -> Self {
        Self(watch::Sender::new(Standing::Alone))
    }
}

impl Office {
    /// Of an operator that takes part in an election which has not begun.
    pub fn of_candidate() -> Self {
        let unsure = Standing::Unsure("the Lease has not been read yet".into());
        Self(watch::Sender::new(unsure))
    }

    /// Notes a new standing. Answers the one before.
    pub fn set(&self, standing: Standing) -> Standing {
        self.0.send_replace(standing)
    }

    /// As it is now.
    pub fn standing(&self) -> Standing {
        self.0.borrow().clone()
    }

    /// Whether writing is allowed at this moment.
    pub fn may_write(&self) -> bool {
        match *self.0.borrow() {
            Standing::Alone => true,
            Standing::Unsure(_) | Standing::StandingBy(_) => false,
            Standing::Leading(until) => Instant::now() < until,
        }
    }

    /// How long the lease is still ours; zero unless it is.
    pub fn left(&self) -> Duration {
        match *self.0.borrow() {
            Standing::Leading(until) => until.saturating_duration_since(Instant::now()),
            Standing::Alone | Standing::Unsure(_) | Standing::StandingBy(_) => Duration::ZERO,
        }
    }
}

/// Lets nobody write but the one who leads: neither to a cloud, nor to the API server.
///
/// A process that was frozen for a minute wakes up in the middle of a pass, and its next request may come before any timer of its own.
pub struct Led {
    wire: Arc<dyn Wire>,
    office: Arc<Office>,
}

impl Led {
    /// In front of this hook.
    pub fn new(wire: Arc<dyn Wire>, office: Arc<Office>) -> Self {
        Self { wire, office }
    }
}

impl Wire for Led {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        if writes(side, method, uri) && !self.office.may_write() {
            return Verdict::Before;
        }
        self.wire.request(side, method, uri)
    }

    fn carry(&self, late: BoxFuture<'static, ()>) {
        self.wire.carry(late);
    }

    fn ended(&self, uri: &Uri) {
        self.wire.ended(uri);
    }

    fn pass(&self, resource: &dyn Display, is_deleted: bool) {
        self.wire.pass(resource, is_deleted);
    }
}

/// Whether a request changes anything: a dry run at the API server does not.
fn writes(side: Side, method: &Method, uri: &Uri) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let is_dry = side == Side::Kube
        && uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "dryRun=All"));
    !is_read && !is_dry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Open;

    fn passes(office: &Arc<Office>, side: Side, method: &Method, uri: &str) -> bool {
        let led = Led::new(Arc::new(Open), Arc::clone(office));
        led.request(side, method, &uri.parse().unwrap()) == Verdict::Pass
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_leader_writes_and_only_until_its_deadline() {
        let deadline = Duration::from_secs(10);
        let rows = [
            (Standing::Alone, true, true),
            (Standing::Unsure("why".into()), false, false),
            (Standing::StandingBy(Some("other".into())), false, false),
            (Standing::Leading(Instant::now() + deadline), true, false),
        ];
        for (standing, now, _) in &rows {
            let office = Arc::new(Office::of_candidate());
            office.set(standing.clone());
            assert_eq!(office.may_write(), *now, "{standing:?}");
        }
        tokio::time::advance(deadline).await;
        for (standing, _, later) in &rows {
            let office = Arc::new(Office::of_candidate());
            office.set(standing.clone());
            assert_eq!(office.may_write(), *later, "{standing:?} at its deadline");
        }
    }

    #[tokio::test]
    async fn a_standby_reads_and_tries_but_does_not_write() {
        let office = Arc::new(Office::of_candidate());
        office.set(Standing::StandingBy(None));
        for (side, method, uri, may) in [
            (Side::Kube, Method::GET, "/api/v1/secrets?watch=1", true),
            (
                Side::Kube,
                Method::POST,
                "/api/v1/namespaces/a/secrets?&dryRun=All",
                true,
            ),
            (
                Side::Kube,
                Method::POST,
                "/api/v1/namespaces/a/secrets",
                false,
            ),
            (Side::Kube, Method::PUT, "/apis/x/y/status", false),
            (
                Side::Kube,
                Method::DELETE,
                "/api/v1/namespaces/a/secrets/b",
                false,
            ),
            (Side::Cloud, Method::GET, "/1.3/account", true),
            (Side::Cloud, Method::POST, "/1.3/x?dryRun=All", false),
        ] {
            assert_eq!(passes(&office, side, &method, uri), may, "{method} {uri}");
        }
    }
}

//! Leader election: one of several operators works, the others stand by.
//!
//! The protocol is that of client-go, on one `Lease` of `coordination.k8s.io`. The holder renews it every few seconds by a PUT that names
//! the version it read. A candidate never compares clocks: it measures on its own how long the Lease has not changed, and takes it over
//! once that is longer than the duration that stands in it. The holder gives up by itself, at the *renew deadline*, before that moment;
//! it counts from when the last successful renewal was *sent*. A holder that stops in peace empties the Lease, and as candidates watch
//! it, another has taken over a moment later.
//!
//! The election makes work cheap, not safe: operators that work at the same time for a moment do no harm to each other's keys, since
//! every decision is a compare-and-set on what is stored. See `docs/architecture.md`.

mod record;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{PostParams, WatchEvent, WatchParams},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::engine::{
    metrics::Metrics,
    object::Trouble,
    office::{Office, Standing},
};
use record::{Move, Seen, next, released, renewed, taken};

/// What an operator takes part in an election with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease. Operators with the same one stand in for each other, so they must do the same work.
    pub name: String,
    /// Who this operator is; no two at a time have the same.
    pub identity: String,
    /// How long after its last renewal the lease of a holder that died is left alone. Whole seconds.
    pub duration: Duration,
    /// How long after its last renewal a holder stops by itself. Less than `duration`.
    pub deadline: Duration,
    /// Between two renewals, and between two looks of a candidate that cannot watch. Less than `deadline`.
    pub retry: Duration,
}

/// Times that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Another would take over while the holder still works.
    #[error("the renew deadline must be shorter than the lease duration")]
    Deadline,
    /// One missed renewal would be the end.
    #[error("the retry period must be shorter than half of the renew deadline")]
    Retry,
}

impl Terms {
    /// Checks that the times fit together.
    pub fn check(&self) -> Result<(), Contradiction> {
        if self.deadline >= self.duration {
            return Err(Contradiction::Deadline);
        }
        if self.retry * 2 >= self.deadline {
            return Err(Contradiction::Retry);
        }
        Ok(())
    }
}

/// Why an operator leads no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The API server has not taken a renewal for too long.
    #[error(
        "leadership is lost: the Lease was not renewed for {} s ({why}). Nothing was written from then on; another operator takes over",
        .after.as_secs()
    )]
    Deadline {
        /// The renew deadline.
        after: Duration,
        /// What the last attempt ended with.
        why: String,
    },
    /// Somebody else holds the Lease.
    #[error("leadership is lost: {0} holds the Lease now")]
    Rival(String),
}

type Watch = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Lease>>> + Send>>;

/// One operator's part in the election.
pub struct Election {
    api: Api<Lease>,
    terms: Terms,
    office: Arc<Office>,
    seen: Option<Seen>,
    watch: Option<Watch>,
    /// A write was sent that may have made this operator the holder.
    tried: bool,
}

/// Longest wait for the Lease to be given back: others need no more than the lease's duration without it.
const RELEASE: Duration = Duration::from_secs(3);
/// Seconds after which the API server ends a watch: a connection that died unnoticed is replaced then.
const WATCH_SECONDS: u32 = 60;

impl Election {
    /// Not begun. `client` must not repeat requests by itself.
    pub fn new(client: Client, terms: Terms, office: Arc<Office>) -> Self {
        Self {
            api: Api::namespaced(client, &terms.namespace),
            terms,
            office,
            seen: None,
            watch: None,
            tried: false,
        }
    }

    /// Returns when this operator leads.
    pub async fn win(&mut self) {
        loop {
            let wait = match self.candidate().await {
                Ok(None) => return,
                Ok(Some(wait)) => wait,
                Err(trouble) => {
                    self.seen = None;
                    self.watch = None;
                    self.unsure(&trouble);
                    self.terms.retry
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = heard(&mut self.watch, &mut self.seen) => {}
            }
        }
    }

    /// Renews for as long as that goes well.
    pub async fn keep(&mut self, metrics: &Metrics) -> Lost {
        let mut trouble = "no answer".to_owned();
        loop {
            let end = Instant::now() + self.office.left();
            if timeout_at(end, sleep(self.terms.retry)).await.is_err() {
                return self.late(trouble);
            }
            let limit = (self.terms.deadline / 2).min(self.office.left());
            match timeout(limit, self.renew()).await {
                Ok(Ok(None)) => metrics.renewed("renewed"),
                Ok(Ok(Some(rival))) => {
                    metrics.renewed("lost");
                    return Lost::Rival(rival);
                }
                Ok(Err(error)) => {
                    metrics.renewed("failed");
                    tracing::warn!(%error, "the Lease was not renewed; it is tried again");
                    trouble = error.to_string();
                }
                Err(_) => {
                    metrics.renewed("failed");
                    tracing::warn!(
                        "the API server did not answer a renewal of the Lease; it is tried again"
                    );
                    "the API server does not answer".clone_into(&mut trouble);
                }
            }
            if self.office.left().is_zero() {
                return self.late(trouble);
            }
        }
    }

    /// Gives the Lease back, if this operator holds it. Nothing may be written any more.
    pub async fn release(mut self) {
        self.office.set(Standing::StandingBy(None));
        if !self.tried {
            return;
        }
        match timeout(RELEASE, self.give_back()).await {
            Ok(Ok(true)) => tracing::info!("the Lease is given back"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the Lease was not given back and runs out by itself");
            }
            Err(_) => tracing::warn!("the Lease was not given back in time and runs out by itself"),
        }
    }

    /// One look of a candidate, and what follows from it. `None`: it leads now.
    async fn candidate(&mut self) -> Result<Option<Duration>, Trouble> {
        if self.watch.is_none() {
            self.read().await?;
            self.watch = self.watching().await;
        }
        let now = Instant::now();
        match next(self.seen.as_ref(), &self.terms.identity, now) {
            Move::Wait(wait) => {
                self.stand_by();
                // Without a watch the time of the next look is all there is.
                let bound = if self.watch.is_some() {
                    wait
                } else {
                    wait.min(self.terms.retry)
                };
                return Ok(Some(bound));
            }
            Move::Create | Move::Take => {}
        }
        self.tried = true;
        let lease = taken(
            self.seen.as_ref().map(|seen| &seen.lease),
            &self.terms,
            Timestamp::now(),
        );
        match timeout(self.terms.deadline / 2, self.write(&lease)).await {
            Err(_) => Err(Trouble::Timeout),
            Ok(Ok(written)) => {
                self.lead(written, now);
                tracing::info!(
                    identity = self.terms.identity,
                    "leading: this operator works now"
                );
                Ok(None)
            }
            // Somebody else was first, or it was deleted: look again at once.
            Ok(Err(trouble)) if trouble.is_conflict() => {
                self.watch = None;
                Ok(Some(Duration::ZERO))
            }
            Ok(Err(trouble)) => Err(trouble),
        }
    }

    /// `Some`: the name of another who holds it.
    async fn renew(&mut self) -> Result<Option<String>, Trouble> {
        loop {
            let sent = Instant::now();
            let lease = match &self.seen {
                Some(seen) if seen.holder() == Some(self.terms.identity.as_str()) => {
                    renewed(&seen.lease, &self.terms, Timestamp::now())
                }
                Some(seen) if seen.holder().is_some() => {
                    return Ok(seen.holder().map(str::to_owned));
                }
                seen => taken(
                    seen.as_ref().map(|seen| &seen.lease),
                    &self.terms,
                    Timestamp::now(),
                ),
            };
            match self.write(&lease).await {
                Ok(written) => {
                    self.lead(written, sent);
                    return Ok(None);
                }
                // Our own write whose answer was lost, somebody's annotation, a rival, or nothing: read, and decide on that.
                Err(trouble) if trouble.is_conflict() => self.read().await?,
                Err(trouble) => return Err(trouble),
            }
        }
    }

    async fn give_back(&mut self) -> Result<bool, Trouble> {
        loop {
            self.read().await?;
            let Some(seen) = self.seen.as_ref() else {
                return Ok(false);
            };
            if seen.holder() != Some(self.terms.identity.as_str()) {
                return Ok(false);
            }
            let lease = released(&seen.lease, Timestamp::now());
            match self.write(&lease).await {
                Ok(_) => return Ok(true),
                Err(trouble) if trouble.is_conflict() => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        let limit = self.terms.deadline / 2;
        let read = timeout(limit, self.api.get_opt(&self.terms.name)).await;
        let lease = read.map_err(|_| Trouble::Timeout)?.map_err(Trouble::of)?;
        note(&mut self.seen, lease);
        Ok(())
    }

    async fn write(&mut self, lease: &Lease) -> Result<Lease, Trouble> {
        let how = PostParams::default();
        let written = if lease.metadata.resource_version.is_some() {
            self.api.replace(&self.terms.name, &how, lease).await
        } else {
            self.api.create(&how, lease).await
        };
        written.map_err(Trouble::of)
    }

    fn lead(&mut self, lease: Lease, sent: Instant) {
        note(&mut self.seen, Some(lease));
        self.watch = None;
        self.office
            .set(Standing::Leading(sent + self.terms.deadline));
    }

    /// A watch on the one Lease. It only makes the handover quick: without the right to watch, candidates look every retry period.
    async fn watching(&mut self) -> Option<Watch> {
        let version = self.seen.as_ref().map_or("0", Seen::version);
        let which = WatchParams::default()
            .fields(&format!("metadata.name={}", self.terms.name))
            .timeout(WATCH_SECONDS)
            .disable_bookmarks();
        let opened = timeout(self.terms.deadline / 2, self.api.watch(&which, version)).await;
        match opened {
            Ok(Ok(watch)) => Some(Box::pin(watch)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the Lease cannot be watched");
                None
            }
            Err(_) => None,
        }
    }

    fn stand_by(&self) {
        let holder = self.seen.as_ref().and_then(Seen::holder).map(str::to_owned);
        let standing = Standing::StandingBy(holder.clone());
        if self.office.set(standing.clone()) != standing {
            let holder = holder.as_deref().unwrap_or("nobody yet");
            tracing::info!(
                identity = self.terms.identity,
                holder,
                "standing by: another operator leads"
            );
        }
    }

    fn unsure(&self, trouble: &Trouble) {
        let Terms {
            namespace, name, ..
        } = &self.terms;
        let why = format!("Lease {namespace}/{name} cannot be used: {trouble}");
        let standing = Standing::Unsure(why.clone());
        if self.office.set(standing.clone()) != standing {
            tracing::warn!("nothing is done until it is known who leads: {why}");
        }
    }

    fn late(&self, why: String) -> Lost {
        Lost::Deadline {
            after: self.terms.deadline,
            why,
        }
    }
}

/// Returns when the watch has told something, and notes it. A watch that ends is given up.
async fn heard(watch: &mut Option<Watch>, seen: &mut Option<Seen>) {
    let Some(stream) = watch else {
        return std::future::pending().await;
    };
    match stream.next().await {
        Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease))) => note(seen, Some(lease)),
        Some(Ok(WatchEvent::Deleted(_))) => *seen = None,
        Some(Ok(WatchEvent::Bookmark(_))) => {}
        Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => *watch = None,
    }
}

/// Notes the Lease as it is now. One that did not change was seen when it was first seen so.
fn note(seen: &mut Option<Seen>, lease: Option<Lease>) {
    let now = Instant::now();
    *seen = lease.map(|lease| Seen::of(lease, seen.as_ref(), now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_contradict_each_other_are_refused() {
        let terms = |duration, deadline, retry| Terms {
            namespace: "ns".into(),
            name: "cooper".into(),
            identity: "a".into(),
            duration: Duration::from_secs(duration),
            deadline: Duration::from_secs(deadline),
            retry: Duration::from_secs(retry),
        };
        assert_eq!(terms(15, 10, 2).check(), Ok(()));
        assert_eq!(terms(10, 10, 2).check(), Err(Contradiction::Deadline));
        assert_eq!(terms(15, 10, 5).check(), Err(Contradiction::Retry));
    }
}

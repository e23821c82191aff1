//! What stands in the Lease, and what follows from it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use tokio::time::Instant;

use super::Terms;

/// A Lease, and since when it has been seen like this.
#[derive(Clone, Debug)]
pub struct Seen {
    pub lease: Lease,
    since: Instant,
}

/// What a candidate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// There is no Lease.
    Create,
    /// It is free, has run out, or is ours from before.
    Take,
    /// It runs out after this time, unless it is renewed.
    Wait(Duration),
}

impl Seen {
    /// As it is seen now. Not the version counts, which somebody's annotation moves, but what its holder writes.
    pub fn of(lease: Lease, before: Option<&Self>, now: Instant) -> Self {
        let is_same = before.is_some_and(|before| before.lease.spec == lease.spec);
        let since = before
            .filter(|_| is_same)
            .map_or(now, |before| before.since);
        Self { lease, since }
    }

    /// Who holds it; nobody if it was given back.
    pub fn holder(&self) -> Option<&str> {
        let holder = self.lease.spec.as_ref()?.holder_identity.as_deref()?;
        Some(holder).filter(|holder| !holder.is_empty())
    }

    /// The version to watch from.
    pub fn version(&self) -> &str {
        let version = self.lease.metadata.resource_version.as_deref();
        version.unwrap_or("0")
    }

    /// What stands in it, so that replicas with other settings leave each other alone.
    fn duration(&self) -> Duration {
        let seconds = self
            .lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        Duration::from_secs(
            seconds
                .and_then(|s| u64::try_from(s).ok())
                .unwrap_or_default(),
        )
    }
}

/// What a candidate of this name does about what it has seen.
pub fn next(seen: Option<&Seen>, me: &str, now: Instant) -> Move {
    let Some(seen) = seen else {
        return Move::Create;
    };
    if seen.holder().is_none_or(|holder| holder == me) {
        return Move::Take;
    }
    let left = (seen.since + seen.duration()).saturating_duration_since(now);
    if left.is_zero() {
        Move::Take
    } else {
        Move::Wait(left)
    }
}

/// The Lease with this operator as its new holder.
pub fn taken(before: Option<&Lease>, terms: &Terms, now: Timestamp) -> Lease {
    let mut lease = before.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(terms.name.clone()),
            namespace: Some(terms.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let before = lease.spec.take();
    let is_handover = before
        .as_ref()
        .is_some_and(|spec| spec.holder_identity.as_deref() != Some(&terms.identity));
    let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
    lease.spec = Some(LeaseSpec {
        acquire_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions.saturating_add(i32::from(is_handover))),
        ..held(terms, now)
    });
    lease
}

/// The Lease of this operator, renewed.
pub fn renewed(before: &Lease, terms: &Terms, now: Timestamp) -> Lease {
    let mut lease = before.clone();
    let spec = lease.spec.take().unwrap_or_default();
    lease.spec = Some(LeaseSpec {
        acquire_time: spec.acquire_time,
        lease_transitions: spec.lease_transitions,
        ..held(terms, now)
    });
    lease
}

/// The Lease without a holder; one second is the least that the API server takes.
pub fn released(before: &Lease, now: Timestamp) -> Lease {
    let mut lease = before.clone();
    let transitions = lease.spec.take().and_then(|spec| spec.lease_transitions);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        lease_transitions: transitions,
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    });
    lease
}

fn held(terms: &Terms, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(terms.identity.clone()),
        lease_duration_seconds: i32::try_from(terms.duration.as_secs()).ok(),
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(identity: &str) -> Terms {
        Terms {
            namespace: "ns".into(),
            name: "cooper".into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }

    fn of(holder: &str, second: i64) -> Lease {
        taken(
            None,
            &terms(holder),
            Timestamp::from_second(second).unwrap(),
        )
    }

    #[test]
    fn a_candidate_takes_what_is_free_and_waits_for_what_is_not() {
        let now = Instant::now();
        let seen = |lease| Seen::of(lease, None, now);
        let free = released(&of("other", 0), Timestamp::UNIX_EPOCH);
        let after = |seconds| now + Duration::from_secs(seconds);
        for (what, seen, at, wanted) in [
            ("none", None, now, Move::Create),
            ("free", Some(seen(free)), now, Move::Take),
            ("ours from before", Some(seen(of("me", 0))), now, Move::Take),
            (
                "held",
                Some(seen(of("other", 0))),
                now,
                Move::Wait(Duration::from_secs(15)),
            ),
            (
                "held a while",
                Some(seen(of("other", 0))),
                after(14),
                Move::Wait(Duration::from_secs(1)),
            ),
            ("run out", Some(seen(of("other", 0))), after(15), Move::Take),
            ("empty", Some(seen(Lease::default())), now, Move::Take),
        ] {
            assert_eq!(next(seen.as_ref(), "me", at), wanted, "{what}");
        }
    }

    #[test]
    fn a_lease_runs_out_by_our_own_watch_and_a_renewal_begins_anew() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let first = Seen::of(of("other", 100), None, begin);
        // Its clock may say what it wants; and an annotation is no renewal.
        let mut noted = of("other", 100);
        noted.metadata.resource_version = Some("77".into());
        let same = Seen::of(noted, Some(&first), after(14));
        assert_eq!(next(Some(&same), "me", after(15)), Move::Take);
        let renewal = Seen::of(of("other", 50), Some(&first), after(14));
        assert_eq!(
            next(Some(&renewal), "me", after(15)),
            Move::Wait(Duration::from_secs(14))
        );
    }

    #[test]
    fn handovers_are_counted_and_renewals_are_not() {
        let count = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let now = Timestamp::UNIX_EPOCH;
        let first = taken(None, &terms("a"), now);
        let again = renewed(&first, &terms("a"), now);
        let other = taken(Some(&released(&again, now)), &terms("b"), now);
        assert_eq!(
            [&first, &again, &other].map(count),
            [Some(0), Some(0), Some(1)]
        );
        assert_eq!(
            again.spec.and_then(|spec| spec.acquire_time),
            Some(MicroTime(now))
        );
    }
}

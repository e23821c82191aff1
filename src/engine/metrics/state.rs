//! States, counted when somebody asks.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::AtomicU64};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use super::{Counters, Gauges, Number, process, table::Registrar};
use crate::{
    engine::{
        budget::{Budget, Lane},
        core::Core,
        key::{Ledger, OldPhase, Phase},
        office::Standing,
        status::{IssuedKey, Kind},
    },
    server::LEADERSHIP,
};

/// What one resource shows, as far as it is counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// Since when it is being deleted.
    pub deleted: Option<Timestamp>,
    /// The key in its Secret.
    pub key: Option<IssuedKey>,
    /// Its ledger.
    pub ledger: Option<Ledger>,
}

/// What the resources of one kind show.
pub struct Survey {
    /// The kind.
    pub kind: String,
    /// Every resource.
    pub reports: Vec<Report>,
    /// How many resources something is remembered of.
    pub remembered: usize,
    /// Of all looks at remotes, each resource's last one, the oldest.
    pub oldest_look: Option<Timestamp>,
    /// Passes under way.
    pub in_flight: usize,
}

/// Gauges that are set anew for each answer.
pub struct State {
    build: Gauges<1>,
    ready: Number,
    waiting_for: Gauges<1>,
    leader: Number,
    lease_left: Number,
    hanging: Number,
    in_flight: Gauges<1>,
    timers: Number,
    resources: Gauges<3>,
    not_ready: Gauges<2>,
    deleting: Gauges<1>,
    oldest_deletion: Gauges<1>,
    drift_age: Gauges<1>,
    stored: Gauges<1>,
    remembered: Gauges<1>,
    keys: Gauges<1>,
    keys_by_age: Gauges<1>,
    oldest_key: Number,
    overdue: Number,
    queue: Gauges<1>,
    limit: Number,
    rate: Number,
    paused: Number,
    connected: Number,
    spans: Counters<1>,
    cpu: Counter<f64, AtomicU64>,
    memory: Number,
    began: Number,
}

/// Conditions that are counted by what they say.
const COUNTED: [Kind; 3] = [Kind::Ready, Kind::Synced, Kind::Stalled];
/// Classes of age, in days.
const AGES: [(i64, &str); 6] = [
    (1, "1d"),
    (7, "7d"),
    (30, "30d"),
    (90, "90d"),
    (180, "180d"),
    (365, "365d"),
];
/// A rotation takes its time; only after that it is overdue.
const GRACE_SECONDS: i64 = 3600;

impl State {
    pub fn register(registry: &mut Registry) -> Self {
        let mut new = Registrar(registry);
        Self {
            build: new.gauges("build_info"),
            ready: new.gauge("ready"),
            waiting_for: new.gauges("waiting_for"),
            leader: new.gauge("leader"),
            lease_left: new.gauge("lease_left_seconds"),
            hanging: new.gauge("loops_hanging"),
            in_flight: new.gauges("passes_in_flight"),
            timers: new.gauge("queue_timers"),
            resources: new.gauges("resources"),
            not_ready: new.gauges("resources_not_ready"),
            deleting: new.gauges("resources_deleting"),
            oldest_deletion: new.gauges("oldest_deletion_seconds"),
            drift_age: new.gauges("drift_age_seconds"),
            stored: new.gauges("stored_objects"),
            remembered: new.gauges("remembered_objects"),
            keys: new.gauges("keys"),
            keys_by_age: new.gauges("keys_by_age"),
            oldest_key: new.gauge("oldest_key_seconds"),
            overdue: new.gauge("keys_overdue"),
            queue: new.gauges("cloud_queue"),
            limit: new.gauge("cloud_budget_limit"),
            rate: new.gauge("cloud_budget_rate"),
            paused: new.gauge("cloud_budget_paused"),
            connected: new.gauge("accounts_connected"),
            spans: new.counters("trace_spans"),
            cpu: new.seconds("process_cpu_seconds"),
            memory: new.gauge("process_resident_memory_bytes"),
            began: new.gauge("process_start_time_seconds"),
        }
    }

    /// Counts the resources of all kinds.
    pub fn resources(&self, kinds: &[Survey], now: Timestamp) {
        for family in [
            &self.in_flight,
            &self.deleting,
            &self.oldest_deletion,
            &self.drift_age,
            &self.stored,
            &self.remembered,
            &self.keys,
            &self.keys_by_age,
        ] {
            family.clear();
        }
        self.resources.clear();
        self.not_ready.clear();
        let mut keys = Keys::default();
        for survey in kinds {
            let kind = || [("kind", survey.kind.clone())];
            set(&self.in_flight, kind(), survey.in_flight);
            set(&self.stored, kind(), survey.reports.len());
            set(&self.remembered, kind(), survey.remembered);
            let since = |moment: Option<Timestamp>| moment.map_or(0.0, |moment| age(moment, now));
            self.drift_age
                .get_or_create(&kind())
                .set(since(survey.oldest_look));
            let deleted = || survey.reports.iter().filter_map(|report| report.deleted);
            set(&self.deleting, kind(), deleted().count());
            self.oldest_deletion
                .get_or_create(&kind())
                .set(since(deleted().min()));
            for report in &survey.reports {
                self.report(&survey.kind, report);
                keys.add(report, now);
            }
        }
        for (state, count) in &keys.states {
            set(&self.keys, [("state", (*state).to_owned())], *count);
        }
        for (class, count) in &keys.ages {
            set(&self.keys_by_age, [("age", (*class).to_owned())], *count);
        }
        self.oldest_key.set(keys.oldest);
        self.overdue.set(number(keys.overdue));
    }

    fn report(&self, kind: &str, report: &Report) {
        for counted in COUNTED {
            let found = report.conditions.iter().find(|c| c.type_ == counted.name());
            let labels = [
                ("kind", kind.to_owned()),
                ("condition", counted.name().to_owned()),
                (
                    "status",
                    found.map_or("none", |c| c.status.as_str()).to_owned(),
                ),
            ];
            self.resources.get_or_create(&labels).inc();
            if counted == Kind::Ready && found.is_none_or(|c| c.status != "True") {
                let reason = found.map_or("New", |c| c.reason.as_str());
                let labels = [("kind", kind.to_owned()), ("reason", reason.to_owned())];
                self.not_ready.get_or_create(&labels).inc();
            }
        }
    }

    /// Tells how the operator itself does.
    pub fn operator(&self, core: &Core) {
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.build.get_or_create(&version).set(1.0);
        let standing = core.office.standing();
        let mut missing = core.gate.shut_by();
        self.waiting_for.clear();
        for what in &missing {
            set(&self.waiting_for, [("what", what.clone())], 1);
        }
        missing.remove(LEADERSHIP);
        let is_ready = missing.is_empty() && !matches!(standing, Standing::Unsure(_));
        self.ready.set(if is_ready { 1.0 } else { 0.0 });
        self.leader
            .set(if core.office.may_write() { 1.0 } else { 0.0 });
        self.lease_left.set(core.office.left().as_secs_f64());
        self.hanging.set(number(core.pulse.hanging().len()));
        self.timers.set(number(core.wakes.timers()));
        for (outcome, count) in core.traces.counts().into_iter().flatten() {
            let counter = self.spans.get_or_create(&[("outcome", outcome.to_owned())]);
            counter
                .inner()
                .store(count, std::sync::atomic::Ordering::Relaxed);
        }
        if let Some(usage) = process::usage() {
            self.cpu
                .inner()
                .store(usage.cpu.to_bits(), std::sync::atomic::Ordering::Relaxed);
            self.memory.set(usage.memory);
            self.began.set(usage.began);
        }
    }

    /// Adds the budgets of all accounts up.
    pub fn budgets(&self, budgets: &[Arc<Budget>]) {
        for lane in Lane::ALL {
            let waiting = budgets.iter().map(|budget| budget.waiting(lane)).sum();
            set(&self.queue, [("lane", lane.as_str().to_owned())], waiting);
        }
        self.limit
            .set(budgets.iter().map(|budget| budget.limit()).sum());
        self.rate
            .set(budgets.iter().map(|budget| budget.rate()).sum());
        self.paused.set(number(
            budgets.iter().filter(|budget| budget.is_paused()).count(),
        ));
        self.connected.set(number(budgets.len()));
    }
}

/// Keys, added up.
struct Keys {
    states: BTreeMap<&'static str, usize>,
    ages: BTreeMap<&'static str, usize>,
    oldest: f64,
    overdue: usize,
}

impl Default for Keys {
    /// None of each, so that every series is there from the beginning.
    fn default() -> Self {
        let states = [
            "current",
            "overlap",
            "inactive",
            "minting",
            "unresolved",
            "revoking",
        ];
        let ages = AGES
            .into_iter()
            .map(|(_, class)| class)
            .chain(["older", "unknown"]);
        Self {
            states: states.into_iter().map(|state| (state, 0)).collect(),
            ages: ages.map(|class| (class, 0)).collect(),
            oldest: 0.0,
            overdue: 0,
        }
    }
}

impl Keys {
    fn add(&mut self, report: &Report, now: Timestamp) {
        if let Some(ledger) = &report.ledger {
            let old =
                |phase| usize::from(ledger.old.as_ref().is_some_and(|old| old.phase == phase));
            let open = ledger
                .attempts
                .iter()
                .filter(|attempt| attempt.phase == Phase::Open)
                .count();
            for (state, count) in [
                ("current", usize::from(ledger.current.is_some())),
                ("overlap", old(OldPhase::Overlap)),
                ("inactive", old(OldPhase::Inactive)),
                ("minting", open),
                ("unresolved", ledger.attempts.len() - open),
                ("revoking", ledger.revoking.len()),
            ] {
                *self.states.entry(state).or_default() += count;
            }
        }
        let Some(key) = report.key.as_ref().filter(|key| key.id.is_some()) else {
            return;
        };
        let made = key.created_at.as_ref().map(|made| made.0);
        let class = made.map_or("unknown", |made| class_of(age(made, now)));
        *self.ages.entry(class).or_default() += 1;
        self.oldest = made.map_or(self.oldest, |made| self.oldest.max(age(made, now)));
        let is_overdue = key
            .rotates_at
            .as_ref()
            .is_some_and(|at| now.as_second() - at.0.as_second() > GRACE_SECONDS);
        self.overdue += usize::from(is_overdue);
    }
}

fn class_of(seconds: f64) -> &'static str {
    let class = AGES
        .into_iter()
        .find(|(days, _)| seconds <= f64::from(i32::try_from(days * 86400).unwrap_or(i32::MAX)));
    class.map_or("older", |(_, class)| class)
}

fn age(moment: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(moment).as_secs_f64().max(0.0)
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "labels are made where they are used"
)]
fn set<const N: usize>(family: &Gauges<N>, labels: super::Labels<N>, count: usize) {
    family.get_or_create(&labels).set(number(count));
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_counted_by_its_age_and_overdue_an_hour_after_its_time() {
        let day = 86400;
        for (days, rotates, class, overdue) in [
            (0, None, "1d", 0),
            (1, None, "1d", 0),
            (8, None, "30d", 0),
            (366, None, "older", 0),
            (30, Some(30 * day - 3600), "30d", 0),
            (30, Some(30 * day - 3601), "30d", 1),
        ] {
            let mut keys = Keys::default();
            let key = IssuedKey {
                id: Some(crate::engine::key::KeyId::new("AKIA")),
                created_at: Some(Time(at(0))),
                rotates_at: rotates.map(|second| Time(at(second))),
            };
            let report = Report {
                key: Some(key),
                ..Report::default()
            };
            keys.add(&report, at(days * day));
            assert_eq!(
                (keys.ages[class], keys.overdue),
                (1, overdue),
                "{days} days"
            );
        }
    }
}

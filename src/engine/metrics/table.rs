//! The list of all metrics. They are registered by it, and the page in the docs is made from it, so neither can lack one.

use std::{fmt::Write, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{Counters, Gauges, Histograms, Number};

/// One metric as it is told to people.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name without prefix, and for counters without `_total`.
    pub name: &'static str,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// The prefix of all metrics but those of the process, whose names are fixed by convention.
pub const PREFIX: &str = "cooper";

macro_rules! metrics {
    ($($name:literal $kind:literal [$($label:literal),*] $help:literal;)+) => {
        /// All metrics.
        pub const METRICS: &[Metric] = &[$(Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help },)+];
    };
}

metrics! {
    "build_info" "gauge" ["version"] "Always 1; the version that runs.";
    "ready" "gauge" [] "1 if /readyz says so: everything is listed, the fence stands, and it is known who leads.";
    "waiting_for" "gauge" ["what"] "1 for each thing that keeps passes from beginning; leadership on a standby is normal.";
    "leader" "gauge" [] "1 if this operator works: it holds the Lease, or there is no election.";
    "lease_left_seconds" "gauge" [] "Time until this operator stops by itself unless the Lease is renewed; 0 if it does not lead.";
    "lease_renewals" "counter" ["outcome"] "Attempts to renew the Lease: renewed, failed, lost.";
    "loops_hanging" "gauge" [] "Loops of the engine without a beat for a minute; /healthz fails then.";
    "passes" "counter" ["kind", "outcome"] "Passes over resources, by what they came to: in_sync, observed, not_there, waiting, refused, no_session, busy, paused, held, leaving, finished, conflict, or the class of a fault (transient, throttled, denied, terminal).";
    "pass_panics" "counter" ["kind"] "Passes that ended by a bug of cooper.";
    "pass_duration_seconds" "histogram" ["kind"] "How long passes took, waiting for their turn included.";
    "passes_in_flight" "gauge" ["kind"] "Passes that have begun and not ended, those that wait for their turn included.";
    "queue_timers" "gauge" [] "Resources that have a time at which they are looked at again.";
    "time_to_ready_seconds" "histogram" ["kind"] "How long a resource was not Ready when it became so: since it was made, or since it was Ready before.";
    "resources" "gauge" ["kind", "condition", "status"] "Resources by what their condition Ready, Synced or Stalled says; status none: it is not set.";
    "resources_not_ready" "gauge" ["kind", "reason"] "Resources that are not Ready, by reason.";
    "resources_deleting" "gauge" ["kind"] "Resources that wait for their deletion to end.";
    "oldest_deletion_seconds" "gauge" ["kind"] "How long the deletion that was asked for first has been waiting; 0 if there is none.";
    "drift_age_seconds" "gauge" ["kind"] "How long ago the remote was looked at that was looked at least recently.";
    "stored_objects" "gauge" ["kind"] "Objects in memory.";
    "remembered_objects" "gauge" ["kind"] "Resources of which something is remembered between passes; no more than there are.";
    "keys" "gauge" ["state"] "Access keys in the ledgers: current, overlap and inactive (replaced, kept on purpose), minting, unresolved (an answer was lost), revoking.";
    "keys_by_age" "gauge" ["age"] "Keys in Secrets by age, each in one class: 1d, 7d, 30d, 90d, 180d, 365d (at most that old), older, unknown.";
    "oldest_key_seconds" "gauge" [] "Age of the oldest key in a Secret; 0 if there is none.";
    "keys_overdue" "gauge" [] "Keys in Secrets whose time to be replaced was over an hour ago.";
    "events" "counter" ["reason", "type"] "Events sent about resources, by reason and type (Normal, Warning).";
    "cloud_requests" "counter" ["operation", "status", "outcome", "lane"] "Requests to clouds by route template, HTTP status (or unsent, unknown), outcome (success, refused, throttled, failed, unsent, unknown) and lane of the budget (write, fresh, drift; none: not paid from it).";
    "cloud_request_duration_seconds" "histogram" ["operation"] "How long requests to clouds took, without the wait for the budget.";
    "cloud_wait_seconds" "histogram" ["lane"] "How long requests to clouds waited for the budget.";
    "cloud_queue" "gauge" ["lane"] "Requests that wait for the budget now, over all accounts.";
    "cloud_budget_limit" "gauge" [] "Requests a second that the accounts allow (requestsPerSecond), over all accounts.";
    "cloud_budget_rate" "gauge" [] "Requests a second that are allowed at this moment: less than the limit after a cloud said 429.";
    "cloud_budget_paused" "gauge" [] "Accounts to whose cloud nothing is sent at this moment because it said 429.";
    "accounts_connected" "gauge" [] "Sessions that are open.";
    "kubernetes_requests" "counter" ["method", "resource", "code", "dry_run"] "Requests to the API server; a watch counts when it begins. Code 0: no answer.";
    "kubernetes_request_duration_seconds" "histogram" ["method"] "How long the API server took to answer, watches left out.";
    "trace_spans" "counter" ["outcome"] "Spans of passes that are traced: sent, dropped (no room while the receiver was slow or away), failed (the receiver could not be reached or refused them).";
    "process_cpu_seconds" "counter" [] "CPU time used.";
    "process_resident_memory_bytes" "gauge" [] "Memory in use.";
    "process_start_time_seconds" "gauge" [] "When the process began, in Unix seconds.";
}

impl Metric {
    /// Its name as it is served, but for what the format adds.
    pub fn full(&self) -> String {
        let suffix = if self.kind == "counter" { "_total" } else { "" };
        if self.name.starts_with("process_") {
            format!("{}{suffix}", self.name)
        } else {
            format!("{PREFIX}_{}{suffix}", self.name)
        }
    }
}

/// Registers metrics under the name and with the help of the list.
pub struct Registrar<'r>(pub &'r mut Registry);

impl Registrar<'_> {
    fn add(&mut self, name: &str, metric: impl prometheus_client::registry::Metric) {
        let Some(found) = METRICS.iter().find(|metric| metric.name == name) else {
            // The test below sees to it that this is never served.
            return self.0.register(name, "unlisted", metric);
        };
        // The format ends each help text with a full stop of its own.
        let help = found.help.trim_end_matches('.');
        let full = found.full();
        self.0
            .register(full.trim_end_matches("_total"), help, metric);
    }

    pub fn counters<const N: usize>(&mut self, name: &str) -> Counters<N> {
        let family = Counters::<N>::default();
        self.add(name, family.clone());
        family
    }

    pub fn histograms<const N: usize>(
        &mut self,
        name: &str,
        buckets: fn() -> Histogram,
    ) -> Histograms<N> {
        let family = Family::new_with_constructor(buckets);
        self.add(name, family.clone());
        family
    }

    pub fn gauges<const N: usize>(&mut self, name: &str) -> Gauges<N> {
        let family = Gauges::<N>::default();
        self.add(name, family.clone());
        family
    }

    pub fn gauge(&mut self, name: &str) -> Number {
        let gauge = Number::default();
        self.add(name, gauge.clone());
        gauge
    }

    pub fn seconds(&mut self, name: &str) -> Counter<f64, AtomicU64> {
        let counter = Counter::<f64, AtomicU64>::default();
        self.add(name, counter.clone());
        counter
    }
}

/// The page of the docs that lists all metrics.
pub fn reference() -> String {
    let mut page = String::from(
        "<!-- Made by `cooper reference`; do not edit. -->\n# Metrics\n\nServed at `/metrics` on the address of the probes (`--listen`), in the OpenMetrics text \
         format. Histograms also have `_bucket`, `_sum` and `_count`.\nNo label holds the name of a user, an account or a namespace.\n\n\
         | Metric | Type | Labels | Meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        // A String takes everything.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            metric.full(),
            metric.kind,
            labels.join(", "),
            metric.help
        );
    }
    page
}

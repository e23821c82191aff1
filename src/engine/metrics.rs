//! What the operator tells Prometheus. One registry, no globals; the engine tells it by thin hooks, and what is a state rather than a
//! happening is counted when somebody asks.
//!
//! Labels are bounded: kinds, outcomes, reasons, lanes, operations as route templates, HTTP codes. No names of users, accounts or
//! namespaces. [`METRICS`](table::METRICS) is the list of all metrics, from which they are registered and documented.

mod kube;
mod process;
mod state;
mod table;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
    time::Duration,
};

use http::Method;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{
    budget::{Budget, Lane},
    trace,
};
use crate::http::{Meter, Sent};

pub use kube::{MeterLayer, MeterService};
pub use state::{Report, Survey};
pub use table::{Metric, reference};

/// Label names with their values.
type Labels<const N: usize> = [(&'static str, String); N];
type Number = Gauge<f64, AtomicU64>;
type Gauges<const N: usize> = Family<Labels<N>, Number>;
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
type Surveys = Vec<Box<dyn Fn() -> Option<Survey> + Send + Sync>>;

/// All metrics of one operator.
pub struct Metrics {
    registry: Mutex<Registry>,
    state: state::State,
    surveys: Mutex<Surveys>,
    budgets: Mutex<Vec<Weak<Budget>>>,
    passes: Counters<2>,
    panics: Counters<1>,
    pass_duration: Histograms<1>,
    time_to_ready: Histograms<1>,
    events: Counters<2>,
    cloud_requests: Counters<4>,
    cloud_duration: Histograms<1>,
    cloud_wait: Histograms<1>,
    kube_requests: Counters<4>,
    kube_duration: Histograms<1>,
    renewals: Counters<1>,
}

/// From a millisecond to two minutes: requests, and passes that wait for their turn.
fn short() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
    ])
}

/// From a second to a day: services take a quarter of an hour, people longer.
fn long() -> Histogram {
    Histogram::new([
        1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 21600.0, 86400.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let state = state::State::register(&mut registry);
        let mut new = table::Registrar(&mut registry);
        let metrics = Self {
            state,
            surveys: Mutex::default(),
            budgets: Mutex::default(),
            passes: new.counters("passes"),
            panics: new.counters("pass_panics"),
            pass_duration: new.histograms("pass_duration_seconds", short),
            time_to_ready: new.histograms("time_to_ready_seconds", long),
            events: new.counters("events"),
            cloud_requests: new.counters("cloud_requests"),
            cloud_duration: new.histograms("cloud_request_duration_seconds", short),
            cloud_wait: new.histograms("cloud_wait_seconds", short),
            kube_requests: new.counters("kubernetes_requests"),
            kube_duration: new.histograms("kubernetes_request_duration_seconds", short),
            renewals: new.counters("lease_renewals"),
            registry: Mutex::default(),
        };
        *metrics.registry() = registry;
        metrics
    }
}

impl Metrics {
    /// A pass over a resource of this kind came to this.
    pub fn passed(&self, kind: &str, outcome: &str) {
        let labels = [("kind", kind.into()), ("outcome", outcome.into())];
        self.passes.get_or_create(&labels).inc();
    }

    /// A pass ended after this time, waiting for its turn included.
    pub fn took(&self, kind: &str, took: Duration) {
        let labels = [("kind", kind.into())];
        self.pass_duration
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// A pass ended by a bug.
    pub fn panicked(&self, kind: &str) {
        self.panics.get_or_create(&[("kind", kind.into())]).inc();
    }

    /// A resource became Ready after this time.
    pub fn ready_after(&self, kind: &str, span: Duration) {
        let labels = [("kind", kind.into())];
        self.time_to_ready
            .get_or_create(&labels)
            .observe(span.as_secs_f64());
    }

    /// An event was sent.
    pub fn told(&self, reason: impl fmt::Display, tone: &str) {
        let labels = [("reason", reason.to_string()), ("type", tone.into())];
        self.events.get_or_create(&labels).inc();
    }

    /// A renewal of the Lease ended like this.
    pub fn renewed(&self, outcome: &str) {
        self.renewals
            .get_or_create(&[("outcome", outcome.into())])
            .inc();
    }

    /// Adds a kind whose resources are counted when somebody asks; `None` once it is gone.
    pub fn survey(&self, survey: impl Fn() -> Option<Survey> + Send + Sync + 'static) {
        let mut surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        surveys.push(Box::new(survey));
    }

    /// Everything, in the text format of `OpenMetrics`.
    pub fn text(&self, core: &super::core::Core) -> Result<String, fmt::Error> {
        {
            let surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
            let kinds: Vec<_> = surveys.iter().filter_map(|survey| survey()).collect();
            self.state.resources(&kinds, core.clock.now());
        }
        self.state.operator(core);
        self.state.budgets(&self.open_budgets());
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_budgets(&self) -> Vec<Arc<Budget>> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.retain(|budget| budget.strong_count() > 0);
        budgets.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Meter for Metrics {
    fn opened(&self, budget: &Arc<Budget>) {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.push(Arc::downgrade(budget));
    }

    fn paid(&self, lane: Lane, waited: Duration) {
        trace::waited(lane, waited);
        let labels = [("lane", lane.as_str().into())];
        self.cloud_wait
            .get_or_create(&labels)
            .observe(waited.as_secs_f64());
    }

    fn ended(&self, method: &Method, sent: Sent<'_>) {
        trace::asked_cloud(method, &sent);
        let operation = format!("{method} {}", sent.route);
        let status = match sent.status {
            Some(status) => status.as_str().to_owned(),
            None => sent.outcome.as_str().to_owned(),
        };
        let labels = [
            ("operation", operation.clone()),
            ("status", status),
            ("outcome", sent.outcome.as_str().into()),
            ("lane", sent.lane.map_or("none", Lane::as_str).into()),
        ];
        self.cloud_requests.get_or_create(&labels).inc();
        let labels = [("operation", operation)];
        self.cloud_duration
            .get_or_create(&labels)
            .observe(sent.took.as_secs_f64());
    }
}

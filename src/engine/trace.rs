//! Traces: what a pass came to, and the requests it made, as spans.
//!
//! A pass that is traced runs with its span in a task-local, so whoever measures a request adds it to the pass by which it was made, and
//! what is asked for outside of passes (watches, the Lease, Events) is in no trace. The spans of a pass are handed on together when it
//! ends. Nothing here sends: [`Tracer::take`] gives the spans to whoever does, and what does not fit into the queue until then is
//! counted and dropped.
//!
//! Spans hold what metrics and logs hold: kinds, names, outcomes, reasons, route templates; no message, no path, no body.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use http::Method;
use tokio::sync::Notify;

use super::{budget::Lane, external::Target, reason::Reason};
use crate::http::{Outcome, Sent};

tokio::task_local! {
    /// The pass that this task is about.
    static PASS: Arc<Open>;
}

/// Requests of one pass that are kept; of those beyond only the number is.
const REQUESTS: usize = 128;
/// Waits for the budget that are shorter than this are not told.
const WAIT: Duration = Duration::from_millis(1);

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The pass it belongs to; not 0.
    pub trace: u128,
    /// Itself; not 0.
    pub id: u64,
    /// What it was part of. None: it is the pass.
    pub parent: Option<u64>,
    /// What it was; one of few.
    pub name: Cow<'static, str>,
    /// Whether somebody else was waited for to answer.
    pub is_request: bool,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// More about it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if something did.
    pub error: Option<Cow<'static, str>>,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// Which passes are traced, and their spans until somebody takes them.
#[derive(Debug)]
pub struct Tracer {
    /// Share of passes that are traced, from 0 to 1.
    share: f64,
    /// How many spans are kept until they are taken.
    room: usize,
    /// How many are told of at once.
    enough: usize,
    queue: Mutex<VecDeque<Span>>,
    filled: Notify,
    counts: Counts,
}

/// What became of spans, in all.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Tracer {
    /// Traces this share of passes (0 to 1) and keeps `room` spans; [`Tracer::filled`] returns at `enough` of them.
    pub fn new(share: f64, room: usize, enough: usize) -> Self {
        Self {
            share,
            room,
            enough,
            queue: Mutex::default(),
            filled: Notify::new(),
            counts: Counts::default(),
        }
    }

    /// Up to so many spans, the oldest first.
    pub fn take(&self, most: usize) -> Vec<Span> {
        let mut queue = self.queue();
        let most = most.min(queue.len());
        queue.drain(..most).collect()
    }

    /// Returns once there is enough to be sent.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// So many spans arrived, or did not.
    pub fn ended(&self, spans: usize, well: bool) {
        let count = if well {
            &self.counts.sent
        } else {
            &self.counts.failed
        };
        count.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// What became of spans so far: `sent`, `dropped` for want of room, `failed` to be delivered.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let Counts {
            sent,
            dropped,
            failed,
        } = &self.counts;
        [("sent", sent), ("dropped", dropped), ("failed", failed)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// Takes the spans of a pass over, as many as there is room for.
    fn put(&self, spans: Vec<Span>) {
        let mut queue = self.queue();
        let room = self.room.saturating_sub(queue.len());
        let over = spans.len().saturating_sub(room);
        queue.extend(spans.into_iter().take(room));
        let is_enough = queue.len() >= self.enough;
        drop(queue);
        self.counts
            .dropped
            .fetch_add(over as u64, Ordering::Relaxed);
        if is_enough {
            self.filled.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Traces, if they are wanted.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Tracer>>);

impl Traces {
    /// By this tracer.
    pub fn by(tracer: Arc<Tracer>) -> Self {
        Self(Some(tracer))
    }

    /// What became of spans so far, if there are any to come.
    pub fn counts(&self) -> Option<[(&'static str, u64); 3]> {
        self.0.as_ref().map(|tracer| tracer.counts())
    }

    /// The same pass, traced if it is one that is to be.
    pub fn pass(&self, target: &Target, pass: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let tracer = match &self.0 {
            Some(tracer) if rand::random::<f64>() < tracer.share => Arc::clone(tracer),
            _ => return pass,
        };
        let open = Arc::new(Open {
            tracer,
            target: target.clone(),
            trace: rand::random::<u128>().max(1),
            id: id(),
            began: SystemTime::now(),
            told: Mutex::default(),
        });
        let close = Close(Arc::clone(&open));
        Box::pin(PASS.scope(open, async move {
            let _close = close;
            pass.await;
        }))
    }
}

/// A pass that is being traced.
struct Open {
    tracer: Arc<Tracer>,
    target: Target,
    trace: u128,
    id: u64,
    began: SystemTime,
    told: Mutex<Told>,
}

/// What is known of it so far.
#[derive(Default)]
struct Told {
    outcome: Option<(&'static str, Option<Reason>, bool)>,
    requests: Vec<Span>,
    /// Requests that were not kept.
    more: i64,
}

/// Hands a pass on when it ends, by a bug too.
struct Close(Arc<Open>);

impl Drop for Close {
    fn drop(&mut self) {
        let told = std::mem::take(&mut *self.0.told());
        let outcome = if std::thread::panicking() {
            Some(("panicked", Some(Reason::InternalError), true))
        } else {
            told.outcome
        };
        // One that was cut off, or found that there was nothing to do.
        let Some(outcome) = outcome else { return };
        let mut spans = vec![self.0.span(outcome, told.more)];
        spans.extend(told.requests);
        self.0.tracer.put(spans);
    }
}

impl Open {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn span(
        &self,
        (outcome, reason, is_wrong): (&'static str, Option<Reason>, bool),
        more: i64,
    ) -> Span {
        let target = &self.target;
        let reason = reason.map(|reason| reason.to_string());
        let mut attributes = vec![
            ("cooper.kind", Value::from(target.kind.clone().into_owned())),
            ("cooper.namespace", target.namespace.clone().into()),
            ("cooper.name", target.name.clone().into()),
            ("cooper.outcome", outcome.into()),
        ];
        attributes.extend(reason.clone().map(|text| ("cooper.reason", text.into())));
        if more > 0 {
            attributes.push(("cooper.requests_left_out", Value::Number(more)));
        }
        Span {
            trace: self.trace,
            id: self.id,
            parent: None,
            name: format!("pass {}", target.kind).into(),
            is_request: false,
            began: self.began,
            took: self.began.elapsed().unwrap_or_default(),
            attributes,
            error: is_wrong.then(|| reason.unwrap_or_else(|| outcome.to_owned()).into()),
        }
    }

    /// Adds something that ends now.
    fn add(&self, took: Duration, part: Part) {
        let mut told = self.told();
        if told.requests.len() == REQUESTS {
            told.more += 1;
            return;
        }
        let now = SystemTime::now();
        told.requests.push(Span {
            trace: self.trace,
            id: id(),
            parent: Some(self.id),
            name: part.name,
            is_request: part.is_request,
            began: now.checked_sub(took).unwrap_or(now),
            took,
            attributes: part.attributes,
            error: part.error,
        });
    }
}

/// What is told of a part of a pass.
struct Part {
    name: Cow<'static, str>,
    is_request: bool,
    attributes: Vec<(&'static str, Value)>,
    error: Option<Cow<'static, str>>,
}

fn id() -> u64 {
    rand::random::<u64>().max(1)
}

/// The pass that this task is about came to this.
pub fn came_to(outcome: &'static str, reason: Option<Reason>, is_wrong: bool) {
    let _ = PASS.try_with(|open| open.told().outcome = Some((outcome, reason, is_wrong)));
}

/// The trace of the pass that this task is about, for logs: 32 hexadecimal digits.
pub fn id_for_logs() -> Option<String> {
    PASS.try_with(|open| format!("{:032x}", open.trace)).ok()
}

/// A request to a cloud has ended.
pub fn asked_cloud(method: &Method, sent: &Sent<'_>) {
    let _ = PASS.try_with(|open| {
        let mut attributes = vec![
            ("cooper.side", "cloud".into()),
            ("http.request.method", method.as_str().to_owned().into()),
            ("url.template", sent.route.into()),
            ("cooper.lane", sent.lane.map_or("none", Lane::as_str).into()),
            ("cooper.outcome", sent.outcome.as_str().into()),
        ];
        let status = sent.status.map(|status| status.as_u16());
        attributes.extend(status.map(|code| ("http.response.status_code", code.into())));
        let request_id = sent.correlation.map(str::to_owned);
        attributes.extend(request_id.map(|id| ("cooper.request_id", id.into())));
        let is_wrong = sent.outcome != Outcome::Success;
        open.add(
            sent.took,
            Part {
                name: format!("{method} {}", sent.route).into(),
                is_request: true,
                attributes,
                error: is_wrong.then(|| sent.outcome.as_str().into()),
            },
        );
    });
}

/// A request to a cloud has waited this long for the account's budget.
pub fn waited(lane: Lane, took: Duration) {
    if took < WAIT {
        return;
    }
    let _ = PASS.try_with(|open| {
        let part = Part {
            name: "wait for the budget".into(),
            is_request: false,
            attributes: vec![("cooper.lane", lane.as_str().into())],
            error: None,
        };
        open.add(took, part);
    });
}

/// A request to the API server was answered; code 0: it was not.
pub fn asked_kubernetes(method: &Method, resource: &str, code: u16, took: Duration) {
    let _ = PASS.try_with(|open| {
        let mut attributes = vec![
            ("cooper.side", "kubernetes".into()),
            ("http.request.method", method.as_str().to_owned().into()),
            ("cooper.resource", resource.to_owned().into()),
        ];
        if code > 0 {
            attributes.push(("http.response.status_code", code.into()));
        }
        let error = match code {
            0 => Some("unanswered"),
            400.. => Some("refused"),
            _ => None,
        };
        let part = Part {
            name: format!("{method} {resource}").into(),
            is_request: true,
            attributes,
            error: error.map(Cow::Borrowed),
        };
        open.add(took, part);
    });
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn target() -> Target {
        Target::new("upcloud.cooper.dev", "Bucket", "team-a", "logs")
    }

    fn tracer(share: f64, room: usize) -> (Arc<Tracer>, Traces) {
        let tracer = Arc::new(Tracer::new(share, room, 4));
        (Arc::clone(&tracer), Traces::by(tracer))
    }

    fn text(span: &Span, name: &str) -> Option<String> {
        let found = span.attributes.iter().find(|(key, _)| *key == name)?;
        Some(match &found.1 {
            Value::Text(text) => text.clone().into_owned(),
            Value::Number(number) => number.to_string(),
        })
    }

    fn asks(times: usize) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            for _ in 0..times {
                asked_kubernetes(&Method::GET, "secrets", 200, Duration::from_millis(3));
            }
            came_to("in_sync", Some(Reason::Available), false);
        })
    }

    #[tokio::test]
    async fn a_pass_is_a_span_with_its_requests_below() {
        let (tracer, wanted) = tracer(1.0, 100);
        let pass = Box::pin(async {
            let sent = Sent {
                route: "/1.3/object-storage-2/{service}",
                lane: Some(Lane::Write),
                status: Some(StatusCode::CONFLICT),
                outcome: Outcome::Refused,
                took: Duration::from_millis(5),
                correlation: Some("01KD"),
            };
            asked_cloud(&Method::POST, &sent);
            waited(Lane::Drift, Duration::from_secs(2));
            waited(Lane::Drift, Duration::ZERO);
            assert!(id_for_logs().is_some());
            came_to("terminal", Some(Reason::NameTaken), true);
        });
        wanted.pass(&target(), pass).await;
        let spans = tracer.take(9);
        let [root, cloud, wait] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(
            (&*root.name, root.parent, root.error.as_deref()),
            ("pass Bucket", None, Some("NameTaken"))
        );
        for (name, value) in [
            ("cooper.kind", "Bucket"),
            ("cooper.namespace", "team-a"),
            ("cooper.name", "logs"),
            ("cooper.outcome", "terminal"),
            ("cooper.reason", "NameTaken"),
        ] {
            assert_eq!(text(root, name).as_deref(), Some(value), "{name}");
        }
        for child in [cloud, wait] {
            assert_eq!((child.trace, child.parent), (root.trace, Some(root.id)));
        }
        assert_eq!(&*cloud.name, "POST /1.3/object-storage-2/{service}");
        for (name, value) in [
            ("cooper.lane", "write"),
            ("cooper.request_id", "01KD"),
            ("http.response.status_code", "409"),
        ] {
            assert_eq!(text(cloud, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(wait.took, Duration::from_secs(2));
    }

    #[tokio::test]
    async fn what_is_not_a_traced_pass_leaves_nothing() {
        asks(1).await;
        assert_eq!(id_for_logs(), None);
        let (tracer, wanted) = tracer(0.0, 100);
        wanted.pass(&target(), asks(1)).await;
        // An echo of an own write: it came to nothing.
        let (other, wanted) = self::tracer(1.0, 100);
        wanted.pass(&target(), Box::pin(async {})).await;
        assert!(tracer.take(9).is_empty() && other.take(9).is_empty());
    }

    #[tokio::test]
    async fn a_pass_that_panics_says_so() {
        let (tracer, wanted) = tracer(1.0, 100);
        let pass = wanted.pass(&target(), Box::pin(async { panic!("a bug") }));
        assert!(tokio::spawn(pass).await.is_err());
        let spans = tracer.take(9);
        assert_eq!(
            text(&spans[0], "cooper.outcome").as_deref(),
            Some("panicked")
        );
    }

    #[tokio::test]
    async fn what_nobody_takes_is_dropped_and_counted() {
        let (tracer, wanted) = tracer(1.0, 5);
        for _ in 0..4 {
            wanted.pass(&target(), asks(2)).await;
        }
        assert_eq!(
            tracer.counts(),
            [("sent", 0), ("dropped", 7), ("failed", 0)]
        );
        tracer.filled().await;
        assert_eq!(tracer.take(3).len(), 3);
        assert_eq!(tracer.take(9).len(), 2);
    }

    #[tokio::test]
    async fn of_a_pass_with_many_requests_the_rest_is_a_number() {
        let (tracer, wanted) = tracer(1.0, 1000);
        wanted.pass(&target(), asks(REQUESTS + 3)).await;
        let spans = tracer.take(1000);
        assert_eq!(spans.len(), REQUESTS + 1);
        let left_out = text(&spans[0], "cooper.requests_left_out");
        assert_eq!(left_out.as_deref(), Some("3"));
    }
}

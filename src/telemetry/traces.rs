//! Sends traces to a receiver of OTLP over HTTP, such as an OpenTelemetry collector.
//!
//! Off unless [`Settings`] name a receiver. One task sends what [`Tracer`] collects, every few seconds or as soon as a batch is full, one
//! request at a time. A receiver that is slow or away costs nothing but spans: the queue is bounded, each request has a limit, a batch is
//! tried three times, and whoever waits for a pass never waits for this. The log says once that it fails, and once that it is well again.
//!
//! Written here and not taken from the crates `opentelemetry*`: with these it is nine crates and 300 kB more, they read the environment
//! and start a thread by themselves, and drop spans without a count.

mod settings;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::otlp;
use crate::{
    engine::trace::{Span, Tracer, Traces},
    http::root_cause,
};

pub use settings::{Settings, Warned};

/// Times that a batch is tried.
const TRIES: u32 = 3;
/// Before a batch is tried the second time; doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest time that what is left may take when the operator stops.
pub const FLUSH: Duration = Duration::from_secs(3);

/// Sends what a tracer collects.
pub struct Exporter {
    tracer: Arc<Tracer>,
    client: reqwest::Client,
    settings: Settings,
    is_failing: bool,
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it answers {0}")]
    Status(StatusCode),
}

impl Failure {
    /// By the list of the specification.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

impl Exporter {
    /// Opens no connection. What it is to send is collected by the [`Traces`] that come with it.
    pub fn new(settings: Settings) -> reqwest::Result<(Self, Traces)> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("cooper/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(pem) = &settings.certificate {
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem)?);
        }
        let client = client.build()?;
        let tracer = Tracer::new(settings.share, settings.room, settings.batch);
        let tracer = Arc::new(tracer);
        let exporter = Self {
            tracer: Arc::clone(&tracer),
            client,
            settings,
            is_failing: false,
        };
        Ok((exporter, Traces::by(tracer)))
    }

    /// Sends until `stop`, and then what is left, within [`FLUSH`].
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(self.settings.delay) => {}
                () = self.tracer.filled() => {}
                () = stop.cancelled() => break,
            }
            // A batch that is under way when the stop comes may still arrive.
            let sent = self.send(&stop);
            tokio::pin!(sent);
            tokio::select! {
                () = &mut sent => {}
                () = stop.cancelled() => {
                    let _ = timeout(FLUSH, sent).await;
                    return;
                }
            }
        }
        let _ = timeout(FLUSH, self.send(&stop)).await;
    }

    /// Sends all there is now.
    async fn send(&mut self, stop: &CancellationToken) {
        loop {
            let batch = self.tracer.take(self.settings.batch);
            if batch.is_empty() {
                return;
            }
            let done = self.deliver(&batch, stop).await;
            self.tracer.ended(batch.len(), done.is_ok());
            self.note(done.err());
        }
    }

    /// Sends one batch, more than once if that may help and nobody waits for the end.
    async fn deliver(&self, batch: &[Span], stop: &CancellationToken) -> Result<(), Failure> {
        let body = bytes::Bytes::from(otlp::body(&self.settings.resource, batch));
        let mut tries = 1;
        loop {
            let failure = match self.post(body.clone()).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if tries == TRIES || !failure.may_pass() || stop.is_cancelled() {
                return Err(failure);
            }
            tokio::select! {
                () = sleep(PAUSE * tries) => {}
                () = stop.cancelled() => {}
            }
            tries += 1;
        }
    }

    async fn post(&self, body: bytes::Bytes) -> Result<(), Failure> {
        let mut headers: HeaderMap = self.settings.headers.clone();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let sent = self
            .client
            .post(self.settings.endpoint.clone())
            .headers(headers)
            .body(body);
        // The body of the answer is of no use here, and may be endless.
        let answer = sent
            .send()
            .await
            .map_err(|error| Failure::Unreachable(root_cause(&error.without_url())))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Failure::Status(status)),
        }
    }

    /// Says once that it fails, and once that it does no more.
    fn note(&mut self, failure: Option<Failure>) {
        let host = self.settings.endpoint.host_str().unwrap_or_default();
        match failure {
            Some(failure) if !self.is_failing => {
                tracing::warn!(
                    host,
                    "the receiver of traces: {failure}; spans are lost until that is mended"
                );
                self.is_failing = true;
            }
            None if self.is_failing => {
                tracing::info!(host, "the receiver of traces takes them again");
                self.is_failing = false;
            }
            _ => {}
        }
    }
}

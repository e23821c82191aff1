//! What stands between a socket and the emulated servers: faults and the journal.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::SignedDuration;

use crate::api;
use crate::auth;
use crate::clock::http_date;
use crate::control::faults::{Kind, Side};
use crate::control::journal::{Entry, Outcome, redacted};
use crate::hub::Hub;

/// Largest body of an API request, in bytes.
const API_BODY: usize = 1024 * 1024;

/// Largest body of a request that is to be applied late, in bytes.
const LATE_BODY: usize = 256 * 1024 * 1024;

/// Largest body of an API request that the journal keeps, in bytes. What clients send is far below.
const NOTED_BODY: usize = 256 * 1024;

/// How long a body of an API request may take.
const BODY_TIME: Duration = Duration::from_mins(1);

/// An emulated server without its socket.
pub type Backend = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// The connection is to be cut.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// One emulated server behind its faults.
#[derive(Clone)]
pub struct Front {
    pub hub: Arc<Hub>,
    pub side: Side,
    pub backend: Backend,
}

impl Front {
    /// Answers a request, or cuts the connection.
    pub async fn handle(self, request: Request<Body>) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let fault = self.hub.faults.lock().befall(self.side, method, path);
        let body = match self.side {
            Side::Api => match collect(body, API_BODY).await {
                Ok(bytes) => Held::Whole(bytes),
                Err(too_large) => {
                    let seq = self.note(&parts, None);
                    return self.unreadable(seq, path, too_large);
                }
            },
            Side::S3 | Side::Web => Held::Stream(body),
        };
        let seq = self.note(&parts, body.json());
        let request = Request::from_parts(parts, ());
        match fault {
            None => Ok(self.apply(seq, request, body).await),
            Some(kind) => self.befallen(seq, request, body, kind).await,
        }
    }

    async fn befallen(
        self,
        seq: u64,
        request: Request<()>,
        body: Held,
        kind: Kind,
    ) -> Result<Response<Body>, Cut> {
        match kind {
            Kind::Cut {} => {
                self.hub.journal.lock().outcome(seq, Outcome::Cut);
                Err(Cut)
            }
            Kind::Lost {} => {
                self.hub.journal.lock().outcome(seq, Outcome::Lost);
                let answer = self.apply(seq, request, body).await;
                drain(answer).await;
                Err(Cut)
            }
            Kind::Late { seconds } => {
                self.hub.journal.lock().outcome(seq, Outcome::Late);
                self.postpone(seq, request, body, seconds).await;
                Err(Cut)
            }
            Kind::Latency { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(self.apply(seq, request, body).await)
            }
            Kind::Truncate { bytes } => {
                Ok(truncated(self.apply(seq, request, body).await, bytes).await)
            }
            Kind::Drip { ms_per_byte } => {
                let pause = Duration::from_millis(ms_per_byte);
                Ok(dripping(self.apply(seq, request, body).await, pause).await)
            }
            Kind::Status { .. } | Kind::Html {} | Kind::Redirect { .. } => {
                let answer = self.synthetic(request.uri().path(), kind);
                self.hub.journal.lock().note(seq, answer.status().as_u16());
                Ok(answer)
            }
        }
    }

    async fn apply(&self, seq: u64, request: Request<()>, body: Held) -> Response<Body> {
        let request = request.map(|()| body.into_body());
        let answer = (self.backend)(request).await;
        self.hub.journal.lock().note(seq, answer.status().as_u16());
        answer
    }

    async fn postpone(&self, seq: u64, request: Request<()>, body: Held, seconds: u64) {
        let Ok(bytes) = collect(body.into_body(), LATE_BODY).await else {
            return;
        };
        let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let now = self.hub.now();
        let due = now.saturating_add(wait).unwrap_or(now);
        let front = self.clone();
        let work = async move {
            let answer = front.apply(seq, request, Held::Whole(bytes)).await;
            drain(answer).await;
        };
        self.hub.late.push(due, Box::pin(work));
    }

    fn note(&self, parts: &http::request::Parts, request: Option<serde_json::Value>) -> u64 {
        let text = |name| {
            let value: Option<&HeaderValue> = parts.headers.get(name);
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let query = parts.uri.query().unwrap_or_default();
        let authorization = text(header::AUTHORIZATION);
        let account = match self.side {
            Side::Api => {
                let world = self.hub.world.lock();
                auth::recognise(&world.accounts, authorization.as_deref()).ok()
            }
            Side::S3 => self.account_of_key(authorization.as_deref(), query),
            Side::Web => None,
        };
        let entry = Entry {
            seq: 0,
            at: self.hub.now(),
            side: self.side,
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: redacted(query),
            status: None,
            account,
            user_agent: text(header::USER_AGENT),
            request,
            outcome: Outcome::Answered,
            foreign: false,
        };
        self.hub.journal.lock().begin(entry)
    }

    /// Account whose key a request names, whether or not its signature is right.
    fn account_of_key(&self, authorization: Option<&str>, query: &str) -> Option<String> {
        let scope = authorization
            .and_then(|text| {
                text.split_once("Credential=")
                    .map(|(_, rest)| rest.to_owned())
            })
            .or_else(|| {
                form_urlencoded::parse(query.as_bytes())
                    .find(|(name, _)| name == "X-Amz-Credential" || name == "AWSAccessKeyId")
                    .map(|(_, value)| value.into_owned())
            })?;
        let id = scope.split(['/', ',']).next()?;
        let world = self.hub.world.lock();
        let (service, _) = world.key_owners.get(id)?;
        let mut accounts = world.accounts.iter();
        let owner = accounts.find(|account| account.services.contains_key(service))?;
        Some(owner.name.clone())
    }

    fn unreadable(&self, seq: u64, path: &str, too_large: bool) -> Result<Response<Body>, Cut> {
        if !too_large {
            self.hub.journal.lock().outcome(seq, Outcome::Cut);
            return Err(Cut);
        }
        let mut answer = into_http(api::too_large(self.hub.now(), path));
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
        self.hub.journal.lock().note(seq, answer.status().as_u16());
        Ok(answer)
    }

    fn synthetic(&self, path: &str, kind: Kind) -> Response<Body> {
        let now = self.hub.now();
        let mut answer = match kind {
            Kind::Status {
                code,
                retry_after,
                body,
                content_type,
            } => {
                let mut answer = self.error(path, code, body, content_type);
                if let Some(seconds) = retry_after {
                    answer
                        .headers_mut()
                        .insert(header::RETRY_AFTER, seconds.into());
                }
                answer
            }
            Kind::Redirect { to } => {
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                put(&mut answer, header::LOCATION, &to);
                answer
            }
            _ => {
                let page = "<!DOCTYPE html>\n<html><body><h1>Welcome</h1></body></html>\n";
                let mut answer = Response::new(Body::from(page));
                put(&mut answer, header::CONTENT_TYPE, "text/html");
                answer
            }
        };
        put(&mut answer, header::DATE, &http_date(now));
        answer
    }

    fn error(
        &self,
        path: &str,
        code: u16,
        body: Option<String>,
        kind: Option<String>,
    ) -> Response<Body> {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = match (body, self.side) {
            (Some(body), _) => Response::new(Body::from(body)),
            (None, Side::Api) => into_http(api::error_of_status(self.hub.now(), path, code)),
            (None, Side::S3) => {
                let mut answer = Response::new(Body::from(s3_error(status)));
                put(&mut answer, header::CONTENT_TYPE, "application/xml");
                answer
            }
            (None, Side::Web) => Response::new(Body::from(status.to_string())),
        };
        *answer.status_mut() = status;
        if let Some(kind) = kind {
            put(&mut answer, header::CONTENT_TYPE, &kind);
        }
        answer
    }
}

fn s3_error(status: StatusCode) -> String {
    let code = match status.as_u16() {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        429 | 503 => "SlowDown",
        _ => "InternalError",
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>We encountered an internal error. Please try again.</Message></Error>"
    )
}

fn put(answer: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// A request's body, read or not.
enum Held {
    Whole(Bytes),
    Stream(Body),
}

impl Held {
    fn json(&self) -> Option<serde_json::Value> {
        match self {
            Self::Whole(bytes) if bytes.len() > NOTED_BODY => None,
            Self::Whole(bytes) => serde_json::from_slice(bytes).ok(),
            Self::Stream(_) => None,
        }
    }

    fn into_body(self) -> Body {
        match self {
            Self::Whole(bytes) => Body::from(bytes),
            Self::Stream(body) => body,
        }
    }
}

/// Reads a body; the error says whether it was too large, otherwise it broke off.
async fn collect(body: Body, most: usize) -> Result<Bytes, bool> {
    let read = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY_TIME, read).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) => Err(error.is::<LengthLimitError>()),
        Err(_) => Err(false),
    }
}

/// Reads an answer to its end, so that the work behind a streamed body is done.
async fn drain(answer: Response<Body>) {
    let _ = collect(answer.into_body(), usize::MAX).await;
}

async fn whole(answer: Response<Body>) -> (http::response::Parts, Bytes) {
    let (mut parts, body) = answer.into_parts();
    let bytes = collect(body, usize::MAX).await.unwrap_or_default();
    parts
        .headers
        .insert(header::CONTENT_LENGTH, bytes.len().into());
    (parts, bytes)
}

async fn truncated(answer: Response<Body>, keep: usize) -> Response<Body> {
    let (parts, bytes) = whole(answer).await;
    let kept = bytes.slice(..keep.min(bytes.len()));
    let broken = bytes.len() > kept.len();
    let first = stream::iter([Ok(kept)]);
    // The break comes after a pause, so that what is before it has been sent.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("truncated on purpose"))
    });
    let body = if broken {
        Body::from_stream(first.chain(end))
    } else {
        Body::from_stream(first)
    };
    Response::from_parts(parts, body)
}

async fn dripping(answer: Response<Body>, pause: Duration) -> Response<Body> {
    let (parts, bytes) = whole(answer).await;
    let stream = stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let byte = rest.split_to(1);
        Some((Ok::<_, Infallible>(byte), rest))
    });
    Response::from_parts(parts, Body::from_stream(stream))
}

/// An answer of the API as an HTTP response.
pub fn into_http(answer: api::Response) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The API as a server without its socket.
pub fn api_backend(hub: Arc<Hub>) -> Backend {
    Arc::new(move |request: Request<Body>| {
        let hub = Arc::clone(&hub);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let authorization = parts.headers.get(header::AUTHORIZATION);
            let request = api::Request {
                method: parts.method.as_str().to_owned(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                authorization: authorization
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned),
                body: collect(body, API_BODY).await.unwrap_or_default(),
            };
            into_http(hub.respond(&request, api::Caller::Header))
        })
    })
}

//! A way to the API server that can be made bad: it answers with refusals, loses answers, breaks watches, is away for a while. It also
//! writes down what is sent through it.
//!
//! It speaks plain HTTP to the operator and passes the operator's token on.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use cooper::wire::is_watch;
use futures::stream;
use http::{Method, StatusCode, Uri, header};
use kube::Config;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Ground;

/// Longest body of a request.
const LONGEST: usize = 8 << 20;

/// What becomes of a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// It is answered with this status, and not passed on.
    Refused(u16),
    /// The connection breaks; it is not passed on.
    Cut,
    /// The connection breaks after the API server has answered.
    Lost,
}

/// Decides what becomes of a request.
type Mood = Box<dyn FnMut(&Method, &Uri) -> Mishap + Send>;

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: Method,
    pub path: String,
    pub body: Bytes,
}

/// The gateway; its end is the end of all connections.
pub struct Gateway {
    /// The operator's way through it.
    pub config: Config,
    inner: Arc<Inner>,
    _server: AbortOnDropHandle<()>,
}

struct Inner {
    http: reqwest::Client,
    server: String,
    mood: Mutex<Mood>,
    breaks: watch::Sender<u64>,
    is_away: AtomicBool,
    sent: Mutex<Vec<Sent>>,
}

impl Gateway {
    /// A good one.
    pub async fn open(ground: &Ground) -> Self {
        let mut config = ground.operator_config().await;
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(config.accept_invalid_certs);
        if let Some(roots) = &config.root_cert {
            let roots = roots
                .iter()
                .map(|root| reqwest::Certificate::from_der(root).unwrap());
            http = http.tls_certs_only(roots);
        }
        let inner = Arc::new(Inner {
            http: http.build().unwrap(),
            server: config
                .cluster_url
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            mood: Mutex::new(Box::new(|_, _| Mishap::None)),
            breaks: watch::Sender::new(0),
            is_away: AtomicBool::new(false),
            sent: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = listener.local_addr().unwrap();
        let routes = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&inner));
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        }));
        config.cluster_url = format!("http://{here}").parse().unwrap();
        config.root_cert = None;
        Self {
            config,
            inner,
            _server: server,
        }
    }

    /// What becomes of requests from now on.
    pub fn mood(&self, mood: impl FnMut(&Method, &Uri) -> Mishap + Send + 'static) {
        *self.inner.mood.lock().unwrap() = Box::new(mood);
    }

    /// Breaks every answer that is still being sent: the watches.
    pub fn break_watches(&self) {
        self.inner.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Breaks everything and lets nothing through, until it is back.
    pub fn away(&self, is_away: bool) {
        self.inner.is_away.store(is_away, Ordering::SeqCst);
        self.break_watches();
    }

    /// The writes that were sent, refused ones too.
    pub fn writes(&self) -> Vec<Sent> {
        self.inner.sent.lock().unwrap().clone()
    }
}

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST).await else {
        return torn();
    };
    if head.method != Method::GET {
        inner.sent.lock().unwrap().push(Sent {
            method: head.method.clone(),
            path: head.uri.to_string(),
            body: body.clone(),
        });
    }
    let mishap = (inner.mood.lock().unwrap())(&head.method, &head.uri);
    match mishap {
        _ if inner.is_away.load(Ordering::SeqCst) => torn(),
        Mishap::None => inner.pass(&head, body).await,
        Mishap::Refused(code) => refused(code, &head),
        Mishap::Cut => torn(),
        Mishap::Lost => {
            let answer = inner.pass(&head, body).await;
            if !is_watch(&head.uri) {
                // All of it, or the API server might take it for given up.
                let _ = to_bytes(answer.into_body(), LONGEST).await;
            }
            torn()
        }
    }
}

impl Inner {
    async fn pass(&self, head: &http::request::Parts, body: Bytes) -> Response {
        let mut breaks = self.breaks.subscribe();
        let mut headers = head.headers.clone();
        for hop in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(hop);
        }
        let sent = self
            .http
            .request(head.method.clone(), format!("{}{}", self.server, head.uri))
            .headers(headers)
            .body(body)
            .send();
        let answer = tokio::select! {
            answer = sent => answer,
            _ = breaks.changed() => return torn(),
        };
        let Ok(answer) = answer else { return torn() };
        let mut response = Response::builder().status(answer.status());
        if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
            response = response.header(header::CONTENT_TYPE, kind);
        }
        // One that ends by itself ends whole; one that is broken off ends with an error.
        let stream = stream::unfold(Some((answer, breaks)), |state| async move {
            let (mut answer, mut breaks) = state?;
            let chunk = tokio::select! {
                chunk = answer.chunk() => chunk.map_err(std::io::Error::other),
                _ = breaks.changed() => Err(std::io::Error::other("broken off")),
            };
            match chunk {
                Ok(Some(bytes)) => Some((Ok(bytes), Some((answer, breaks)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        response.body(Body::from_stream(stream)).unwrap()
    }
}

/// An answer whose connection breaks before its end.
fn torn() -> Response {
    let error = std::io::Error::other("the connection was cut");
    let body = stream::iter([Err::<Bytes, _>(error)]);
    Response::new(Body::from_stream(body))
}

/// An answer as the API server refuses; to a watch in the words of a watch.
fn refused(code: u16, head: &http::request::Parts) -> Response {
    let reason = match code {
        409 if head.method == Method::POST => "AlreadyExists",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused on the way", "reason": reason, "code": code,
    });
    let (code, body) = if is_watch(&head.uri) && code == 410 {
        (200, json!({"type": "ERROR", "object": status}))
    } else {
        (code, status)
    };
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(format!("{body}\n")))
        .unwrap()
}

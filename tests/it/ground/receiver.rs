//! A receiver of OTLP over HTTP: writes down what it is sent.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A running receiver.
pub struct Receiver {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub url: String,
    got: Arc<Mutex<Vec<Batch>>>,
    _server: AbortOnDropHandle<()>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Batch {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived(pub Value);

impl Receiver {
    /// One that takes everything.
    pub async fn open() -> Self {
        let got: Arc<Mutex<Vec<Batch>>> = Arc::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(take).with_state(Arc::clone(&got));
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        }));
        Self {
            url,
            got,
            _server: server,
        }
    }

    /// Everything so far, in order.
    pub fn batches(&self) -> Vec<Batch> {
        self.got.lock().unwrap().clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Arrived> {
        let batches = self.batches();
        let scopes = batches
            .iter()
            .flat_map(|batch| batch.body["resourceSpans"].as_array().unwrap())
            .flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
        scopes
            .flat_map(|scope| scope["spans"].as_array().unwrap().clone())
            .map(Arrived)
            .collect()
    }
}

impl Arrived {
    /// A member, such as `name`.
    pub fn member(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// An attribute, as text.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        let all = self.0["attributes"].as_array().unwrap();
        let value = &all.iter().find(|one| one["key"] == key)?["value"];
        value["stringValue"]
            .as_str()
            .or_else(|| value["intValue"].as_str())
    }

    /// Whether it is of a pass over this resource that came to this.
    pub fn is_pass(&self, kind: &str, name: &str, outcome: &str) -> bool {
        [
            ("cooper.kind", kind),
            ("cooper.name", name),
            ("cooper.outcome", outcome),
        ]
        .iter()
        .all(|(key, value)| self.attribute(key) == Some(value))
    }
}

async fn take(
    State(got): State<Arc<Mutex<Vec<Batch>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> &'static str {
    got.lock().unwrap().push(Batch {
        path: uri.path().to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap(),
    });
    "{}"
}

//! The operator's own HTTP side: probes and metrics.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, put},
};
use tokio::net::TcpListener;

use crate::{
    engine::{core::Core, office::Standing},
    telemetry::Level,
};

/// Serves `/livez`, `/healthz` (the same) and `/readyz` until its future is dropped.
///
/// Live: every loop of the engine turns. Ready: every kind's objects are listed, the admission fence stands, and the Lease says who
/// leads; so this operator works, or could at once. Otherwise the answer has a line for each thing that is missing.
///
/// `/metrics` is for Prometheus. `PUT /log-level` with a filter such as `cooper=debug,info` changes what is logged; only who is inside the
/// Pod may, as `kubectl port-forward` is.
pub async fn serve(listener: TcpListener, core: Arc<Core>, level: Level) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(live))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(core)
        .route(
            "/log-level",
            put(set_level)
                .with_state(level)
                .layer(DefaultBodyLimit::max(1024)),
        )
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).await
}

/// Binds the address; port 0 picks a free one.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn live(State(core): State<Arc<Core>>) -> (StatusCode, String) {
    let hanging = core.pulse.hanging();
    if hanging.is_empty() {
        return (StatusCode::OK, "ok\n".into());
    }
    let lines = hanging
        .into_iter()
        .map(|(name, since)| format!("{name} hangs: no beat for {} s\n", since.as_secs()));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

async fn set_level(
    State(level): State<Level>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    filter: String,
) -> (StatusCode, String) {
    if !from.ip().to_canonical().is_loopback() {
        let text = "only from inside the Pod: kubectl port-forward POD 8080\n";
        return (StatusCode::FORBIDDEN, text.into());
    }
    match level.set(filter.trim()) {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn metrics(State(core): State<Arc<Core>>) -> impl IntoResponse {
    match core.metrics.text(&core) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, FORMAT)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}

/// The text format of `OpenMetrics`.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn ready(State(core): State<Arc<Core>>) -> (StatusCode, String) {
    let mut missing = core.gate.causes();
    missing.remove(LEADERSHIP);
    let standing = core.office.standing();
    if let Standing::Unsure(why) = &standing {
        missing.insert(LEADERSHIP.into(), why.clone());
    }
    if missing.is_empty() {
        return (StatusCode::OK, format!("ok{}\n", role(&standing)));
    }
    let lines = missing.into_iter().map(|(what, why)| {
        if why.is_empty() {
            format!("waiting for {what}\n")
        } else {
            format!("waiting for {what}: {why}\n")
        }
    });
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

fn role(standing: &Standing) -> String {
    match standing {
        Standing::Alone | Standing::Unsure(_) => String::new(),
        Standing::Leading(_) => ": leading".into(),
        Standing::StandingBy(Some(holder)) => format!(": standing by, {holder} leads"),
        Standing::StandingBy(None) => ": standing by".into(),
    }
}

/// Who keeps the gate shut while another operator leads. A standby is ready all the same.
pub const LEADERSHIP: &str = "leadership";

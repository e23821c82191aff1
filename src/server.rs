//! The operator's own HTTP side: probes.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use crate::engine::core::Core;

/// Serves `/livez` and `/readyz` until its future is dropped.
///
/// Live: the process answers. Ready: every kind's objects are listed and the admission fence stands, so passes run; otherwise the answer
/// names what is missing.
pub async fn serve(listener: TcpListener, core: Arc<Core>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(core);
    axum::serve(listener, routes).await
}

/// Binds the address; port 0 picks a free one.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn ready(State(core): State<Arc<Core>>) -> (StatusCode, String) {
    let missing = core.gate.shut_by();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".into());
    }
    let names = missing.into_iter().collect::<Vec<_>>().join(", ");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("waiting for: {names}\n"),
    )
}

//! The data plane: S3, policy evaluation and static websites.
//!
//! [`DataPlane`] answers requests; the control plane tells it through [`Directory`] who and what exists.
//! Objects are in a [`Store`], which is made first, since the control plane drops a bucket's objects
//! when it deletes the bucket.

pub mod checksum;
pub mod directory;
pub mod objects;
pub mod policy;
mod s3;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, header};

pub use directory::Directory;
pub use objects::Store;

/// Directory and objects, as every part needs them.
struct Shared {
    directory: Arc<dyn Directory>,
    store: Store,
}

/// The data plane of all services. Cheap to clone.
#[derive(Clone)]
pub struct DataPlane {
    s3: s3::Endpoint,
}

impl DataPlane {
    /// Puts the data plane together.
    pub fn new(directory: Arc<dyn Directory>, store: Store) -> Self {
        let shared = Arc::new(Shared { directory, store });
        Self {
            s3: s3::Endpoint::new(shared),
        }
    }

    /// Answers an S3 request. `secure` says whether it came over TLS (`aws:SecureTransport`).
    pub async fn s3(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        self.s3.handle(request, peer, secure).await
    }
}

/// The host a request names, with its port.
fn host_of<B>(request: &Request<B>) -> Option<String> {
    match request.headers().get(header::HOST) {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => request.uri().authority().map(ToString::to_string),
    }
}

/// A host without its port; an IPv6 literal without its brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}

/// Whether a host names no service: an IP literal or `localhost`.
fn is_local(host: &str) -> bool {
    let host = without_port(host);
    host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

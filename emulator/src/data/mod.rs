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
mod sigv4;
mod skew;
mod sts;
mod website;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, header};

use directory::HostKind;

pub use directory::Directory;
pub use objects::Store;
pub use sts::Sessions;

/// Directory and objects, as every part needs them.
struct Shared {
    directory: Arc<dyn Directory>,
    store: Store,
    sessions: Sessions,
}

/// The data plane of all services. Cheap to clone.
#[derive(Clone)]
pub struct DataPlane {
    s3: s3::Endpoint,
    shared: Arc<Shared>,
}

impl DataPlane {
    /// Puts the data plane together.
    pub fn new(directory: Arc<dyn Directory>, store: Store, sessions: Sessions) -> Self {
        let shared = Arc::new(Shared {
            directory,
            store,
            sessions,
        });
        Self {
            s3: s3::Endpoint::new(Arc::clone(&shared)),
            shared,
        }
    }

    /// Answers an S3 request, and STS where S3 has nothing: a form posted to `/` or `/sts`. `secure` says
    /// whether it came over TLS (`aws:SecureTransport`).
    pub async fn s3(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        if sts::is_for_sts(&request) {
            return sts::answer(&self.shared, request, peer, secure).await;
        }
        self.s3.handle(request, peer, secure).await
    }

    /// Answers a request to a static website, by its `Host` header.
    pub fn website(
        &self,
        request: &Request<Body>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        website::answer(&self.shared, request, peer, secure)
    }

    /// Answers S3 or a website, whichever the `Host` header names; for one port that serves both. A host
    /// that is not known (an IP address, `localhost`) is S3.
    pub async fn handle(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        let named = host_of(&request).map(|host| without_port(&host).to_ascii_lowercase());
        let is_website = named.is_some_and(|host| {
            matches!(
                self.shared.directory.service_of_host(&host),
                Some(HostKind::Website { .. })
            )
        });
        if is_website {
            self.website(&request, peer, secure)
        } else {
            self.s3(request, peer, secure).await
        }
    }
}

/// A text as the content of an XML element.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
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

//! The S3 endpoint. The only part that knows the crate `s3s`, and its types stay in here.
//!
//! A request goes through [`guard`] (what s3s lets pass and should not), s3s itself (routing, signature,
//! XML), [`access`] (who, where, allowed?), one of the operations ([`read`], [`write`], [`list`],
//! [`multipart`], [`settings`]) and [`envelope`] (request ids, CORS headers, complete error documents).

mod access;
mod convert;
mod envelope;
mod guard;
mod intake;
mod lifecycle;
mod list;
mod multipart;
mod operations;
mod read;
mod settings;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3Result, s3_error};

use super::directory::HostKind;
use super::{Shared, skew};

/// Largest file of a POST form, in bytes: s3s holds it in memory before anything is checked.
const LARGEST_FORM_FILE: u64 = 16 << 20;

/// The S3 endpoint of all services.
#[derive(Clone)]
pub(super) struct Endpoint {
    service: S3Service,
    shared: Arc<Shared>,
}

/// What is known of a request before its signature is checked.
#[derive(Clone, Debug)]
struct Arrival {
    peer: SocketAddr,
    secure: bool,
    /// Service of the endpoint the request was sent to; `None` for a bare IP address or unknown name.
    service: Option<String>,
}

/// The half that s3s calls into.
#[derive(Clone)]
struct Core(Arc<Shared>);

impl Endpoint {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let core = Core(Arc::clone(&shared));
        let mut config = S3Config::default();
        config.post_object_max_file_size = LARGEST_FORM_FILE;
        // s3s knows the real clock only; `skew` knows both.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut builder = S3ServiceBuilder::new(core.clone());
        builder.set_auth(core.clone());
        builder.set_access(core.clone());
        builder.set_host(core);
        builder.set_validation(Names);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            service: builder.build(),
            shared,
        }
    }

    /// Answers one request.
    pub(super) async fn handle(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        secure: bool,
    ) -> Response<Body> {
        let arrival = Arrival {
            peer,
            secure,
            service: super::host_of(&request)
                .and_then(|host| self.shared.endpoint(&host))
                .map(|(service, _)| service),
        };
        let envelope = envelope::Envelope::open(&self.shared, &request, &arrival);
        if let Some(answer) = envelope.preflight() {
            return envelope.close(answer);
        }
        let (mut parts, body) = request.into_parts();
        if let Err(fault) = skew::check(&parts, self.shared.directory.now()) {
            return envelope.close(envelope::fault(fault));
        }
        parts.extensions.insert(arrival);
        let request = Request::from_parts(parts, body);
        let answer = match guard::inspect(request).await {
            Ok(request) => match self.service.call(request).await {
                Ok(response) => response,
                Err(fault) => {
                    let fault: s3s::StdError = fault.into();
                    tracing::warn!(%fault, "s3 request broke off");
                    envelope::fault(s3_error!(InternalError, "The request broke off."))
                }
            },
            Err(fault) => envelope::fault(fault),
        };
        envelope.close(answer)
    }
}

impl S3Host for Core {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = super::without_port(host).to_ascii_lowercase();
        Ok(match self.0.endpoint(&name) {
            Some((_, Some(bucket))) => VirtualHost::new(name).with_bucket(bucket),
            _ => VirtualHost::new(name),
        })
    }
}

impl Shared {
    /// The service behind a host name, and the bucket that stands before the endpoint's domain.
    /// The longest domain wins, so a bucket name may have dots.
    pub(super) fn endpoint(&self, host: &str) -> Option<(String, Option<String>)> {
        let host = super::without_port(host).to_ascii_lowercase();
        let dots = host.match_indices('.').map(|(at, _)| at + 1);
        for start in std::iter::once(0).chain(dots) {
            let domain = host.get(start..)?;
            if let Some(HostKind::Api { service }) = self.directory.service_of_host(domain) {
                let bucket = host
                    .get(..start.saturating_sub(1))
                    .filter(|name| !name.is_empty());
                return Some((service, bucket.map(str::to_owned)));
            }
        }
        None
    }
}

/// Bucket names as the control plane takes them: 1 to 254 of `[a-zA-Z0-9.\-_]`.
struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        (1..=254).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    }
}

//! Static websites: a bucket served to browsers by the `Host` header.
//!
//! Keys are the path below the site's prefix; a path that ends in a slash means the index document in it.
//! Nothing is signed, so the bucket's policy must let everybody read. What goes wrong is answered with the
//! site's own page for that status, keeping the status.

mod answer;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use self::answer::{conditional, redirect, whole};
use super::Shared;
use super::directory::{HostKind, Site};
use super::objects::Object;
use super::policy::{self, Caller, Context, Documents};

/// One request to a website.
struct Visit<'a> {
    shared: &'a Shared,
    site: Site,
    context: Context,
}

/// Why no object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The policy of the bucket does not let everybody read the key.
    Closed,
    /// There is no such object.
    Missing,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Closed => StatusCode::FORBIDDEN,
            Self::Missing => StatusCode::NOT_FOUND,
        }
    }
}

/// Answers one request.
pub(super) fn answer(
    shared: &Shared,
    request: &Request<Body>,
    peer: SocketAddr,
    secure: bool,
) -> Response<Body> {
    let host = super::host_of(request).unwrap_or_default();
    let Some(site) = site(shared, &host).filter(|site| site.enabled) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let visit = Visit {
        shared,
        site,
        context: Context {
            source_ip: Some(peer.ip().to_canonical()),
            secure,
            now: shared.directory.now(),
            facts: Vec::new(),
        },
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = visit.fault(StatusCode::METHOD_NOT_ALLOWED);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    visit.serve(request)
}

/// The site a host stands for. By IP address or `localhost` there is one only if exactly one is configured.
fn site(shared: &Shared, host: &str) -> Option<Site> {
    if super::is_local(host) {
        let mut all = shared.directory.websites();
        return all.pop().filter(|_| all.is_empty());
    }
    let host = super::without_port(host).to_ascii_lowercase();
    match shared.directory.service_of_host(&host) {
        Some(HostKind::Website { domain, .. }) => shared.directory.website(&domain),
        Some(HostKind::Api { .. }) => None,
        None => shared.directory.website(&host),
    }
}

impl Visit<'_> {
    fn serve(&self, request: &Request<Body>) -> Response<Body> {
        let raw = request.uri().path();
        let Ok(path) = percent_decode_str(raw).decode_utf8() else {
            return self.fault(StatusCode::BAD_REQUEST);
        };
        let mut key = self.key(path.strip_prefix('/').unwrap_or(&path));
        let is_directory = path.is_empty() || path.ends_with('/');
        if is_directory {
            key.push_str(&self.site.index_document);
        }
        match self.object(&key) {
            Ok(object) => {
                if let Some(target) = &object.about.redirect {
                    return redirect(StatusCode::MOVED_PERMANENTLY, target);
                }
                conditional(&object, request.headers()).unwrap_or_else(|status| self.fault(status))
            }
            Err(Refusal::Missing) if self.site.spa_mode => {
                match self.object(&self.key(&self.site.index_document)) {
                    Ok(object) => conditional(&object, request.headers())
                        .unwrap_or_else(|status| self.fault(status)),
                    Err(refusal) => self.fault(refusal.status()),
                }
            }
            Err(Refusal::Missing) if !is_directory => {
                let index = format!("{key}/{}", self.site.index_document);
                match self.object(&index) {
                    Ok(_) => redirect(StatusCode::FOUND, &folder(raw, request.uri().query())),
                    Err(_) => self.fault(StatusCode::NOT_FOUND),
                }
            }
            Err(refusal) => self.fault(refusal.status()),
        }
    }

    /// The key of a document. A prefix is a directory, with or without its slash.
    fn key(&self, document: &str) -> String {
        let prefix = self.site.prefix.trim_matches('/');
        if prefix.is_empty() {
            document.to_owned()
        } else {
            format!("{prefix}/{document}")
        }
    }

    /// An object, if everybody may read it.
    fn object(&self, key: &str) -> Result<Arc<Object>, Refusal> {
        let Site {
            service, bucket, ..
        } = &self.site;
        if self.shared.directory.bucket(service, bucket).is_none() {
            return Err(Refusal::Missing);
        }
        let settings = self.shared.store.settings(service, bucket);
        let request = policy::Request {
            caller: &Caller::Anonymous,
            action: "s3:GetObject",
            resource: &format!("arn:aws:s3:::{bucket}/{key}"),
            context: &self.context,
        };
        let documents = Documents {
            bucket: settings.policy.as_ref().map(|(_, document)| document),
            ..Documents::default()
        };
        let decision = policy::decide(&request, documents);
        if let Some(doubt) = decision.doubt {
            tracing::warn!(
                bucket,
                doubt,
                "policy not understood, taken against the caller"
            );
        }
        if !decision.allowed {
            return Err(Refusal::Closed);
        }
        self.shared
            .store
            .get(service, bucket, key, None)
            .map_err(|_| Refusal::Missing)
    }

    /// An error: the site's page for it, or a plain one.
    fn fault(&self, status: StatusCode) -> Response<Body> {
        error_document(&self.site, status.as_u16())
            .and_then(|document| self.object(&self.key(document)).ok())
            .map_or_else(|| plain(status), |object| whole(&object, status))
    }
}

/// Where the index document of a folder is shown. Two slashes at the front would name a host.
fn folder(path: &str, query: Option<&str>) -> String {
    let path = path.trim_start_matches('/');
    match query {
        Some(query) => format!("/{path}/?{query}"),
        None => format!("/{path}/"),
    }
}

/// The page for a status: an entry for exactly this code goes before a range.
fn error_document(site: &Site, status: u16) -> Option<&str> {
    let fits = |page: &&super::directory::ErrorPage| (page.first..=page.last).contains(&status);
    site.error_pages
        .iter()
        .find(|page| page.first == page.last && fits(page))
        .or_else(|| site.error_pages.iter().find(fits))
        .map(|page| page.document.as_str())
}

fn plain(status: StatusCode) -> Response<Body> {
    let page = format!(
        "<!doctype html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    );
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::directory::ErrorPage;

    #[test]
    fn an_exact_page_goes_before_a_range() {
        let page = |first, last, document: &str| ErrorPage {
            first,
            last,
            document: document.into(),
        };
        let site = Site {
            service: String::new(),
            domain: String::new(),
            bucket: String::new(),
            prefix: String::new(),
            index_document: String::new(),
            error_pages: vec![
                page(400, 499, "4xx"),
                page(404, 404, "404"),
                page(500, 500, "500"),
            ],
            spa_mode: false,
            enabled: true,
        };
        for (status, want) in [
            (404, Some("404")),
            (403, Some("4xx")),
            (500, Some("500")),
            (502, None),
        ] {
            assert_eq!(error_document(&site, status), want, "{status}");
        }
    }
}

//! What surrounds every answer: request ids, complete error documents, CORS.

use std::sync::Arc;

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE,
    HeaderName, ORIGIN, SERVER, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use s3s::S3Error;

use super::Arrival;
use super::convert::custom;
use crate::data::Shared;
use crate::data::objects::CorsRule;

/// What must be remembered of a request until its answer is ready.
pub(super) struct Envelope {
    id: String,
    method: Method,
    path: String,
    origin: Option<String>,
    asked_method: Option<String>,
    asked_headers: Vec<String>,
    rules: Vec<CorsRule>,
    /// What the service sends as the allowed origin, whatever the bucket's rules say.
    override_origin: Option<String>,
}

impl Envelope {
    pub(super) fn open(shared: &Arc<Shared>, request: &Request<Body>, arrival: &Arrival) -> Self {
        let headers = request.headers();
        let origin = text(headers, &ORIGIN);
        let (rules, override_origin) = match origin {
            Some(_) => rules(shared, request, arrival),
            None => (Vec::new(), None),
        };
        Self {
            id: uuid::Uuid::new_v4().simple().to_string().to_uppercase(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            origin,
            asked_method: text(headers, &ACCESS_CONTROL_REQUEST_METHOD),
            asked_headers: text(headers, &ACCESS_CONTROL_REQUEST_HEADERS)
                .unwrap_or_default()
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty())
                .collect(),
            rules,
            override_origin,
        }
    }

    /// The first rule that admits a request: one of the bucket, or the service's override.
    fn rule(&self, fits: impl Fn(&CorsRule) -> bool) -> Option<CorsRule> {
        let own = self.rules.iter().find(|rule| fits(rule)).cloned();
        own.or_else(|| self.override_origin.as_ref().map(|_| CorsRule::open()))
    }

    fn admit(&self, rule: &CorsRule, origin: &str, headers: &mut HeaderMap) {
        rule.answer(origin, headers);
        if let Some(origin) = &self.override_origin {
            set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }

    /// The answer to a CORS preflight; `None` for any other request.
    pub(super) fn preflight(&self) -> Option<Response<s3s::Body>> {
        if self.method != Method::OPTIONS {
            return None;
        }
        let (Some(origin), Some(method)) = (&self.origin, &self.asked_method) else {
            return Some(fault(custom(
                "BadRequest",
                StatusCode::BAD_REQUEST,
                "Insufficient information. Origin and Access-Control-Request-Method request headers needed.",
            )));
        };
        let rule = self.rule(|rule| {
            rule.admits(origin, method) && self.asked_headers.iter().all(|h| rule.takes(h))
        });
        let Some(rule) = rule else {
            return Some(fault(custom(
                "AccessForbidden",
                StatusCode::FORBIDDEN,
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            )));
        };
        let mut response = Response::new(s3s::Body::empty());
        let headers = response.headers_mut();
        self.admit(&rule, origin, headers);
        set(
            headers,
            ACCESS_CONTROL_ALLOW_METHODS,
            &rule.methods.join(", "),
        );
        if !self.asked_headers.is_empty() {
            set(
                headers,
                ACCESS_CONTROL_ALLOW_HEADERS,
                &self.asked_headers.join(", "),
            );
        }
        if let Some(seconds) = rule.max_age_seconds {
            set(headers, ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        Some(response)
    }

    /// Completes an answer.
    pub(super) fn close(self, response: Response<s3s::Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        set(&mut parts.headers, AMZ_REQUEST_ID, &self.id);
        set(&mut parts.headers, AMZ_ID_2, &self.id);
        parts
            .headers
            .entry(SERVER)
            .or_insert(HeaderValue::from_static("cooper-emulator"));
        if let Some(origin) = &self.origin
            && self.method != Method::OPTIONS
            && let Some(rule) = self.rule(|rule| rule.admits(origin, self.method.as_str()))
        {
            self.admit(&rule, origin, &mut parts.headers);
            set(
                &mut parts.headers,
                ACCESS_CONTROL_ALLOW_METHODS,
                &rule.methods.join(", "),
            );
        }
        if parts.status == StatusCode::NOT_MODIFIED {
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.remove(CONTENT_TYPE);
            return Response::from_parts(parts, Body::empty());
        }
        let is_fault = parts.status.is_client_error() || parts.status.is_server_error();
        let body = match body.bytes() {
            Some(bytes) if is_fault => {
                parts.headers.remove(CONTENT_LENGTH);
                Body::from(self.complete(&bytes))
            }
            _ => Body::new(body),
        };
        Response::from_parts(parts, body)
    }

    /// Adds what s3s leaves out of an error document.
    fn complete(&self, document: &[u8]) -> String {
        let document = String::from_utf8_lossy(document);
        let Some(head) = document.strip_suffix("</Error>") else {
            return document.into_owned();
        };
        // Without a message SDKs print "Unknown".
        let message = match head
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
        {
            Some((code, rest)) if !rest.contains("<Message>") => {
                format!("<Message>{code}</Message>")
            }
            _ => String::new(),
        };
        let path = crate::data::escape(&percent_decode_str(&self.path).decode_utf8_lossy());
        format!(
            "{head}{message}<Resource>{path}</Resource><RequestId>{id}</RequestId><HostId>{id}</HostId></Error>",
            id = self.id
        )
    }
}

const AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const AMZ_ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");

/// An error as an answer, the way s3s writes it.
pub(super) fn fault(fault: S3Error) -> Response<s3s::Body> {
    fault.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(s3s::Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The CORS rules of the bucket a request names, and the service's override. The browser's preflight is not signed, so the service
/// comes from the host, from the key the request claims to be signed by, or from the bucket's name.
fn rules(
    shared: &Arc<Shared>,
    request: &Request<Body>,
    arrival: &Arrival,
) -> (Vec<CorsRule>, Option<String>) {
    let virtual_bucket = crate::data::host_of(request)
        .and_then(|host| shared.endpoint(&host))
        .and_then(|(_, bucket)| bucket);
    let path = percent_decode_str(request.uri().path())
        .decode_utf8_lossy()
        .into_owned();
    let Some(bucket) = virtual_bucket.or_else(|| {
        path.trim_start_matches('/')
            .split('/')
            .next()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    }) else {
        let origin = arrival.service.as_ref();
        return (
            Vec::new(),
            origin.and_then(|service| shared.directory.cors_origin(service)),
        );
    };
    let service = arrival
        .service
        .clone()
        .or_else(|| claimed_key(request).and_then(|id| Some(shared.holder(&id)?.service)))
        .or_else(|| match shared.directory.find_bucket(&bucket).as_slice() {
            [service] => Some(service.clone()),
            _ => None,
        });
    service.map_or_else(Default::default, |service| {
        let rules = shared.store.settings(&service, &bucket).cors;
        (rules, shared.directory.cors_origin(&service))
    })
}

fn claimed_key(request: &Request<Body>) -> Option<String> {
    let header = request
        .headers()
        .get(http::header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once("Credential="))
        .map(|(_, rest)| rest.to_owned());
    let credential = header.or_else(|| {
        form_urlencoded::parse(request.uri().query()?.as_bytes())
            .find(|(name, _)| name == "X-Amz-Credential" || name == "AWSAccessKeyId")
            .map(|(_, value)| value.into_owned())
    })?;
    credential.split('/').next().map(str::to_owned)
}

impl CorsRule {
    /// What the service's override stands for where a bucket has no rule.
    fn open() -> Self {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            origins: texts(&["*"]),
            methods: texts(&["GET", "HEAD", "PUT", "POST", "DELETE"]),
            headers: texts(&["*"]),
            expose: texts(&["ETag"]),
            ..Self::default()
        }
    }

    fn admits(&self, origin: &str, method: &str) -> bool {
        self.methods.iter().any(|m| m == method)
            && self.origins.iter().any(|pattern| fits(pattern, origin))
    }

    fn takes(&self, header: &str) -> bool {
        self.headers
            .iter()
            .any(|pattern| fits(&pattern.to_ascii_lowercase(), header))
    }

    fn answer(&self, origin: &str, headers: &mut HeaderMap) {
        let is_open = self.origins.iter().any(|o| o == "*");
        set(
            headers,
            ACCESS_CONTROL_ALLOW_ORIGIN,
            if is_open { "*" } else { origin },
        );
        if !is_open {
            set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if !self.expose.is_empty() {
            set(
                headers,
                ACCESS_CONTROL_EXPOSE_HEADERS,
                &self.expose.join(", "),
            );
        }
        set(
            headers,
            VARY,
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        );
    }
}

/// A CORS pattern has at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Sets a header; a value that cannot be one (it came from a client) is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn one_star_stands_for_anything() {
        for (pattern, text, want) in [
            ("*", "https://a.example", true),
            ("https://*.example", "https://a.example", true),
            ("https://*.example", "https://.example", true),
            ("https://*.example", "http://a.example", false),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example.org", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
    }
}

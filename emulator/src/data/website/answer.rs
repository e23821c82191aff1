//! Objects as answers to a browser: headers, conditions, ranges.

use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use http::header::{
    self, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue,
    LAST_MODIFIED,
};
use http::{HeaderMap, Response, StatusCode};

use crate::data::objects::{self, Object};

/// The whole object with a status of the caller's choice.
pub(super) fn whole(object: &Object, status: StatusCode) -> Response<Body> {
    respond(object, &object.body, status)
}

/// The object as the request's conditions and range want it; `Err` is the status of a fault.
pub(super) fn conditional(
    object: &Object,
    headers: &HeaderMap,
) -> Result<Response<Body>, StatusCode> {
    match precondition(object, headers) {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            validators(object, response.headers_mut());
            return Ok(response);
        }
        status => return Err(status),
    }
    let total = object.body.len();
    let asked = text(headers, &header::RANGE).filter(|_| is_same(object, headers));
    let range = match asked.map(|range| Asked::read(range, total)) {
        Some(Asked::Range(range)) => range,
        Some(Asked::Beyond) => return Err(StatusCode::RANGE_NOT_SATISFIABLE),
        Some(Asked::Whole) | None => return Ok(whole(object, StatusCode::OK)),
    };
    let shown = format!("bytes {}-{}/{total}", range.start, range.end - 1);
    let mut response = respond(
        object,
        &object.body.slice(&range),
        StatusCode::PARTIAL_CONTENT,
    );
    set(response.headers_mut(), CONTENT_RANGE, Some(&shown));
    Ok(response)
}

/// Sends the browser elsewhere.
pub(super) fn redirect(status: StatusCode, target: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    set(response.headers_mut(), super::LOCATION, Some(target));
    response
}

/// RFC 9110 section 13.2.2, in its order.
fn precondition(object: &Object, headers: &HeaderMap) -> StatusCode {
    let names = |list: &str| {
        list.split(',').map(str::trim).any(|tag| {
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == object.etag
        })
    };
    let modified = object.modified.as_second();
    let since = |name: &HeaderName| {
        let at = httpdate::parse_http_date(text(headers, name)?).ok()?;
        let at = at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        Some(u64::try_from(modified).is_ok_and(|modified| modified > at))
    };
    let fails = match text(headers, &header::IF_MATCH) {
        Some(list) => !names(list),
        None => since(&header::IF_UNMODIFIED_SINCE) == Some(true),
    };
    let unchanged = match text(headers, &header::IF_NONE_MATCH) {
        Some(list) => names(list),
        None => since(&header::IF_MODIFIED_SINCE) == Some(false),
    };
    if fails {
        StatusCode::PRECONDITION_FAILED
    } else if unchanged {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    }
}

/// Whether the object is the one that `If-Range` speaks of: by a strong tag, or by its exact date.
fn is_same(object: &Object, headers: &HeaderMap) -> bool {
    let Some(validator) = text(headers, &header::IF_RANGE) else {
        return true;
    };
    validator == format!("\"{}\"", object.etag)
        || validator == httpdate::fmt_http_date(object.modified.into())
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Everything: the header has more than one range or makes no sense, and is ignored.
    Whole,
    /// These bytes, not none.
    Range(Range<u64>),
    /// Nothing that is there.
    Beyond,
}

impl Asked {
    fn read(header: &str, total: u64) -> Self {
        match bounds(header, total) {
            None => Self::Whole,
            Some(range) if range.is_empty() => Self::Beyond,
            Some(range) => Self::Range(range),
        }
    }
}

fn bounds(header: &str, total: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some(total.saturating_sub(last.parse().ok()?)..total);
    }
    let first: u64 = first.parse().ok()?;
    if last.is_empty() {
        return Some(first..total);
    }
    let last: u64 = last.parse().ok()?;
    (first <= last).then(|| first..last.saturating_add(1).min(total))
}

fn respond(object: &Object, body: &objects::Body, status: StatusCode) -> Response<Body> {
    let pieces: Vec<_> = body
        .pieces()
        .iter()
        .cloned()
        .map(Ok::<_, std::convert::Infallible>)
        .collect();
    let mut response = Response::new(Body::from_stream(futures::stream::iter(pieces)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let about = &object.about;
    let media = about.content_type.as_deref();
    set(
        headers,
        CONTENT_TYPE,
        media.or(Some("application/octet-stream")),
    );
    set(headers, CONTENT_LENGTH, Some(&body.len().to_string()));
    set(headers, ACCEPT_RANGES, Some("bytes"));
    set(headers, CACHE_CONTROL, about.cache_control.as_deref());
    set(
        headers,
        CONTENT_DISPOSITION,
        about.content_disposition.as_deref(),
    );
    set(headers, CONTENT_ENCODING, about.content_encoding.as_deref());
    set(headers, CONTENT_LANGUAGE, about.content_language.as_deref());
    let expires = about.expires.map(|at| httpdate::fmt_http_date(at.into()));
    set(headers, EXPIRES, expires.as_deref());
    validators(object, headers);
    response
}

fn validators(object: &Object, headers: &mut HeaderMap) {
    set(headers, ETAG, Some(&format!("\"{}\"", object.etag)));
    let modified = httpdate::fmt_http_date(object.modified.into());
    set(headers, LAST_MODIFIED, Some(&modified));
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Sets a header, if there is a value that can be one.
fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn ranges_are_cut_ignored_or_refused() {
        for (header, want) in [
            ("bytes=0-3", Asked::Range(0..4)),
            ("bytes=4-", Asked::Range(4..10)),
            ("bytes=-3", Asked::Range(7..10)),
            ("bytes=-30", Asked::Range(0..10)),
            ("bytes=5-99", Asked::Range(5..10)),
            ("bytes=10-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=3-2", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
        ] {
            assert_eq!(Asked::read(header, 10), want, "{header}");
        }
    }
}

//! What came back.

use std::fmt;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use zeroize::Zeroizing;

/// An answer, whatever its status. `Debug` leaves the body out.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The `Date` header: the cloud's clock, whole seconds.
    pub date: Option<Timestamp>,
    /// The `Upcloud-Cid` header: the cloud's name for this request.
    pub correlation: Option<String>,
    /// The `Upcloud-Total-Count` header: rows of the whole list.
    pub total: Option<u64>,
    /// The `Retry-After` header, as a delay from now.
    pub retry_after: Option<Duration>,
    /// The `Content-Type` header without parameters, in lower case.
    pub content_type: Option<String>,
    /// The `Location` header of a redirect.
    pub location: Option<String>,
    /// The body; empty if `torn`.
    pub body: Zeroizing<Vec<u8>>,
    /// The body of a refusal was cut or too large.
    pub torn: bool,
}

impl Answer {
    pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text("date").and_then(|text| httpdate::parse_http_date(text).ok());
        Self {
            status,
            date: date.and_then(|date| Timestamp::try_from(date).ok()),
            correlation: text("upcloud-cid").map(str::to_owned),
            total: text("upcloud-total-count").and_then(|text| text.trim().parse().ok()),
            retry_after: text("retry-after").and_then(|text| delay(text, date)),
            content_type: text(header::CONTENT_TYPE.as_str()).map(media_type),
            location: text("location").map(str::to_owned),
            body: Zeroizing::default(),
            torn: false,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("date", &self.date)
            .field("correlation", &self.correlation)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn media_type(text: &str) -> String {
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// `Retry-After` is a number of seconds, or a date, which is read by the cloud's own clock.
fn delay(text: &str, date: Option<SystemTime>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    until.duration_since(date?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_of_the_clouds_clock() {
        let now = httpdate::parse_http_date("Tue, 03 Feb 2026 09:10:11 GMT").unwrap();
        for (text, expected) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Tue, 03 Feb 2026 09:11:11 GMT", Some(60)),
            ("Tue, 03 Feb 2026 09:00:00 GMT", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(
                delay(text, Some(now)),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
        assert_eq!(delay("Tue, 03 Feb 2026 09:11:11 GMT", None), None);
    }

    #[test]
    fn the_head_is_read_without_regard_to_case() {
        let mut headers = HeaderMap::new();
        headers.insert("date", "Tue, 03 Feb 2026 09:10:11 GMT".parse().unwrap());
        headers.insert("Upcloud-Total-Count", "137".parse().unwrap());
        headers.insert("UPCLOUD-CID", "01KDN7A0B1C2D3E4F5G6H7J8K9".parse().unwrap());
        headers.insert(
            "content-type",
            "Application/Problem+JSON; charset=UTF-8".parse().unwrap(),
        );
        let answer = Answer::head(StatusCode::OK, &headers);
        assert_eq!(answer.date.unwrap().to_string(), "2026-02-03T09:10:11Z");
        assert_eq!(answer.total, Some(137));
        assert_eq!(
            answer.correlation.as_deref(),
            Some("01KDN7A0B1C2D3E4F5G6H7J8K9")
        );
        assert_eq!(
            answer.content_type.as_deref(),
            Some("application/problem+json")
        );
    }
}

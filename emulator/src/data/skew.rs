//! How old a signature may be, by two clocks.
//!
//! Tests move the emulator's clock and that of the program under test, but not that of an SDK or
//! a command line tool beside them. So a time of signing is good if it is right by either clock,
//! the real one or the emulator's.

use http::request::Parts;
use jiff::Timestamp;
use s3s::{S3Result, s3_error};

/// Greatest difference between the time of signing and ours, in seconds (AWS: 15 minutes).
const LARGEST: i64 = 900;

/// Whether a request signed at this time is neither too old nor too early.
pub(super) fn is_fresh(signed_at: Timestamp, now: Timestamp) -> bool {
    [now, Timestamp::now()].into_iter().any(|clock| {
        let age = clock.as_second() - signed_at.as_second();
        age.abs() <= LARGEST
    })
}

/// Whether a signature in a query, good for so many seconds, is neither over nor ahead of time.
pub(super) fn is_alive(signed_at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    [now, Timestamp::now()].into_iter().any(|clock| {
        let age = clock.as_second() - signed_at.as_second();
        (-LARGEST..=seconds).contains(&age)
    })
}

/// The time in `X-Amz-Date`: `20260203T091011Z`.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|at| at.timestamp())
        .ok()
}

/// Refuses an S3 request signed too early or too late. What is not signed, or not by a date that can
/// be read, passes: it is refused elsewhere. Presigned URLs run out by the clock they were made by.
pub(super) fn check(parts: &Parts, now: Timestamp) -> S3Result<()> {
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes());
    let (mut presigned, mut expires) = (None, None);
    for (name, value) in query {
        match name.as_ref() {
            "X-Amz-Date" => presigned = parse(&value),
            "X-Amz-Expires" => expires = value.parse::<i64>().ok(),
            _ => {}
        }
    }
    if let Some(signed_at) = presigned {
        let (signed, real) = (signed_at.as_second(), Timestamp::now().as_second());
        // s3s has seen to what was presigned by the real clock.
        let by_ours = signed > real + LARGEST;
        if by_ours && signed > now.as_second() + LARGEST {
            return Err(too_skewed());
        }
        if by_ours && expires.is_some_and(|expires| now.as_second() - signed > expires) {
            return Err(s3_error!(AccessDenied, "Request has expired"));
        }
        return Ok(());
    }
    let signed = text("authorization").is_some_and(|value| value.starts_with("AWS4-"));
    match text("x-amz-date").and_then(parse) {
        Some(signed_at) if signed && !is_fresh(signed_at, now) => Err(too_skewed()),
        _ => Ok(()),
    }
}

fn too_skewed() -> s3s::S3Error {
    s3_error!(
        RequestTimeTooSkewed,
        "The difference between the request time and the current time is too large."
    )
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn compact(at: Timestamp) -> String {
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn header(signed_at: Timestamp, now: Timestamp) -> bool {
        let request = http::Request::get("/")
            .header("authorization", "AWS4-HMAC-SHA256 x")
            .header("x-amz-date", compact(signed_at));
        check(&request.body(()).unwrap().into_parts().0, now).is_ok()
    }

    fn presigned(signed_at: Timestamp, seconds: i64, now: Timestamp) -> bool {
        let uri = format!(
            "/?X-Amz-Date={}&X-Amz-Expires={seconds}",
            compact(signed_at)
        );
        let request = http::Request::get(uri).body(()).unwrap();
        check(&request.into_parts().0, now).is_ok()
    }

    #[test]
    fn a_time_of_signing_is_good_by_either_clock() {
        let real = Timestamp::now();
        let hours = |count| real + SignedDuration::from_hours(count);
        assert!(header(real, hours(10)));
        assert!(header(hours(10), hours(10)));
        assert!(!header(hours(5), hours(10)));
        assert!(!header(hours(-5), hours(10)));
    }

    #[test]
    fn a_presigned_url_runs_out_by_the_clock_it_was_made_by() {
        let real = Timestamp::now();
        let hours = |count| real + SignedDuration::from_hours(count);
        assert!(presigned(real, 60, hours(10)));
        assert!(presigned(hours(10), 60, hours(10)));
        assert!(!presigned(hours(9), 60, hours(10)));
        assert!(!presigned(hours(11), 60, hours(10)));
    }
}

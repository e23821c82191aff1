//! Metrics: operations 19 and 20. The series is summed from the minutes the data plane noted.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Context;
use super::call::{Answer, Call, Reply};
use super::services::{check_limit, check_sort};
use crate::choices::{Choice, Choices};
use crate::state::service::{Service, Traffic};
use crate::validate::Check;

pub fn totals(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (objects, bytes) = call.service(cx.account)?.usage();
    Ok(Answer::ok(
        json!({"total_objects": objects, "total_size_bytes": bytes}),
    ))
}

pub fn series(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let mut check = Check::default();
    let (limit, offset) = call.page(&mut check);
    check_limit(&mut check, call, choices);
    let sort = call.param("sort").unwrap_or("created_at");
    check_sort(&mut check, sort);
    let to = moment(&mut check, call, "to").unwrap_or(now);
    let day = SignedDuration::from_hours(24);
    let from = moment(&mut check, call, "from")
        .or_else(|| to.checked_sub(day).ok())
        .unwrap_or(to);
    let step = interval(call.param("interval").unwrap_or("1h"), choices).unwrap_or_else(|| {
        check.note("interval", "Value must be a number and one of m, h, d, w.");
        3600
    });
    check.done()?;
    let (from, to) = (from.as_second(), to.as_second());
    let count = usize::try_from((to - from).max(0).div_euclid(step)).unwrap_or(0);
    let rows = (0..count.saturating_sub(offset).min(limit)).map(|row| {
        let at = offset + row;
        let slot = if sort.starts_with('-') {
            count - 1 - at
        } else {
            at
        };
        let start = from + step * i64::try_from(slot).unwrap_or(0);
        slice(service, start, start + step)
    });
    Ok(Answer::ok(rows.collect()))
}

fn moment(check: &mut Check, call: &Call, name: &str) -> Option<Timestamp> {
    let text = call.param(name)?;
    let parsed = text.parse::<Timestamp>();
    if parsed.is_err() {
        check.note(name, "Value must be an RFC 3339 time.");
    }
    parsed.ok()
}

/// Seconds of `1h`, `1d`, `1w`, `1m` and their multiples.
fn interval(text: &str, choices: &Choices) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        'm' if choices.is(Choice::IntervalMonth, "month") => 30 * 86_400,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    number
        .checked_mul(seconds)
        .filter(|length| (60..=366 * 86_400).contains(length))
}

fn slice(service: &Service, start: i64, end: i64) -> Value {
    let (first, last) = (start.div_euclid(60), end.div_euclid(60));
    let mut sum = Traffic::default();
    for (_, minute) in service.traffic.range(first..last) {
        sum.objects_created += minute.objects_created;
        sum.objects_deleted += minute.objects_deleted;
        sum.bytes_created += minute.bytes_created;
        sum.bytes_deleted += minute.bytes_deleted;
    }
    // What was there at the end: what is there now without what came after.
    let (mut objects, mut bytes) = service.usage();
    for (_, minute) in service.traffic.range(last..) {
        objects -= minute.objects_created - minute.objects_deleted;
        bytes -= minute.bytes_created - minute.bytes_deleted;
    }
    json!({
        "bytes_created": sum.bytes_created,
        "bytes_deleted": sum.bytes_deleted,
        "bytes_received": sum.bytes_created,
        "bytes_total": bytes.max(0),
        "bytes_transmitted": 0,
        "end_at": time(end),
        "objects_created": sum.objects_created,
        "objects_deleted": sum.objects_deleted,
        "objects_total": objects.max(0),
        "start_at": time(start),
    })
}

fn time(second: i64) -> String {
    Timestamp::from_second(second)
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_a_number_and_a_unit() {
        let mut choices = Choices::default();
        assert_eq!(interval("1h", &choices), Some(3600));
        assert_eq!(interval("2d", &choices), Some(172_800));
        assert_eq!(interval("5m", &choices), Some(300));
        for bad in ["", "h", "0h", "-1h", "1y", "9999999999999999w", "1é"] {
            assert_eq!(interval(bad, &choices), None, "{bad}");
        }
        choices.turn("interval-m", "month").unwrap();
        assert_eq!(interval("1m", &choices), Some(2_592_000));
    }
}

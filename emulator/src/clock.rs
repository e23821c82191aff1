//! The emulator's clock: real time plus a shift that tests move forward.
//!
//! Everything that shows or depends on time (Date headers, `created_at`, the state machine, the
//! purge of buckets, late application) asks this clock, so that ten minutes pass in one call.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp, Unit};

/// Real time plus a shift in milliseconds.
#[derive(Debug, Default)]
pub struct Clock {
    shift_ms: AtomicI64,
}

impl Clock {
    /// A clock that already runs ahead of real time by `shift_ms` milliseconds.
    pub fn shifted(shift_ms: i64) -> Self {
        Self {
            shift_ms: AtomicI64::new(shift_ms),
        }
    }

    /// How far this clock runs ahead of real time, in milliseconds.
    pub fn shift_ms(&self) -> i64 {
        self.shift_ms.load(Ordering::SeqCst)
    }

    /// The emulator's time, with microseconds.
    pub fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        let shifted = real.saturating_add(SignedDuration::from_millis(self.shift_ms()));
        shifted
            .unwrap_or(real)
            .round(Unit::Microsecond)
            .unwrap_or(real)
    }

    /// Moves the clock forward by `by_ms` milliseconds and returns the new time.
    pub fn advance(&self, by_ms: i64) -> Timestamp {
        self.shift_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.now()
    }
}

/// The same time without its fraction of a second, as IAM objects carry it.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The value of a Date header (RFC 9110).
pub fn http_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advanced_clock_keeps_its_shift() {
        let clock = Clock::default();
        let before = clock.now();
        let after = clock.advance(600_000);
        assert!(after.duration_since(before) >= SignedDuration::from_secs(600));
    }

    #[test]
    fn dates_read_as_http_wants_them() {
        let at: Timestamp = "2026-02-03T09:10:11.5Z".parse().unwrap();
        assert_eq!(http_date(at), "Tue, 03 Feb 2026 09:10:11 GMT");
        assert_eq!(whole_second(at).to_string(), "2026-02-03T09:10:11Z");
    }
}

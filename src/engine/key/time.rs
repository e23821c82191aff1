//! Cloud time in whole seconds, and the protocol's periods.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How long after its list an attempt may still bring a key to life.
///
/// The POST starts within 10 s of the list and gives up after 30 s; the rest is for a proxy that delivers it late.
pub const LATE: SignedDuration = SignedDuration::from_secs(180);

/// How long a key that may be a lost one of ours stays Active, and then Inactive, before it is deleted.
///
/// Long enough for its owner to notice, and longer than any pass (120 s), so that no stale replica still acts on
/// evidence from before.
pub const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// Allowed difference between a key's `created_at` and the `Date` of the cloud's answers.
pub const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How long a signed test may find the data plane unreachable before a resource without a usable key is given the
/// untested one.
pub const TEST_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// A moment in cloud time (the `Date` header of an answer), whole seconds.
///
/// Serialized as RFC 3339 in UTC: `2026-05-04T12:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(from = "Timestamp", into = "Timestamp")]
pub struct Moment(Timestamp);

impl Moment {
    /// The second `time` lies in.
    pub fn of(time: Timestamp) -> Self {
        Self(Timestamp::from_second(time.as_second()).unwrap_or(time))
    }

    /// This moment plus `span`; the end of time where that is past it.
    #[must_use]
    pub fn plus(self, span: SignedDuration) -> Self {
        Self(self.0.saturating_add(span).unwrap_or(Timestamp::MAX))
    }

    /// This moment minus `span`; the beginning of time where that is before it.
    #[must_use]
    pub fn minus(self, span: SignedDuration) -> Self {
        Self(self.0.saturating_sub(span).unwrap_or(Timestamp::MIN))
    }

    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::of(time)
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

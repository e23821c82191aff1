//! What went wrong, in the words the loop acts on.
//!
//! Every cloud turns its errors into a [`Fault`]: a class that picks the delay before the next try, a
//! reason for the condition, a message for the user, and the cloud's correlation id for its support.
//! The id changes with every answer, so it stays out of the message: a status that repeats the same
//! trouble must not change.

use std::fmt;
use std::time::Duration;

/// A failed step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Picks the delay before the next try.
    pub class: Class,
    /// The condition's reason.
    pub reason: Reason,
    /// For the user: what failed and what to do. Without a full stop; holds no secret.
    pub message: String,
    /// The cloud's id of the failed answer; for logs and events, not for conditions.
    pub correlation: Option<String>,
}

impl Fault {
    /// A fault without a correlation id.
    pub fn new(class: Class, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into(),
            correlation: None,
        }
    }

    /// The same fault with the cloud's correlation id.
    #[must_use]
    pub fn correlated(mut self, id: Option<String>) -> Self {
        self.correlation = id;
        self
    }
}

/// How a fault is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// May go away by itself: tried again with growing delay.
    Transient,
    /// The cloud asked for a pause of this length.
    Throttled(Duration),
    /// The credentials do not allow it: tried again slowly, and when they change.
    Denied,
    /// Fails again until somebody changes something.
    Terminal,
    /// Somebody else wrote first: read again and decide anew, soon.
    Conflict,
}

/// A condition's reason: `PascalCase`, one of the constants below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason(&'static str);

impl Reason {
    /// The cloud does not answer, or answers with an internal fault.
    pub const CLOUD_UNAVAILABLE: Self = Self("CloudUnavailable");
    /// It is unknown whether the cloud did what it was asked for.
    pub const OUTCOME_UNKNOWN: Self = Self("OutcomeUnknown");
    /// An answer came that is not of the API's shape.
    pub const ANSWER_NOT_UNDERSTOOD: Self = Self("AnswerNotUnderstood");
    /// The endpoint points somewhere else.
    pub const REDIRECTED: Self = Self("Redirected");
    /// Too many requests.
    pub const THROTTLED: Self = Self("Throttled");
    /// The credentials are wrong or expired.
    pub const CREDENTIALS_REFUSED: Self = Self("CredentialsRefused");
    /// The credentials are good but lack a permission.
    pub const PERMISSION_MISSING: Self = Self("PermissionMissing");
    /// The account cannot pay.
    pub const INSUFFICIENT_CREDITS: Self = Self("InsufficientCredits");
    /// A limit of the account or of the cloud is reached.
    pub const QUOTA_EXCEEDED: Self = Self("QuotaExceeded");
    /// Something of this name is there already.
    pub const NAME_TAKEN: Self = Self("NameTaken");
    /// Something that the request names is not there.
    pub const NOT_FOUND: Self = Self("NotFound");
    /// It is in use by others and cannot go.
    pub const STILL_ATTACHED: Self = Self("StillAttached");
    /// It holds things and cannot go.
    pub const NOT_EMPTY: Self = Self("NotEmpty");
    /// It is protected against termination.
    pub const PROTECTED: Self = Self("TerminationProtected");
    /// The cloud refused the request as invalid.
    pub const REFUSED: Self = Self("Refused");

    /// The word as it stands in a condition.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

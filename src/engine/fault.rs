//! What can go wrong between us and a cloud, in one form for all clouds.

use std::time::Duration;

use super::reason::Reason;

/// How a fault is handled: the class picks the delay before the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// May go away by itself: tried again, with growing delays.
    Transient,
    /// The cloud asked for fewer requests: tried again after its own delay.
    Throttled(Duration),
    /// Credentials or rights are missing: tried again slowly, and at once when the account changes.
    Denied,
    /// The spec must be changed first: tried again when it is, and now and then.
    Terminal,
    /// Somebody else wrote at the same time: decided anew at once.
    Conflict,
}

impl Class {
    /// The word for metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled(_) => "throttled",
            Self::Denied => "denied",
            Self::Terminal => "terminal",
            Self::Conflict => "conflict",
        }
    }
}

/// A fault of the cloud or of what we asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// How it is handled.
    pub class: Class,
    /// Its name in conditions.
    pub reason: Reason,
    /// What happened and what helps, for the user.
    pub message: String,
    /// The cloud's id of the failed request, to quote to its support.
    pub correlation: Option<String>,
}

impl Fault {
    /// A fault of the given class.
    pub fn new(class: Class, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into(),
            correlation: None,
        }
    }

    /// A fault that only an edit of the spec can mend.
    pub fn terminal(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Class::Terminal, reason, message)
    }

    /// A fault that may go away by itself.
    pub fn transient(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Class::Transient, reason, message)
    }

    /// The same fault with the cloud's correlation id.
    #[must_use]
    pub fn correlated(mut self, id: Option<String>) -> Self {
        self.correlation = id;
        self
    }

    /// The message with the cloud's request id, for logs and events. Conditions go without the id: it changes with every answer, and a
    /// status that repeats the same trouble must not change.
    pub fn told(&self) -> String {
        match &self.correlation {
            Some(id) => format!("{} (request {id})", self.message),
            None => self.message.clone(),
        }
    }
}

//! What can go wrong before there is an answer.

use std::error::Error;

use ::http::StatusCode;

use super::route::Bad;

/// No answer, or none that could be read. Holds neither credentials nor bodies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request cannot be built; it was not sent.
    #[error(transparent)]
    Invalid(#[from] Bad),
    /// No connection was opened; the request was certainly not sent.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// No answer within the request timeout; it may have been done.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke before an answer came; it may have been done.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The cloud reported success, but the body was cut or too large.
    #[error("the answer ({status}) could not be read: {cause}")]
    Torn {
        /// The answer's status.
        status: StatusCode,
        /// Why the body is missing.
        cause: String,
    },
}

impl TransportError {
    /// True if the request certainly never reached the cloud.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Unreachable(_) => true,
            Self::Timeout | Self::Unanswered(_) | Self::Torn { .. } => false,
        }
    }

    /// Reads the client's error. The order matters: a connection that was not opened in time is a
    /// connection error *and* a timeout.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable(root_cause(error))
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Unanswered(root_cause(error))
        }
    }
}

/// A transport cannot be built from these options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The endpoint is unusable.
    #[error("the endpoint is not usable: {0}")]
    BaseUrl(&'static str),
    /// The CA bundle does not parse.
    #[error("the CA bundle is not a list of PEM certificates")]
    CaBundle,
    /// The proxy does not parse. It is not quoted: it may hold a password.
    #[error("the proxy is not a URL")]
    Proxy,
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// The innermost cause: "connection refused" says more than "error sending request", and names no URL.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

//! A refusal in the engine's terms and the user's words.

use std::time::Duration;

use super::{ApiError, Problem};
use crate::engine::{
    fault::{Class, Fault},
    reason::Reason,
};
use crate::http::{Bad, TransportError};

/// Pause after a 429 that names none.
const PAUSE: Duration = Duration::from_secs(5);

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        match &error {
            ApiError::Refused(problem) => of_problem(problem),
            ApiError::Transport {
                does,
                host,
                reads,
                source,
            } => of_transport(does, host, *reads, source),
            ApiError::Unreadable(unreadable) => Fault::new(
                Class::Transient,
                Reason::AnswerNotUnderstood,
                format!(
                    "cannot {}: {unreadable}; is the endpoint of the Account right?",
                    unreadable.does
                ),
            )
            .correlated(unreadable.correlation_id.clone()),
        }
    }
}

fn of_transport(does: &str, host: &str, reads: bool, error: &TransportError) -> Fault {
    match error {
        TransportError::Invalid(Bad::Credentials) => Fault::new(
            Class::Denied,
            Reason::CredentialsRefused,
            format!("cannot {does}: {error}"),
        ),
        TransportError::Invalid(_) => Fault::new(
            Class::Terminal,
            Reason::Refused,
            format!("cannot {does}: {error}"),
        ),
        TransportError::Unreachable(_) => Fault::new(
            Class::Transient,
            Reason::CloudUnavailable,
            format!("cannot {does}: {host}: {error}"),
        ),
        TransportError::Timeout | TransportError::Unanswered(_) | TransportError::Torn { .. }
            if reads =>
        {
            Fault::new(
                Class::Transient,
                Reason::CloudUnavailable,
                format!("cannot {does}: {host}: {error}"),
            )
        }
        TransportError::Timeout | TransportError::Unanswered(_) | TransportError::Torn { .. } => {
            Fault::new(
                Class::Transient,
                Reason::OutcomeUnknown,
                format!("asked {host} to {does}, but it is unknown whether that was done: {error}"),
            )
        }
    }
}

fn of_problem(problem: &Problem) -> Fault {
    let does = problem.does;
    let (class, reason, message) = match problem.status {
        300..=399 => (Class::Terminal, Reason::Redirected, redirected(problem)),
        401 => (
            Class::Denied,
            Reason::CredentialsRefused,
            format!(
                "UpCloud does not accept the credentials: {problem}; put valid ones into the Account's Secret"
            ),
        ),
        402 => (
            Class::Terminal,
            Reason::InsufficientCredits,
            format!(
                "cannot {does}: the UpCloud account cannot pay for it: {problem}; add credit to the account"
            ),
        ),
        403 => (
            Class::Denied,
            Reason::PermissionMissing,
            format!(
                "the credentials do not allow to {does}: {problem}; allow object storage for the API user"
            ),
        ),
        408 | 500..=599 => (
            Class::Transient,
            Reason::CloudUnavailable,
            format!("UpCloud failed to {does}: {problem}"),
        ),
        429 => (
            Class::Throttled(problem.retry_after.unwrap_or(PAUSE)),
            Reason::Throttled,
            format!(
                "UpCloud asks for fewer requests, could not {does} yet; lower requestsPerSecond if this stays"
            ),
        ),
        404 if problem.is_not_found() => (
            Class::Transient,
            Reason::NotFound,
            format!(
                "cannot {does}: UpCloud knows nothing at {}, or not what the request names",
                problem.path
            ),
        ),
        404 => (
            Class::Transient,
            Reason::AnswerNotUnderstood,
            format!(
                "cannot {does}: not UpCloud's own answer: {problem}; is the endpoint of the Account right?"
            ),
        ),
        _ => refused(problem),
    };
    Fault::new(class, reason, message).correlated(problem.correlation_id.clone())
}

/// 4xx whose words tell more than the status.
fn refused(problem: &Problem) -> (Class, Reason, String) {
    let does = problem.does;
    if problem.is_attached() {
        let message = format!(
            "cannot {does}: it is still attached: {problem}; detach it from users, groups and roles"
        );
        (Class::Transient, Reason::StillAttached, message)
    } else if problem.is_quota() {
        let message = format!(
            "cannot {does}: a limit is reached: {problem}; delete what is not needed, or ask UpCloud"
        );
        (Class::Terminal, Reason::QuotaExceeded, message)
    } else if problem.is_taken() {
        let message = format!(
            "cannot {does}: it exists already: {problem}; choose another name, or allow adoption"
        );
        (Class::Terminal, Reason::NameTaken, message)
    } else if problem.is_protected() {
        let message = format!("cannot {does}: {problem}; set terminationProtection to false first");
        (Class::Terminal, Reason::TerminationProtected, message)
    } else if problem.is_not_empty() {
        let message = format!("cannot {does}: {problem}; empty it first");
        (Class::Terminal, Reason::NotEmpty, message)
    } else {
        (
            Class::Terminal,
            Reason::Refused,
            format!("UpCloud refused to {does}: {problem}"),
        )
    }
}

fn redirected(problem: &Problem) -> String {
    let does = problem.does;
    match &problem.redirect {
        Some(host) => format!(
            "cannot {does}: the endpoint redirects to {host}, which credentials do not follow; \
             set the Account's endpoint to the final address"
        ),
        None => format!(
            "cannot {does}: the endpoint redirects ({}); is it right?",
            problem.status
        ),
    }
}

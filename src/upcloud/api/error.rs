//! What the API's refusals mean.
//!
//! Three forms are read: the product's own (RFC 7807), the older one of UpCloud's gateway, and anything
//! else, kept as text:
//!
//! ```json
//! {"type": "https://developers.upcloud.com/1.3/errors#ERROR_INVALID_REQUEST", "title": "Validation error.",
//!  "invalid_params": [{"name": "networks.0.uuid", "reason": "'' is not valid 'uuid'."}],
//!  "correlation_id": "01KDN7A0B1C2D3E4F5G6H7J8K9", "status": 400}
//! {"error": {"error_code": "AUTHENTICATION_FAILED", "error_message": "Authentication failed."}}
//! ```
//!
//! The status decides, the code refines. Few refusals are documented: a name that is taken may be 400 or
//! 409, a full quota is 400, so callers look again before they believe. What texts are known stands in
//! [`Problem`]'s readings, and in one table of tests.

mod fault;

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::shape::{open_enum, or_default};
use crate::http::{Answer, Bad, Route, TransportError};

/// Bytes kept of an answer that is in no known form.
const TEXT: usize = 1024;

/// A request that did not do what it was for. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// The API answered with a status other than 2xx.
    #[error("cannot {}: {}", .0.does, .0)]
    Refused(Box<Problem>),
    /// There is no answer.
    #[error("cannot {does} at {host}: {source}")]
    Transport {
        /// What was tried.
        does: &'static str,
        /// Where.
        host: String,
        /// Whether it was only to look: then nothing can have been done.
        reads: bool,
        /// What became of it.
        source: TransportError,
    },
    /// A success whose body is not what it should be.
    #[error("cannot {}: {}", .0.does, .0)]
    Unreadable(Box<Unreadable>),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What was tried.
    pub does: &'static str,
    /// On which path.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The API's code; none if the answer is in no known form.
    pub code: Option<Code>,
    /// The API's sentence.
    pub title: String,
    /// What is wrong with the request.
    pub invalid_params: Vec<InvalidParam>,
    /// The API's name for this answer.
    pub correlation_id: Option<String>,
    /// The pause the API asked for.
    pub retry_after: Option<Duration>,
    /// The first KiB of an answer in no known form, unless it is one to a request for a key.
    pub text: Option<String>,
    /// Scheme and host of a redirect.
    pub redirect: Option<String>,
}

/// One complaint about a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvalidParam {
    /// A dotted path into the body, or `(root)`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The complaint.
    #[serde(default, deserialize_with = "or_default")]
    pub reason: String,
}

open_enum! {
    /// The API's code: the fragment of `type` without `ERROR_`, or `error_code`.
    Code {
        /// 400.
        InvalidRequest = "INVALID_REQUEST",
        /// 401.
        AuthenticationFailed = "AUTHENTICATION_FAILED",
        /// 402.
        InsufficientCredits = "INSUFFICIENT_CREDITS",
        /// 404.
        ResourceNotFound = "RESOURCE_NOT_FOUND",
        /// 405.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// 409; never recorded from this product.
        ResourceAlreadyExists = "RESOURCE_ALREADY_EXISTS",
        /// 409; never recorded from this product.
        ServiceExists = "SERVICE_EXISTS",
        /// 500.
        GeneralFailure = "GENERAL_FAILURE",
    }
}

/// A success that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was tried.
    pub does: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with the answer. Does not quote it: it may hold a secret.
    pub complaint: String,
    /// The API's name for this answer.
    pub correlation_id: Option<String>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the answer ({}) is not what the API describes: {}",
            self.status, self.complaint
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.said(), self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        f.write_str(")")
    }
}

impl ApiError {
    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Unreadable(unreadable) => Some(unreadable.status),
            Self::Transport {
                source: TransportError::Torn { status, .. },
                ..
            } => Some(status.as_u16()),
            Self::Transport { .. } => None,
        }
    }

    /// The refusal, if it is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Transport { .. } | Self::Unreadable(_) => None,
        }
    }

    /// The API's name for the failed answer.
    pub fn correlation_id(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => problem.correlation_id.as_deref(),
            Self::Unreadable(unreadable) => unreadable.correlation_id.as_deref(),
            Self::Transport { .. } => None,
        }
    }

    /// The API itself says that something on the path does not exist: the thing, or one of its parents.
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(Problem::is_not_found)
    }

    /// A create was refused in a way that may mean "it exists already": 400 or 409. Look again.
    pub fn maybe_exists(&self) -> bool {
        matches!(
            self.problem().map(|problem| problem.status),
            Some(400 | 409)
        )
    }

    /// A deletion was refused because the thing is attached somewhere.
    pub fn is_attached(&self) -> bool {
        self.problem().is_some_and(Problem::is_attached)
    }

    /// Refused because a limit is reached.
    pub fn is_quota(&self) -> bool {
        self.problem().is_some_and(Problem::is_quota)
    }

    /// The same request may succeed later: 408, 429, 5xx, or no answer.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(problem) => matches!(problem.status, 408 | 429 | 500..=599),
            Self::Transport { source, .. } => !matches!(source, TransportError::Invalid(_)),
            Self::Unreadable(_) => false,
        }
    }

    /// The request was certainly not carried out: a 4xx but 408, or it never left. Anything else, a 5xx
    /// too, may have been.
    pub fn certain_refusal(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.status != 408 && (400..500).contains(&problem.status),
            Self::Transport { source, .. } => source.is_unsent(),
            Self::Unreadable(_) => false,
        }
    }

    pub(super) fn unsent(route: &'static Route, bad: Bad) -> Self {
        Self::Transport {
            does: route.does,
            host: "UpCloud".to_owned(),
            reads: is_read(route),
            source: bad.into(),
        }
    }

    pub(super) fn transport(route: &'static Route, host: &str, source: TransportError) -> Self {
        Self::Transport {
            does: route.does,
            host: host.to_owned(),
            reads: is_read(route),
            source,
        }
    }

    pub(super) fn refused(route: &'static Route, path: &str, answer: &Answer) -> Self {
        Self::Refused(Box::new(Problem::read(route.does, path, answer)))
    }

    pub(super) fn unreadable(
        route: &'static Route,
        answer: &Answer,
        error: &serde_json::Error,
    ) -> Self {
        let complaint = match answer.content_type.as_deref() {
            Some("application/json" | "application/problem+json") | None => {
                // The error's own words may quote the answer.
                let (line, column) = (error.line(), error.column());
                match error.classify() {
                    serde_json::error::Category::Data => {
                        format!("unexpected value at line {line} column {column}")
                    }
                    serde_json::error::Category::Eof => "it ends too early".to_owned(),
                    serde_json::error::Category::Io | serde_json::error::Category::Syntax => {
                        format!("no JSON at line {line} column {column}")
                    }
                }
            }
            Some(other) => format!("it is {other}, not JSON"),
        };
        Self::strange(route, answer, complaint)
    }

    pub(super) fn undated(route: &'static Route, answer: &Answer) -> Self {
        Self::strange(route, answer, "it has no Date header".to_owned())
    }

    pub(super) fn no_secret(route: &'static Route, answer: &Answer) -> Self {
        Self::strange(route, answer, "the new key has no secret".to_owned())
    }

    pub(super) fn endless(route: &'static Route) -> Self {
        let complaint = "the list does not end".to_owned();
        Self::Unreadable(Box::new(Unreadable {
            does: route.does,
            status: 200,
            complaint,
            correlation_id: None,
        }))
    }

    fn strange(route: &'static Route, answer: &Answer, complaint: String) -> Self {
        let (status, correlation_id) = (answer.status.as_u16(), answer.correlation.clone());
        Self::Unreadable(Box::new(Unreadable {
            does: route.does,
            status,
            complaint,
            correlation_id,
        }))
    }
}

/// The product's form.
#[derive(Deserialize)]
struct Rfc7807 {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default, deserialize_with = "or_default")]
    invalid_params: Vec<InvalidParam>,
    #[serde(default)]
    correlation_id: Option<String>,
}

/// The gateway's form.
#[derive(Deserialize)]
struct Legacy {
    error: LegacyError,
}

#[derive(Deserialize)]
struct LegacyError {
    error_code: String,
    #[serde(default, deserialize_with = "or_default")]
    error_message: String,
}

fn is_read(route: &Route) -> bool {
    route.method == reqwest::Method::GET
}

/// Whether an answer may hold a secret even where it says that something went wrong: then it is not quoted.
fn holds_secret(does: &str) -> bool {
    does == super::routes::CREATE_KEY.does
}

impl Problem {
    fn read(does: &'static str, path: &str, answer: &Answer) -> Self {
        let mut problem = Self {
            does,
            path: path.to_owned(),
            status: answer.status.as_u16(),
            code: None,
            title: String::new(),
            invalid_params: Vec::new(),
            correlation_id: answer.correlation.clone(),
            retry_after: answer.retry_after,
            text: None,
            redirect: answer.location.as_deref().and_then(origin),
        };
        if let Ok(read) = serde_json::from_slice::<Rfc7807>(&answer.body) {
            problem.code = Some(code(&read.kind));
            problem.title = read.title;
            problem.invalid_params = read.invalid_params;
            problem.correlation_id = read.correlation_id.or(problem.correlation_id);
        } else if let Ok(Legacy { error }) = serde_json::from_slice(&answer.body) {
            problem.code = Some(error.error_code.into());
            problem.title = error.error_message;
        } else if !answer.body.is_empty() && !holds_secret(does) {
            let start = answer.body.get(..TEXT).unwrap_or(&answer.body);
            problem.text = Some(String::from_utf8_lossy(start).trim().to_owned());
        }
        problem
    }

    /// A 404 in the API's own form. A 404 without it comes from something in between.
    pub fn is_not_found(&self) -> bool {
        match &self.code {
            Some(Code::ResourceNotFound) => self.status == 404,
            Some(Code::Other(code)) => self.status == 404 && code.ends_with("NOT_FOUND"),
            _ => false,
        }
    }

    /// The one text of this kind that is known: `Iam managed policy … has attached subordinate entities …`.
    pub fn is_attached(&self) -> bool {
        (400..500).contains(&self.status)
            && self.says(&["attached subordinate entities", "detach all subordinate"])
    }

    /// `Cannot exceed quota for AccessKeysPerUser: 2` and its likes.
    pub fn is_quota(&self) -> bool {
        (400..500).contains(&self.status)
            && self.status != 429
            && (self.says(&["quota", "maximum number"])
                || (self.says(&["limit"]) && self.says(&["reached", "exceeded"])))
    }

    /// Something of this name is there already. Not certain, see [`ApiError::maybe_exists`].
    fn is_taken(&self) -> bool {
        let is_other = matches!(&self.code, Some(Code::Other(code)) if !code.contains("EXIST"));
        (self.status == 409 && !is_other)
            || (matches!(self.status, 400 | 409)
                && self.says(&["already exists", "must be unique", "already in use"]))
            || matches!(
                self.code,
                Some(Code::ResourceAlreadyExists | Code::ServiceExists)
            )
    }

    fn is_protected(&self) -> bool {
        (400..500).contains(&self.status) && self.says(&["termination protection"])
    }

    fn is_not_empty(&self) -> bool {
        (400..500).contains(&self.status) && self.says(&["not empty"])
    }

    fn is_web_page(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.starts_with('<'))
    }

    fn says(&self, words: &[&str]) -> bool {
        let reasons = self.invalid_params.iter().map(|param| &param.reason);
        reasons.chain([&self.title]).any(|text| {
            let text = text.to_ascii_lowercase();
            words.iter().any(|word| text.contains(word))
        })
    }

    /// The API's own words: reasons, or else the title, or else the text.
    fn said(&self) -> String {
        let reasons: Vec<String> = self
            .invalid_params
            .iter()
            .map(|InvalidParam { name, reason }| match name.as_str() {
                "" | "(root)" => trimmed(reason).to_owned(),
                _ => format!("{name}: {}", trimmed(reason)),
            })
            .collect();
        let said = if !reasons.is_empty() {
            reasons.join("; ")
        } else if !self.title.is_empty() {
            trimmed(&self.title).to_owned()
        } else if self.is_web_page() {
            "the answer is a web page, not the API's".to_owned()
        } else {
            self.text
                .clone()
                .unwrap_or_else(|| "no reason given".to_owned())
        };
        shortened(said, TEXT)
    }
}

fn code(kind: &str) -> Code {
    let fragment = kind.rsplit_once('#').map_or(kind, |(_, fragment)| fragment);
    fragment
        .strip_prefix("ERROR_")
        .unwrap_or(fragment)
        .to_owned()
        .into()
}

/// Sentences of the API end with a full stop; ours go on.
fn trimmed(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

fn shortened(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

fn origin(location: &str) -> Option<String> {
    let url: reqwest::Url = location.parse().ok()?;
    url.has_host().then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests;

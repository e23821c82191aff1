//! Who may do what: evaluation of policy documents in the language of AWS IAM.
//!
//! [`decide`] is pure. A document is evaluated as it was stored, without a compile step: requests to an
//! emulator are few, and a policy changes between two of them.
//!
//! The order is that of AWS for one account: an explicit deny anywhere wins; otherwise a bucket policy
//! that names the caller allows, and so do the identity policies within the permissions boundary and the
//! session policy; everything else is denied.
//!
//! What cannot be understood (an unknown condition key or operator, a malformed statement) never opens a
//! door: such a statement does not allow, and if it denies, it does deny. [`Decision::doubt`] says so, for one
//! line in the log.

mod condition;
mod document;
mod pattern;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

pub use document::{is_public, validate_bucket_policy};

use crate::data::directory::PolicySet;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody: an unsigned request.
    Anonymous,
    /// A user with a key of its own.
    User {
        /// Service of the user.
        service: String,
        /// User name.
        name: String,
    },
    /// A session of a role, from STS.
    Session {
        /// Service of the role.
        service: String,
        /// Role name.
        role: String,
        /// Name the session was given.
        session: String,
    },
}

impl Caller {
    /// The caller's ARN (`urn:ecs:iam::<namespace>:user/<name>`); `None` when anonymous.
    pub fn arn(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::User { service, name } => {
                Some(format!("urn:ecs:iam::{}:user/{name}", namespace(service)))
            }
            Self::Session {
                service,
                role,
                session,
            } => Some(format!(
                "urn:ecs:sts::{}:assumed-role/{role}/{session}",
                namespace(service)
            )),
        }
    }

    /// The ARNs by which a policy may name the caller: for a session also its role.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.arn().into_iter().collect();
        if let Self::Session { service, role, .. } = self {
            names.push(format!("urn:ecs:iam::{}:role/{role}", namespace(service)));
        }
        names
    }

    /// Service the caller belongs to; `None` when anonymous.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::User { service, .. } | Self::Session { service, .. } => Some(service),
        }
    }
}

/// The namespace of a service: its UUID without hyphens.
pub fn namespace(service: &str) -> String {
    service.replace('-', "")
}

/// One question: may this caller do this here and now?
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Action with its prefix: `s3:GetObject`.
    pub action: &'a str,
    /// ARN of the thing: `arn:aws:s3:::bucket/key`.
    pub resource: &'a str,
    /// What conditions are measured by.
    pub context: &'a Context,
}

/// Facts about a request that conditions can refer to.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Address of the client.
    pub source_ip: Option<IpAddr>,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// The emulator's clock.
    pub now: Timestamp,
    /// `s3:prefix` and the like: key in lower case, and its value.
    pub facts: Vec<(&'static str, String)>,
}

/// The documents that bear on a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Documents<'a> {
    /// Identity policies and boundary of the caller; `None` when anonymous.
    pub identity: Option<&'a PolicySet>,
    /// Session policies given to `AssumeRole`: together they bound the session, one must allow.
    pub session: &'a [Value],
    /// Policy of the bucket.
    pub bucket: Option<&'a Value>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// What decided.
    pub reason: Reason,
    /// A part of a policy that could not be understood and was taken against the caller.
    pub doubt: Option<String>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A statement denies.
    ExplicitDeny,
    /// The bucket policy allows.
    BucketPolicy,
    /// An identity policy allows, within boundary and session policy.
    IdentityPolicy,
    /// An identity policy would allow, the permissions boundary or the session policy does not.
    Boundary,
    /// Nothing allows.
    NoAllow,
}

/// Decides about one request.
pub fn decide(request: &Request<'_>, documents: Documents<'_>) -> Decision {
    let mut doubt = None;
    let mut read = |document: &Value, principals: bool| {
        document::verdict(document, request, principals, &mut doubt)
    };
    let identity: Vec<_> = documents
        .identity
        .iter()
        .flat_map(|set| &set.identity)
        .map(|(_, document)| read(document, false))
        .collect();
    let boundary = documents
        .identity
        .and_then(|set| set.boundary.as_ref())
        .map(|document| read(document, false));
    let session: Vec<_> = documents
        .session
        .iter()
        .map(|document| read(document, false))
        .collect();
    let bucket = documents.bucket.map(|document| read(document, true));

    let denied = identity
        .iter()
        .chain(&boundary)
        .chain(&session)
        .chain(&bucket)
        .any(|v| v.denies);
    let granted = identity.iter().any(|v| v.allows);
    let bounded = boundary.is_none_or(|v| v.allows)
        && (session.is_empty() || session.iter().any(|v| v.allows));
    // A bucket policy gives to a user what his boundary does not, but a session never gets more
    // than its role and its session policies have room for, unless it is named itself.
    let given = bucket.is_some_and(|v| v.allows)
        && (bounded
            || !matches!(request.caller, Caller::Session { .. })
            || documents
                .bucket
                .is_some_and(|document| document::names_session(document, request)));
    let reason = if denied {
        Reason::ExplicitDeny
    } else if given {
        Reason::BucketPolicy
    } else if granted && bounded {
        Reason::IdentityPolicy
    } else if granted {
        Reason::Boundary
    } else {
        Reason::NoAllow
    };
    Decision {
        allowed: matches!(reason, Reason::BucketPolicy | Reason::IdentityPolicy),
        reason,
        doubt,
    }
}

/// Whether a role's trust policy lets the caller assume it. A trust in the account as a whole (`:root`)
/// counts if the caller's own policies allow it too (`delegated`).
pub fn trusts(trust: &Value, request: &Request<'_>, delegated: bool) -> bool {
    let mut doubt = None;
    let verdict = document::verdict_of_trust(trust, request, delegated, &mut doubt);
    verdict.allows && !verdict.denies
}

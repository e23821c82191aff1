//! The `Condition` block of a statement.

use std::cmp::Ordering::{self, Equal};
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use super::document::list;
use super::pattern::{filled, filled_text, matches};
use super::{Caller, Request};

/// Whether a part of a statement holds for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Met,
    Unmet,
    /// It cannot be told; says what was not understood.
    Unknown(String),
}

impl Outcome {
    /// All parts must hold. One that does not hold settles it, whatever cannot be told beside it.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut out = Self::Met;
        for part in parts {
            match part {
                Self::Unmet => return Self::Unmet,
                Self::Unknown(_) if out == Self::Met => out = part,
                Self::Met | Self::Unknown(_) => {}
            }
        }
        out
    }
}

impl From<bool> for Outcome {
    fn from(met: bool) -> Self {
        if met { Self::Met } else { Self::Unmet }
    }
}

/// The outcome of each condition in a block.
pub(super) fn conditions(block: Option<&Value>, request: &Request<'_>) -> Vec<Outcome> {
    let Some(block) = block else {
        return Vec::new();
    };
    let Value::Object(operators) = block else {
        return vec![Outcome::Unknown("a condition is not an object".into())];
    };
    let mut out = Vec::new();
    for (operator, tests) in operators {
        let Value::Object(tests) = tests else {
            out.push(Outcome::Unknown(format!("{operator} is not an object")));
            continue;
        };
        for (key, values) in tests {
            out.push(test(operator, key, &list(Some(values)), request));
        }
    }
    out
}

/// The value of a condition key in a request.
pub(super) enum Fact {
    Is(String),
    Absent,
    UnknownKey,
}

pub(super) fn fact(key: &str, request: &Request<'_>) -> Fact {
    let key = key.to_ascii_lowercase();
    let found = match key.as_str() {
        "aws:sourceip" => request.context.source_ip.map(|ip| ip.to_string()),
        "aws:securetransport" => Some(request.context.secure.to_string()),
        "aws:currenttime" => Some(request.context.now.to_string()),
        "aws:epochtime" => Some(request.context.now.as_second().to_string()),
        "aws:username" => match request.caller {
            Caller::User { name, .. } => Some(name.clone()),
            Caller::Anonymous | Caller::Session { .. } => None,
        },
        "aws:principalarn" => request.caller.arn(),
        "aws:principaltype" => Some(
            match request.caller {
                Caller::Anonymous => "Anonymous",
                Caller::User { .. } => "User",
                Caller::Session { .. } => "AssumedRole",
            }
            .to_owned(),
        ),
        "aws:principalaccount" => request.caller.service().map(super::namespace),
        _ if FACTS.contains(&key.as_str()) => request
            .context
            .facts
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone()),
        _ => return Fact::UnknownKey,
    };
    found.map_or(Fact::Absent, Fact::Is)
}

/// Keys whose values come with a request.
const FACTS: [&str; 14] = [
    "aws:referer",
    "aws:useragent",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
    "sts:externalid",
];

/// How one value of a policy is compared with the request's.
type Compare = fn(policy: &str, fact: &str, request: &Request<'_>) -> Option<bool>;

fn test(operator: &str, key: &str, values: &[&Value], request: &Request<'_>) -> Outcome {
    let fact = match fact(key, request) {
        Fact::UnknownKey => return Outcome::Unknown(format!("unknown condition key {key:?}")),
        Fact::Absent => None,
        Fact::Is(value) => Some(value),
    };
    if operator == "Null" {
        return match values {
            [value] => truth(value).map_or_else(
                || Outcome::Unknown(format!("Null of {key:?} is not a boolean")),
                |wanted| Outcome::from(fact.is_none() == wanted),
            ),
            _ => Outcome::Unknown(format!("Null of {key:?} has not one value")),
        };
    }
    let (base, if_exists) = match operator.strip_suffix("IfExists") {
        Some(base) => (base, true),
        None => (operator, false),
    };
    // No key here has several values; what the set operators add is the verdict on an absent key.
    let (base, absent) = match base.split_once(':') {
        Some(("ForAllValues", base)) => (base, Some(true)),
        Some(("ForAnyValue", base)) => (base, Some(if_exists)),
        _ => (base, None),
    };
    let Some((compare, negated)) = comparison(base) else {
        return Outcome::Unknown(format!("unknown condition operator {operator:?}"));
    };
    let Some(fact) = fact else {
        return Outcome::from(absent.unwrap_or(negated || if_exists));
    };
    let mut any = false;
    for value in values {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Outcome::Unknown(format!("{operator} of {key:?} is not text")),
        };
        match compare(&text, &fact, request) {
            Some(hit) => any |= hit,
            None => {
                return Outcome::Unknown(format!("{operator} of {key:?} cannot read {text:?}"));
            }
        }
    }
    Outcome::from(any != negated)
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// The comparison an operator makes, and whether it holds when no value matches.
fn comparison(operator: &str) -> Option<(Compare, bool)> {
    Some(match operator {
        "StringEquals" => (equals, false),
        "StringNotEquals" => (equals, true),
        "StringEqualsIgnoreCase" => (equals_ignoring_case, false),
        "StringNotEqualsIgnoreCase" => (equals_ignoring_case, true),
        "StringLike" | "ArnLike" | "ArnEquals" => (like, false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (like, true),
        "NumericEquals" => (|p, f, _| number(p, f, |order| order == Equal), false),
        "NumericNotEquals" => (|p, f, _| number(p, f, |order| order == Equal), true),
        "NumericLessThan" => (|p, f, _| number(p, f, Ordering::is_lt), false),
        "NumericLessThanEquals" => (|p, f, _| number(p, f, Ordering::is_le), false),
        "NumericGreaterThan" => (|p, f, _| number(p, f, Ordering::is_gt), false),
        "NumericGreaterThanEquals" => (|p, f, _| number(p, f, Ordering::is_ge), false),
        "DateEquals" => (|p, f, _| date(p, f, |p, f| f == p), false),
        "DateNotEquals" => (|p, f, _| date(p, f, |p, f| f == p), true),
        "DateLessThan" => (|p, f, _| date(p, f, |p, f| f < p), false),
        "DateLessThanEquals" => (|p, f, _| date(p, f, |p, f| f <= p), false),
        "DateGreaterThan" => (|p, f, _| date(p, f, |p, f| f > p), false),
        "DateGreaterThanEquals" => (|p, f, _| date(p, f, |p, f| f >= p), false),
        "Bool" => (
            |p, f, _| Some(p.to_ascii_lowercase().parse::<bool>().ok()?.to_string() == f),
            false,
        ),
        "IpAddress" => (|p, f, _| within(p, f), false),
        "NotIpAddress" => (|p, f, _| within(p, f), true),
        _ => return None,
    })
}

fn equals(policy: &str, fact: &str, request: &Request<'_>) -> Option<bool> {
    Some(filled_text(policy, request)? == fact)
}

fn equals_ignoring_case(policy: &str, fact: &str, request: &Request<'_>) -> Option<bool> {
    Some(filled_text(policy, request)?.to_lowercase() == fact.to_lowercase())
}

fn like(policy: &str, fact: &str, request: &Request<'_>) -> Option<bool> {
    Some(matches(&filled(policy, request)?, fact))
}

/// A fact that is no number (a client may send `max-keys=x`) compares as unequal.
fn number(policy: &str, fact: &str, holds: fn(Ordering) -> bool) -> Option<bool> {
    let policy: f64 = policy.parse().ok()?;
    let order = fact
        .parse::<f64>()
        .ok()
        .and_then(|f| f.partial_cmp(&policy));
    Some(order.is_some_and(holds))
}

fn date(policy: &str, fact: &str, holds: fn(Timestamp, Timestamp) -> bool) -> Option<bool> {
    Some(holds(moment(policy)?, moment(fact)?))
}

/// A date as policies write it: RFC 3339, a bare day, or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    format!("{text}T00:00:00Z").parse().ok()
}

fn within(network: &str, address: &str) -> Option<bool> {
    let address: IpAddr = address.parse().ok()?;
    let (base, bits) = match network.split_once('/') {
        Some((base, bits)) => (base, Some(bits.parse::<u32>().ok()?)),
        None => (network, None),
    };
    let base: IpAddr = base.parse().ok()?;
    let (width, base, address) = match (base, address.to_canonical()) {
        (IpAddr::V4(b), IpAddr::V4(a)) => (32, u128::from(b.to_bits()), u128::from(a.to_bits())),
        (IpAddr::V6(b), IpAddr::V6(a)) => (128, b.to_bits(), a.to_bits()),
        (_, _) => return Some(false),
    };
    let host_bits = width
        - bits
            .filter(|b| *b <= width)
            .or(bits.is_none().then_some(width))?;
    Some(base.checked_shr(host_bits).unwrap_or(0) == address.checked_shr(host_bits).unwrap_or(0))
}

//! What a policy document means.
//!
//! The API takes a document as text and gives it back in another: percent-encoded with `+` for a space,
//! without white space, a lone `Action` turned into a list of one. So documents are never compared as
//! text: [`decode`] reads every form seen, [`same`] compares what they mean. [`encode`] writes the form
//! that managed policies want, [`text`] the plain one for inline and trust policies. [`validate`] and
//! [`validate_trust`] find the mistakes that the API would refuse, in the user's words, before a request.

mod validate;

use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

pub use validate::{validate, validate_inline, validate_trust};

use crate::http::SEGMENT;

/// Most characters of a managed or inline policy, counted as sent. (Whether the API counts the decoded
/// text is not known; this is the safe reading.)
pub const LIMIT: usize = 6144;

/// Most characters of a trust policy.
pub const TRUST_LIMIT: usize = 131_072;

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy document is not JSON, neither plain nor percent-encoded")]
pub struct Undecodable;

/// Reads a document as any answer holds it: plain JSON, or percent-encoded with `+` or `%20` for a space.
pub fn decode(text: &str) -> Result<Value, Undecodable> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|_| Undecodable);
    }
    let spaced = text.replace('+', " ");
    let plain = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Undecodable)?;
    serde_json::from_str(&plain).map_err(|_| Undecodable)
}

/// The document as managed policies are sent: minified, percent-encoded as RFC 3986 has it (`%20`, not `+`).
pub fn encode(document: &Value) -> String {
    utf8_percent_encode(&text(document), SEGMENT).to_string()
}

/// The document as inline and trust policies are sent: minified, keys in their order.
pub fn text(document: &Value) -> String {
    document.to_string()
}

/// True if both documents mean the same.
///
/// A string is a list of one; actions, resources, principals, condition values and statements are sets; the
/// order of keys does not matter. Case does.
pub fn same(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

/// Eight hexadecimal digits that differ if the meanings do: names inline policies by their content.
pub fn fingerprint(document: &Value) -> String {
    meaning(document).chars().take(8).collect()
}

/// SHA-256 of what the document means, in hexadecimal digits: equal for documents that are the [`same`].
pub fn meaning(document: &Value) -> String {
    let hash = digest(&SHA256, canonical(document).to_string().as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::with_capacity(64), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

/// One form for all documents of one meaning: lists sorted, keys sorted, strings in lists.
fn canonical(document: &Value) -> Value {
    let Value::Object(members) = document else {
        return sorted(document);
    };
    let members = members.iter().map(|(key, value)| {
        let value = if key == "Statement" {
            set(value, statement)
        } else {
            sorted(value)
        };
        (key.clone(), value)
    });
    in_order(members)
}

fn statement(statement: &Value) -> Value {
    let Value::Object(members) = statement else {
        return sorted(statement);
    };
    in_order(members.iter().map(|(key, value)| {
        let value = match key.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => set(value, Value::clone),
            "Principal" | "NotPrincipal" => each(value, |who| set(who, Value::clone)),
            "Condition" => each(value, |operator| {
                each(operator, |values| set(values, plain))
            }),
            _ => sorted(value),
        };
        (key.clone(), value)
    }))
}

/// A list, or a thing for a list of one, as a sorted list without repeats.
fn set(value: &Value, item: impl Fn(&Value) -> Value) -> Value {
    let mut items: Vec<Value> = match value {
        Value::Array(items) => items.iter().map(item).collect(),
        one => vec![item(one)],
    };
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}

/// Every member of an object by itself; anything else stays.
fn each(value: &Value, member: impl Fn(&Value) -> Value) -> Value {
    match value {
        Value::Object(members) => in_order(
            members
                .iter()
                .map(|(key, value)| (key.clone(), member(value))),
        ),
        other => other.clone(),
    }
}

/// Condition values are text: `true` and `"true"` are one.
fn plain(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}

/// Keys in order, all the way down; lists as they are.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => in_order(
            members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value))),
        ),
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn in_order(members: impl Iterator<Item = (String, Value)>) -> Value {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests;

//! Mistakes in a policy document, found before the API finds them.

use serde_json::{Map, Value};

use super::{LIMIT, TRUST_LIMIT, encode, text};

/// Versions of the policy language.
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// Checks a managed policy; the message names the place and what to write there.
pub fn validate(document: &Value) -> Result<(), String> {
    checked(document, &Kind::Permission)?;
    match encode(document).len() {
        size if size > LIMIT => Err(format!(
            "the document is {size} characters long when percent-encoded, as it is sent; at most {LIMIT} are allowed"
        )),
        _ => Ok(()),
    }
}

/// Checks an inline policy, which is sent as plain text.
pub fn validate_inline(document: &Value) -> Result<(), String> {
    checked(document, &Kind::Permission)?;
    match text(document).chars().count() {
        size if size > LIMIT => Err(format!(
            "the document is {size} characters long without white space; at most {LIMIT} are allowed"
        )),
        _ => Ok(()),
    }
}

/// Checks a trust policy (who may assume a role).
pub fn validate_trust(document: &Value) -> Result<(), String> {
    checked(document, &Kind::Trust)?;
    match text(document).chars().count() {
        size if size > TRUST_LIMIT => Err(format!(
            "the document is {size} characters long; at most {TRUST_LIMIT} are allowed"
        )),
        _ => Ok(()),
    }
}

/// Characters of a name that a message shows: what to do instead must not be cut off behind it.
const SHOWN: usize = 100;

enum Kind {
    Permission,
    Trust,
}

fn checked(document: &Value, kind: &Kind) -> Result<(), String> {
    let Value::Object(members) = document else {
        return Err("the document must be an object with Version and Statement".to_owned());
    };
    known(members, &["Version", "Id", "Statement"], "the document")?;
    match members.get("Version") {
        Some(Value::String(version)) if VERSIONS.contains(&version.as_str()) => {}
        Some(_) => return Err(format!("Version must be {:?}", VERSIONS[0])),
        None => {
            return Err(format!(
                "Version is missing; write Version: {:?}",
                VERSIONS[0]
            ));
        }
    }
    match members.get("Statement") {
        None => Err("Statement is missing".to_owned()),
        Some(Value::Array(statements)) if statements.is_empty() => {
            Err("Statement must not be empty".to_owned())
        }
        Some(Value::Array(statements)) => statements
            .iter()
            .enumerate()
            .try_for_each(|(at, one)| statement(one, &format!("Statement[{at}]"), kind)),
        Some(one) => statement(one, "Statement", kind),
    }
}

fn statement(statement: &Value, at: &str, kind: &Kind) -> Result<(), String> {
    let Value::Object(members) = statement else {
        return Err(format!("{at} must be an object"));
    };
    let allowed: &[&str] = match kind {
        Kind::Permission => &[
            "Sid",
            "Effect",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
        Kind::Trust => &[
            "Sid",
            "Effect",
            "Action",
            "NotAction",
            "Principal",
            "NotPrincipal",
            "Condition",
        ],
    };
    known(members, allowed, at)?;
    match members.get("Effect").map(Value::as_str) {
        Some(Some("Allow" | "Deny")) => {}
        Some(_) => return Err(format!("{at}.Effect must be \"Allow\" or \"Deny\"")),
        None => {
            return Err(format!(
                "{at}.Effect is missing; write \"Allow\" or \"Deny\""
            ));
        }
    }
    if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return Err(format!("{at}.Sid must be text"));
    }
    strings(members, "Action", "NotAction", at)?;
    match kind {
        Kind::Permission => strings(members, "Resource", "NotResource", at)?,
        Kind::Trust => principal(members, at)?,
    }
    match members.get("Condition") {
        Some(Value::Object(operators)) if operators.values().all(is_comparison) => Ok(()),
        Some(_) => Err(format!(
            "{at}.Condition must be an object: operator, then key, then a value or a list of values"
        )),
        None => Ok(()),
    }
}

/// Whether it is an object of keys, each with what it is compared with.
fn is_comparison(keys: &Value) -> bool {
    let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    keys.as_object().is_some_and(|keys| {
        keys.values().all(|values| match values {
            Value::Array(values) => values.iter().all(is_plain),
            value => is_plain(value),
        })
    })
}

/// Whether it is text or a list of texts.
fn is_text(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        value => value.is_string(),
    }
}

/// One of the two members, as text or a list of texts.
fn strings(
    members: &Map<String, Value>,
    plain: &str,
    negated: &str,
    at: &str,
) -> Result<(), String> {
    let (name, value) = one_of(members, plain, negated, at)?;
    let good = match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => {
            !items.is_empty()
                && items
                    .iter()
                    .all(|item| item.as_str().is_some_and(|text| !text.is_empty()))
        }
        _ => false,
    };
    if good {
        Ok(())
    } else {
        Err(format!(
            "{at}.{name} must be text or a list of texts, not empty"
        ))
    }
}

fn principal(members: &Map<String, Value>, at: &str) -> Result<(), String> {
    match one_of(members, "Principal", "NotPrincipal", at)? {
        (_, Value::Object(kinds)) if !kinds.is_empty() && kinds.values().all(is_text) => Ok(()),
        (_, Value::String(all)) if all == "*" => Ok(()),
        (name, _) => Err(format!(
            "{at}.{name} must be \"*\" or an object such as {{\"AWS\": [\"<arn>\"]}}"
        )),
    }
}

fn one_of<'a>(
    members: &'a Map<String, Value>,
    plain: &'a str,
    negated: &'a str,
    at: &str,
) -> Result<(&'a str, &'a Value), String> {
    match (members.get(plain), members.get(negated)) {
        (Some(value), None) => Ok((plain, value)),
        (None, Some(value)) => Ok((negated, value)),
        (Some(_), Some(_)) => Err(format!("{at} has both {plain} and {negated}; keep one")),
        (None, None) => Err(format!("{at}.{plain} is missing")),
    }
}

fn known(members: &Map<String, Value>, allowed: &[&str], at: &str) -> Result<(), String> {
    match members.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(unknown) => Err(format!(
            "{at} has an unknown member {:?}; allowed are {}",
            unknown.chars().take(SHOWN).collect::<String>(),
            allowed.join(", ")
        )),
        None => Ok(()),
    }
}

//! One policy document against one request.

use serde_json::{Map, Value};

use super::condition::{Outcome, conditions};
use super::pattern::{filled, matches, plain};
use super::{Caller, Request, namespace};

/// What one document says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) allows: bool,
    pub(super) denies: bool,
}

/// What kind of document is read: they differ in who and what a statement must name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Identity,
    Resource,
    Trust { delegated: bool },
}

/// Reads a policy; `principals` for a bucket policy, whose statements must name a principal.
pub(super) fn verdict(
    document: &Value,
    request: &Request<'_>,
    principals: bool,
    doubt: &mut Option<String>,
) -> Verdict {
    let kind = if principals {
        Kind::Resource
    } else {
        Kind::Identity
    };
    read(document, request, kind, doubt)
}

/// Whether a bucket policy allows to a session by the session's own ARN.
pub(super) fn names_session(document: &Value, request: &Request<'_>) -> bool {
    let Some(own) = request.caller.arn() else {
        return false;
    };
    let own_only = list(document.get("Statement")).into_iter().filter(|s| {
        let named = s.get("Principal").and_then(|p| p.get("AWS"));
        list(named)
            .iter()
            .any(|who| who.as_str().is_some_and(|text| same_form(text) == own))
    });
    let narrowed = serde_json::json!({"Statement": own_only.collect::<Vec<_>>()});
    verdict(&narrowed, request, true, &mut None).allows
}

/// Reads a role's trust policy: statements have a principal and no resource.
pub(super) fn verdict_of_trust(
    document: &Value,
    request: &Request<'_>,
    delegated: bool,
    doubt: &mut Option<String>,
) -> Verdict {
    read(document, request, Kind::Trust { delegated }, doubt)
}

fn read(
    document: &Value,
    request: &Request<'_>,
    kind: Kind,
    doubt: &mut Option<String>,
) -> Verdict {
    let mut out = Verdict::default();
    for statement in list(document.get("Statement")) {
        let allow = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            other => {
                doubt.get_or_insert_with(|| format!("a statement has the effect {other:?}"));
                continue;
            }
        };
        match applies(statement, request, kind, allow) {
            Outcome::Met if allow => out.allows = true,
            Outcome::Met => out.denies = true,
            Outcome::Unmet => {}
            Outcome::Unknown(why) => {
                out.denies |= !allow;
                doubt.get_or_insert(why);
            }
        }
    }
    out
}

fn applies(statement: &Value, request: &Request<'_>, kind: Kind, allow: bool) -> Outcome {
    let Value::Object(statement) = statement else {
        return Outcome::Unknown("a statement is not an object".into());
    };
    let actions = named(statement, "Action", "NotAction", |text| {
        Some(matches(
            &plain(&text.to_ascii_lowercase()),
            &request.action.to_ascii_lowercase(),
        ))
    });
    let mut all = vec![actions];
    if !matches!(kind, Kind::Trust { .. }) {
        all.push(named(statement, "Resource", "NotResource", |text| {
            let pattern = filled(&same_form(text), request)?;
            Some(matches(&pattern, request.resource))
        }));
    }
    if kind != Kind::Identity {
        // An allow to the account leaves the decision to its identity policies.
        let account = !allow || kind == Kind::Trust { delegated: true };
        all.push(principal(statement, request.caller, account));
    }
    all.extend(conditions(statement.get("Condition"), request));
    Outcome::all(all)
}

/// A positive member or its negation: exactly one of the two must be there.
fn named(
    statement: &Map<String, Value>,
    positive: &str,
    negative: &str,
    is: impl Fn(&str) -> Option<bool>,
) -> Outcome {
    let (values, wanted) = match (statement.get(positive), statement.get(negative)) {
        (Some(values), None) => (values, true),
        (None, Some(values)) => (values, false),
        _ => {
            return Outcome::Unknown(format!(
                "a statement needs one of {positive} and {negative}"
            ));
        }
    };
    let mut found = false;
    for value in list(Some(values)) {
        let Some(text) = value.as_str() else {
            return Outcome::Unknown(format!("{positive} is not text"));
        };
        // A variable without a value matches nothing, as on AWS.
        found |= is(text).unwrap_or(false);
    }
    Outcome::from(found == wanted)
}

fn principal(statement: &Map<String, Value>, caller: &Caller, account: bool) -> Outcome {
    let names = caller.names();
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(value), None) => Outcome::from(principals(value, caller, &names, account)),
        (None, Some(value)) => Outcome::from(!principals(value, caller, &names, true)),
        _ => Outcome::Unknown("a statement needs one of Principal and NotPrincipal".into()),
    }
}

/// Whether a principal element names the caller. `account`: the account as a whole (`:root`, or the bare
/// namespace) names its members.
fn principals(value: &Value, caller: &Caller, names: &[String], account: bool) -> bool {
    let texts = match value {
        Value::String(text) => return text == "*",
        Value::Object(map) => list(map.get("AWS")),
        _ => return false,
    };
    texts.iter().filter_map(|v| v.as_str()).any(|text| {
        let text = same_form(text);
        text == "*" || names.contains(&text) || (account && is_account(&text, caller))
    })
}

fn is_account(text: &str, caller: &Caller) -> bool {
    caller
        .service()
        .map(namespace)
        .is_some_and(|account| text == account || text == format!("urn:ecs:iam::{account}:root"))
}

/// Both spellings of an ARN in one form: `arn:aws:s3:…` for things, `urn:ecs:iam:…` for principals.
fn same_form(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("urn:ecs:s3:") {
        return format!("arn:aws:s3:{rest}");
    }
    for kind in ["iam", "sts"] {
        if let Some(rest) = text.strip_prefix(&format!("arn:aws:{kind}:")) {
            return format!("urn:ecs:{kind}:{rest}");
        }
    }
    text.to_owned()
}

/// One value or a list of values, as the policy language has it everywhere.
pub(super) fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
    }
}

/// Checks a bucket policy before it is stored; the message is for the client.
///
/// Every statement must have an effect, an action, a principal and resources of this bucket. Conditions
/// are not checked: an unknown one is stored, and taken against the caller.
pub fn validate_bucket_policy(document: &Value, bucket: &str) -> Result<(), String> {
    let statements = list(document.get("Statement"));
    if !document.is_object() || statements.is_empty() {
        return Err("Policies must be valid JSON and have at least one statement.".into());
    }
    for statement in statements {
        if !matches!(
            statement.get("Effect").and_then(Value::as_str),
            Some("Allow" | "Deny")
        ) {
            return Err("Invalid effect in policy.".into());
        }
        for (positive, negative) in [
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
            ("Principal", "NotPrincipal"),
        ] {
            if statement.get(positive).is_some() == statement.get(negative).is_some() {
                return Err(format!(
                    "Policy statement must contain either {positive} or {negative}."
                ));
            }
        }
        if !valid_principal(
            statement
                .get("Principal")
                .or_else(|| statement.get("NotPrincipal")),
        ) {
            return Err("Invalid principal in policy.".into());
        }
        let resources = list(
            statement
                .get("Resource")
                .or_else(|| statement.get("NotResource")),
        );
        if !resources
            .iter()
            .all(|r| r.as_str().is_some_and(|text| is_within(text, bucket)))
        {
            return Err("Policy has invalid resource.".into());
        }
    }
    Ok(())
}

fn valid_principal(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => text == "*",
        Some(Value::Object(map)) => {
            !map.is_empty()
                && map.iter().all(|(kind, who)| {
                    matches!(
                        kind.as_str(),
                        "AWS" | "CanonicalUser" | "Service" | "Federated"
                    ) && !list(Some(who)).is_empty()
                        && list(Some(who)).iter().all(|w| w.is_string())
                })
        }
        _ => false,
    }
}

fn is_within(resource: &str, bucket: &str) -> bool {
    let resource = same_form(resource);
    let Some(path) = resource.strip_prefix("arn:aws:s3:::") else {
        return false;
    };
    let name = path.split_once('/').map_or(path, |(name, _)| name);
    matches(&plain(name), bucket)
}

/// Whether a bucket policy opens the bucket to everybody: an allow to `*` without a condition.
pub fn is_public(document: &Value) -> bool {
    list(document.get("Statement")).into_iter().any(|s| {
        s.get("Effect").and_then(Value::as_str) == Some("Allow")
            && s.get("Condition").is_none()
            && s.get("Principal")
                .is_some_and(|p| principals(p, &Caller::Anonymous, &[], false))
    })
}

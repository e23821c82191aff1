//! Versions of managed policies: operations 60 to 63.

use super::call::{Answer, Call, Reply};
use super::policies::{customer_policy, read_document, version_number};
use super::{Context, missing, view};
use crate::choices::Choice;
use crate::clock::whole_second;
use crate::problem::Problem;
use crate::state::iam::Version;
use crate::validate::{Check, Need, Object};

/// Newest first, with documents.
pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let policy = service
        .iam
        .policies
        .get(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    let versions = policy.versions.iter().rev();
    Ok(Answer::ok(
        versions
            .map(|version| view::version(policy, version, choices))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let policy = customer_policy(cx, call)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["document", "is_default"]);
    let document = read_document(&mut check, &body, choices);
    let default = check
        .flag(&body, "is_default", Need::Optional)
        .value()
        .unwrap_or_default();
    check.done()?;
    let most = choices.number(Choice::VersionsPerPolicy);
    if most > 0 && policy.versions.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
        let reason = format!("Cannot exceed quota for VersionsPerPolicy: {most}");
        return Err(Problem::refused_root(reason));
    }
    let version = Version {
        number: policy.next,
        document,
        created_at: whole_second(now),
    };
    policy.next = policy.next.saturating_add(1);
    policy.updated_at = whole_second(now);
    if default {
        policy.default = version.number;
    }
    let answer = view::version(policy, &version, choices);
    policy.versions.push(version);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let policy = service
        .iam
        .policies
        .get(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    let version = version_number(call.arg(2)).and_then(|number| policy.version(number));
    version
        .map(|version| Answer::ok(view::version(policy, version, choices)))
        .ok_or_else(Problem::not_found)
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let policy = customer_policy(cx, call)?;
    let number = version_number(call.arg(2)).filter(|number| policy.version(*number).is_some());
    let Some(number) = number else {
        return missing(choices);
    };
    if number == policy.default {
        return Err(Problem::refused_root(
            "Cannot delete the default version of a policy.",
        ));
    }
    policy.versions.retain(|version| version.number != number);
    Ok(Answer::no_content())
}

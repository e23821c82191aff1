//! Managed policies attached to users, groups and roles: operations 43 to 45, 70 to 72, 83 to 85.

use super::call::{Answer, Call, Reply};
use super::{Context, missing, quota, rules, view};
use crate::choices::Choice;
use crate::problem::Problem;

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    let grants = service
        .iam
        .grants(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::attached(service, grants)))
}

pub fn attach(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    service
        .iam
        .grants(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    let name = call.single("name", &rules::ATTACHED_NAME)?;
    put(cx, call, &name)
}

/// The form of another description: the policy in the path, no body.
pub fn attach_by_path(cx: &mut Context<'_>, call: &Call) -> Reply {
    put(cx, call, call.arg(2))
}

fn put(cx: &mut Context<'_>, call: &Call, policy: &str) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    if !service.iam.policies.contains_key(policy) {
        return Err(Problem::not_found());
    }
    let grants = service
        .iam
        .grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    if grants.attached.contains_key(policy) {
        if choices.is(Choice::AttachTwice, "400") {
            return Err(Problem::refused_root(format!(
                "Policy {policy} is already attached."
            )));
        }
        return Ok(Answer::no_content());
    }
    quota(choices, Choice::QuotaAttachments, grants.attached.len())?;
    grants.attached.insert(policy.to_owned(), now);
    Ok(Answer::no_content())
}

pub fn detach(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let grants = service
        .iam
        .grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    match grants.attached.remove(call.arg(2)) {
        Some(_) => Ok(Answer::no_content()),
        None => missing(choices),
    }
}

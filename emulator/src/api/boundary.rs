//! Permissions boundaries of users and roles: operations 53, 54, 90 and 91.

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::{Context, missing, rules};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::validate::{Check, Object};

/// Sets or replaces the boundary. The object is open; the answer is a bare JSON string,
/// or an object by choice.
pub fn set(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let iam = &mut call.service(cx.account)?.iam;
    iam.grants(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let mut check = Check::default();
    let policy = check.required(&Object::root(&members), "policy_name", &rules::ANY_NAME);
    check.done()?;
    if !iam.policies.contains_key(&policy) {
        return Err(Problem::not_found());
    }
    let grants = iam
        .grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    grants.boundary = Some(policy.clone());
    if choices.is(Choice::BoundaryAnswer, "object") {
        return Ok(Answer::ok(json!({"policy_name": policy})));
    }
    Ok(Answer::ok(Value::String(policy)))
}

pub fn clear(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let iam = &mut call.service(cx.account)?.iam;
    let grants = iam
        .grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)?;
    match grants.boundary.take() {
        Some(_) => Ok(Answer::no_content()),
        None => missing(choices),
    }
}

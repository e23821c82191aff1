//! Inline policies of users, groups and roles: operations 46 to 49, 73 to 76, 86 to 89.

use super::call::{Answer, Call, Reply};
use super::{Context, duplicate, missing, rules, view};
use crate::choices::Choice;
use crate::document;
use crate::problem::Problem;
use crate::state::Account;
use crate::state::iam::Grants;
use crate::validate::{Check, Object};

fn grants<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut Grants, Problem> {
    let iam = &mut call.service(account)?.iam;
    iam.grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)
}

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let grants = grants(cx.account, call)?;
    let policies = grants
        .inline
        .iter()
        .map(|(name, text)| view::inline(name, text, choices));
    Ok(Answer::ok(policies.collect()))
}

/// An existing policy of the name is overwritten, unless the choice `inline-repeat` says no.
/// The object is open: unknown members are ignored.
pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let grants = grants(cx.account, call)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    let name = check.required(&body, "name", &rules::ANY_NAME);
    let sent = check.required(&body, "document", &rules::DOCUMENT);
    let plus = choices.is(Choice::DocumentPlus, "space");
    let text = document::minified(&sent, plus);
    if text.is_none() && !sent.is_empty() {
        check.note("document", "Value must be a policy document.");
    }
    check.done()?;
    if grants.inline.contains_key(&name) && choices.is(Choice::InlineRepeat, "400") {
        let reason = format!("Inline policy {name} already exists.");
        return Err(duplicate(choices, "(root)", reason));
    }
    let text = text.unwrap_or_default();
    let answer = view::inline(&name, &text, choices);
    grants.inline.insert(name, text);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let grants = grants(cx.account, call)?;
    let text = grants
        .inline
        .get(call.arg(2))
        .ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::inline(call.arg(2), text, choices)))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    match grants(cx.account, call)?.inline.remove(call.arg(2)) {
        Some(_) => Ok(Answer::no_content()),
        None => missing(choices),
    }
}

//! Roles and their trust documents: operations 77 to 82.

use std::ops::RangeInclusive;

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::users::holds;
use super::{Context, in_order, is_listed, missing, quota, rules, settle, tags, view};
use crate::choices::{Choice, Choices};
use crate::clock::whole_second;
use crate::document;
use crate::problem::Problem;
use crate::state::iam::{Grants, Role};
use crate::validate::{Check, Need, Object};

/// Seconds of the longest session; the default is not published.
const SESSION: RangeInclusive<i64> = 3600..=43_200;

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let roles = service.iam.roles.iter();
    let roles = roles.filter(|(_, role)| is_listed(choices, now, role.created_at));
    let roles = in_order(choices, roles, |role| role.created_at);
    Ok(Answer::ok(
        roles
            .into_iter()
            .map(|(name, role)| view::role(service, name, role, choices))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(
        &body,
        &[
            "name",
            "assume_role_policy_document",
            "description",
            "max_session_duration",
            "permissions_boundary",
            "tags",
        ],
    );
    let name = check.required(&body, "name", &rules::USER_NAME);
    let trust = read_trust(&mut check, &body, "assume_role_policy_document", choices);
    let description = check.optional(&body, "description", &rules::ROLE_DESCRIPTION);
    let session = check.integer(&body, "max_session_duration", Need::Optional, &SESSION);
    let boundary = check.optional(&body, "permissions_boundary", &rules::ANY_NAME);
    let tags = check
        .list(
            &body,
            "tags",
            Need::Optional,
            tags::most(choices),
            |check, item| {
                check.closed(item, &["key", "value"]);
                tags::read(check, item, Need::Optional)
            },
        )
        .value()
        .unwrap_or_default();
    let tags = tags::distinct(&mut check, tags, "tags", choices);
    let taken = holds(service.iam.roles.keys(), &name, choices);
    let taken = taken.then(|| ("(root)", format!("Role {name} already exists.")));
    settle(check, choices, taken)?;
    if boundary
        .as_ref()
        .is_some_and(|policy| !service.iam.policies.contains_key(policy))
    {
        return Err(Problem::not_found());
    }
    quota(choices, Choice::QuotaRoles, service.iam.roles.len())?;
    let role = Role {
        created_at: whole_second(now),
        description,
        trust,
        max_session_seconds: session.unwrap_or(choices.number(Choice::SessionDefault).into()),
        grants: Grants {
            boundary,
            tags,
            ..Grants::default()
        },
    };
    let answer = view::role(service, &name, &role, choices);
    service.iam.roles.insert(name, role);
    Ok(Answer::created(answer))
}

fn read_trust(check: &mut Check, body: &Object<'_>, member: &str, choices: &Choices) -> String {
    let sent = check.required(body, member, &rules::TRUST);
    let plus = choices.is(Choice::DocumentPlus, "space");
    let text = document::minified(&sent, plus);
    if text.is_none() && !sent.is_empty() {
        check.note(member, "Value must be a policy document.");
    }
    text.unwrap_or_default()
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let role = service
        .iam
        .roles
        .get(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::role(service, call.arg(1), role, choices)))
}

pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let role = service
        .iam
        .roles
        .get_mut(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["description", "max_session_duration"]);
    let description = check.optional(&body, "description", &rules::ROLE_DESCRIPTION);
    let session = check.integer(&body, "max_session_duration", Need::Optional, &SESSION);
    check.done()?;
    role.description = description.or_else(|| role.description.take());
    role.max_session_seconds = session.unwrap_or(role.max_session_seconds);
    let role = role.clone();
    Ok(Answer::ok(view::role(service, call.arg(1), &role, choices)))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let roles = &mut call.service(cx.account)?.iam.roles;
    let Some(role) = roles.get(call.arg(1)) else {
        return missing(choices);
    };
    if role.grants.hold_policies() && choices.is(Choice::RoleWithGrants, "blocked") {
        return Err(Problem::refused_root(
            "Cannot delete entity, must detach all subordinate entities first.",
        ));
    }
    roles.remove(call.arg(1));
    Ok(Answer::no_content())
}

/// Replaces the trust document, whatever the title of the operation says. The object is open.
pub fn set_trust(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let roles = &mut call.service(cx.account)?.iam.roles;
    let role = roles.get_mut(call.arg(1)).ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let mut check = Check::default();
    let trust = read_trust(&mut check, &Object::root(&members), "document", choices);
    check.done()?;
    role.trust = trust;
    Ok(Answer::ok(
        json!({"document": view::trust(&role.trust, choices)}),
    ))
}

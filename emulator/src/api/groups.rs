//! Groups and their members: operations 64 to 69.

use std::collections::BTreeSet;

use super::call::{Answer, Call, Reply};
use super::users::holds;
use super::{Context, duplicate, in_order, is_listed, missing, quota, rules, view};
use crate::choices::Choice;
use crate::clock::whole_second;
use crate::problem::Problem;
use crate::state::iam::{Grants, Group};

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let groups = service.iam.groups.iter();
    let groups = groups.filter(|(_, group)| is_listed(choices, now, group.created_at));
    let groups = in_order(choices, groups, |group| group.created_at);
    Ok(Answer::ok(
        groups
            .into_iter()
            .map(|(name, group)| view::group(service, name, group.created_at))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let name = call.single("name", &rules::POLICY_NAME)?;
    if holds(service.iam.groups.keys(), &name, choices) {
        return Err(duplicate(
            choices,
            "(root)",
            format!("Group {name} already exists."),
        ));
    }
    quota(choices, Choice::QuotaGroups, service.iam.groups.len())?;
    let group = Group {
        created_at: whole_second(now),
        members: BTreeSet::new(),
        grants: Grants::default(),
    };
    let answer = view::group(service, &name, group.created_at);
    service.iam.groups.insert(name, group);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    let group = service
        .iam
        .groups
        .get(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::group(
        service,
        call.arg(1),
        group.created_at,
    )))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let groups = &mut call.service(cx.account)?.iam.groups;
    let Some(group) = groups.get(call.arg(1)) else {
        return missing(choices);
    };
    let used = !group.members.is_empty() || group.grants.hold_policies();
    if used && choices.is(Choice::GroupWithMembers, "blocked") {
        return Err(Problem::refused_root(
            "Cannot delete entity, must detach all subordinate entities first.",
        ));
    }
    groups.remove(call.arg(1));
    Ok(Answer::no_content())
}

/// Adding a member again changes nothing, or is refused by choice.
pub fn add(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let iam = &mut call.service(cx.account)?.iam;
    let group = iam
        .groups
        .get_mut(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    if !iam.users.contains_key(call.arg(2)) {
        return Err(Problem::not_found());
    }
    let fresh = group.members.insert(call.arg(2).to_owned());
    if !fresh && choices.is(Choice::JoinTwice, "400") {
        let reason = format!("User {} is already in the group.", call.arg(2));
        return Err(Problem::refused_root(reason));
    }
    Ok(Answer::no_content())
}

pub fn remove(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let iam = &mut call.service(cx.account)?.iam;
    let group = iam
        .groups
        .get_mut(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    if group.members.remove(call.arg(2)) {
        return Ok(Answer::no_content());
    }
    missing(choices)
}

//! Users: operations 34 to 37.

use super::call::{Answer, Call, Reply};
use super::{Context, duplicate, in_order, is_listed, missing, quota, rules, view};
use crate::choices::{Choice, Choices};
use crate::clock::whole_second;
use crate::problem::Problem;
use crate::state::iam::{Grants, User};

/// Reserved for the cloud itself.
const RESERVED: &str = "_upcloud-internal-user";

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let users = service.iam.users.iter();
    let users = users.filter(|(_, user)| is_listed(choices, now, user.created_at));
    let users = in_order(choices, users, |user| user.created_at);
    Ok(Answer::ok(
        users
            .into_iter()
            .map(|(name, user)| view::user(service, name, user, choices))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let name = call.single("username", &rules::USER_NAME)?;
    if name == RESERVED {
        return Err(Problem::refused("username", "Value is reserved."));
    }
    if holds(service.iam.users.keys(), &name, choices) {
        return Err(duplicate(
            choices,
            "(root)",
            format!("User {name} already exists."),
        ));
    }
    quota(choices, Choice::QuotaUsers, service.iam.users.len())?;
    let user = User {
        created_at: whole_second(now),
        keys: Vec::new(),
        grants: Grants::default(),
    };
    let answer = view::user(service, &name, &user, choices);
    service.iam.users.insert(name, user);
    Ok(Answer::created(answer))
}

/// Whether a name is taken; the backend is said to ignore case (choice `name-case`).
pub fn holds<'a>(
    mut names: impl Iterator<Item = &'a String>,
    name: &str,
    choices: &Choices,
) -> bool {
    let blind = choices.is(Choice::NameCase, "insensitive");
    names.any(|known| known == name || (blind && known.eq_ignore_ascii_case(name)))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let user = service
        .iam
        .users
        .get(call.arg(1))
        .ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::user(service, call.arg(1), user, choices)))
}

/// Keys, attachments and memberships go with the user.
pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let name = call.arg(1);
    let Some(user) = service.iam.users.get(name) else {
        return missing(choices);
    };
    let member = service
        .iam
        .groups
        .values()
        .any(|group| group.members.contains(name));
    let blocked = choices.is(Choice::UserWithGrants, "blocked");
    if blocked && (member || !user.grants.attached.is_empty() || !user.grants.inline.is_empty()) {
        return Err(Problem::refused_root(
            "Cannot delete entity, must detach all subordinate entities first.",
        ));
    }
    service.iam.users.remove(name);
    for group in service.iam.groups.values_mut() {
        group.members.remove(name);
    }
    Ok(Answer::no_content())
}

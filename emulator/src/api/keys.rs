//! Access keys: operations 38 to 42.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::{Context, is_listed, missing, view};
use crate::choices::Choice;
use crate::clock::whole_second;
use crate::ids;
use crate::problem::Problem;
use crate::state::Account;
use crate::state::iam::{AccessKey, User};
use crate::validate::{Check, Need, Object};

const STATUS: [(&str, bool); 2] = [("Active", true), ("Inactive", false)];

fn user<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut User, Problem> {
    let service = call.service(account)?;
    service
        .iam
        .users
        .get_mut(call.arg(1))
        .ok_or_else(Problem::not_found)
}

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let keys = user(cx.account, call)?.keys.iter();
    let keys = keys.filter(|key| is_listed(choices, now, key.created_at));
    Ok(Answer::ok(
        keys.map(|key| view::key(key, choices)).collect(),
    ))
}

/// Without a body, or with an empty object. The only answer that shows the secret.
pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let owner = (
        call.service(cx.account)?.uuid.clone(),
        call.arg(1).to_owned(),
    );
    let user = user(cx.account, call)?;
    if !call.body.is_empty() {
        let members = call.json_object()?;
        let mut check = Check::default();
        check.closed(&Object::root(&members), &[]);
        check.done()?;
    }
    let most = choices.number(Choice::KeysPerUser);
    if most > 0 && user.keys.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
        let reason = format!("Cannot exceed quota for AccessKeysPerUser: {most}");
        return Err(Problem::refused_root(reason));
    }
    let key = AccessKey {
        id: ids::access_key_id(),
        secret: ids::secret_access_key(),
        created_at: whole_second(now),
        last_used_at: None,
        active: true,
    };
    let answer = view::new_key(&key);
    cx.key_owners.insert(key.id.clone(), owner);
    user.keys.push(key);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let user = user(cx.account, call)?;
    let found = user.keys.iter().find(|key| key.id == call.arg(2));
    found
        .map(|key| Answer::ok(view::key(key, choices)))
        .ok_or_else(Problem::not_found)
}

/// Its answer alone is not in alphabetical order (recorded).
pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    let user = user(cx.account, call)?;
    let found = user.keys.iter_mut().find(|key| key.id == call.arg(2));
    let key = found.ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["status"]);
    let active = check.one_of(&body, "status", Need::Required, &STATUS);
    check.done()?;
    key.active = active.unwrap_or(key.active);
    let used = key.last_used_at.unwrap_or(key.created_at);
    Ok(Answer::ok_as_is(&json!({
        "access_key_id": key.id,
        "status": view::status(key),
        "last_used_at": whole_second(used).to_string(),
        "created_at": whole_second(key.created_at).to_string(),
    })))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let user = user(cx.account, call)?;
    let Some(at) = user.keys.iter().position(|key| key.id == call.arg(2)) else {
        return missing(choices);
    };
    user.keys.remove(at);
    cx.key_owners.remove(call.arg(2));
    Ok(Answer::no_content())
}

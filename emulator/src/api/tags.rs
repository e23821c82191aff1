//! Tags of users and roles: operations 50 to 52 and 92 to 94.

use serde_json::Value;

use super::call::{Answer, Call, Reply};
use super::{Context, missing, rules, view};
use crate::choices::{Choice, Choices};
use crate::problem::Problem;
use crate::state::Account;
use crate::state::iam::{Grants, Tag};
use crate::validate::{Check, Need, Object, keep_last};

fn grants<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut Grants, Problem> {
    let iam = &mut call.service(account)?.iam;
    iam.grants_mut(call.owner, call.arg(1))
        .ok_or_else(Problem::not_found)
}

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let grants = grants(cx.account, call)?;
    Ok(Answer::ok(grants.tags.iter().map(view::tag).collect()))
}

/// Replaces all tags. The body is an array; its items are open objects.
pub fn replace(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let grants = grants(cx.account, call)?;
    let items = match call.json()? {
        Value::Array(items) => items,
        item @ Value::Object(_) if choices.is(Choice::TagObject, "accept") => vec![item],
        _ => return Err(Problem::refused_root("Value must be an array.")),
    };
    let mut check = Check::default();
    let tags = check.items(&items, "", most(choices), |check, item| {
        read(check, item, Need::Required)
    });
    let tags = distinct(&mut check, tags, "", choices);
    check.done()?;
    let answer = tags.iter().map(view::tag).collect();
    grants.tags = tags;
    Ok(Answer::ok(answer))
}

/// Tags with distinct keys: what comes twice is noted, or the last of it counts by choice.
pub fn distinct(check: &mut Check, tags: Vec<Tag>, path: &str, choices: &Choices) -> Vec<Tag> {
    if choices.is(Choice::RepeatedKeys, "last") {
        return keep_last(tags, |one, two| one.key == two.key);
    }
    check.unique(&tags, path, "key", |tag| tag.key.clone());
    tags
}

/// How many tags an owner may have.
pub fn most(choices: &Choices) -> usize {
    match choices.number(Choice::TagsMost) {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    }
}

/// Reads one tag.
pub fn read(check: &mut Check, item: &Object<'_>, value: Need) -> Tag {
    Tag {
        key: check.required(item, "key", &rules::TAG_KEY),
        value: check.text(item, "value", value, &rules::TAG_VALUE).value(),
    }
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let grants = grants(cx.account, call)?;
    let before = grants.tags.len();
    grants.tags.retain(|tag| tag.key != call.arg(2));
    if grants.tags.len() == before {
        return missing(choices);
    }
    Ok(Answer::no_content())
}

//! Labels as a sub-resource: operations 24 to 28.

use super::call::{Answer, Call, Reply};
use super::config::{null_label, read_label};
use super::{Context, missing, rules, settle, view};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::state::service::{Config, Label};
use crate::validate::{Check, Given, Need, Object};

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let labels = &call.service(cx.account)?.config.labels;
    Ok(Answer::ok(labels.iter().map(view::label).collect()))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut config = call.service(cx.account)?.config.clone();
    let members = call.json_object()?;
    let mut check = Check::default();
    let label = read_label(&mut check, &Object::root(&members), cx.choices);
    if config.labels.len() >= 255 {
        check.note("(root)", "At most 255 labels are allowed.");
    }
    let repeated = config.labels.iter().any(|known| known.key == label.key);
    let taken = repeated.then(|| ("key", "Value must be unique.".to_owned()));
    settle(check, cx.choices, taken)?;
    let answer = view::label(&label);
    config.labels.push(label);
    store(cx, call, config)?;
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let config = &call.service(cx.account)?.config;
    let found = config.labels.iter().find(|label| label.key == call.arg(1));
    found
        .map(|label| Answer::ok(view::label(label)))
        .ok_or_else(Problem::not_found)
}

pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut config = call.service(cx.account)?.config.clone();
    let at = place(&config, call.arg(1)).ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["key", "value"]);
    let key = check.optional(&body, "key", &rules::LABEL_KEY);
    let value = check.text(&body, "value", Need::Nullable, &rules::LABEL_VALUE);
    let repeated = key
        .as_ref()
        .and_then(|key| place(&config, key))
        .is_some_and(|other| other != at);
    let taken = repeated.then(|| ("key", "Value must be unique.".to_owned()));
    settle(check, cx.choices, taken)?;
    let label: &mut Label = config.labels.get_mut(at).ok_or_else(Problem::not_found)?;
    label.key = key.unwrap_or_else(|| label.key.clone());
    label.value = match value {
        Given::Absent => label.value.clone(),
        Given::Null => null_label(cx.choices),
        Given::Value(value) => Some(value),
    };
    let answer = view::label(label);
    store(cx, call, config)?;
    Ok(Answer::ok(answer))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut config = call.service(cx.account)?.config.clone();
    let Some(at) = place(&config, call.arg(1)) else {
        return missing(cx.choices);
    };
    config.labels.remove(at);
    store(cx, call, config)?;
    Ok(Answer::no_content())
}

fn place(config: &Config, key: &str) -> Option<usize> {
    config.labels.iter().position(|label| label.key == key)
}

fn store(cx: &mut Context<'_>, call: &Call, config: Config) -> Result<(), Problem> {
    let (now, pace, choices) = (cx.now, cx.pace, cx.choices);
    let service = call.service(cx.account)?;
    if choices.is(Choice::LabelsPatch, "settled") {
        service.modify_settled(config, now, pace, choices);
    } else {
        service.modify(config, now);
    }
    Ok(())
}

//! Networks of a service: operations 9 to 12.

use super::call::{Answer, Call, Reply};
use super::config::{check_public, is_unknown_sdn, read_network};
use super::{Context, missing, settle, view};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::validate::{Check, Object};

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    Ok(Answer::ok(
        service.config.networks.iter().map(view::network).collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut config = call.service(cx.account)?.config.clone();
    let members = call.json_object()?;
    let mut check = Check::default();
    let network = read_network(&mut check, &Object::root(&members), cx.choices);
    if is_unknown_sdn(cx, &network) {
        check.note("uuid", "Network is not valid.");
    }
    let answer = view::network(&network);
    let name = network.name.clone();
    let repeated = config.networks.iter().any(|known| known.name == name);
    config.networks.push(network);
    check_public(&mut check, &config.networks);
    if config.networks.len() > 8 {
        check.note("networks", "Value must have at most 8 items.");
    }
    let taken = repeated.then(|| ("name", "Value must be unique.".to_owned()));
    settle(check, cx.choices, taken)?;
    let now = cx.now;
    call.service(cx.account)?.modify(config, now);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    let found = service
        .config
        .networks
        .iter()
        .find(|network| network.name == call.arg(1));
    found
        .map(|network| Answer::ok(view::network(network)))
        .ok_or_else(Problem::not_found)
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let mut config = service.config.clone();
    config
        .networks
        .retain(|network| network.name != call.arg(1));
    if config.networks.len() == service.config.networks.len() {
        return missing(choices);
    }
    if config.networks.is_empty() && choices.is(Choice::ZeroNetworks, "400") {
        return Err(Problem::refused(
            "networks",
            "Value must have at least 1 item.",
        ));
    }
    service.modify(config, now);
    Ok(Answer::no_content())
}

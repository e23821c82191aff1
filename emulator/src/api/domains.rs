//! Custom domains and the domains of a service: operations 13 to 18.

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::config::{depth, domain_types, is_taken, read_domain};
use super::{Context, missing, rules, settle, view, website_rules};
use crate::choices::{Choice, Choices};
use crate::lifecycle::State;
use crate::problem::Problem;
use crate::state::service::{Config, Service};
use crate::validate::{Check, Need, Object};

fn is_full(choices: &Choices) -> bool {
    choices.is(Choice::ServiceShape, "full")
}

fn not_unique() -> (&'static str, String) {
    ("domain_name", "Value must be unique.".to_owned())
}

fn place(config: &Config, name: &str) -> Option<usize> {
    let mut domains = config.custom_domains.iter();
    domains.position(|domain| domain.domain_name.eq_ignore_ascii_case(name))
}

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let full = is_full(cx.choices);
    let domains = &call.service(cx.account)?.config.custom_domains;
    Ok(Answer::ok(
        domains
            .iter()
            .map(|domain| view::domain(domain, full))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    let (mut config, own) = (service.config.clone(), service.uuid.clone());
    let members = call.json_object()?;
    let mut check = Check::default();
    let domain = read_domain(&mut check, &Object::root(&members), cx.choices);
    let name = domain.domain_name.clone();
    if config.custom_domains.len() >= 5 {
        check.note("(root)", "At most 5 custom domains are allowed.");
    }
    let repeated = place(&config, &name).is_some() || is_taken(cx, Some(&own), &name);
    settle(check, cx.choices, repeated.then(not_unique))?;
    let answer = view::domain(&domain, is_full(cx.choices));
    config.custom_domains.push(domain);
    let now = cx.now;
    call.service(cx.account)?.modify(config, now);
    Ok(Answer::created(answer))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let full = is_full(cx.choices);
    let config = &call.service(cx.account)?.config;
    let found = place(config, call.arg(1)).and_then(|at| config.custom_domains.get(at));
    found
        .map(|domain| Answer::ok(view::domain(domain, full)))
        .ok_or_else(Problem::not_found)
}

/// A changed name moves the resource to a new path.
pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    let service = call.service(cx.account)?;
    let (mut config, own) = (service.config.clone(), service.uuid.clone());
    let at = place(&config, call.arg(1)).ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["domain_name", "type"]);
    let name = check.optional(&body, "domain_name", &rules::HOSTNAME);
    depth(
        &mut check,
        "domain_name",
        name.as_deref().unwrap_or_default(),
        cx.choices,
    );
    let private = check.one_of(&body, "type", Need::Optional, domain_types(cx.choices));
    let repeated = name.as_ref().is_some_and(|name| {
        place(&config, name).is_some_and(|other| other != at) || is_taken(cx, Some(&own), name)
    });
    settle(check, cx.choices, repeated.then(not_unique))?;
    let domain = config
        .custom_domains
        .get_mut(at)
        .ok_or_else(Problem::not_found)?;
    domain.private = private.unwrap_or(domain.private);
    domain.domain_name = name.unwrap_or_else(|| domain.domain_name.clone());
    let answer = view::domain(domain, is_full(cx.choices));
    settle_websites(cx, call, &mut config)?;
    let now = cx.now;
    call.service(cx.account)?.modify(config, now);
    Ok(Answer::ok(answer))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut config = call.service(cx.account)?.config.clone();
    let Some(at) = place(&config, call.arg(1)) else {
        return missing(cx.choices);
    };
    config.custom_domains.remove(at);
    settle_websites(cx, call, &mut config)?;
    let now = cx.now;
    call.service(cx.account)?.modify(config, now);
    Ok(Answer::no_content())
}

/// Websites whose domain went away go with it, or keep it from going.
fn settle_websites(cx: &mut Context<'_>, call: &Call, config: &mut Config) -> Result<(), Problem> {
    let blocked = cx.choices.is(Choice::DomainWithWebsite, "blocked");
    let homes = website_rules::domains(config, call.service(cx.account)?);
    let before = config.websites.len();
    config
        .websites
        .retain(|site| homes.contains(&site.domain_name.to_lowercase()));
    if blocked && config.websites.len() < before {
        return Err(Problem::refused_root(
            "A static website is configured on the domain.",
        ));
    }
    Ok(())
}

/// Operation 18: generated and custom domains together.
pub fn of_service(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, pace, choices) = (cx.now, cx.pace, cx.choices);
    let service = call.service(cx.account)?;
    let settled = service.seen(now, pace, choices).state == State::Running;
    let shape = service.config.shape();
    let mut domains = Vec::new();
    if shape.public {
        domains.push(entry(
            service,
            &service.public_host(),
            "public",
            shape.started,
        ));
    }
    if shape.private {
        domains.push(entry(
            service,
            &service.private_host(),
            "private",
            shape.started,
        ));
    }
    if shape.public && choices.is(Choice::StaticDomainListed, "yes") {
        domains.push(entry(
            service,
            &service.static_host(),
            "public",
            shape.started,
        ));
    }
    for domain in &service.config.custom_domains {
        domains.push(entry(
            service,
            &domain.domain_name,
            "custom",
            shape.started && settled,
        ));
    }
    Ok(Answer::ok(json!({"domains": domains})))
}

fn entry(service: &Service, domain: &str, kind: &str, active: bool) -> Value {
    let mut sites = service.config.websites.iter();
    let configured = sites.any(|site| site.domain_name.eq_ignore_ascii_case(domain));
    json!({"active": active, "domain": domain, "static_website_configured": configured, "type": kind})
}

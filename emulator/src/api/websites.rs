//! Static websites: operations 29 to 33.

use serde_json::{Value, json};

use super::call::{Answer, Call, Reply};
use super::{Context, missing, settle, view, website_rules};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::state::service::{Config, Service};
use crate::validate::{Check, Object};

/// The shape of this list is not published: an object by default, an array by choice.
pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let service = call.service(cx.account)?;
    let sites: Vec<Value> = service.config.websites.iter().map(view::website).collect();
    if choices.is(Choice::WebsiteList, "array") {
        return Ok(Answer::ok(sites.into()));
    }
    let domains: Vec<String> = website_rules::domains(&service.config, service)
        .into_iter()
        .collect();
    Ok(Answer::ok(
        json!({"domains": domains, "static_websites": sites}),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let members = call.json_object()?;
    let mut check = Check::default();
    let draft = website_rules::read(&mut check, &Object::root(&members));
    let site = draft.into_website(service, now);
    check_site(
        &mut check,
        service,
        &site.domain_name,
        Some(&site.bucket_name),
        choices,
    );
    let repeated = place(&service.config, &site.domain_name).is_some();
    let taken = repeated.then(|| ("domain_name", "Value must be unique.".to_owned()));
    settle(check, choices, taken)?;
    let answer = view::website(&site);
    let mut config = service.config.clone();
    config.websites.push(site);
    service.modify(config, now);
    Ok(Answer::created(answer))
}

fn check_site(
    check: &mut Check,
    service: &Service,
    domain: &str,
    bucket: Option<&str>,
    choices: &crate::choices::Choices,
) {
    let homes = website_rules::domains(&service.config, service);
    if !homes.contains(&domain.to_lowercase()) {
        check.note("domain_name", website_rules::NO_HOME);
    }
    if let Some(reason) =
        bucket.and_then(|name| website_rules::missing_bucket(service, name, choices))
    {
        check.note("bucket_name", reason);
    }
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let config = &call.service(cx.account)?.config;
    let found = place(config, call.arg(1)).and_then(|at| config.websites.get(at));
    found
        .map(|site| Answer::ok(view::website(site)))
        .ok_or_else(Problem::not_found)
}

pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let at = place(&service.config, call.arg(1)).ok_or_else(Problem::not_found)?;
    let members = call.json_object()?;
    let mut check = Check::default();
    let change = website_rules::read_change(&mut check, &Object::root(&members));
    let bucket = change.bucket_name.as_deref();
    if let Some(reason) =
        bucket.and_then(|name| website_rules::missing_bucket(service, name, choices))
    {
        check.note("bucket_name", reason);
    }
    check.done()?;
    let mut config = service.config.clone();
    let site = config.websites.get_mut(at).ok_or_else(Problem::not_found)?;
    change.apply(site, now);
    let answer = view::website(site);
    service.modify(config, now);
    Ok(Answer::ok(answer))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let Some(at) = place(&service.config, call.arg(1)) else {
        return missing(choices);
    };
    let mut config = service.config.clone();
    config.websites.remove(at);
    service.modify(config, now);
    Ok(Answer::no_content())
}

fn place(config: &Config, domain: &str) -> Option<usize> {
    let mut sites = config.websites.iter();
    sites.position(|site| site.domain_name.eq_ignore_ascii_case(domain))
}

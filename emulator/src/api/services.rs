//! Services: operations 1 to 6.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::call::{Answer, Call, Reply};
use super::config::{self, Draft, Mode};
use super::{Context, regions, settle, view};
use crate::choices::{Choice, Choices};
use crate::ids;
use crate::lifecycle::{self, Course, Seen, State};
use crate::problem::Problem;
use crate::state::iam::Iam;
use crate::state::service::{Config, Service};
use crate::validate::Check;

/// `sort` of the list of services and of metrics.
const SORTS: [&str; 4] = [
    "created_at",
    "service_name",
    "operational_state",
    "region_name",
];

pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut check = Check::default();
    let (limit, offset) = call.page(&mut check);
    check_limit(&mut check, call, cx.choices);
    let default = cx.choices.get(Choice::SortDefault);
    let sort = call.param("sort").unwrap_or(&default);
    check_sort(&mut check, sort);
    check.done()?;
    let (key, reverse) = sort
        .strip_prefix('-')
        .map_or((sort, false), |key| (key, true));
    let mut services: Vec<(&Service, Seen)> = cx
        .account
        .services
        .values()
        .filter(|service| cx.is_listed(service.created_at))
        .map(|service| (service, service.seen(cx.now, cx.pace, cx.choices)))
        .collect();
    services.sort_by(|one, two| {
        let order = compare(key, one, two);
        if reverse { order.reverse() } else { order }
    });
    let total = services.len();
    let page = services
        .into_iter()
        .skip(offset)
        .take(limit)
        .map(|(service, seen)| view::service(service, seen, false, cx.choices));
    Ok(Answer::ok(page.collect()).with_total(total_count(cx.choices, total)))
}

/// The count to send with a paged list.
pub fn total_count(choices: &Choices, total: usize) -> Option<usize> {
    choices.is(Choice::TotalCount, "send").then_some(total)
}

/// Notes `limit=0` where that is not allowed.
pub fn check_limit(check: &mut Check, call: &Call, choices: &Choices) {
    if call.param("limit") == Some("0") && choices.is(Choice::LimitZero, "400") {
        check.note("limit", "Value must be from 1 to 100.");
    }
}

/// Notes a sort order that does not exist.
pub fn check_sort(check: &mut Check, sort: &str) {
    let key = sort.strip_prefix('-').unwrap_or(sort);
    if !SORTS.contains(&key) {
        let names: Vec<String> = SORTS
            .iter()
            .map(|name| format!("\"{name}\", \"-{name}\""))
            .collect();
        check.note(
            "sort",
            format!("Value must be one of {}.", names.join(", ")),
        );
    }
}

fn compare(key: &str, one: &(&Service, Seen), two: &(&Service, Seen)) -> Ordering {
    let first = match key {
        "service_name" => one.0.config.name.cmp(&two.0.config.name),
        "operational_state" => one.1.state.name().cmp(two.1.state.name()),
        "region_name" => one.0.region.cmp(&two.0.region),
        _ => Ordering::Equal,
    };
    first
        .then(one.0.created_at.cmp(&two.0.created_at))
        .then(one.0.uuid.cmp(&two.0.uuid))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let members = call.json_object()?;
    let mut check = Check::default();
    let draft = config::read(&mut check, &members, Mode::Create, cx.choices);
    let region = draft.region.clone();
    if !region.is_empty() && !regions::exists(&region) {
        check.note("region", "Region is not valid.");
    }
    let config = draft.over(&mut check, &Config::default(), None, cx);
    settle(check, cx.choices, taken_name(cx, &config.name, None))?;
    if cx.choices.is(Choice::Credits, "short") {
        return Err(Problem::of_status(402));
    }
    cx.quota(Choice::QuotaServices, cx.account.services.len())?;
    let service = Service {
        uuid: ids::service_uuid(),
        label: unused_label(cx),
        region,
        created_at: cx.now,
        course: Course::new(cx.now, lifecycle::creation(config.shape())),
        deleting: false,
        buckets: BTreeMap::new(),
        iam: Iam::installed(),
        traffic: BTreeMap::new(),
        config,
    };
    let answer = view::service(&service, pending(cx), true, cx.choices);
    cx.account.services.insert(service.uuid.clone(), service);
    Ok(Answer::created(answer))
}

fn unused_label(cx: &Context<'_>) -> String {
    loop {
        let label = ids::endpoint_label();
        if cx
            .account
            .services
            .values()
            .all(|service| service.label != label)
        {
            return label;
        }
    }
}

/// The answer to a change always shows `pending`, however fast the states pass.
fn pending(cx: &Context<'_>) -> Seen {
    Seen {
        state: State::Pending,
        since: cx.now,
        held: false,
    }
}

/// A service under deletion does not hold its name.
fn taken_name(cx: &Context<'_>, name: &str, own: Option<&str>) -> Option<(&'static str, String)> {
    let taken = cx.account.services.values().any(|service| {
        service.config.name == name && !service.deleting && Some(service.uuid.as_str()) != own
    });
    taken.then(|| ("name", "Name must be unique.".to_owned()))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, pace, choices) = (cx.now, cx.pace, cx.choices);
    let service = call.service(cx.account)?;
    let seen = service.seen(now, pace, choices);
    Ok(Answer::ok(view::service(service, seen, true, choices)))
}

pub fn replace(cx: &mut Context<'_>, call: &Call) -> Reply {
    change(cx, call, Mode::Replace)
}

pub fn modify(cx: &mut Context<'_>, call: &Call) -> Reply {
    change(cx, call, Mode::Modify)
}

fn change(cx: &mut Context<'_>, call: &Call, mode: Mode) -> Reply {
    let mut service = call.service(cx.account)?.clone();
    let members = call.json_object()?;
    let mut check = Check::default();
    let draft: Draft = config::read(&mut check, &members, mode, cx.choices);
    let only = draft.only.clone();
    let before = service.config.clone();
    let base = match mode {
        Mode::Modify => before.clone(),
        Mode::Replace if cx.choices.is(Choice::PropertiesOnPut, "keep") => Config {
            cors_origin: before.cors_origin.clone(),
            ..Config::default()
        },
        Mode::Create | Mode::Replace => Config::default(),
    };
    let after = draft.over(&mut check, &base, Some(&service), cx);
    if after.termination_protection && before.started && !after.started {
        let reason = "Service state cannot be updated, termination protection is enabled.";
        check.note("configured_status", reason);
    }
    let taken = taken_name(cx, &after.name, Some(&service.uuid));
    settle(check, cx.choices, taken)?;
    if swaps_private_networks(&before, &after) && cx.choices.is(Choice::PrivateSwap, "500") {
        return Err(Problem::of_status(500));
    }
    let settled_alone = match only.as_deref() {
        Some("labels") => Some(Choice::LabelsPatch),
        Some("name") => Some(Choice::NamePatch),
        _ => None,
    };
    let settled = settled_alone.is_some_and(|choice| cx.choices.is(choice, "settled"))
        || (after == before && cx.choices.is(Choice::UnchangedPatch, "settled"));
    let seen = if settled {
        if after != before {
            service.modify_settled(after, cx.now, cx.pace, cx.choices);
        }
        service.seen(cx.now, cx.pace, cx.choices)
    } else {
        service.modify(after, cx.now);
        pending(cx)
    };
    let answer = view::service(&service, seen, true, cx.choices);
    cx.account.services.insert(service.uuid.clone(), service);
    Ok(Answer::ok(answer))
}

/// A private network goes and another comes in one call.
fn swaps_private_networks(before: &Config, after: &Config) -> bool {
    let private = |config: &Config| -> Vec<Option<String>> {
        let networks = config.networks.iter().filter(|network| network.private);
        networks.map(|network| network.uuid.clone()).collect()
    };
    let (had, has) = (private(before), private(after));
    had.iter().any(|uuid| !has.contains(uuid)) && has.iter().any(|uuid| !had.contains(uuid))
}

pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut check = Check::default();
    let force = call.flag(&mut check, "force");
    let (now, pace, choices) = (cx.now, cx.pace, cx.choices);
    let service = call.service(cx.account)?;
    check.done()?;
    if service.deleting {
        return if choices.is(Choice::SecondDelete, "204") {
            Ok(Answer::no_content())
        } else {
            Err(Problem::not_found())
        };
    }
    if service.config.termination_protection {
        return Err(protected(choices));
    }
    if !force && !is_empty(service, choices) {
        return Err(Problem::refused_root("Service is not empty."));
    }
    service.delete(now, pace, choices);
    Ok(Answer::no_content())
}

fn protected(choices: &Choices) -> Problem {
    let reason = "Service cannot be deleted, termination protection is enabled.";
    if choices.is(Choice::TerminationCode, "SERVICE_ERROR") {
        return Problem::new(400, "SERVICE_ERROR", reason);
    }
    Problem::refused("termination_protection", reason)
}

fn is_empty(service: &Service, choices: &Choices) -> bool {
    let blocks = |what| choices.includes(Choice::DeleteBlockers, what);
    let deleted_too = choices.is(Choice::DeletedBucketsBlock, "yes");
    let mut buckets = service.buckets.values();
    let iam = &service.iam;
    let bucket = buckets.any(|bucket| deleted_too || bucket.deleted_at.is_none());
    let policy = iam.policies.values().any(|policy| !policy.system);
    !(bucket && blocks("buckets")
        || !iam.users.is_empty() && blocks("users")
        || policy && blocks("policies")
        || !iam.groups.is_empty() && blocks("groups")
        || !iam.roles.is_empty() && blocks("roles"))
}

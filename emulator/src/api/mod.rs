//! The control plane's HTTP API, without the HTTP server.
//!
//! [`respond`] takes a whole request and the world and gives a whole answer; it neither waits nor
//! fails. So the same call serves a socket, a fault that applies a request late, and the control
//! API's requests in somebody else's name. `routes.rs` lists all operations with the numbers of
//! the API reference; each resource has a file of handlers.

mod attachments;
mod boundary;
mod buckets;
mod call;
mod config;
mod domains;
mod groups;
mod inline;
mod keys;
mod labels;
mod legacy;
mod metrics;
mod networks;
mod policies;
mod regions;
mod roles;
pub mod routes;
mod rules;
mod services;
mod tags;
mod users;
mod versions;
mod view;
mod website_rules;
mod websites;

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::auth::{self, Refusal};
use crate::choices::{Choice, Choices};
use crate::clock::http_date;
use crate::ids;
use crate::lifecycle::Pace;
use crate::problem::Problem;
use crate::state::{Account, Dropped, World};
use crate::validate::Check;
pub use call::{Answer, Call, Reply};
pub use routes::all as routes;
pub use view::policy_arn;

/// Path of the product.
pub const BASE: &str = "/1.3/object-storage-2";

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Method in upper case.
    pub method: String,
    /// Path, still percent-encoded.
    pub path: String,
    /// Query without its question mark; empty if there is none.
    pub query: String,
    /// Value of the Authorization header.
    pub authorization: Option<String>,
    /// Whole body.
    pub body: Bytes,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// Whoever the Authorization header says.
    Header,
    /// This account, without credentials.
    Account(&'a str),
}

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// Account that the caller was recognised as.
    pub account: Option<String>,
}

/// What a handler sees of the world: its own account, and the settings.
pub struct Context<'a> {
    pub account: &'a mut Account,
    pub choices: &'a Choices,
    pub pace: &'a Pace,
    pub key_owners: &'a mut HashMap<String, (String, String)>,
    /// Custom domains of other accounts.
    pub foreign_domains: &'a [String],
    /// What the data plane shall forget.
    pub dropped: &'a mut Vec<Dropped>,
    pub now: Timestamp,
}

impl Context<'_> {
    /// Whether lists show what was created at this time already.
    pub fn is_listed(&self, created_at: Timestamp) -> bool {
        is_listed(self.choices, self.now, created_at)
    }

    /// Refuses a create that would go over a quota.
    pub fn quota(&self, choice: Choice, have: usize) -> Result<(), Problem> {
        quota(self.choices, choice, have)
    }
}

/// The things of a list in the order that the choice `list-order` says; by name as they come.
pub fn in_order<'a, T>(
    choices: &Choices,
    things: impl Iterator<Item = (&'a String, &'a T)>,
    created_at: impl Fn(&T) -> Timestamp,
) -> Vec<(&'a String, &'a T)> {
    let mut things: Vec<_> = things.collect();
    if choices.is(Choice::ListOrder, "created_at") {
        things.sort_by_key(|(_, thing)| created_at(thing));
    }
    things
}

/// Whether lists show at `now` what was created at `created_at` (choice `list-delay`, seconds).
pub fn is_listed(choices: &Choices, now: Timestamp, created_at: Timestamp) -> bool {
    let delay = i64::from(choices.number(Choice::ListDelay));
    delay == 0 || now.as_second() - created_at.as_second() >= delay
}

/// Refuses a create that would go over a quota; 0 is no quota.
pub fn quota(choices: &Choices, choice: Choice, have: usize) -> Result<(), Problem> {
    let most = choices.number(choice);
    if most > 0 && have >= usize::try_from(most).unwrap_or(usize::MAX) {
        let what = choice.name().trim_start_matches("quota-");
        return Err(Problem::refused_root(format!(
            "Cannot exceed quota for {what}: {most}"
        )));
    }
    Ok(())
}

/// Refuses a second create under one name.
pub fn duplicate(choices: &Choices, name: &str, reason: impl Into<String>) -> Problem {
    let mut problem = Problem::refused(name, reason);
    if choices.is(Choice::DuplicateStatus, "409") {
        problem.status = 409;
        problem.code = "RESOURCE_ALREADY_EXISTS";
        "The resource already exists.".clone_into(&mut problem.title);
    }
    problem
}

/// Fails with what was noted; a name that is taken is one more complaint, or the only one.
pub fn settle(
    mut check: Check,
    choices: &Choices,
    taken: Option<(&str, String)>,
) -> Result<(), Problem> {
    match taken {
        Some((name, reason)) if check.is_clean() => Err(duplicate(choices, name, reason)),
        Some((name, reason)) => {
            check.note(name, reason);
            check.done()
        }
        None => check.done(),
    }
}

/// The answer to deleting what is not there.
pub fn missing(choices: &Choices) -> Reply {
    if choices.is(Choice::MissingDelete, "204") {
        Ok(Answer::no_content())
    } else {
        Err(Problem::not_found())
    }
}

/// Answers a request.
pub fn respond(
    world: &mut World,
    now: Timestamp,
    request: &Request,
    caller: Caller<'_>,
) -> Response {
    world.settle(now);
    let legacy = !is_product(&request.path);
    let account = match caller {
        Caller::Account(name) => Ok(name.to_owned()),
        Caller::Header => auth::recognise(&world.accounts, request.authorization.as_deref()),
    };
    let account = match account {
        Ok(account) => account,
        Err(refusal) => {
            let legacy = legacy || world.choices.is(Choice::AuthForm, "legacy");
            return render(Err(unauthorised(refusal)), now, legacy, None);
        }
    };
    let reply = perform(world, now, request, &account);
    render(reply, now, legacy, Some(account))
}

/// The answer to a body that is too large to be read.
pub fn too_large(now: Timestamp, path: &str) -> Response {
    let problem = Problem::refused_root("The request body is too large.");
    render(Err(problem), now, !is_product(path), None)
}

/// The usual error of a status, in the envelope of a path.
pub fn error_of_status(now: Timestamp, path: &str, status: u16) -> Response {
    render(
        Err(Problem::of_status(status)),
        now,
        !is_product(path),
        None,
    )
}

fn is_product(path: &str) -> bool {
    path.strip_prefix(BASE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn unauthorised(refusal: Refusal) -> Problem {
    let mut problem = Problem::of_status(401);
    if refusal == Refusal::Missing {
        "Authentication is required.".clone_into(&mut problem.title);
    }
    problem
}

fn perform(world: &mut World, now: Timestamp, request: &Request, account: &str) -> Reply {
    let foreign_domains = domains_of_others(world, request, account);
    let World {
        accounts,
        choices,
        pace,
        key_owners,
        dropped,
    } = world;
    let account = accounts
        .iter_mut()
        .find(|known| known.name == account)
        .ok_or_else(|| Problem::of_status(401))?;
    let mut context = Context {
        account,
        choices,
        pace,
        key_owners,
        foreign_domains: &foreign_domains,
        dropped,
        now,
    };
    match request.path.strip_prefix(BASE) {
        Some(rest) if is_product(&request.path) => routes::dispatch(&mut context, request, rest),
        _ => legacy::dispatch(&mut context, request),
    }
}

/// Custom domains are thought to be unique among all accounts; only writes need to know.
fn domains_of_others(world: &World, request: &Request, account: &str) -> Vec<String> {
    let writes = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    if !writes || world.choices.is(Choice::CustomDomainScope, "service") {
        return Vec::new();
    }
    world
        .accounts
        .iter()
        .filter(|other| other.name != account)
        .flat_map(|other| other.services.values())
        .flat_map(|service| &service.config.custom_domains)
        .map(|domain| domain.domain_name.to_lowercase())
        .collect()
}

fn render(reply: Reply, now: Timestamp, legacy: bool, account: Option<String>) -> Response {
    let correlation_id = ids::correlation_id(now);
    let mut headers = vec![
        ("date", http_date(now)),
        ("strict-transport-security", "max-age=63072000".to_owned()),
        ("upcloud-cid", correlation_id.clone()),
    ];
    let legacy_type = "application/json; charset=UTF-8".to_owned();
    match reply {
        Ok(answer) => {
            if answer.body.is_some() {
                let kind = if legacy {
                    legacy_type
                } else {
                    "application/json".to_owned()
                };
                headers.push(("content-type", kind));
            }
            if let Some(total) = answer.total {
                headers.push(("upcloud-total-count", total.to_string()));
            }
            Response {
                status: answer.status,
                headers,
                body: answer.body.unwrap_or_default(),
                account,
            }
        }
        Err(problem) => {
            let (kind, body) = if legacy {
                (legacy_type, problem.to_legacy_json())
            } else {
                (
                    "application/problem+json".to_owned(),
                    problem.to_problem_json(&correlation_id),
                )
            };
            headers.push(("content-type", kind));
            headers.push(("content-language", "en".to_owned()));
            Response {
                status: problem.status,
                headers,
                body,
                account,
            }
        }
    }
}

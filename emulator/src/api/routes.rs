//! All operations of the product, numbered as in the API reference.

use percent_encoding::percent_decode_str;

use super::call::{Call, Reply};
use super::{
    Context, Request, attachments, boundary, buckets, domains, groups, inline, keys, labels,
    metrics, networks, policies, regions, roles, rules, services, tags, users, versions, websites,
};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::state::iam::Owner;

type Handler = fn(&mut Context<'_>, &Call) -> Reply;

/// One operation: its number, method, path below the product root, and handler.
struct Route(u8, &'static str, &'static str, Handler);

/// `{name}` stands for any segment that is not empty; literals win because they come first.
const ROUTES: &[Route] = &[
    Route(1, "GET", "", services::list),
    Route(2, "POST", "", services::create),
    Route(7, "GET", "regions", regions::list),
    Route(8, "GET", "regions/{region}", regions::get),
    Route(3, "GET", "{uuid}", services::get),
    Route(4, "PUT", "{uuid}", services::replace),
    Route(5, "PATCH", "{uuid}", services::modify),
    Route(6, "DELETE", "{uuid}", services::delete),
    Route(9, "GET", "{uuid}/networks", networks::list),
    Route(10, "POST", "{uuid}/networks", networks::create),
    Route(11, "GET", "{uuid}/networks/{net}", networks::get),
    Route(12, "DELETE", "{uuid}/networks/{net}", networks::delete),
    Route(13, "GET", "{uuid}/custom-domains", domains::list),
    Route(14, "POST", "{uuid}/custom-domains", domains::create),
    Route(15, "GET", "{uuid}/custom-domains/{domain}", domains::get),
    Route(
        16,
        "PATCH",
        "{uuid}/custom-domains/{domain}",
        domains::modify,
    ),
    Route(
        17,
        "DELETE",
        "{uuid}/custom-domains/{domain}",
        domains::delete,
    ),
    Route(18, "GET", "{uuid}/domains", domains::of_service),
    Route(19, "GET", "{uuid}/metrics", metrics::totals),
    Route(20, "GET", "{uuid}/metrics/series", metrics::series),
    Route(21, "GET", "{uuid}/buckets", buckets::list),
    Route(22, "POST", "{uuid}/buckets", buckets::create),
    Route(23, "DELETE", "{uuid}/buckets/{bucket}", buckets::delete),
    Route(24, "GET", "{uuid}/labels", labels::list),
    Route(25, "POST", "{uuid}/labels", labels::create),
    Route(26, "GET", "{uuid}/labels/{key}", labels::get),
    Route(27, "PATCH", "{uuid}/labels/{key}", labels::modify),
    Route(28, "DELETE", "{uuid}/labels/{key}", labels::delete),
    Route(29, "GET", "{uuid}/static-websites", websites::list),
    Route(30, "POST", "{uuid}/static-websites", websites::create),
    Route(31, "GET", "{uuid}/static-websites/{domain}", websites::get),
    Route(
        32,
        "PATCH",
        "{uuid}/static-websites/{domain}",
        websites::modify,
    ),
    Route(
        33,
        "DELETE",
        "{uuid}/static-websites/{domain}",
        websites::delete,
    ),
    Route(34, "GET", "{uuid}/users", users::list),
    Route(35, "POST", "{uuid}/users", users::create),
    Route(36, "GET", "{uuid}/users/{user}", users::get),
    Route(37, "DELETE", "{uuid}/users/{user}", users::delete),
    Route(38, "GET", "{uuid}/users/{user}/access-keys", keys::list),
    Route(39, "POST", "{uuid}/users/{user}/access-keys", keys::create),
    Route(40, "GET", "{uuid}/users/{user}/access-keys/{id}", keys::get),
    Route(
        41,
        "PATCH",
        "{uuid}/users/{user}/access-keys/{id}",
        keys::modify,
    ),
    Route(
        42,
        "DELETE",
        "{uuid}/users/{user}/access-keys/{id}",
        keys::delete,
    ),
    Route(43, "GET", "{uuid}/users/{user}/policies", attachments::list),
    Route(
        44,
        "POST",
        "{uuid}/users/{user}/policies",
        attachments::attach,
    ),
    Route(
        45,
        "DELETE",
        "{uuid}/users/{user}/policies/{policy}",
        attachments::detach,
    ),
    Route(
        46,
        "GET",
        "{uuid}/users/{user}/inline-policies",
        inline::list,
    ),
    Route(
        47,
        "POST",
        "{uuid}/users/{user}/inline-policies",
        inline::create,
    ),
    Route(
        48,
        "GET",
        "{uuid}/users/{user}/inline-policies/{policy}",
        inline::get,
    ),
    Route(
        49,
        "DELETE",
        "{uuid}/users/{user}/inline-policies/{policy}",
        inline::delete,
    ),
    Route(50, "GET", "{uuid}/users/{user}/tags", tags::list),
    Route(51, "PUT", "{uuid}/users/{user}/tags", tags::replace),
    Route(52, "DELETE", "{uuid}/users/{user}/tags/{key}", tags::delete),
    Route(
        53,
        "PUT",
        "{uuid}/users/{user}/permissions-boundary",
        boundary::set,
    ),
    Route(
        54,
        "DELETE",
        "{uuid}/users/{user}/permissions-boundary",
        boundary::clear,
    ),
    Route(55, "GET", "{uuid}/policies", policies::list),
    Route(56, "POST", "{uuid}/policies", policies::create),
    Route(57, "GET", "{uuid}/policies/{policy}", policies::get),
    Route(
        58,
        "PATCH",
        "{uuid}/policies/{policy}",
        policies::set_default,
    ),
    Route(59, "DELETE", "{uuid}/policies/{policy}", policies::delete),
    Route(
        60,
        "GET",
        "{uuid}/policies/{policy}/versions",
        versions::list,
    ),
    Route(
        61,
        "POST",
        "{uuid}/policies/{policy}/versions",
        versions::create,
    ),
    Route(
        62,
        "GET",
        "{uuid}/policies/{policy}/versions/{version}",
        versions::get,
    ),
    Route(
        63,
        "DELETE",
        "{uuid}/policies/{policy}/versions/{version}",
        versions::delete,
    ),
    Route(64, "GET", "{uuid}/groups", groups::list),
    Route(65, "POST", "{uuid}/groups", groups::create),
    Route(66, "GET", "{uuid}/groups/{group}", groups::get),
    Route(67, "DELETE", "{uuid}/groups/{group}", groups::delete),
    Route(
        68,
        "POST",
        "{uuid}/groups/{group}/users/{user}",
        groups::add,
    ),
    Route(
        69,
        "DELETE",
        "{uuid}/groups/{group}/users/{user}",
        groups::remove,
    ),
    Route(
        70,
        "GET",
        "{uuid}/groups/{group}/policies",
        attachments::list,
    ),
    Route(
        71,
        "POST",
        "{uuid}/groups/{group}/policies",
        attachments::attach,
    ),
    Route(
        72,
        "DELETE",
        "{uuid}/groups/{group}/policies/{policy}",
        attachments::detach,
    ),
    Route(
        73,
        "GET",
        "{uuid}/groups/{group}/inline-policies",
        inline::list,
    ),
    Route(
        74,
        "POST",
        "{uuid}/groups/{group}/inline-policies",
        inline::create,
    ),
    Route(
        75,
        "GET",
        "{uuid}/groups/{group}/inline-policies/{policy}",
        inline::get,
    ),
    Route(
        76,
        "DELETE",
        "{uuid}/groups/{group}/inline-policies/{policy}",
        inline::delete,
    ),
    Route(77, "GET", "{uuid}/roles", roles::list),
    Route(78, "POST", "{uuid}/roles", roles::create),
    Route(79, "GET", "{uuid}/roles/{role}", roles::get),
    Route(80, "PATCH", "{uuid}/roles/{role}", roles::modify),
    Route(81, "DELETE", "{uuid}/roles/{role}", roles::delete),
    Route(
        82,
        "PUT",
        "{uuid}/roles/{role}/assume-role-policy",
        roles::set_trust,
    ),
    Route(83, "GET", "{uuid}/roles/{role}/policies", attachments::list),
    Route(
        84,
        "POST",
        "{uuid}/roles/{role}/policies",
        attachments::attach,
    ),
    Route(
        85,
        "DELETE",
        "{uuid}/roles/{role}/policies/{policy}",
        attachments::detach,
    ),
    Route(
        86,
        "GET",
        "{uuid}/roles/{role}/inline-policies",
        inline::list,
    ),
    Route(
        87,
        "POST",
        "{uuid}/roles/{role}/inline-policies",
        inline::create,
    ),
    Route(
        88,
        "GET",
        "{uuid}/roles/{role}/inline-policies/{policy}",
        inline::get,
    ),
    Route(
        89,
        "DELETE",
        "{uuid}/roles/{role}/inline-policies/{policy}",
        inline::delete,
    ),
    Route(
        90,
        "PUT",
        "{uuid}/roles/{role}/permissions-boundary",
        boundary::set,
    ),
    Route(
        91,
        "DELETE",
        "{uuid}/roles/{role}/permissions-boundary",
        boundary::clear,
    ),
    Route(92, "GET", "{uuid}/roles/{role}/tags", tags::list),
    Route(93, "PUT", "{uuid}/roles/{role}/tags", tags::replace),
    Route(94, "DELETE", "{uuid}/roles/{role}/tags/{key}", tags::delete),
];

/// All operations in the order of their numbers: number, method, pattern below the product root.
pub fn all() -> Vec<(u8, &'static str, &'static str)> {
    let mut all: Vec<_> = ROUTES
        .iter()
        .map(|route| (route.0, route.1, route.2))
        .collect();
    all.sort_unstable();
    all
}

/// Calls that another description of the API has; answered only behind the switch of this name.
const LENIENT: Route = Route(
    71,
    "PUT",
    "{uuid}/groups/{group}/policies/{policy}",
    attachments::attach_by_path,
);

/// Finds the operation of a path below the product root and performs it.
pub fn dispatch(cx: &mut Context<'_>, request: &Request, rest: &str) -> Reply {
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let segments: Vec<String> = rest
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let lenient = cx
        .choices
        .is(Choice::GroupPut, "accept")
        .then_some(&LENIENT);
    let same_path: Vec<&Route> = ROUTES
        .iter()
        .chain(lenient)
        .filter(|route| matches(route.2, &segments))
        .collect();
    let Some(first) = same_path.first() else {
        return Err(Problem::not_found());
    };
    let literal = first.2;
    let Route(number, _, pattern, handler) = same_path
        .iter()
        .find(|route| route.1 == request.method && route.2 == literal)
        .ok_or_else(|| Problem::of_status(405))?;
    let call = Call {
        args: arguments(pattern, &segments),
        query: form_urlencoded::parse(request.query.as_bytes())
            .into_owned()
            .collect(),
        body: request.body.clone(),
        owner: owner(pattern),
    };
    guard(cx, *number, pattern, &call)?;
    handler(cx, &call)
}

fn matches(pattern: &str, segments: &[String]) -> bool {
    pattern.split('/').count() == segments.len()
        && pattern.split('/').zip(segments).all(|(want, have)| {
            if want.starts_with('{') {
                !have.is_empty()
            } else {
                want == have
            }
        })
}

fn arguments(pattern: &str, segments: &[String]) -> Vec<String> {
    pattern
        .split('/')
        .zip(segments)
        .filter(|(want, _)| want.starts_with('{'))
        .map(|(_, have)| have.clone())
        .collect()
}

fn owner(pattern: &str) -> Owner {
    match pattern.split('/').nth(1) {
        Some("groups") => Owner::Group,
        Some("roles") => Owner::Role,
        _ => Owner::User,
    }
}

/// Rules that hold for every operation of a kind: names in the path, writes to a service that is
/// being deleted, IAM of a stopped service.
fn guard(cx: &Context<'_>, number: u8, pattern: &str, call: &Call) -> Result<(), Problem> {
    if cx.choices.is(Choice::PathNames, "strict") {
        let names = pattern
            .split('/')
            .filter(|segment| segment.starts_with('{'));
        for (name, value) in names.zip(&call.args) {
            let plain = matches!(name, "{uuid}" | "{domain}" | "{key}" | "{id}" | "{version}");
            if let Some(reason) = rules::NAME.complaint(value).filter(|_| !plain) {
                return Err(Problem::refused(name.trim_matches(['{', '}']), reason));
            }
        }
    }
    let writes = ROUTES
        .iter()
        .any(|route| route.0 == number && route.1 != "GET" && number > 6);
    let service = cx.account.services.get(&call.arg(0).to_lowercase());
    let Some(service) = service.filter(|_| writes || matches!(number, 4 | 5)) else {
        return Ok(());
    };
    if service.deleting && !cx.choices.is(Choice::DeletingWrites, "accept") {
        return Err(Problem::not_found());
    }
    let iam = (34..=94).contains(&number);
    if iam && !service.config.started && cx.choices.is(Choice::StoppedIam, "400") {
        return Err(Problem::refused_root("Service is stopped."));
    }
    Ok(())
}

/// Number, method and path of every operation that is served; paths are below the product's root.
pub fn operations() -> impl Iterator<Item = (u8, &'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.0, route.1, route.2))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_94_operations_are_there_once() {
        let numbers: BTreeSet<u8> = ROUTES.iter().map(|route| route.0).collect();
        assert_eq!(ROUTES.len(), 94);
        assert_eq!(numbers, (1..=94).collect());
    }
}

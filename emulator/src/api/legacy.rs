//! What official clients call around the product: the account, routers and SDN networks.
//!
//! These are older APIs: bodies are wrapped (`{"router": {…}}`), errors have the older envelope.
//! They do only as much as clients of object storage need.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::call::{Answer, Reply};
use super::{Context, Request};
use crate::ids;
use crate::problem::Problem;
use crate::state::Account;

/// Answers a request outside the product.
pub fn dispatch(cx: &mut Context<'_>, request: &Request) -> Reply {
    let path = request.path.strip_prefix("/1.3/").unwrap_or_default();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["account"]) => Ok(Answer::ok(account(cx.account))),
        ("GET", ["router"]) => Ok(list(&routers(cx.account), "router")),
        ("POST", ["router"]) => create_router(cx, request),
        ("GET", ["router", uuid]) => get(&routers(cx.account), "router", uuid),
        ("PATCH" | "PUT", ["router", uuid]) => {
            change(&mut cx.account.routers, "router", uuid, request)
        }
        ("DELETE", ["router", uuid]) => delete_router(cx, uuid),
        ("GET", ["network"]) => Ok(list(&cx.account.networks, "network")),
        ("POST", ["network"]) => create_network(cx, request),
        ("GET", ["network", uuid]) => get(&cx.account.networks, "network", uuid),
        ("PATCH" | "PUT", ["network", uuid]) => {
            change(&mut cx.account.networks, "network", uuid, request)
        }
        ("DELETE", ["network", uuid]) => match cx.account.networks.remove(*uuid) {
            Some(_) => Ok(Answer::no_content()),
            None => Err(missing("network", uuid)),
        },
        (_, ["account"] | ["router" | "network", ..]) => Err(Problem::of_status(405)),
        _ => Err(Problem::new(
            404,
            "NOT_FOUND",
            "The requested resource does not exist.",
        )),
    }
}

fn account(account: &Account) -> Value {
    let username = &account.credentials.username;
    json!({"account": {
        "credits": 100_000.0,
        "resource_limits": {
            "cores": 200,
            "detached_floating_ips": 10,
            "gpus": 10,
            "load_balancers": 50,
            "managed_object_storages": 20,
            "memory": 1_048_576,
            "network_peerings": 100,
            "networks": 100,
            "ntp_excess_gib": 20_000,
            "public_ipv4": 100,
            "public_ipv6": 100,
            "storage_hdd": 10_240,
            "storage_maxiops": 10_240,
            "storage_ssd": 10_240,
        },
        "username": if username.is_empty() { &account.name } else { username },
    }})
}

/// Routers with the networks that are attached to them.
fn routers(account: &Account) -> BTreeMap<String, Value> {
    let mut routers = account.routers.clone();
    for (uuid, router) in &mut routers {
        let attached = account
            .networks
            .iter()
            .filter(|(_, network)| network.get("router").and_then(Value::as_str) == Some(uuid));
        let attached: Vec<Value> = attached.map(|(uuid, _)| json!({"uuid": uuid})).collect();
        if let Some(members) = router.as_object_mut() {
            let networks = json!({"network": attached});
            members.insert("attached_networks".to_owned(), networks);
        }
    }
    routers
}

/// Puts what a body gives over a router or network; what makes its identity stays.
fn change(
    things: &mut BTreeMap<String, Value>,
    kind: &str,
    uuid: &str,
    request: &Request,
) -> Reply {
    let thing = things.get_mut(uuid).ok_or_else(|| missing(kind, uuid))?;
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| invalid_json())?;
    let given = body.get(kind).and_then(Value::as_object);
    let given = given.ok_or_else(|| {
        Problem::new(
            400,
            "BAD_REQUEST",
            format!("The attribute {kind} is required."),
        )
    })?;
    if let Some(members) = thing.as_object_mut() {
        for (name, value) in given {
            if !matches!(
                name.as_str(),
                "uuid" | "type" | "attached_networks" | "servers"
            ) {
                members.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(Answer::ok(json!({kind: thing})))
}

fn invalid_json() -> Problem {
    Problem::new(400, "INVALID_JSON", "The request body is not valid JSON.")
}

fn list(things: &BTreeMap<String, Value>, kind: &str) -> Answer {
    let items: Vec<&Value> = things.values().collect();
    Answer::ok(json!({format!("{kind}s"): {kind: items}}))
}

fn get(things: &BTreeMap<String, Value>, kind: &str, uuid: &str) -> Reply {
    let thing = things.get(uuid).ok_or_else(|| missing(kind, uuid))?;
    Ok(Answer::ok(json!({kind: thing})))
}

fn missing(kind: &str, uuid: &str) -> Problem {
    if kind == "router" {
        Problem::new(
            404,
            "ROUTER_NOT_FOUND",
            format!("The router {uuid} does not exist."),
        )
    } else {
        Problem::new(
            404,
            "NETWORK_NOT_FOUND",
            format!("The network {uuid} does not exist."),
        )
    }
}

/// The wrapped object of a body.
fn unwrap(request: &Request, kind: &str) -> Result<Map<String, Value>, Problem> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| invalid_json())?;
    let wrapped = body.get(kind).and_then(Value::as_object).cloned();
    let wrapped = wrapped.filter(|members| members.get("name").is_some_and(Value::is_string));
    wrapped.ok_or_else(|| {
        let title = format!("The attribute {kind}.name is required.");
        Problem::new(400, "NAME_MISSING", title)
    })
}

fn create_router(cx: &mut Context<'_>, request: &Request) -> Reply {
    let sent = unwrap(request, "router")?;
    let uuid = ids::router_uuid();
    let router = json!({
        "attached_networks": {"network": []},
        "labels": sent.get("labels").cloned().unwrap_or_else(|| json!([])),
        "name": sent.get("name"),
        "static_routes": sent.get("static_routes").cloned().unwrap_or_else(|| json!([])),
        "type": "normal",
        "uuid": uuid,
    });
    cx.account.routers.insert(uuid, router.clone());
    Ok(Answer::created(json!({"router": router})))
}

fn delete_router(cx: &mut Context<'_>, uuid: &str) -> Reply {
    if !cx.account.routers.contains_key(uuid) {
        return Err(missing("router", uuid));
    }
    let attached = |network: &Value| network.get("router").and_then(Value::as_str) == Some(uuid);
    if cx.account.networks.values().any(attached) {
        let title = format!("The router {uuid} is attached to a network.");
        return Err(Problem::new(409, "ROUTER_ATTACHED", title));
    }
    cx.account.routers.remove(uuid);
    Ok(Answer::no_content())
}

fn create_network(cx: &mut Context<'_>, request: &Request) -> Reply {
    let sent = unwrap(request, "network")?;
    let uuid = ids::network_uuid();
    let mut network = json!({
        "ip_networks": sent.get("ip_networks").cloned().unwrap_or_else(|| json!({"ip_network": []})),
        "labels": sent.get("labels").cloned().unwrap_or_else(|| json!([])),
        "name": sent.get("name"),
        "servers": {"server": []},
        "type": "private",
        "uuid": uuid,
        "zone": sent.get("zone").cloned().unwrap_or_else(|| "fi-hel1".into()),
    });
    if let Some(router) = sent.get("router").and_then(Value::as_str) {
        if !cx.account.routers.contains_key(router) {
            return Err(missing("router", router));
        }
        if let Some(members) = network.as_object_mut() {
            members.insert("router".to_owned(), router.into());
        }
    }
    cx.account.networks.insert(uuid, network.clone());
    Ok(Answer::created(json!({"network": network})))
}

//! The whole state for assertions, without secrets.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::state::iam::{Grants, Iam};
use crate::state::service::Service;
use crate::state::{Account, World};

/// `{"accounts": {NAME: {"services": […], "networks": […], "routers": […]}}}`.
pub fn dump(world: &World, now: Timestamp) -> Value {
    let accounts: Map<String, Value> = world
        .accounts
        .iter()
        .map(|account| (account.name.clone(), dump_account(world, account, now)))
        .collect();
    json!({"now": now, "accounts": accounts})
}

fn dump_account(world: &World, account: &Account, now: Timestamp) -> Value {
    let mut services: Vec<&Service> = account.services.values().collect();
    services.sort_by_key(|service| (service.created_at, service.uuid.clone()));
    json!({
        "services": services.iter().map(|service| dump_service(world, service, now)).collect::<Vec<_>>(),
        "networks": account.networks.keys().collect::<Vec<_>>(),
        "routers": account.routers.keys().collect::<Vec<_>>(),
    })
}

fn dump_service(world: &World, service: &Service, now: Timestamp) -> Value {
    let config = &service.config;
    let seen = service.seen(now, &world.pace, &world.choices);
    let buckets: Vec<Value> = service
        .buckets
        .iter()
        .map(|(name, bucket)| {
            json!({
                "name": name,
                "objects": bucket.objects,
                "bytes": bucket.bytes,
                "deleted": bucket.deleted_at.is_some(),
                "created_at": bucket.created_at,
            })
        })
        .collect();
    json!({
        "uuid": service.uuid,
        "name": config.name,
        "region": service.region,
        "state": seen.state.name(),
        "since": seen.since,
        "deleting": service.deleting,
        "configured_status": if config.started { "started" } else { "stopped" },
        "termination_protection": config.termination_protection,
        "cors_origin": config.cors_origin,
        "created_at": service.created_at,
        "networks": config.networks,
        "custom_domains": config.custom_domains,
        "labels": config.labels,
        "websites": config.websites,
        "buckets": buckets,
        "users": users(&service.iam),
        "policies": policies(&service.iam),
        "groups": groups(&service.iam),
        "roles": roles(&service.iam),
    })
}

fn grants(grants: &Grants) -> Value {
    json!({
        "attached": grants.attached.keys().collect::<Vec<_>>(),
        "inline": grants.inline,
        "boundary": grants.boundary,
        "tags": grants.tags,
    })
}

fn merge(mut value: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut value, more) {
        members.extend(more);
    }
    value
}

fn users(iam: &Iam) -> Vec<Value> {
    let users = iam.users.iter().map(|(name, user)| {
        let keys: Vec<Value> = user
            .keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id,
                    "status": if key.active { "Active" } else { "Inactive" },
                    "created_at": key.created_at,
                    "last_used_at": key.last_used_at,
                })
            })
            .collect();
        let shown = json!({"name": name, "created_at": user.created_at, "keys": keys});
        merge(shown, grants(&user.grants))
    });
    users.collect()
}

fn policies(iam: &Iam) -> Vec<Value> {
    let customer = iam.policies.iter().filter(|(_, policy)| !policy.system);
    let policies = customer.map(|(name, policy)| {
        let versions: Vec<Value> = policy
            .versions
            .iter()
            .map(|version| {
                let document: Value = serde_json::from_str(&version.document).unwrap_or_default();
                json!({"id": format!("v{}", version.number), "document": document})
            })
            .collect();
        json!({
            "name": name,
            "description": policy.description,
            "created_at": policy.created_at,
            "default": format!("v{}", policy.default),
            "attachments": iam.attachments(name).count(),
            "versions": versions,
        })
    });
    policies.collect()
}

fn groups(iam: &Iam) -> Vec<Value> {
    let groups = iam.groups.iter().map(|(name, group)| {
        let shown = json!({"name": name, "created_at": group.created_at, "members": group.members});
        merge(shown, grants(&group.grants))
    });
    groups.collect()
}

fn roles(iam: &Iam) -> Vec<Value> {
    let roles = iam.roles.iter().map(|(name, role)| {
        let trust: Value = serde_json::from_str(&role.trust).unwrap_or_default();
        let shown = json!({
            "name": name,
            "created_at": role.created_at,
            "description": role.description,
            "max_session_seconds": role.max_session_seconds,
            "trust": trust,
        });
        merge(shown, grants(&role.grants))
    });
    roles.collect()
}

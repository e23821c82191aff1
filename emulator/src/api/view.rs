//! Objects as the API shows them. Member order is settled when the answer is made.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::choices::{Choice, Choices};
use crate::clock::whole_second;
use crate::document;
use crate::lifecycle::{Seen, State};
use crate::state::iam::{AccessKey, Grants, Iam, Policy, Role, Tag, User, Version};
use crate::state::service::{Bucket, CustomDomain, ErrorPage, Label, Network, Service, Website};

/// "Never", as the wire has it.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// A service; `users` only in detail.
pub fn service(service: &Service, seen: Seen, detail: bool, choices: &Choices) -> Value {
    let config = &service.config;
    let (objects, bytes) = service.usage();
    let full = choices.is(Choice::ServiceShape, "full");
    let domains: Vec<Value> = config
        .custom_domains
        .iter()
        .map(|item| domain(item, full))
        .collect();
    let mut view = json!({
        "configured_status": if config.started { "started" } else { "stopped" },
        "created_at": service.created_at.to_string(),
        "custom_domains": domains,
        "endpoints": endpoints(service, choices),
        "labels": config.labels.iter().map(label).collect::<Vec<_>>(),
        "name": config.name,
        "networks": config.networks.iter().map(network).collect::<Vec<_>>(),
        "operational_state": seen.state.name(),
        "region": service.region,
        "state_messages": state_messages(service, seen, choices),
        "updated_at": seen.since.to_string(),
        "usage": {"total_objects": objects, "total_size_bytes": bytes},
        "uuid": service.uuid,
    });
    if full {
        put(
            &mut view,
            "static_websites",
            config.websites.iter().map(website).collect(),
        );
        put(
            &mut view,
            "termination_protection",
            config.termination_protection.into(),
        );
    }
    if detail {
        let users = service.iam.users.iter();
        let users = users.map(|(name, item)| user(service, name, item, choices));
        put(&mut view, "users", users.collect());
    }
    view
}

fn put(view: &mut Value, key: &str, value: Value) {
    if let Some(members) = view.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

fn endpoints(service: &Service, choices: &Choices) -> Vec<Value> {
    let config = &service.config;
    let shape = config.shape();
    if !shape.started {
        return Vec::new();
    }
    let full = choices.is(Choice::ServiceShape, "full");
    let mut list = Vec::new();
    if shape.public {
        list.push(api_endpoint(&service.public_host(), "public", full));
    }
    if shape.private {
        list.push(api_endpoint(&service.private_host(), "private", full));
    }
    if shape.public && full {
        list.push(website_endpoint(&service.static_host()));
    }
    for domain in &config.custom_domains {
        if !domain.website {
            list.push(api_endpoint(
                &domain.domain_name,
                kind(domain.private),
                full,
            ));
        } else if choices.is(Choice::StaticDomainEndpoint, "yes") && full {
            list.push(website_endpoint(&domain.domain_name));
        }
    }
    list
}

fn api_endpoint(host: &str, kind: &str, full: bool) -> Value {
    let mut view = json!({
        "domain_name": host,
        "iam_url": format!("https://{host}:4443/iam"),
        "sts_url": format!("https://{host}:4443/sts"),
        "type": kind,
    });
    if full {
        put(&mut view, "mode", "api".into());
    }
    view
}

fn website_endpoint(host: &str) -> Value {
    json!({"domain_name": host, "mode": "static-website", "type": "public"})
}

fn kind(private: bool) -> &'static str {
    if private { "private" } else { "public" }
}

/// Trouble shows as a message while the state stays where it is.
fn state_messages(service: &Service, seen: Seen, choices: &Choices) -> Vec<Value> {
    let domains: Vec<&str> = service
        .config
        .custom_domains
        .iter()
        .map(|domain| domain.domain_name.as_str())
        .collect();
    let (code, message) = match seen.state {
        State::SetupCheckup if seen.held && choices.is(Choice::CustomDomainDns, "failed") => (
            "failed_custom_domain_verification",
            format!("Verification failed for domains: {}.", domains.join(", ")),
        ),
        State::SetupTls | State::SetupCheckup if !domains.is_empty() => (
            "waiting_certificate_issuing",
            format!(
                "Certificate issuing is in progress for domains: {}.",
                domains.join(", ")
            ),
        ),
        State::DeleteBuckets if seen.held => (
            "buckets_stuck_in_deletion",
            "Buckets are still being deleted.".to_owned(),
        ),
        State::DeleteNamespace if seen.held => (
            "namespace_stuck_in_deletion",
            "The namespace is still being deleted.".to_owned(),
        ),
        _ => return Vec::new(),
    };
    vec![json!({
        "code": code,
        "created_at": seen.since.to_string(),
        "message": message,
        "operational_state": seen.state.name(),
        "updated_at": seen.since.to_string(),
    })]
}

pub fn network(network: &Network) -> Value {
    let mut view = json!({
        "family": network.family,
        "name": network.name,
        "type": kind(network.private),
    });
    if let Some(uuid) = &network.uuid {
        put(&mut view, "uuid", uuid.clone().into());
    }
    view
}

/// A custom domain; `mode` is left out of the shape of 2025.
pub fn domain(domain: &CustomDomain, full: bool) -> Value {
    let mut view = json!({"domain_name": domain.domain_name, "type": kind(domain.private)});
    if full {
        let mode = if domain.website {
            "static-website"
        } else {
            "api"
        };
        put(&mut view, "mode", mode.into());
    }
    view
}

pub fn label(label: &Label) -> Value {
    json!({"key": label.key, "value": label.value})
}

pub fn website(site: &Website) -> Value {
    json!({
        "bucket_name": site.bucket_name,
        "bucket_prefix": site.bucket_prefix,
        "created_at": site.created_at.to_string(),
        "domain_name": site.domain_name,
        "enabled": site.enabled,
        "error_pages": site.error_pages.iter().map(error_page).collect::<Vec<_>>(),
        "index_document": site.index_document,
        "spa_mode": site.spa_mode,
        "updated_at": site.updated_at.to_string(),
    })
}

fn error_page(page: &ErrorPage) -> Value {
    let (start, end) = page.range;
    if page.single {
        json!({"error_document": page.error_document, "status_code": start})
    } else {
        json!({"error_document": page.error_document, "status_range": {"end": end, "start": start}})
    }
}

pub fn bucket(name: &str, bucket: &Bucket) -> Value {
    json!({
        "deleted": bucket.deleted_at.is_some(),
        "name": name,
        "total_objects": bucket.objects,
        "total_size_bytes": bucket.bytes,
    })
}

pub fn user(service: &Service, name: &str, user: &User, choices: &Choices) -> Value {
    let mut view = json!({
        "access_keys": user.keys.iter().map(|item| key(item, choices)).collect::<Vec<_>>(),
        "arn": arn(service, "user", name),
        "created_at": whole_second(user.created_at).to_string(),
        "policies": attached(service, &user.grants),
        "username": name,
    });
    if choices.is(Choice::ServiceShape, "full") {
        put(
            &mut view,
            "tags",
            user.grants.tags.iter().map(tag).collect(),
        );
        put_boundary(&mut view, &user.grants);
    }
    view
}

fn put_description(view: &mut Value, description: Option<&String>, choices: &Choices) {
    let empty = choices.is(Choice::NoDescription, "empty");
    let description = description.cloned().or_else(|| empty.then(String::new));
    if let Some(description) = description {
        put(view, "description", description.into());
    }
}

fn put_boundary(view: &mut Value, grants: &Grants) {
    if let Some(boundary) = &grants.boundary {
        put(view, "permissions_boundary", boundary.clone().into());
    }
}

pub fn tag(tag: &Tag) -> Value {
    let mut members = Map::new();
    members.insert("key".to_owned(), tag.key.clone().into());
    if let Some(value) = &tag.value {
        members.insert("value".to_owned(), value.clone().into());
    }
    Value::Object(members)
}

/// A key as it is read: without its secret. An unused key shows its creation as its last use.
pub fn key(key: &AccessKey, choices: &Choices) -> Value {
    let used = key.last_used_at.unwrap_or(key.created_at);
    let mut view = json!({
        "access_key_id": key.id,
        "created_at": whole_second(key.created_at).to_string(),
        "last_used_at": whole_second(used).to_string(),
        "status": status(key),
    });
    if choices.is(Choice::SecretAfter, "empty") {
        put(&mut view, "secret_access_key", "".into());
    }
    view
}

/// A key in the answer to its creation, the only one with the secret.
pub fn new_key(key: &AccessKey) -> Value {
    json!({
        "access_key_id": key.id,
        "created_at": whole_second(key.created_at).to_string(),
        "last_used_at": NEVER,
        "secret_access_key": key.secret,
        "status": status(key),
    })
}

/// `status` of a key.
pub fn status(key: &AccessKey) -> &'static str {
    if key.active { "Active" } else { "Inactive" }
}

/// ARN of a user, group, role or customer policy.
pub fn arn(service: &Service, kind: &str, name: &str) -> String {
    format!("urn:ecs:iam::{}:{kind}/{name}", service.namespace())
}

/// ARN of a policy; system policies have no namespace.
pub fn policy_arn(service: &Service, name: &str) -> String {
    if service
        .iam
        .policies
        .get(name)
        .is_some_and(|policy| policy.system)
    {
        format!("urn:ecs:iam:::policy/{name}")
    } else {
        arn(service, "policy", name)
    }
}

/// Attached policies.
pub fn attached(service: &Service, grants: &Grants) -> Value {
    grants
        .attached
        .keys()
        .map(|name| json!({"arn": policy_arn(service, name), "name": name}))
        .collect()
}

/// A managed policy; its document only in detail.
pub fn policy(
    service: &Service,
    name: &str,
    policy: &Policy,
    detail: bool,
    counts: Counts<'_>,
) -> Value {
    let mut view = json!({
        "arn": policy_arn(service, name),
        "attachment_count": counts.of(&service.iam, name, policy),
        "created_at": whole_second(policy.created_at).to_string(),
        "default_version_id": format!("v{}", policy.default),
        "name": name,
        "system": policy.system,
        "updated_at": whole_second(policy.updated_at).to_string(),
    });
    put_description(&mut view, policy.description.as_ref(), counts.choices);
    if detail {
        put(
            &mut view,
            "document",
            document::encode(policy.document()).into(),
        );
    }
    view
}

/// How attachments are counted: perhaps late, perhaps over a whole region.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    pub choices: &'a Choices,
    pub now: Timestamp,
}

impl Counts<'_> {
    fn of(self, iam: &Iam, name: &str, policy: &Policy) -> usize {
        let delay = i64::from(self.choices.number(Choice::AttachmentDelay));
        let counted = iam
            .attachments(name)
            .filter(|at| delay == 0 || self.now.as_second() - at.as_second() >= delay)
            .count();
        // A region's worth of attachments, as recorded for ECSS3FullAccess in February 2024.
        let elsewhere = policy.system && self.choices.is(Choice::SystemAttachments, "region");
        if elsewhere { counted + 435 } else { counted }
    }
}

pub fn version(policy: &Policy, version: &Version, choices: &Choices) -> Value {
    let date = whole_second(version.created_at).to_string();
    let mut view = json!({
        "document": document::encode(&version.document),
        "is_default": version.number == policy.default,
        "version_id": format!("v{}", version.number),
    });
    if !choices.is(Choice::VersionDate, "create_date") {
        put(&mut view, "created_at", date.clone().into());
    }
    if !choices.is(Choice::VersionDate, "created_at") {
        put(&mut view, "create_date", date.into());
    }
    view
}

pub fn group(service: &Service, name: &str, created_at: Timestamp) -> Value {
    json!({
        "arn": arn(service, "group", name),
        "created_at": whole_second(created_at).to_string(),
        "name": name,
    })
}

pub fn role(service: &Service, name: &str, role: &Role, choices: &Choices) -> Value {
    let inline: Vec<Value> = role
        .grants
        .inline
        .keys()
        .map(|name| json!({"name": name}))
        .collect();
    let mut view = json!({
        "arn": arn(service, "role", name),
        "assume_role_policy_document": trust(&role.trust, choices),
        "created_at": whole_second(role.created_at).to_string(),
        "inline_policies": inline,
        "max_session_duration": role.max_session_seconds,
        "name": name,
        "policies": attached(service, &role.grants),
        "tags": role.grants.tags.iter().map(tag).collect::<Vec<_>>(),
    });
    put_description(&mut view, role.description.as_ref(), choices);
    put_boundary(&mut view, &role.grants);
    view
}

/// A trust document in an answer.
pub fn trust(text: &str, choices: &Choices) -> String {
    encoded_if(text, choices.is(Choice::TrustEncoding, "encoded"))
}

/// An inline policy.
pub fn inline(name: &str, text: &str, choices: &Choices) -> Value {
    let encoded = choices.is(Choice::InlineEncoding, "encoded");
    json!({"document": encoded_if(text, encoded), "name": name})
}

fn encoded_if(text: &str, encoded: bool) -> String {
    if encoded {
        document::encode(text)
    } else {
        text.to_owned()
    }
}

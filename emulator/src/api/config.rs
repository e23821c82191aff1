//! Reading a service's configuration out of the bodies of POST, PUT and PATCH.
//!
//! All three become a [`Draft`], the members that were given; [`Draft::over`] lays it over the
//! configuration before (POST and PUT: over an empty one) and checks what concerns several members.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Context, rules, website_rules};
use crate::choices::{Choice, Choices};
use crate::ids;
use crate::state::service::{Config, CustomDomain, Label, Network, Service};
use crate::validate::{Check, Given, Need, Object, keep_last};
use website_rules::WebsiteDraft;

/// Which call a body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Create,
    Replace,
    Modify,
}

/// The members that a body gave.
#[derive(Debug)]
pub struct Draft {
    name: Option<String>,
    /// Region of a create; empty otherwise.
    pub region: String,
    started: Option<bool>,
    networks: Option<Vec<Network>>,
    custom_domains: Option<Vec<CustomDomain>>,
    labels: Option<Vec<Label>>,
    websites: Option<Vec<WebsiteDraft>>,
    cors_origin: Option<String>,
    termination_protection: Option<bool>,
    /// The only member given, if it is one.
    pub only: Option<String>,
}

const STATUS: [(&str, bool); 2] = [("started", true), ("stopped", false)];
const NETWORK_TYPE: [(&str, bool); 2] = [("public", false), ("private", true)];
const FAMILY: [(&str, &str); 2] = [("IPv4", "IPv4"), ("IPv6", "IPv6")];
const DOMAIN_MODE: [(&str, bool); 2] = [("api", false), ("static-website", true)];

/// Reads the body of a create, replace or modify.
pub fn read(
    check: &mut Check,
    members: &Map<String, Value>,
    mode: Mode,
    choices: &Choices,
) -> Draft {
    let body = Object::root(members);
    let mut known = vec![
        "name",
        "configured_status",
        "networks",
        "custom_domains",
        "labels",
        "properties",
        "termination_protection",
    ];
    match mode {
        Mode::Create => known.push("region"),
        Mode::Replace | Mode::Modify => known.push("static_websites"),
    }
    check.closed(&body, &known);
    let always = if mode == Mode::Modify {
        Need::Optional
    } else {
        Need::Required
    };
    let array = if mode == Mode::Modify || choices.is(Choice::NullArrays, "accept") {
        Need::Nullable
    } else {
        Need::Optional
    };
    let rule = if choices.is(Choice::ServiceName, "length") {
        &rules::ANY_SERVICE_NAME
    } else {
        &rules::NAME
    };
    let name = check.text(&body, "name", always, rule).value();
    let region = if mode == Mode::Create {
        check.required(&body, "region", &rules::NAME)
    } else {
        String::new()
    };
    let started = check.one_of(&body, "configured_status", always, &STATUS);
    let networks = check.list(&body, "networks", array, 8, |check, item| {
        read_network(check, item, choices)
    });
    let custom_domains = check.list(&body, "custom_domains", array, 5, |check, item| {
        read_domain(check, item, choices)
    });
    let labels = check.list(&body, "labels", array, 255, |check, item| {
        read_label(check, item, choices)
    });
    let websites = if mode == Mode::Create {
        Given::Absent
    } else {
        check.list(
            &body,
            "static_websites",
            Need::Nullable,
            usize::MAX,
            website_rules::read,
        )
    };
    Draft {
        name,
        region,
        started,
        networks: networks.patched(Vec::new()),
        custom_domains: custom_domains.patched(Vec::new()),
        labels: labels.patched(Vec::new()),
        websites: websites.patched(Vec::new()),
        cors_origin: read_properties(check, &body),
        termination_protection: check
            .flag(&body, "termination_protection", Need::Optional)
            .value(),
        only: members
            .keys()
            .next()
            .cloned()
            .filter(|_| members.len() == 1),
    }
}

fn read_properties(check: &mut Check, body: &Object<'_>) -> Option<String> {
    let properties = check.object(body, "properties", Need::Optional)?;
    check.closed(&properties, &["access_control_origin_override"]);
    check.optional(
        &properties,
        "access_control_origin_override",
        &rules::CORS_ORIGIN,
    )
}

/// Reads a network: an item of the service, or a body of its own.
pub fn read_network(check: &mut Check, item: &Object<'_>, choices: &Choices) -> Network {
    check.closed(item, &["name", "type", "family", "uuid"]);
    let name = check.required(item, "name", &rules::NAME);
    let private = check.one_of(item, "type", Need::Required, &NETWORK_TYPE);
    let family = check
        .one_of(item, "family", Need::Required, families(choices))
        .unwrap_or_default();
    let need = if private == Some(true) {
        Need::Required
    } else {
        Need::Optional
    };
    let uuid = check.text(item, "uuid", need, &rules::ANY).value();
    if let Some(uuid) = &uuid {
        if !ids::is_uuid(uuid) {
            check.note(
                item.path_of("uuid"),
                format!("'{uuid}' is not valid 'uuid'."),
            );
        } else if private == Some(false) {
            check.note(
                item.path_of("uuid"),
                "Value must not be given for a public network.",
            );
        }
    }
    Network {
        name,
        private: private.unwrap_or_default(),
        family: family.to_owned(),
        uuid: uuid.map(|uuid| uuid.to_lowercase()),
    }
}

/// Reads a custom domain: an item of the service, or a body of its own.
pub fn read_domain(check: &mut Check, item: &Object<'_>, choices: &Choices) -> CustomDomain {
    check.closed(item, &["domain_name", "type", "mode"]);
    let domain_name = check.required(item, "domain_name", &rules::HOSTNAME);
    depth(check, &item.path_of("domain_name"), &domain_name, choices);
    let private = check.one_of(item, "type", Need::Required, domain_types(choices));
    let website = check.one_of(item, "mode", Need::Optional, &DOMAIN_MODE);
    CustomDomain {
        domain_name,
        private: private.unwrap_or_default(),
        website: website.unwrap_or_default(),
    }
}

fn families(choices: &Choices) -> &'static [(&'static str, &'static str)] {
    let all: &'static [_] = &FAMILY;
    if choices.is(Choice::Ipv6, "400") {
        all.get(..1).unwrap_or(all)
    } else {
        all
    }
}

/// Types of custom domains that are accepted.
pub fn domain_types(choices: &Choices) -> &'static [(&'static str, bool)] {
    if choices.is(Choice::CustomDomainType, "any") {
        &NETWORK_TYPE
    } else {
        &[("public", false)]
    }
}

/// Notes a domain name with too few or too many parts.
pub fn depth(check: &mut Check, path: &str, domain: &str, choices: &Choices) {
    let parts = domain.split('.').count();
    let limited = choices.is(Choice::CustomDomainDepth, "3-to-5") && !domain.is_empty();
    if limited && !(3..=5).contains(&parts) {
        check.note(path, "Value must have 3 to 5 parts.");
    }
}

/// Reads a label: an item of the service, or a body of its own.
pub fn read_label(check: &mut Check, item: &Object<'_>, choices: &Choices) -> Label {
    check.closed(item, &["key", "value"]);
    let key = check.required(item, "key", &rules::LABEL_KEY);
    let value = check.text(item, "value", Need::RequiredNullable, &rules::LABEL_VALUE);
    Label {
        key,
        value: value.value().or_else(|| null_label(choices)),
    }
}

/// What a label reads as whose value was sent as null.
pub fn null_label(choices: &Choices) -> Option<String> {
    choices.is(Choice::NullLabel, "empty").then(String::new)
}

impl Draft {
    /// The configuration after the body: `before` with what was given, complaints noted.
    pub fn over(
        self,
        check: &mut Check,
        before: &Config,
        service: Option<&Service>,
        cx: &Context<'_>,
    ) -> Config {
        let websites_given = self.websites.is_some();
        let mut after = Config {
            name: self.name.unwrap_or_else(|| before.name.clone()),
            started: self.started.unwrap_or(before.started),
            networks: self.networks.unwrap_or_else(|| before.networks.clone()),
            custom_domains: self
                .custom_domains
                .unwrap_or_else(|| before.custom_domains.clone()),
            labels: self.labels.unwrap_or_else(|| before.labels.clone()),
            websites: before.websites.clone(),
            cors_origin: self.cors_origin.or_else(|| before.cors_origin.clone()),
            termination_protection: self
                .termination_protection
                .unwrap_or(before.termination_protection),
        };
        if let (Some(drafts), Some(service)) = (self.websites, service) {
            after.websites = drafts
                .into_iter()
                .map(|draft| draft.into_website(service, cx.now))
                .collect();
        }
        if !websites_given {
            drop_homeless(check, &mut after, service, cx.choices);
        }
        if cx.choices.is(Choice::RepeatedKeys, "last") {
            after.labels = keep_last(after.labels, |one, two| one.key == two.key);
        }
        if after.networks.is_empty() && cx.choices.is(Choice::ZeroNetworks, "400") {
            check.note("networks", "Value must have at least 1 item.");
        }
        check_lists(check, &after);
        check_websites(check, &after, service, cx.choices);
        check_account(check, &after, service, cx);
        after
    }
}

/// Websites whose custom domain went away go with it.
fn drop_homeless(
    check: &mut Check,
    after: &mut Config,
    service: Option<&Service>,
    choices: &Choices,
) {
    let Some(service) = service else { return };
    let homes: BTreeSet<String> = website_rules::domains(after, service);
    let homeless = |domain: &str| !homes.contains(&domain.to_lowercase());
    if choices.is(Choice::DomainWithWebsite, "blocked")
        && after
            .websites
            .iter()
            .any(|site| homeless(&site.domain_name))
    {
        check.note(
            "custom_domains",
            "A static website is configured on the domain.",
        );
    }
    after.websites.retain(|site| !homeless(&site.domain_name));
}

fn check_lists(check: &mut Check, after: &Config) {
    check.unique(&after.networks, "networks", "name", |network| {
        network.name.clone()
    });
    check.unique(
        &after.custom_domains,
        "custom_domains",
        "domain_name",
        |domain| domain.domain_name.to_lowercase(),
    );
    check.unique(&after.labels, "labels", "key", |label| label.key.clone());
    check.unique(&after.websites, "static_websites", "domain_name", |site| {
        site.domain_name.to_lowercase()
    });
    check_public(check, &after.networks);
}

/// Notes a second public network.
pub fn check_public(check: &mut Check, networks: &[Network]) {
    if networks.iter().filter(|network| !network.private).count() > 1 {
        check.note("networks", "Only one public network is allowed.");
    }
}

fn check_websites(check: &mut Check, after: &Config, service: Option<&Service>, choices: &Choices) {
    let Some(service) = service else { return };
    let homes = website_rules::domains(after, service);
    for (at, site) in after.websites.iter().enumerate() {
        if !homes.contains(&site.domain_name.to_lowercase()) {
            check.note(
                format!("static_websites.{at}.domain_name"),
                website_rules::NO_HOME,
            );
        }
        if let Some(reason) = website_rules::missing_bucket(service, &site.bucket_name, choices) {
            check.note(format!("static_websites.{at}.bucket_name"), reason);
        }
    }
}

/// Rules among the services of an account: names, domains, SDN networks.
fn check_account(check: &mut Check, after: &Config, service: Option<&Service>, cx: &Context<'_>) {
    let own = service.map(|service| service.uuid.as_str());
    for (at, domain) in after.custom_domains.iter().enumerate() {
        if is_taken(cx, own, &domain.domain_name) {
            check.note(
                format!("custom_domains.{at}.domain_name"),
                "Value must be unique.",
            );
        }
    }
    for (at, network) in after.networks.iter().enumerate() {
        if is_unknown_sdn(cx, network) {
            check.note(format!("networks.{at}.uuid"), "Network is not valid.");
        }
    }
}

/// Whether another service already has a custom domain of this name.
pub fn is_taken(cx: &Context<'_>, own: Option<&str>, domain: &str) -> bool {
    if cx.choices.is(Choice::CustomDomainScope, "service") {
        return false;
    }
    let domain = domain.to_lowercase();
    let among_ours = cx
        .account
        .services
        .values()
        .filter(|service| Some(service.uuid.as_str()) != own)
        .flat_map(|service| &service.config.custom_domains)
        .any(|other| other.domain_name.to_lowercase() == domain);
    among_ours || cx.foreign_domains.contains(&domain)
}

/// Whether a private network is of an SDN network that the account does not have.
pub fn is_unknown_sdn(cx: &Context<'_>, network: &Network) -> bool {
    let Some(uuid) = &network.uuid else {
        return false;
    };
    cx.choices.is(Choice::UnknownSdn, "400") && !cx.account.networks.contains_key(uuid)
}

//! Rules of static website configurations.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::rules;
use crate::choices::{Choice, Choices};
use crate::clock::whole_second;
use crate::state::service::{Config, ErrorPage, Service, Website};
use crate::validate::{Check, Given, Need, Object, Pattern, Text};

/// Why a domain is refused.
pub const NO_HOME: &str = "Domain is not a static website domain of the service.";

const DOMAIN: Text = Text::matching(
    1..=255,
    Pattern {
        text: "hostname",
        holds: |text| rules::HOSTNAME.complaint(text).is_none(),
    },
);

fn is_path(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "/.-_".contains(c))
}

const PREFIX: Text = Text::matching(
    0..=1024,
    Pattern {
        text: "^[a-zA-Z0-9/.\\-_]*$",
        holds: is_path,
    },
);

const INDEX: Text = Text::matching(
    1..=255,
    Pattern {
        text: "^[a-zA-Z0-9/.\\-_]+$",
        holds: is_path,
    },
);

const ERROR_DOCUMENT: Text = Text::matching(
    1..=255,
    Pattern {
        text: "^[^/].*",
        holds: |text| !text.starts_with('/'),
    },
);

/// The members that a body gave.
#[derive(Debug)]
pub struct WebsiteDraft {
    pub domain_name: Option<String>,
    pub change: Change,
}

/// The members that PATCH may change.
#[derive(Debug)]
pub struct Change {
    pub bucket_name: Option<String>,
    bucket_prefix: Option<String>,
    index_document: Option<String>,
    spa_mode: Given<bool>,
    enabled: Option<bool>,
    error_pages: Option<Vec<ErrorPage>>,
}

/// Reads a website: an item of the service, or a body of its own.
pub fn read(check: &mut Check, item: &Object<'_>) -> WebsiteDraft {
    let domain_name = check.optional(item, "domain_name", &DOMAIN);
    WebsiteDraft {
        domain_name,
        change: read_members(check, item, Need::Required, &["domain_name"]),
    }
}

/// Reads the body of PATCH.
pub fn read_change(check: &mut Check, body: &Object<'_>) -> Change {
    read_members(check, body, Need::Optional, &[])
}

fn read_members(check: &mut Check, item: &Object<'_>, bucket: Need, more: &[&str]) -> Change {
    let mut known = vec![
        "bucket_name",
        "bucket_prefix",
        "index_document",
        "spa_mode",
        "enabled",
        "error_pages",
    ];
    known.extend(more);
    check.closed(item, &known);
    Change {
        bucket_name: check
            .text(item, "bucket_name", bucket, &rules::BUCKET)
            .value(),
        bucket_prefix: check.optional(item, "bucket_prefix", &PREFIX),
        index_document: check.optional(item, "index_document", &INDEX),
        spa_mode: check.flag(item, "spa_mode", Need::Nullable),
        enabled: check.flag(item, "enabled", Need::Optional).value(),
        error_pages: check
            .list(item, "error_pages", Need::Optional, 25, read_error_page)
            .value(),
    }
}

fn read_error_page(check: &mut Check, item: &Object<'_>) -> ErrorPage {
    check.closed(item, &["error_document", "status_code", "status_range"]);
    let error_document = check.required(item, "error_document", &ERROR_DOCUMENT);
    if item.has("status_code") == item.has("status_range") {
        let reason = "Exactly one of status_code and status_range is required.";
        check.note(item.path_of("status_code"), reason);
    }
    let bounds = 400..=599;
    let single = check.integer(item, "status_code", Need::Optional, &bounds);
    let range = check
        .object(item, "status_range", Need::Optional)
        .map(|range| {
            check.closed(&range, &["start", "end"]);
            let start = check.integer(&range, "start", Need::Required, &bounds);
            let end = check.integer(&range, "end", Need::Required, &bounds);
            let (start, end) = (start.unwrap_or(400), end.unwrap_or(599));
            if end < start {
                check.note(range.path_of("end"), "Value must not be less than start.");
            }
            (start, end)
        });
    ErrorPage {
        error_document,
        single: single.is_some(),
        range: single
            .map(|code| (code, code))
            .or(range)
            .unwrap_or((400, 400)),
    }
}

impl WebsiteDraft {
    /// The website that a body describes: new, or in place of the one on the same domain.
    pub fn into_website(self, service: &Service, now: Timestamp) -> Website {
        let now = whole_second(now);
        let domain_name = self.domain_name.unwrap_or_else(|| service.static_host());
        let before = service
            .config
            .websites
            .iter()
            .find(|site| site.domain_name.eq_ignore_ascii_case(&domain_name));
        let mut site = Website {
            domain_name,
            bucket_name: String::new(),
            bucket_prefix: String::new(),
            index_document: "index.html".to_owned(),
            spa_mode: false,
            enabled: true,
            error_pages: Vec::new(),
            created_at: before.map_or(now, |site| site.created_at),
            updated_at: now,
        };
        self.change.apply(&mut site, now);
        if let Some(before) = before {
            site.updated_at = before.updated_at;
            if site != *before {
                site.updated_at = now;
            }
        }
        site
    }
}

impl Change {
    /// Puts what was given into a website.
    pub fn apply(self, site: &mut Website, now: Timestamp) {
        site.spa_mode = self.spa_mode.patched(false).unwrap_or(site.spa_mode);
        site.enabled = self.enabled.unwrap_or(site.enabled);
        if let Some(bucket) = self.bucket_name {
            site.bucket_name = bucket;
        }
        if let Some(prefix) = self.bucket_prefix {
            site.bucket_prefix = prefix;
        }
        if let Some(document) = self.index_document {
            site.index_document = document;
        }
        if let Some(pages) = self.error_pages {
            site.error_pages = pages;
        }
        site.updated_at = whole_second(now);
    }
}

/// Domains, in lower case, that a website of this configuration may have.
pub fn domains(config: &Config, service: &Service) -> BTreeSet<String> {
    config
        .custom_domains
        .iter()
        .filter(|domain| domain.website)
        .map(|domain| domain.domain_name.to_lowercase())
        .chain([service.static_host()])
        .collect()
}

/// Why a website's bucket is refused, where buckets are checked at all.
pub fn missing_bucket(service: &Service, bucket: &str, choices: &Choices) -> Option<&'static str> {
    let there = service
        .buckets
        .get(bucket)
        .is_some_and(|bucket| bucket.deleted_at.is_none());
    let checked = choices.is(Choice::WebsiteBucket, "must-exist");
    (checked && !there && !bucket.is_empty()).then_some("Bucket does not exist.")
}

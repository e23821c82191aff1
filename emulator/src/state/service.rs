//! A service: its configuration, its buckets, and its place in the state machine.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::iam::Iam;
use crate::choices::{Choice, Choices};
use crate::lifecycle::{self, Course, Pace, Seen, Shape, State, Touched};

/// Suffix of generated host names, as recorded.
pub const SUFFIX: &str = "upcloudobjects.com";

/// One managed object storage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Service {
    /// UUID, lower case.
    pub uuid: String,
    /// First label of the endpoint names.
    pub label: String,
    /// Name and settings that PUT and PATCH change.
    pub config: Config,
    /// Region; never changes.
    pub region: String,
    /// Creation, with microseconds.
    pub created_at: Timestamp,
    /// States it passes; see [`Service::seen`].
    pub course: Course,
    /// DELETE was accepted.
    pub deleting: bool,
    /// Buckets by name, the deleted ones too until they are purged.
    pub buckets: BTreeMap<String, Bucket>,
    /// Users, policies, groups and roles.
    pub iam: Iam,
    /// Traffic by minute since the epoch.
    pub traffic: BTreeMap<i64, Traffic>,
}

/// What a caller configures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Unique within the account.
    pub name: String,
    /// `configured_status` is `started`.
    pub started: bool,
    /// At most 8.
    pub networks: Vec<Network>,
    /// At most 5.
    pub custom_domains: Vec<CustomDomain>,
    /// At most 255.
    pub labels: Vec<Label>,
    /// One for each domain.
    pub websites: Vec<Website>,
    /// CORS origin; write-only on the wire.
    pub cors_origin: Option<String>,
    /// Refuses DELETE and stop.
    pub termination_protection: bool,
}

/// An attached network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    /// `private`, otherwise `public`.
    pub private: bool,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// SDN network; private networks only.
    pub uuid: Option<String>,
}

/// A custom domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomDomain {
    pub domain_name: String,
    /// `private`, otherwise `public`.
    pub private: bool,
    /// Mode `static-website`, otherwise `api`.
    pub website: bool,
}

/// A label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub key: String,
    /// Null only if it was sent so, and by choice.
    pub value: Option<String>,
}

/// A static website.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Website {
    pub domain_name: String,
    pub bucket_name: String,
    pub bucket_prefix: String,
    pub index_document: String,
    pub spa_mode: bool,
    pub enabled: bool,
    pub error_pages: Vec<ErrorPage>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A document shown for some error statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPage {
    pub error_document: String,
    /// First and last status, 400 to 599.
    pub range: (i64, i64),
    /// Configured by `status_code` rather than `status_range`.
    pub single: bool,
}

/// A bucket as the control plane knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    pub created_at: Timestamp,
    /// Number of objects.
    pub objects: i64,
    /// Their size.
    pub bytes: i64,
    /// When DELETE was accepted.
    pub deleted_at: Option<Timestamp>,
    /// It was listed at least once with `deleted: true`.
    pub seen_deleted: bool,
}

/// Traffic of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub objects_created: i64,
    pub objects_deleted: i64,
    pub bytes_created: i64,
    pub bytes_deleted: i64,
}

impl Bucket {
    /// A new, empty bucket.
    pub fn new(now: Timestamp) -> Self {
        Self {
            created_at: now,
            objects: 0,
            bytes: 0,
            deleted_at: None,
            seen_deleted: false,
        }
    }

    /// Whether the bucket has vanished from the list. With a purge time of nothing it is still
    /// shown once.
    pub fn is_purged(&self, now: Timestamp, pace: &Pace) -> bool {
        let Some(deleted_at) = self.deleted_at else {
            return false;
        };
        let over = now.duration_since(deleted_at) >= SignedDuration::from_millis(pace.purge_ms);
        over && (pace.purge_ms > 0 || self.seen_deleted)
    }
}

impl Config {
    /// What decides the course.
    pub fn shape(&self) -> Shape {
        Shape {
            started: self.started,
            public: self.networks.iter().any(|network| !network.private),
            private: self.networks.iter().any(|network| network.private),
        }
    }

    /// What differs from the configuration before.
    fn touched(&self, before: &Self) -> Touched {
        Touched {
            networks: self.networks != before.networks || (self.started && !before.started),
            domains: self.custom_domains != before.custom_domains
                || self.websites != before.websites,
        }
    }
}

impl Service {
    /// Namespace of its ARNs: the UUID without hyphens.
    pub fn namespace(&self) -> String {
        self.uuid.replace('-', "")
    }

    /// Host of the public endpoint.
    pub fn public_host(&self) -> String {
        format!("{}.{SUFFIX}", self.label)
    }

    /// Host of the private endpoint.
    pub fn private_host(&self) -> String {
        format!("{}-private.{SUFFIX}", self.label)
    }

    /// Host of static websites without a domain of their own.
    pub fn static_host(&self) -> String {
        format!("{}-static.{SUFFIX}", self.label)
    }

    /// State at `now` and since when.
    pub fn seen(&self, now: Timestamp, pace: &Pace, choices: &Choices) -> Seen {
        self.course.at(now, pace, self.hold(choices))
    }

    /// The state that unverified custom domains do not let it pass.
    fn hold(&self, choices: &Choices) -> Option<State> {
        if self.deleting || self.config.custom_domains.is_empty() {
            return None;
        }
        match choices.get(Choice::CustomDomainDns).as_str() {
            "unverified" | "failed" => Some(State::SetupCheckup),
            "pending" => Some(State::Pending),
            _ => None,
        }
    }

    /// Puts a new configuration in force and sets out on the course of a modification.
    pub fn modify(&mut self, config: Config, now: Timestamp) {
        let touched = config.touched(&self.config);
        self.config = config;
        self.course = Course::new(now, lifecycle::modification(self.config.shape(), touched));
    }

    /// Puts a new configuration in force without leaving the present state.
    pub fn modify_settled(
        &mut self,
        config: Config,
        now: Timestamp,
        pace: &Pace,
        choices: &Choices,
    ) {
        let state = self.seen(now, pace, choices).state;
        self.config = config;
        if matches!(state, State::Running | State::Stopped) {
            self.course = Course::new(now, vec![state]);
        }
    }

    /// Sets out on the course of a deletion.
    pub fn delete(&mut self, now: Timestamp, pace: &Pace, choices: &Choices) {
        let current = self.seen(now, pace, choices).state;
        self.deleting = true;
        self.course = Course::new(now, lifecycle::deletion(current, self.config.shape()));
    }

    /// Keeps its place when the pace or a switch changes.
    pub fn rebase(&mut self, now: Timestamp, pace: &Pace, choices: &Choices) {
        self.course = self.course.rebased(now, pace, self.hold(choices));
    }

    /// Objects and bytes of all buckets that are not deleted.
    pub fn usage(&self) -> (i64, i64) {
        self.buckets
            .values()
            .filter(|bucket| bucket.deleted_at.is_none())
            .fold((0, 0), |(objects, bytes), bucket| {
                (objects + bucket.objects, bytes + bucket.bytes)
            })
    }
}

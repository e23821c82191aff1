//! Users, policies, groups and roles of a service.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Date of the system policies: that of the region's installation.
const INSTALLED: &str = "2024-10-01T08:00:00Z";

/// System policies: name, description, effect and actions (section of the API reference on them;
/// only the document of `ECSS3FullAccess` is published).
const SYSTEM: [(&str, &str, &str, &str); 5] = [
    ("ECSDenyAll", "Deny all access.", "Deny", "\"*\""),
    (
        "ECSS3FullAccess",
        "Provides full access to all buckets.",
        "Allow",
        "\"s3:*\"",
    ),
    (
        "ECSS3ReadOnlyAccess",
        "Provides read only access to all buckets.",
        "Allow",
        "[\"s3:Get*\", \"s3:List*\"]",
    ),
    (
        "IAMFullAccess",
        "Provides full access to IAM.",
        "Allow",
        "\"iam:*\"",
    ),
    (
        "IAMReadOnlyAccess",
        "Provides read only access to IAM.",
        "Allow",
        "[\"iam:Get*\", \"iam:List*\"]",
    ),
];

/// The IAM objects of one service, each by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Iam {
    pub users: BTreeMap<String, User>,
    pub policies: BTreeMap<String, Policy>,
    pub groups: BTreeMap<String, Group>,
    pub roles: BTreeMap<String, Role>,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub created_at: Timestamp,
    /// In order of creation.
    pub keys: Vec<AccessKey>,
    pub grants: Grants,
}

/// An access key. Has a secret, hence a `Debug` of its own.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    pub created_at: Timestamp,
    /// Last accepted signature.
    pub last_used_at: Option<Timestamp>,
    pub active: bool,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What users, groups and roles have in common.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Grants {
    /// Attached managed policies and when they were attached.
    pub attached: BTreeMap<String, Timestamp>,
    /// Inline policies: document text by name.
    pub inline: BTreeMap<String, String>,
    /// Name of the policy that bounds the others. Never set on groups.
    pub boundary: Option<String>,
    /// Never set on groups.
    pub tags: Vec<Tag>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: Option<String>,
}

/// A managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub system: bool,
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Number of the default version.
    pub default: u32,
    /// In order of creation; never empty.
    pub versions: Vec<Version>,
    /// Number of the next version; numbers are not used twice.
    pub next: u32,
}

/// A version of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// `v1` is 1.
    pub number: u32,
    /// Normal form of the document.
    pub document: String,
    pub created_at: Timestamp,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    pub created_at: Timestamp,
    pub members: BTreeSet<String>,
    pub grants: Grants,
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub created_at: Timestamp,
    pub description: Option<String>,
    /// Trust policy as JSON text.
    pub trust: String,
    /// 3600 to 43200 seconds.
    pub max_session_seconds: i64,
    pub grants: Grants,
}

/// Who holds grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    User,
    Group,
    Role,
}

impl Grants {
    /// Whether any policy is attached or inline.
    pub fn hold_policies(&self) -> bool {
        !self.attached.is_empty() || !self.inline.is_empty()
    }
}

impl Policy {
    /// A policy with one version, the default one.
    pub fn new(
        document: String,
        description: Option<String>,
        system: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            system,
            description,
            created_at: now,
            updated_at: now,
            default: 1,
            versions: vec![Version {
                number: 1,
                document,
                created_at: now,
            }],
            next: 2,
        }
    }

    /// Document of the default version.
    pub fn document(&self) -> &str {
        self.version(self.default)
            .map_or("", |version| &version.document)
    }

    /// A version by number.
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }
}

impl Iam {
    /// What a new service has: the five system policies.
    pub fn installed() -> Self {
        let at: Timestamp = INSTALLED.parse().unwrap_or_default();
        let policies = SYSTEM.into_iter().map(|(name, description, effect, action)| {
            let document = format!(
                "{{\n    \"Version\": \"2012-10-17\",\n    \"Statement\": [\n        {{\n            \
                 \"Effect\": \"{effect}\",\n            \"Action\": {action},\n            \
                 \"Resource\": \"*\"\n        }}\n    ]\n}}"
            );
            let policy = Policy::new(document, Some(description.to_owned()), true, at);
            (name.to_owned(), policy)
        });
        Self {
            policies: policies.collect(),
            ..Self::default()
        }
    }

    /// Grants of a user, group or role.
    pub fn grants(&self, owner: Owner, name: &str) -> Option<&Grants> {
        match owner {
            Owner::User => self.users.get(name).map(|user| &user.grants),
            Owner::Group => self.groups.get(name).map(|group| &group.grants),
            Owner::Role => self.roles.get(name).map(|role| &role.grants),
        }
    }

    /// Grants of a user, group or role, to change them.
    pub fn grants_mut(&mut self, owner: Owner, name: &str) -> Option<&mut Grants> {
        match owner {
            Owner::User => self.users.get_mut(name).map(|user| &mut user.grants),
            Owner::Group => self.groups.get_mut(name).map(|group| &mut group.grants),
            Owner::Role => self.roles.get_mut(name).map(|role| &mut role.grants),
        }
    }

    /// All grants of the service.
    pub fn all_grants(&self) -> impl Iterator<Item = &Grants> {
        let users = self.users.values().map(|user| &user.grants);
        let groups = self.groups.values().map(|group| &group.grants);
        let roles = self.roles.values().map(|role| &role.grants);
        users.chain(groups).chain(roles)
    }

    /// When each attachment of a policy was made.
    pub fn attachments<'a>(&'a self, policy: &'a str) -> impl Iterator<Item = Timestamp> + 'a {
        self.all_grants()
            .filter_map(move |grants| grants.attached.get(policy).copied())
    }

    /// Whether a policy is attached to anything or bounds anything.
    pub fn is_in_use(&self, policy: &str) -> bool {
        self.attachments(policy).next().is_some()
            || self
                .all_grants()
                .any(|grants| grants.boundary.as_deref() == Some(policy))
    }

    /// Policies in the order of the list: system policies, then the customer's, each by name.
    pub fn policies_in_order(&self) -> impl Iterator<Item = (&String, &Policy)> {
        let system = self.policies.iter().filter(|(_, policy)| policy.system);
        let customer = self.policies.iter().filter(|(_, policy)| !policy.system);
        system.chain(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_system_policy_is_pretty_printed() {
        let iam = Iam::installed();
        let encoded = crate::document::encode(iam.policies["ECSS3FullAccess"].document());
        assert!(
            encoded.starts_with(
                "%7B%0A++++%22Version%22%3A+%222012-10-17%22%2C%0A++++%22Statement%22"
            ),
            "{encoded}"
        );
        for policy in iam.policies.values() {
            assert!(crate::document::normalise(policy.document(), true).is_some());
        }
    }
}

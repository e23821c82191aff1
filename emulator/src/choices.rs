//! Switches for what the API reference leaves open.
//!
//! The reference marks much as recommended, third-party or unknown. Each such point that a client
//! could stumble over is a switch here: the first value is what the emulator does by default,
//! the others are the ways the real service might behave. `docs/choices.md` explains them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What values a switch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of these; the first is the default.
    OneOf(&'static [&'static str]),
    /// A whole number from 0; 0 usually means none. This is the default.
    Number(u32),
    /// Some of these, with commas between them, or `none`; by default all.
    AnyOf(&'static [&'static str]),
}

macro_rules! choices {
    ($($variant:ident $name:literal $values:expr;)*) => {
        /// A switch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Choice { $($variant),* }

        impl Choice {
            /// All switches, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Name on the command line and in the control API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What values it takes.
            pub fn values(self) -> Values {
                match self { $(Self::$variant => $values),* }
            }
        }
    };
}

use Values::{AnyOf, Number, OneOf};

choices! {
    DuplicateStatus "duplicate-status" OneOf(&["400", "409"]);
    MissingDelete "missing-delete" OneOf(&["404", "204"]);
    SecondDelete "second-delete" OneOf(&["204", "404"]);
    DeletingWrites "deleting-writes" OneOf(&["404", "accept"]);
    DeleteBlockers "delete-blockers" AnyOf(&["buckets", "users", "policies", "groups", "roles"]);
    DeletedBucketsBlock "deleted-buckets-block" OneOf(&["no", "yes"]);
    TerminationCode "termination-code" OneOf(&["INVALID_REQUEST", "SERVICE_ERROR"]);
    PrivateSwap "private-swap" OneOf(&["500", "accept"]);
    UnknownSdn "unknown-sdn" OneOf(&["accept", "400"]);
    NullArrays "null-arrays" OneOf(&["400", "accept"]);
    ZeroNetworks "zero-networks" OneOf(&["accept", "400"]);
    Ipv6 "ipv6" OneOf(&["accept", "400"]);
    ServiceName "service-name" OneOf(&["pattern", "length"]);
    PropertiesOnPut "properties-on-put" OneOf(&["reset", "keep"]);
    CorsOverride "cors-override" OneOf(&["header", "ignore"]);
    NullLabel "null-label" OneOf(&["empty", "null"]);
    RepeatedKeys "repeated-keys" OneOf(&["400", "last"]);
    NamePatch "name-patch" OneOf(&["pending", "settled"]);
    LabelsPatch "labels-patch" OneOf(&["pending", "settled"]);
    UnchangedPatch "unchanged-patch" OneOf(&["pending", "settled"]);
    CustomDomainDns "custom-domain-dns" OneOf(&["verified", "unverified", "failed", "pending"]);
    CustomDomainDepth "custom-domain-depth" OneOf(&["any", "3-to-5"]);
    CustomDomainType "custom-domain-type" OneOf(&["public", "any"]);
    CustomDomainScope "custom-domain-scope" OneOf(&["global", "service"]);
    DomainWithWebsite "domain-with-website" OneOf(&["remove", "blocked"]);
    StaticDomainEndpoint "static-domain-endpoint" OneOf(&["no", "yes"]);
    StaticDomainListed "static-domain-listed" OneOf(&["no", "yes"]);
    WebsiteBucket "website-bucket" OneOf(&["any", "must-exist"]);
    WebsiteList "website-list" OneOf(&["object", "array"]);
    BucketWithWebsite "bucket-with-website" OneOf(&["keep", "remove", "blocked"]);
    ServiceShape "service-shape" OneOf(&["full", "2025"]);
    SortDefault "sort-default" OneOf(&["-created_at", "created_at"]);
    ListOrder "list-order" OneOf(&["name", "created_at"]);
    LimitZero "limit-zero" OneOf(&["empty", "400"]);
    TotalCount "total-count" OneOf(&["send", "omit"]);
    IntervalMonth "interval-m" OneOf(&["minute", "month"]);
    PathNames "path-names" OneOf(&["any", "strict"]);
    NameCase "name-case" OneOf(&["sensitive", "insensitive"]);
    StoppedIam "stopped-iam" OneOf(&["accept", "400"]);
    DeletedBucketName "deleted-bucket-name" OneOf(&["held", "free"]);
    KeysPerUser "keys-per-user" Number(2);
    VersionsPerPolicy "versions-per-policy" Number(5);
    PolicyVersions "policy-with-versions" OneOf(&["delete", "blocked"]);
    SameDefault "same-default" OneOf(&["200", "400"]);
    NoDescription "no-description" OneOf(&["absent", "empty"]);
    AttachTwice "attach-twice" OneOf(&["204", "400"]);
    JoinTwice "join-twice" OneOf(&["204", "400"]);
    AttachmentDelay "attachment-delay" Number(0);
    KeyDelay "key-delay" Number(0);
    PolicyDelay "policy-delay" Number(0);
    BoundaryAnswer "boundary-answer" OneOf(&["string", "object"]);
    SessionDefault "session-default" Number(3600);
    SystemAttachments "system-attachments" OneOf(&["service", "region"]);
    InlineRepeat "inline-repeat" OneOf(&["overwrite", "400"]);
    InlineEncoding "inline-encoding" OneOf(&["plain", "encoded"]);
    TrustEncoding "trust-encoding" OneOf(&["plain", "encoded"]);
    DocumentPlus "document-plus" OneOf(&["space", "plus"]);
    VersionDate "version-date" OneOf(&["created_at", "both", "create_date"]);
    SecretAfter "secret-after-creation" OneOf(&["absent", "empty"]);
    GroupPut "group-policy-put" OneOf(&["405", "accept"]);
    TagObject "tag-object" OneOf(&["400", "accept"]);
    TagsMost "tags-most" Number(50);
    UserWithGrants "user-with-attachments" OneOf(&["delete", "blocked"]);
    GroupWithMembers "group-in-use" OneOf(&["blocked", "delete"]);
    RoleWithGrants "role-in-use" OneOf(&["blocked", "delete"]);
    ListDelay "list-delay" Number(0);
    Credits "credits" OneOf(&["enough", "short"]);
    AuthForm "auth-form" OneOf(&["problem", "legacy"]);
    QuotaServices "quota-services" Number(0);
    QuotaBuckets "quota-buckets" Number(0);
    QuotaUsers "quota-users" Number(0);
    QuotaGroups "quota-groups" Number(0);
    QuotaRoles "quota-roles" Number(0);
    QuotaPolicies "quota-policies" Number(0);
    QuotaAttachments "quota-attachments" Number(0);
}

/// The switches that were turned from their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices {
    set: BTreeMap<String, String>,
}

impl Choices {
    /// The value in force.
    pub fn get(&self, choice: Choice) -> String {
        self.set
            .get(choice.name())
            .cloned()
            .unwrap_or_else(|| default(choice))
    }

    /// Whether the value in force is this one.
    pub fn is(&self, choice: Choice, value: &str) -> bool {
        match (self.set.get(choice.name()), choice.values()) {
            (Some(set), _) => set == value,
            (None, OneOf(values)) => values.first() == Some(&value),
            (None, Number(_) | AnyOf(_)) => default(choice) == value,
        }
    }

    /// The value of a switch that is a number.
    pub fn number(&self, choice: Choice) -> u32 {
        match (self.set.get(choice.name()), choice.values()) {
            (Some(set), _) => set.parse().unwrap_or(0),
            (None, Number(number)) => number,
            (None, OneOf(_) | AnyOf(_)) => 0,
        }
    }

    /// Whether a switch that takes several values has this one.
    pub fn includes(&self, choice: Choice, value: &str) -> bool {
        self.get(choice).split(',').any(|item| item == value)
    }

    /// Turns a switch, by name. The error says what it takes.
    pub fn turn(&mut self, name: &str, value: &str) -> Result<(), String> {
        let choice = Choice::ALL
            .iter()
            .find(|choice| choice.name() == name)
            .ok_or_else(|| format!("no choice is named {name:?}"))?;
        if !accepts(*choice, value) {
            return Err(format!("{name} takes {}", describe(*choice)));
        }
        self.set.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Turns every switch that the others have turned.
    pub fn extend(&mut self, others: &Self) {
        self.set.extend(others.set.clone());
    }

    /// All switches and the values in force.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        Choice::ALL
            .iter()
            .map(|choice| (choice.name(), self.get(*choice)))
    }
}

fn default(choice: Choice) -> String {
    match choice.values() {
        OneOf(values) => values.first().copied().unwrap_or_default().to_owned(),
        Number(number) => number.to_string(),
        AnyOf(values) => values.join(","),
    }
}

fn accepts(choice: Choice, value: &str) -> bool {
    match choice.values() {
        OneOf(values) => values.contains(&value),
        Number(_) => value.parse::<u32>().is_ok(),
        AnyOf(values) => value == "none" || value.split(',').all(|item| values.contains(&item)),
    }
}

/// What a switch takes, in words.
pub fn describe(choice: Choice) -> String {
    match choice.values() {
        OneOf(values) => values.join(" | "),
        Number(_) => "a whole number".to_owned(),
        AnyOf(values) => format!("none, or some of {}", values.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_refuses_what_it_does_not_take() {
        let mut choices = Choices::default();
        assert!(choices.is(Choice::DuplicateStatus, "400"));
        choices.turn("duplicate-status", "409").unwrap();
        assert!(choices.is(Choice::DuplicateStatus, "409"));
        assert!(choices.turn("duplicate-status", "418").is_err());
        assert!(choices.turn("nothing", "x").is_err());
        choices.turn("delete-blockers", "users,groups").unwrap();
        assert!(choices.includes(Choice::DeleteBlockers, "groups"));
        assert!(!choices.includes(Choice::DeleteBlockers, "buckets"));
        choices.turn("keys-per-user", "3").unwrap();
        assert_eq!(choices.number(Choice::KeysPerUser), 3);
    }

    /// Rows of the tables in the documentation: name and values, in order.
    fn documented() -> Vec<(String, String)> {
        let text = include_str!("../docs/choices.md");
        let ticked = |cell: &str| -> Vec<String> {
            let quoted = cell.split('`').skip(1).step_by(2);
            quoted.map(str::to_owned).collect()
        };
        let mut out = Vec::new();
        for row in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let values = match cells[2].split_once("number") {
                Some((_, default)) => default.trim_start_matches(" of seconds").to_owned(),
                None => ticked(cells[2]).join(","),
            };
            let values = values.trim_start_matches([',', ' ']).to_owned();
            out.extend(
                ticked(cells[1])
                    .into_iter()
                    .map(|name| (name, values.clone())),
            );
        }
        out
    }

    #[test]
    fn the_documentation_has_every_switch_with_its_values_and_no_other() {
        let mut want: Vec<(String, String)> = Choice::ALL
            .iter()
            .map(|choice| {
                let values = match choice.values() {
                    OneOf(values) => values.join(","),
                    Number(number) => number.to_string(),
                    AnyOf(values) => format!("{},none", values.join(",")),
                };
                (choice.name().to_owned(), values)
            })
            .collect();
        let mut have = documented();
        want.sort();
        have.sort();
        assert_eq!(have, want);
    }

    /// A switch that nothing asks for would be a promise without an effect.
    #[test]
    fn every_switch_is_asked_for_somewhere() {
        fn sources(folder: &std::path::Path, out: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    sources(&path, out);
                } else if !path.ends_with("choices.rs") {
                    out.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut all = String::new();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        sources(&folder, &mut all);
        for choice in Choice::ALL {
            let variant = format!("Choice::{choice:?}");
            assert!(all.contains(&variant), "{variant}");
        }
    }
}

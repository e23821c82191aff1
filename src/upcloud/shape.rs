//! Pieces that the specs of this cloud share.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use kube::core::{Message, Rule};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::api::ServiceId;
use crate::engine::{
    external::{Common, ManagementPolicy, Unresolved},
    known::Reference,
    reason::Reason,
    status::{Origin, Status},
};

/// A resource in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Local {
    /// Name of the resource. It is in the namespace of the resource that names it.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub name: String,
}

impl Local {
    /// The same reference in the form that can also name other namespaces.
    pub fn reference(&self) -> Reference {
        Reference {
            name: self.name.clone(),
            namespace: None,
        }
    }

    /// Name at the cloud of `named`, which this leads to; waits until it exists there. It must be in this service.
    pub fn at_cloud<P: Sibling>(
        &self,
        named: &P,
        service: &ServiceId,
    ) -> Result<String, Unresolved> {
        let (its, name) = named.stands().ok_or_else(|| not_made(P::WHAT, self))?;
        if its != service {
            return Err(Unresolved::Refused {
                reason: Reason::InvalidSpec,
                message: format!(
                    "{} {} belongs to another service; name one of the same service",
                    P::WHAT,
                    self.name
                ),
            });
        }
        Ok(name.to_owned())
    }
}

/// A namespace whose resources may name this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Allowed {
    /// Name of the namespace.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// A namespace whose resources may be in a service, and what bounds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Name of the namespace.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// An IamPolicy in the namespace of the service that becomes the permissions boundary of every user and role made from that
    /// namespace: whatever policies they have, they can do no more than it allows. Without it they can reach all data of the service.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary_ref: Option<Local>,
}

/// A length of time: a number and one of the units s, m, h and d.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(String);

impl Span {
    /// The length of time that this text names, such as `5m`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The length of time; zero if the text is none, which the CRD's pattern rules out.
    pub fn duration(&self) -> Duration {
        let mut digits = self.0.clone();
        let unit = match digits.pop() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => 0,
        };
        let count: u64 = digits.parse().unwrap_or(0);
        Duration::from_secs(count.saturating_mul(unit))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The seconds of a [`Span`] field, for CEL.
pub fn seconds(field: &str) -> String {
    format!(
        "int({field}.substring(0, {field}.size() - 1)) * ({field}.endsWith('d') ? 86400 : {field}.endsWith('h') ? 3600 : {field}.endsWith('m') ? 60 : 1)"
    )
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 5,
            "pattern": "^[0-9]{1,4}[smhd]$",
        })
    }
}

/// A policy document as its author wrote it: the one place of free-form JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyDocument(pub Map<String, Value>);

impl JsonSchema for PolicyDocument {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PolicyDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": 16,
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// Labels or annotations of a Secret.
pub type Marks = BTreeMap<String, String>;

/// The place of a resource whose remote exists: made, adopted, or seen by one that only observes.
pub fn made<'a, P, F: Default + PartialEq>(
    status: &'a Status<P, F>,
    common: &Common,
) -> Option<&'a P> {
    let ours = matches!(
        status.origin,
        Some(Origin::Created | Origin::Adopted | Origin::Restored)
    );
    let seen =
        common.management_policy == ManagementPolicy::Observe && status.at_provider != F::default();
    status.place.as_ref().filter(|_| ours || seen)
}

/// A named resource that has nothing at the cloud yet.
pub fn not_made(what: &str, local: &Local) -> Unresolved {
    Unresolved::Waiting {
        reason: Reason::ReferenceNotReady,
        message: format!(
            "{what} {} does not exist at the cloud yet; see its conditions",
            local.name
        ),
    }
}

/// A kind of which a service has several, and which others in it name by [`Local`].
pub trait Sibling {
    /// What messages call it.
    const WHAT: &'static str;

    /// Its service and its name there, once it exists at the cloud.
    fn stands(&self) -> Option<(&ServiceId, &str)>;
}

/// Names that satisfy body, path and bucket rules of the API at once (section "Safe rule" of its reference): what cooper makes.
pub fn safe_name() -> Rule {
    effective_name(
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit",
    )
}

/// Like [`safe_name`], with dots and at least three characters, as S3 wants it.
pub fn bucket_name() -> Rule {
    effective_name(
        "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        "3 to 63 of a-z, 0-9, - and ., beginning and ending with a letter or digit",
    )
}

/// The name at the cloud, spec.name or else metadata.name, fits the pattern. An adopted thing keeps the name it has.
fn effective_name(pattern: &str, meaning: &str) -> Rule {
    Rule::new(format!(
        "(has(self.spec.name) ? self.spec.name : self.metadata.name).matches('{pattern}') || (has(self.spec.name) && self.spec.adoption == 'IfExists')"
    ))
    .message(Message::Message(format!(
        "the name at the cloud (spec.name, or else metadata.name) must be {meaning}; set spec.name (other names only with adoption: IfExists)"
    )))
}

/// The optional field can be set at creation only.
pub fn immutable(field: &str) -> Rule {
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(Message::Message(format!(
        "{field} cannot be changed, added or removed; make a new resource"
    )))
}

/// A count as it is published: the old one while the new one has neither crossed zero nor moved by more than a tenth, for usage
/// moves all day and each status write wakes watchers.
pub fn quiet(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) => {
            let crossed = (now == 0) != (before == 0);
            let moved = now.abs_diff(before).saturating_mul(10) > before.unsigned_abs();
            Some(if crossed || moved { now } else { before })
        }
        (now, _) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("5m", 300), ("24h", 86_400), ("90d", 7_776_000)] {
            assert_eq!(Span::new(text).duration(), Duration::from_secs(seconds));
        }
        assert_eq!(Span::new("soon").duration(), Duration::ZERO);
    }

    #[test]
    fn small_moves_of_usage_are_not_published() {
        for (now, before, published) in [
            (105, Some(100), 100),
            (111, Some(100), 111),
            (0, Some(1), 0),
            (1, Some(0), 1),
            (7, None, 7),
        ] {
            assert_eq!(
                quiet(Some(now), before),
                Some(published),
                "{before:?} to {now}"
            );
        }
    }
}

//! A user of a service, with the rights it carries and one access key in a Secret.
//!
//! Policies that cooper did not attach and keys that it did not make stay as they are, unless the user is `exclusive`. Membership in
//! groups is a field of the user: the cloud shows it nowhere, so the facts keep what was joined, and it is asserted anew now and then.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::ServiceId,
    principal::{BoundSpec, Bounds, GrantSpec, Grants, inline_names, tag_keys},
    shape::{Local, Marks, Span, immutable, made, safe_name, seconds},
};
use crate::engine::{external::Common, known::Reference, status::Status};

mod external;
mod keys;

pub use external::{Change, Desired, Remote, Said};
pub use keys::AccessKeys;

/// A user of an object storage service, with its rights and one access key.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "IamUser",
    plural = "iamusers",
    namespaced,
    category = "cooper",
    shortname = "ucuser",
    status = "Status<UserPlace, UserFacts>",
    derive = "PartialEq",
    doc = "A user of an UpCloud object storage service, with its policies and an access key in a Secret.",
    validation = safe_name(),
    printcolumn(name = "User", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".spec.accessKey.secretName", description = "The Secret that holds the access key"),
    printcolumn(name = "Key Age", type_ = "date", json_path = ".status.key.createdAt", description = "Age of the key in the Secret"),
    printcolumn(name = "Rotates", type_ = "string", json_path = ".status.key.rotatesAt", description = "When the key is replaced by schedule", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Issued", type_ = "string", json_path = ".status.conditions[?(@.type==\"Issued\")].status", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = inline_names(),
    validation = tag_keys(),
    validation = Rule::new("!has(self.name) || self.name != '_upcloud-internal-user'").message("_upcloud-internal-user belongs to UpCloud"),
    validation = Rule::new(format!("!has(self.undoWindow) || {} <= 2592000", seconds("self.undoWindow"))).message("undoWindow must be 30d at most"),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource"),
    validation = Rule::new("!has(self.accessKey) || !has(oldSelf.accessKey) || self.accessKey.secretName == oldSelf.accessKey.secretName").message("accessKey.secretName cannot be changed while accessKey is set; remove accessKey, which revokes the key, and add it again")
)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service whose user it is. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    #[serde(flatten)]
    pub grants: GrantSpec,
    #[serde(flatten)]
    pub bounds: BoundSpec,
    /// Groups to be in: IamGroups of the same service, whose policies the user then has as well. The cloud does not show who is in a
    /// group, so a user that somebody else takes out of one is put back within a day or two. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<Local>,
    /// How long a deletion can be undone, such as 24h: 30d at most. Until then the user stays, with its access keys switched off, and
    /// the annotation cooper.dev/undo: "true" switches them on again, keeps the user and its Secret, and lets this resource go; made
    /// again, it takes both back. The keys are switched off first also where this is 0s, if deletionPolicy is Delete. Not for Orphan.
    /// Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_window: Option<Span>,
    /// An access key, kept in a Secret. Removing this revokes the key and deletes the Secret. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeySpec>,
}

/// An access key and the Secret that holds it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.labels) || self.labels.all(k, !k.startsWith('cooper.dev/'))").message("labels of cooper.dev are cooper's own"),
    validation = Rule::new("!has(self.annotations) || self.annotations.all(k, !k.startsWith('cooper.dev/'))").message("annotations of cooper.dev are cooper's own")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySpec {
    /// Name of the Secret, in this namespace. It is made by cooper; one that exists already is left alone. Cannot be changed while
    /// accessKey is set.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub secret_name: String,
    /// Labels for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"}))]
    pub labels: Marks,
    /// Annotations for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: Marks,
    /// Buckets that the holder of the key works with. They must exist before a key is made; a single one stands in the Secret as
    /// BUCKET_NAME. This grants no right: policies do. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub bucket_refs: Vec<Local>,
    /// When the key is replaced by a new one, and what becomes of the one before it. Default: it is replaced when it is lost, or when the
    /// annotation cooper.dev/rotate gets another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Whether a new key is tried before it goes into the Secret, by one signed request to the service's S3 address: Off, or Signed. A
    /// key that S3 does not know is deleted and another one made, while the key before it stays in use; one that nobody could try within
    /// a minute goes into a Secret that has no other. Default: Off.
    #[serde(default, skip_serializing_if = "KeyTest::is_off")]
    pub test: KeyTest,
    /// Further entries of the Secret: name → text with the placeholders {{ accessKeyId }}, {{ secretAccessKey }}, {{ region }},
    /// {{ endpoint }}, {{ endpointHost }}, {{ bucket }} (with exactly one bucketRef) and {{ username }}. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 16384}))]
    pub template: BTreeMap<String, String>,
}

/// How a key is replaced: the new one goes into the Secret while the old one still works. Once the old one has not been used for the
/// time of the overlap it is switched off, and after the same time again it is deleted.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(format!("!has(self.every) || {} >= 3600", seconds("self.every"))).message("every must be 1h at least"),
    validation = Rule::new(format!("!has(self.overlap) || {} >= 60", seconds("self.overlap"))).message("overlap must be 1m at least"),
    validation = Rule::new(format!("!has(self.every) || (has(self.overlap) ? {} : 86400) < {}", seconds("self.overlap"), seconds("self.every"))).message("overlap (24h if it is not said) must be shorter than every")
)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// Age at which the key is replaced, such as 90d; 1h at least. Default: never by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How long the old key still works after it was replaced, and after its last use; 1m at least, and shorter than every. It then
    /// stays switched off for the same time before it is deleted. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Span>,
    /// Whether to keep the old key as long as this is set, and to switch it on again if it was switched off: the way back for those who
    /// still hold it. The Secret keeps the new key, and no further rotation begins. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
}

/// Whether a new key is tried before it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyTest {
    /// It is not.
    #[default]
    Off,
    /// By one signed request.
    Signed,
}

impl KeyTest {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct UserPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserFacts {
    /// Its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub arn: Option<String>,
    #[serde(flatten)]
    pub grants: Grants,
    #[serde(flatten)]
    pub bounds: Bounds,
    /// Groups that this resource has put the user into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub groups: Vec<Joined>,
    /// When the newest of its keys was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_created_at: Option<Time>,
}

/// A group that the user was put into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// Its name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
    /// When that group was made: one that was made anew since has lost its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}

impl IamUser {
    /// Its place, once it exists at the cloud.
    pub fn made(&self) -> Option<&UserPlace> {
        made(self.status.as_ref()?, &self.spec.common)
    }

    /// Its ARN, once it exists at the cloud.
    pub fn arn(&self) -> Option<&str> {
        self.made()?;
        self.status.as_ref()?.at_provider.arn.as_deref()
    }
}

#[cfg(test)]
mod tests;

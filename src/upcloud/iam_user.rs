//! A user of a service, with the policies attached to it and one access key in a Secret.
//!
//! Policies that cooper did not attach and keys that it did not make stay as they are, unless the user is `exclusive`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::ServiceId,
    shape::{Local, Marks, immutable, safe_name},
};
use crate::engine::{
    external::{Common, Unresolved},
    known::Reference,
    reason::Reason,
    status::Status,
};

mod external;
mod keys;

pub use external::{Change, Desired, Remote};
pub use keys::AccessKeys;

/// A user of an object storage service, with its policies and one access key.
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
    printcolumn(name = "Key Age", type_ = "date", json_path = ".status.atProvider.keyCreatedAt", description = "Age of the newest key"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Issued", type_ = "string", json_path = ".status.conditions[?(@.type==\"Issued\")].status", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = Rule::new("!has(self.name) || self.name != '_upcloud-internal-user'").message("_upcloud-internal-user belongs to UpCloud"),
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
    /// Policies to attach; without any, the user can do nothing. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub policies: Vec<PolicySource>,
    /// Whether policies that cooper did not attach are detached, and keys that it did not make are revoked. Default: false.
    #[serde(default)]
    pub exclusive: bool,
    /// An access key, kept in a Secret. Removing this revokes the key and deletes the Secret. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeySpec>,
}

/// A policy to attach: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PolicySource {
    /// An IamPolicy of the same service.
    PolicyRef(Local),
    /// A policy that UpCloud provides, such as ECSS3ReadOnlyAccess or ECSS3FullAccess.
    SystemPolicy(
        #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))] String,
    ),
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
    /// Further entries of the Secret: name → text with the placeholders {{ accessKeyId }}, {{ secretAccessKey }}, {{ region }},
    /// {{ endpoint }}, {{ endpointHost }}, {{ bucket }} (with exactly one bucketRef) and {{ username }}. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 16384}))]
    pub template: BTreeMap<String, String>,
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
    /// Attached policies that this resource attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub policies: Vec<String>,
    /// Attached policies that somebody else attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub foreign_policies: Vec<String>,
    /// When the newest of its keys was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_created_at: Option<Time>,
}

/// A named resource that has nothing at the cloud yet.
pub(super) fn not_made(what: &str, local: &Local) -> Unresolved {
    Unresolved::Waiting {
        reason: Reason::ReferenceNotReady,
        message: format!(
            "{what} {} does not exist at the cloud yet; see its conditions",
            local.name
        ),
    }
}

/// A named resource of another service.
pub(super) fn elsewhere(what: &str, local: &Local) -> Unresolved {
    Unresolved::Refused {
        reason: Reason::InvalidSpec,
        message: format!(
            "{what} {} belongs to another service; name one of the same service",
            local.name
        ),
    }
}

#[cfg(test)]
mod tests;

//! A role of a service: rights that whoever it trusts can take on for a while, with keys of their own from STS.
//!
//! One list shows all of a role but the documents of its inline policies, which their names tell, so drift is seen as fast as lists are
//! read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::ServiceId,
    principal::{BoundSpec, Bounds, GrantSpec, Grants, inline_names, tag_keys},
    shape::{Local, PolicyDocument, immutable, safe_name},
};
use crate::engine::{external::Common, known::Reference, status::Status};

mod external;

pub use external::{Change, Desired, Remote};

/// A role of an object storage service.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "IamRole",
    plural = "iamroles",
    namespaced,
    category = "cooper",
    shortname = "ucrole",
    status = "Status<RolePlace, RoleFacts>",
    derive = "PartialEq",
    doc = "A role of an UpCloud object storage service: rights that trusted users can take on for a while (STS AssumeRole).",
    validation = safe_name(),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.atProvider.arn", description = "What to assume", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = inline_names(),
    validation = tag_keys(),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource")
)]
#[serde(rename_all = "camelCase")]
pub struct RoleSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service whose role it is. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    /// Who may assume the role: exactly one of userRefs and document.
    pub trust: Trust,
    /// What the role is for. Default: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub description: Option<String>,
    /// Longest session, in seconds, 3600 to 43200. Default: left as it is, and for a new role what the cloud chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3600, max = 43_200))]
    pub max_session_seconds: Option<i32>,
    #[serde(flatten)]
    pub grants: GrantSpec,
    #[serde(flatten)]
    pub bounds: BoundSpec,
}

/// Who may assume a role: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = crate::engine::external::undescribed)]
pub enum Trust {
    /// IamUsers of the same service.
    UserRefs(#[schemars(length(min = 1, max = 50))] Vec<Local>),
    /// A trust policy of your own, as of AWS IAM: statements with Principal and the action sts:AssumeRole.
    Document(PolicyDocument),
}

/// Where a role is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RolePlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleFacts {
    /// Its ARN: what is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub arn: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    #[serde(flatten)]
    pub grants: Grants,
    #[serde(flatten)]
    pub bounds: Bounds,
}

#[cfg(test)]
mod tests;

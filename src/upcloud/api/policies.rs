//! Managed policies and their versions: operations 55 to 61 and 63.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shape::{or_default, or_none};
use super::{Api, ApiError, Query, Removed, ServiceId, VersionId, routes};
use crate::engine::budget::Lane;

/// A managed policy.
///
/// ```json
/// {"arn": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:policy/invoices-ro", "attachment_count": 0,
///  "created_at": "2026-02-03T09:30:00Z", "default_version_id": "v1", "description": "Read invoices",
///  "document": "%7B%22Version%22%3A…", "name": "invoices-ro", "system": false,
///  "updated_at": "2026-02-03T09:30:00Z"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Policy {
    /// The name, unique in the service, UpCloud's own included.
    pub name: String,
    /// The ARN.
    #[serde(default)]
    pub arn: Option<String>,
    /// UpCloud's own: cannot be changed or deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub system: bool,
    /// Attachments to users, groups and roles; may lag, and is meaningless for UpCloud's own.
    #[serde(default)]
    pub attachment_count: Option<i64>,
    /// The version in force.
    #[serde(default)]
    pub default_version_id: Option<VersionId>,
    /// Set at creation, cannot change.
    #[serde(default, deserialize_with = "or_none")]
    pub description: Option<String>,
    /// The document in force, encoded (see [`crate::upcloud::document`]); absent in the list.
    #[serde(default, deserialize_with = "or_none")]
    pub document: Option<String>,
    /// Creation; whole seconds.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change; whole seconds.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A version of a policy.
///
/// ```json
/// {"created_at": "2026-02-03T09:31:00Z", "document": "%7B%22Version%22%3A…", "is_default": true, "version_id": "v2"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PolicyVersion {
    /// The id.
    pub version_id: VersionId,
    /// Whether it is in force.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// The document, encoded.
    #[serde(default, deserialize_with = "or_none")]
    pub document: Option<String>,
    /// Creation. The wire says `created_at`, the description `create_date`.
    #[serde(default, alias = "create_date")]
    pub created_at: Option<Timestamp>,
}

/// A managed policy at a user, group or role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    /// The policy's name.
    pub name: String,
    /// Its ARN.
    #[serde(default)]
    pub arn: Option<String>,
}

/// A policy to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewPolicy {
    /// 1..128 of `[\w+=,.@-]`; what we create is narrower, for paths take less.
    pub name: String,
    /// The encoded document, at most 6144 characters.
    pub document: String,
    /// 1..1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Attach<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Boundary<'a> {
    pub(super) policy_name: &'a str,
}

#[derive(Serialize)]
struct NewVersion<'a> {
    document: &'a str,
    is_default: bool,
}

#[derive(Serialize)]
struct Default<'a> {
    version_id: &'a VersionId,
}

impl Api {
    /// All policies, UpCloud's own included, without documents.
    pub async fn list_policies(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Vec<Policy>, ApiError> {
        self.read(lane, routes::LIST_POLICIES, &[service.as_str()])
            .await
    }

    /// Creates a policy.
    pub async fn create_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        new: &NewPolicy,
    ) -> Result<Policy, ApiError> {
        self.write(lane, routes::CREATE_POLICY, &[service.as_str()], new)
            .await
    }

    /// One policy with the document in force.
    pub async fn get_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Option<Policy>, ApiError> {
        self.find(lane, routes::GET_POLICY, &[service.as_str(), name])
            .await
    }

    /// Puts a version in force.
    pub async fn set_default_version(
        &self,
        lane: Lane,
        service: &ServiceId,
        policy: &str,
        version: &VersionId,
    ) -> Result<Policy, ApiError> {
        let body = Default {
            version_id: version,
        };
        self.write(
            lane,
            routes::SET_DEFAULT_VERSION,
            &[service.as_str(), policy],
            &body,
        )
        .await
    }

    /// Deletes a policy; refused while it is attached ([`ApiError::is_attached`]).
    pub async fn delete_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_POLICY,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }

    /// All versions with their documents, newest first.
    pub async fn list_versions(
        &self,
        lane: Lane,
        service: &ServiceId,
        policy: &str,
    ) -> Result<Vec<PolicyVersion>, ApiError> {
        self.read(lane, routes::LIST_VERSIONS, &[service.as_str(), policy])
            .await
    }

    /// Creates a version and, if `default`, puts it in force. A sixth version is probably refused.
    pub async fn create_version(
        &self,
        lane: Lane,
        service: &ServiceId,
        policy: &str,
        document: &str,
        default: bool,
    ) -> Result<PolicyVersion, ApiError> {
        let body = NewVersion {
            document,
            is_default: default,
        };
        self.write(
            lane,
            routes::CREATE_VERSION,
            &[service.as_str(), policy],
            &body,
        )
        .await
    }

    /// Deletes a version that is not in force.
    pub async fn delete_version(
        &self,
        lane: Lane,
        service: &ServiceId,
        policy: &str,
        version: &VersionId,
    ) -> Result<Removed, ApiError> {
        let names = [service.as_str(), policy, version.as_str()];
        self.remove(lane, routes::DELETE_VERSION, &names, Query::new())
            .await
    }
}

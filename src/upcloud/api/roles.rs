//! Roles, their trust, attached policies and boundaries: operations 77 to 82, 84, 85, 90 and 91.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policies::{Attach, Boundary};
use super::shape::{or_default, or_none};
use super::{Api, ApiError, Attachment, Query, Removed, ServiceId, Tag, decode, routes};
use crate::engine::budget::Lane;

/// A role.
///
/// ```json
/// {"arn": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:role/uploader",
///  "assume_role_policy_document": "{\"Version\":\"2012-10-17\",\"Statement\":[…]}",
///  "created_at": "2026-02-03T09:50:00Z", "description": "CI uploads", "inline_policies": [{"name": "put-only"}],
///  "max_session_duration": 3600, "name": "uploader", "permissions_boundary": "only-backups", "policies": [],
///  "tags": [{"key": "env", "value": "prod"}]}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// The name, unique in the service.
    pub name: String,
    /// The ARN.
    #[serde(default)]
    pub arn: Option<String>,
    /// Who may assume it: policy text, perhaps encoded (see [`crate::upcloud::document`]).
    #[serde(default, deserialize_with = "or_none")]
    pub assume_role_policy_document: Option<String>,
    /// In words.
    #[serde(default, deserialize_with = "or_none")]
    pub description: Option<String>,
    /// Longest session, in seconds.
    #[serde(default)]
    pub max_session_duration: Option<i64>,
    /// Name of the policy that bounds it.
    #[serde(default, deserialize_with = "or_none")]
    pub permissions_boundary: Option<String>,
    /// Attached managed policies.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Vec<Attachment>,
    /// Inline policies, by name.
    #[serde(default, deserialize_with = "or_default")]
    pub inline_policies: Vec<InlineName>,
    /// Tags; `None` if the answer does not show them, as the described list does not.
    #[serde(default)]
    pub tags: Option<Vec<Tag>>,
    /// Creation; whole seconds.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// The name of an inline policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InlineName {
    /// The name.
    pub name: String,
}

/// A role to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewRole {
    /// 1..64 of `[\w+=,.@-]`; what we create is narrower.
    pub name: String,
    /// Who may assume it: plain JSON text, at most 131072 characters.
    pub assume_role_policy_document: String,
    /// At most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// 3600..=43200 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<i64>,
    /// Name of the policy that bounds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// At most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A change of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RolePatch {
    /// At most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// 3600..=43200 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<i64>,
}

impl RolePatch {
    /// What a role is once this was sent.
    pub fn lay_over(&self, role: &mut Role) {
        role.description = self.description.clone().or(role.description.take());
        role.max_session_duration = self.max_session_duration.or(role.max_session_duration);
    }
}

#[derive(Serialize)]
struct Trust<'a> {
    document: &'a str,
}

#[derive(Deserialize)]
struct TrustAnswer {
    #[serde(default, deserialize_with = "or_none")]
    document: Option<String>,
}

impl Api {
    /// All roles with policies and the names of inline policies.
    pub async fn list_roles(&self, lane: Lane, service: &ServiceId) -> Result<Vec<Role>, ApiError> {
        self.read(lane, routes::LIST_ROLES, &[service.as_str()])
            .await
    }

    /// Creates a role.
    pub async fn create_role(
        &self,
        lane: Lane,
        service: &ServiceId,
        new: &NewRole,
    ) -> Result<Role, ApiError> {
        self.write(lane, routes::CREATE_ROLE, &[service.as_str()], new)
            .await
    }

    /// One role.
    pub async fn get_role(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Option<Role>, ApiError> {
        self.find(lane, routes::GET_ROLE, &[service.as_str(), name])
            .await
    }

    /// Changes what the patch names.
    pub async fn modify_role(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
        patch: &RolePatch,
    ) -> Result<Role, ApiError> {
        self.write(lane, routes::MODIFY_ROLE, &[service.as_str(), name], patch)
            .await
    }

    /// Deletes a role.
    pub async fn delete_role(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_ROLE,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }

    /// Replaces who may assume a role (the API calls this "assume role policy"). Returns the document as
    /// the answer has it.
    pub async fn set_trust(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        document: &str,
    ) -> Result<Option<String>, ApiError> {
        let answer: TrustAnswer = self
            .write(
                lane,
                routes::SET_TRUST,
                &[service.as_str(), role],
                &Trust { document },
            )
            .await?;
        Ok(answer.document)
    }

    /// Attaches a managed policy to a role.
    pub async fn attach_role_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        policy: &str,
    ) -> Result<(), ApiError> {
        let body = Attach { name: policy };
        self.order(
            lane,
            routes::ATTACH_ROLE_POLICY,
            &[service.as_str(), role],
            Some(&body),
        )
        .await
    }

    /// Detaches a managed policy from a role.
    pub async fn detach_role_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        policy: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DETACH_ROLE_POLICY,
            &[service.as_str(), role, policy],
            Query::new(),
        )
        .await
    }

    /// Bounds what a role may do; as [`Api::set_user_boundary`].
    pub async fn set_role_boundary(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        policy: &str,
    ) -> Result<Option<String>, ApiError> {
        let body = Boundary {
            policy_name: policy,
        };
        let route = routes::SET_ROLE_BOUNDARY;
        let answer = self
            .call(
                lane,
                route,
                &[service.as_str(), role],
                Query::new(),
                Some(&body),
            )
            .await?;
        Ok(decode(route, &answer).ok())
    }

    /// Removes a role's boundary.
    pub async fn delete_role_boundary(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_ROLE_BOUNDARY,
            &[service.as_str(), role],
            Query::new(),
        )
        .await
    }
}

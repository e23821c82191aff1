//! Groups and their attached policies: operations 64 to 67 and 70 to 72.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policies::Attach;
use super::{Api, ApiError, Attachment, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A group. Nothing shows its members.
///
/// ```json
/// {"arn": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:group/readers", "created_at": "2026-02-03T09:40:00Z",
///  "name": "readers"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// The name, unique in the service.
    pub name: String,
    /// The ARN.
    #[serde(default)]
    pub arn: Option<String>,
    /// Creation; whole seconds.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
}

impl Api {
    /// All groups.
    pub async fn list_groups(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Vec<Group>, ApiError> {
        self.read(lane, routes::LIST_GROUPS, &[service.as_str()])
            .await
    }

    /// Creates a group.
    pub async fn create_group(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Group, ApiError> {
        self.write(
            lane,
            routes::CREATE_GROUP,
            &[service.as_str()],
            &New { name },
        )
        .await
    }

    /// One group.
    pub async fn get_group(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Option<Group>, ApiError> {
        self.find(lane, routes::GET_GROUP, &[service.as_str(), name])
            .await
    }

    /// Deletes a group.
    pub async fn delete_group(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_GROUP,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }

    /// Managed policies attached to a group.
    pub async fn list_group_policies(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
    ) -> Result<Vec<Attachment>, ApiError> {
        self.read(
            lane,
            routes::LIST_GROUP_POLICIES,
            &[service.as_str(), group],
        )
        .await
    }

    /// Attaches a managed policy to a group.
    pub async fn attach_group_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
        policy: &str,
    ) -> Result<(), ApiError> {
        let body = Attach { name: policy };
        self.order(
            lane,
            routes::ATTACH_GROUP_POLICY,
            &[service.as_str(), group],
            Some(&body),
        )
        .await
    }

    /// Detaches a managed policy from a group.
    pub async fn detach_group_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
        policy: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DETACH_GROUP_POLICY,
            &[service.as_str(), group, policy],
            Query::new(),
        )
        .await
    }
}

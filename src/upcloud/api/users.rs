//! Users, their attached policies, boundaries and group memberships: operations 34 to 37, 44, 45, 53, 54,
//! 68 and 69.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policies::{Attach, Boundary};
use super::shape::{or_default, or_none};
use super::{
    AccessKey, Api, ApiError, Attachment, Dated, NONE, Query, Removed, ServiceId, Tag, dated,
    decode, routes,
};
use crate::engine::budget::Lane;

/// A user of a service.
///
/// ```json
/// {"access_keys": [], "arn": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/ci",
///  "created_at": "2026-02-03T09:19:58Z", "policies": [], "tags": [], "username": "ci"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The name, unique in the service.
    pub username: String,
    /// The ARN.
    #[serde(default)]
    pub arn: Option<String>,
    /// Creation; whole seconds.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Keys, without their secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub access_keys: Vec<AccessKey>,
    /// Attached managed policies.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Vec<Attachment>,
    /// Name of the policy that bounds what the user may do.
    #[serde(default, deserialize_with = "or_none")]
    pub permissions_boundary: Option<String>,
    /// Tags; `None` if the answer does not show them, as no recording does.
    #[serde(default)]
    pub tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
struct New<'a> {
    username: &'a str,
}

impl Api {
    /// All users with keys and policies, in one request.
    pub async fn list_users(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Dated<Vec<User>>, ApiError> {
        let answer = self
            .call(
                lane,
                routes::LIST_USERS,
                &[service.as_str()],
                Query::new(),
                NONE,
            )
            .await?;
        dated(routes::LIST_USERS, &answer)
    }

    /// Creates a user. The answer's (empty) key list began after the call, so it can stand for a list.
    pub async fn create_user(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Dated<User>, ApiError> {
        let body = New { username: name };
        let answer = self
            .call(
                lane,
                routes::CREATE_USER,
                &[service.as_str()],
                Query::new(),
                Some(&body),
            )
            .await?;
        dated(routes::CREATE_USER, &answer)
    }

    /// One user.
    pub async fn get_user(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Option<Dated<User>>, ApiError> {
        match self
            .call(
                lane,
                routes::GET_USER,
                &[service.as_str(), name],
                Query::new(),
                NONE,
            )
            .await
        {
            Ok(answer) => dated(routes::GET_USER, &answer).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a user, its keys and its attachments.
    pub async fn delete_user(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_USER,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }

    /// Attaches a managed policy to a user.
    pub async fn attach_user_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        policy: &str,
    ) -> Result<(), ApiError> {
        let body = Attach { name: policy };
        self.order(
            lane,
            routes::ATTACH_USER_POLICY,
            &[service.as_str(), user],
            Some(&body),
        )
        .await
    }

    /// Detaches a managed policy from a user.
    pub async fn detach_user_policy(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        policy: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DETACH_USER_POLICY,
            &[service.as_str(), user, policy],
            Query::new(),
        )
        .await
    }

    /// Bounds what a user may do by a managed policy; replaces an earlier boundary.
    ///
    /// Returns the boundary as the answer has it, `None` if the answer is of another shape than described:
    /// it was never recorded.
    pub async fn set_user_boundary(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        policy: &str,
    ) -> Result<Option<String>, ApiError> {
        let body = Boundary {
            policy_name: policy,
        };
        let route = routes::SET_USER_BOUNDARY;
        let answer = self
            .call(
                lane,
                route,
                &[service.as_str(), user],
                Query::new(),
                Some(&body),
            )
            .await?;
        Ok(decode(route, &answer).ok())
    }

    /// Removes a user's boundary.
    pub async fn delete_user_boundary(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_USER_BOUNDARY,
            &[service.as_str(), user],
            Query::new(),
        )
        .await
    }

    /// Adds a user to a group. Nothing shows memberships; adding twice is taken as harmless.
    pub async fn add_member(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
        user: &str,
    ) -> Result<(), ApiError> {
        self.order(
            lane,
            routes::ADD_MEMBER,
            &[service.as_str(), group, user],
            NONE,
        )
        .await
    }

    /// Removes a user from a group.
    pub async fn remove_member(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
        user: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::REMOVE_MEMBER,
            &[service.as_str(), group, user],
            Query::new(),
        )
        .await
    }
}

//! Inline policies of users, groups and roles: operations 46, 47, 49, 73, 74, 76, 87 and 89.
//!
//! There is no update. Whether a second POST of a name overwrites or is refused is not known, so write a
//! new name and delete the old one.

use serde::{Deserialize, Serialize};

use super::shape::or_none;
use super::{Api, ApiError, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;
use crate::http::Route;

/// Whose inline policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A user, by name.
    User(&'a str),
    /// A group, by name.
    Group(&'a str),
    /// A role, by name.
    Role(&'a str),
}

impl<'a> Owner<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::User(name) | Self::Group(name) | Self::Role(name) => name,
        }
    }
}

/// An inline policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// 1..128 characters.
    pub name: String,
    /// Plain JSON text, at most 6144 characters; in answers perhaps encoded.
    #[serde(default, deserialize_with = "or_none")]
    pub document: Option<String>,
}

#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
    document: &'a str,
}

impl Api {
    /// A user's inline policies with their documents.
    pub async fn list_user_inline(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
    ) -> Result<Vec<InlinePolicy>, ApiError> {
        self.read(lane, routes::LIST_USER_INLINE, &[service.as_str(), user])
            .await
    }

    /// A group's inline policies with their documents. (A role's names stand in the role.)
    pub async fn list_group_inline(
        &self,
        lane: Lane,
        service: &ServiceId,
        group: &str,
    ) -> Result<Vec<InlinePolicy>, ApiError> {
        self.read(lane, routes::LIST_GROUP_INLINE, &[service.as_str(), group])
            .await
    }

    /// Writes an inline policy; the document is plain JSON text.
    pub async fn create_inline(
        &self,
        lane: Lane,
        service: &ServiceId,
        owner: Owner<'_>,
        name: &str,
        document: &str,
    ) -> Result<InlinePolicy, ApiError> {
        let route: &'static Route = match owner {
            Owner::User(_) => routes::CREATE_USER_INLINE,
            Owner::Group(_) => routes::CREATE_GROUP_INLINE,
            Owner::Role(_) => routes::CREATE_ROLE_INLINE,
        };
        self.write(
            lane,
            route,
            &[service.as_str(), owner.name()],
            &New { name, document },
        )
        .await
    }

    /// Deletes an inline policy.
    pub async fn delete_inline(
        &self,
        lane: Lane,
        service: &ServiceId,
        owner: Owner<'_>,
        name: &str,
    ) -> Result<Removed, ApiError> {
        let route: &'static Route = match owner {
            Owner::User(_) => routes::DELETE_USER_INLINE,
            Owner::Group(_) => routes::DELETE_GROUP_INLINE,
            Owner::Role(_) => routes::DELETE_ROLE_INLINE,
        };
        self.remove(
            lane,
            route,
            &[service.as_str(), owner.name(), name],
            Query::new(),
        )
        .await
    }
}

//! Tags of users and roles: operations 50 to 52, 93 and 94. A role's tags stand in the role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shape::or_default;
use super::{Api, ApiError, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// 1..128 characters.
    pub key: String,
    /// At most 256 characters; absent in an answer = empty.
    #[serde(default, deserialize_with = "or_default")]
    pub value: String,
}

impl Tag {
    /// As the API has them.
    pub fn list(by_key: &BTreeMap<String, String>) -> Vec<Self> {
        let tag = |(key, value): (&String, &String)| Self {
            key: key.clone(),
            value: value.clone(),
        };
        by_key.iter().map(tag).collect()
    }

    /// As a spec has them.
    pub fn by_key(list: &[Self]) -> BTreeMap<String, String> {
        let pair = |tag: &Self| (tag.key.clone(), tag.value.clone());
        list.iter().map(pair).collect()
    }
}

impl Api {
    /// A user's tags.
    pub async fn list_user_tags(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
    ) -> Result<Vec<Tag>, ApiError> {
        self.read(lane, routes::LIST_USER_TAGS, &[service.as_str(), user])
            .await
    }

    /// Sets a user's tags, all of them.
    pub async fn replace_user_tags(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        tags: &[Tag],
    ) -> Result<Vec<Tag>, ApiError> {
        self.write(
            lane,
            routes::REPLACE_USER_TAGS,
            &[service.as_str(), user],
            &tags,
        )
        .await
    }

    /// Deletes one of a user's tags.
    pub async fn delete_user_tag(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        key: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_USER_TAG,
            &[service.as_str(), user, key],
            Query::new(),
        )
        .await
    }

    /// Sets a role's tags, all of them.
    pub async fn replace_role_tags(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        tags: &[Tag],
    ) -> Result<Vec<Tag>, ApiError> {
        self.write(
            lane,
            routes::REPLACE_ROLE_TAGS,
            &[service.as_str(), role],
            &tags,
        )
        .await
    }

    /// Deletes one of a role's tags.
    pub async fn delete_role_tag(
        &self,
        lane: Lane,
        service: &ServiceId,
        role: &str,
        key: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_ROLE_TAG,
            &[service.as_str(), role, key],
            Query::new(),
        )
        .await
    }
}

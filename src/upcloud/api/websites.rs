//! Static websites: operations 30 to 33. Listed in the service.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shape::or_default;
use super::{Api, ApiError, Patch, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A website on a domain.
///
/// ```json
/// {"bucket_name": "website", "bucket_prefix": "", "created_at": "2026-02-03T10:00:00Z",
///  "domain_name": "q7x2m-static.upcloudobjects.com", "enabled": true,
///  "error_pages": [{"error_document": "404.html", "status_code": 404}], "index_document": "index.html",
///  "spa_mode": false, "updated_at": "2026-02-03T10:00:00Z"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StaticWebsite {
    /// The domain; identifies the website.
    pub domain_name: String,
    /// The bucket it shows.
    #[serde(default)]
    pub bucket_name: Option<String>,
    /// The part of the bucket it shows.
    #[serde(default, deserialize_with = "or_default")]
    pub bucket_prefix: String,
    /// The page of a directory.
    #[serde(default)]
    pub index_document: Option<String>,
    /// Whether every path shows the index document.
    #[serde(default, deserialize_with = "or_default")]
    pub spa_mode: bool,
    /// Whether it answers.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Pages shown in place of errors.
    #[serde(default, deserialize_with = "or_default")]
    pub error_pages: Vec<ErrorPage>,
    /// Creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A page shown in place of an error; has exactly one of status and range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErrorPage {
    /// The object, without a leading slash.
    pub error_document: String,
    /// One status, 400..=599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i64>,
    /// Several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_range: Option<StatusRange>,
}

impl ErrorPage {
    /// A page for one status.
    pub fn one(status: i64, document: impl Into<String>) -> Self {
        Self {
            error_document: document.into(),
            status_code: Some(status),
            status_range: None,
        }
    }

    /// A page for several statuses, both ends included.
    pub fn range(start: i64, end: i64, document: impl Into<String>) -> Self {
        Self {
            error_document: document.into(),
            status_code: None,
            status_range: Some(StatusRange { start, end }),
        }
    }
}

/// Statuses from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusRange {
    /// 400..=599.
    pub start: i64,
    /// 400..=599.
    pub end: i64,
}

/// A website to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewWebsite {
    /// A custom domain of mode `static-website`; none: the service's own static domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// A bucket that is publicly readable.
    pub bucket_name: String,
    /// At most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_prefix: Option<String>,
    /// Default `index.html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
    /// Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spa_mode: Option<bool>,
    /// Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// At most 25.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_pages: Vec<ErrorPage>,
}

/// A change of a website.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WebsitePatch {
    /// The bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_name: Option<String>,
    /// The part of the bucket; `""` for all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_prefix: Option<String>,
    /// The page of a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
    /// Whether every path shows the index document.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub spa_mode: Patch<bool>,
    /// Whether it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_pages: Option<Vec<ErrorPage>>,
}

impl Api {
    /// Creates a website. Without a domain the answer names the service's own.
    pub async fn create_website(
        &self,
        lane: Lane,
        service: &ServiceId,
        new: &NewWebsite,
    ) -> Result<StaticWebsite, ApiError> {
        self.write(lane, routes::CREATE_WEBSITE, &[service.as_str()], new)
            .await
    }

    /// The website of a domain.
    pub async fn get_website(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &str,
    ) -> Result<Option<StaticWebsite>, ApiError> {
        self.find(lane, routes::GET_WEBSITE, &[service.as_str(), domain])
            .await
    }

    /// Changes what the patch names.
    pub async fn modify_website(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &str,
        patch: &WebsitePatch,
    ) -> Result<StaticWebsite, ApiError> {
        self.write(
            lane,
            routes::MODIFY_WEBSITE,
            &[service.as_str(), domain],
            patch,
        )
        .await
    }

    /// Deletes the website of a domain; bucket and domain stay.
    pub async fn delete_website(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_WEBSITE,
            &[service.as_str(), domain],
            Query::new(),
        )
        .await
    }
}

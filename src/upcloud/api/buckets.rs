//! Buckets: operations 21, 22 and 23.

use serde::{Deserialize, Serialize};

use super::shape::or_default;
use super::{Api, ApiError, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A bucket.
///
/// ```json
/// {"deleted": false, "name": "invoices", "total_objects": 0, "total_size_bytes": 0}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bucket {
    /// The name, unique in the service.
    pub name: String,
    /// Being purged (minutes); the name cannot be used again meanwhile.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Objects; may lag. `None` means unknown, not empty.
    #[serde(default)]
    pub total_objects: Option<i64>,
    /// Bytes; may lag.
    #[serde(default)]
    pub total_size_bytes: Option<i64>,
}

#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
}

impl Api {
    /// All buckets of the service, those being purged included. There is no way to ask for one.
    pub async fn list_buckets(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Vec<Bucket>, ApiError> {
        let mut buckets: Vec<Bucket> = self
            .pages(
                lane,
                routes::LIST_BUCKETS,
                &[service.as_str()],
                Query::new(),
            )
            .await?;
        let mut seen = std::collections::HashSet::new();
        buckets.retain(|bucket| seen.insert(bucket.name.clone()));
        Ok(buckets)
    }

    /// Creates a bucket.
    pub async fn create_bucket(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Bucket, ApiError> {
        self.write(
            lane,
            routes::CREATE_BUCKET,
            &[service.as_str()],
            &New { name },
        )
        .await
    }

    /// Deletes a bucket **with all its objects**, for good.
    pub async fn delete_bucket(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_BUCKET,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }
}

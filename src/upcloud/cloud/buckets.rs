//! Buckets of a service: one list a service, for the API has no read of a single bucket.

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::api::{Bucket, ServiceId},
};

impl UpCloud {
    /// A bucket.
    pub async fn bucket(&self, of: &ServiceId, name: &str) -> Result<Option<Bucket>, Fault> {
        let fetch = || async {
            let buckets = self.api().list_buckets(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(buckets, |bucket| bucket.name.clone()))
        };
        let buckets = &self.shared.buckets;
        Ok(buckets.row(of, name, self.since(), fetch).await?.0)
    }

    /// Makes a bucket.
    pub async fn create_bucket(&self, of: &ServiceId, name: &str) -> Result<Bucket, Fault> {
        let made = self.api().create_bucket(Lane::Write, of, name).await?;
        self.shared.buckets.put(of, name, Some(made.clone()));
        Ok(made)
    }

    /// Deletes a bucket with all it holds. It stays listed as deleted while it is purged.
    pub async fn delete_bucket(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_bucket(Lane::Write, of, name).await?;
        self.shared
            .buckets
            .edit(of, name, |bucket| bucket.deleted = true);
        Ok(())
    }
}

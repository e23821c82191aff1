//! Policies of a service and their versions. Rows of the list have no documents.

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::{
        api::{NewPolicy, Policy, PolicyVersion, ServiceId, VersionId},
        document,
    },
};

impl UpCloud {
    /// A policy; with its document if it was read by itself.
    pub async fn policy(&self, of: &ServiceId, name: &str) -> Result<Option<Policy>, Fault> {
        let policies = &self.shared.policies;
        if self.view.fresh {
            let found = self.api().get_policy(self.view.lane, of, name).await?;
            let row = found.clone().map(|policy| Policy {
                document: None,
                ..policy
            });
            policies.put(of, name, row);
            return Ok(found);
        }
        let fetch = || async {
            let rows = self.api().list_policies(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(rows, |policy| policy.name.clone()))
        };
        Ok(policies.row(of, name, self.view.since, fetch).await?.0)
    }

    /// Makes a policy.
    pub async fn create_policy(
        &self,
        of: &ServiceId,
        name: &str,
        document: &serde_json::Value,
        description: Option<String>,
    ) -> Result<Policy, Fault> {
        let new = NewPolicy {
            name: name.to_owned(),
            document: document::encode(document),
            description,
        };
        let made = self.api().create_policy(Lane::Write, of, &new).await?;
        self.saw_policy(of, &made);
        Ok(made)
    }

    /// Deletes a policy.
    pub async fn delete_policy(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_policy(Lane::Write, of, name).await?;
        self.shared.policies.put(of, name, None);
        Ok(())
    }

    /// All versions of a policy with their documents, newest first, read now.
    pub async fn versions(&self, of: &ServiceId, name: &str) -> Result<Vec<PolicyVersion>, Fault> {
        Ok(self.api().list_versions(self.view.lane, of, name).await?)
    }

    /// Puts a version in force that is there already.
    pub async fn reinstate(
        &self,
        of: &ServiceId,
        name: &str,
        version: &VersionId,
    ) -> Result<Policy, Fault> {
        let api = self.api();
        Ok(api
            .set_default_version(Lane::Write, of, name, version)
            .await?)
    }

    /// Makes a version and puts it in force.
    pub async fn renew(
        &self,
        of: &ServiceId,
        name: &str,
        document: &serde_json::Value,
    ) -> Result<PolicyVersion, Fault> {
        let document = document::encode(document);
        let api = self.api();
        Ok(api
            .create_version(Lane::Write, of, name, &document, true)
            .await?)
    }

    /// Deletes a version that is not in force.
    pub async fn delete_version(
        &self,
        of: &ServiceId,
        name: &str,
        version: &VersionId,
    ) -> Result<(), Fault> {
        self.api()
            .delete_version(Lane::Write, of, name, version)
            .await?;
        Ok(())
    }

    /// Lays what a write has left over the shared list, whose rows have no documents.
    pub fn saw_policy(&self, of: &ServiceId, policy: &Policy) {
        let row = Policy {
            document: None,
            ..policy.clone()
        };
        self.shared.policies.put(of, &policy.name, Some(row));
    }
}

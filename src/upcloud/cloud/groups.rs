//! Groups of a service. Their list shows names; what a group may do is read of each by itself, and its members cannot be read at all.

use std::collections::BTreeSet;

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::api::{Group, ServiceId},
};

impl UpCloud {
    /// A group, from the shared list if that will do.
    pub async fn group(&self, of: &ServiceId, name: &str) -> Result<Option<Group>, Fault> {
        let groups = &self.shared.groups;
        if self.view.fresh {
            let found = self.api().get_group(self.view.lane, of, name).await?;
            groups.put(of, name, found.clone());
            return Ok(found);
        }
        let fetch = || async {
            let rows = self.api().list_groups(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(rows, |group| group.name.clone()))
        };
        Ok(groups.row(of, name, self.view.since, fetch).await?.0)
    }

    /// The policies attached to a group, read now.
    pub async fn group_policies(
        &self,
        of: &ServiceId,
        name: &str,
    ) -> Result<BTreeSet<String>, Fault> {
        let api = self.api();
        let attached = api.list_group_policies(self.view.lane, of, name).await?;
        Ok(attached.into_iter().map(|policy| policy.name).collect())
    }

    /// Makes a group.
    pub async fn create_group(&self, of: &ServiceId, name: &str) -> Result<Group, Fault> {
        let made = self.api().create_group(Lane::Write, of, name).await?;
        self.shared.groups.put(of, name, Some(made.clone()));
        Ok(made)
    }

    /// Deletes a group.
    pub async fn delete_group(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_group(Lane::Write, of, name).await?;
        self.shared.groups.put(of, name, None);
        Ok(())
    }
}

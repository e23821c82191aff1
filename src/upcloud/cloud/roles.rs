//! Roles of a service. One list shows their policies, the names of inline ones, trust and boundary.

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::api::{NewRole, Role, RolePatch, ServiceId},
};

impl UpCloud {
    /// A role, from the shared list if that will do.
    pub async fn role(&self, of: &ServiceId, name: &str) -> Result<Option<Role>, Fault> {
        if self.view.fresh {
            return self.role_alone(of, name).await;
        }
        let fetch = || async {
            let rows = self.api().list_roles(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(rows, |role| role.name.clone()))
        };
        let roles = &self.shared.roles;
        Ok(roles.row(of, name, self.view.since, fetch).await?.0)
    }

    /// A role, read by itself, now.
    pub async fn role_alone(&self, of: &ServiceId, name: &str) -> Result<Option<Role>, Fault> {
        let found = self.api().get_role(self.view.lane, of, name).await?;
        self.shared.roles.put(of, name, found.clone());
        Ok(found)
    }

    /// Makes a role.
    pub async fn create_role(&self, of: &ServiceId, new: &NewRole) -> Result<Role, Fault> {
        let made = self.api().create_role(Lane::Write, of, new).await?;
        self.shared.roles.put(of, &new.name, Some(made.clone()));
        Ok(made)
    }

    /// Changes description or length of sessions.
    pub async fn modify_role(
        &self,
        of: &ServiceId,
        name: &str,
        patch: &RolePatch,
    ) -> Result<(), Fault> {
        self.api().modify_role(Lane::Write, of, name, patch).await?;
        self.shared.roles.edit(of, name, |row| patch.lay_over(row));
        Ok(())
    }

    /// Replaces who may assume a role.
    pub async fn trust(&self, of: &ServiceId, name: &str, document: &str) -> Result<(), Fault> {
        self.api()
            .set_trust(Lane::Write, of, name, document)
            .await?;
        self.shared.roles.edit(of, name, |row| {
            row.assume_role_policy_document = Some(document.to_owned());
        });
        Ok(())
    }

    /// Deletes a role.
    pub async fn delete_role(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_role(Lane::Write, of, name).await?;
        self.shared.roles.put(of, name, None);
        Ok(())
    }
}

//! What is done to users, groups and roles alike: policies, inline policies, boundaries, tags.
//!
//! Where a list shows it, the write is laid over that list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::UpCloud;
use crate::{
    engine::{
        budget::Lane,
        fault::{Class, Fault},
        reason::Reason,
    },
    upcloud::{
        api::{Attachment, InlineName, Owner, Role, ServiceId, Tag, User},
        document,
    },
};

impl UpCloud {
    /// Attaches a policy.
    pub async fn attach(&self, of: &ServiceId, who: Owner<'_>, policy: &str) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        match who {
            Owner::User(name) => api.attach_user_policy(lane, of, name, policy).await?,
            Owner::Group(name) => api.attach_group_policy(lane, of, name, policy).await?,
            Owner::Role(name) => api.attach_role_policy(lane, of, name, policy).await?,
        }
        self.edit_attached(of, who, |attached| {
            attached.retain(|attached| attached.name != policy);
            attached.push(Attachment {
                name: policy.to_owned(),
                arn: None,
            });
        });
        self.count_attachment(of, policy, 1);
        Ok(())
    }

    /// Detaches a policy; one that is not attached is as good.
    pub async fn detach(&self, of: &ServiceId, who: Owner<'_>, policy: &str) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        match who {
            Owner::User(name) => api.detach_user_policy(lane, of, name, policy).await?,
            Owner::Group(name) => api.detach_group_policy(lane, of, name, policy).await?,
            Owner::Role(name) => api.detach_role_policy(lane, of, name, policy).await?,
        };
        self.edit_attached(of, who, |attached| {
            attached.retain(|attached| attached.name != policy);
        });
        self.count_attachment(of, policy, -1);
        Ok(())
    }

    /// Names of inline policies, read now. A role's stand in its row.
    pub async fn inline(&self, of: &ServiceId, who: Owner<'_>) -> Result<BTreeSet<String>, Fault> {
        let (api, lane) = (self.api(), self.view.lane);
        let listed = match who {
            Owner::User(name) => api.list_user_inline(lane, of, name).await?,
            Owner::Group(name) => api.list_group_inline(lane, of, name).await?,
            Owner::Role(name) => {
                let role = self.role_alone(of, name).await?;
                let names = role.into_iter().flat_map(|role| role.inline_policies);
                return Ok(names.map(|policy| policy.name).collect());
            }
        };
        Ok(listed.into_iter().map(|policy| policy.name).collect())
    }

    /// Makes an inline policy. Its name tells its content, so that one of the name is there already is as good.
    pub async fn write_inline(
        &self,
        of: &ServiceId,
        who: Owner<'_>,
        name: &str,
        document: &Value,
    ) -> Result<(), Fault> {
        let text = document::text(document);
        let api = self.api();
        match api.create_inline(Lane::Write, of, who, name, &text).await {
            Ok(_) => {}
            Err(error) => {
                let fault = Fault::from(error);
                if fault.reason != Reason::NameTaken || fault.class != Class::Terminal {
                    return Err(fault);
                }
            }
        }
        self.edit_inline(of, who, |inline| {
            inline.retain(|policy| policy.name != name);
            inline.push(InlineName {
                name: name.to_owned(),
            });
        });
        Ok(())
    }

    /// Deletes an inline policy; one that is gone is as good.
    pub async fn erase_inline(
        &self,
        of: &ServiceId,
        who: Owner<'_>,
        name: &str,
    ) -> Result<(), Fault> {
        let api = self.api();
        api.delete_inline(Lane::Write, of, who, name).await?;
        self.edit_inline(of, who, |inline| {
            inline.retain(|policy| policy.name != name);
        });
        Ok(())
    }

    /// Bounds a user or role by a policy, in place of one that bounds it now.
    pub async fn bound(&self, of: &ServiceId, who: Owner<'_>, policy: &str) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        match who {
            Owner::User(name) => api.set_user_boundary(lane, of, name, policy).await?,
            Owner::Role(name) => api.set_role_boundary(lane, of, name, policy).await?,
            Owner::Group(_) => return Err(groups_lack("a permissions boundary")),
        };
        self.edit_boundary(of, who, Some(policy));
        Ok(())
    }

    /// Removes the boundary of a user or role; without one, it is as good.
    pub async fn unbound(&self, of: &ServiceId, who: Owner<'_>) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        match who {
            Owner::User(name) => api.delete_user_boundary(lane, of, name).await?,
            Owner::Role(name) => api.delete_role_boundary(lane, of, name).await?,
            Owner::Group(_) => return Err(groups_lack("a permissions boundary")),
        };
        self.edit_boundary(of, who, None);
        Ok(())
    }

    /// The boundary of a user or role as it shows, read now.
    pub async fn boundary(&self, of: &ServiceId, who: Owner<'_>) -> Result<Option<String>, Fault> {
        Ok(match who {
            Owner::User(name) => {
                let user = self.user_alone(of, name).await?;
                user.and_then(|(user, _)| user.permissions_boundary)
            }
            Owner::Role(name) => {
                let role = self.role_alone(of, name).await?;
                role.and_then(|role| role.permissions_boundary)
            }
            Owner::Group(_) => None,
        })
    }

    /// The tags of a user, read now.
    pub async fn user_tags(&self, of: &ServiceId, name: &str) -> Result<Vec<Tag>, Fault> {
        let api = self.api();
        Ok(api.list_user_tags(self.view.lane, of, name).await?)
    }

    /// Sets the tags of a user or role, all of them.
    pub async fn tag(
        &self,
        of: &ServiceId,
        who: Owner<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        let all = Tag::list(tags);
        match who {
            Owner::User(name) => api.replace_user_tags(lane, of, name, &all).await?,
            Owner::Role(name) => api.replace_role_tags(lane, of, name, &all).await?,
            Owner::Group(_) => return Err(groups_lack("tags")),
        };
        self.edit_tags(of, who, |tags| tags.clone_from(&all));
        Ok(())
    }

    /// Takes a tag off a user or role; one that is gone is as good.
    pub async fn untag(&self, of: &ServiceId, who: Owner<'_>, key: &str) -> Result<(), Fault> {
        let (api, lane) = (self.api(), Lane::Write);
        match who {
            Owner::User(name) => api.delete_user_tag(lane, of, name, key).await?,
            Owner::Role(name) => api.delete_role_tag(lane, of, name, key).await?,
            Owner::Group(_) => return Err(groups_lack("tags")),
        };
        self.edit_tags(of, who, |tags| tags.retain(|tag| tag.key != key));
        Ok(())
    }

    /// Corrects the row of a user or role. Rows of groups show nothing of this.
    fn edit(
        &self,
        of: &ServiceId,
        who: Owner<'_>,
        user: impl FnOnce(&mut User),
        role: impl FnOnce(&mut Role),
    ) {
        match who {
            Owner::User(name) => self.shared.users.edit(of, name, user),
            Owner::Role(name) => self.shared.roles.edit(of, name, role),
            Owner::Group(_) => {}
        }
    }

    fn edit_attached(&self, of: &ServiceId, who: Owner<'_>, change: impl Fn(&mut Vec<Attachment>)) {
        let user = |row: &mut User| change(&mut row.policies);
        self.edit(of, who, user, |row| change(&mut row.policies));
    }

    fn edit_inline(&self, of: &ServiceId, who: Owner<'_>, change: impl Fn(&mut Vec<InlineName>)) {
        self.edit(of, who, |_| {}, |row| change(&mut row.inline_policies));
    }

    fn edit_boundary(&self, of: &ServiceId, who: Owner<'_>, policy: Option<&str>) {
        let policy = || policy.map(str::to_owned);
        let user = |row: &mut User| row.permissions_boundary = policy();
        self.edit(of, who, user, |row| row.permissions_boundary = policy());
    }

    /// Rows that do not show tags go on not showing them.
    fn edit_tags(&self, of: &ServiceId, who: Owner<'_>, change: impl Fn(&mut Vec<Tag>)) {
        let shown = |tags: &mut Option<Vec<Tag>>| {
            if let Some(tags) = tags {
                change(tags);
            }
        };
        let user = |row: &mut User| shown(&mut row.tags);
        self.edit(of, who, user, |row| shown(&mut row.tags));
    }

    fn count_attachment(&self, of: &ServiceId, policy: &str, by: i64) {
        self.shared.policies.edit(of, policy, |row| {
            if let Some(count) = &mut row.attachment_count {
                *count = count.saturating_add(by).max(0);
            }
        });
    }
}

/// No group's spec leads here.
fn groups_lack(what: &str) -> Fault {
    Fault::terminal(Reason::InvalidSpec, format!("a group cannot have {what}"))
}

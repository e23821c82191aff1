//! Users, groups and roles with their rights.
//!
//! What no list shows is read by itself: inline policies, tags, the policies of groups. Who is in a group is shown nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{adopting, all, by_name, can_name, leave_out, names, parent};
use crate::{
    engine::{fault::Fault, inventory::Asked},
    upcloud::{
        api::{Attachment, InlinePolicy, Role, Service, Tag},
        cloud::UpCloud,
        document,
        iam_group::{GroupSpec, IamGroup},
        iam_policy::IamPolicy,
        iam_role::{IamRole, RoleSpec, Trust},
        iam_user::{IamUser, UserSpec},
        mark::MARK,
        principal::{BoundSpec, GrantSpec, PolicySource, rights},
        shape::{Local, PolicyDocument},
    },
};

/// UpCloud's own user, which nobody else can have.
const INTERNAL_USER: &str = "_upcloud-internal-user";
/// Most policies, attached or inline, that a principal can name.
const POLICIES: usize = 10;
/// Most tags that a principal can have.
const TAGS: usize = 50;
/// Characters of a dash and the digits that end an inline policy's name.
const DIGITS: usize = 9;

/// The users. Without access keys: a key's secret cannot be read again.
pub async fn users(cloud: &UpCloud, asked: &Asked) -> Result<Vec<IamUser>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let (api, lane, id) = (cloud.api(), cloud.view().lane, &service.uuid);
        let own = system_policies(cloud, &service).await?;
        let rows = api.list_users(lane, id).await?.value;
        for row in by_name(rows, |row| &row.username) {
            let user = row.username.as_str();
            if user == INTERNAL_USER || !can_name(asked, "user", &service, user, "_-") {
                continue;
            }
            let who = Who {
                asked,
                service: &service,
                own: &own,
                what: "user",
                name: user,
            };
            let inline = api.list_user_inline(lane, id, user).await?;
            let Some(grants) = who.grants(row.policies, inline) else {
                continue;
            };
            let tags = api.list_user_tags(lane, id, user).await?;
            let (name, spec_name) = names::<IamUser>(asked, &service.name, user);
            let spec = UserSpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                name: spec_name,
                grants,
                bounds: who.bounds(row.permissions_boundary, tags),
                groups: Vec::new(),
                undo_window: None,
                access_key: None,
            };
            found.push(IamUser::new(&name, spec));
        }
    }
    Ok(found)
}

/// The groups.
pub async fn groups(cloud: &UpCloud, asked: &Asked) -> Result<Vec<IamGroup>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let (api, lane, id) = (cloud.api(), cloud.view().lane, &service.uuid);
        let own = system_policies(cloud, &service).await?;
        let rows = api.list_groups(lane, id).await?;
        for row in by_name(rows, |row| &row.name) {
            let group = row.name.as_str();
            if !can_name(asked, "group", &service, group, "_-") {
                continue;
            }
            let who = Who {
                asked,
                service: &service,
                own: &own,
                what: "group",
                name: group,
            };
            let policies = api.list_group_policies(lane, id, group).await?;
            let inline = api.list_group_inline(lane, id, group).await?;
            let Some(grants) = who.grants(policies, inline) else {
                continue;
            };
            let (name, spec_name) = names::<IamGroup>(asked, &service.name, group);
            let spec = GroupSpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                name: spec_name,
                grants,
            };
            found.push(IamGroup::new(&name, spec));
        }
    }
    Ok(found)
}

/// The roles. The cloud does not show the documents of their inline policies.
pub async fn roles(cloud: &UpCloud, asked: &Asked) -> Result<Vec<IamRole>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let (api, lane, id) = (cloud.api(), cloud.view().lane, &service.uuid);
        let own = system_policies(cloud, &service).await?;
        let rows = api.list_roles(lane, id).await?;
        for listed in by_name(rows, |row| &row.name) {
            if !can_name(asked, "role", &service, &listed.name, "_-") {
                continue;
            }
            // Lists may lack tags.
            let Some(row) = api.get_role(lane, id, &listed.name).await? else {
                continue;
            };
            let role = row.name.clone();
            let who = Who {
                asked,
                service: &service,
                own: &own,
                what: "role",
                name: &role,
            };
            let (name, spec_name) = names::<IamRole>(asked, &service.name, &role);
            if let Some(spec) = who.role(row, spec_name) {
                found.push(IamRole::new(&name, spec));
            }
        }
    }
    Ok(found)
}

/// Names of the policies that UpCloud provides.
async fn system_policies(cloud: &UpCloud, service: &Service) -> Result<BTreeSet<String>, Fault> {
    let lane = cloud.view().lane;
    let rows = cloud.api().list_policies(lane, &service.uuid).await?;
    let own = rows.into_iter().filter(|row| row.system);
    Ok(own.map(|row| row.name).collect())
}

/// A principal while its spec is written.
struct Who<'a> {
    asked: &'a Asked,
    service: &'a Service,
    /// Names of the policies that UpCloud provides.
    own: &'a BTreeSet<String>,
    what: &'static str,
    name: &'a str,
}

impl Who<'_> {
    fn leave_out(&self, why: &str) {
        leave_out(self.asked, self.what, self.service, self.name, why);
    }

    /// Its policies; `None`, and told, if there are more than a spec can name.
    fn grants(&self, attached: Vec<Attachment>, inline: Vec<InlinePolicy>) -> Option<GrantSpec> {
        let inline_policies = self.inline(inline);
        if attached.len() > POLICIES || inline_policies.len() > POLICIES {
            self.leave_out("it has more policies than a resource can name");
            return None;
        }
        let policies = by_name(attached, |policy| &policy.name);
        Some(GrantSpec {
            policies: policies
                .into_iter()
                .map(|policy| self.source(policy.name))
                .collect(),
            inline_policies,
            exclusive: false,
        })
    }

    fn source(&self, policy: String) -> PolicySource {
        if self.own.contains(&policy) {
            PolicySource::SystemPolicy(policy)
        } else {
            let name = self.asked.name::<IamPolicy>(&self.service.name, &policy);
            PolicySource::PolicyRef(Local { name })
        }
    }

    /// The inline policies whose names tell their content. Another one would be made anew under such a name, so it stays as it is.
    fn inline(&self, inline: Vec<InlinePolicy>) -> BTreeMap<String, PolicyDocument> {
        let mut specs = BTreeMap::new();
        for policy in inline {
            match by_content(&policy) {
                Some((key, document)) => {
                    specs.insert(key, document);
                }
                None => self.stays(&policy.name),
            }
        }
        specs
    }

    fn stays(&self, inline: &str) {
        self.leave_out(&format!(
            "its inline policy {inline} stays as it is, unmanaged"
        ));
    }

    fn bounds(&self, boundary: Option<String>, tags: Vec<Tag>) -> BoundSpec {
        let others = tags.into_iter().filter(|tag| tag.key != MARK);
        let (fit, unfit): (Vec<_>, Vec<_>) = others.partition(is_free);
        for tag in unfit.iter().chain(fit.get(TAGS..).unwrap_or_default()) {
            self.leave_out(&format!("its tag {} stays as it is, unmanaged", tag.key));
        }
        let tags = fit.into_iter().take(TAGS).map(|tag| (tag.key, tag.value));
        BoundSpec {
            permissions_boundary: boundary.map(|policy| self.source(policy)),
            tags: tags.collect(),
        }
    }

    fn role(&self, row: Role, name: Option<String>) -> Option<RoleSpec> {
        let Some(trust) = trust(row.assume_role_policy_document.as_deref()) else {
            self.leave_out("its trust policy cannot be read");
            return None;
        };
        for policy in &row.inline_policies {
            self.stays(&policy.name);
        }
        let seconds = row.max_session_duration;
        let seconds = seconds.and_then(|seconds| i32::try_from(seconds).ok());
        Some(RoleSpec {
            common: adopting(),
            service_ref: parent(self.asked, self.service),
            name,
            trust: Trust::Document(trust),
            description: row.description,
            max_session_seconds: seconds.filter(|seconds| (3600..=43_200).contains(seconds)),
            grants: self.grants(row.policies, Vec::new())?,
            bounds: self.bounds(row.permissions_boundary, row.tags.unwrap_or_default()),
        })
    }
}

/// The name in a spec and the document of an inline policy whose name tells its content.
fn by_content(policy: &InlinePolicy) -> Option<(String, PolicyDocument)> {
    let document = document::decode(policy.document.as_deref()?).ok()?;
    document::validate_inline(&document).ok()?;
    let key = policy.name.get(..policy.name.len().checked_sub(DIGITS)?)?;
    let told = !key.is_empty() && rights::inline_name(key, &document) == policy.name;
    match document {
        Value::Object(members) if told => Some((key.to_owned(), PolicyDocument(members))),
        _ => None,
    }
}

fn trust(text: Option<&str>) -> Option<PolicyDocument> {
    let document = document::decode(text?).ok()?;
    document::validate_trust(&document).ok()?;
    match document {
        Value::Object(members) => Some(PolicyDocument(members)),
        _ => None,
    }
}

/// Whether a spec can hold the tag.
fn is_free(tag: &Tag) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_.:=+@-".contains(letter);
    (1..=128).contains(&tag.key.len()) && tag.key.chars().all(good)
}

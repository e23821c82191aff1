//! A group of a service: policies that all its members have.
//!
//! Who is a member is said by the users (`IamUser.spec.groups`), for the cloud shows no group's members. Lists show no more of a group
//! than its name, so the facts keep which policies were put there, and the group is looked at by itself now and then.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    access,
    account::Account,
    api::{Group, Owner, ServiceId},
    cloud::UpCloud,
    inventory,
    principal::{self, Bounds, GrantSpec, Grants, Has, Rights, inline_names, rights},
    service::Parent,
    shape::{Sibling, immutable, made, safe_name},
};
use crate::engine::{
    external::{
        Common, Diff, External, Held, ManagementPolicy, Ref, Resolved, Sending, Unresolved,
    },
    fault::Fault,
    inventory::Asked,
    keyring::NoKeys,
    known::{Known, Reference, Shared},
    reason::Reason,
    status::Status,
};

/// A group of an object storage service.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "IamGroup",
    plural = "iamgroups",
    namespaced,
    category = "cooper",
    shortname = "ucgroup",
    status = "Status<GroupPlace, GroupFacts>",
    derive = "PartialEq",
    doc = "A group of an UpCloud object storage service: policies for all users that name it in spec.groups.",
    validation = safe_name(),
    printcolumn(name = "Group", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "Policies", type_ = "string", json_path = ".status.atProvider.policies", description = "Policies that cooper attached", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = inline_names(),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource")
)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service whose group it is. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    #[serde(flatten)]
    pub grants: GrantSpec,
}

/// Where a group is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct GroupPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupFacts {
    /// Its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub arn: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    #[serde(flatten)]
    pub grants: Grants,
}

/// A group as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its row in the list.
    pub group: Group,
    /// What it gives its members.
    pub has: Has,
}

/// One request that changes a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Change(rights::Change);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Shared for IamGroup {}

impl Sibling for IamGroup {
    const WHAT: &'static str = "group";

    fn stands(&self) -> Option<(&ServiceId, &str)> {
        let place = self.made()?;
        Some((&place.service, &place.name))
    }
}

impl IamGroup {
    /// Its place, once it exists at the cloud.
    pub fn made(&self) -> Option<&GroupPlace> {
        made(self.status.as_ref()?, &self.spec.common)
    }

    /// When it was made at the cloud: one that was made anew is another one, without members.
    pub fn created_at(&self) -> Option<Timestamp> {
        let facts = &self.status.as_ref()?.at_provider;
        facts.created_at.as_ref().map(|time| time.0)
    }

    /// What the policies say that it gives its members, each by its name; `None` where that is not known.
    pub fn documents(&self, known: &Known) -> Vec<(String, Option<Value>)> {
        let spec = &self.spec;
        let given = Parent::of(self, &spec.service_ref, known)
            .and_then(|parent| principal::resolve(self, &parent, &spec.grants, None, known));
        let (Ok(given), ManagementPolicy::Full) = (given, spec.common.management_policy) else {
            return vec![(self.name_any(), None)];
        };
        let mut managed = given.documents();
        let rights = given.rights;
        let own = rights.policies.into_iter().map(|name| {
            let document = managed.remove(&name);
            (name, document)
        });
        let inline = rights.inline.into_iter();
        let inline = inline.map(|(name, document)| (name, Some(document)));
        own.chain(inline).chain(self.given_by_others()).collect()
    }

    /// Policies that somebody else gave it.
    fn given_by_others(&self) -> Vec<(String, Option<Value>)> {
        let facts = self.status.iter().map(|status| &status.at_provider.grants);
        let attached = facts.clone().flat_map(|grants| &grants.foreign_policies);
        let inline = facts.flat_map(|grants| &grants.foreign_inline_policies);
        attached
            .map(|name| (name.clone(), access::system(name)))
            .chain(inline.map(|name| (name.clone(), None)))
            .collect()
    }
}

impl Remote {
    fn of(group: Group, facts: &GroupFacts) -> Self {
        let has = Has {
            policies: facts.grants.attached(),
            inline: facts.grants.inline(),
            ..Has::default()
        };
        Self { group, has }
    }
}

impl External for IamGroup {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = GroupPlace;
    type Desired = Rights;
    type Remote = Remote;
    type Change = Change;
    type Facts = GroupFacts;
    type Keys = NoKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        principal::refs(&own, &self.spec.service_ref, &self.spec.grants, None)
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let desired = principal::resolve(self, &parent, &spec.grants, None, known)?.rights;
        Ok(Resolved {
            account: parent.account,
            place: GroupPlace {
                service: parent.id,
                name: spec.name.clone().unwrap_or_else(|| self.name_any()),
            },
            desired,
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &GroupPlace,
        facts: &GroupFacts,
    ) -> Result<Option<Remote>, Fault> {
        let found = cloud.group(&at.service, &at.name).await?;
        // What was put into one that is gone is not in the one that stands in its place.
        let known = |group: &Group| group.created_at.map(Time) == facts.created_at;
        Ok(found.map(|group| {
            if known(&group) {
                Remote::of(group, facts)
            } else {
                Remote::of(group, &GroupFacts::default())
            }
        }))
    }

    fn depth(_: Option<&Rights>, _: &GroupFacts) -> u32 {
        2
    }

    async fn deepen(
        cloud: &UpCloud,
        at: &GroupPlace,
        now: &mut Remote,
        _: Option<&Rights>,
        _: &GroupFacts,
    ) -> Result<(), Fault> {
        let (service, group) = (&at.service, &at.name);
        now.has.policies = cloud.group_policies(service, group).await?;
        now.has.inline = cloud.inline(service, Owner::Group(group)).await?;
        Ok(())
    }

    async fn create(cloud: &UpCloud, at: &GroupPlace, _: &Rights) -> Result<Remote, Fault> {
        let made = cloud.create_group(&at.service, &at.name).await?;
        Ok(Remote::of(made, &GroupFacts::default()))
    }

    fn cost(want: &Rights) -> u32 {
        1 + u32::try_from(want.cost()).unwrap_or(0)
    }

    async fn apply(
        cloud: &UpCloud,
        at: &GroupPlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let who = Owner::Group(&at.name);
        change.0.send(cloud, &at.service, who, &mut now.has).await
    }

    /// AWS deletes only a group that is bare, so its policies go first. If it is still refused, users are in it: with `force`, all users
    /// of the service are taken out of it, for nothing tells which these are.
    async fn delete(
        cloud: &UpCloud,
        at: &GroupPlace,
        now: &Remote,
        force: bool,
    ) -> Result<(), Fault> {
        let (service, group) = (&at.service, &at.name);
        rights::strip(cloud, service, Owner::Group(group), &now.has).await?;
        match cloud.delete_group(service, group).await {
            Err(refused) if refused.reason == Reason::StillAttached && force => {}
            Err(refused) if refused.reason == Reason::StillAttached => {
                return Err(Fault {
                    message: format!(
                        "users that cooper did not put there are in group {group}; take them out of it at the cloud, which cannot list them, or set spec.deletionPolicy: Delete to take every user of the service out of it"
                    ),
                    ..refused
                });
            }
            done => return done,
        }
        for user in cloud.user_names(service).await? {
            cloud.leave(service, group, &user).await?;
        }
        cloud.delete_group(service, group).await
    }

    fn diff(want: &Rights, now: &Remote, facts: &GroupFacts) -> Diff<Change> {
        let steps = want.steps(&now.has, &facts.grants, &Bounds::default());
        let changes = steps.narrow.into_iter().chain(steps.widen);
        Diff {
            changes: changes.map(Change).collect(),
            fixed: Vec::new(),
        }
    }

    fn intends(want: &Rights, facts: &GroupFacts, sending: Sending) -> GroupFacts {
        let none = Bounds::default();
        let missing = want.missing(&facts.grants, &none);
        GroupFacts {
            grants: facts.grants.beginning(missing, sending),
            ..facts.clone()
        }
    }

    fn facts(
        want: Option<&Rights>,
        now: &Remote,
        before: &GroupFacts,
        at: Timestamp,
    ) -> GroupFacts {
        let wanted = want.map(Rights::all).unwrap_or_default();
        let (given, grants) = (now.has.given(), before.grants.after(want, &now.has));
        GroupFacts {
            arn: now.group.arn.clone(),
            created_at: now.group.created_at.map(Time),
            grants: grants.settled(&given, &wanted, &now.has.undone, at),
        }
    }

    fn held(
        spec: Option<&GroupSpec>,
        now: &Remote,
        facts: &GroupFacts,
        _: Timestamp,
    ) -> Option<Held> {
        let exclusive = spec.is_some_and(|spec| spec.grants.exclusive);
        now.has.held("group", exclusive, &facts.grants)
    }

    fn offer(&self) -> Value {
        let grants = &self.spec.grants;
        json!({
            "made": self.made(),
            "createdAt": self.created_at(),
            "gives": [json!(grants.policies), json!(grants.inline_policies)],
            "givenByOthers": self.given_by_others(),
        })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::groups(cloud, asked).await
    }
}

#[cfg(test)]
mod tests;

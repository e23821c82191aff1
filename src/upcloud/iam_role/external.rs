//! A role at the cloud: what it shall be, and the steps to it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{IamRole, RoleFacts, RolePlace, RoleSpec, Trust};
use crate::{
    engine::{
        external::{Common, Diff, External, Held, Ref, Resolved, Sending, Unresolved},
        fault::Fault,
        inventory::Asked,
        keyring::NoKeys,
        known::Known,
        reason::Reason,
    },
    upcloud::{
        account::Account,
        api::{NewRole, Owner, Role, RolePatch, ServiceId, Tag},
        cloud::UpCloud,
        document,
        iam_user::IamUser,
        inventory,
        principal::{self, Has, Rights, rights},
        service::Parent,
        shape::{Local, not_made},
    },
};

/// What a role shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Who may assume it.
    pub trust: Value,
    pub(super) description: Option<String>,
    pub(super) session: Option<i64>,
    /// What it may do.
    pub rights: Rights,
}

/// A role as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its row in the list, or the answer about it alone.
    pub role: Role,
    /// What it may do.
    pub has: Has,
}

/// One request that changes a role.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Its rights.
    Rights(rights::Change),
    /// Who may assume it.
    Trust(Value),
    /// Description or length of sessions.
    Modify(RolePatch),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rights(change) => change.fmt(f),
            Self::Trust(_) => f.write_str("change who may assume it"),
            Self::Modify(patch) => {
                let description = patch.description.as_ref().map(|_| "description".to_owned());
                let session = patch.max_session_duration;
                let session = session.map(|seconds| format!("sessions of {seconds} s"));
                let parts: Vec<_> = description.into_iter().chain(session).collect();
                write!(f, "change {}", parts.join(" and "))
            }
        }
    }
}

impl Remote {
    pub(super) fn of(role: Role, facts: &RoleFacts) -> Self {
        let has = Has {
            policies: role
                .policies
                .iter()
                .map(|policy| policy.name.clone())
                .collect(),
            inline: role
                .inline_policies
                .iter()
                .map(|policy| policy.name.clone())
                .collect(),
            boundary_hidden: facts.bounds.boundary_hidden && role.permissions_boundary.is_none(),
            boundary: role.permissions_boundary.clone(),
            tags: role.tags.as_deref().map(Tag::by_key),
            undone: BTreeSet::new(),
        };
        Self { role, has }
    }

    /// Who may assume it now. What cannot be read is nobody's wish.
    fn trust(&self) -> Value {
        let text = self.role.assume_role_policy_document.as_deref();
        text.and_then(|text| document::decode(text).ok())
            .unwrap_or_default()
    }
}

impl Desired {
    /// Description and session, as far as they are said and differ.
    fn patch(&self, now: &Role) -> Option<RolePatch> {
        let description = self.description.clone();
        let patch = RolePatch {
            description: description.filter(|wanted| now.description.as_ref() != Some(wanted)),
            max_session_duration: self
                .session
                .filter(|wanted| now.max_session_duration != Some(*wanted)),
        };
        (patch != RolePatch::default()).then_some(patch)
    }
}

impl External for IamRole {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = RolePlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = RoleFacts;
    type Keys = NoKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let spec = &self.spec;
        let users: &[Local] = match &spec.trust {
            Trust::UserRefs(users) => users,
            Trust::Document(_) => &[],
        };
        let users = users.iter();
        let users = users.map(|user| user.reference().target::<IamUser>(&own));
        principal::refs(&own, &spec.service_ref, &spec.grants, Some(&spec.bounds))
            .into_iter()
            .chain(users.map(Ref::holding))
            .collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let rights =
            principal::resolve(self, &parent, &spec.grants, Some(&spec.bounds), known)?.rights;
        let trust = match &spec.trust {
            Trust::UserRefs(users) => self.trusting(users, &parent.id, known)?,
            Trust::Document(document) => Value::Object(document.0.clone()),
        };
        document::validate_trust(&trust).map_err(|wrong| Unresolved::Refused {
            reason: Reason::InvalidSpec,
            message: format!("spec.trust.document: {wrong}"),
        })?;
        Ok(Resolved {
            account: parent.account,
            place: RolePlace {
                service: parent.id,
                name: spec.name.clone().unwrap_or_else(|| self.name_any()),
            },
            desired: Desired {
                trust,
                description: spec.description.clone(),
                session: spec.max_session_seconds.map(i64::from),
                rights,
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &RolePlace,
        facts: &RoleFacts,
    ) -> Result<Option<Remote>, Fault> {
        let found = cloud.role(&at.service, &at.name).await?;
        Ok(found.map(|role| Remote::of(role, facts)))
    }

    /// The described list lacks tags, among them the owner's mark, and a boundary may be hidden; all else is in the list.
    fn depth(want: Option<&Desired>, facts: &RoleFacts) -> u32 {
        match want {
            Some(_) if facts.bounds.boundary_hidden => 3,
            Some(_) => 1,
            None => 0,
        }
    }

    async fn deepen(
        cloud: &UpCloud,
        at: &RolePlace,
        now: &mut Remote,
        _: Option<&Desired>,
        facts: &RoleFacts,
    ) -> Result<(), Fault> {
        if now.has.tags.is_none()
            && let Some(role) = cloud.role_alone(&at.service, &at.name).await?
        {
            *now = Remote::of(role, facts);
        }
        now.has.boundary_hidden = false;
        Ok(())
    }

    async fn create(cloud: &UpCloud, at: &RolePlace, want: &Desired) -> Result<Remote, Fault> {
        let tags = want.rights.mark.beside(want.rights.tags.clone());
        let new = NewRole {
            name: at.name.clone(),
            assume_role_policy_document: document::text(&want.trust),
            description: want.description.clone(),
            max_session_duration: want.session,
            permissions_boundary: want.rights.boundary.clone(),
            tags: Tag::list(&tags),
        };
        let mut made = cloud.create_role(&at.service, &new).await?;
        made.tags.get_or_insert(new.tags);
        made.permissions_boundary = made.permissions_boundary.or(new.permissions_boundary);
        Ok(Remote::of(made, &RoleFacts::default()))
    }

    fn cost(want: &Desired) -> u32 {
        // Boundary and tags are in the create.
        let changes = want.rights.policies.len() + want.rights.inline.len();
        1 + u32::try_from(changes).unwrap_or(0)
    }

    async fn apply(
        cloud: &UpCloud,
        at: &RolePlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let (service, name) = (&at.service, &at.name);
        match change {
            Change::Rights(change) => {
                let who = Owner::Role(name);
                change.send(cloud, service, who, &mut now.has).await?;
            }
            Change::Trust(trust) => {
                let text = document::text(trust);
                cloud.trust(service, name, &text).await?;
                now.role.assume_role_policy_document = Some(text);
            }
            Change::Modify(patch) => {
                cloud.modify_role(service, name, patch).await?;
                patch.lay_over(&mut now.role);
            }
        }
        Ok(())
    }

    /// AWS deletes only a role that is bare, so its policies go first. That foreign ones may go with it has been decided before.
    async fn delete(cloud: &UpCloud, at: &RolePlace, now: &Remote, _: bool) -> Result<(), Fault> {
        let (service, role) = (&at.service, &at.name);
        rights::strip(cloud, service, Owner::Role(role), &now.has).await?;
        cloud.delete_role(service, role).await
    }

    /// Who may assume it changes between what is taken and what is given: neither those who are trusted no more get what is new, nor do
    /// those who are trusted from now on get what goes.
    fn diff(want: &Desired, now: &Remote, facts: &RoleFacts) -> Diff<Change> {
        let steps = want.rights.steps(&now.has, &facts.grants, &facts.bounds);
        let rights = |changes: Vec<rights::Change>| changes.into_iter().map(Change::Rights);
        let trust = (!document::same(&now.trust(), &want.trust)).then(|| want.trust.clone());
        Diff {
            changes: rights(steps.narrow)
                .chain(trust.map(Change::Trust))
                .chain(want.patch(&now.role).map(Change::Modify))
                .chain(rights(steps.widen))
                .chain(rights(steps.last))
                .collect(),
            fixed: Vec::new(),
        }
    }

    fn intends(want: &Desired, facts: &RoleFacts, sending: Sending) -> RoleFacts {
        let missing = want.rights.missing(&facts.grants, &facts.bounds);
        RoleFacts {
            grants: facts.grants.beginning(missing, sending),
            ..facts.clone()
        }
    }

    fn facts(want: Option<&Desired>, now: &Remote, before: &RoleFacts, at: Timestamp) -> RoleFacts {
        let rights = want.map(|want| &want.rights);
        let wanted = rights.map(Rights::all).unwrap_or_default();
        let (given, grants) = (now.has.given(), before.grants.after(rights, &now.has));
        RoleFacts {
            arn: now.role.arn.clone(),
            created_at: now.role.created_at.map(Time),
            grants: grants.settled(&given, &wanted, &now.has.undone, at),
            bounds: before.bounds.after(rights, &now.has, &before.grants),
        }
    }

    fn held(
        spec: Option<&RoleSpec>,
        now: &Remote,
        facts: &RoleFacts,
        _: Timestamp,
    ) -> Option<Held> {
        let exclusive = spec.is_some_and(|spec| spec.grants.exclusive);
        now.has.held("role", exclusive, &facts.grants)
    }

    fn not_taken_over(now: &Remote, facts: &RoleFacts) -> Result<(), Fault> {
        let what = format!("role {}", now.role.name);
        now.has.not_taken_over(&what, &facts.bounds)
    }

    fn hint(want: &Desired, _: &Remote) -> Option<String> {
        want.rights.hint()
    }

    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Rights(change) if change.narrows())
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::roles(cloud, asked).await
    }
}

impl IamRole {
    /// A document that lets these users assume the role; waits until they exist, for only the cloud knows their ARNs.
    fn trusting(
        &self,
        users: &[Local],
        service: &ServiceId,
        known: &Known,
    ) -> Result<Value, Unresolved> {
        let arn = |local: &Local| {
            let user: Arc<IamUser> = known.named(self, &local.reference())?;
            local.at_cloud(&*user, service)?;
            let arn = user.arn().ok_or_else(|| not_made("user", local))?;
            Ok(arn.to_owned())
        };
        let arns = users.iter().map(arn).collect::<Result<BTreeSet<_>, _>>()?;
        Ok(json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": arns },
                "Action": ["sts:AssumeRole"],
            }],
        }))
    }
}

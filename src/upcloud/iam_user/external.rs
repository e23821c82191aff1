//! A user at the cloud: what it shall be, and the steps to it. Its access key is another matter, see [`AccessKeys`].

use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    AccessKeys, IamUser, PolicySource, UserFacts, UserPlace, UserSpec, elsewhere, not_made,
};
use crate::{
    engine::{
        external::{Common, Diff, External, Held, Ref, Resolved, Unresolved},
        fault::Fault,
        known::Known,
        reason::Reason,
    },
    upcloud::{
        account::Account,
        api::{Attachment, ServiceId, User},
        bucket::Bucket,
        cloud::{Seen, UpCloud},
        iam_policy::IamPolicy,
        secret::Surroundings,
        service::{ObjectStorageService, Parent},
    },
};

/// What a user shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    pub(super) policies: BTreeSet<String>,
    pub(super) exclusive: bool,
    /// What stands beside the key in the Secret; `None` if no key is wanted.
    pub(super) surroundings: Option<Surroundings>,
}

/// A user as one answer showed it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The user.
    pub user: User,
    /// When the answer was given, by the cloud's clock and by ours.
    pub seen: Seen,
    /// It is the answer to our own create: nobody can have made a key before.
    pub made: bool,
}

/// One request that changes a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A policy off.
    Detach(String),
    /// A policy on.
    Attach(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detach(policy) => write!(f, "detach policy {policy}"),
            Self::Attach(policy) => write!(f, "attach policy {policy}"),
        }
    }
}

impl Remote {
    fn policies(&self) -> BTreeSet<String> {
        let attached = self.user.policies.iter();
        attached.map(|policy| policy.name.clone()).collect()
    }
}

impl External for IamUser {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = UserPlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = UserFacts;
    type Keys = AccessKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let service = self.spec.service_ref.target::<ObjectStorageService>(&own);
        let policies = self.spec.policies.iter().filter_map(|source| match source {
            PolicySource::PolicyRef(policy) => Some(policy.reference().target::<IamPolicy>(&own)),
            PolicySource::SystemPolicy(_) => None,
        });
        let buckets = self.spec.access_key.iter().flat_map(|key| &key.bucket_refs);
        let buckets = buckets.map(|bucket| bucket.reference().target::<Bucket>(&own));
        [service]
            .into_iter()
            .chain(policies)
            .chain(buckets)
            .map(Ref::holding)
            .collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        let policies = spec
            .policies
            .iter()
            .map(|source| self.policy(source, &parent.id, known))
            .collect::<Result<_, _>>()?;
        let surroundings = spec
            .access_key
            .as_ref()
            .map(|key| self.surroundings(key, &name, &parent, known))
            .transpose()?;
        Ok(Resolved {
            account: parent.account,
            place: UserPlace {
                service: parent.id,
                name,
            },
            desired: Desired {
                policies,
                exclusive: spec.exclusive,
                surroundings,
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &UserPlace,
        _: &UserFacts,
    ) -> Result<Option<Remote>, Fault> {
        let found = cloud.user(&at.service, &at.name).await?;
        Ok(found.map(|(user, seen)| Remote {
            user,
            seen,
            made: false,
        }))
    }

    async fn create(cloud: &UpCloud, at: &UserPlace, _: &Desired) -> Result<Remote, Fault> {
        let (user, seen) = cloud.create_user(&at.service, &at.name).await?;
        Ok(Remote {
            user,
            seen,
            made: true,
        })
    }

    fn cost(want: &Desired) -> u32 {
        let changes = want.policies.len() + usize::from(want.surroundings.is_some());
        1 + u32::try_from(changes).unwrap_or(0)
    }

    async fn apply(
        cloud: &UpCloud,
        at: &UserPlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        let attached = &mut now.user.policies;
        match change {
            Change::Detach(policy) => {
                cloud.detach(service, user, policy).await?;
                attached.retain(|attached| attached.name != *policy);
            }
            Change::Attach(policy) => {
                cloud.attach(service, user, policy).await?;
                attached.push(Attachment {
                    name: policy.clone(),
                    arn: None,
                });
            }
        }
        Ok(())
    }

    /// AWS refuses to delete a user with policies, and nobody has recorded what UpCloud does: a refusal is met by detaching them. That
    /// foreign ones may go with the user has been decided before.
    async fn delete(cloud: &UpCloud, at: &UserPlace, now: &Remote, _: bool) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        match cloud.delete_user(service, user).await {
            Err(refused) if refused.reason == Reason::StillAttached => {}
            done => return done,
        }
        for policy in now.policies() {
            cloud.detach(service, user, &policy).await?;
        }
        cloud.delete_user(service, user).await
    }

    /// Narrow first, widen last: detach before attach.
    fn diff(want: &Desired, now: &Remote, facts: &UserFacts) -> Diff<Change> {
        let has = now.policies();
        let ours = |policy: &&String| want.exclusive || facts.policies.contains(policy);
        let extra = has.difference(&want.policies).filter(ours);
        let missing = want.policies.difference(&has);
        let changes = extra
            .cloned()
            .map(Change::Detach)
            .chain(missing.cloned().map(Change::Attach));
        Diff {
            changes: changes.collect(),
            fixed: Vec::new(),
        }
    }

    fn facts(want: Option<&Desired>, now: &Remote, before: &UserFacts, _: Timestamp) -> UserFacts {
        let ours = |policy: &String| {
            before.policies.contains(policy)
                || want.is_some_and(|want| want.policies.contains(policy))
        };
        let (policies, foreign_policies) = now.policies().into_iter().partition(ours);
        let newest = now.user.access_keys.iter().filter_map(|key| key.created_at);
        UserFacts {
            arn: now.user.arn.clone(),
            policies,
            foreign_policies,
            key_created_at: newest.max().map(Time),
        }
    }

    /// Keys that are not ours hold a deletion too; only the key protocol knows which these are.
    fn held(
        spec: Option<&UserSpec>,
        now: &Remote,
        facts: &UserFacts,
        _: Timestamp,
    ) -> Option<Held> {
        if spec.is_some_and(|spec| spec.exclusive) {
            return None;
        }
        let mut foreign = now.policies();
        foreign.retain(|policy| !facts.policies.contains(policy));
        let foreign: Vec<_> = foreign.iter().map(String::as_str).collect();
        (!foreign.is_empty()).then(|| Held {
            why: format!(
                "somebody else attached policies to the user: {}; detach them at the cloud, or set spec.exclusive: true or spec.deletionPolicy: Delete to delete the user all the same",
                foreign.join(", ")
            ),
            until: None,
        })
    }

    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Detach(_))
    }
}

impl IamUser {
    /// Name at the cloud of a policy to attach; waits until it exists there.
    fn policy(
        &self,
        source: &PolicySource,
        service: &ServiceId,
        known: &Known,
    ) -> Result<String, Unresolved> {
        let local = match source {
            PolicySource::SystemPolicy(name) => return Ok(name.clone()),
            PolicySource::PolicyRef(local) => local,
        };
        let policy: Arc<IamPolicy> = known.named(self, &local.reference())?;
        let place = policy.made().ok_or_else(|| not_made("policy", local))?;
        if place.service != *service {
            return Err(elsewhere("policy", local));
        }
        Ok(place.name.clone())
    }
}

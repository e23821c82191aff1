//! A user at the cloud: what it shall be, and the steps to it. Its access key is another matter, see [`AccessKeys`].

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{AccessKeys, IamUser, Joined, UserFacts, UserPlace, UserSpec};
use crate::{
    engine::{
        external::{
            Common, Diff, External, Held, Ref, Remark, Resolved, Sending, Topic, Unresolved,
        },
        fault::Fault,
        inventory::Asked,
        known::{Known, Shared},
        reason::Reason,
        status::Truth,
    },
    upcloud::{
        access::{self, Policy, Powers},
        account::Account,
        api::{Owner, ServiceId, Tag, User},
        bucket::Bucket,
        cloud::{Seen, UpCloud},
        iam_group::IamGroup,
        inventory,
        principal::{self, Has, Rights, begun::Right, rights},
        secret::Surroundings,
        service::Parent,
        shape::{Local, Sibling},
    },
};

/// Groups by name at the cloud, with the time of their making.
type Groups = BTreeMap<String, Option<Timestamp>>;

/// The condition of a user whose key is good for nothing: False, and absent otherwise.
const EFFECTIVE: Topic = Topic {
    name: "Effective",
    meaning: "Only there while False: as far as cooper sees, the key is good for nothing, because no policy allows anything or because \
              a policy or a boundary denies everything. The message says which",
};

/// What a user shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    pub(super) rights: Rights,
    pub(super) groups: Groups,
    /// What its policies, its boundary and its groups say, as far as it is known.
    pub(super) said: Said,
    /// What stands beside the key in the Secret; `None` if no key is wanted.
    pub(super) surroundings: Option<Surroundings>,
}

/// Documents by which its rights are judged; they change nothing at the cloud.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Of the managed policies that it names, by their names at the cloud.
    pub(super) managed: BTreeMap<String, Value>,
    /// Of the policies that its groups give it.
    pub(super) of_groups: Vec<(String, Option<Value>)>,
}

/// A user as one answer showed it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The user.
    pub user: User,
    /// What it may do.
    pub has: Has,
    /// Groups that it was put into, as they are remembered.
    pub groups: Groups,
    /// Those of them that are to be asserted anew.
    pub doubted: BTreeSet<String>,
    /// Groups that it may have been put into: that was begun.
    pub tried: BTreeSet<String>,
    /// When the answer was given, by the cloud's clock and by ours.
    pub seen: Seen,
    /// It is the answer to our own create: nobody can have made a key before.
    pub made: bool,
}

/// One request that changes a user.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Its rights.
    Rights(rights::Change),
    /// Into a group.
    Join(String, Option<Timestamp>),
    /// Out of a group.
    Leave(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rights(change) => change.fmt(f),
            Self::Join(group, _) => write!(f, "put it into group {group}"),
            Self::Leave(group) => write!(f, "take it out of group {group}"),
        }
    }
}

impl Remote {
    /// As a list or an answer shows it; the facts stand in for what these do not show.
    pub(super) fn of(user: User, seen: Seen, facts: &UserFacts) -> Self {
        let has = Has {
            policies: user
                .policies
                .iter()
                .map(|policy| policy.name.clone())
                .collect(),
            inline: facts.grants.inline(),
            boundary_hidden: facts.bounds.boundary_hidden && user.permissions_boundary.is_none(),
            boundary: user.permissions_boundary.clone(),
            tags: user.tags.as_deref().map(Tag::by_key),
            undone: BTreeSet::new(),
        };
        let joined = facts.groups.iter();
        let pair = |joined: &Joined| {
            (
                joined.name.clone(),
                joined.created_at.as_ref().map(|time| time.0),
            )
        };
        let begun = facts.grants.begun.iter().flat_map(|begun| &begun.rights);
        let group = |right: &Right| match right {
            Right::Group(name) => Some(name.clone()),
            Right::Policy(_) | Right::InlinePolicy(_) | Right::Boundary(_) | Right::Tag(_) => None,
        };
        Self {
            user,
            has,
            groups: joined.map(pair).collect(),
            doubted: BTreeSet::new(),
            tried: begun.filter_map(group).collect(),
            seen,
            made: false,
        }
    }
}

impl Remote {
    /// Groups that it is in or may be in.
    fn memberships(&self) -> impl Iterator<Item = &String> {
        let tried = self.tried.iter();
        let unknown = tried.filter(|group| !self.groups.contains_key(*group));
        self.groups.keys().chain(unknown)
    }
}

/// What a deep read is for. A user without any of it costs none.
struct Depth {
    inline: bool,
    tags: bool,
    boundary: bool,
    groups: usize,
}

impl Depth {
    /// A user that is being deleted (no `want`) is read in full, for what others gave it holds it, and who has taken it over.
    fn of(want: Option<&Desired>, facts: &UserFacts) -> Self {
        let Some(want) = want else {
            return Self {
                inline: true,
                tags: true,
                boundary: false,
                groups: 0,
            };
        };
        let rights = &want.rights;
        Self {
            inline: rights.exclusive
                || !rights.inline.is_empty()
                || !facts.grants.inline().is_empty(),
            tags: !rights.tags.is_empty() || !facts.bounds.tags.is_empty() || rights.mark.adopts,
            boundary: facts.bounds.boundary_hidden,
            groups: want.groups.len(),
        }
    }

    fn requests(&self) -> usize {
        // A hidden boundary is set, and then looked for.
        let boundary = if self.boundary { 2 } else { 0 };
        usize::from(self.inline) + usize::from(self.tags) + boundary + self.groups
    }
}

impl Shared for IamUser {}

impl Sibling for IamUser {
    const WHAT: &'static str = "user";

    fn stands(&self) -> Option<(&ServiceId, &str)> {
        let place = self.made()?;
        Some((&place.service, &place.name))
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
        let spec = &self.spec;
        let buckets = spec.access_key.iter().flat_map(|key| &key.bucket_refs);
        let buckets = buckets.map(|bucket| bucket.reference().target::<Bucket>(&own));
        let groups = spec.groups.iter();
        let groups = groups.map(|group| group.reference().target::<IamGroup>(&own));
        principal::refs(&own, &spec.service_ref, &spec.grants, Some(&spec.bounds))
            .into_iter()
            .chain(groups.chain(buckets).map(Ref::holding))
            .collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        let given = principal::resolve(self, &parent, &spec.grants, Some(&spec.bounds), known)?;
        let groups = spec
            .groups
            .iter()
            .map(|local| self.group(local, &parent.id, known))
            .collect::<Result<_, _>>()?;
        let said = Said {
            managed: given.documents(),
            of_groups: self.said_by_groups(known),
        };
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
                rights: given.rights,
                groups,
                said,
                surroundings,
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &UserPlace,
        facts: &UserFacts,
    ) -> Result<Option<Remote>, Fault> {
        let found = cloud.user(&at.service, &at.name).await?;
        Ok(found.map(|(user, seen)| Remote::of(user, seen, facts)))
    }

    fn depth(want: Option<&Desired>, facts: &UserFacts) -> u32 {
        u32::try_from(Depth::of(want, facts).requests()).unwrap_or(u32::MAX)
    }

    async fn deepen(
        cloud: &UpCloud,
        at: &UserPlace,
        now: &mut Remote,
        want: Option<&Desired>,
        facts: &UserFacts,
    ) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        let depth = Depth::of(want, facts);
        if depth.inline {
            now.has.inline = cloud.inline(service, Owner::User(user)).await?;
        }
        if depth.tags && now.has.tags.is_none() {
            let tags = cloud.user_tags(service, user).await?;
            now.has.tags = Some(Tag::by_key(&tags));
        }
        if let Some(want) = want {
            // Set again, and told anew whether it shows.
            now.has.boundary_hidden = false;
            now.doubted = want.groups.keys().cloned().collect();
        }
        Ok(())
    }

    async fn create(cloud: &UpCloud, at: &UserPlace, _: &Desired) -> Result<Remote, Fault> {
        let (mut user, seen) = cloud.create_user(&at.service, &at.name).await?;
        user.tags.get_or_insert_default();
        Ok(Remote {
            made: true,
            ..Remote::of(user, seen, &UserFacts::default())
        })
    }

    fn cost(want: &Desired) -> u32 {
        let key = usize::from(want.surroundings.is_some());
        let changes = want.rights.cost() + want.groups.len() + key;
        1 + u32::try_from(changes).unwrap_or(0)
    }

    async fn apply(
        cloud: &UpCloud,
        at: &UserPlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        match change {
            Change::Rights(change) => {
                let who = Owner::User(user);
                change.send(cloud, service, who, &mut now.has).await?;
            }
            Change::Join(group, made) => {
                cloud.join(service, group, user).await?;
                now.groups.insert(group.clone(), *made);
                now.doubted.remove(group);
                now.tried.remove(group);
            }
            Change::Leave(group) => {
                cloud.leave(service, group, user).await?;
                now.groups.remove(group);
                now.tried.remove(group);
                now.has.undone.insert(Right::Group(group.clone()));
            }
        }
        Ok(())
    }

    /// Groups are left first: a name that stayed in one would give its rights to the next user of that name. AWS refuses to delete a
    /// user with policies, and nobody has recorded what UpCloud does: a refusal is met by detaching them. That foreign ones may go with
    /// the user has been decided before.
    async fn delete(cloud: &UpCloud, at: &UserPlace, now: &Remote, _: bool) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        for group in now.memberships() {
            cloud.leave(service, group, user).await?;
        }
        match cloud.delete_user(service, user).await {
            Err(refused) if refused.reason == Reason::StillAttached => {}
            done => return done,
        }
        rights::strip(cloud, service, Owner::User(user), &now.has).await?;
        cloud.delete_user(service, user).await
    }

    fn diff(want: &Desired, now: &Remote, facts: &UserFacts) -> Diff<Change> {
        let steps = want.rights.steps(&now.has, &facts.grants, &facts.bounds);
        let rights = |changes: Vec<rights::Change>| changes.into_iter().map(Change::Rights);
        let left = now.memberships();
        let left = left.filter(|group| !want.groups.contains_key(*group));
        let joined = want.groups.iter().filter(|(group, made)| {
            now.groups.get(*group) != Some(*made) || now.doubted.contains(*group)
        });
        let leave = left.cloned().map(Change::Leave);
        let join = joined.map(|(group, made)| Change::Join(group.clone(), *made));
        Diff {
            changes: rights(steps.narrow)
                .chain(leave)
                .chain(rights(steps.widen))
                .chain(join)
                .chain(rights(steps.last))
                .collect(),
            fixed: Vec::new(),
        }
    }

    fn intends(want: &Desired, facts: &UserFacts, sending: Sending) -> UserFacts {
        let rights = want.rights.missing(&facts.grants, &facts.bounds);
        let joined = |group: &&String| facts.groups.iter().any(|joined| joined.name == **group);
        let groups = want.groups.keys().filter(|group| !joined(group));
        let missing = rights.chain(groups.cloned().map(Right::Group));
        UserFacts {
            grants: facts.grants.beginning(missing, sending),
            ..facts.clone()
        }
    }

    fn facts(want: Option<&Desired>, now: &Remote, before: &UserFacts, at: Timestamp) -> UserFacts {
        let rights = want.map(|want| &want.rights);
        let newest = now.user.access_keys.iter().filter_map(|key| key.created_at);
        let joined = now.groups.iter().map(|(name, made)| Joined {
            name: name.clone(),
            created_at: made.map(Time),
        });
        let mut wanted = rights.map(Rights::all).unwrap_or_default();
        wanted.extend(
            want.iter()
                .flat_map(|want| want.groups.keys())
                .cloned()
                .map(Right::Group),
        );
        let mut given = now.has.given();
        given.extend(now.groups.keys().cloned().map(Right::Group));
        let grants = before.grants.after(rights, &now.has);
        UserFacts {
            arn: now.user.arn.clone(),
            grants: grants.settled(&given, &wanted, &now.has.undone, at),
            bounds: before.bounds.after(rights, &now.has, &before.grants),
            groups: joined.collect(),
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
        let exclusive = spec.is_some_and(|spec| spec.grants.exclusive);
        now.has.held("user", exclusive, &facts.grants)
    }

    fn not_taken_over(now: &Remote, facts: &UserFacts) -> Result<(), Fault> {
        let what = format!("user {}", now.user.username);
        now.has.not_taken_over(&what, &facts.bounds)
    }

    const REMARKS: &'static [Topic] = &[EFFECTIVE];

    /// A key that is good for nothing, as far as cooper sees: what others attached counts, as does a boundary that they set; groups that
    /// others put the user into show nowhere.
    fn remarks(want: &Desired, now: &Remote) -> Vec<Remark> {
        if want.surroundings.is_none() {
            return Vec::new();
        }
        let named = |name: &str| match want.said.managed.get(name) {
            Some(document) => Some(Cow::Borrowed(document)),
            None => access::system(name).map(Cow::Owned),
        };
        let attached = now.has.policies.iter().map(|name| Policy {
            name,
            document: named(name),
        });
        let inline = now.has.inline.iter().map(|name| Policy {
            name,
            document: want.rights.inline.get(name).map(Cow::Borrowed),
        });
        let of_groups = want.said.of_groups.iter().map(|(name, said)| Policy {
            name,
            document: said.as_ref().map(Cow::Borrowed),
        });
        let hidden = want.rights.boundary.as_ref();
        let hidden = hidden.filter(|_| now.has.boundary_hidden);
        let boundary = now.has.boundary.as_ref().or(hidden).map(|name| Policy {
            name,
            document: named(name),
        });
        let powers = Powers {
            policies: attached.chain(inline).chain(of_groups).collect(),
            boundary,
        };
        let remark = powers.nothing().map(|nothing| Remark {
            about: EFFECTIVE.name,
            truth: Truth::False,
            reason: nothing.reason,
            message: nothing.message,
        });
        remark.into_iter().collect()
    }

    fn hint(want: &Desired, _: &Remote) -> Option<String> {
        want.rights.hint()
    }

    /// What only deep reads show has been read by itself in this pass; what lists show is looked at once more.
    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Rights(rights::Change::Detach(_)))
    }

    fn unseen(change: &Change) -> bool {
        matches!(change, Change::Join(..))
    }

    fn offer(&self) -> serde_json::Value {
        json!({ "made": self.made(), "arn": self.arn() })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::users(cloud, asked).await
    }
}

impl IamUser {
    /// What the policies of its groups say.
    fn said_by_groups(&self, known: &Known) -> Vec<(String, Option<Value>)> {
        let groups = self.spec.groups.iter();
        let found = groups.filter_map(|local| known.named(self, &local.reference()).ok());
        found
            .flat_map(|group: Arc<IamGroup>| group.documents(known))
            .collect()
    }

    /// Name at the cloud of a group to be in, and when it was made; waits until it exists there.
    fn group(
        &self,
        local: &Local,
        service: &ServiceId,
        known: &Known,
    ) -> Result<(String, Option<Timestamp>), Unresolved> {
        let group: Arc<IamGroup> = known.named(self, &local.reference())?;
        Ok((local.at_cloud(&*group, service)?, group.created_at()))
    }
}

//! What separates the rights that a principal has from those that it shall have. Pure, but for [`Change::send`].
//!
//! Nothing that somebody else gave is taken away unless the principal is `exclusive`. What is ours stands in the facts: it is ours if it
//! was before or is wanted, and is there. Where a pass did not read something, what the facts remember stands in for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    engine::{external::Held, fault::Fault},
    upcloud::{
        api::{Owner, ServiceId},
        cloud::UpCloud,
        document,
        mark::{self, Mark},
        principal::begun::{Begun, Right},
    },
};

/// What a principal shall be allowed. Names are those at the cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// Managed policies to attach.
    pub policies: BTreeSet<String>,
    /// Inline policies with their documents, under the names that [`inline_name`] makes of them.
    pub inline: BTreeMap<String, Value>,
    /// The policy that bounds it.
    pub boundary: Option<String>,
    /// The spec names a boundary of its own, and the owner of the service sets another one.
    pub overruled: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The owner's mark, among the tags; groups have none.
    pub mark: Mark,
    /// Whether it has nothing else.
    pub exclusive: bool,
}

impl Rights {
    /// What to know beyond that it is as wanted.
    pub fn hint(&self) -> Option<String> {
        let boundary = self.boundary.as_ref().filter(|_| self.overruled)?;
        Some(format!(
            "spec.permissionsBoundary is not in force: the owner of the service bounds this namespace by policy {boundary}"
        ))
    }
}

/// What a principal has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Has {
    /// Attached policies.
    pub policies: BTreeSet<String>,
    /// Names of inline policies.
    pub inline: BTreeSet<String>,
    /// The policy that bounds it, as far as the cloud shows it.
    pub boundary: Option<String>,
    /// The cloud was found not to show boundaries: what was set stands in for it.
    pub boundary_hidden: bool,
    /// Tags; `None` if they were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// What was taken back in this pass.
    pub undone: BTreeSet<Right>,
}

/// What is known of the policies of a principal: part of its facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Attached policies that this resource attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub policies: Vec<String>,
    /// Attached policies that somebody else attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub foreign_policies: Vec<String>,
    /// Inline policies of this resource, by their names at the cloud.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub inline_policies: Vec<String>,
    /// Inline policies that somebody else made, as far as they were looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub foreign_inline_policies: Vec<String>,
    /// What this resource has begun to give. Found at the cloud it is this resource's, even if it is wanted no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
}

/// What is known of the boundary and the tags of a principal: part of its facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The permissions boundary that this resource set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub permissions_boundary: Option<String>,
    /// The cloud does not show boundaries, so nobody would see this one being removed; it is set again once a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boundary_hidden: bool,
    /// Keys of the tags that this resource has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub tags: Vec<String>,
    /// The uid of the resource that it belongs to. Another one in its tag cooper-uid says that somebody else has taken it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub owner: Option<String>,
}

/// One request that changes the rights of a principal.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Bound by a policy.
    Bound {
        /// The policy.
        policy: String,
        /// It had been set before and does not show: look, with a second request, whether boundaries show at all.
        again: bool,
    },
    /// No boundary any more.
    Unbound(String),
    /// A managed policy off.
    Detach(String),
    /// A managed policy on.
    Attach(String),
    /// A new inline policy.
    Write {
        /// Its name at the cloud.
        name: String,
        /// What it says.
        document: Value,
    },
    /// An inline policy deleted.
    Erase(String),
    /// All tags set: ours and what others have set.
    Tag(BTreeMap<String, String>),
    /// A tag taken off.
    Untag(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { policy, .. } => write!(f, "set permissions boundary {policy}"),
            Self::Unbound(policy) => write!(f, "remove permissions boundary {policy}"),
            Self::Detach(policy) => write!(f, "detach policy {policy}"),
            Self::Attach(policy) => write!(f, "attach policy {policy}"),
            Self::Write { name, .. } => write!(f, "make inline policy {name}"),
            Self::Erase(name) => write!(f, "delete inline policy {name}"),
            Self::Tag(tags) => {
                let keys: Vec<_> = tags.keys().map(String::as_str).collect();
                write!(f, "set tags {}", keys.join(", "))
            }
            Self::Untag(key) => write!(f, "remove tag {key}"),
        }
    }
}

/// Changes in the order in which they are safe; a kind puts its own between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// What narrows: boundary set, policies off.
    pub narrow: Vec<Change>,
    /// What widens: policies on. A changed inline policy is here: its new form is made, then the former one deleted.
    pub widen: Vec<Change>,
    /// The boundary removed, once all else is in place.
    pub last: Vec<Change>,
}

/// The name at the cloud of an inline policy: its content tells.
pub fn inline_name(key: &str, document: &Value) -> String {
    format!("{key}-{}", document::fingerprint(document))
}

/// The key in a name that [`inline_name`] has made.
fn key_of(name: &str) -> Option<&str> {
    let (key, digits) = name.rsplit_once('-')?;
    (digits.len() == 8).then_some(key)
}

impl Rights {
    /// How many requests it takes to give them to a principal that has none.
    pub fn cost(&self) -> usize {
        let tags = usize::from(!self.tags.is_empty() || self.mark.adopts);
        self.policies.len() + self.inline.len() + usize::from(self.boundary.is_some()) + tags
    }

    /// What leads from `has` to these.
    pub fn steps(&self, has: &Has, grants: &Grants, bounds: &Bounds) -> Steps {
        let (outdated, surplus): (Vec<_>, Vec<_>) = self
            .surplus(&has.inline, &grants.inline_policies, |name| {
                self.inline.contains_key(name)
            })
            .partition(|name| self.renews(name));
        let off = self.surplus(&has.policies, &grants.policies, |name| {
            self.policies.contains(name)
        });
        let (set, remove) = self.boundary(has, bounds);
        let new = self
            .inline
            .iter()
            .filter(|(name, _)| !has.inline.contains(*name));
        let write = new.map(|(name, document)| Change::Write {
            name: name.clone(),
            document: document.clone(),
        });
        let on = self.policies.difference(&has.policies).cloned();
        Steps {
            narrow: set
                .into_iter()
                .chain(off.map(Change::Detach))
                .chain(surplus.into_iter().map(Change::Erase))
                .chain(self.taken_back(has, grants))
                .collect(),
            widen: write
                .chain(outdated.into_iter().map(Change::Erase))
                .chain(on.map(Change::Attach))
                .chain(self.tagging(has, bounds))
                .collect(),
            last: remove.into_iter().collect(),
        }
    }

    /// What is there, not wanted, and ours to take away.
    fn surplus<'a>(
        &'a self,
        has: &'a BTreeSet<String>,
        ours: &'a [String],
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = String> + 'a {
        has.iter()
            .filter(move |name| (self.exclusive || ours.contains(name)) && !wanted(name))
            .cloned()
    }

    /// Whether an inline policy is a former form of one that is wanted.
    fn renews(&self, name: &str) -> bool {
        let key = key_of(name);
        key.is_some() && self.inline.keys().any(|wanted| key_of(wanted) == key)
    }

    /// The boundary to set first, or to remove last. One that somebody else set is replaced by ours, and never removed.
    fn boundary(&self, has: &Has, bounds: &Bounds) -> (Option<Change>, Option<Change>) {
        let ours = bounds.permissions_boundary.as_deref();
        let now = has.bound(bounds);
        match (self.boundary.as_deref(), now) {
            (Some(wanted), now) if now != Some(wanted) => {
                let again = now.is_none() && ours == Some(wanted) && !has.boundary_hidden;
                let policy = wanted.to_owned();
                (Some(Change::Bound { policy, again }), None)
            }
            (None, Some(now)) if ours == Some(now) => (None, Some(Change::Unbound(now.to_owned()))),
            (Some(_) | None, _) => (None, None),
        }
    }

    fn tagging(&self, has: &Has, bounds: &Bounds) -> Vec<Change> {
        let Some(now) = &has.tags else {
            return Vec::new();
        };
        let gone = |key: &&String| bounds.tags.contains(key) && !self.tags.contains_key(*key);
        let off: Vec<_> = now.keys().filter(gone).cloned().collect();
        let mut union = now.clone();
        union.retain(|key, _| !off.contains(key));
        let left = union.clone();
        union.extend(self.tags.clone());
        if self.mark.takes_over(mark::of(now), bounds.owner.as_deref()) {
            union = self.mark.beside(union);
        }
        let set = (union != left).then_some(Change::Tag(union));
        off.into_iter().map(Change::Untag).chain(set).collect()
    }
}

impl Has {
    /// The boundary in force: the one that shows, or the one that was set where none shows.
    fn bound<'a>(&'a self, bounds: &'a Bounds) -> Option<&'a str> {
        let set = bounds.permissions_boundary.as_deref();
        let hidden = set.filter(|_| self.boundary_hidden);
        self.boundary.as_deref().or(hidden)
    }

    /// Policies that somebody else gave, attached and inline.
    pub fn foreign(&self, grants: &Grants) -> Vec<String> {
        let attached = self
            .policies
            .iter()
            .filter(|name| !grants.policies.contains(name));
        let inline = self
            .inline
            .iter()
            .filter(|name| !grants.inline_policies.contains(name));
        attached
            .cloned()
            .chain(inline.map(|name| format!("{name} (inline)")))
            .collect()
    }

    /// Fails if somebody else has taken over what was ours, as far as its tags were read. `what` is how it is called.
    pub fn not_taken_over(&self, what: &str, bounds: &Bounds) -> Result<(), Fault> {
        let mark = self.tags.as_ref().and_then(mark::of);
        mark::taken_over((what, "tag"), mark, bounds.owner.as_deref())
    }

    /// Why a principal must not be deleted: rights that others gave it would go with it.
    pub fn held(&self, what: &str, exclusive: bool, grants: &Grants) -> Option<Held> {
        let foreign = self.foreign(grants);
        (!exclusive && !foreign.is_empty()).then(|| Held {
            why: format!(
                "somebody else attached policies to the {what}: {}; detach them at the cloud, or set spec.exclusive: true or spec.deletionPolicy: Delete to delete the {what} all the same",
                foreign.join(", ")
            ),
            until: None,
        })
    }
}

impl Grants {
    /// Inline policies as they are remembered, for a pass that does not read them.
    pub fn inline(&self) -> BTreeSet<String> {
        let known = self
            .inline_policies
            .iter()
            .chain(&self.foreign_inline_policies);
        known.cloned().collect()
    }

    /// Attached policies as they are remembered, for a pass that does not read them.
    pub fn attached(&self) -> BTreeSet<String> {
        self.policies
            .iter()
            .chain(&self.foreign_policies)
            .cloned()
            .collect()
    }

    /// What to remember.
    #[must_use]
    pub fn after(&self, want: Option<&Rights>, has: &Has) -> Self {
        let split = |has: &BTreeSet<String>, ours: &[String], wanted: &dyn Fn(&str) -> bool| {
            has.iter()
                .cloned()
                .partition(|name| ours.contains(name) || wanted(name))
        };
        let (policies, foreign_policies) = split(&has.policies, &self.policies, &|name| {
            want.is_some_and(|want| want.policies.contains(name))
                || self.began(&Right::Policy(name.to_owned()))
        });
        let (inline_policies, foreign_inline_policies) =
            split(&has.inline, &self.inline_policies, &|name| {
                want.is_some_and(|want| want.inline.contains_key(name))
                    || self.began(&Right::InlinePolicy(name.to_owned()))
            });
        Self {
            policies,
            foreign_policies,
            inline_policies,
            foreign_inline_policies,
            begun: self.begun.clone(),
        }
    }
}

impl Bounds {
    /// What to remember.
    #[must_use]
    pub fn after(&self, want: Option<&Rights>, has: &Has, grants: &Grants) -> Self {
        // What was set, is wanted and does not show is still what was set: only so it is told from what was never set.
        let shown = has.boundary.as_deref();
        let wanted =
            |policy: &&str| want.is_some_and(|want| want.boundary.as_deref() == Some(policy));
        let begun = |policy: &&str| grants.began(&Right::Boundary((*policy).to_owned()));
        let unseen = self.permissions_boundary.as_deref();
        let unseen = unseen.filter(|policy| has.boundary_hidden || wanted(policy));
        let tagged = |key: &&String| {
            self.tags.contains(key)
                || want.is_some_and(|want| want.tags.contains_key(*key))
                || grants.began(&Right::Tag((*key).clone()))
        };
        let tags = has
            .tags
            .as_ref()
            .map(|tags| tags.keys().filter(tagged).cloned().collect());
        Self {
            permissions_boundary: shown
                .filter(|policy| {
                    self.permissions_boundary.as_deref() == Some(policy)
                        || wanted(policy)
                        || begun(policy)
                })
                .or(unseen.filter(|_| shown.is_none()))
                .map(str::to_owned),
            boundary_hidden: has.boundary_hidden,
            tags: tags.unwrap_or_else(|| self.tags.clone()),
            owner: match want {
                Some(want) => want.mark.owner(has.tags.as_ref(), self.owner.as_deref()),
                None => self.owner.clone(),
            },
        }
    }
}

impl Change {
    /// Whether it takes something away from what a shared list shows.
    pub fn narrows(&self) -> bool {
        matches!(self, Self::Detach(_) | Self::Erase(_) | Self::Untag(_))
    }

    /// Sends it, and mirrors it into `has`.
    pub async fn send(
        &self,
        cloud: &UpCloud,
        service: &ServiceId,
        who: Owner<'_>,
        has: &mut Has,
    ) -> Result<(), Fault> {
        match self {
            Self::Bound { policy, again } => {
                cloud.bound(service, who, policy).await?;
                has.boundary = Some(policy.clone());
                if *again {
                    has.boundary_hidden = cloud.boundary(service, who).await?.is_none();
                }
            }
            Self::Unbound(_) => {
                cloud.unbound(service, who).await?;
                (has.boundary, has.boundary_hidden) = (None, false);
            }
            Self::Detach(policy) => {
                cloud.detach(service, who, policy).await?;
                has.policies.remove(policy);
                has.undone.insert(Right::Policy(policy.clone()));
            }
            Self::Attach(policy) => {
                cloud.attach(service, who, policy).await?;
                has.policies.insert(policy.clone());
            }
            Self::Write { name, document } => {
                cloud.write_inline(service, who, name, document).await?;
                has.inline.insert(name.clone());
            }
            Self::Erase(name) => {
                cloud.erase_inline(service, who, name).await?;
                has.inline.remove(name);
                has.undone.insert(Right::InlinePolicy(name.clone()));
            }
            Self::Tag(tags) => {
                cloud.tag(service, who, tags).await?;
                has.tags = Some(tags.clone());
            }
            Self::Untag(key) => {
                cloud.untag(service, who, key).await?;
                if let Some(tags) = &mut has.tags {
                    tags.remove(key);
                }
                has.undone.insert(Right::Tag(key.clone()));
            }
        }
        Ok(())
    }
}

/// Takes everything off that a principal has, for a cloud that deletes only what is bare.
pub async fn strip(
    cloud: &UpCloud,
    service: &ServiceId,
    who: Owner<'_>,
    has: &Has,
) -> Result<(), Fault> {
    for policy in &has.policies {
        cloud.detach(service, who, policy).await?;
    }
    for name in &has.inline {
        cloud.erase_inline(service, who, name).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

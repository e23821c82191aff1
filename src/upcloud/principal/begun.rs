//! What is being given to a principal, noted before it is sent.
//!
//! An answer may be lost, the process may die before it notes what it gave, a request may be carried out late. Should the spec by then
//! want it no more, it would be taken for somebody else's: it would stay, and hold the deletion. So it stands in the facts first, as
//! begun, and what is begun is ours wherever it shows. What is wanted no more and does not show is taken back all the same, for most of
//! this no list shows; and it stays begun until nothing that was sent can arrive any more. So does what was sent again after an answer
//! was lost, even once it shows: the earlier request may still be under way, and arrive when it was taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rights::{Bounds, Change, Grants, Has, Rights};
use crate::engine::{clock::later, external::Sending, status::whole_seconds};

/// A note covers what is sent within this time; later it is made anew.
const COVERS: Duration = Duration::from_mins(1);

/// After this time nothing that was sent under a note is under way: what it covers, a pass of two minutes, and three in which the cloud
/// may still carry a request out.
const SPENT: Duration = Duration::from_mins(6);

/// Something that a principal can be given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Right {
    /// A managed policy, by its name at the cloud.
    Policy(#[schemars(length(max = 128))] String),
    /// An inline policy, by its name at the cloud.
    InlinePolicy(#[schemars(length(max = 128))] String),
    /// The policy that bounds it.
    Boundary(#[schemars(length(max = 128))] String),
    /// The key of a tag.
    Tag(#[schemars(length(max = 128))] String),
    /// A group to be in.
    Group(#[schemars(length(max = 64))] String),
}

/// What this resource has begun to give, and does not know yet whether it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// When this was noted.
    pub at: Time,
    /// What may have been given.
    #[schemars(length(max = 400))]
    pub rights: Vec<Right>,
    /// Those of them that were sent before this was noted, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub again: Vec<Right>,
}

impl Begun {
    /// The note to make before `missing` is given, where `before` stands.
    pub fn with(
        before: Option<&Self>,
        missing: impl IntoIterator<Item = Right>,
        sending: Sending,
    ) -> Option<Self> {
        let missing: BTreeSet<_> = missing.into_iter().collect();
        if missing.is_empty() {
            // What takes away needs no note, and one that it renewed would never be spent.
            return before.cloned();
        }
        let (mut rights, mut again) = before.map_or_else(Default::default, |before| {
            let set = |of: &[Right]| of.iter().cloned().collect::<BTreeSet<_>>();
            (set(&before.rights), set(&before.again))
        });
        if !sending.is_answered {
            again.extend(rights.intersection(&missing).cloned());
        }
        rights.extend(missing);
        let same = |begun: &&Self| begun.rights.iter().eq(&rights) && begun.again.iter().eq(&again);
        match before.filter(same) {
            Some(begun) if sending.at < later(begun.at.0, COVERS) => Some(begun.clone()),
            Some(_) | None => Some(Self {
                at: Time(whole_seconds(sending.at)),
                rights: rights.into_iter().collect(),
                again: again.into_iter().collect(),
            }),
        }
    }

    /// What is left of the note after a look: all but what is known to be given by the only request that was sent, and, once the note is
    /// spent, what is given, and what is neither wanted nor there: it was taken back, or it would have shown.
    pub fn left(
        &self,
        given: &BTreeSet<Right>,
        wanted: &BTreeSet<Right>,
        undone: &BTreeSet<Right>,
        at: Timestamp,
    ) -> Option<Self> {
        let is_spent = at >= later(self.at.0, SPENT);
        let gone = |right: &Right| {
            let shows = matches!(right, Right::Boundary(_));
            is_spent && !wanted.contains(right) && (shows || undone.contains(right))
        };
        let is_done =
            |right: &Right| given.contains(right) && (is_spent || !self.again.contains(right));
        let left = |rights: &[Right], is_over: &dyn Fn(&Right) -> bool| {
            let rights = rights.iter();
            rights
                .filter(|right| !is_over(right))
                .cloned()
                .collect::<Vec<_>>()
        };
        let rights = left(&self.rights, &|right| is_done(right) || gone(right));
        let again = left(&self.again, &|right| is_spent || !rights.contains(right));
        (!rights.is_empty()).then(|| Self {
            at: self.at.clone(),
            rights,
            again,
        })
    }
}

impl Rights {
    /// Each of them.
    pub fn all(&self) -> BTreeSet<Right> {
        let policies = self.policies.iter().cloned().map(Right::Policy);
        let inline = self.inline.keys().cloned().map(Right::InlinePolicy);
        let boundary = self.boundary.iter().cloned().map(Right::Boundary);
        let tags = self.tags.keys().cloned().map(Right::Tag);
        policies.chain(inline).chain(boundary).chain(tags).collect()
    }

    /// Those that are not known to have been given.
    pub fn missing(&self, grants: &Grants, bounds: &Bounds) -> impl Iterator<Item = Right> {
        let given = |right: &Right| match right {
            Right::Policy(name) => grants.policies.contains(name),
            Right::InlinePolicy(name) => grants.inline_policies.contains(name),
            Right::Boundary(name) => bounds.permissions_boundary.as_ref() == Some(name),
            Right::Tag(key) => bounds.tags.contains(key),
            Right::Group(_) => false,
        };
        self.all().into_iter().filter(move |right| !given(right))
    }

    /// What was begun, is wanted no more and does not show. It may be there all the same, and to take away what is not is as good.
    pub(super) fn taken_back(&self, has: &Has, grants: &Grants) -> impl Iterator<Item = Change> {
        let (wanted, given) = (self.all(), has.given());
        let begun = grants.begun.iter().flat_map(|begun| &begun.rights);
        begun
            .filter(move |right| {
                ![&wanted, &given, &has.undone]
                    .iter()
                    .any(|known| known.contains(right))
            })
            .filter_map(|right| match right {
                Right::Policy(name) => Some(Change::Detach(name.clone())),
                Right::InlinePolicy(name) => Some(Change::Erase(name.clone())),
                Right::Tag(key) => Some(Change::Untag(key.clone())),
                // Whoever set a boundary that does not show, it is not removed without knowing; groups are the user's.
                Right::Boundary(_) | Right::Group(_) => None,
            })
    }
}

impl Has {
    /// All that shows, whoever gave it.
    pub fn given(&self) -> BTreeSet<Right> {
        let policies = self.policies.iter().cloned().map(Right::Policy);
        let inline = self.inline.iter().cloned().map(Right::InlinePolicy);
        let boundary = self.boundary.iter().cloned().map(Right::Boundary);
        let tags = self.tags.iter().flat_map(BTreeMap::keys);
        let tags = tags.cloned().map(Right::Tag);
        policies.chain(inline).chain(boundary).chain(tags).collect()
    }
}

impl Grants {
    /// What to remember before these are given.
    #[must_use]
    pub fn beginning(&self, missing: impl IntoIterator<Item = Right>, sending: Sending) -> Self {
        Self {
            begun: Begun::with(self.begun.as_ref(), missing, sending),
            ..self.clone()
        }
    }

    /// Whether it was begun to give this.
    pub(super) fn began(&self, right: &Right) -> bool {
        let begun = self.begun.as_ref();
        begun.is_some_and(|begun| begun.rights.contains(right))
    }

    /// The same, once what was begun was looked at.
    #[must_use]
    pub fn settled(
        mut self,
        given: &BTreeSet<Right>,
        wanted: &BTreeSet<Right>,
        undone: &BTreeSet<Right>,
        at: Timestamp,
    ) -> Self {
        let begun = self.begun.as_ref();
        self.begun = begun.and_then(|begun| begun.left(given, wanted, undone, at));
        self
    }
}

#[cfg(test)]
mod tests;

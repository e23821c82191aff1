//! The owner's mark: the uid of the resource that something at the cloud belongs to, so that two clusters that both adopt one thing do
//! not undo each other's work.
//!
//! A service has it as a label, a user or role as a tag; buckets, policies and groups have no place for one. Whoever adopts marks anew.
//! The former owner finds another uid there, says so, and neither changes nor deletes anything any more.

use std::collections::BTreeMap;

use crate::engine::{
    external::{Adoption, Common, ManagementPolicy},
    fault::Fault,
    reason::Reason,
};

/// Key of the label or tag.
pub const MARK: &str = "cooper-uid";

/// As whom a resource marks what it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// Its uid; empty if it owns nothing, as who only observes, or is only planned.
    pub uid: String,
    /// Whether what it finds becomes its own.
    pub adopts: bool,
}

impl Mark {
    /// The mark of a resource with this uid.
    pub fn of(uid: Option<String>, common: &Common) -> Self {
        let owns = common.management_policy == ManagementPolicy::Full;
        Self {
            uid: uid.filter(|_| owns).unwrap_or_default(),
            adopts: owns && common.adoption == Adoption::IfExists,
        }
    }

    /// Whether it becomes ours now: nobody has been its owner for us, and the mark there is another one, or none.
    pub fn takes_over(&self, there: Option<&str>, owner: Option<&str>) -> bool {
        let is_ours = there == Some(self.uid.as_str());
        self.adopts && owner.is_none() && !is_ours && !self.uid.is_empty()
    }

    /// These tags and the mark.
    #[must_use]
    pub fn beside(&self, mut tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if !self.uid.is_empty() {
            tags.insert(MARK.into(), self.uid.clone());
        }
        tags
    }

    /// The owner to remember. `tags` are `None` if they were not read: then nobody knows yet whether it is marked.
    pub fn owner(
        &self,
        tags: Option<&BTreeMap<String, String>>,
        before: Option<&str>,
    ) -> Option<String> {
        let is_open = match tags {
            Some(tags) => self.takes_over(of(tags), before),
            None => self.adopts && before.is_none(),
        };
        if self.uid.is_empty() || is_open {
            return before.map(str::to_owned);
        }
        Some(before.unwrap_or(&self.uid).to_owned())
    }
}

/// The uid among these tags.
pub fn of(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(MARK)
        .map(String::as_str)
        .filter(|uid| !uid.is_empty())
}

/// What was ours, and a resource of another cluster has taken over since: two owners would undo each other's work. `what` is how it is
/// called with its place for the mark, as in `("user ci", "tag")`.
pub fn taken_over(
    (what, place): (&str, &str),
    mark: Option<&str>,
    owner: Option<&str>,
) -> Result<(), Fault> {
    match (mark, owner) {
        (Some(mark), Some(owner)) if mark != owner => Err(Fault::terminal(
            Reason::AlreadyManaged,
            format!(
                "{what} was taken over by a resource with uid {mark}, perhaps of another cluster: its {place} {MARK} says so. Nothing is \
                 changed there any more. Delete one of the two resources, this one with deletionPolicy: Orphan or the annotation cooper.dev/abandon: \"true\"; or, to \
                 keep it here, set the {place} back to {owner}"
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(mark: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("env".into(), "prod".into()), (MARK.into(), mark.into())])
    }

    #[test]
    fn who_adopts_is_the_owner_once_its_mark_is_there() {
        let (none, other, own) = (BTreeMap::new(), tags("uid-2"), tags("uid-1"));
        let mark = |adopts| Mark {
            uid: "uid-1".into(),
            adopts,
        };
        for (adopts, tags, before, owner) in [
            (false, None, None, Some("uid-1")),
            (false, Some(&none), None, Some("uid-1")),
            (true, None, None, None),
            (true, Some(&none), None, None),
            (true, Some(&other), None, None),
            (true, Some(&own), None, Some("uid-1")),
            // Restored, with the status of the time before.
            (true, Some(&tags("uid-0")), Some("uid-0"), Some("uid-0")),
            (true, Some(&other), Some("uid-1"), Some("uid-1")),
        ] {
            let found = mark(adopts).owner(tags, before);
            assert_eq!(found.as_deref(), owner, "{adopts} {tags:?} {before:?}");
        }
        let observer = Mark::default();
        assert_eq!(observer.owner(Some(&other), None), None);
    }

    #[test]
    fn only_another_mark_than_the_owners_says_that_it_was_taken_over() {
        for (mark, owner, is_mine) in [
            (Some("uid-1"), Some("uid-1"), true),
            (Some("uid-2"), Some("uid-1"), false),
            (None, Some("uid-1"), true),
            (Some("uid-2"), None, true),
        ] {
            let found = taken_over(("user ci", "tag"), mark, owner);
            assert_eq!(found.is_ok(), is_mine, "{mark:?} {owner:?}");
        }
    }
}

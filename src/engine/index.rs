//! Who names whom, and who stands for what: the two tables that look across objects.
//!
//! Both are built from all stored objects before the first pass and kept by the watch streams.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::external::{Ref, Target};

/// References between resources, both ways.
#[derive(Default)]
pub struct References(Mutex<Links>);

#[derive(Default)]
struct Links {
    names: HashMap<Target, Vec<Ref>>,
    named_by: HashMap<Target, BTreeSet<(Target, bool)>>,
}

impl References {
    /// The copy of a resource that stands here already, so that other tables keep the same one.
    pub fn known(&self, target: &Target) -> Target {
        locked(&self.0).known(target)
    }

    /// Notes all that `from` names now. Answers whom it named before and names no more.
    pub fn set(&self, from: &Target, refs: &[Ref]) -> Vec<Target> {
        let mut links = locked(&self.0);
        let from = links.known(from);
        let refs: Vec<_> = refs.iter().map(|new| links.shared(new)).collect();
        let before = links.names.insert(from.clone(), refs.clone());
        let before = before.unwrap_or_default();
        for old in &before {
            links.unlink(&from, old);
        }
        for new in &refs {
            links
                .named_by
                .entry(new.target.clone())
                .or_default()
                .insert((from.clone(), new.holds));
        }
        before
            .into_iter()
            .filter(|old| !refs.contains(old))
            .map(|old| old.target)
            .collect()
    }

    /// Forgets `from`. Answers whom it named.
    pub fn remove(&self, from: &Target) -> Vec<Target> {
        let mut links = locked(&self.0);
        let before = links.names.remove(from).unwrap_or_default();
        for old in &before {
            links.unlink(from, old);
        }
        before.into_iter().map(|old| old.target).collect()
    }

    /// How many resources name others or are named.
    pub fn size(&self) -> usize {
        let links = locked(&self.0);
        links.names.len() + links.named_by.len()
    }

    /// Whether `target` exists, as far as the watches have shown.
    pub fn knows(&self, target: &Target) -> bool {
        locked(&self.0).names.contains_key(target)
    }

    /// Everyone who names `target`.
    pub fn naming(&self, target: &Target) -> Vec<Target> {
        locked(&self.0)
            .named_by
            .get(target)
            .into_iter()
            .flatten()
            .map(|(from, _)| from.clone())
            .collect()
    }

    /// Everyone whose reference holds `target` back from being deleted.
    pub fn holding(&self, target: &Target) -> Vec<Target> {
        let links = locked(&self.0);
        links
            .named_by
            .get(target)
            .into_iter()
            .flatten()
            .filter(|(_, holds)| *holds)
            .map(|(from, _)| from.clone())
            .collect()
    }
}

impl Links {
    /// The copy of a resource that stands here already.
    fn known(&self, from: &Target) -> Target {
        let known = self.names.get_key_value(from);
        known.map_or(from, |(known, _)| known).clone()
    }

    /// A reference to the copy that others refer to.
    fn shared(&self, new: &Ref) -> Ref {
        let named = self.named_by.get_key_value(&new.target);
        Ref {
            target: named.map_or_else(|| self.known(&new.target), |(named, _)| named.clone()),
            holds: new.holds,
        }
    }

    fn unlink(&mut self, from: &Target, old: &Ref) {
        if let Some(set) = self.named_by.get_mut(&old.target) {
            set.remove(&(from.clone(), old.holds));
            if set.is_empty() {
                self.named_by.remove(&old.target);
            }
        }
    }
}

/// Which resource stands for which remote. One remote, one resource: the older claim wins.
#[derive(Default)]
pub struct Owners(Mutex<Places>);

#[derive(Default)]
struct Places {
    claims: HashMap<Arc<str>, Vec<Owner>>,
    /// Where a uid stands.
    held: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// Who was sent away, to be told when the place is free again.
    refused: HashMap<String, BTreeSet<Target>>,
}

/// A resource with a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The resource.
    pub resource: Target,
    /// Its uid.
    pub uid: Arc<str>,
    /// When it was made.
    pub created: Timestamp,
}

impl Owners {
    /// How many places are taken or wanted, and by how many.
    pub fn size(&self) -> usize {
        let all = locked(&self.0);
        all.claims.len() + all.held.len() + all.refused.len()
    }

    /// Notes that `owner` stands for `place`, and answers who else does with an older claim.
    ///
    /// Older means created earlier; the uid decides between twins. All claims are kept, so when the older one goes the younger takes over.
    pub fn claim(&self, place: &str, owner: &Owner) -> Option<Owner> {
        let mut all = locked(&self.0);
        let claims = all.put(place, owner.clone());
        claims.sort_by(|a, b| (a.created, &a.uid).cmp(&(b.created, &b.uid)));
        claims
            .first()
            .filter(|first| first.uid != owner.uid)
            .cloned()
    }

    /// Takes the place unless somebody stands there already, whatever their age; answers who. Who is sent away is told when the place
    /// is left.
    pub fn reserve(&self, place: &str, owner: &Owner) -> Option<Owner> {
        let mut all = locked(&self.0);
        let claims = all.claims.get(place).into_iter().flatten();
        let other = claims
            .into_iter()
            .find(|known| known.uid != owner.uid)
            .cloned();
        if other.is_some() {
            let refused = all.refused.entry(place.to_owned()).or_default();
            refused.insert(owner.resource.clone());
        } else {
            all.put(place, owner.clone());
        }
        other
    }

    /// Forgets the claim of `uid` on `place`. Answers who else stands or wants to stand there.
    pub fn release(&self, place: &str, uid: &str) -> Vec<Target> {
        locked(&self.0).leave(place, uid)
    }

    /// Forgets every place of `uid`, those included that it only reserved or was sent away from. Answers who else stands or wants to
    /// stand there.
    pub fn forget(&self, uid: &str, resource: &Target) -> Vec<Target> {
        let mut all = locked(&self.0);
        all.refused.retain(|_, refused| {
            refused.remove(resource);
            !refused.is_empty()
        });
        let held = all.held.get(uid).cloned().unwrap_or_default();
        held.iter()
            .flat_map(|place| all.leave(place, uid))
            .collect()
    }
}

impl Places {
    fn put(&mut self, place: &str, owner: Owner) -> &mut Vec<Owner> {
        let known = self.claims.get_key_value(place);
        let place = known.map_or_else(|| place.into(), |(known, _)| Arc::clone(known));
        // Nearly always one, where a vector would make room for four.
        let held = self.held.entry(owner.uid.clone());
        let held = held.or_insert_with(|| Vec::with_capacity(1));
        if !held.contains(&place) {
            held.push(Arc::clone(&place));
        }
        let claims = self.claims.entry(place);
        let claims = claims.or_insert_with(|| Vec::with_capacity(1));
        if !claims.iter().any(|known| known.uid == owner.uid) {
            claims.push(owner);
        }
        claims
    }

    fn leave(&mut self, place: &str, uid: &str) -> Vec<Target> {
        if let Some(held) = self.held.get_mut(uid) {
            held.retain(|held| **held != *place);
            if held.is_empty() {
                self.held.remove(uid);
            }
        }
        let Some(claims) = self.claims.get_mut(place) else {
            return Vec::new();
        };
        claims.retain(|known| *known.uid != *uid);
        let mut left: Vec<_> = claims.iter().map(|known| known.resource.clone()).collect();
        if claims.is_empty() {
            self.claims.remove(place);
            left.extend(self.refused.remove(place).into_iter().flatten());
        }
        left
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        Target::new("g", "Bucket", "ns", name)
    }

    fn owner(name: &str, second: i64) -> Owner {
        Owner {
            resource: target(name),
            uid: format!("uid-{name}").into(),
            created: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn a_dropped_reference_is_reported_once_and_holds_no_more() {
        let index = References::default();
        let (child, parent) = (target("child"), target("parent"));
        assert!(
            index
                .set(&child, &[Ref::holding(parent.clone())])
                .is_empty()
        );
        assert_eq!(index.holding(&parent), std::slice::from_ref(&child));
        assert_eq!(index.set(&child, &[]), std::slice::from_ref(&parent));
        assert!(index.holding(&parent).is_empty() && index.naming(&parent).is_empty());
        assert!(index.remove(&child).is_empty());
    }

    #[test]
    fn a_reading_reference_wakes_but_does_not_hold() {
        let index = References::default();
        index.set(&target("child"), &[Ref::reading(target("parent"))]);
        assert_eq!(index.naming(&target("parent")), [target("child")]);
        assert!(index.holding(&target("parent")).is_empty());
    }

    #[test]
    fn the_older_claim_wins_and_the_younger_follows_it() {
        let owners = Owners::default();
        assert_eq!(owners.claim("p", &owner("young", 20)), None);
        assert_eq!(owners.claim("p", &owner("old", 10)), None);
        assert_eq!(
            owners.claim("p", &owner("young", 20)),
            Some(owner("old", 10))
        );
        assert_eq!(owners.release("p", "uid-old"), [target("young")]);
        assert_eq!(owners.claim("p", &owner("young", 20)), None);
    }

    #[test]
    fn a_taken_place_cannot_be_reserved() {
        let owners = Owners::default();
        assert_eq!(owners.reserve("p", &owner("first", 20)), None);
        assert_eq!(
            owners.reserve("p", &owner("older", 10)),
            Some(owner("first", 20))
        );
        assert_eq!(owners.reserve("p", &owner("first", 20)), None);
    }

    #[test]
    fn who_was_sent_away_is_told_when_the_place_is_left() {
        let owners = Owners::default();
        assert_eq!(owners.reserve("p", &owner("first", 10)), None);
        assert!(owners.reserve("p", &owner("second", 20)).is_some());
        assert_eq!(
            owners.forget("uid-first", &target("first")),
            [target("second")]
        );
        assert_eq!(owners.reserve("p", &owner("second", 20)), None);
        assert_eq!(owners.release("p", "uid-second"), []);
    }

    #[test]
    fn who_was_sent_away_and_is_gone_is_not_remembered() {
        let owners = Owners::default();
        assert_eq!(owners.reserve("p", &owner("first", 10)), None);
        let before = owners.size();
        for number in 0..10 {
            let other = owner(&format!("other-{number}"), 20);
            assert!(owners.reserve("p", &other).is_some());
            assert_eq!(owners.forget(&other.uid, &other.resource), []);
        }
        assert_eq!(owners.size(), before);
        assert_eq!(owners.forget("uid-first", &target("first")), []);
        assert_eq!(owners.size(), 0);
    }
}

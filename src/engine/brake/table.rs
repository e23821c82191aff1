//! What each account has, what of it is being deleted, and what was let go on. Kept by the watch streams and by passes that end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Limits, SETTLE, waves};
use crate::engine::{clock::later, external::Target};

/// Deletions that have ended are remembered for this long before the latest of them: twice the longest span a wave may have.
const REMEMBERED: Duration = Duration::from_hours(2);

/// The things of all accounts.
#[derive(Default)]
pub struct Brakes(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    accounts: HashMap<Target, Table>,
    /// The account of each uid.
    homes: HashMap<String, Target>,
}

struct Table {
    limits: Option<Limits>,
    /// By uid.
    things: HashMap<String, Thing>,
    /// Deletions that ended without having been released, by the minute in which they were asked for.
    ended: BTreeMap<Timestamp, u32>,
    released: Option<Timestamp>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            limits: Some(Limits::default()),
            things: HashMap::new(),
            ended: BTreeMap::new(),
            released: None,
        }
    }
}

struct Thing {
    resource: Target,
    part: Part,
    /// When its deletion was first seen, by our clock.
    seen: Option<Timestamp>,
    /// A pass was told that it is held.
    told: bool,
}

/// What part a thing has in a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is not being deleted, or will not be deleted at the cloud.
    None,
    /// Its deletion was asked for at this moment.
    Deletion(Timestamp),
    /// Its deletion goes on whatever others do.
    Released,
}

/// What a pass over a deleted resource is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Free,
    /// Ask again after this time.
    Soon(Duration),
    /// Wait until it is released.
    Held {
        /// Why.
        limits: Limits,
        /// It was not told so before.
        is_news: bool,
    },
}

/// What an account tells of its brake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whose deletion is held.
    pub held: Vec<Target>,
    /// How many deletions were asked for at the time of the wave, those included that have ended.
    pub deletions: usize,
    /// Of how many things.
    pub things: usize,
    /// When the last of the held deletions was asked for: released until then, all of them are.
    pub last: Option<Timestamp>,
    /// Deletions that have ended, by minute.
    pub ended: Vec<(Timestamp, u32)>,
    /// The limits now.
    pub limits: Option<Limits>,
}

impl Brakes {
    fn all(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a resource as it stands. `account`: whose thing it stands for, if it stands for any.
    pub fn note(
        &self,
        account: Option<&Target>,
        uid: &str,
        resource: &Target,
        part: Part,
        now: Timestamp,
    ) {
        let all = &mut *self.all();
        let Some(account) = account else {
            all.remove(uid);
            return;
        };
        if all.homes.get(uid) != Some(account) {
            all.remove(uid);
            all.homes.insert(uid.to_owned(), account.clone());
        }
        let table = all.accounts.entry(account.clone()).or_default();
        let thing = table.things.entry(uid.to_owned()).or_insert_with(|| Thing {
            resource: resource.clone(),
            part,
            seen: None,
            told: false,
        });
        thing.part = part;
        thing.seen = match part {
            Part::None => None,
            Part::Deletion(_) | Part::Released => thing.seen.or(Some(now)),
        };
    }

    /// Whatever becomes of this resource, it is not deleted at the cloud.
    pub fn exempt(&self, uid: &str) {
        let all = &mut *self.all();
        if let Some(thing) = all.thing(uid) {
            thing.part = Part::None;
        }
    }

    /// The resource is gone. Answers the account whose brake has something new to tell.
    pub fn gone(&self, uid: &str) -> Option<Target> {
        let all = &mut *self.all();
        let account = all.homes.get(uid)?.clone();
        let table = all.accounts.get_mut(&account)?;
        let thing = table.things.get(uid)?;
        let (told, part) = (thing.told, thing.part);
        let counts = match part {
            Part::Deletion(at) if !table.is_released(at) && table.may_brake() => Some(at),
            Part::Deletion(_) | Part::Released | Part::None => None,
        };
        if let Some(at) = counts {
            *table.ended.entry(minute(at)).or_default() += 1;
            table.forget_old();
        }
        all.remove(uid);
        (told || counts.is_some()).then_some(account)
    }

    /// Whether the deletion of this resource may go on. `begun`: it has begun, so that nothing is kept by stopping it.
    pub fn ask(&self, account: &Target, uid: &str, begun: bool, now: Timestamp) -> Answer {
        let all = &mut *self.all();
        let Some(table) = all.accounts.get_mut(account) else {
            return Answer::Free;
        };
        let Some(limits) = table.limits.filter(|_| !begun && table.may_brake()) else {
            return Answer::Free;
        };
        let is_held = table.held(&limits).0.contains(&uid);
        let Some(thing) = table.things.get_mut(uid) else {
            return Answer::Free;
        };
        if is_held {
            let is_news = !std::mem::replace(&mut thing.told, true);
            return Answer::Held { limits, is_news };
        }
        thing.told = false;
        let begins = thing.seen.map(|seen| later(seen, SETTLE));
        match (thing.part, begins) {
            (Part::Deletion(_), Some(begins)) if begins > now => {
                let left = Duration::try_from(begins.duration_since(now));
                Answer::Soon(left.unwrap_or(SETTLE))
            }
            _ => Answer::Free,
        }
    }

    /// Takes what the account says. Answers who may want to ask again.
    pub fn set(
        &self,
        account: &Target,
        limits: Option<Limits>,
        released: Option<Timestamp>,
        ended: impl IntoIterator<Item = (Timestamp, u32)>,
    ) -> Vec<Target> {
        let all = &mut *self.all();
        let table = all.accounts.entry(account.clone()).or_default();
        let is_new = (table.limits, table.released) != (limits, released.max(table.released));
        table.limits = limits;
        table.released = released.max(table.released);
        for (at, count) in ended {
            // Two operators may have seen the same deletions end.
            let known = table.ended.entry(minute(at)).or_default();
            *known = count.max(*known);
        }
        table.forget_old();
        let told = table.things.values().filter(|thing| thing.told);
        told.filter(|_| is_new)
            .map(|thing| thing.resource.clone())
            .collect()
    }

    /// What an account has to tell, if what was asked for until `released` goes on.
    pub fn told(&self, account: &Target, released: Option<Timestamp>) -> Told {
        let all = &mut *self.all();
        let Some(table) = all.accounts.get_mut(account) else {
            return Told::default();
        };
        let released = released.max(table.released);
        let before = std::mem::replace(&mut table.released, released);
        let mut told = Told {
            ended: table
                .ended
                .iter()
                .map(|(at, count)| (*at, *count))
                .collect(),
            limits: table.limits,
            ..Told::default()
        };
        if let Some(limits) = table.limits {
            let (held, deletions) = table.held(&limits);
            (told.deletions, told.things) = (deletions, table.count());
            let held = held.iter().filter_map(|uid| table.things.get(*uid));
            let held: Vec<_> = held.collect();
            told.last = held.iter().filter_map(|thing| thing.asked()).max();
            told.held = held
                .into_iter()
                .map(|thing| thing.resource.clone())
                .collect();
            told.held.sort();
        }
        table.released = before;
        told
    }

    /// The account is gone.
    pub fn forget(&self, account: &Target) {
        self.all().accounts.remove(account);
    }
}

impl Tables {
    fn thing(&mut self, uid: &str) -> Option<&mut Thing> {
        let account = self.homes.get(uid)?;
        self.accounts.get_mut(account)?.things.get_mut(uid)
    }

    fn remove(&mut self, uid: &str) {
        if let Some(account) = self.homes.remove(uid)
            && let Some(table) = self.accounts.get_mut(&account)
        {
            table.things.remove(uid);
        }
    }
}

impl Thing {
    fn asked(&self) -> Option<Timestamp> {
        match self.part {
            Part::Deletion(at) => Some(at),
            Part::None | Part::Released => None,
        }
    }
}

impl Table {
    fn is_released(&self, asked: Timestamp) -> bool {
        self.released.is_some_and(|released| asked <= released)
    }

    /// How many things there were before any of the deletions that are remembered.
    fn count(&self) -> usize {
        let ended: u32 = self.ended.values().sum();
        self.things.len() + ended as usize
    }

    /// Whether there are enough things for a wave at all.
    fn may_brake(&self) -> bool {
        self.limits
            .is_some_and(|limits| self.count() > limits.most())
    }

    /// The uids whose deletion is held, and how many deletions the waves are made of.
    fn held(&self, limits: &Limits) -> (Vec<&str>, usize) {
        let pending = self.things.iter().filter_map(|(uid, thing)| {
            let asked = thing.asked().filter(|asked| !self.is_released(*asked))?;
            Some((asked, Some(uid.as_str())))
        });
        let ended = self.ended.iter();
        let ended = ended.flat_map(|(at, count)| (0..*count).map(|_| (*at, None)));
        let mut all: Vec<(Timestamp, Option<&str>)> = pending.chain(ended).collect();
        all.sort_unstable();
        let moments: Vec<_> = all.iter().map(|(at, _)| *at).collect();
        let marks = waves(limits, self.count(), &moments);
        let held = all.iter().zip(&marks).filter(|(_, mark)| **mark);
        let uids = held.clone().filter_map(|((_, uid), _)| *uid).collect();
        (uids, held.count())
    }

    fn forget_old(&mut self) {
        if let Some((last, _)) = self.ended.last_key_value() {
            let oldest = crate::engine::clock::earlier(*last, REMEMBERED);
            self.ended.retain(|at, _| *at > oldest);
        }
    }
}

fn minute(moment: Timestamp) -> Timestamp {
    let second = moment.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(BEGIN + second).unwrap()
    }

    fn target(kind: &'static str, name: &str) -> Target {
        Target::new("g", kind, "ns", name)
    }

    fn account() -> Target {
        target("Account", "default")
    }

    /// Long after whatever is asked for: nothing settles any more.
    const LATER: i64 = 9_000;

    struct Story(Brakes);

    impl Story {
        /// An account with so many things.
        fn of(things: usize) -> Self {
            let story = Self(Brakes::default());
            (0..things).for_each(|n| story.note(n, Part::None));
            story
        }

        fn note(&self, n: usize, part: Part) {
            let (uid, resource) = (n.to_string(), target("Bucket", &n.to_string()));
            self.0.note(Some(&account()), &uid, &resource, part, at(0));
        }

        fn delete(self, which: std::ops::Range<usize>, second: i64) -> Self {
            which.for_each(|n| self.note(n, Part::Deletion(at(second))));
            self
        }

        fn ends(self, which: std::ops::Range<usize>) -> Self {
            which.for_each(|n| drop(self.0.gone(&n.to_string())));
            self
        }

        fn release(self, second: i64) -> Self {
            self.0
                .set(&account(), Some(Limits::default()), Some(at(second)), []);
            self
        }

        fn held(&self) -> usize {
            self.0.told(&account(), None).held.len()
        }

        fn is_held(&self, n: usize) -> bool {
            let answer = self.0.ask(&account(), &n.to_string(), false, at(LATER));
            matches!(answer, Answer::Held { .. })
        }
    }

    #[test]
    fn a_wave_is_held_as_a_whole_and_tells_until_when_to_release_it() {
        let story = Story::of(14).delete(0..8, 10).delete(8..12, 20);
        assert_eq!(story.held(), 12);
        assert!((0..12).all(|n| story.is_held(n)) && !story.is_held(12));
        let told = story.0.told(&account(), None);
        assert_eq!(
            (told.deletions, told.things, told.last),
            (12, 14, Some(at(20)))
        );
        assert!(story.0.told(&account(), Some(at(20))).held.is_empty());
    }

    #[test]
    fn what_is_let_go_of_paused_or_released_by_itself_is_no_part_of_it() {
        let story = Story::of(12).delete(0..11, 10);
        assert_eq!(story.held(), 11);
        story.note(0, Part::None);
        assert_eq!(story.held(), 0);
        story.note(0, Part::Released);
        assert_eq!(story.held(), 0);
        assert_eq!(story.0.ask(&account(), "0", false, at(0)), Answer::Free);
    }

    #[test]
    fn a_release_lets_this_wave_go_and_the_next_one_not() {
        let story = Story::of(40)
            .delete(0..12, 10)
            .delete(12..13, 11)
            .release(10);
        assert!((0..12).all(|n| !story.is_held(n)));
        assert!(!story.is_held(12), "one alone is no wave");
        let story = story.ends(0..12).delete(13..25, 100);
        assert_eq!(story.held(), 13);
        assert!(
            story.release(5).is_held(13),
            "a release is not taken back by an older one"
        );
    }

    #[test]
    fn deletions_that_have_ended_count() {
        let story = Story::of(30).delete(0..10, 10);
        assert_eq!(story.held(), 0);
        let story = story.ends(0..10).delete(10..11, 300);
        assert!(story.is_held(10), "the eleventh of thirty in ten minutes");
        let told = story.0.told(&account(), None);
        assert_eq!((told.deletions, told.things), (11, 30));
        assert_eq!(told.ended, [(minute(at(10)), 10)]);
    }

    #[test]
    fn a_new_operator_goes_on_from_the_status_of_the_account() {
        let old = Story::of(30).delete(0..10, 10).ends(0..10);
        let new = Story::of(30).ends(0..10).delete(10..11, 300);
        assert!(!new.is_held(10));
        let ended = old.0.told(&account(), None).ended;
        new.0
            .set(&account(), Some(Limits::default()), None, ended.clone());
        assert!(new.is_held(10));
        new.0.set(&account(), Some(Limits::default()), None, ended);
        assert_eq!(
            new.0.told(&account(), None).deletions,
            11,
            "seen twice, counted once"
        );
    }

    #[test]
    fn whoever_is_held_asks_again_once_limits_or_release_change() {
        let story = Story::of(12).delete(0..12, 10);
        assert!(story.is_held(3) && story.is_held(4));
        let set = |limits| story.0.set(&account(), limits, None, []);
        assert!(set(Some(Limits::default())).is_empty());
        assert_eq!(set(None).len(), 2);
        assert!(!story.is_held(3));
    }

    #[test]
    fn a_deletion_waits_a_moment_to_see_whether_others_follow() {
        let story = Story::of(20).delete(0..1, 0);
        let ask = |second| story.0.ask(&account(), "0", false, at(second));
        assert_eq!(ask(1), Answer::Soon(Duration::from_secs(2)));
        assert_eq!(ask(3), Answer::Free);
        let few = Story::of(10).delete(0..10, 0);
        assert_eq!(few.0.ask(&account(), "0", false, at(0)), Answer::Free);
    }

    #[test]
    fn what_has_begun_is_not_stopped_halfway() {
        let story = Story::of(12).delete(0..12, 10);
        assert_eq!(story.0.ask(&account(), "0", true, at(0)), Answer::Free);
        assert!(story.is_held(1));
    }

    #[test]
    fn only_the_first_to_be_told_is_news() {
        let story = Story::of(12).delete(0..12, 10);
        let ask = || story.0.ask(&account(), "0", false, at(LATER));
        assert!(matches!(ask(), Answer::Held { is_news: true, .. }));
        assert!(matches!(ask(), Answer::Held { is_news: false, .. }));
        assert_eq!(story.0.gone("0"), Some(account()));
    }

    #[test]
    fn a_thing_that_was_let_go_of_does_not_count_when_it_is_gone() {
        let story = Story::of(30).delete(0..10, 10);
        (0..10).for_each(|n| story.0.exempt(&n.to_string()));
        let story = story.ends(0..10).delete(10..11, 20);
        assert!(!story.is_held(10));
    }
}

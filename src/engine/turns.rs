//! Whose turn it is: at most one pass over a resource at a time, and one more if it was asked for meanwhile.

use std::collections::HashSet;

use super::external::Target;

/// Who is at work and who waits for a turn, of one kind.
#[derive(Default)]
pub struct Turns {
    phase: Phase,
    under_way: HashSet<Target>,
    waiting: HashSet<Target>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody gets a turn yet.
    #[default]
    Before,
    Open,
    /// Nobody gets a turn any more.
    After,
}

impl Turns {
    /// These ask for a pass; who asks several times at once asks once. Answers whose turn it is now.
    pub fn ask(&mut self, asked: Vec<Target>) -> Vec<Target> {
        let (mut begin, mut once) = (Vec::new(), HashSet::new());
        for target in asked {
            if !once.insert(target.clone()) {
                continue;
            }
            if self.phase == Phase::Open && !self.under_way.contains(&target) {
                self.under_way.insert(target.clone());
                begin.push(target);
            } else if self.phase != Phase::After {
                self.waiting.insert(target);
            }
        }
        begin
    }

    /// Turns are given from now on. Answers whose it is.
    pub fn open(&mut self) -> Vec<Target> {
        if self.phase == Phase::Before {
            self.phase = Phase::Open;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.ask(waiting.into_iter().collect())
    }

    /// No turns are given from now on: passes under way end, and none begins.
    pub fn close(&mut self) -> Vec<Target> {
        self.phase = Phase::After;
        self.waiting.clear();
        Vec::new()
    }

    /// A pass has ended. Answers its resource if it was asked for meanwhile.
    pub fn done(&mut self, target: &Target) -> Option<Target> {
        self.under_way.remove(target);
        let again = self.waiting.take(target)?;
        self.ask(vec![again]).pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(names: &[&str]) -> Vec<Target> {
        let target = |name: &&str| Target::new("g", "K", "ns", *name);
        names.iter().map(target).collect()
    }

    fn open() -> Turns {
        let mut turns = Turns::default();
        assert_eq!(turns.open(), []);
        turns
    }

    #[test]
    fn what_is_asked_for_at_once_begins_once() {
        let mut turns = open();
        let begin = turns.ask(targets(&["a", "b", "a"]));
        assert_eq!(begin, targets(&["a", "b"]));
        assert!(begin.iter().all(|target| turns.done(target).is_none()));
    }

    #[test]
    fn what_is_asked_for_meanwhile_comes_after_and_once() {
        let mut turns = open();
        let [a] = <[_; 1]>::try_from(turns.ask(targets(&["a"]))).unwrap();
        assert_eq!(turns.ask(targets(&["a", "a"])), []);
        assert_eq!(turns.done(&a), Some(a.clone()));
        assert_eq!(turns.done(&a), None);
    }

    #[test]
    fn nothing_begins_before_the_store_is_filled_and_nothing_is_lost_by_that() {
        let mut turns = Turns::default();
        assert_eq!(turns.ask(targets(&["a", "a"])), []);
        assert_eq!(turns.open(), targets(&["a"]));
    }

    #[test]
    fn nothing_begins_after_the_end() {
        let mut turns = open();
        let [a] = <[_; 1]>::try_from(turns.ask(targets(&["a"]))).unwrap();
        turns.ask(targets(&["a"]));
        assert_eq!(turns.close(), []);
        assert_eq!(turns.ask(targets(&["b"])), []);
        assert_eq!(turns.done(&a), None);
    }
}

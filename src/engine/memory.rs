//! What is remembered of a resource between two passes. Nothing of it is needed: losing it costs a look.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{external::Target, wake::Cause};

/// Memos of all resources of a kind.
#[derive(Default)]
pub struct Memory(Mutex<Memos>);

#[derive(Default)]
struct Memos {
    // Boxed: a table has room for up to twice as many as it holds.
    of: HashMap<Target, Box<Memo>>,
    /// How many of them have a look at a Secret before them.
    issuers: usize,
}

/// What is remembered of one resource.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    /// The resourceVersion that our own last write returned.
    pub wrote: Option<String>,
    /// The resourceVersions that the last pass saw superseded: a store that still shows one of them has yet to hear the rest.
    pub past: Vec<String>,
    /// Something it depends on changed since its last pass.
    pub woken: bool,
    /// Its time came since its last pass.
    pub due: bool,
    /// When its remote was last looked at.
    pub looked: Option<Timestamp>,
    /// When what no list shows was last read.
    pub deep: Deep,
    /// When it is to be looked at again.
    pub drift: Option<Timestamp>,
    /// When its Secret is to be looked at again.
    pub secret: Option<Timestamp>,
    /// Looks that found no staging left over, as far as they count.
    pub sweeps: u8,
    /// The namespace is being deleted: creates in it are refused for good.
    pub creates_refused: bool,
    /// Faults in a row.
    pub failures: u32,
    /// Looks in a row that found it still on its way.
    pub looks: u32,
    /// A digest of the status as this process last left it.
    pub left: Option<u64>,
    /// What is known of a claim until its remote was seen.
    pub claiming: Claiming,
}

/// A claim in status does not say who wrote it, nor whether a create was sent under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claiming {
    /// It was there when this process first saw the resource.
    #[default]
    Unknown,
    /// It is another process's, seen since then: that one may be about to create, or to take the claim back.
    Theirs(Timestamp),
    /// This process wrote it, and nothing that it sent under it can have been carried out: what is there is somebody else's.
    New,
    /// This process wrote it, and its create may have been carried out.
    Tried,
}

/// When what no list shows was last read of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deep {
    /// Not since this process began.
    #[default]
    Unknown,
    /// An edit asks for it, and no pass since has come to its end.
    Owed,
    /// At this moment.
    At(Timestamp),
}

impl Memory {
    fn all(&self) -> MutexGuard<'_, Memos> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a wake-up for the next pass.
    pub fn wake(&self, target: &Target, cause: Cause) {
        let mut all = self.all();
        let memo = all.of.entry(target.clone()).or_default();
        match cause {
            Cause::Due => memo.due = true,
            Cause::Woken => memo.woken = true,
        }
    }

    /// The memo as it stands, with its wake-ups taken out: this pass answers them. `None` if there is nothing to do for an object of
    /// this version.
    pub fn begin(&self, target: &Target, version: Option<&str>) -> Option<Memo> {
        let mut all = self.all();
        let memo = all.of.entry(target.clone()).or_default();
        let is_stale = version.is_some_and(|version| memo.past.iter().any(|past| past == version));
        let is_echo = version.is_some_and(|version| memo.wrote.as_deref() == Some(version));
        if is_echo {
            // The store has caught up with us: it does not go back.
            memo.past = Vec::new();
        }
        // A newer version is on its way, and with it a pass that answers the wake-ups.
        if is_stale || (is_echo && !memo.woken && !memo.due) {
            return None;
        }
        let before = Memo::clone(memo);
        (memo.woken, memo.due) = (false, false);
        Some(before)
    }

    /// Keeps what a pass learned; wake-ups that came in meanwhile stay.
    pub fn end(&self, target: &Target, memo: Memo) {
        let all = &mut *self.all();
        let slot = all.of.entry(target.clone()).or_default();
        let (woken, due) = (slot.woken, slot.due);
        let was = usize::from(slot.secret.is_some());
        all.issuers = all.issuers + usize::from(memo.secret.is_some()) - was;
        **slot = Memo { woken, due, ..memo };
    }

    /// How many resources something is remembered of.
    pub fn size(&self) -> usize {
        self.all().of.len()
    }

    /// How many resources have a look at their Secret before them.
    pub fn issuers(&self) -> usize {
        self.all().issuers
    }

    /// When the remote was looked at that was looked at least recently, of those that were.
    pub fn oldest_look(&self) -> Option<Timestamp> {
        let all = self.all();
        all.of.values().filter_map(|memo| memo.looked).min()
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, target: &Target) {
        let mut all = self.all();
        let memo = all.of.remove(target);
        all.issuers -= usize::from(memo.is_some_and(|memo| memo.secret.is_some()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        Target::new("g", "K", "ns", name)
    }

    fn after_a_pass() -> Memory {
        let memory = Memory::default();
        let memo = Memo {
            wrote: Some("9".into()),
            past: vec!["7".into(), "8".into()],
            ..Memo::default()
        };
        memory.end(&target("a"), memo);
        memory
    }

    fn begins(memory: &Memory, version: &str) -> bool {
        memory.begin(&target("a"), Some(version)).is_some()
    }

    #[test]
    fn the_echo_of_our_own_write_starts_no_pass_unless_there_is_another_cause() {
        let memory = after_a_pass();
        assert!(!begins(&memory, "9"));
        memory.wake(&target("a"), Cause::Due);
        assert!(begins(&memory, "9"));
        assert!(!begins(&memory, "9"));
    }

    #[test]
    fn a_store_that_lags_behind_our_writes_starts_no_pass_and_loses_no_wake_up() {
        let memory = after_a_pass();
        memory.wake(&target("a"), Cause::Woken);
        assert!(!begins(&memory, "8"));
        let memo = memory.begin(&target("a"), Some("9"));
        assert!(memo.is_some_and(|memo| memo.woken));
    }

    #[test]
    fn resources_with_a_secret_to_look_at_are_counted_until_they_are_gone() {
        let memory = after_a_pass();
        let with = |secret| Memo {
            secret,
            ..Memo::default()
        };
        let count = |secret| {
            memory.end(&target("b"), with(secret));
            memory.issuers()
        };
        let some = Some(Timestamp::UNIX_EPOCH);
        assert_eq!([some, some, None, some].map(count), [1, 1, 0, 1]);
        memory.forget(&target("a"));
        memory.forget(&target("b"));
        assert_eq!(memory.issuers(), 0);
    }

    #[test]
    fn somebody_elses_edit_starts_a_pass() {
        assert!(begins(&after_a_pass(), "10"));
    }
}

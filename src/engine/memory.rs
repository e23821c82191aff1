//! What is remembered of a resource between two passes. Nothing of it is needed: losing it costs a look.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::wake::Cause;

/// Memos of all resources of a kind, by namespace and name.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<(String, String), Memo>>);

/// What is remembered of one resource.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    /// The resourceVersion that our own last write returned.
    pub wrote: Option<String>,
    /// Something it depends on changed since its last pass.
    pub woken: bool,
    /// Its time came since its last pass.
    pub due: bool,
    /// When its remote was last looked at.
    pub looked: Option<Timestamp>,
    /// When what no list shows was last read.
    pub deep: Option<Timestamp>,
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
}

impl Memory {
    fn all(&self) -> MutexGuard<'_, HashMap<(String, String), Memo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a wake-up for the next pass.
    pub fn wake(&self, namespace: &str, name: &str, cause: Cause) {
        let mut all = self.all();
        let memo = all
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default();
        match cause {
            Cause::Due => memo.due = true,
            Cause::Woken => memo.woken = true,
        }
    }

    /// The memo as it stands, with its wake-ups taken out: this pass answers them.
    pub fn begin(&self, namespace: &str, name: &str) -> Memo {
        let mut all = self.all();
        let memo = all
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default();
        let before = memo.clone();
        (memo.woken, memo.due) = (false, false);
        before
    }

    /// Keeps what a pass learned; wake-ups that came in meanwhile stay.
    pub fn end(&self, namespace: &str, name: &str, memo: Memo) {
        let mut all = self.all();
        let slot = all
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default();
        let (woken, due) = (slot.woken, slot.due);
        *slot = Memo { woken, due, ..memo };
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.all().remove(&(namespace.to_owned(), name.to_owned()));
    }
}

//! One look at everything read, with the words the rows of the decision table use.

use std::collections::BTreeSet;

use super::stored::Slot;
use super::{
    Attempt, BlockedBy, GRACE, KeyId, KeyStep, KeyWant, Ledger, Listed, ListedKey, Mark, Moment,
    OwnTarget, SKEW, Staging, Stored, Target, WaitFor, Waiting, Want,
};

/// What the rows look at.
pub(super) struct View<'a> {
    pub stored: &'a Stored,
    pub listed: &'a Listed,
    pub spec: &'a KeyWant,
    pub ledger: &'a Ledger,
    pub want: Want,
    pub now: Moment,
}

/// What rows that only wait leave behind while the search goes on.
#[derive(Default)]
pub(super) struct Pending {
    pub wait: Option<Waiting>,
    /// A staging outside the ledger may still get its attempt (row 3).
    pub orphan: bool,
    /// The undo window is not over: the user stays (row 6b).
    pub window: bool,
}

impl Pending {
    /// Remembers a wait; the one that ends first is told.
    pub fn wait(&mut self, why: WaitFor, until: Option<Moment>) {
        let sooner = match &self.wait {
            None => true,
            Some(Waiting { until: None, .. }) => until.is_some(),
            Some(Waiting {
                until: Some(before),
                ..
            }) => until.is_some_and(|u| u < *before),
        };
        if sooner {
            self.wait = Some(Waiting { why, until });
        }
    }

    /// Wait if something waits, else the other.
    pub fn or(self, step: KeyStep) -> KeyStep {
        self.wait.map_or(step, KeyStep::Wait)
    }

    pub fn or_blocked(self, by: BlockedBy) -> KeyStep {
        self.or(KeyStep::Blocked(by))
    }
}

impl<'a> View<'a> {
    pub fn new(
        stored: &'a Stored,
        listed: &'a Listed,
        spec: &'a KeyWant,
        ledger: &'a Ledger,
    ) -> Self {
        Self {
            stored,
            listed,
            spec,
            ledger,
            want: spec.of(ledger),
            now: listed.now(),
        }
    }

    /// Gone, `NoKey` or Released.
    pub fn is_ending(&self) -> bool {
        self.want != Want::Present
    }

    pub fn is_listed(&self, id: &KeyId) -> bool {
        self.listed.has(id)
    }

    /// Own stagings with their slots.
    pub fn stagings(&self) -> impl Iterator<Item = (usize, &'a Staging)> {
        self.stored
            .slots
            .iter()
            .enumerate()
            .filter_map(|(i, slot)| slot.staging().map(|s| (i, s)))
    }

    /// The staging of an attempt. Identity is the nonce: another nonce in the slot means "gone".
    pub fn staging_of(&self, attempt: &Attempt) -> Option<(usize, &'a Staging)> {
        self.stagings().find(|(_, s)| s.nonce == attempt.nonce)
    }

    /// Slots with anything of ours in them.
    pub fn used_slot(&self) -> Option<usize> {
        self.stored
            .slots
            .iter()
            .position(|s| matches!(s, Slot::Own(_) | Slot::Damaged(_)))
    }

    pub fn is_filled(&self, id: &KeyId) -> bool {
        self.stagings().any(|(_, s)| s.filled() == Some(id))
    }

    /// `ours`: named by the ledger or by a Filled staging.
    pub fn is_ours(&self, id: &KeyId) -> bool {
        self.ledger.names(id) || self.is_filled(id)
    }

    pub fn target(&self) -> Option<&'a OwnTarget> {
        match &self.stored.target {
            Target::Ours(target) => Some(target),
            Target::Absent | Target::Foreign => None,
        }
    }

    /// The mark of a target of ours, if its word is good.
    pub fn mark(&self) -> Option<&'a Mark> {
        self.target()?.mark.as_ref()
    }

    /// The mark of a target whose data is as we wrote it, too.
    pub fn intact_mark(&self) -> Option<&'a Mark> {
        self.target().filter(|t| t.intact)?.mark.as_ref()
    }

    /// `good`: the target holds the current key, as we wrote it, and that key is listed.
    pub fn good(&self) -> Option<(&'a OwnTarget, &'a Mark)> {
        let target = self.target().filter(|t| t.intact)?;
        let mark = target.mark.as_ref()?;
        (self.ledger.is_current(&mark.id) && self.is_listed(&mark.id)).then_some((target, mark))
    }

    pub fn is_good(&self) -> bool {
        self.good().is_some()
    }

    /// `need`: a key must be minted and published.
    pub fn needs_key(&self) -> bool {
        !self.is_good()
            || self
                .ledger
                .current
                .as_ref()
                .is_some_and(|c| c.serial < self.spec.serial)
    }

    /// `key` may be the lost one of `attempt`: one of `C(attempt)`.
    pub fn is_candidate(&self, attempt: &Attempt, key: &ListedKey) -> bool {
        if attempt.known.contains(&key.id) || self.is_ours(&key.id) {
            return false;
        }
        let created = Moment::of(key.created_at);
        let in_window = attempt.at.minus(SKEW) <= created && created <= attempt.until.plus(SKEW);
        self.spec.exclusive || in_window && key.used_at().is_none()
    }

    /// `C(attempt)`
    pub fn candidates(&self, attempt: &Attempt) -> BTreeSet<&'a KeyId> {
        self.listed
            .keys
            .iter()
            .filter(|k| self.is_candidate(attempt, k))
            .map(|k| &k.id)
            .collect()
    }

    /// Listed keys that are not ours.
    pub fn unknown(&self) -> BTreeSet<&'a KeyId> {
        self.listed
            .keys
            .iter()
            .map(|k| &k.id)
            .filter(|id| !self.is_ours(id))
            .collect()
    }

    pub fn is_past(&self, moment: Moment) -> bool {
        self.now >= moment
    }

    pub fn grace_ends(attempt: &Attempt) -> Moment {
        attempt.since.plus(GRACE)
    }
}

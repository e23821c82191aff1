//! Cases for tables: what was read, in words. Everything starts empty, wanted Present, an hour after the epoch of all keys.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::*;

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const LONG_AGO: i64 = NOW - 1_000_000;

pub(super) fn at(second: i64) -> Moment {
    Moment::of(Timestamp::from_second(second).unwrap())
}

pub(super) fn id(text: &str) -> KeyId {
    KeyId::new(text)
}

pub(super) fn ids<const N: usize>(texts: [&str; N]) -> BTreeSet<KeyId> {
    texts.map(KeyId::new).into()
}

pub(super) fn place() -> Place {
    Place {
        account: "main".into(),
        service: "media".into(),
        user: "ci".into(),
    }
}

#[derive(Clone)]
pub(super) struct Case {
    pub stored: Stored,
    pub listed: Listed,
    pub want: KeyWant,
}

pub(super) fn case() -> Case {
    Case {
        stored: Stored {
            uid: Uid::new("u1"),
            finalizer: true,
            ledger: None,
            target: Target::Absent,
            slots: Default::default(),
            creates_refused: false,
            resource_version: "1".into(),
        },
        listed: Listed {
            at: Timestamp::from_second(NOW).unwrap(),
            keys: vec![],
        },
        want: KeyWant {
            want: Want::Present,
            serial: 0,
            every: None,
            asked: None,
            exclusive: false,
            hold: false,
            overlap: SignedDuration::from_hours(24),
            test: false,
            undo: None,
            quota: Some(2),
            place: place(),
            secret_name: Some("s3".into()),
            adopt: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        },
    }
}

/// One key that is current, in the target and listed: all is well.
pub(super) fn healthy() -> Case {
    case().key("A").current("A").target("A")
}

impl Case {
    pub fn next(&self) -> KeyStep {
        next(&self.stored, &self.listed, &self.want)
    }

    /// The ledger `next` wants to write.
    pub fn recorded(&self) -> Ledger {
        match self.next() {
            KeyStep::Record { ledger, .. } => *ledger,
            other => panic!("not a Record: {other:?}"),
        }
    }

    pub fn want(mut self, want: Want) -> Self {
        self.want.want = want;
        self
    }

    pub fn wants(mut self, change: impl FnOnce(&mut KeyWant)) -> Self {
        change(&mut self.want);
        self
    }

    pub fn stored(mut self, change: impl FnOnce(&mut Stored)) -> Self {
        change(&mut self.stored);
        self
    }

    pub fn listed_key(mut self, id: &str, active: bool, created: i64, used: Option<i64>) -> Self {
        let second = |s| Timestamp::from_second(s).unwrap();
        self.listed.keys.push(ListedKey {
            id: KeyId::new(id),
            active,
            created_at: second(created),
            last_used_at: used.map(second),
        });
        self
    }

    /// An Active key made long ago.
    pub fn key(self, id: &str) -> Self {
        self.listed_key(id, true, LONG_AGO, None)
    }

    pub fn inactive_key(self, id: &str) -> Self {
        self.listed_key(id, false, LONG_AGO, None)
    }

    pub fn ledger(mut self, change: impl FnOnce(&mut Ledger)) -> Self {
        change(
            self.stored
                .ledger
                .get_or_insert_with(|| Ledger::for_secret(Some("s3"))),
        );
        self
    }

    pub fn no_ledger(mut self) -> Self {
        self.stored.ledger = None;
        self
    }

    pub fn current(self, id: &str) -> Self {
        self.ledger(|l| {
            l.current = Some(Current {
                id: KeyId::new(id),
                serial: 0,
            });
        })
    }

    pub fn old(self, id: &str, phase: OldPhase, since: i64) -> Self {
        self.ledger(|l| {
            l.old = Some(Old {
                id: KeyId::new(id),
                phase,
                since: at(since),
            });
        })
    }

    pub fn revoking(self, id: &str) -> Self {
        self.ledger(|l| {
            l.revoking.insert(KeyId::new(id));
        })
    }

    /// An attempt whose list was taken at `listed`, in that phase since then.
    pub fn attempt(
        self,
        nonce: &str,
        phase: Phase,
        listed: i64,
        change: impl FnOnce(&mut Attempt),
    ) -> Self {
        let mut attempt = Attempt {
            nonce: Nonce::new(nonce),
            known: BTreeSet::new(),
            at: at(listed),
            until: at(listed).plus(LATE),
            serial: 0,
            phase,
            key: None,
            tested: false,
            suspect: None,
            since: at(listed),
        };
        change(&mut attempt);
        self.ledger(|l| l.attempts.push(attempt))
    }

    pub fn staging(mut self, slot: usize, nonce: &str, listed: i64, state: StagingState) -> Self {
        self.stored.slots[slot] = Slot::Own(Staging {
            revision: Revision::default(),
            nonce: Nonce::new(nonce),
            reservation: Reservation {
                known: BTreeSet::new(),
                at: at(listed),
                until: at(listed).plus(LATE),
                serial: 0,
            },
            state,
        });
        self
    }

    /// A target with that key, as we wrote it.
    pub fn target(mut self, id: &str) -> Self {
        self.stored.target = Target::Ours(OwnTarget {
            revision: Revision::default(),
            owned: true,
            labelled: true,
            mark: Some(Mark {
                id: KeyId::new(id),
                nonce: Nonce::new("n0"),
                serial: 0,
                replaces: BTreeSet::new(),
                place: place(),
                released: None,
            }),
            intact: true,
            stale: false,
        });
        self
    }

    pub fn target_with(mut self, change: impl FnOnce(&mut OwnTarget)) -> Self {
        match &mut self.stored.target {
            Target::Ours(target) => change(target),
            other => panic!("no target of ours: {other:?}"),
        }
        self
    }

    pub fn mark(self, change: impl FnOnce(&mut Mark)) -> Self {
        self.target_with(|t| change(t.mark.as_mut().unwrap()))
    }

    pub fn foreign_target(mut self) -> Self {
        self.stored.target = Target::Foreign;
        self
    }
}

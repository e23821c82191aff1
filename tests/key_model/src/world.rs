//! The state of everything: cloud, Kubernetes, processes, budgets of faults and user acts.
//!
//! Small and `Copy`, so that millions fit. Keys and attempts are numbers; a number nobody names any more is used again,
//! and a `resourceVersion` is "unchanged since this process read it": so the space is finite.

pub const KEYS: usize = 6;
pub const NONCES: usize = 5;
pub const SLOTS: usize = 3;

/// A set of small numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Set(pub u8);

impl Set {
    pub fn one(n: u8) -> Self {
        Set(1 << n)
    }
    pub fn has(self, n: u8) -> bool {
        self.0 & 1 << n != 0
    }
    pub fn add(&mut self, n: u8) {
        self.0 |= 1 << n;
    }
    pub fn remove(&mut self, n: u8) {
        self.0 &= !(1 << n);
    }
    pub fn keep(&mut self, other: Set) {
        self.0 &= other.0;
    }
    pub fn extend(&mut self, of: impl IntoIterator<Item = u8>) {
        of.into_iter().for_each(|n| self.add(n));
    }
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..8).filter(move |n| self.has(*n))
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A key at the cloud, with what only the checker knows about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Key {
    pub exists: bool,
    pub active: bool,
    pub used: bool,
    /// The attempts in whose window it was made.
    pub windows: Set,
    /// Made by somebody else.
    pub foreign: bool,
    /// Foreign, and at some time inside a window: residual R1 may hit it.
    pub at_risk: bool,
    /// Outside acts destroyed every proof that it is ours (R4, R5).
    pub excused: bool,
    /// The attempt that made it.
    pub nonce: Option<u8>,
}

/// What the cloud's list tells of a key.
impl Key {
    #[must_use]
    pub fn listed(self) -> Key {
        Key {
            foreign: false,
            at_risk: false,
            excused: false,
            nonce: None,
            ..self
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    Open,
    Watch,
    Deactivate,
    Inactive,
    Delete,
    Release,
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Attempt {
    pub nonce: u8,
    pub known: Set,
    pub serial: u8,
    pub phase: Phase,
    pub suspect: Option<u8>,
    pub key: Option<u8>,
    pub tested: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Ledger {
    /// Filled from the front.
    pub attempts: [Option<Attempt>; SLOTS],
    pub current: Option<u8>,
    pub serial: u8,
    pub old: Option<u8>,
    pub old_inactive: bool,
    pub revoking: Set,
    pub full: bool,
    pub parting: Option<Parting>,
}

/// Which way the keys of a deleted resource are switched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Parting {
    Off,
    On,
}

impl Ledger {
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().flatten()
    }
    pub fn attempt(&self, nonce: u8) -> Option<&Attempt> {
        self.attempts().find(|a| a.nonce == nonce)
    }
    pub fn push(&mut self, attempt: Attempt) -> bool {
        let free = self.attempts.iter_mut().find(|a| a.is_none());
        free.map(|place| *place = Some(attempt)).is_some()
    }
    pub fn remove(&mut self, nonce: u8) {
        let left: Vec<Attempt> = self
            .attempts()
            .filter(|a| a.nonce != nonce)
            .copied()
            .collect();
        self.attempts = [None; SLOTS];
        for attempt in left {
            self.push(attempt);
        }
    }
    pub fn has_role(&self, key: u8) -> bool {
        self.current == Some(key) || self.old == Some(key) || self.revoking.has(key)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wish {
    Key,
    NoKey,
    Release,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Want {
    Present,
    Gone,
    NoKey,
    Released,
}

/// The resource. Recreated, it has the other uid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Resource {
    pub exists: bool,
    pub uid: u8,
    pub deleting: bool,
    pub finalizer: bool,
    pub wish: Wish,
    pub serial: u8,
    pub hold: bool,
    pub ledger: Option<Ledger>,
}

impl Resource {
    pub fn want(&self) -> Want {
        match (self.deleting, self.wish) {
            (_, Wish::Release) => Want::Released,
            (true, _) => Want::Gone,
            (false, Wish::NoKey) => Want::NoKey,
            (false, Wish::Key) => Want::Present,
        }
    }
    pub fn led(&self) -> Ledger {
        self.ledger.unwrap_or_default()
    }
    #[must_use]
    pub fn gone(&self) -> Self {
        Self {
            exists: false,
            deleting: false,
            finalizer: false,
            wish: Wish::Key,
            hold: false,
            ledger: None,
            ..*self
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Holder {
    #[default]
    Absent,
    Foreign,
    Ours,
}

/// The Secret that pods read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Target {
    pub holder: Holder,
    /// Its label.
    pub uid: u8,
    pub id: Option<u8>,
    pub nonce: Option<u8>,
    pub serial: u8,
    pub replaces: Set,
    /// The data is as cooper wrote it.
    pub intact: bool,
    /// The mark's own digest is right.
    pub sealed: bool,
    pub owned: bool,
    /// Let go, less than a grace ago.
    pub released: bool,
}

impl Target {
    pub fn is_ours(&self) -> bool {
        self.holder == Holder::Ours
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Fill {
    #[default]
    Absent,
    Empty,
    Filled,
    Void,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Staging {
    pub fill: Fill,
    pub uid: u8,
    pub nonce: u8,
    pub key: Option<u8>,
    pub known: Set,
    pub serial: u8,
}

impl Staging {
    pub fn exists(&self) -> bool {
        self.fill != Fill::Absent
    }
}

/// One write a process has decided on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Write the resource; `None`: a write that is certain to conflict, whatever it was.
    Record(Option<Resource>),
    Reserve {
        slot: u8,
        known: Set,
        serial: u8,
    },
    Publish {
        slot: u8,
        nonce: u8,
        key: u8,
        replaces: Set,
        serial: u8,
        uid: u8,
    },
    DropSecret,
    LetGo {
        id: Option<u8>,
        replaces: Set,
    },
    Own,
    Fence(u8),
    DropStaging(u8),
    Delete(u8),
    SetStatus(u8, bool),
    Test {
        nonce: u8,
        key: u8,
    },
    UserGoes,
    /// Only where one POST an attempt is no rule.
    PostAgain {
        slot: u8,
        nonce: u8,
    },
}

/// What a list showed, and what time it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct List {
    pub keys: [Key; KEYS],
    pub clock: Clock,
}

/// Where a process stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum At {
    Idle,
    /// Only where the rule "resource before list" is off.
    Listed,
    HasResource(Resource),
    HasAll(Resource, Target, [Staging; SLOTS]),
    Do(Op),
    ChainAgain,
    // The steps of a mint.
    WriteAttempt {
        slot: u8,
        nonce: u8,
        known: Set,
        serial: u8,
    },
    TakeBackStaging {
        slot: u8,
        nonce: u8,
    },
    Post {
        slot: u8,
        nonce: u8,
    },
    Commit {
        slot: u8,
        nonce: u8,
        key: u8,
    },
    DeleteOwn(u8),
    RefusedStaging {
        slot: u8,
        nonce: u8,
    },
    RefusedLedger(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    pub at: At,
    /// Resource, target, stagings (by slot) are as this process read them.
    pub fresh_resource: bool,
    pub fresh_target: bool,
    pub fresh_slots: Set,
    pub list: Option<List>,
    /// In its chain: attempt and key.
    pub chain: Option<(u8, u8)>,
}

pub const IDLE: Process = Process {
    at: At::Idle,
    fresh_resource: false,
    fresh_target: false,
    fresh_slots: Set(0),
    list: None,
    chain: None,
};

/// What time has made true, by attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Clock {
    /// `until` is past.
    pub expired: Set,
    /// The grace of its phase is past.
    pub grace_over: Set,
    /// The phase of the old key is over.
    pub old_over: bool,
    /// A minute since its key was named.
    pub tested_long: Set,
    /// The undo window, or the grace of an undo, is over.
    pub parting_over: bool,
}

/// How much may still go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Budget {
    pub faults: u8,
    pub acts: u8,
    pub rotations: u8,
    pub holds: u8,
    pub foreigns: u8,
    pub recreations: u8,
    pub rejects: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Broken {
    /// I4: a foreign key outside any window was deleted or switched off.
    ForeignKey,
    /// I4: a foreign key was touched while a lost key of ours is in the same window.
    AmbiguousKey,
    /// I6: the target names a key that is gone or Inactive.
    DeadKey,
    ForeignSecret,
    /// The user went while its deletion could still be undone.
    TooEarly,
    /// The model ran out of numbers.
    Space,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub keys: [Key; KEYS],
    pub user_gone: bool,
    /// A deletion has taken the user along once, or may have begun to delete keys since its window is over: an undo after that
    /// comes too late for them, whoever made the user again.
    pub went: bool,
    pub resource: Resource,
    pub target: Target,
    pub stagings: [Staging; SLOTS],
    pub backup: Option<Target>,
    pub terminating: bool,
    pub clock: Clock,
    /// POSTs still under way without a process.
    pub late: Set,
    /// Attempts whose evidence outside acts destroyed before their key was made.
    pub excused: Set,
    /// Outside tampering has not been healed yet.
    pub tampered: bool,
    pub processes: [Process; 2],
    pub budget: Budget,
    pub broken: Option<Broken>,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Setting {
    pub processes: usize,
    pub budget: Budget,
    pub acts: &'static [Act],
    pub exclusive: bool,
    pub foreign_from_start: bool,
    pub test: bool,
    pub user_goes: bool,
    /// A deletion has an undo window; `Act::Release` on a deleted resource undoes it.
    pub undo: bool,
    /// It begins with two lost attempts and a foreign key that may be either's. Here no two attempts are open at once, for both would take
    /// the same slot; a status that was put back may say so all the same.
    pub two_lost: bool,
    /// Which process is which matters: a cycle must be closed by the same one.
    pub told_apart: bool,
    pub off: Option<Rule>,
}

/// What users and other tools may do to cooper's objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    DeleteTarget,
    EditData,
    DeleteStaging,
    DeleteKey,
    SwitchKeyOff,
    DeleteResource,
    LoseStatus,
    RestoreTarget,
    RestoreTargetOnly,
    ForeignTarget,
    NoKey,
    Release,
    AllSecretsGone,
    Terminate,
    Disown,
    ForgeMark,
}

pub const ACTS: &[Act] = &[
    Act::DeleteTarget,
    Act::EditData,
    Act::DeleteStaging,
    Act::DeleteKey,
    Act::SwitchKeyOff,
    Act::DeleteResource,
    Act::LoseStatus,
    Act::RestoreTarget,
    Act::RestoreTargetOnly,
    Act::ForeignTarget,
    Act::NoKey,
    Act::Release,
    Act::AllSecretsGone,
    Act::Terminate,
    Act::Disown,
    Act::ForgeMark,
];

/// Rules that can be switched off, to see that the model notices.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    Fence,
    Deadline,
    Window,
    ListAfterResource,
    FinalizerWaits,
    RetireAfterPublish,
    IntentBeforeDelete,
    StagingsAsEvidence,
    MarkReplaces,
    TargetRevision,
    ChainLimits,
    LedgerBeforeTest,
    MarkDigest,
    LabelIsOurs,
    PublishBeforeRelease,
    OwnAfterGrace,
    MakeRoom,
    /// One candidate is watched, several are left alone.
    CountCandidates,
    /// One POST an attempt.
    OnePost,
    /// Nobody signs with a key before it is committed.
    UnusedUntilCommit,
    /// A chain judges no attempt but its own.
    ChainJudgesItsOwn,
    /// A release waits for open attempts.
    ReleaseWaits,
    /// A release names or revokes the replaced key.
    ReleaseNamesOld,
    /// A release finishes what is being revoked.
    ReleaseRevokes,
    /// Two attempts never suspect the same key.
    OneSuspect,
    /// Keys are switched off only after the ledger says so.
    PartingRecorded,
    /// An undo switches the keys on again.
    UndoSwitchesOn,
    /// An undo is over only when nobody can have missed it.
    UndoWaits,
    /// The user stays until the undo window is over.
    UndoWindow,
}

impl World {
    pub fn new(setting: &Setting) -> Self {
        let resource = Resource {
            exists: true,
            uid: 0,
            deleting: false,
            finalizer: false,
            wish: Wish::Key,
            serial: 0,
            hold: false,
            ledger: None,
        };
        let mut world = World {
            keys: [Key::default(); KEYS],
            user_gone: false,
            went: false,
            resource,
            target: Target::default(),
            stagings: [Staging::default(); SLOTS],
            backup: None,
            terminating: false,
            clock: Clock::default(),
            late: Set::default(),
            excused: Set::default(),
            tampered: false,
            processes: [IDLE; 2],
            budget: setting.budget,
            broken: None,
        };
        if setting.foreign_from_start {
            world.keys[0] = Key {
                exists: true,
                active: true,
                foreign: true,
                ..Key::default()
            };
        }
        if setting.two_lost {
            world.lose_two();
        }
        world
    }

    fn lose_two(&mut self) {
        let lost = |nonce| Attempt {
            nonce,
            known: Set::default(),
            serial: 0,
            phase: Phase::Watch,
            suspect: None,
            key: None,
            tested: false,
        };
        let mut ledger = Ledger::default();
        for nonce in [0, 1] {
            ledger.push(lost(nonce));
            self.clock.expired.add(nonce);
        }
        self.resource.ledger = Some(ledger);
        self.resource.finalizer = true;
        self.keys[0] = Key {
            exists: true,
            active: true,
            foreign: true,
            at_risk: true,
            windows: Set(0b11),
            ..Key::default()
        };
    }

    pub fn key(&self, key: u8) -> &Key {
        &self.keys[key as usize]
    }
    pub fn live_keys(&self) -> usize {
        self.keys.iter().filter(|k| k.exists).count()
    }
    pub fn is_full(&self) -> bool {
        self.live_keys() >= 2
    }
    pub fn is_foreign(&self, key: u8) -> bool {
        self.key(key).exists && self.key(key).foreign
    }
    pub fn list(&self) -> List {
        List {
            keys: self.keys.map(Key::listed),
            clock: self.clock,
        }
    }
    /// Slot of the staging of that attempt, unless gone.
    pub fn slot_of(&self, nonce: u8) -> Option<usize> {
        self.stagings
            .iter()
            .position(|s| s.exists() && s.nonce == nonce)
    }

    // Writes make the other process's copy stale.

    pub fn touch_resource(&mut self, by: Option<usize>) {
        self.others(by).for_each(|p| p.fresh_resource = false);
    }
    pub fn touch_target(&mut self, by: Option<usize>) {
        self.others(by).for_each(|p| p.fresh_target = false);
    }
    pub fn touch_slot(&mut self, slot: usize, by: Option<usize>) {
        self.others(by)
            .for_each(|p| p.fresh_slots.remove(slot as u8));
    }
    fn others(&mut self, by: Option<usize>) -> impl Iterator<Item = &mut Process> {
        self.processes
            .iter_mut()
            .enumerate()
            .filter(move |(i, _)| Some(*i) != by)
            .map(|(_, p)| p)
    }

    /// Writes the resource; what time has made true of a phase ends with the phase.
    pub fn write_resource(&mut self, after: Resource, by: Option<usize>) {
        self.excuse_ambiguous(&after);
        let (before, led) = (self.resource.led(), after.led());
        for attempt in before.attempts() {
            match led.attempt(attempt.nonce) {
                Some(a) if a.phase == attempt.phase => {
                    if a.key != attempt.key {
                        self.clock.tested_long.remove(a.nonce);
                    }
                }
                _ => self.clock.grace_over.remove(attempt.nonce),
            }
        }
        if (before.old, before.old_inactive) != (led.old, led.old_inactive) {
            self.clock.old_over = false;
        }
        if before.parting != led.parting {
            self.clock.parting_over = false;
        }
        self.resource = after;
        self.touch_resource(by);
        self.collect_resource();
    }

    /// A deleted resource without a finalizer is gone.
    pub fn collect_resource(&mut self) {
        if self.resource.deleting && !self.resource.finalizer {
            self.resource = self.resource.gone();
            self.touch_resource(None);
        }
    }

    /// R2: an ending gives up on a lost key that cannot be told from a foreign one of the same window.
    fn excuse_ambiguous(&mut self, after: &Resource) {
        if !matches!(self.resource.want(), Want::Gone | Want::Released) {
            return;
        }
        for attempt in self
            .resource
            .led()
            .attempts()
            .filter(|a| a.phase == Phase::Watch)
        {
            let closes = after
                .led()
                .attempt(attempt.nonce)
                .is_some_and(|a| a.phase == Phase::Close);
            let same = |k: &Key| k.exists && k.windows.has(attempt.nonce);
            if closes && self.keys.iter().any(|k| k.foreign && same(k)) {
                self.keys
                    .iter_mut()
                    .filter(|k| !k.foreign && same(k))
                    .for_each(|k| k.excused = true);
            }
        }
    }

    /// A number no one names.
    pub fn fresh_key(&self) -> Option<u8> {
        let used = crate::names::used(self).0;
        (0..KEYS as u8).find(|k| !self.key(*k).exists && !used.has(*k))
    }
    pub fn fresh_nonce(&self) -> Option<u8> {
        let used = crate::names::used(self).1;
        (0..NONCES as u8).find(|n| !used.has(*n) && self.target.nonce != Some(*n))
    }
    /// Attempts whose window is open now.
    pub fn open_windows(&self) -> Set {
        Set(crate::names::used(self).1.0 & !self.clock.expired.0 & ((1 << NONCES) - 1))
    }

    /// The cloud makes a key for that attempt.
    pub fn mint(&mut self, nonce: u8) -> Option<u8> {
        let Some(id) = self.fresh_key() else {
            self.broken = Some(Broken::Space);
            return None;
        };
        let windows = if self.clock.expired.has(nonce) {
            Set(0)
        } else {
            self.open_windows()
        };
        let excused = self.excused.has(nonce);
        self.keys[id as usize] = Key {
            exists: true,
            active: true,
            windows,
            excused,
            nonce: Some(nonce),
            ..Key::default()
        };
        Some(id)
    }

    pub fn delete_key(&mut self, key: u8, setting: &Setting) {
        if self.is_foreign(key) && !setting.exclusive {
            self.hurt(key, setting);
        }
        self.keys[key as usize] = Key::default();
    }

    /// cooper deletes or switches off a foreign key: allowed only as residual R1 says.
    pub fn hurt(&mut self, key: u8, setting: &Setting) {
        if !self.key(key).at_risk {
            self.broken = Some(Broken::ForeignKey);
            return;
        }
        // Without counting, whatever is in a window is revoked at once, with no suspect to remember.
        let uncounted = setting.off == Some(Rule::CountCandidates);
        let suspecting: Vec<u8> = self
            .resource
            .led()
            .attempts()
            .filter(|a| a.suspect == Some(key) || uncounted && self.key(key).windows.has(a.nonce))
            .map(|a| a.nonce)
            .collect();
        let is_lost = |id: u8| {
            let k = self.key(id);
            let mine = k.exists && !k.foreign && !k.used && id != key;
            mine && suspecting
                .iter()
                .any(|n| k.nonce == Some(*n) && k.windows.has(*n))
                && (uncounted || !self.resource.led().has_role(id))
                && !self
                    .stagings
                    .iter()
                    .any(|s| s.fill == Fill::Filled && s.key == Some(id))
                && !self.processes.iter().any(
                    |p| matches!(p.at, At::DeleteOwn(k) | At::Commit { key: k, .. } if k == id),
                )
        };
        if (0..KEYS as u8).any(is_lost) {
            self.broken = Some(Broken::AmbiguousKey);
        }
    }

    /// Keys of ours about which, after an outside act, no object of the cluster proves anything any more.
    pub fn excuse(&mut self) {
        let led = self.resource.led();
        let mut proven = led.revoking;
        proven.extend(led.current.into_iter().chain(led.old));
        proven.extend(led.attempts().filter_map(|a| a.key));
        if self.target.is_ours() && self.target.sealed {
            proven.extend(self.target.id);
            proven.0 |= self.target.replaces.0;
        }
        let mut attested = Set::default();
        let stagings = self.stagings.iter().filter(|s| s.exists());
        for (nonce, known, filled) in led
            .attempts()
            .map(|a| (a.nonce, a.known, None))
            .chain(stagings.map(|s| (s.nonce, s.known, s.key.filter(|_| s.fill == Fill::Filled))))
        {
            attested.add(nonce);
            proven.extend(filled);
            if filled.is_none() {
                proven.extend(
                    (0..KEYS as u8).filter(|k| self.key(*k).windows.has(nonce) && !known.has(*k)),
                );
            }
        }
        for (id, key) in self.keys.iter_mut().enumerate() {
            key.excused |= key.exists && !key.foreign && !proven.has(id as u8);
        }
        let mut in_flight = self.late;
        in_flight.extend(self.processes.iter().filter_map(|p| match p.at {
            At::Post { nonce, .. } => Some(nonce),
            _ => None,
        }));
        self.excused.0 |= in_flight.0 & !attested.0;
    }

    /// The Secret was released; what happens to it afterwards is its owner's (R5).
    pub fn excuse_released(&mut self) {
        let target = self.target;
        let is_released = !self.resource.exists || self.resource.want() == Want::Released;
        if target.is_ours() && !target.owned && is_released {
            for id in (0..KEYS as u8).filter(|k| target.id == Some(*k) || target.replaces.has(*k)) {
                self.keys[id as usize].excused = true;
            }
        }
    }
}

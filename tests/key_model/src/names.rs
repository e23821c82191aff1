//! Which numbers are in use, and the normal form of a world: forgets what nobody can tell any more.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

use crate::world::*;

/// Keys and attempts that anything names.
pub fn used(world: &World) -> (Set, Set) {
    let mut used = Used::default();
    used.resource(&world.resource);
    used.target(&world.target, false);
    used.stagings(&world.stagings);
    if let Some(backup) = &world.backup {
        used.target(backup, false);
    }
    used.nonces.0 |= world.late.0;
    world.processes.iter().for_each(|p| used.process(p));
    (used.keys, used.nonces)
}

#[derive(Default)]
struct Used {
    keys: Set,
    nonces: Set,
}

impl Used {
    fn resource(&mut self, resource: &Resource) {
        let led = resource.led();
        self.keys.0 |= led.revoking.0;
        self.keys.extend(led.current.into_iter().chain(led.old));
        for a in led.attempts() {
            self.nonces.add(a.nonce);
            self.keys.0 |= a.known.0;
            self.keys.extend(a.suspect.into_iter().chain(a.key));
        }
    }

    fn target(&mut self, target: &Target, with_nonce: bool) {
        self.keys.0 |= target.replaces.0;
        self.keys.extend(target.id);
        if with_nonce {
            self.nonces.extend(target.nonce);
        }
    }

    fn stagings(&mut self, stagings: &[Staging; SLOTS]) {
        for s in stagings.iter().filter(|s| s.exists()) {
            self.nonces.add(s.nonce);
            self.keys.0 |= s.known.0;
            self.keys.extend(s.key);
        }
    }

    fn process(&mut self, p: &Process) {
        if p.at == At::Idle {
            return;
        }
        if let Some(list) = &p.list {
            self.keys
                .extend((0..KEYS as u8).filter(|k| list.keys[*k as usize].exists));
        }
        if let Some((nonce, key)) = p.chain {
            self.nonces.add(nonce);
            self.keys.add(key);
        }
        match &p.at {
            At::Idle | At::Listed | At::ChainAgain => {}
            At::HasResource(resource) => self.resource(resource),
            At::HasAll(resource, target, stagings) => {
                self.resource(resource);
                self.target(target, true);
                self.stagings(stagings);
            }
            At::Do(op) => self.op(op),
            At::WriteAttempt { nonce, known, .. } => {
                self.nonces.add(*nonce);
                self.keys.0 |= known.0;
            }
            At::TakeBackStaging { nonce, .. }
            | At::Post { nonce, .. }
            | At::RefusedStaging { nonce, .. }
            | At::RefusedLedger(nonce) => self.nonces.add(*nonce),
            At::Commit { nonce, key, .. } => {
                self.nonces.add(*nonce);
                self.keys.add(*key);
            }
            At::DeleteOwn(key) => self.keys.add(*key),
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Record(Some(resource)) => self.resource(resource),
            Op::Reserve { known, .. } => self.keys.0 |= known.0,
            Op::Publish {
                nonce,
                key,
                replaces,
                ..
            } => {
                self.nonces.add(*nonce);
                self.keys.add(*key);
                self.keys.0 |= replaces.0;
            }
            Op::LetGo { id, replaces } => {
                self.keys.extend(*id);
                self.keys.0 |= replaces.0;
            }
            Op::Delete(key) | Op::SetStatus(key, _) => self.keys.add(*key),
            Op::Test { nonce, key } => {
                self.nonces.add(*nonce);
                self.keys.add(*key);
            }
            Op::PostAgain { nonce, .. } => self.nonces.add(*nonce),
            Op::Record(None)
            | Op::DropSecret
            | Op::Own
            | Op::UserGoes
            | Op::Fence(_)
            | Op::DropStaging(_) => {}
        }
    }
}

impl World {
    /// The normal form; also looks whether an invariant of every state is broken.
    pub fn normalize(&mut self, setting: &Setting) {
        // First of all: a number that only a step names which cannot succeed any more is free.
        let any_target = setting.off == Some(Rule::TargetRevision);
        for process in &mut self.processes {
            doom(process, any_target);
        }
        let (_, nonces) = used(self);
        self.target.nonce = self.target.nonce.filter(|n| nonces.has(*n));
        for set in [
            &mut self.clock.expired,
            &mut self.clock.grace_over,
            &mut self.clock.tested_long,
            &mut self.excused,
        ] {
            set.keep(nonces);
        }
        for key in &mut self.keys {
            key.windows.keep(nonces);
            key.nonce = key.nonce.filter(|n| nonces.has(*n));
        }
        let mut live = Set::default();
        live.extend((0..KEYS as u8).filter(|k| self.key(*k).exists));
        forget_resource(&mut self.resource, live);
        self.target.replaces.keep(live);
        self.stagings.iter_mut().for_each(|s| s.known.keep(live));
        if let Some(backup) = &mut self.backup {
            backup.replaces.keep(live);
            backup.nonce = None;
        }
        for process in &mut self.processes {
            forget_process(process, live, nonces);
        }
        self.end_tampering();
        if self.broken.is_none() && !self.tampered && self.has_dead_key() {
            self.broken = Some(Broken::DeadKey);
        }
        let [first, second] = &self.processes;
        if setting.processes == 2 && !setting.told_apart && order(first) > order(second) {
            self.processes.swap(0, 1);
        }
    }

    fn has_dead_key(&self) -> bool {
        let (t, r) = (&self.target, &self.resource);
        let is_promised = if r.exists {
            matches!(r.want(), Want::Present | Want::Released) && t.uid == r.uid
        } else {
            !t.owned
        };
        t.is_ours()
            && is_promised
            && !(t.intact
                && t.id
                    .is_some_and(|k| self.key(k).exists && self.key(k).active))
    }

    /// Tampering is over when the Secret is good again and nobody holds an older view.
    fn end_tampering(&mut self) {
        if !self.tampered || self.processes.iter().any(|p| p.at != At::Idle) {
            return;
        }
        let (t, r) = (&self.target, &self.resource);
        let is_live =
            t.id.is_some_and(|k| self.key(k).exists && self.key(k).active);
        let is_healed = t.is_ours() && t.sealed && t.intact && is_live;
        let over = if r.exists {
            r.want() == Want::NoKey && !t.is_ours()
                || is_healed && t.uid == r.uid && t.id == r.led().current
        } else {
            !t.is_ours() || t.owned || is_healed
        };
        if over {
            self.tampered = false;
        }
    }
}

fn forget_resource(resource: &mut Resource, live: Set) {
    if let Some(led) = &mut resource.ledger {
        led.attempts
            .iter_mut()
            .flatten()
            .for_each(|a| a.known.keep(live));
    }
}

/// What a process still needs of what it has read.
fn forget_process(p: &mut Process, live: Set, nonces: Set) {
    if let Some(list) = &mut p.list {
        list.keys.iter_mut().for_each(|k| k.windows.keep(nonces));
        list.clock.expired.keep(nonces);
        list.clock.grace_over.keep(nonces);
        list.clock.tested_long.keep(nonces);
    }
    match &mut p.at {
        At::HasResource(resource) | At::Do(Op::Record(Some(resource))) => {
            forget_resource(resource, live);
        }
        At::HasAll(resource, target, stagings) => {
            forget_resource(resource, live);
            target.replaces.keep(live);
            for staging in stagings {
                staging.known.keep(live);
            }
        }
        At::Do(Op::Reserve { known, .. }) | At::WriteAttempt { known, .. } => known.keep(live),
        At::Do(Op::Publish { replaces, .. } | Op::LetGo { replaces, .. }) => replaces.keep(live),
        _ => {}
    }
}

/// A step that is conditional on what has changed since will fail, whatever it was.
fn doom(p: &mut Process, any_target: bool) {
    let (resource, target, slots) = needs(&p.at);
    p.fresh_resource &= resource;
    p.fresh_target &= target;
    p.fresh_slots.keep(slots);
    let is_doomed = match &p.at {
        At::Do(Op::Record(Some(_))) => !p.fresh_resource,
        At::Do(Op::Publish { .. } | Op::DropSecret | Op::LetGo { .. } | Op::Own) => {
            !p.fresh_target && !any_target
        }
        At::Do(Op::Fence(_) | Op::DropStaging(_)) => p.fresh_slots.is_empty(),
        _ => false,
    };
    if is_doomed {
        p.at = At::Do(Op::Record(None));
        (p.fresh_resource, p.fresh_target, p.fresh_slots) = (false, false, Set(0));
    }
    let is_last = matches!(
        p.at,
        At::Do(Op::Record(None))
            | At::TakeBackStaging { .. }
            | At::DeleteOwn(_)
            | At::RefusedStaging { .. }
            | At::RefusedLedger(_)
    );
    if is_last {
        p.list = None;
        p.chain = None;
    }
    if p.at == At::Idle {
        *p = IDLE;
    }
}

/// Which revisions the step is conditional on: resource, target, slots.
fn needs(at: &At) -> (bool, bool, Set) {
    let all = Set(0xff);
    match at {
        At::Idle | At::ChainAgain | At::DeleteOwn(_) => (false, false, Set(0)),
        At::Listed | At::HasAll(..) => (true, true, all),
        At::HasResource(_) | At::RefusedLedger(_) => (true, false, Set(0)),
        At::Do(op) => match op {
            Op::Record(_) | Op::Test { .. } | Op::Reserve { .. } => (true, false, Set(0)),
            Op::Publish { .. } | Op::DropSecret | Op::LetGo { .. } | Op::Own => {
                (false, true, Set(0))
            }
            Op::PostAgain { slot, .. } => (true, false, Set::one(*slot)),
            Op::Fence(slot) | Op::DropStaging(slot) => (false, false, Set::one(*slot)),
            Op::Delete(_) | Op::SetStatus(..) | Op::UserGoes => (false, false, Set(0)),
        },
        At::WriteAttempt { slot, .. }
        | At::TakeBackStaging { slot, .. }
        | At::Post { slot, .. }
        | At::Commit { slot, .. }
        | At::RefusedStaging { slot, .. } => (true, false, Set::one(*slot)),
    }
}

pub fn hash64(of: &impl Hash) -> u64 {
    // A fixed seed: a state must hash the same in every run.
    FixedState::with_seed(0).hash_one(of)
}

/// The two processes are interchangeable.
fn order(p: &Process) -> u64 {
    if p.at == At::Idle { 0 } else { hash64(p) | 1 }
}

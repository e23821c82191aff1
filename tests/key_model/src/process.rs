//! What a process does next, and what may go wrong at each request: crash, lost write, lost answer, late POST.

use cooper::engine::key::TestOutcome;

use crate::decide::{Decision, View, after_test, decide};
use crate::search::{Move, Out};
use crate::world::*;

/// All moves of process `i`.
pub fn moves(world: &World, i: usize, setting: &Setting, out: &mut Out) {
    let mut p = Step {
        world,
        i,
        setting,
        out,
    };
    let at = world.processes[i].at;
    if at != At::Idle && p.may_fail() {
        let crashed = p.idle(p.fail());
        p.fault(crashed, || format!("p{i} crashes at {at:?}"));
    }
    match at {
        At::Idle if setting.off == Some(Rule::ListAfterResource) => {
            let after = p.at(At::Listed, |q| q.list = Some(world.list()));
            p.go(after, || format!("p{i} lists first"));
        }
        At::Idle | At::Listed | At::ChainAgain => {
            let after = p.at(At::HasResource(world.resource), |q| q.fresh_resource = true);
            p.go(after, || format!("p{i} reads the resource"));
        }
        At::HasResource(resource) => {
            let after = p.at(At::HasAll(resource, world.target, world.stagings), |q| {
                (q.fresh_target, q.fresh_slots) = (true, Set(0xff));
            });
            p.go(after, || format!("p{i} reads the Secrets"));
        }
        At::HasAll(resource, target, stagings) => p.decide(resource, target, stagings),
        At::Do(Op::Test { nonce, key }) => p.test(nonce, key),
        At::Do(op) => p.act(op),
        At::WriteAttempt {
            slot,
            nonce,
            known,
            serial,
        } => p.write_attempt(slot, nonce, known, serial),
        At::TakeBackStaging { slot, nonce } => {
            let after = p.idle(p.without_own_staging(slot).0);
            p.go(after, || format!("p{i} takes back its staging of {nonce}"));
        }
        At::Post { slot, nonce } => p.post(slot, nonce),
        At::Commit { slot, nonce, key } => p.commit(slot, nonce, key),
        At::DeleteOwn(key) => {
            let mut deleted = *world;
            deleted.delete_key(key, setting);
            let after = p.idle(deleted);
            p.go(after, || {
                format!("p{i} deletes its own uncommitted key {key}")
            });
            if p.may_fail() {
                let after = p.idle(p.fail());
                p.fault(after, || format!("p{i} cannot delete its own key {key}"));
            }
        }
        At::RefusedStaging { slot, nonce } => {
            let (mut after, dropped) = p.without_own_staging(slot);
            if dropped {
                after.processes[i].at = At::RefusedLedger(nonce);
            } else {
                after = p.idle(after);
            }
            p.go(after, || {
                format!("p{i} drops the staging of refused attempt {nonce}")
            });
        }
        At::RefusedLedger(nonce) => {
            let mut after = *world;
            if world.processes[i].fresh_resource {
                let mut led = world.resource.led();
                led.remove(nonce);
                led.full |= !world.user_gone;
                after.write_resource(
                    Resource {
                        ledger: Some(led),
                        ..world.resource
                    },
                    Some(i),
                );
            }
            let after = p.idle(after);
            p.go(after, || format!("p{i} drops refused attempt {nonce}"));
        }
    }
}

struct Step<'a, 'b> {
    world: &'a World,
    i: usize,
    setting: &'a Setting,
    out: &'a mut Out<'b>,
}

/// How a write ends for the process: as it should, with its answer lost, or not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Well,
    AnswerLost,
    NotApplied,
}

impl Step<'_, '_> {
    fn process(&self) -> &Process {
        &self.world.processes[self.i]
    }
    fn may_fail(&self) -> bool {
        self.world.budget.faults > 0
    }
    /// The world with one fault spent.
    fn fail(&self) -> World {
        let mut world = *self.world;
        world.budget.faults -= 1;
        world
    }
    fn idle(&self, mut world: World) -> World {
        world.processes[self.i] = IDLE;
        world
    }
    /// The world with this process elsewhere.
    fn at(&self, at: At, change: impl FnOnce(&mut Process)) -> World {
        let mut world = *self.world;
        world.processes[self.i].at = at;
        change(&mut world.processes[self.i]);
        world
    }
    fn go(&mut self, after: World, label: impl FnOnce() -> String) {
        self.out.push(Move::Process(self.i), after, label);
    }
    fn fault(&mut self, after: World, label: impl FnOnce() -> String) {
        self.out.push(Move::Fault, after, label);
    }
    fn end(&mut self, end: End, after: World, label: impl FnOnce() -> String) {
        let by = if end == End::Well {
            Move::Process(self.i)
        } else {
            Move::Fault
        };
        self.out
            .push(by, after, || format!("{} ({end:?})", label()));
    }
    /// The ways a write may end now.
    fn ends(&self) -> &'static [End] {
        if self.may_fail() {
            &[End::Well, End::AnswerLost, End::NotApplied]
        } else {
            &[End::Well]
        }
    }

    fn view(
        &self,
        resource: Resource,
        target: Target,
        stagings: [Staging; SLOTS],
        list: List,
    ) -> View {
        let World {
            user_gone,
            terminating,
            ..
        } = *self.world;
        View {
            resource,
            target,
            stagings,
            list,
            user_gone,
            terminating,
            chain: self.process().chain,
        }
    }

    fn decide(&mut self, resource: Resource, target: Target, stagings: [Staging; SLOTS]) {
        let (world, i, chain) = (self.world, self.i, self.process().chain);
        if world.user_gone && resource.exists && !resource.deleting && chain.is_none() {
            let mut after = self.idle(*world);
            after.user_gone = false;
            return self.go(after, || format!("p{i} creates the user again"));
        }
        let list = self.process().list.unwrap_or_else(|| world.list());
        let decision = decide(&self.view(resource, target, stagings, list), self.setting);
        let mut after = *world;
        if chain.is_none() {
            // The list of a mint is the chain's.
            let mints = matches!(decision, Decision::Do(Op::Reserve { .. }));
            let chained = List {
                keys: list.keys.map(Key::listed),
                clock: Clock::default(),
            };
            after.processes[i].list = mints.then_some(chained);
        }
        match decision {
            Decision::Do(op) => after.processes[i].at = At::Do(op),
            _ => after = self.idle(after),
        }
        self.go(after, || {
            format!(
                "p{i} {} {decision:?}",
                if chain.is_some() {
                    "in its chain:"
                } else {
                    "lists:"
                }
            )
        });
    }

    /// One write of a decided step.
    fn act(&mut self, op: Op) {
        let i = self.i;
        for &end in self.ends() {
            let mut after = if end == End::Well {
                *self.world
            } else {
                self.fail()
            };
            let then = if end == End::NotApplied {
                Some(At::Idle)
            } else {
                self.apply(op, &mut after)
            };
            if end == End::AnswerLost && then.is_none() {
                continue;
            }
            let goes_on = end == End::Well && then.is_some();
            let next = match then {
                Some(At::Idle) | None => At::Idle,
                Some(At::ChainAgain) if self.process().chain.is_none() => At::Idle,
                Some(at) => at,
            };
            if goes_on && next != At::Idle {
                after.processes[i].at = next;
            } else {
                after = self.idle(after);
            }
            self.end(end, after, || {
                format!(
                    "p{i} {op:?}{}",
                    if then.is_none() { ": conflict" } else { "" }
                )
            });
        }
    }

    /// Applies `op` and says where the process goes on; `None`: a conflict, or nothing to do.
    fn apply(&self, op: Op, after: &mut World) -> Option<At> {
        let (world, i, p) = (self.world, self.i, self.process());
        let by = Some(i);
        let applied = |yes: bool| yes.then_some(At::ChainAgain);
        match op {
            Op::Record(record) => {
                let record = record.filter(|_| p.fresh_resource);
                record.map(|r| after.write_resource(r, by))?;
                applied(true)
            }
            Op::Reserve {
                slot,
                known,
                serial,
            } => self.reserve(slot, known, serial, after),
            Op::Publish {
                nonce,
                key,
                replaces,
                serial,
                uid,
                ..
            } => {
                let is_stale = !p.fresh_target && self.setting.off != Some(Rule::TargetRevision);
                if is_stale || world.terminating && world.target.holder == Holder::Absent {
                    return None;
                }
                after.target = Target {
                    holder: Holder::Ours,
                    uid,
                    id: Some(key),
                    nonce: Some(nonce),
                    serial,
                    replaces,
                    intact: true,
                    sealed: true,
                    owned: true,
                    released: false,
                };
                if world.target.holder == Holder::Foreign {
                    after.broken = Some(Broken::ForeignSecret);
                }
                after.touch_target(by);
                applied(true)
            }
            Op::DropSecret | Op::LetGo { .. } | Op::Own => {
                if !p.fresh_target {
                    return None;
                }
                self.rewrite_target(op, after);
                applied(true)
            }
            Op::Fence(slot) => {
                let staging = &mut after.stagings[slot as usize];
                if !p.fresh_slots.has(slot) || staging.fill != Fill::Empty {
                    return None;
                }
                staging.fill = Fill::Void;
                after.touch_slot(slot as usize, by);
                applied(true)
            }
            Op::DropStaging(slot) => {
                if !p.fresh_slots.has(slot) || !world.stagings[slot as usize].exists() {
                    return None;
                }
                after.stagings[slot as usize] = Staging::default();
                after.touch_slot(slot as usize, by);
                if world.resource.ledger.is_none() {
                    after.excuse();
                }
                Some(At::Idle)
            }
            Op::Delete(key) => {
                world
                    .key(key)
                    .exists
                    .then(|| after.delete_key(key, self.setting))?;
                applied(true)
            }
            Op::SetStatus(key, active) => {
                let k = *world.key(key);
                if !k.exists || k.active == active {
                    return None;
                }
                if k.foreign && !active && !self.setting.exclusive {
                    after.hurt(key, self.setting);
                }
                after.keys[key as usize].active = active;
                applied(true)
            }
            Op::UserGoes => {
                self.user_goes(after)?;
                applied(true)
            }
            Op::PostAgain { slot, nonce } => Some(At::Post { slot, nonce }),
            Op::Test { .. } => unreachable!("a test is a request of its own"),
        }
    }

    /// The cloud deletes the user, and its keys with it.
    fn user_goes(&self, after: &mut World) -> Option<()> {
        let world = self.world;
        if world.user_gone {
            return None;
        }
        let is_undoable =
            world.resource.led().parting == Some(Parting::Off) && !world.clock.parting_over;
        if is_undoable && world.resource.want() == Want::Gone {
            after.broken = Some(Broken::TooEarly);
        }
        after.keys = [Key::default(); KEYS];
        after.user_gone = true;
        after.went = self.setting.undo;
        Some(())
    }

    fn rewrite_target(&self, op: Op, after: &mut World) {
        let target = &mut after.target;
        match op {
            Op::DropSecret => {
                if target.holder == Holder::Foreign {
                    after.broken = Some(Broken::ForeignSecret);
                }
                *target = Target::default();
            }
            // Nothing live in it: it loses label and mark, so it is nobody's.
            Op::LetGo { id: None, .. } => {
                *target = Target {
                    holder: Holder::Foreign,
                    ..Target::default()
                }
            }
            Op::LetGo { id, replaces } => {
                *target = Target {
                    owned: false,
                    sealed: true,
                    released: true,
                    id,
                    replaces,
                    ..*target
                };
            }
            _ => {
                *target = Target {
                    owned: true,
                    released: false,
                    uid: self.world.resource.uid,
                    ..*target
                }
            }
        }
        after.touch_target(Some(self.i));
    }

    /// Mint, first write: the staging.
    fn reserve(&self, slot: u8, known: Set, serial: u8, after: &mut World) -> Option<At> {
        let world = self.world;
        if world.terminating || world.stagings[slot as usize].exists() {
            return None;
        }
        let Some(nonce) = world.fresh_nonce() else {
            after.broken = Some(Broken::Space);
            return None;
        };
        for set in [
            &mut after.clock.expired,
            &mut after.clock.grace_over,
            &mut after.clock.tested_long,
        ] {
            set.remove(nonce);
        }
        let uid = world.resource.uid;
        after.stagings[slot as usize] = Staging {
            fill: Fill::Empty,
            uid,
            nonce,
            key: None,
            known,
            serial,
        };
        after.touch_slot(slot as usize, Some(self.i));
        // Keys made since the list are inside the window.
        for (id, key) in after.keys.iter_mut().enumerate() {
            if key.exists && !known.has(id as u8) {
                key.windows.add(nonce);
                key.at_risk |= key.foreign;
            }
        }
        after.processes[self.i].fresh_slots.add(slot);
        Some(At::WriteAttempt {
            slot,
            nonce,
            known,
            serial,
        })
    }

    /// Mint, second write: the ledger.
    fn write_attempt(&mut self, slot: u8, nonce: u8, known: Set, serial: u8) {
        let i = self.i;
        let mut led = self.world.resource.led();
        let attempt = Attempt {
            nonce,
            known,
            serial,
            phase: Phase::Open,
            suspect: None,
            key: None,
            tested: false,
        };
        let ok = led.push(attempt) && self.process().fresh_resource;
        for &end in self.ends() {
            let mut after = if end == End::Well {
                *self.world
            } else {
                self.fail()
            };
            if ok && end != End::NotApplied {
                after.write_resource(
                    Resource {
                        ledger: Some(led),
                        ..self.world.resource
                    },
                    Some(i),
                );
            }
            if !ok && end == End::AnswerLost {
                continue;
            }
            match (end, ok) {
                (End::Well, true) => {
                    after.processes[i].at = At::Post { slot, nonce };
                    after.processes[i].fresh_resource = true;
                }
                (End::Well, false) => after.processes[i].at = At::TakeBackStaging { slot, nonce },
                _ => after = self.idle(after),
            }
            self.end(end, after, || {
                format!(
                    "p{i} reserves attempt {nonce}: {}",
                    if ok { "ok" } else { "conflict" }
                )
            });
        }
    }

    /// Drops the staging this process created, if it is still as it was; whether it was dropped.
    fn without_own_staging(&self, slot: u8) -> (World, bool) {
        let mut after = *self.world;
        let own = self.process().fresh_slots.has(slot)
            && self.world.stagings[slot as usize].fill == Fill::Empty;
        if own {
            after.stagings[slot as usize] = Staging::default();
            after.touch_slot(slot as usize, Some(self.i));
        }
        (after, own)
    }

    /// Mint, the POST.
    fn post(&mut self, slot: u8, nonce: u8) {
        let (world, i) = (self.world, self.i);
        if world.clock.expired.has(nonce) {
            let after = self.idle(*world);
            return self.go(after, || format!("p{i} gives up attempt {nonce}: too late"));
        }
        if world.user_gone || world.is_full() {
            let after = self.at(At::RefusedStaging { slot, nonce }, |_| ());
            self.go(after, || format!("p{i} POST of {nonce}: refused"));
        } else {
            let mut after = *world;
            if let Some(key) = after.mint(nonce) {
                let made = Key {
                    exists: true,
                    active: true,
                    windows: after.keys[key as usize].windows,
                    ..Key::default()
                };
                after.processes[i].at = At::Commit { slot, nonce, key };
                if let Some(list) = &mut after.processes[i].list {
                    list.keys[key as usize] = made;
                    list.clock = world.clock;
                }
            }
            self.go(after, || format!("p{i} POST of {nonce}: a key"));
            if self.may_fail() {
                let mut after = self.fail();
                if let Some(key) = after.mint(nonce) {
                    let used = self.setting.off == Some(Rule::UnusedUntilCommit);
                    after.keys[key as usize].used = used;
                }
                let after = self.idle(after);
                self.fault(after, || {
                    format!("p{i} POST of {nonce}: a key, but its answer is lost")
                });
            }
        }
        if self.may_fail() {
            let after = self.idle(self.fail());
            self.fault(after, || format!("p{i} POST of {nonce}: not delivered"));
            let mut after = self.idle(self.fail());
            after.late.add(nonce);
            self.fault(after, || {
                format!("p{i} POST of {nonce}: still under way after the timeout")
            });
        }
    }

    /// Mint, last write: the key and its secret into the staging.
    fn commit(&mut self, slot: u8, nonce: u8, key: u8) {
        let i = self.i;
        let is_empty = self.world.stagings[slot as usize].fill == Fill::Empty
            && self.world.stagings[slot as usize].nonce == nonce;
        let ok = is_empty
            && (self.process().fresh_slots.has(slot) || self.setting.off == Some(Rule::Fence));
        for &end in self.ends() {
            let mut after = if end == End::Well {
                *self.world
            } else {
                self.fail()
            };
            if !ok && end == End::AnswerLost {
                continue;
            }
            if ok && end != End::NotApplied {
                let staging = &mut after.stagings[slot as usize];
                (staging.fill, staging.key) = (Fill::Filled, Some(key));
                after.touch_slot(slot as usize, Some(i));
            }
            match (end, ok) {
                (End::Well, true) => {
                    after.processes[i].at = At::ChainAgain;
                    after.processes[i].chain = Some((nonce, key));
                }
                (End::Well, false) => after.processes[i].at = At::DeleteOwn(key),
                _ => after = self.idle(after),
            }
            self.end(end, after, || {
                format!(
                    "p{i} commits key {key}: {}",
                    if ok { "ok" } else { "conflict" }
                )
            });
        }
    }

    /// One signed request, then the real `after_test`.
    fn test(&mut self, nonce: u8, key: u8) {
        let (world, i) = (self.world, self.i);
        let k = *world.key(key);
        let works = k.exists && k.active;
        let mut outcomes = Vec::new();
        if works {
            outcomes.push((TestOutcome::Accepted, true));
        }
        if !works || world.budget.rejects > 0 {
            outcomes.push((TestOutcome::NotAccepted, false));
        }
        if self.may_fail() {
            outcomes.extend([
                (TestOutcome::Unreachable, false),
                (TestOutcome::Unreachable, true),
            ]);
        }
        for (outcome, used) in outcomes {
            let is_fault = outcome == TestOutcome::Unreachable;
            let mut after = if is_fault { self.fail() } else { *world };
            after.keys[key as usize].used |= used && k.exists;
            after.budget.rejects -= u8::from(outcome == TestOutcome::NotAccepted && works);
            let view = self.view(world.resource, world.target, world.stagings, world.list());
            match after_test(&view, nonce, outcome, self.setting) {
                Decision::Do(op) if self.process().fresh_resource => {
                    after.processes[i].at = At::Do(op);
                    if outcome != TestOutcome::Accepted {
                        after.processes[i].chain = None;
                    }
                }
                _ => after = self.idle(after),
            }
            let label = || format!("p{i} signs with key {key}: {outcome:?}");
            if is_fault {
                self.fault(after, label);
            } else {
                self.go(after, label);
            }
        }
    }
}

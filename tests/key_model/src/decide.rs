//! The bridge to the code under test: a process's view becomes `Stored`, `Listed`, `KeyWant`; the real `next` decides;
//! its step becomes an operation of the model. Lossless both ways, and remembered, for the same view comes up often.
//!
//! A rule is switched off here by showing `next` a false view, or by acting otherwise than it says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cooper::engine::key;
use cooper::engine::key::{KeyId, KeyStep, Moment, Nonce, TestOutcome};
use foldhash::HashMap;
use jiff::{SignedDuration, Timestamp};

use crate::world::*;

/// What a process knows when it decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct View {
    pub resource: Resource,
    pub target: Target,
    pub stagings: [Staging; SLOTS],
    pub list: List,
    pub user_gone: bool,
    pub terminating: bool,
    pub chain: Option<(u8, u8)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    Do(Op),
    Wait,
    Settled,
    Blocked,
    /// The chain ends.
    Unchained,
}

const NOW: i64 = 2_000_000_000;
const LONG_AGO: i64 = NOW - 1_000_000;

thread_local! {
    static KNOWN: RefCell<HashMap<(View, Option<Rule>), Decision>> = RefCell::default();
}

/// The pass around `next`: finalizer first, finalizer last.
pub fn decide(view: &View, setting: &Setting) -> Decision {
    let resource = view.resource;
    if !resource.exists {
        return Decision::Settled;
    }
    let want = resource.want();
    let with_finalizer = |finalizer| {
        Decision::Do(Op::Record(Some(Resource {
            finalizer,
            ..resource
        })))
    };
    if !resource.finalizer && matches!(want, Want::Present | Want::NoKey) {
        return with_finalizer(true);
    }
    let cached = KNOWN.with_borrow(|known| known.get(&(*view, setting.off)).copied());
    let decision = cached.unwrap_or_else(|| {
        let decision = ask(view, setting);
        KNOWN.with_borrow_mut(|known| known.insert((*view, setting.off), decision));
        decision
    });
    let ends = resource.finalizer && matches!(want, Want::Gone | Want::Released);
    match decision {
        Decision::Settled if ends => with_finalizer(false),
        Decision::Wait if ends && setting.off == Some(Rule::FinalizerWaits) => {
            with_finalizer(false)
        }
        other => other,
    }
}

/// The settings of one test are the same in all its views, so the cache is per test thread.
pub fn forget() {
    KNOWN.with_borrow_mut(HashMap::clear);
}

fn ask(view: &View, setting: &Setting) -> Decision {
    let (stored, listed, want) = (
        stored(view, setting),
        listed(view, setting),
        want(view, setting),
    );
    let limited = |step: &KeyStep| match setting.off {
        Some(Rule::ChainLimits) => false,
        Some(Rule::ChainJudgesItsOwn) => !matches!(
            step,
            KeyStep::Record { .. }
                | KeyStep::Publish { .. }
                | KeyStep::Fence { .. }
                | KeyStep::DropStaging { .. }
        ),
        _ => true,
    };
    let step = key::next(&stored, &listed, &want);
    let step = match view.chain.filter(|_| limited(&step)) {
        None => step,
        Some((nonce, id)) => {
            let own = key::Minting {
                nonce: nonce_name(nonce),
                key: key_name(id),
            };
            match key::chain_next(&stored, &listed, &want, &own) {
                Some(step) => step,
                None => return Decision::Unchained,
            }
        }
    };
    if view.chain.is_some() && matches!(step, KeyStep::Mint { .. }) {
        return Decision::Unchained;
    }
    match decision(view, &step) {
        Decision::Wait => impatient(view, setting),
        decision => otherwise(view, decision, setting),
    }
}

/// Rules that are switched off by not waiting where `next` waits.
fn impatient(view: &View, setting: &Setting) -> Decision {
    let (resource, led) = (view.resource, view.resource.led());
    let record = |led| {
        Decision::Do(Op::Record(Some(Resource {
            ledger: Some(led),
            ..resource
        })))
    };
    let waits = match setting.off {
        Some(Rule::ReleaseWaits) if resource.want() == Want::Released => {
            let open = led.attempts().find(|a| a.phase == Phase::Open);
            open.map(|a| {
                let mut led = led;
                led.remove(a.nonce);
                record(led)
            })
        }
        Some(Rule::UndoWaits) if led.parting == Some(Parting::On) => Some(record(Ledger {
            parting: None,
            ..led
        })),
        Some(Rule::OnePost) if resource.want() == Want::Present => {
            let open = led.attempts().filter(|a| a.phase == Phase::Open);
            let mut empty = open.filter_map(|a| {
                let is_its = |s: &Staging| s.fill == Fill::Empty && s.nonce == a.nonce;
                let slot = view.stagings.iter().position(is_its)? as u8;
                Some(Decision::Do(Op::PostAgain {
                    slot,
                    nonce: a.nonce,
                }))
            });
            empty.next()
        }
        Some(Rule::OneSuspect) => {
            let mut watching = led.attempts().filter(|a| a.phase == Phase::Watch);
            let found = watching.find_map(|a| {
                let found = candidates(view, a);
                let one = found.iter().next().filter(|_| found.0.is_power_of_two())?;
                let is_over = view.list.clock.grace_over.has(a.nonce);
                let others = led.attempts().any(|b| b.suspect == Some(one));
                (is_over && others).then_some((a.nonce, one))
            });
            found.map(|(nonce, suspect)| {
                let mut led = led;
                let attempts = led.attempts.iter_mut().flatten();
                for a in attempts.filter(|a| a.nonce == nonce) {
                    (a.phase, a.suspect) = (Phase::Deactivate, Some(suspect));
                }
                record(led)
            })
        }
        _ => None,
    };
    waits.unwrap_or(Decision::Wait)
}

/// Keys that may be the lost one of an attempt.
fn candidates(view: &View, attempt: &Attempt) -> Set {
    let led = view.resource.led();
    let is_staged = |id| {
        let staged = |s: &Staging| s.fill == Fill::Filled && s.key == Some(id);
        view.stagings.iter().any(staged)
    };
    let mut found = Set::default();
    found.extend((0..KEYS as u8).filter(|id| {
        let key = &view.list.keys[*id as usize];
        let is_ours = led.has_role(*id)
            || led.attempts().any(|a| a.key == Some(*id))
            || is_staged(*id)
            || attempt.known.has(*id);
        key.exists && !key.used && key.windows.has(attempt.nonce) && !is_ours
    }));
    found
}

/// Row 8a after the Test.
pub fn after_test(view: &View, nonce: u8, outcome: TestOutcome, setting: &Setting) -> Decision {
    let (stored, listed, want) = (
        stored(view, setting),
        listed(view, setting),
        want(view, setting),
    );
    decision(
        view,
        &key::after_test(&stored, &listed, &want, &nonce_name(nonce), outcome),
    )
}

/// Rules that are switched off by acting otherwise than `next` says.
fn otherwise(view: &View, decision: Decision, setting: &Setting) -> Decision {
    let Decision::Do(op) = decision else {
        return decision;
    };
    let resource = view.resource;
    let led = resource.led();
    let write = |change: &dyn Fn(&mut Ledger)| {
        let mut led = led;
        change(&mut led);
        Decision::Do(Op::Record(Some(Resource {
            ledger: Some(led),
            ..resource
        })))
    };
    match (setting.off, op) {
        (Some(Rule::RetireAfterPublish), Op::Publish { .. }) if led.current.is_some() => {
            write(&|l| {
                l.revoking.extend(l.current.take());
            })
        }
        (Some(Rule::PublishBeforeRelease), Op::Publish { nonce, key, .. })
            if resource.want() == Want::Released =>
        {
            write(&|l| {
                l.remove(nonce);
                l.revoking.add(key);
            })
        }
        (Some(Rule::IntentBeforeDelete), Op::Record(Some(after))) if setting.exclusive => {
            let new = Set(after.led().revoking.0 & !led.revoking.0);
            let mut ids = new.iter().filter(|k| !led.has_role(*k));
            ids.next().map_or(decision, |k| Decision::Do(Op::Delete(k)))
        }
        (Some(Rule::PartingRecorded), Op::Record(Some(after)))
            if led.parting.is_none() && after.led().parting == Some(Parting::Off) =>
        {
            let mut kept = led.current.into_iter().chain(led.old);
            let on = kept.find(|k| view.list.keys[*k as usize].active);
            Decision::Do(on.map_or(op, |key| Op::SetStatus(key, false)))
        }
        (Some(Rule::LedgerBeforeTest), Op::Record(Some(after))) => {
            let named = after.led().attempts().find_map(|a| {
                let is_new = led.attempt(a.nonce).is_some_and(|b| b.key.is_none());
                a.key.filter(|_| is_new).map(|key| Op::Test {
                    nonce: a.nonce,
                    key,
                })
            });
            Decision::Do(named.unwrap_or(op))
        }
        (Some(Rule::CountCandidates), Op::Record(Some(after))) => {
            let mut judged = led.attempts().filter(|a| {
                let now = after.led().attempt(a.nonce).map(|a| a.phase);
                a.phase == Phase::Open && now == Some(Phase::Watch)
            });
            let found = judged.next().map(|a| candidates(view, a));
            found.map_or(decision, |found| {
                write(&|l| l.revoking.extend(found.iter()))
            })
        }
        (Some(Rule::ReleaseNamesOld), Op::Record(Some(after)))
            if resource.want() == Want::Released
                && led.old.is_some_and(|old| after.led().revoking.has(old)) =>
        {
            write(&|l| l.old = None)
        }
        (Some(Rule::ReleaseNamesOld), Op::LetGo { id, mut replaces }) => {
            led.old.into_iter().for_each(|old| replaces.remove(old));
            Decision::Do(Op::LetGo { id, replaces })
        }
        (Some(Rule::ReleaseRevokes), Op::Delete(key)) if resource.want() == Want::Released => {
            write(&|l| l.revoking.remove(key))
        }
        (Some(Rule::OneSuspect), Op::Record(Some(after))) => {
            let mut own = after.led();
            for a in own.attempts.iter_mut().flatten() {
                let before = led.attempt(a.nonce).filter(|b| b.phase != Phase::Release);
                if let Some(before) = before {
                    a.known = before.known;
                }
            }
            write(&|l| *l = own)
        }
        (Some(Rule::MakeRoom), Op::Record(Some(after)))
            if led.full
                && led
                    == (Ledger {
                        revoking: led.revoking,
                        current: led.current,
                        old: led.old,
                        ..after.led()
                    })
                && after.led().revoking != led.revoking =>
        {
            Decision::Blocked
        }
        _ => decision,
    }
}

// From the model to the real types.

fn key_name(key: u8) -> KeyId {
    KeyId::new(format!("k{key}"))
}
fn nonce_name(nonce: u8) -> Nonce {
    Nonce::new(format!("n{nonce}"))
}
fn key_names(keys: Set) -> BTreeSet<KeyId> {
    keys.iter().map(key_name).collect()
}
fn moment(second: i64) -> Moment {
    Moment::of(Timestamp::from_second(second).unwrap())
}

fn place() -> key::Place {
    key::Place {
        account: "a".into(),
        service: "s".into(),
        user: "u".into(),
    }
}

fn want(view: &View, setting: &Setting) -> key::KeyWant {
    let gone = key::Want::Gone {
        user_goes: setting.user_goes && !view.user_gone,
    };
    let want = match view.resource.want() {
        Want::Present => key::Want::Present,
        Want::Gone => gone,
        // Too late to undo: the pass goes on with the deletion.
        Want::Released if setting.undo && view.resource.deleting && view.user_gone => gone,
        Want::NoKey => key::Want::NoKey,
        Want::Released => key::Want::Released,
    };
    key::KeyWant {
        want,
        serial: i64::from(view.resource.serial),
        every: None,
        asked: None,
        exclusive: setting.exclusive,
        hold: view.resource.hold,
        overlap: SignedDuration::from_mins(10),
        test: setting.test,
        undo: (setting.undo && !view.user_gone).then(|| SignedDuration::from_mins(10)),
        quota: Some(2),
        place: place(),
        secret_name: Some("s3".into()),
        adopt: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// The attempts whose windows the view knows.
fn nonces(view: &View) -> Set {
    let mut nonces = Set::default();
    nonces.extend(view.resource.led().attempts().map(|a| a.nonce));
    nonces.extend(view.stagings.iter().filter(|s| s.exists()).map(|s| s.nonce));
    nonces
}

fn is_expired(view: &View, nonce: u8, setting: &Setting) -> bool {
    view.list.clock.expired.has(nonce) || setting.off == Some(Rule::Deadline)
}

/// The windows of a listed key, among the attempts the view knows.
fn windows(view: &View, key: &Key, setting: &Setting) -> Set {
    let known = nonces(view);
    if setting.off == Some(Rule::Window) {
        known
    } else {
        Set(key.windows.0 & known.0)
    }
}

/// Intervals for the attempts and moments for the keys, so that each key lies in exactly the windows it lies in.
///
/// Moments are an hour apart, the latest of them an hour ago; a window reaches half an hour beyond its keys, that of an
/// attempt which is not expired beyond now.
struct Timeline {
    order: Vec<Set>,
}

impl Timeline {
    fn of(view: &View, setting: &Setting) -> Self {
        let mut groups: Vec<Set> = view
            .list
            .keys
            .iter()
            .filter(|k| k.exists)
            .map(|k| windows(view, k, setting))
            .filter(|w| !w.is_empty())
            .collect();
        groups.sort_by_key(|w| w.0);
        groups.dedup();
        let running = Set(nonces(view).0
            & !nonces(view)
                .iter()
                .filter(|n| is_expired(view, *n, setting))
                .fold(0, |s, n| s | 1 << n));
        let mut order = Vec::new();
        assert!(
            arrange(&mut groups, &mut order, running),
            "no timeline for {view:?}"
        );
        Self { order }
    }

    fn moment(&self, position: usize) -> i64 {
        NOW - 3600 * (self.order.len() - position) as i64
    }

    fn created(&self, windows: Set) -> i64 {
        self.order
            .iter()
            .position(|w| *w == windows)
            .map_or(LONG_AGO, |i| self.moment(i))
    }

    fn window(&self, nonce: u8, expired: bool) -> (i64, i64) {
        let first = self.order.iter().position(|w| w.has(nonce));
        let last = self.order.iter().rposition(|w| w.has(nonce));
        let at = first.map_or(NOW - 1000, |i| self.moment(i) - 1800);
        let until = last.map_or(NOW - 900, |i| self.moment(i) + 1800);
        (at, if expired { until.min(NOW) } else { NOW + 100 })
    }
}

/// Orders the groups so that each attempt's keys are neighbours, and last if its window is still open.
fn arrange(left: &mut Vec<Set>, order: &mut Vec<Set>, running: Set) -> bool {
    let Some(last) = order.last().copied() else {
        return left.is_empty() || try_each(left, order, running);
    };
    let open_at_last = Set(last.0 & running.0);
    let closed: u8 = order.iter().fold(0, |s, w| s | w.0) & !last.0;
    if left
        .iter()
        .any(|w| w.0 & closed != 0 || w.0 & open_at_last.0 != open_at_last.0)
    {
        return false;
    }
    left.is_empty() || try_each(left, order, running)
}

fn try_each(left: &mut Vec<Set>, order: &mut Vec<Set>, running: Set) -> bool {
    for i in 0..left.len() {
        let group = left.remove(i);
        order.push(group);
        if arrange(left, order, running) {
            return true;
        }
        order.pop();
        left.insert(i, group);
    }
    false
}

fn listed(view: &View, setting: &Setting) -> key::Listed {
    let timeline = Timeline::of(view, setting);
    let keys = view.list.keys.iter().enumerate().filter(|(_, k)| k.exists);
    let keys = keys.map(|(id, k)| {
        let created = timeline.created(windows(view, k, setting));
        // An overlap is over only if the old key's last use is long ago.
        let used = if view.list.clock.old_over {
            created + 1
        } else {
            NOW - 5
        };
        let is_used = k.used && setting.off != Some(Rule::Window);
        key::ListedKey {
            id: key_name(id as u8),
            active: k.active,
            created_at: moment(created).timestamp(),
            last_used_at: is_used.then(|| moment(used).timestamp()),
        }
    });
    key::Listed {
        at: moment(NOW).timestamp(),
        keys: keys.collect(),
    }
}

fn stored(view: &View, setting: &Setting) -> key::Stored {
    let timeline = Timeline::of(view, setting);
    let hides_stagings =
        setting.off == Some(Rule::StagingsAsEvidence) && view.resource.ledger.is_none();
    let slot = |s: &Staging| {
        if !s.exists() {
            return key::Slot::Free;
        }
        if s.uid != view.resource.uid || hides_stagings {
            return key::Slot::Taken;
        }
        key::Slot::Own(staging(view, s, &timeline, setting))
    };
    key::Stored {
        uid: key::Uid::new(format!("u{}", view.resource.uid)),
        finalizer: view.resource.finalizer,
        ledger: view
            .resource
            .ledger
            .map(|led| ledger(view, &led, &timeline, setting)),
        target: target(view, setting),
        slots: view.stagings.each_ref().map(slot),
        creates_refused: view.terminating,
        resource_version: String::new(),
    }
}

fn staging(view: &View, s: &Staging, timeline: &Timeline, setting: &Setting) -> key::Staging {
    let expired = is_expired(view, s.nonce, setting);
    let (at, until) = timeline.window(s.nonce, expired);
    let state = match s.fill {
        Fill::Filled => key::StagingState::Filled(key_name(s.key.unwrap())),
        Fill::Empty if setting.off == Some(Rule::Fence) && expired => key::StagingState::Void,
        Fill::Empty | Fill::Absent => key::StagingState::Empty,
        Fill::Void => key::StagingState::Void,
    };
    key::Staging {
        revision: key::Revision::default(),
        nonce: nonce_name(s.nonce),
        reservation: key::Reservation {
            known: key_names(s.known),
            at: moment(at),
            until: moment(until),
            serial: i64::from(s.serial),
        },
        state,
    }
}

fn target(view: &View, setting: &Setting) -> key::Target {
    let t = &view.target;
    let is_mine = t.uid == view.resource.uid && (t.owned || setting.off != Some(Rule::LabelIsOurs));
    match t.holder {
        Holder::Absent => return key::Target::Absent,
        Holder::Ours if is_mine => {}
        Holder::Ours | Holder::Foreign => return key::Target::Foreign,
    }
    let released = t.released && setting.off != Some(Rule::OwnAfterGrace);
    let mark = key::Mark {
        id: key_name(t.id.unwrap()),
        nonce: t.nonce.map_or(Nonce::new("none"), nonce_name),
        serial: i64::from(t.serial),
        replaces: if setting.off == Some(Rule::MarkReplaces) {
            BTreeSet::new()
        } else {
            key_names(t.replaces)
        },
        place: place(),
        released: released.then(|| moment(NOW - 1)),
    };
    key::Target::Ours(key::OwnTarget {
        revision: key::Revision::default(),
        owned: t.owned,
        labelled: true,
        mark: (t.sealed || setting.off == Some(Rule::MarkDigest)).then_some(mark),
        intact: t.intact,
        stale: false,
    })
}

const PHASES: [(Phase, key::Phase); 7] = [
    (Phase::Open, key::Phase::Open),
    (Phase::Watch, key::Phase::Watch),
    (Phase::Deactivate, key::Phase::Deactivate),
    (Phase::Inactive, key::Phase::Inactive),
    (Phase::Delete, key::Phase::Delete),
    (Phase::Release, key::Phase::Release),
    (Phase::Close, key::Phase::Close),
];

fn ledger(view: &View, led: &Ledger, timeline: &Timeline, setting: &Setting) -> key::Ledger {
    let clock = &view.list.clock;
    let since = |is_over: bool| moment(if is_over { LONG_AGO } else { NOW - 1 });
    let attempts = led.attempts().map(|a| {
        let (at, until) = timeline.window(a.nonce, is_expired(view, a.nonce, setting));
        let is_over = if a.phase == Phase::Open {
            &clock.tested_long
        } else {
            &clock.grace_over
        };
        key::Attempt {
            nonce: nonce_name(a.nonce),
            known: key_names(a.known),
            at: moment(at),
            until: moment(until),
            serial: i64::from(a.serial),
            phase: PHASES.iter().find(|(p, _)| *p == a.phase).unwrap().1,
            key: a.key.map(key_name),
            tested: a.tested,
            suspect: a.suspect.map(key_name),
            since: since(is_over.has(a.nonce)),
        }
    });
    key::Ledger {
        attempts: attempts.collect(),
        current: led.current.map(|k| key::Current {
            id: key_name(k),
            serial: i64::from(led.serial),
        }),
        old: led.old.map(|k| key::Old {
            id: key_name(k),
            phase: if led.old_inactive {
                key::OldPhase::Inactive
            } else {
                key::OldPhase::Overlap
            },
            since: since(clock.old_over),
        }),
        revoking: key_names(led.revoking),
        full: led.full,
        parting: parting(view, led, setting),
        asked: None,
        secret_name: Some("s3".into()),
    }
}

fn parting(view: &View, led: &Ledger, setting: &Setting) -> Option<key::Parting> {
    if setting.off == Some(Rule::UndoSwitchesOn) && view.resource.want() == Want::Released {
        return None;
    }
    let is_over = view.list.clock.parting_over || setting.off == Some(Rule::UndoWindow);
    led.parting.map(|phase| key::Parting {
        phase: match phase {
            Parting::Off => key::PartingPhase::Off,
            Parting::On => key::PartingPhase::On,
        },
        since: moment(if is_over { LONG_AGO } else { NOW - 1 }),
    })
}

fn parting_of(real: &key::Ledger) -> Option<Parting> {
    real.parting.map(|parting| match parting.phase {
        key::PartingPhase::Off => Parting::Off,
        key::PartingPhase::On => Parting::On,
    })
}

// And back.

fn number(name: &str) -> Option<u8> {
    name.get(1..)?.parse().ok()
}
fn key_of(id: &KeyId) -> u8 {
    number(id.as_str()).unwrap()
}
fn keys_of<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> Set {
    let mut set = Set::default();
    set.extend(ids.into_iter().map(key_of));
    set
}

fn decision(view: &View, step: &KeyStep) -> Decision {
    let nonce_in = |slot: usize| view.stagings[slot].nonce;
    Decision::Do(match step {
        KeyStep::Wait(_) => return Decision::Wait,
        KeyStep::Blocked(_) => return Decision::Blocked,
        KeyStep::Settled => return Decision::Settled,
        KeyStep::Record { ledger, .. } => {
            check_times(view, ledger);
            Op::Record(Some(Resource {
                ledger: Some(compact(ledger)),
                ..view.resource
            }))
        }
        KeyStep::Mint { slot, reservation } => Op::Reserve {
            slot: *slot as u8,
            known: keys_of(&reservation.known),
            serial: reservation.serial as u8,
        },
        KeyStep::Publish { key, slot, mark } => Op::Publish {
            slot: *slot as u8,
            nonce: nonce_in(*slot),
            key: key_of(key),
            replaces: keys_of(&mark.replaces),
            serial: mark.serial as u8,
            uid: view.resource.uid,
        },
        KeyStep::DropStaging { slot } => Op::DropStaging(*slot as u8),
        KeyStep::Fence { slot } => Op::Fence(*slot as u8),
        KeyStep::Delete { key } => Op::Delete(key_of(key)),
        KeyStep::SetStatus { key, active } => Op::SetStatus(key_of(key), *active),
        KeyStep::Test { key, attempt, .. } => Op::Test {
            nonce: number(attempt.as_str()).unwrap(),
            key: key_of(key),
        },
        KeyStep::Own { .. } => Op::Own,
        KeyStep::LetGo { mark } => Op::LetGo {
            id: mark.as_ref().map(|m| key_of(&m.id)),
            replaces: mark.as_ref().map_or(Set(0), |m| keys_of(&m.replaces)),
        },
        KeyStep::DropSecret => Op::DropSecret,
        KeyStep::UserGoes => Op::UserGoes,
        KeyStep::Rerender { .. } => unreachable!("nothing is stale in the model"),
    })
}

fn compact(real: &key::Ledger) -> Ledger {
    let mut led = Ledger {
        current: real.current.as_ref().map(|c| key_of(&c.id)),
        serial: real.current.as_ref().map_or(0, |c| c.serial as u8),
        old: real.old.as_ref().map(|o| key_of(&o.id)),
        old_inactive: real
            .old
            .as_ref()
            .is_some_and(|o| o.phase == key::OldPhase::Inactive),
        revoking: keys_of(&real.revoking),
        full: real.full,
        parting: parting_of(real),
        ..Ledger::default()
    };
    for a in &real.attempts {
        let fits = led.push(Attempt {
            nonce: number(a.nonce.as_str()).unwrap(),
            known: keys_of(&a.known),
            serial: a.serial as u8,
            phase: PHASES.iter().find(|(_, p)| *p == a.phase).unwrap().0,
            suspect: a.suspect.as_ref().map(key_of),
            key: a.key.as_ref().map(key_of),
            tested: a.tested,
        });
        assert!(fits, "more than three attempts");
    }
    led
}

/// The model only knows that a phase's time starts with the phase; so must the real `since`.
fn check_times(view: &View, after: &key::Ledger) {
    let before = view.resource.led();
    for a in &after.attempts {
        let same = before
            .attempt(number(a.nonce.as_str()).unwrap())
            .filter(|b| {
                PHASES.iter().any(|(p, q)| *p == b.phase && *q == a.phase)
                    && b.key == a.key.as_ref().map(key_of)
            });
        assert_eq!(a.since == moment(NOW), same.is_none(), "since of {a:?}");
    }
    if let Some(parting) = &after.parting {
        let same = before.parting == parting_of(after);
        assert_eq!(parting.since == moment(NOW), !same, "since of {parting:?}");
    }
    if let Some(old) = &after.old {
        let same = before.old == Some(key_of(&old.id))
            && before.old_inactive == (old.phase == key::OldPhase::Inactive);
        assert_eq!(old.since == moment(NOW), !same, "since of {old:?}");
    }
}

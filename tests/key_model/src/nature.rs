//! What happens without cooper: time, garbage collection, users and other tools.

use crate::search::{Move, Out};
use crate::world::*;

pub fn moves(world: &World, setting: &Setting, out: &mut Out) {
    time(world, out);
    old_time(world, setting, out);
    collector(world, out);
    tools(world, out);
    if world.budget.acts > 0 {
        for act in setting.acts {
            user(world, *act, out);
        }
    }
    users_always(world, setting, out);
}

/// Ticks have numbers, so that fairness could be asked of each.
fn tick(out: &mut Out, n: u8, after: World, label: impl FnOnce() -> String) {
    out.push(Move::Time(n), after, label);
}

fn time(world: &World, out: &mut Out) {
    parting_time(world, out);
    let used = crate::names::used(world).1;
    let led = world.resource.led();
    for n in 0..NONCES as u8 {
        let is_known = led.attempt(n).is_some() || world.slot_of(n).is_some();
        if is_known && used.has(n) && !world.clock.expired.has(n) && !world.late.has(n) {
            deadline(world, n, out);
        }
        let in_grace = led
            .attempt(n)
            .is_some_and(|a| matches!(a.phase, Phase::Watch | Phase::Inactive | Phase::Release));
        if in_grace && !world.clock.grace_over.has(n) && !world.processes.iter().any(holds_up_grace)
        {
            let mut after = *world;
            after.clock.grace_over.add(n);
            tick(out, 8 + n, after, || {
                format!("the grace of attempt {n} is over")
            });
        }
        if world.late.has(n) {
            late_post(world, n, out);
        }
    }
}

/// A3: a pass is shorter than a grace.
fn holds_up_grace(p: &Process) -> bool {
    matches!(p.at, At::Do(Op::SetStatus(..) | Op::Delete(_))) || reads_old_resource(p)
}
fn reads_old_resource(p: &Process) -> bool {
    matches!(p.at, At::HasResource(_) | At::HasAll(..)) && !p.fresh_resource
}

/// The undo window of a deletion, and the grace of an undo: that is longer than a pass (A3).
fn parting_time(world: &World, out: &mut Out) {
    let is_stalled = |p: &Process| holds_up_grace(p) || matches!(p.at, At::Do(Op::UserGoes));
    let passes = match world.resource.led().parting {
        Some(Parting::Off) => true,
        Some(Parting::On) => !world.processes.iter().any(is_stalled),
        None => false,
    };
    if passes && !world.clock.parting_over {
        let mut after = *world;
        after.clock.parting_over = true;
        tick(out, 30, after, || "the undo window is over".into());
    }
}

fn deadline(world: &World, n: u8, out: &mut Out) {
    let is_busy = |p: &Process| match p.at {
        At::WriteAttempt { nonce, .. }
        | At::TakeBackStaging { nonce, .. }
        | At::Post { nonce, .. }
        | At::Commit { nonce, .. }
        | At::RefusedStaging { nonce, .. }
        | At::RefusedLedger(nonce) => nonce == n,
        _ => false,
    };
    let mut after = *world;
    after.clock.expired.add(n);
    if !world.processes.iter().any(is_busy) {
        tick(out, n, after, || {
            format!("the deadline of attempt {n} passes")
        });
    } else if world.budget.faults > 0 {
        after.budget.faults -= 1;
        out.push(Move::Fault, after, || {
            format!("a process stalls past the deadline of attempt {n}")
        });
    }
}

fn late_post(world: &World, n: u8, out: &mut Out) {
    let mut dropped = *world;
    dropped.late.remove(n);
    tick(out, 16 + n, dropped, || {
        format!("the late POST of attempt {n} is dropped")
    });
    if !world.user_gone && !world.is_full() {
        let mut applied = dropped;
        // Its number is still in use: the window is open.
        applied.late.add(n);
        if let Some(key) = applied.mint(n) {
            applied.late.remove(n);
            tick(out, 16 + n, applied, || {
                format!("the late POST of attempt {n} makes key {key}")
            });
        }
    }
}

fn old_time(world: &World, setting: &Setting, out: &mut Out) {
    if world.resource.led().old.is_some() && !world.clock.old_over {
        let mut after = *world;
        after.clock.old_over = true;
        tick(out, 24, after, || "the phase of the old key is over".into());
    }
    if setting.test {
        for a in world
            .resource
            .led()
            .attempts()
            .filter(|a| a.phase == Phase::Open && a.key.is_some() && !a.tested)
        {
            let n = a.nonce;
            if !world.clock.tested_long.has(n) {
                let mut after = *world;
                after.clock.tested_long.add(n);
                tick(out, 50 + n, after, || {
                    format!("a minute since the key of attempt {n} was named")
                });
            }
        }
    }
    let may_undo = |p: &Process| p.at == At::Do(Op::Own) || reads_old_resource(p);
    if world.target.released
        && world.resource.want() == Want::Present
        && world.resource.exists
        && !world.processes.iter().any(may_undo)
    {
        let mut after = *world;
        after.target.released = false;
        after.touch_target(None);
        tick(out, 70, after, || {
            "the grace after the release is over".into()
        });
    }
}

fn collector(world: &World, out: &mut Out) {
    let is_owner = |uid: u8| world.resource.exists && world.resource.uid == uid;
    if world.terminating {
        if world.resource.exists && !world.resource.deleting {
            let after = deleted(world);
            tick(out, 60, after, || {
                "the namespace's end deletes the resource".into()
            });
        }
        if world.target.holder != Holder::Absent {
            tick(out, 61, without_target(*world), || {
                "the namespace's end deletes the Secret".into()
            });
        }
        for slot in (0..SLOTS).filter(|s| world.stagings[*s].exists()) {
            let after = without_staging(*world, slot);
            tick(out, 62 + slot as u8, after, || {
                format!("the namespace's end deletes staging {slot}")
            });
        }
    }
    if world.target.is_ours() && world.target.owned && !is_owner(world.target.uid) {
        let mut after = *world;
        after.target = Target::default();
        after.touch_target(None);
        tick(out, 25, after, || {
            "the Secret of a gone resource is collected".into()
        });
    }
    for slot in
        (0..SLOTS).filter(|s| world.stagings[*s].exists() && !is_owner(world.stagings[*s].uid))
    {
        let mut after = *world;
        after.stagings[slot] = Staging::default();
        after.touch_slot(slot, None);
        tick(out, 26 + slot as u8, after, || {
            format!("staging {slot} of a gone resource is collected")
        });
    }
}

fn deleted(world: &World) -> World {
    let mut after = *world;
    after.resource.deleting = true;
    after.touch_resource(None);
    after.collect_resource();
    after
}

fn without_target(mut after: World) -> World {
    after.excuse_released();
    after.target = Target::default();
    after.touch_target(None);
    after.tampered = true;
    after.excuse();
    after
}

fn without_staging(mut after: World, slot: usize) -> World {
    after.stagings[slot] = Staging::default();
    after.touch_slot(slot, None);
    after.tampered = true;
    after.excuse();
    after
}

/// Another tool makes a key; it is used, its owner switches it on again.
fn tools(world: &World, out: &mut Out) {
    if world.budget.foreigns > 0
        && !world.user_gone
        && !world.is_full()
        && let Some(id) = world.fresh_key()
    {
        let mut after = *world;
        after.budget.foreigns -= 1;
        let windows = world.open_windows();
        after.keys[id as usize] = Key {
            exists: true,
            active: true,
            foreign: true,
            windows,
            at_risk: !windows.is_empty(),
            ..Key::default()
        };
        out.push(Move::Env, after, || {
            format!("another tool makes key {id} in windows {:?}", windows.0)
        });
    }
    for id in 0..KEYS as u8 {
        let key = *world.key(id);
        if key.exists && key.foreign && key.at_risk {
            let mut after = *world;
            if key.active && !key.used {
                after.keys[id as usize].used = true;
                out.push(Move::Env, after, || format!("foreign key {id} is used"));
            } else if !key.active {
                after.keys[id as usize].active = true;
                out.push(Move::Env, after, || {
                    format!("its owner switches foreign key {id} on again")
                });
            }
        }
    }
}

/// Ordinary wishes, each with its own budget.
fn users_always(world: &World, setting: &Setting, out: &mut Out) {
    let is_there = world.resource.exists && !world.resource.deleting;
    if is_there && world.budget.rotations > 0 {
        let mut after = *world;
        after.budget.rotations -= 1;
        after.resource.serial += 1;
        after.touch_resource(None);
        out.push(Move::Env, after, || "the user asks to rotate".into());
    }
    if is_there && world.budget.holds > 0 {
        let mut after = *world;
        after.budget.holds -= 1;
        after.resource.hold = !after.resource.hold;
        after.touch_resource(None);
        out.push(Move::Env, after, || "the user turns hold on or off".into());
    }
    let is_emptied =
        world.target.holder == Holder::Absent && !world.stagings.iter().any(Staging::exists);
    if world.budget.recreations > 0 && !world.resource.exists && (!world.terminating || is_emptied)
    {
        let mut after = *world;
        after.budget.recreations -= 1;
        after.resource = Resource {
            exists: true,
            uid: 1 - world.resource.uid,
            serial: 0,
            ..world.resource.gone()
        };
        (after.terminating, after.user_gone, after.tampered) = (false, false, true);
        after.touch_resource(None);
        out.push(Move::Env, after, || {
            "the user makes the resource again".into()
        });
    }
    let backs_up = setting
        .acts
        .iter()
        .any(|a| matches!(a, Act::RestoreTarget | Act::RestoreTargetOnly));
    if backs_up && world.backup.is_none() && world.target.is_ours() && world.target.intact {
        let mut after = *world;
        after.backup = Some(world.target);
        out.push(Move::Env, after, || "a backup is taken".into());
    }
}

fn user(world: &World, act: Act, out: &mut Out) {
    let mut base = *world;
    base.budget.acts -= 1;
    let target = world.target;
    let is_there = world.resource.exists && !world.resource.deleting;
    let has_window = out.setting.undo;
    let mut does = |after: World| out.push(Move::Env, after, || format!("{act:?}"));
    match act {
        Act::DeleteTarget if target.holder != Holder::Absent => does(without_target(base)),
        Act::EditData if target.is_ours() && target.intact => {
            base.target.intact = false;
            does(tampered(base));
        }
        Act::ForeignTarget if target.holder == Holder::Absent => {
            base.target = Target {
                holder: Holder::Foreign,
                ..Target::default()
            };
            base.tampered = true;
            base.touch_target(None);
            does(base);
        }
        Act::DeleteStaging => {
            (0..SLOTS)
                .filter(|s| world.stagings[*s].exists())
                .for_each(|s| does(without_staging(base, s)));
        }
        Act::DeleteKey | Act::SwitchKeyOff => {
            for id in (0..KEYS).filter(|k| world.keys[*k].exists && !world.keys[*k].foreign) {
                let mut after = base;
                after.tampered = true;
                if act == Act::DeleteKey {
                    after.keys[id] = Key::default();
                    does(after);
                } else if world.keys[id].active {
                    after.keys[id].active = false;
                    does(after);
                }
            }
        }
        Act::DeleteResource if is_there => does(deleted(&base)),
        Act::NoKey if world.resource.exists && world.resource.wish != Wish::Release => {
            let removed = world.resource.wish == Wish::Key;
            does(wishing(
                base,
                if removed { Wish::NoKey } else { Wish::Key },
                true,
            ));
        }
        Act::Release if world.resource.exists && world.resource.wish != Wish::NoKey => {
            let released = world.resource.wish == Wish::Key;
            let wish = if released { Wish::Release } else { Wish::Key };
            let is_switched_off = world.resource.led().parting == Some(Parting::Off);
            base.went |= has_window && is_switched_off && world.clock.parting_over;
            does(wishing(base, wish, world.resource.deleting));
        }
        Act::AllSecretsGone
            if target.holder != Holder::Absent || world.stagings.iter().any(Staging::exists) =>
        {
            does(without_secrets(base, Target::default()));
        }
        Act::Terminate if !world.terminating => {
            base.terminating = true;
            does(base);
        }
        Act::Disown if target.is_ours() && target.owned => {
            base.target.owned = false;
            base.touch_target(None);
            does(base);
        }
        Act::ForgeMark if target.is_ours() => forged(world, base).into_iter().for_each(does),
        Act::LoseStatus if world.resource.exists => {
            let mut after = lost_status(base);
            after.excuse();
            does(after);
        }
        Act::RestoreTarget | Act::RestoreTargetOnly if world.resource.exists => {
            let Some(backup) = world.backup else { return };
            base.excuse_released();
            if act == Act::RestoreTarget {
                base.target = backup;
                does(tampered(base));
            } else {
                does(without_secrets(lost_status(base), backup));
            }
        }
        _ => {}
    }
}

fn tampered(mut after: World) -> World {
    after.tampered = true;
    after.touch_target(None);
    after.excuse();
    after
}

fn wishing(mut after: World, wish: Wish, tampers: bool) -> World {
    after.resource.wish = wish;
    after.tampered |= tampers;
    after.touch_resource(None);
    after
}

fn without_secrets(mut after: World, target: Target) -> World {
    after.excuse_released();
    after.target = target;
    after.stagings = [Staging::default(); SLOTS];
    (0..SLOTS).for_each(|slot| after.touch_slot(slot, None));
    tampered(after)
}

fn lost_status(mut after: World) -> World {
    after
        .keys
        .iter_mut()
        .filter(|k| k.foreign && k.at_risk)
        .for_each(|k| k.excused = true);
    let resource = Resource {
        ledger: None,
        ..after.resource
    };
    after.write_resource(resource, None);
    after
}

/// The mark is edited to name a foreign key, as its own or as one it replaces.
fn forged(world: &World, base: World) -> Vec<World> {
    let foreign = (0..KEYS as u8).filter(|k| world.is_foreign(*k));
    let both = foreign.flat_map(|k| [true, false].map(|as_id| (k, as_id)));
    both.map(|(k, as_id)| {
        let mut after = base;
        after.excuse_released();
        if as_id {
            after.target.id = Some(k);
        } else {
            after.target.replaces.add(k);
        }
        after.target.sealed = false;
        tampered(after)
    })
    .collect()
}

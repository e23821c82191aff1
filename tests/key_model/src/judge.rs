//! Quiescence: faults stop, all processes die, late POSTs land or not, one operator runs until nothing changes; then
//! every key of ours must be where it belongs (I1, I2, I3, I5).

use crate::search::{Move, successors};
use crate::world::*;

/// Runs one operator from a calm world to its fixpoint; `Err`: what is broken then.
pub fn settle(world: World, setting: &Setting) -> Result<(), String> {
    let Some(nonce) = world.late.iter().next() else {
        return run(world, setting).and_then(|end| judge(&end, setting));
    };
    let mut dropped = world;
    dropped.late.remove(nonce);
    dropped.normalize(setting);
    settle(dropped, setting)?;
    let mut applied = world;
    if world.user_gone || world.is_full() || applied.mint(nonce).is_none() {
        return Ok(());
    }
    applied.late.remove(nonce);
    applied.normalize(setting);
    settle(applied, setting)
}

fn run(mut world: World, setting: &Setting) -> Result<World, String> {
    let alone = Setting {
        processes: 1,
        acts: &[],
        ..setting.clone()
    };
    for _ in 0..400 {
        let after = pass(world, &alone)?;
        if after != world {
            world = after;
            continue;
        }
        // Only time and the garbage collector are left.
        let mut tick = None;
        successors(&world, &alone, false, |by, after, _| {
            if matches!(by, Move::Time(_)) {
                tick = Some(after);
            }
        });
        match tick {
            Some(after) => world = after,
            None => return Ok(world),
        }
    }
    Err("I5: no fixpoint".into())
}

/// One pass without interruption.
fn pass(mut world: World, alone: &Setting) -> Result<World, String> {
    for _ in 0..60 {
        let mut next = None;
        successors(&world, alone, false, |by, after, _| {
            if matches!(by, Move::Process(_)) {
                next = Some(after);
            }
        });
        world = next.ok_or("I5: stuck")?;
        if world.processes[0].at == At::Idle {
            world.processes.swap(0, 1);
        }
        if let Some(broken) = world.broken {
            return Err(format!("{broken:?} while one operator runs alone"));
        }
        if world.processes[0].at == At::Idle {
            return Ok(world);
        }
    }
    Err("I5: a pass without end".into())
}

/// What is broken in a world that stays as it is.
pub fn judge(world: &World, setting: &Setting) -> Result<(), String> {
    let (r, t) = (&world.resource, &world.target);
    let is_kept = t.is_ours() && r.exists && t.uid == r.uid && r.want() != Want::NoKey;
    let (ours, foreign, leftover) = count_keys(world, setting, is_kept)?;
    if !r.exists {
        let key = t.id.map(|k| *world.key(k)).unwrap_or_default();
        if setting.undo && !world.went && t.is_ours() && !t.owned && !key.active {
            return Err("the Secret that an undo kept holds a dead key".into());
        }
        let remains = t.is_ours() && t.owned || world.stagings.iter().any(Staging::exists);
        return if remains {
            Err("a Secret is left behind".into())
        } else {
            Ok(())
        };
    }
    match r.want() {
        Want::Gone => Err("I5: the deletion does not end".into()),
        Want::Released => judge_released(world),
        Want::NoKey if t.is_ours() && t.uid == r.uid => Err("NoKey: the Secret stays".into()),
        Want::NoKey => Ok(()),
        // Somebody else's; it stays until its owner removes it.
        Want::Present if t.is_ours() && t.uid != r.uid && !t.owned => Ok(()),
        Want::Present if is_kept && !t.owned => Err("the owner is not put back".into()),
        Want::Present if t.holder == Holder::Foreign => Ok(()),
        Want::Present => judge_present(world, is_kept, ours, foreign + leftover),
    }
}

/// I1: each key of ours is recorded where it belongs. Returns live keys: wanted ones, foreign ones, reported ones.
fn count_keys(
    world: &World,
    setting: &Setting,
    is_kept: bool,
) -> Result<(usize, usize, usize), String> {
    let (r, t, led) = (&world.resource, &world.target, world.resource.led());
    let (mut ours, mut foreign, mut leftover) = (0, 0, 0);
    for (id, key) in world.keys.iter().enumerate().filter(|(_, k)| k.exists) {
        let id = id as u8;
        if key.foreign {
            if key.used && !key.active && !key.excused && !setting.exclusive {
                return Err(format!("I4: foreign key {id} is used and left Inactive"));
            }
            foreign += 1;
            continue;
        }
        let is_marked = t.is_ours() && t.id == Some(id);
        let is_let_go = t.is_ours() && !t.owned && (is_marked || t.replaces.has(id));
        let is_held = r.exists && r.hold && led.old == Some(id) && is_kept;
        let is_staged = world
            .stagings
            .iter()
            .any(|s| s.fill == Fill::Filled && s.key == Some(id));
        let is_blocked = t.holder == Holder::Foreign
            && r.exists
            && (led.current == Some(id) || led.old == Some(id) || is_staged);
        let is_reported = key.excused && !setting.exclusive
            || is_ambiguous(world, key)
            || key.excused && !r.exists;
        match () {
            () if is_let_go => {}
            () if is_kept && t.sealed && is_marked || is_held => ours += 1,
            () if is_blocked => {}
            () if is_reported => leftover += 1,
            () => return Err(format!("I1: key {id} of ours leaked")),
        }
    }
    Ok((ours, foreign, leftover))
}

/// R2: a lost key that cannot be told from a foreign one of the same window is reported, not deleted.
fn is_ambiguous(world: &World, key: &Key) -> bool {
    world.resource.led().attempts().any(|a| {
        let same = |k: &Key| k.windows.has(a.nonce);
        let other = |k: &Key| k.exists && (k.foreign || k.excused) && !k.used && same(k);
        a.phase == Phase::Watch && same(key) && world.keys.iter().any(other)
    })
}

fn judge_released(world: &World) -> Result<(), String> {
    let (r, t) = (&world.resource, &world.target);
    let is_held_up = t.is_ours() && t.uid == r.uid && t.owned;
    let key = t.id.map(|k| *world.key(k)).unwrap_or_default();
    let is_users_doing = world.tampered && !key.exists || key.excused;
    if r.finalizer || is_held_up && !is_users_doing {
        Err("I5: the release does not end".into())
    } else {
        Ok(())
    }
}

/// I2 and I3
fn judge_present(world: &World, is_kept: bool, ours: usize, others: usize) -> Result<(), String> {
    let (r, t, led) = (&world.resource, &world.target, world.resource.led());
    let key = t.id.map(|k| *world.key(k)).unwrap_or_default();
    let is_good = is_kept && t.intact && t.sealed && key.exists && key.active && !key.foreign;
    if !is_good {
        return if others >= 2 {
            Ok(())
        } else {
            Err("I2: no live key in the Secret".into())
        };
    }
    if t.id != led.current {
        return Err("I2: the ledger does not name the key of the Secret".into());
    }
    let wanted = if r.hold && led.old.is_some() { 2 } else { 1 };
    if ours != wanted {
        return Err(format!("I3: {ours} keys, wanted {wanted}"));
    }
    if led.serial < r.serial && others + ours < 2 {
        return Err("the rotation did not happen".into());
    }
    Ok(())
}

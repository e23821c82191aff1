//! Breadth-first search over all worlds, and the way to a broken one.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::judge::settle;
use crate::names::hash64;
use crate::world::{Broken, Budget, IDLE, Setting, World};
use crate::{nature, process};

/// Who moves. Processes and time are fair; users and faults are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    Process(usize),
    Time(u8),
    Env,
    Fault,
}

/// Takes successors; labels are made only where somebody reads them.
pub struct Out<'a> {
    pub setting: &'a Setting,
    pub labels: bool,
    pub take: &'a mut dyn FnMut(Move, World, String),
}

impl Out<'_> {
    pub fn push(&mut self, by: Move, mut after: World, label: impl FnOnce() -> String) {
        after.normalize(self.setting);
        let label = if self.labels { label() } else { String::new() };
        (self.take)(by, after, label);
    }
}

pub fn successors(
    world: &World,
    setting: &Setting,
    labels: bool,
    mut take: impl FnMut(Move, World, String),
) {
    let mut out = Out {
        setting,
        labels,
        take: &mut take,
    };
    for i in 0..setting.processes {
        // Two processes in the same state have the same moves.
        let alike = !setting.told_apart && world.processes[0] == world.processes[1];
        if i == 0 || !alike {
            process::moves(world, i, setting, &mut out);
        }
    }
    nature::moves(world, setting, &mut out);
}

pub struct Report {
    pub states: usize,
    pub transitions: usize,
    pub depth: usize,
    /// What is broken, and the shortest way there.
    pub broken: Option<(String, Vec<String>)>,
}

/// Explores every world. Each is checked at once, and once more after faults stop and one operator runs to the end.
pub fn explore(setting: &Setting, most: usize) -> Report {
    explore_for("", setting, most)
}

/// As [`explore`], until something is broken in the way that begins with `sought`. What is broken otherwise is passed over.
pub fn explore_for(sought: &str, setting: &Setting, most: usize) -> Report {
    crate::decide::forget();
    let start = World::new(setting);
    let mut parent = HashMap::<u64, u64>::new();
    parent.insert(hash64(&start), hash64(&start));
    let mut settled = HashSet::<u64>::new();
    let mut frontier = vec![start];
    let mut report = Report {
        states: 1,
        transitions: 0,
        depth: 0,
        broken: None,
    };
    while !frontier.is_empty() {
        let mut reached = Vec::new();
        for world in &frontier {
            let from = hash64(world);
            let mut broken = None;
            successors(world, setting, false, |_, after, _| {
                report.transitions += 1;
                let hash = hash64(&after);
                if broken.is_some() || parent.contains_key(&hash) {
                    return;
                }
                parent.insert(hash, from);
                broken = check(&after, setting, &mut settled)
                    .filter(|what| what.starts_with(sought))
                    .map(|what| (what, hash));
                reached.push(after);
            });
            if let Some((what, hash)) = broken {
                report.broken = Some((what, trace(start, setting, &parent, hash)));
                return report;
            }
            report.states = parent.len();
            assert!(
                report.states <= most,
                "more than {most} states at depth {}",
                report.depth
            );
        }
        report.depth += 1;
        frontier = reached;
    }
    report
}

fn check(world: &World, setting: &Setting, settled: &mut HashSet<u64>) -> Option<String> {
    if let Some(broken) = world.broken {
        assert_ne!(broken, Broken::Space, "the model has too few numbers");
        return Some(format!("{broken:?}"));
    }
    let mut calm = *world;
    calm.processes = [IDLE; 2];
    calm.budget = Budget::default();
    calm.normalize(setting);
    if !settled.insert(hash64(&calm)) {
        return None;
    }
    settle(calm, setting).err()
}

fn trace(start: World, setting: &Setting, parent: &HashMap<u64, u64>, end: u64) -> Vec<String> {
    let mut way = vec![end];
    let mut hash = end;
    while hash != hash64(&start) {
        hash = parent[&hash];
        way.push(hash);
    }
    let mut world = start;
    let mut labels = Vec::new();
    for hash in way.iter().rev().skip(1) {
        let mut found = None;
        successors(&world, setting, true, |_, after, label| {
            if found.is_none() && hash64(&after) == *hash {
                found = Some((after, label));
            }
        });
        let (after, label) = found.expect("the way can be walked again");
        labels.push(label);
        world = after;
    }
    labels.push(format!("{world:?}"));
    labels
}

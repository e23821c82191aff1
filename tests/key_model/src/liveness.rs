//! Livelocks: ways to go on for ever without a fault, each process and all of time moving on, and never to arrive.
//!
//! All worlds are taken, and of their moves those that come by themselves: steps of processes, and time. Where a strongly connected part
//! of that graph can be stayed in *fairly* (no move that is possible in all of it leads out of it), an operator may stay there for ever.
//! So nothing may change there but the places of the processes, and what is there must be what was wanted.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::judge::judge;
use crate::names::hash64;
use crate::search::{Move, successors};
use crate::world::{Budget, IDLE, Setting, World};

/// What is known of a world without its processes.
struct Seen {
    /// The same for worlds in which only processes stand elsewhere.
    calm: u64,
    /// What is broken if it stays like this.
    wrong: Option<String>,
}

pub struct Report {
    pub states: usize,
    /// Parts of the graph that can be stayed in fairly.
    pub lasting: usize,
    /// What is wrong with one of them, and a world of it.
    pub broken: Option<String>,
}

/// Searches all worlds of the setting, which has no faults, for a part that does not end well.
pub fn search(setting: &Setting, most: usize) -> Report {
    assert_eq!(
        setting.budget.faults, 0,
        "a fault may come at any time: no cycle is free of it"
    );
    // Processes are told apart: a move must be the same one's at every turn of a cycle.
    let setting = &Setting {
        told_apart: true,
        ..setting.clone()
    };
    let (graph, worlds) = graph(setting, most);
    let mut report = Report {
        states: graph.node_count(),
        lasting: 0,
        broken: None,
    };
    let parts = kosaraju_scc(&graph);
    let mut part_of = vec![0; graph.node_count()];
    for (n, part) in parts.iter().enumerate() {
        for world in part {
            part_of[world.index()] = n;
        }
    }
    for part in parts.iter().filter(|part| lasts(&graph, part, &part_of)) {
        report.lasting += 1;
        let seen = |world: &NodeIndex| &graph[*world];
        let first = seen(&part[0]);
        let wrong = if part.iter().all(|world| seen(world).calm == first.calm) {
            first.wrong.clone()
        } else {
            Some("the world goes on changing".to_owned())
        };
        if let Some(wrong) = wrong {
            let world = worlds[part[0].index()];
            report.broken = Some(format!(
                "livelock: {wrong}, in {} worlds as {world:x}",
                part.len()
            ));
            break;
        }
    }
    report
}

/// All worlds, and the moves between them that come by themselves.
fn graph(setting: &Setting, most: usize) -> (DiGraph<Seen, u8>, Vec<u64>) {
    crate::decide::forget();
    let start = World::new(setting);
    let mut graph = DiGraph::new();
    let mut nodes = HashMap::new();
    nodes.insert(hash64(&start), graph.add_node(seen(&start, setting)));
    let mut worlds = vec![hash64(&start)];
    let mut frontier = vec![start];
    while !frontier.is_empty() {
        let mut reached = Vec::new();
        for world in &frontier {
            let from = nodes[&hash64(world)];
            successors(world, setting, false, |by, after, _| {
                let hash = hash64(&after);
                let to = *nodes.entry(hash).or_insert_with(|| {
                    worlds.push(hash);
                    reached.push(after);
                    graph.add_node(seen(&after, setting))
                });
                if let Some(of) = fair(by) {
                    graph.add_edge(from, to, of);
                }
            });
            assert!(nodes.len() <= most, "more than {most} states");
        }
        frontier = reached;
    }
    (graph, worlds)
}

fn seen(world: &World, setting: &Setting) -> Seen {
    let mut calm = *world;
    (calm.processes, calm.budget) = ([IDLE; 2], Budget::default());
    let wrong = judge(&calm, setting).err();
    // Only the checker knows of it; it ends once nobody is under way.
    calm.tampered = false;
    Seen {
        calm: hash64(&calm),
        wrong,
    }
}

/// A number for who moves, if that comes by itself.
fn fair(by: Move) -> Option<u8> {
    match by {
        Move::Time(n) => Some(n),
        Move::Process(i) => Some(200 + u8::from(i == 1)),
        Move::Env | Move::Fault => None,
    }
}

/// Whether a run can stay there for ever, though everybody moves on: it has a cycle, and no move that is always possible only leads out.
fn lasts(graph: &DiGraph<Seen, u8>, part: &[NodeIndex], part_of: &[usize]) -> bool {
    let here = part_of[part[0].index()];
    let mut inside = BTreeSet::new();
    let mut always: Option<BTreeSet<u8>> = None;
    for world in part {
        let mut possible = BTreeSet::new();
        for edge in graph.edges(*world) {
            possible.insert(*edge.weight());
            if part_of[edge.target().index()] == here {
                inside.insert(*edge.weight());
            }
        }
        always = Some(always.map_or(possible.clone(), |before| &before & &possible));
    }
    !inside.is_empty() && always.is_none_or(|always| always.is_subset(&inside))
}

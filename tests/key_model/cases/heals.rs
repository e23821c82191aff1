//! Whatever goes wrong, it heals.

use cooper_key_model::search::explore;
use cooper_key_model::world::{Act, Budget, Setting};

use crate::{MOST, budget, setting};

pub fn holds(setting: &Setting) {
    let report = explore(setting, MOST);
    println!(
        "{setting:?}: {} states, {} transitions, depth {}",
        report.states, report.transitions, report.depth
    );
    if let Some((what, way)) = report.broken {
        panic!("{what}\n{}", way.join("\n"));
    }
}

#[test]
fn one_replica_survives_three_faults() {
    holds(&setting(
        1,
        Budget {
            faults: 3,
            ..budget()
        },
    ));
}

#[test]
fn one_replica_rotates_through_two_faults() {
    holds(&setting(
        1,
        Budget {
            faults: 2,
            rotations: 1,
            ..budget()
        },
    ));
}

#[test]
fn two_replicas_rotate_together() {
    holds(&setting(
        2,
        Budget {
            rotations: 1,
            ..budget()
        },
    ));
}

#[test]
fn each_user_act_heals() {
    holds(&setting(
        1,
        Budget {
            acts: 1,
            rotations: 1,
            ..budget()
        },
    ));
}

#[test]
fn each_user_act_heals_beside_a_fault() {
    holds(&setting(
        1,
        Budget {
            acts: 1,
            faults: 1,
            ..budget()
        },
    ));
}

#[test]
fn a_signed_test_loses_no_key() {
    let budget = Budget {
        acts: 1,
        rejects: 1,
        ..budget()
    };
    holds(&Setting {
        test: true,
        ..setting(1, budget)
    });
}

#[test]
fn a_user_that_goes_takes_its_keys_along() {
    let budget = Budget {
        acts: 1,
        faults: 1,
        recreations: 1,
        ..budget()
    };
    let acts = &[Act::DeleteResource, Act::LoseStatus, Act::Release];
    holds(&Setting {
        user_goes: true,
        acts,
        ..setting(1, budget)
    });
}

#[test]
fn foreign_keys_stay_whatever_fails() {
    holds(&setting(
        1,
        Budget {
            faults: 1,
            foreigns: 1,
            rotations: 1,
            ..budget()
        },
    ));
}

#[test]
fn exclusive_ends_with_one_key() {
    let budget = Budget {
        faults: 1,
        foreigns: 1,
        ..budget()
    };
    holds(&Setting {
        exclusive: true,
        ..setting(1, budget)
    });
}

#[test]
fn a_rollback_keeps_both_keys() {
    holds(&setting(
        1,
        Budget {
            faults: 1,
            holds: 1,
            rotations: 1,
            ..budget()
        },
    ));
}

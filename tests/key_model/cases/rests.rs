//! Two replicas that nothing disturbs come to rest.

use cooper_key_model::liveness;
use cooper_key_model::world::{Act, Budget, Rule, Setting};

use crate::{MOST, budget, setting};

fn ends(setting: &Setting) {
    let report = liveness::search(setting, MOST);
    println!(
        "{setting:?}: {} states, {} parts that last",
        report.states, report.lasting
    );
    assert_eq!(report.broken, None);
    assert!(report.lasting > 0, "nothing ever comes to rest");
}

#[test]
fn two_replicas_come_to_rest_after_a_rotation() {
    ends(&setting(
        2,
        Budget {
            rotations: 1,
            ..budget()
        },
    ));
}

#[test]
fn two_replicas_come_to_rest_after_a_release_and_after_a_key_is_wanted_no_more() {
    for acts in [[Act::Release].as_slice(), &[Act::NoKey]] {
        let budget = Budget {
            acts: 1,
            ..budget()
        };
        ends(&Setting {
            acts,
            ..setting(2, budget)
        });
    }
}

#[test]
fn without_the_grace_two_replicas_release_and_own_for_ever() {
    let budget = Budget {
        acts: 2,
        ..budget()
    };
    let report = liveness::search(
        &Setting {
            acts: &[Act::Release],
            off: Some(Rule::OwnAfterGrace),
            ..setting(2, budget)
        },
        MOST,
    );
    println!("{:?}", report.broken);
    assert!(report.broken.is_some(), "in {} states", report.states);
}

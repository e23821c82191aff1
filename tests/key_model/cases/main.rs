//! What the search finds within bounds that run in seconds; `make proof` searches larger ones and prints how many states it saw.
//!
//! Single ones: `COOPER_KEY_MODEL="processes=2 faults=1 rotations=1" cargo test --package cooper-key-model -- one_setting --nocapture`; words:
//! processes, faults, acts, rotations, holds, foreigns, recreations, rejects (numbers), exclusive, foreign, `two_lost`, test, `user_goes`, undo,
//! live (livelocks, without faults), most (states), act=<name>.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole crate is a test"
)]

mod heals;
mod proof;
mod rests;
mod rules;

use cooper_key_model::world::{ACTS, Budget, Setting};

/// States of one setting, at most.
const MOST: usize = 3_000_000;

/// This many replicas that go through this; users may do everything.
fn setting(processes: usize, budget: Budget) -> Setting {
    Setting {
        processes,
        budget,
        acts: ACTS,
        exclusive: false,
        foreign_from_start: false,
        test: false,
        user_goes: false,
        undo: false,
        two_lost: false,
        told_apart: false,
        off: None,
    }
}

fn budget() -> Budget {
    Budget::default()
}

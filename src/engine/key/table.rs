//! The decision table, row by row; the files are those of `next`.

mod ends;
mod evidence;
mod keeping;
mod minting;
mod property;
mod suspects;

use super::fixture::{Case, NOW, healthy, id};
use super::*;

const FRESH: i64 = NOW - 10;
/// Its window is over, its grace is not.
const EXPIRED: i64 = NOW - 200;
/// Window and grace are over.
const STALE: i64 = NOW - 3600;

fn filled(key: &str) -> StagingState {
    StagingState::Filled(id(key))
}

fn is_wait(case: &Case, why: WaitFor) -> bool {
    matches!(case.next(), KeyStep::Wait(Waiting { why: w, .. }) if w == why)
}

fn drop_staging(slot: usize) -> KeyStep {
    KeyStep::DropStaging { slot }
}

fn blocked(by: BlockedBy) -> KeyStep {
    KeyStep::Blocked(by)
}

/// An attempt in `phase` with one unused key made in its window.
fn suspected(phase: Phase, listed: i64, suspect: Option<&str>) -> Case {
    healthy()
        .attempt("n1", phase, listed, |a| a.suspect = suspect.map(id))
        .listed_key("X", true, listed + 5, None)
}

fn phase_of(ledger: &Ledger) -> Phase {
    ledger.attempts[0].phase
}

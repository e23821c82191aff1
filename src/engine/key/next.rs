//! The decision: first row that fits.

use super::view::{Pending, View};
use super::{KeyStep, KeyWant, Ledger, Listed, Stored, ending, evidence, keep, mint, suspect};

/// The one thing to do now. Total and pure; the only time is `listed.at`.
///
/// Rows that only wait are remembered and the search goes on; a wait is the answer if nothing else fits.
///
/// | Rows | Question | Where |
/// |---|---|---|
/// | 1 | is the finalizer there | here |
/// | 2–6 | what do the Secrets prove that the ledger does not say | `evidence` |
/// | 6a, 6b, 16 | the resource, its key or cooper's hold on it ends | `ending` |
/// | 7, 15, 17–21 | recorded revocations, foreign keys, the target, the replaced key, a new key | `keep` |
/// | 8, 8a, 9 | attempts that may still bring a key to life | `mint` |
/// | 10–14 | lost answers | `suspect` |
///
/// `ours`: ids in the ledger (suspects are not) or in Filled stagings. `good`: target ours, mark and data as written,
/// its key current and listed. `need`: not good, or `current.serial < want.serial`.
///
/// | # | Stored; listed, time, want | Step |
/// |---|---|---|
/// | 1 | no finalizer | Settled |
/// | 2 | no ledger, and a mark of ours or a staging | Record what they prove |
/// | 3 | staging outside the ledger | `DropStaging`, Record(revoking), or Wait |
/// | 4 | target holds a key that is not current, or an Open attempt's | Record(current = it) |
/// | 5, 6 | mark with edited data, `replaces` of a mark: ids no ledger field has | Record(a role for them) |
/// | 6b | Gone with an undo window: not recorded; a key of ours on; the window not over | Record(parting Off); `SetStatus`; Wait, no 6a |
/// |    | Released or wanted, parting: Off; a key of ours off; grace not over; over | Record(parting On); `SetStatus`; Wait; Record(no parting) |
/// | 6a | user goes too, listed ⊆ ours | `UserGoes` |
/// | 7 | revoking | Delete, then Record(out) |
/// | 8 | Open, staging Filled | Publish, or Record(revoking) |
/// | 8a | test on | Record(key), Test |
/// | 9 | Open, not Filled, expired | Fence, then Record(Close, Watch or revoking) |
/// | 10 | Watch: none; one, after grace; more | Record(Close); Record(Deactivate); blocked |
/// | 11 | Deactivate | `SetStatus`, Record(Inactive) |
/// | 12 | Inactive, Delete | after grace Delete; any use: Record(Release) |
/// | 13 | Release | `SetStatus`, after grace Record(known += it) |
/// | 14 | Close | `DropStaging`, Record(attempt out) |
/// | 15 | exclusive, none Open, keys not ours | Record(revoking) |
/// | 16 | ending | keys → target (`DropSecret` or `LetGo`) → stagings → Settled |
/// | 17 | good: owner missing; current Inactive; fields stale | Own; `SetStatus`; Rerender |
/// | 18 | old: gone; hold; Overlap; Inactive | Record, `SetStatus` |
/// | 19 | target Foreign | Blocked |
/// | 20 | need | Mint, room for it, or Wait |
/// | 21 | else | Wait or Settled |
pub fn next(stored: &Stored, listed: &Listed, want: &KeyWant) -> KeyStep {
    // Row 1: the pass adds the finalizer before keys are looked at.
    if !stored.finalizer {
        return KeyStep::Settled;
    }
    let empty = Ledger::begun(want);
    let ledger = match &stored.ledger {
        Some(ledger) => ledger,
        None => match evidence::rebuild(&View::new(stored, listed, want, &empty)) {
            Some(step) => return step,
            None => &empty,
        },
    };
    let view = View::new(stored, listed, want, ledger);
    let mut pending = Pending::default();
    let found = evidence::orphans(&view, &mut pending)
        .or_else(|| evidence::published(&view))
        .or_else(|| evidence::marked(&view))
        .or_else(|| ending::parting(&view, &mut pending))
        .or_else(|| ending::user_goes(&view, &mut pending))
        .or_else(|| keep::revoking(&view))
        .or_else(|| attempts(&view, &mut pending))
        .or_else(|| keep::exclusive(&view));
    if let Some(step) = found {
        return step;
    }
    if view.is_ending() {
        ending::end(&view, pending)
    } else {
        keep::keep(&view, pending)
    }
}

/// Rows 8 to 14, attempt by attempt.
fn attempts(view: &View, pending: &mut Pending) -> Option<KeyStep> {
    view.ledger.attempts.iter().find_map(|attempt| {
        if attempt.phase == super::Phase::Open {
            mint::open(view, pending, attempt)
        } else {
            suspect::judge(view, pending, attempt)
        }
    })
}

//! Whatever is stored, listed and wanted: `next` answers, and its answers come to an end.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::super::fixture::*;
use super::super::*;

const KEYS: [&str; 5] = ["A", "B", "C", "D", "E"];
const NONCES: [&str; 4] = ["n1", "n2", "n3", "n4"];
const TIMES: [i64; 4] = [NOW - 5, NOW - 300, NOW - 3600, LONG_AGO];
const PHASES: [Phase; 7] = [
    Phase::Open,
    Phase::Watch,
    Phase::Deactivate,
    Phase::Inactive,
    Phase::Delete,
    Phase::Release,
    Phase::Close,
];

fn pick<T: Copy>(rng: &mut StdRng, of: &[T]) -> T {
    *of.choose(rng).unwrap()
}

fn some<T>(rng: &mut StdRng, value: T) -> Option<T> {
    rng.random_bool(0.5).then_some(value)
}

fn some_ids(rng: &mut StdRng) -> BTreeSet<KeyId> {
    KEYS.iter()
        .filter(|_| rng.random_bool(0.2))
        .map(|k| id(k))
        .collect()
}

/// A case nobody would think of: ledgers that contradict themselves, marks of other keys, stagings of no attempt.
fn anything(rng: &mut StdRng) -> Case {
    let mut case = case();
    for key in KEYS {
        if rng.random_bool(0.5) {
            let used = some(rng, NOW - 1);
            case = case.listed_key(key, rng.random_bool(0.7), pick(rng, &TIMES) + 3, used);
        }
    }
    if rng.random_bool(0.8) {
        case = case.ledger(|_| ());
        for (nonce, suspect) in NONCES.iter().zip(&KEYS[2..]) {
            if rng.random_bool(0.7) {
                continue;
            }
            let (phase, at) = (pick(rng, &PHASES), pick(rng, &TIMES));
            // No two attempts have the same suspect (row 10).
            let (key, suspect) = (id(pick(rng, &KEYS)), id(suspect));
            let (key, suspect) = (some(rng, key), some(rng, suspect));
            let known = some_ids(rng);
            case = case.attempt(nonce, phase, at, |a| {
                (a.key, a.suspect, a.known) = (key, suspect, known);
            });
        }
        // One key has one role: every Record keeps that.
        let (current, old) = (pick(rng, &KEYS[..2]), pick(rng, &KEYS[2..]));
        if rng.random_bool(0.6) {
            case = case.current(current);
        }
        if rng.random_bool(0.3) {
            let phase = pick(rng, &[OldPhase::Overlap, OldPhase::Inactive]);
            case = case.old(old, phase, pick(rng, &TIMES));
        }
        let revoking = some_ids(rng);
        let full = rng.random_bool(0.2);
        let phase = pick(rng, &[PartingPhase::Off, PartingPhase::On]);
        let since = at(pick(rng, &TIMES));
        let parting = some(rng, Parting { phase, since });
        case = case.ledger(|l| (l.revoking, l.full, l.parting) = (revoking, full, parting));
    }
    for slot in 0..SLOTS {
        if rng.random_bool(0.3) {
            let states = [
                StagingState::Empty,
                StagingState::Void,
                StagingState::Filled(id(pick(rng, &KEYS))),
            ];
            let state = states.choose(rng).unwrap().clone();
            case = case.staging(slot, pick(rng, &NONCES), pick(rng, &TIMES), state);
        }
    }
    match rng.random_range(0..4) {
        0 => {}
        1 => case = case.foreign_target(),
        _ => {
            let replaces = some_ids(rng);
            let since = at(pick(rng, &TIMES));
            let released = some(rng, since);
            case = case
                .target(pick(rng, &KEYS))
                .mark(|m| (m.replaces, m.released) = (replaces, released))
                .target_with(|t| (t.owned, t.intact, t.stale) = rng.random());
            if rng.random_bool(0.2) {
                case = case.target_with(|t| t.mark = None);
            }
        }
    }
    let wants = [
        Want::Present,
        Want::Present,
        Want::NoKey,
        Want::Gone { user_goes: false },
        Want::Gone { user_goes: true },
        Want::Released,
    ];
    let want = pick(rng, &wants);
    case.want(want).wants(|w| {
        (w.exclusive, w.hold) = rng.random();
        w.serial = i64::from(rng.random_bool(0.2));
        w.undo = some(rng, SignedDuration::from_mins(10));
    })
}

/// The world after a step was done; `None` where it takes more than the case to tell.
fn after(mut case: Case, step: KeyStep) -> Option<Case> {
    let target = |change: &dyn Fn(&mut OwnTarget), case: Case| case.target_with(change);
    match step {
        KeyStep::Record { ledger, .. } => case.stored.ledger = Some(*ledger),
        KeyStep::Publish { mark, .. } => {
            case = case.target(mark.id.as_str()).mark(|m| *m = *mark);
        }
        KeyStep::DropStaging { slot } => case.stored.slots[slot] = Slot::Free,
        KeyStep::Fence { slot } => match &mut case.stored.slots[slot] {
            Slot::Own(staging) => staging.state = StagingState::Void,
            other => panic!("a fence on {other:?}"),
        },
        KeyStep::Delete { key } => case.listed.keys.retain(|k| k.id != key),
        KeyStep::SetStatus { key, active } => {
            let found = case.listed.keys.iter_mut().find(|k| k.id == key);
            found.expect("only listed keys are switched").active = active;
        }
        KeyStep::Own { mark } => {
            case = target(
                &|t| (t.owned, t.labelled, t.mark) = (true, true, Some((*mark).clone())),
                case,
            );
        }
        KeyStep::LetGo { mark: Some(mark) } => {
            case = target(
                &|t| (t.owned, t.mark) = (false, Some((*mark).clone())),
                case,
            );
        }
        KeyStep::LetGo { mark: None } => case.stored.target = Target::Foreign,
        KeyStep::DropSecret => case.stored.target = Target::Absent,
        KeyStep::Rerender { .. } => case = target(&|t| t.stale = false, case),
        KeyStep::Mint { .. }
        | KeyStep::Test { .. }
        | KeyStep::UserGoes
        | KeyStep::Wait(_)
        | KeyStep::Blocked(_)
        | KeyStep::Settled => return None,
    }
    Some(case)
}

/// No key is current and old.
fn has_one_role_each(case: &Case) -> bool {
    case.stored.ledger.as_ref().is_none_or(|ledger| {
        let current = ledger.current.as_ref();
        !current.is_some_and(|current| ledger.is_old(&current.id))
    })
}

#[test]
fn next_always_answers_and_its_steps_end() {
    let mut rng = StdRng::seed_from_u64(7);
    for number in 0..20_000 {
        let start = anything(&mut rng);
        let mut case = start.clone();
        let mut steps = Vec::new();
        loop {
            let step = case.next();
            assert_eq!(step, case.next(), "the same question, another answer");
            let _ = issued(&case.stored, &case.listed, &case.want, &step);
            let _ = events(&case.stored, &case.listed, &case.want, &step);
            assert!(has_one_role_each(&case), "{:#?}", case.stored.ledger);
            steps.push(format!("{step:?}"));
            assert!(
                steps.len() < 80,
                "case {number} goes round in circles: {:#?}\n{}",
                start.stored,
                steps[60..].join("\n")
            );
            match after(case.clone(), step) {
                Some(next) => case = next,
                None => break,
            }
        }
    }
}

#[test]
fn a_foreign_target_is_never_written_and_a_foreign_key_only_when_recorded() {
    let mut rng = StdRng::seed_from_u64(8);
    for _ in 0..20_000 {
        let case = anything(&mut rng);
        let step = case.next();
        let writes_target = matches!(
            step,
            KeyStep::Publish { .. }
                | KeyStep::Own { .. }
                | KeyStep::LetGo { .. }
                | KeyStep::Rerender { .. }
                | KeyStep::DropSecret
        );
        assert!(
            !(writes_target && case.stored.target == Target::Foreign),
            "{step:?}"
        );
        let recorded = |key: &KeyId| {
            let ledger = case.stored.ledger.as_ref().expect("a ledger");
            ledger.names(key)
                || ledger
                    .attempts
                    .iter()
                    .any(|a| a.suspect.as_ref() == Some(key))
        };
        if let KeyStep::Delete { key } | KeyStep::SetStatus { key, .. } = &step {
            assert!(recorded(key), "{step:?} without a record");
        }
    }
}

//! All manifests of a seed, each found again by its name.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

use super::draft::{Case, Class, Draft, Manifest, Name};
use super::{around, documents, relations, shapes, words};
use crate::admission::schema::{self, Kind};

/// No class has so many of one kind.
const MOST: usize = 10_000;

/// Those of all classes and kinds that are wanted, by their names.
pub fn manifests(seed: u64, is_wanted: impl Fn(&Name) -> bool) -> Vec<Manifest> {
    let samples = schema::samples();
    let kinds = schema::kinds();
    let cells = kinds
        .iter()
        .flat_map(|kind| Class::ALL.into_iter().map(move |class| (class, kind)));
    let all =
        cells.flat_map(|(class, kind)| cell(class, kind, &samples[&kind.kind], seed, &is_wanted));
    all.collect()
}

/// The wanted manifests of a class and a kind, numbered in the order of this seed.
fn cell(
    class: Class,
    kind: &Kind,
    sample: &Value,
    seed: u64,
    is_wanted: &impl Fn(&Name) -> bool,
) -> Vec<Manifest> {
    let name = |number| Name {
        class,
        kind: kind.kind.clone(),
        number,
    };
    // There are fewer of each, and making them takes a while.
    if !(0..MOST).any(|number| is_wanted(&name(number))) {
        return Vec::new();
    }
    let mut dice = chance(class, kind, seed);
    let case = Case::of(kind, sample);
    let mut drafts = drafts(class, &case, &mut dice);
    drafts.shuffle(&mut dice);
    let numbered = drafts
        .into_iter()
        .enumerate()
        .filter_map(|(number, draft)| {
            let name = name(number);
            is_wanted(&name).then(|| draft.called(name))
        });
    numbered.collect()
}

fn drafts(class: Class, case: &Case, dice: &mut StdRng) -> Vec<Draft> {
    match class {
        Class::Types => shapes::types(case),
        Class::Bounds => shapes::bounds(case),
        Class::Null => shapes::null(case),
        Class::Unknown => shapes::unknown(case, dice),
        Class::Text => words::text(case, dice),
        Class::Giant => words::giant(case, dice),
        Class::References => relations::references(case),
        Class::Cycles => relations::cycles(case),
        Class::Documents => documents::documents(case),
        Class::Metadata => around::metadata(case),
        Class::Stored => around::stored(case, dice),
    }
}

/// The chance of a cell alone, whatever else is made.
fn chance(class: Class, kind: &Kind, seed: u64) -> StdRng {
    let text = format!("{}/{}", class.name(), kind.kind);
    let mixed = text
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    StdRng::seed_from_u64(mixed)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::draft::{Expect, RAW, SELF};
    use super::super::words::Fit;
    use super::*;
    use serde_json::json;

    /// Few enough to be made again and again.
    fn is_small(name: &Name) -> bool {
        name.kind == "Bucket" && name.class != Class::Giant
    }

    fn told(manifests: &[Manifest]) -> Vec<String> {
        let told = manifests.iter().map(|manifest| {
            let bodies: usize = manifest.sent.iter().map(|sent| sent.body.len()).sum();
            format!("{} {} {bodies}", manifest.name, manifest.about)
        });
        told.collect()
    }

    #[test]
    fn a_seed_gives_the_same_manifests_again_and_another_others() {
        let some = |seed| told(&manifests(seed, |name| is_small(name) && name.number < 2));
        assert_eq!(some(3), some(3));
        assert_ne!(some(3), some(4));
    }

    #[test]
    fn a_manifest_is_found_by_its_name_alone() {
        let all = manifests(5, |name| is_small(name) && name.number < 3);
        let one = &all[all.len() / 2];
        let again = manifests(5, |name| *name == one.name);
        assert_eq!(told(&again), told(std::slice::from_ref(one)));
        assert_eq!(again[0].sent[0].body, one.sent[0].body);
    }

    #[test]
    fn every_class_has_all_kinds_that_it_can_have() {
        let mut kinds = BTreeMap::<Class, BTreeSet<String>>::new();
        for manifest in manifests(0, |name| name.number == 0) {
            let name = manifest.name;
            kinds.entry(name.class).or_default().insert(name.kind);
        }
        for class in Class::ALL {
            let expected = if class == Class::Documents { 4 } else { 9 };
            assert_eq!(
                kinds[&class].len(),
                expected,
                "{class:?}: {:?}",
                kinds[&class]
            );
        }
    }

    #[test]
    fn there_are_a_thousand_and_no_two_have_one_name() {
        let all = manifests(0, |name| name.number < 13);
        let names: BTreeSet<_> = all
            .iter()
            .map(|manifest| manifest.name.resource())
            .collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() > 1000, "{}", all.len());
        for manifest in &all {
            let sent = &manifest.sent[0];
            assert!(manifest.name.resource().len() <= 63, "{}", manifest.name);
            for token in [SELF, RAW] {
                let is_left = sent
                    .body
                    .windows(token.len())
                    .any(|part| part == token.as_bytes());
                assert!(!is_left, "{}: {token} in {}", manifest.name, manifest.about);
            }
        }
    }

    #[test]
    fn it_is_known_of_many_that_they_must_be_refused_and_of_some_that_they_do_no_harm() {
        let all = manifests(0, |name| name.number < 13);
        let count = |expect: fn(&Expect) -> bool| {
            all.iter()
                .filter(|manifest| expect(&manifest.expect))
                .count()
        };
        let refused = count(|expect| matches!(expect, Expect::Refused(_)));
        let explained = count(|expect| *expect == Expect::Explained);
        let harmless = count(|expect| *expect == Expect::Harmless);
        assert!(
            refused > 200 && explained > 80 && harmless > 80,
            "{refused} {explained} {harmless}"
        );
    }

    #[test]
    fn texts_fit_as_the_api_server_reads_their_schema() {
        for (schema, text, fit) in [
            (json!({"maxLength": 3}), "l\u{f3}\u{f3}", true),
            (json!({"maxLength": 3}), "logs", false),
            (json!({"minLength": 1}), "", false),
            (json!({"pattern": "^\\S+$"}), "a\u{a0}b", true),
            (json!({"pattern": "^\\S+$"}), "a b", false),
            (json!({"pattern": "^[a-z]+$"}), "logs\n", false),
            (json!({"pattern": "^[a-z]+$"}), "l\u{43e}gs", false),
            (json!({"enum": ["Full"]}), "full", false),
        ] {
            assert_eq!(Fit::of(&schema).fits(text), fit, "{schema} {text:?}");
        }
    }
}

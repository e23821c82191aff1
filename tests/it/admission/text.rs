//! Texts that just fit a pattern, and texts that just do not.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Characters that make a text readable, the best first.
const PLAIN: &str = "abd901-_.AZ/ ";

/// A text of so many characters that the pattern matches; shorter or longer if the pattern matches none of that length.
pub fn fit(pattern: Option<&str>, length: usize) -> String {
    let Some(pattern) = pattern else {
        return "a".repeat(length);
    };
    let whole = regex_syntax::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut text = String::new();
    write(&whole, length.saturating_sub(shortest(&whole)), &mut text);
    // What is not anchored may go on.
    let is_open = |look| !whole.properties().look_set().contains(look);
    let missing = length.saturating_sub(text.chars().count());
    if is_open(regex_syntax::hir::Look::End) {
        text.push_str(&"a".repeat(missing));
    }
    text
}

/// A text of exactly so many characters: one that fits the pattern if there is one, else one that is cut or filled up.
pub fn cut(pattern: Option<&str>, length: usize) -> String {
    let fitting = fit(pattern, length);
    let missing = length.saturating_sub(fitting.chars().count());
    fitting
        .chars()
        .take(length)
        .chain(std::iter::repeat_n('a', missing))
        .collect()
}

/// A text that differs in one character from a fitting one and does not fit.
pub fn misfit(pattern: &str, fitting: &str) -> String {
    let regex = Regex::new(pattern).unwrap();
    let letters: Vec<char> = fitting.chars().collect();
    let changed = (0..letters.len()).flat_map(|at| {
        " /_A-é?".chars().map({
            let letters = &letters;
            move |letter| {
                let mut letters = letters.clone();
                letters[at] = letter;
                letters.into_iter().collect::<String>()
            }
        })
    });
    let added = " /_A-é?".chars().map(|letter| format!("{fitting}{letter}"));
    changed
        .chain(added)
        .find(|text| !regex.is_match(text))
        .unwrap_or_else(|| panic!("{pattern} matches everything near {fitting:?}"))
}

/// The number's own text among those that the pattern matches.
pub fn numbered(pattern: Option<&str>, length: usize, number: usize) -> String {
    let regex = pattern.map(|pattern| Regex::new(pattern).unwrap());
    let base: Vec<char> = cut(pattern, length).chars().collect();
    for digits in [
        format!("{number:03}"),
        format!("{number:03}")
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'a'))
            .collect(),
    ] {
        for at in (0..=base.len().saturating_sub(3)).rev() {
            let text: String = base[..at]
                .iter()
                .copied()
                .chain(digits.chars())
                .chain(base.iter().copied().skip(at + 3))
                .collect();
            if regex.as_ref().is_none_or(|regex| regex.is_match(&text)) {
                return text;
            }
        }
    }
    panic!("{pattern:?} has no place for {number}");
}

/// The fewest characters that match.
pub fn least(pattern: &str) -> usize {
    shortest(&regex_syntax::parse(pattern).unwrap())
}

fn shortest(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).unwrap().chars().count(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(repeated) => repeated.min as usize * shortest(&repeated.sub),
        HirKind::Capture(group) => shortest(&group.sub),
        HirKind::Concat(parts) => parts.iter().map(shortest).sum(),
        HirKind::Alternation(choices) => choices.iter().map(shortest).min().unwrap_or(0),
    }
}

/// Writes the shortest match with up to `extra` characters more, as many as there is room for; answers how many it wrote.
fn write(hir: &Hir, extra: usize, text: &mut String) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => {
            text.push_str(std::str::from_utf8(&literal.0).unwrap());
            0
        }
        HirKind::Class(class) => {
            text.push(pick(class));
            0
        }
        HirKind::Capture(group) => write(&group.sub, extra, text),
        HirKind::Concat(parts) => {
            let mut used = 0;
            for part in parts {
                used += write(part, extra - used, text);
            }
            used
        }
        HirKind::Alternation(choices) => {
            let first = choices.iter().min_by_key(|choice| shortest(choice));
            first.map_or(0, |first| write(first, extra, text))
        }
        HirKind::Repetition(repeated) => {
            let mut used = 0;
            for _ in 0..repeated.min {
                used += write(&repeated.sub, extra - used, text);
            }
            let one = shortest(&repeated.sub).max(1);
            let most = repeated.max.unwrap_or(u32::MAX);
            for _ in repeated.min..most {
                if extra - used < one {
                    break;
                }
                used += one + write(&repeated.sub, extra - used - one, text);
            }
            used
        }
    }
}

fn pick(class: &Class) -> char {
    let Class::Unicode(class) = class else {
        panic!("a class of bytes")
    };
    let has = |letter: char| {
        class
            .iter()
            .any(|range| range.start() <= letter && letter <= range.end())
    };
    PLAIN
        .chars()
        .find(|letter| has(*letter))
        .unwrap_or_else(|| class.iter().next().expect("a class of something").start())
}

#[test]
fn texts_fit_to_the_letter() {
    let name = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
    for (pattern, length) in [
        (name, 1),
        (name, 2),
        (name, 253),
        ("^https?://[^\\s/?#@]+(/[^\\s?#]*)?$", 2048),
        ("-----BEGIN CERTIFICATE-----", 100),
        ("^[0-9]{1,4}[smhd]$", 5),
    ] {
        let text = fit(Some(pattern), length);
        let regex = Regex::new(pattern).unwrap();
        assert_eq!(text.len(), length, "{pattern}: {text}");
        assert!(regex.is_match(&text), "{pattern}: {text}");
        assert!(!regex.is_match(&misfit(pattern, &text)), "{pattern}");
    }
}

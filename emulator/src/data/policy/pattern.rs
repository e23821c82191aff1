//! Wildcards and variables in policy strings.

use super::Request;
use super::condition::{Fact, fact};

/// One position of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// This character.
    Is(char),
    /// `?`: any one character.
    One,
    /// `*`: any run of characters, also none and also across `/`.
    Many,
}

/// Whether a pattern matches the whole text. Linear in practice: one point of return is enough, since
/// a later `*` makes an earlier one final.
pub(super) fn matches(pattern: &[Glyph], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(t) {
        match pattern.get(p) {
            Some(Glyph::Many) => {
                p += 1;
                back = Some((p, t));
            }
            Some(Glyph::One) => (p, t) = (p + 1, t + 1),
            Some(Glyph::Is(want)) if *want == c => (p, t) = (p + 1, t + 1),
            Some(Glyph::Is(_)) | None => match back {
                Some((after, from)) => {
                    (p, t) = (after, from + 1);
                    back = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|g| *g == Glyph::Many)
}

/// A text as a pattern, without variables.
pub(super) fn plain(text: &str) -> Vec<Glyph> {
    text.chars()
        .map(|c| match c {
            '*' => Glyph::Many,
            '?' => Glyph::One,
            c => Glyph::Is(c),
        })
        .collect()
}

/// A text as a pattern with variables (`${aws:username}`) filled in. A variable's value is taken
/// literally, whatever characters it has. `None` when a variable has no value in this request.
pub(super) fn filled(text: &str, request: &Request<'_>) -> Option<Vec<Glyph>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}')?;
        out.extend(plain(before));
        out.extend(value(name, request)?.chars().map(Glyph::Is));
        rest = tail;
    }
    out.extend(plain(rest));
    Some(out)
}

/// A text with variables filled in, to be compared without wildcards.
pub(super) fn filled_text(text: &str, request: &Request<'_>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&value(name, request)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

/// The value of a variable: that of the condition key of its name, or the default given with it
/// (`${aws:username, 'nobody'}`).
fn value(name: &str, request: &Request<'_>) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
        None => (name, None),
    };
    match fact(key, request) {
        Fact::Is(value) => Some(value),
        Fact::Absent | Fact::UnknownKey => default.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, plain};

    #[test]
    fn wildcards_match_whole_texts() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("a", "a", true),
            ("a", "A", false),
            ("a?", "a", false),
            ("a?", "ab", true),
            ("a?", "abc", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a*b*c", "aXbYbZc", true),
            ("*.log", "x.log.log", true),
            ("**", "anything", true),
            ("a**b?", "ab1", true),
            ("s3:Get*", "s3:GetObject", true),
            ("*?", "", false),
            ("ä?ü", "äöü", true),
        ] {
            assert_eq!(matches(&plain(pattern), text), want, "{pattern:?} {text:?}");
        }
    }
}

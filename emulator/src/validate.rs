//! A validator that collects every violation of a request body instead of stopping at the first.
//!
//! Readers return a plain value even where the member was refused (an empty string, say): a
//! handler reads all members, then asks [`Check::done`], which fails if anything was noted.
//! What was read is used only after that.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::problem::{InvalidParam, Problem};

/// Whether a member must be there, and whether it may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Present and not null.
    Required,
    /// Present, perhaps null.
    RequiredNullable,
    /// Perhaps absent, but not null.
    Optional,
    /// Perhaps absent, perhaps null.
    Nullable,
}

/// What a body said about a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing, or something that was refused.
    Absent,
    /// `null`.
    Null,
    /// A good value.
    Value(T),
}

impl<T> Given<T> {
    /// The value; absent and null become nothing.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value of a merge patch: nothing if absent, `empty` if null.
    pub fn patched(self, empty: T) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Null => Some(empty),
            Self::Value(value) => Some(value),
        }
    }
}

/// A pattern as it is published and the test that stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// Shown in the reason.
    pub text: &'static str,
    /// Whether a text matches.
    pub holds: fn(&str) -> bool,
}

/// Rule of a string: length in characters, perhaps a pattern.
#[derive(Clone, Debug)]
pub struct Text {
    /// Allowed length.
    pub length: RangeInclusive<usize>,
    /// Checked if the length is right.
    pub pattern: Option<Pattern>,
}

impl Text {
    /// A rule of length alone.
    pub const fn of(length: RangeInclusive<usize>) -> Self {
        Self {
            length,
            pattern: None,
        }
    }

    /// A rule of length and pattern.
    pub const fn matching(length: RangeInclusive<usize>, pattern: Pattern) -> Self {
        Self {
            length,
            pattern: Some(pattern),
        }
    }

    /// Why a text breaks the rule.
    pub fn complaint(&self, text: &str) -> Option<String> {
        let (low, high) = (*self.length.start(), *self.length.end());
        let length = text.chars().count();
        if !self.length.contains(&length) {
            return Some(format!("Value must be {low} to {high} characters long."));
        }
        let pattern = self.pattern.filter(|pattern| !(pattern.holds)(text))?;
        Some(format!("Value must match '{}'.", pattern.text))
    }
}

/// An object of the body and where it stands.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    path: String,
    members: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The body itself.
    pub fn root(members: &'a Map<String, Value>) -> Self {
        Self {
            path: String::new(),
            members,
        }
    }

    /// Whether the object mentions a member at all.
    pub fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    /// Dotted path of a member.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The violations noted so far.
#[derive(Debug, Default)]
pub struct Check {
    noted: Vec<InvalidParam>,
}

impl Check {
    /// Notes a violation.
    pub fn note(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.noted.push(InvalidParam {
            name: name.into(),
            reason: reason.into(),
        });
    }

    /// Whether nothing was noted.
    pub fn is_clean(&self) -> bool {
        self.noted.is_empty()
    }

    /// Fails with all violations, if there are any.
    pub fn done(self) -> Result<(), Problem> {
        if self.noted.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.noted))
        }
    }

    /// Notes each member that is not among the known ones.
    pub fn closed(&mut self, object: &Object<'_>, known: &[&str]) {
        for key in object.members.keys() {
            if !known.contains(&key.as_str()) {
                self.note(object.path_of(key), "Unknown property.");
            }
        }
    }

    /// A member of any type.
    pub fn member<'a>(&mut self, object: &Object<'a>, key: &str, need: Need) -> Given<&'a Value> {
        match (object.members.get(key), need) {
            (None, Need::Required | Need::RequiredNullable) => {
                self.note(object.path_of(key), "Value is required.");
                Given::Absent
            }
            (None, Need::Optional | Need::Nullable) => Given::Absent,
            (Some(Value::Null), Need::Nullable | Need::RequiredNullable) => Given::Null,
            (Some(Value::Null), Need::Required | Need::Optional) => {
                self.note(object.path_of(key), "Value must not be null.");
                Given::Absent
            }
            (Some(value), _) => Given::Value(value),
        }
    }

    fn typed<'a, T>(
        &mut self,
        object: &Object<'a>,
        key: &str,
        need: Need,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Given<T> {
        match self.member(object, key, need) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(value) => {
                if let Some(value) = read(value) {
                    Given::Value(value)
                } else {
                    self.note(object.path_of(key), format!("Value must be {kind}."));
                    Given::Absent
                }
            }
        }
    }

    /// A string that may be absent or null.
    pub fn text(
        &mut self,
        object: &Object<'_>,
        key: &str,
        need: Need,
        rule: &Text,
    ) -> Given<String> {
        let given = self.typed(object, key, need, "a string", Value::as_str);
        if let Given::Value(text) = &given
            && let Some(reason) = rule.complaint(text)
        {
            self.note(object.path_of(key), reason);
            return Given::Absent;
        }
        match given {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => Given::Value(text.to_owned()),
        }
    }

    /// A string that must be there; empty if it was refused.
    pub fn required(&mut self, object: &Object<'_>, key: &str, rule: &Text) -> String {
        self.text(object, key, Need::Required, rule)
            .value()
            .unwrap_or_default()
    }

    /// A string that may be absent.
    pub fn optional(&mut self, object: &Object<'_>, key: &str, rule: &Text) -> Option<String> {
        self.text(object, key, Need::Optional, rule).value()
    }

    /// One of a few strings, read as the value beside it.
    pub fn one_of<T: Copy>(
        &mut self,
        object: &Object<'_>,
        key: &str,
        need: Need,
        options: &[(&str, T)],
    ) -> Option<T> {
        let value = self.member(object, key, need).value()?;
        let found = options
            .iter()
            .find(|(name, _)| value.as_str() == Some(name))
            .map(|(_, option)| *option);
        if found.is_none() {
            let names: Vec<String> = options
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            let reason = format!("Value must be one of {}.", names.join(", "));
            self.note(object.path_of(key), reason);
        }
        found
    }

    /// A boolean.
    pub fn flag(&mut self, object: &Object<'_>, key: &str, need: Need) -> Given<bool> {
        self.typed(object, key, need, "a boolean", Value::as_bool)
    }

    /// An integer within bounds.
    pub fn integer(
        &mut self,
        object: &Object<'_>,
        key: &str,
        need: Need,
        bounds: &RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = self
            .typed(object, key, need, "an integer", Value::as_i64)
            .value()?;
        if bounds.contains(&number) {
            return Some(number);
        }
        let (low, high) = (bounds.start(), bounds.end());
        self.note(
            object.path_of(key),
            format!("Value must be from {low} to {high}."),
        );
        None
    }

    /// A nested object.
    pub fn object<'a>(&mut self, object: &Object<'a>, key: &str, need: Need) -> Option<Object<'a>> {
        let members = self
            .typed(object, key, need, "an object", Value::as_object)
            .value()?;
        Some(Object {
            path: object.path_of(key),
            members,
        })
    }

    /// An array of objects, each read by `read`.
    pub fn list<T>(
        &mut self,
        object: &Object<'_>,
        key: &str,
        need: Need,
        most: usize,
        read: impl FnMut(&mut Self, &Object<'_>) -> T,
    ) -> Given<Vec<T>> {
        match self.typed(object, key, need, "an array", Value::as_array) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(items) => {
                Given::Value(self.items(items, &object.path_of(key), most, read))
            }
        }
    }

    /// The items of an array that stands at `path` (empty for the body itself).
    pub fn items<T>(
        &mut self,
        items: &[Value],
        path: &str,
        most: usize,
        mut read: impl FnMut(&mut Self, &Object<'_>) -> T,
    ) -> Vec<T> {
        if items.len() > most {
            let name = if path.is_empty() { "(root)" } else { path };
            self.note(name, format!("Value must have at most {most} items."));
            return Vec::new();
        }
        let mut values = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let path = if path.is_empty() {
                at.to_string()
            } else {
                format!("{path}.{at}")
            };
            match item.as_object() {
                Some(members) => values.push(read(self, &Object { path, members })),
                None => self.note(path, "Value must be an object."),
            }
        }
        values
    }

    /// Notes each item whose key was already used by an item before it.
    pub fn unique<T, K: PartialEq<K>>(
        &mut self,
        items: &[T],
        path: &str,
        member: &str,
        key: impl Fn(&T) -> K,
    ) {
        for (at, item) in items.iter().enumerate() {
            if items.iter().take(at).any(|before| key(before) == key(item)) {
                let place = if path.is_empty() {
                    String::new()
                } else {
                    format!("{path}.")
                };
                self.note(format!("{place}{at}.{member}"), "Value must be unique.");
            }
        }
    }
}

/// Of items with the same key only the last is left.
pub fn keep_last<T>(items: Vec<T>, key: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut out: Vec<T> = Vec::new();
    for item in items {
        out.retain(|before| !key(before, &item));
        out.push(item);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: Text = Text::of(1..=4);

    #[test]
    fn all_violations_are_collected_with_their_paths() {
        let body = json!({"kind": "x", "extra": 1, "list": [{"n": "abcde"}, 7], "flag": null});
        let body = Object::root(body.as_object().unwrap());
        let mut check = Check::default();
        check.closed(&body, &["name", "kind", "list", "flag"]);
        check.required(&body, "name", &NAME);
        check.one_of(&body, "kind", Need::Required, &[("a", 1), ("b", 2)]);
        check.list(&body, "list", Need::Optional, 5, |check, item| {
            check.required(item, "n", &NAME)
        });
        check.flag(&body, "flag", Need::Optional);
        let problem = check.done().unwrap_err();
        let seen: Vec<_> = problem
            .params
            .iter()
            .map(|p| (p.name.as_str(), p.reason.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("extra", "Unknown property."),
                ("name", "Value is required."),
                ("kind", "Value must be one of \"a\", \"b\"."),
                ("list.0.n", "Value must be 1 to 4 characters long."),
                ("list.1", "Value must be an object."),
                ("flag", "Value must not be null."),
            ]
        );
    }
}

//! Whether policies certainly allow nothing at all.
//!
//! Whoever has a key that may do nothing finds out by a refused request, and then searches. This finds it before, from the documents
//! that cooper knows, and says so only where there is no doubt: a document that nobody has read counts as granting everything, a
//! condition on an Allow as met, a condition on a Deny as not met. What is proven is proven pattern by pattern: an Allow is void if one
//! Deny covers all of it, or if it shares nothing with any Allow of the boundary. Several Denies that cover it only together go
//! unnoticed.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::engine::reason::Reason;

/// A policy and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its document; `None` if it is not known.
    pub document: Option<Cow<'a, Value>>,
}

/// Everything that decides what a principal may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Powers<'a> {
    /// Attached, inline, and those of its groups.
    pub policies: Vec<Policy<'a>>,
    /// Its permissions boundary.
    pub boundary: Option<Policy<'a>>,
}

/// Why a principal may do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing {
    /// `NoPolicy`, `ExplicitDeny` or `Boundary`.
    pub reason: Reason,
    /// Which policies, and what helps.
    pub message: String,
}

/// The document of a policy that UpCloud provides, as far as it is published: that of `ECSS3FullAccess` is, and of `ECSDenyAll` the
/// name and description say all.
pub fn system(name: &str) -> Option<Value> {
    let effect = match name {
        "ECSS3FullAccess" => ("Allow", "s3:*"),
        "ECSDenyAll" => ("Deny", "*"),
        _ => return None,
    };
    let (effect, action) = effect;
    Some(json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": effect, "Action": action, "Resource": "*" }],
    }))
}

impl Powers<'_> {
    /// Why they are none; `None` if they may be some.
    pub fn nothing(&self) -> Option<Nothing> {
        let mut grants = Vec::new();
        let mut denials = Vec::new();
        for policy in &self.policies {
            let statements = read(policy.document.as_deref()?)?;
            for statement in statements {
                let part = Part {
                    policy: policy.name,
                    reach: statement.reach,
                };
                if statement.allows {
                    grants.push(part);
                } else {
                    denials.push(part);
                }
            }
        }
        if grants.is_empty() {
            return Some(self.no_policy());
        }
        let left: Vec<_> = grants
            .iter()
            .filter(|grant| !denials.iter().any(|deny| deny.reach.covers(&grant.reach)))
            .collect();
        if left.is_empty() {
            return Some(Nothing {
                reason: Reason::ExplicitDeny,
                message: format!(
                    "the key can be used for nothing: all that is allowed by {} is denied by {}; take the Deny out, or detach that policy",
                    names(grants.iter()),
                    names(denials.iter()),
                ),
            });
        }
        self.outside(&left, &denials)
    }

    fn no_policy(&self) -> Nothing {
        let message = if self.policies.is_empty() {
            "no policy lets the key do anything: the user has none; name one in spec.policies, unless the policy of a bucket lets it in"
                .to_owned()
        } else {
            let mut all: Vec<_> = self.policies.iter().map(|policy| policy.name).collect();
            all.sort_unstable();
            format!(
                "no policy lets the key do anything: nothing is allowed by {}; name another one in spec.policies, unless the policy of a bucket lets it in",
                all.join(", ")
            )
        };
        Nothing {
            reason: Reason::NoPolicy,
            message,
        }
    }

    /// Whether nothing of what is left lies within the boundary.
    fn outside(&self, left: &[&Part<'_>], denials: &[Part<'_>]) -> Option<Nothing> {
        let boundary = self.boundary.as_ref()?;
        let statements = read(boundary.document.as_deref()?)?;
        let (within, without): (Vec<_>, Vec<_>) = statements
            .into_iter()
            .partition(|statement| statement.allows);
        let denied: Vec<_> = denials
            .iter()
            .map(|part| &part.reach)
            .chain(without.iter().map(|statement| &statement.reach))
            .collect();
        let is_left = |grant: &Reach, limit: &Reach| {
            grant.meets(limit) && !denied.iter().any(|deny| deny.covers_both(grant, limit))
        };
        let any = left.iter().any(|grant| {
            within
                .iter()
                .any(|limit| is_left(&grant.reach, &limit.reach))
        });
        (!any).then(|| Nothing {
            reason: Reason::Boundary,
            message: format!(
                "the key can be used for nothing: all that is allowed by {} is outside the permissions boundary {}; widen the boundary, or attach a policy within it",
                names(left.iter().copied()),
                boundary.name,
            ),
        })
    }
}

/// A statement of a policy.
struct Part<'a> {
    policy: &'a str,
    reach: Reach,
}

fn names<'a, 'p: 'a>(parts: impl Iterator<Item = &'a Part<'p>>) -> String {
    let mut names: Vec<_> = parts.map(|part| part.policy).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// What a statement is about.
struct Statement {
    allows: bool,
    /// It holds whenever it is asked, or allows, where the benefit of the doubt is the user's.
    is_certain: bool,
    reach: Reach,
}

/// Actions on resources: every action of one on every resource of the other.
struct Reach {
    actions: Set,
    resources: Set,
}

impl Reach {
    fn covers(&self, other: &Self) -> bool {
        self.actions.covers(&other.actions) && self.resources.covers(&other.resources)
    }

    /// Both have something in common; true where that is not certain.
    fn meets(&self, other: &Self) -> bool {
        self.actions.meets(&other.actions) && self.resources.meets(&other.resources)
    }

    /// Covers what two others have in common.
    fn covers_both(&self, one: &Self, other: &Self) -> bool {
        let actions = self.actions.covers(&one.actions) || self.actions.covers(&other.actions);
        let resources =
            self.resources.covers(&one.resources) || self.resources.covers(&other.resources);
        actions && resources
    }
}

/// Texts that match one of some patterns, or none of them.
enum Set {
    Any(Vec<String>),
    NoneOf(Vec<String>),
}

impl Set {
    /// All of `other` is in it, for certain.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any(ours), Self::Any(theirs)) => theirs
                .iter()
                .all(|their| ours.iter().any(|our| covers(our, their))),
            (Self::Any(ours), Self::NoneOf(_)) => ours.iter().any(|our| covers(our, "*")),
            (Self::NoneOf(ours), Self::Any(theirs)) => ours
                .iter()
                .all(|our| !theirs.iter().any(|their| overlap(our, their))),
            (Self::NoneOf(ours), Self::NoneOf(theirs)) => ours
                .iter()
                .all(|our| theirs.iter().any(|their| covers(their, our))),
        }
    }

    /// Something is in both; true where that is not certain.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any(ours), Self::Any(theirs)) => ours
                .iter()
                .any(|our| theirs.iter().any(|their| overlap(our, their))),
            (Self::Any(some), Self::NoneOf(not)) | (Self::NoneOf(not), Self::Any(some)) => some
                .iter()
                .any(|one| !not.iter().any(|pattern| covers(pattern, one))),
            (Self::NoneOf(_), Self::NoneOf(_)) => true,
        }
    }
}

/// The statements of a document but for those that deny not always. `None`: it is not understood, and may say anything.
fn read(document: &Value) -> Option<Vec<Statement>> {
    let statements = match document.get("Statement")? {
        Value::Array(statements) => statements.iter().collect(),
        one => vec![one],
    };
    let read: Option<Vec<_>> = statements.into_iter().map(statement).collect();
    let certain = read?.into_iter().filter(|statement| statement.is_certain);
    Some(certain.collect())
}

fn statement(statement: &Value) -> Option<Statement> {
    let allows = match statement.get("Effect")?.as_str()? {
        "Allow" => true,
        "Deny" => false,
        _ => return None,
    };
    let conditional = statement
        .get("Condition")
        .is_some_and(|condition| condition.as_object().is_none_or(|all| !all.is_empty()));
    let reach = Reach {
        actions: set(statement, "Action", "NotAction", allows)?,
        resources: set(statement, "Resource", "NotResource", allows)?,
    };
    Some(Statement {
        allows,
        is_certain: allows || !conditional,
        reach,
    })
}

/// The patterns under one of two members. A variable stands for any text where that makes an Allow wider or a Deny narrower.
fn set(statement: &Value, any: &str, none: &str, allows: bool) -> Option<Set> {
    let (patterns, is_any) = match (statement.get(any), statement.get(none)) {
        (Some(patterns), None) => (patterns, true),
        (None, Some(patterns)) => (patterns, false),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let patterns: Vec<&str> = match patterns {
        Value::Array(patterns) => patterns.iter().map(Value::as_str).collect::<Option<_>>()?,
        one => vec![one.as_str()?],
    };
    let is_action = any == "Action";
    let wide = allows == is_any;
    let patterns = patterns.into_iter().filter_map(|pattern| {
        let text = if is_action {
            pattern.to_ascii_lowercase()
        } else {
            pattern.to_owned()
        };
        match (text.contains("${"), wide) {
            (false, _) => Some(text),
            (true, true) => Some(without_variables(&text)),
            (true, false) => None,
        }
    });
    let patterns = patterns.collect();
    Some(if is_any {
        Set::Any(patterns)
    } else {
        Set::NoneOf(patterns)
    })
}

/// `a/${aws:username}/b` as `a/*/b`.
fn without_variables(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        text.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

/// Whether everything that `pattern` matches is matched by `wide`; `*` stands for any text, `?` for one character.
///
/// Reads `pattern` as a text in which its own wildcards are letters that only a wildcard can match. Sound, and complete but for
/// patterns like `?*`.
fn covers(wide: &str, pattern: &str) -> bool {
    fits(wide, pattern, |wide, letter| match wide {
        '?' => letter != '*',
        other => other == letter,
    })
}

fn fits(wide: &str, text: &str, one: impl Fn(char, char) -> bool) -> bool {
    // Which beginnings of `wide` match the text read so far.
    let wide: Vec<char> = wide.chars().collect();
    let mut reached = closure(&wide, (0..=wide.len()).map(|at| at == 0).collect());
    for letter in text.chars() {
        let step = |at: usize| {
            let stays = wide.get(at) == Some(&'*') && reached.get(at) == Some(&true);
            let comes = at.checked_sub(1).is_some_and(|before| {
                let wild = wide.get(before).copied().unwrap_or('*');
                wild != '*' && reached.get(before) == Some(&true) && one(wild, letter)
            });
            stays || comes
        };
        reached = closure(&wide, (0..=wide.len()).map(step).collect());
    }
    reached.last() == Some(&true)
}

/// A `*` may match nothing.
fn closure(pattern: &[char], mut reached: Vec<bool>) -> Vec<bool> {
    for (at, letter) in pattern.iter().enumerate() {
        let here = reached.get(at) == Some(&true);
        if let Some(next) = reached.get_mut(at + 1) {
            *next |= here && *letter == '*';
        }
    }
    reached
}

/// Whether some text is matched by both patterns.
fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether the rests from here can match one text; filled from the ends.
    let width = other.len() + 1;
    let mut table = vec![false; (one.len() + 1) * width];
    let get = |table: &[bool], i: usize, j: usize| table.get(i * width + j).copied() == Some(true);
    for i in (0..=one.len()).rev() {
        for j in (0..=other.len()).rev() {
            let found = match (one.get(i), other.get(j)) {
                (None, None) => true,
                (Some('*'), Some('*')) => get(&table, i + 1, j) || get(&table, i, j + 1),
                (Some('*'), b) => get(&table, i + 1, j) || b.is_some() && get(&table, i, j + 1),
                (a, Some('*')) => get(&table, i, j + 1) || a.is_some() && get(&table, i + 1, j),
                (Some(a), Some(b)) => {
                    (a == b || *a == '?' || *b == '?') && get(&table, i + 1, j + 1)
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            if let Some(cell) = table.get_mut(i * width + j) {
                *cell = found;
            }
        }
    }
    get(&table, 0, 0)
}

#[cfg(test)]
mod tests;

//! The picture itself. Pure.

use std::fmt::Write;

use jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

/// One resource, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// What it hangs on: kind, namespace, name.
    pub parent: Option<(String, String, String)>,
    /// What it says of itself.
    pub state: State,
    /// Id of its key, when that was made and when it is replaced.
    pub key: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

/// How a resource does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Usable, and as the spec says.
    Fine,
    /// Something is to be known: what, and since when.
    Wanting(&'static str, String, Option<Timestamp>),
}

/// A picture.
pub struct Shown {
    pub text: String,
    /// Resources that are not as wanted.
    pub wrong: usize,
    /// The Account above has said why none of its resources can be looked at.
    is_down: bool,
}

impl Node {
    /// Of an object as the cluster has it.
    pub fn of(kind: &str, object: &DynamicObject) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let parent = [
            ("serviceRef", "ObjectStorageService"),
            ("accountRef", "Account"),
        ];
        let parent = parent.into_iter().find_map(|(field, parent)| {
            let named = object.data.pointer(&format!("/spec/{field}"))?;
            let there = text(named, "namespace").unwrap_or(&namespace).to_owned();
            Some((parent.to_owned(), there, text(named, "name")?.to_owned()))
        });
        let key = object
            .data
            .pointer("/status/key")
            .filter(|key| key.get("id").is_some());
        let moment = |key: &Value, member| text(key, member).and_then(|at| at.parse().ok());
        Self {
            kind: kind.to_owned(),
            parent,
            name: object.name_any(),
            state: State::of(object),
            key: key.map(|key| (moment(key, "createdAt"), moment(key, "rotatesAt"))),
            namespace,
        }
    }

    fn is(&self, other: &(String, String, String)) -> bool {
        (&self.kind, &self.namespace, &self.name) == (&other.0, &other.1, &other.2)
    }

    fn is_below(&self, other: &Self) -> bool {
        self.parent.as_ref().is_some_and(|parent| other.is(parent))
    }
}

impl State {
    fn of(object: &DynamicObject) -> Self {
        let conditions = object
            .data
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let find = |kind: &str| {
            conditions?
                .iter()
                .find(|condition| text(condition, "type") == Some(kind))
        };
        let said = |word: &'static str, condition: &Value| {
            let reason = text(condition, "reason").unwrap_or("?");
            let message = text(condition, "message").unwrap_or_default();
            let since = text(condition, "lastTransitionTime").and_then(|at| at.parse().ok());
            Self::Wanting(word, format!("{reason}: {message}"), since)
        };
        let holds = |condition: &Value| text(condition, "status") == Some("True");
        if let Some(deleted) = &object.metadata.deletion_timestamp {
            let why = find("Synced").or_else(|| find("Ready"));
            return match why.map(|why| said("DELETING", why)) {
                Some(Self::Wanting(word, why, _)) => Self::Wanting(word, why, Some(deleted.0)),
                _ => Self::Wanting(
                    "DELETING",
                    "not seen by the operator yet".into(),
                    Some(deleted.0),
                ),
            };
        }
        let stale = object
            .data
            .pointer("/status/observedGeneration")
            .and_then(Value::as_i64)
            != object.metadata.generation;
        match (find("Ready"), find("Stalled"), find("Synced")) {
            (None, _, _) => {
                let since = object.metadata.creation_timestamp.as_ref().map(|at| at.0);
                Self::Wanting("NEW", "not seen by the operator yet".into(), since)
            }
            (_, Some(stalled), _) if holds(stalled) => said("STALLED", stalled),
            (Some(ready), _, _) if !holds(ready) => said("NOT READY", ready),
            (_, _, Some(synced)) if !holds(synced) => said("NOT SYNCED", synced),
            (Some(_), _, _) if stale => Self::Wanting(
                "CHANGED",
                "the last edit has not been seen by the operator yet".into(),
                None,
            ),
            (Some(_), _, _) => match find("Braked") {
                Some(braked) if holds(braked) => said("BRAKED", braked),
                _ => Self::Fine,
            },
        }
    }
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}

/// Draws all, or one Account with what is below it.
pub fn render(nodes: &[Node], account: Option<&str>, now: Timestamp) -> Shown {
    let mut shown = Shown {
        text: String::new(),
        wrong: 0,
        is_down: false,
    };
    let mut sorted: Vec<&Node> = nodes.iter().collect();
    sorted.sort_by_key(|node| (&node.namespace, &node.kind, &node.name));
    let is_meant = |node: &Node| {
        account.is_none_or(|named| {
            let full = format!("{}/{}", node.namespace, node.name);
            node.kind == "Account" && (named == node.name || named == full)
        })
    };
    let is_root = |node: &Node| !nodes.iter().any(|other| node.is_below(other));
    let mut count = 0;
    for node in &sorted {
        if is_meant(node) && (account.is_some() || is_root(node)) {
            count += branch(&mut shown, node, &sorted, 0, now);
        }
    }
    if count == 0 {
        shown
            .text
            .push_str("nothing here; give -A for all namespaces\n");
    } else {
        let plural = if count == 1 { "resource" } else { "resources" };
        // A String takes everything.
        let _ = writeln!(
            shown.text,
            "{count} {plural}, {} not as wanted",
            shown.wrong
        );
    }
    shown
}

/// Draws one resource and all below it; how many they are. Nothing hangs on itself: kinds name only kinds above them.
fn branch(shown: &mut Shown, node: &Node, all: &[&Node], depth: usize, now: Timestamp) -> usize {
    let indent = "  ".repeat(depth);
    let place = if depth == 0 {
        format!("{}/", node.namespace)
    } else {
        String::new()
    };
    let mut line = format!("{indent}{} {place}{}", node.kind, node.name);
    if let (0, Some((kind, namespace, name))) = (depth, &node.parent) {
        let _ = write!(
            line,
            "  (below {kind} {namespace}/{name}, which is not shown)"
        );
    }
    if let Some((made, rotates)) = &node.key {
        let made = made.map_or("of unknown age".into(), |made| {
            format!("{} old", span(made, now))
        });
        let _ = write!(line, "  key {made}");
        if let Some(at) = rotates {
            let when = if *at > now {
                format!("in {}", span(now, *at))
            } else {
                format!("due since {}", span(*at, now))
            };
            let _ = write!(line, ", rotates {when}");
        }
    }
    if node.kind == "Account" || depth == 0 {
        shown.is_down = node.kind == "Account" && node.state != State::Fine;
    }
    if let State::Wanting(word, why, since) = &node.state {
        shown.wrong += 1;
        let why = match why.split_once(": ") {
            Some((reason @ "AccountNotReady", _)) if shown.is_down => {
                format!("{reason}: see the Account above")
            }
            _ => why.clone(),
        };
        let since = since
            .map(|since| format!(" for {}", span(since, now)))
            .unwrap_or_default();
        let _ = write!(line, "\n{indent}  ! {word}{since}: {why}");
    }
    // What others wrote must not move the cursor of whoever reads it.
    let clean = line
        .split('\n')
        .map(|part| part.replace(char::is_control, "?"));
    shown.text.push_str(&clean.collect::<Vec<_>>().join("\n"));
    shown.text.push('\n');
    let below = all.iter().filter(|other| other.is_below(node));
    1 + below
        .map(|child| branch(shown, child, all, depth + 1, now))
        .sum::<usize>()
}

/// A span in its largest unit: 45s, 12m, 5h, 30d.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-03-31T12:00:00Z";

    fn node(kind: &str, name: &str, rest: &Value) -> Node {
        let mut object = json!({
            "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": "ns", "generation": 1, "creationTimestamp": "2026-03-31T11:59:30Z"},
        });
        for (member, value) in rest.as_object().unwrap() {
            let slot = &mut object[member];
            match (slot.as_object_mut(), value.as_object()) {
                (Some(slot), Some(value)) => slot.extend(value.clone()),
                _ => *slot = value.clone(),
            }
        }
        Node::of(kind, &serde_json::from_value(object).unwrap())
    }

    fn said(conditions: &[(&str, &str, &str)]) -> Value {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": "why", "lastTransitionTime": "2026-03-31T11:00:00Z"}))
            .collect();
        json!({"observedGeneration": 1, "conditions": conditions})
    }

    fn fine() -> Value {
        said(&[("Ready", "True", "Available"), ("Synced", "True", "InSync")])
    }

    #[test]
    fn a_tree_shows_who_hangs_on_whom_and_what_is_wrong() {
        let service = json!({"serviceRef": {"name": "media"}});
        let mut user = fine();
        user["key"] = json!({"id": "AKIA", "createdAt": "2026-03-01T12:00:00Z", "rotatesAt": "2026-04-30T12:00:00Z"});
        let nodes = [
            node("IamUser", "ci", &json!({"spec": service, "status": user})),
            node(
                "Bucket",
                "logs",
                &json!({"spec": service, "status": said(&[("Ready", "False", "NameTaken"), ("Stalled", "True", "NameTaken")])}),
            ),
            node("Account", "default", &json!({"spec": {}, "status": fine()})),
            node(
                "ObjectStorageService",
                "media",
                &json!({"spec": {"accountRef": {"name": "default"}}, "status": fine()}),
            ),
            node(
                "Bucket",
                "lost",
                &json!({"spec": {"serviceRef": {"name": "other", "namespace": "far"}}}),
            ),
        ];
        let shown = render(&nodes, None, NOW.parse().unwrap());
        assert_eq!(
            shown.text,
            "Account ns/default\n\
             \x20 ObjectStorageService media\n\
             \x20   Bucket logs\n\
             \x20     ! STALLED for 60m: NameTaken: why\n\
             \x20   IamUser ci  key 30d old, rotates in 30d\n\
             Bucket ns/lost  (below ObjectStorageService far/other, which is not shown)\n\
             \x20 ! NEW for 30s: not seen by the operator yet\n\
             5 resources, 2 not as wanted\n"
        );
        assert_eq!(shown.wrong, 2);
        let one = render(&nodes, Some("ns/default"), NOW.parse().unwrap());
        assert!(
            one.text.ends_with("4 resources, 1 not as wanted\n"),
            "{}",
            one.text
        );
    }

    #[test]
    fn why_an_account_does_not_work_is_said_once() {
        let down = said(&[("Ready", "False", "CredentialsRefused")]);
        let child = said(&[
            ("Ready", "True", "Available"),
            ("Synced", "Unknown", "AccountNotReady"),
        ]);
        let named = json!({"accountRef": {"name": "default"}});
        let nodes = [
            node("Account", "default", &json!({"spec": {}, "status": down})),
            node(
                "ObjectStorageService",
                "media",
                &json!({"spec": named, "status": child}),
            ),
        ];
        let shown = render(&nodes, None, NOW.parse().unwrap());
        assert_eq!(
            shown.text,
            "Account ns/default\n\
             \x20 ! NOT READY for 60m: CredentialsRefused: why\n\
             \x20 ObjectStorageService media\n\
             \x20   ! NOT SYNCED for 60m: AccountNotReady: see the Account above\n\
             2 resources, 2 not as wanted\n"
        );
    }

    #[test]
    fn each_state_has_its_word() {
        for (rest, word) in [
            (json!({"status": fine()}), ""),
            (json!({}), "NEW"),
            (
                json!({"status": said(&[("Ready", "False", "SettingUp")])}),
                "NOT READY",
            ),
            (
                json!({"status": said(&[("Ready", "True", "Available"), ("Synced", "False", "CloudUnavailable")])}),
                "NOT SYNCED",
            ),
            (
                json!({"status": fine(), "metadata": {"generation": 2}}),
                "CHANGED",
            ),
            (
                json!({"status": said(&[("Ready", "True", "Connected"), ("Braked", "True", "Braked")])}),
                "BRAKED",
            ),
            (
                json!({"status": fine(), "metadata": {"deletionTimestamp": "2026-03-31T11:00:00Z"}}),
                "DELETING",
            ),
        ] {
            let found = match node("Bucket", "b", &rest).state {
                State::Fine => "",
                State::Wanting(word, ..) => word,
            };
            assert_eq!(found, word, "{rest}");
        }
    }
}

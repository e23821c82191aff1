//! What was written to the API server and what the operator asked of it, from its audit log.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::eventually;

const VERBS: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
/// Written for people and for leadership, at a rate of their own.
const NOT_COUNTED: [&str; 2] = ["events", "leases"];

/// Requests that changed something, or tried to: dry runs, Events and Leases are
/// not among them; refused requests are.
#[derive(Clone, Debug, Default)]
pub struct Writes(Vec<Write>);

/// One write, by whom it was asked for left out.
#[derive(Clone, Debug)]
pub struct Write {
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The plural, with the subresource: `iamusers/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// The HTTP status of the answer.
    pub code: i32,
}

/// A request as RBAC judges it, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural, with the subresource: `iamusers/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// The HTTP status of the answer.
    pub code: i32,
}

/// The requests of `user` up to that about an object named `mark`, reads among them: the log has those of each `ServiceAccount` in
/// `cooper-system`.
pub(super) async fn requests(log: &Path, user: &str, mark: &str) -> Vec<Request> {
    let events = events(log, mark).await.into_iter();
    events
        .filter(|event| event.user.username == user)
        .map(|event| Request {
            resource: event.object_ref.path(),
            verb: event.verb,
            group: event.object_ref.api_group,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            code: event.response_status.code,
        })
        .collect()
}

/// The lines of the log up to the one about an object named `mark`, and perhaps some more.
async fn events(log: &Path, mark: &str) -> Vec<Event> {
    let text = eventually(
        Duration::from_secs(10),
        "the audit log has all of it",
        async || {
            let text = fs::read_to_string(log).map_err(|error| error.to_string())?;
            // A line may be half written; the one with the mark is whole when its end is there.
            match text.find(mark).and_then(|at| text[at..].find('\n')) {
                Some(_) => Ok(text),
                None => Err("the mark is not in it yet".to_owned()),
            }
        },
    )
    .await;
    let whole = &text[..text.rfind('\n').unwrap_or(0)];
    let event = |line| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("audit log: {error}: {line}"))
    };
    whole.lines().map(event).collect()
}

impl Writes {
    /// Those of `user`, up to the request about an object named `mark`.
    pub(super) async fn read(log: &Path, user: &str, mark: &str) -> Self {
        let events = events(log, mark).await.into_iter();
        Self(events.filter_map(|event| counted(event, user)).collect())
    }

    /// What came after an earlier reading for the same user.
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().skip(earlier.0.len()).cloned().collect())
    }

    /// Those in one namespace.
    pub fn within(&self, namespace: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|write| write.namespace == namespace)
                .cloned()
                .collect(),
        )
    }

    pub fn all(&self) -> &[Write] {
        &self.0
    }

    pub fn total(&self) -> usize {
        self.0.len()
    }

    /// How many by verb and resource, as in `("create", "secrets")`.
    pub fn counts(&self) -> BTreeMap<(&str, &str), usize> {
        let mut counts = BTreeMap::new();
        for write in &self.0 {
            *counts
                .entry((write.verb.as_str(), write.resource.as_str()))
                .or_default() += 1;
        }
        counts
    }

    /// How many of one verb and resource.
    pub fn of(&self, verb: &str, resource: &str) -> usize {
        self.counts()
            .get(&(verb, resource))
            .copied()
            .unwrap_or_default()
    }
}

/// A name that occurs nowhere else.
pub fn mark() -> String {
    format!("mark-{:016x}", rand::random::<u64>())
}

/// One line of the log (an audit.k8s.io/v1 Event), such as
/// `{"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/secrets?dryRun=All",
/// "verb":"create","user":{"username":"admin"},"objectRef":{"resource":"secrets",
/// "namespace":"a","name":"b","subresource":"status"},"responseStatus":{"code":201}}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    request_object: Options,
    #[serde(default)]
    response_status: Response,
}

/// The body of a delete: `{"kind":"DeleteOptions","dryRun":["All"]}`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    dry_run: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

impl Object {
    /// The plural, with the subresource.
    fn path(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    code: i32,
}

fn counted(event: Event, user: &str) -> Option<Write> {
    let is_dry =
        event.request_uri.contains("dryRun=All") || !event.request_object.dry_run.is_empty();
    let of = event.object_ref;
    if event.user.username != user
        || is_dry
        || !VERBS.contains(&event.verb.as_str())
        || NOT_COUNTED.contains(&of.resource.as_str())
    {
        return None;
    }
    Some(Write {
        verb: event.verb,
        resource: of.path(),
        namespace: of.namespace,
        name: of.name,
        code: event.response_status.code,
    })
}

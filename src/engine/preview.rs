//! What passes would do at the cloud, told without doing any of it: what `cooper plan` asks.
//!
//! Objects are put in as a pass would find them, references among them are followed, and each is resolved, observed and compared by
//! the functions that passes use, whoever is named before whoever names it. What a pass would leave in a status is put into the store
//! here, so that a user sees the policy that is still to be made, and a bucket the service that would be taken over.

mod look;
mod shelf;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    account::Way,
    external::Target,
    known::Known,
    object::{Trouble, answered},
};
pub use shelf::{AccountShelf, Shelf, Shelves};

/// Looks under way at once; the account's request budget bounds what they send.
const AT_ONCE: usize = 16;

/// What would become of one resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What would be done.
    pub action: Action,
    /// The requests that would be sent, in the words of events.
    pub changes: Vec<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What would be done about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Made.
    Create,
    /// Taken over, and changed if changes are told.
    Adopt,
    /// Changed.
    Update,
    /// Left as it is.
    Keep,
    /// Nothing until the cloud or the cluster is done with something.
    Wait,
    /// Nothing: it cannot be as the resource says.
    Refuse,
    /// It could not be told.
    Fail,
}

impl Action {
    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Keep => "keep",
            Self::Wait => "wait",
            Self::Refuse => "refuse",
            Self::Fail => "fail",
        }
    }
}

impl Forecast {
    fn new(target: &Target, action: Action) -> Self {
        Self {
            kind: target.kind.to_string(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            action,
            changes: Vec::new(),
            message: None,
        }
    }

    fn saying(target: &Target, action: Action, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..Self::new(target, action)
        }
    }

    /// Whether something would be changed at the cloud.
    pub fn changes_something(&self) -> bool {
        self.action == Action::Create || !self.changes.is_empty()
    }

    /// Whether the resource cannot be as it says, or that could not be told.
    pub fn goes_wrong(&self) -> bool {
        matches!(self.action, Action::Refuse | Action::Fail)
    }
}

/// Objects, and what is known for telling what would become of them.
pub struct Preview<'w> {
    known: Known,
    shelves: Vec<Box<dyn Shelf + 'w>>,
    way: &'w Way,
    /// Who is named by whom, over all objects that were put in.
    names: BTreeMap<Target, Vec<Target>>,
    wanted: BTreeSet<Target>,
}

/// Why an object cannot be taken into a preview.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Its kind is not known.
    #[error("{0} is no kind that this version knows")]
    UnknownKind(String),
    /// It has no name.
    #[error("{0} has no metadata.name")]
    Nameless(String),
    /// It was put in before.
    #[error("{0} stands there twice")]
    Twice(Target),
    /// It cannot be read.
    #[error("{target}: {complaint}")]
    Unreadable {
        /// Which object.
        target: Target,
        /// What is wrong with it.
        complaint: String,
    },
    /// The cluster did not say how it stands there.
    #[error("cannot read {target} from the cluster: {trouble}")]
    Cluster {
        /// Which object.
        target: Target,
        /// What became of it.
        trouble: Box<Trouble>,
    },
}

impl<'w> Preview<'w> {
    /// Over these kinds; `way` leads to the cluster, if one is to be asked, and into accounts.
    pub fn new(way: &'w Way, shelves: impl FnOnce(&mut Shelves<'w>)) -> Self {
        let mut made = Shelves::new(way);
        shelves(&mut made);
        let (known, shelves) = made.finish();
        Self {
            known,
            shelves,
            way,
            names: BTreeMap::new(),
            wanted: BTreeSet::new(),
        }
    }

    /// Whether this API group has kinds of ours.
    pub fn knows_group(&self, group: &str) -> bool {
        self.shelves.iter().any(|shelf| shelf.kind().group == group)
    }

    fn shelf(&self, group: &str, kind: &str) -> Option<&dyn Shelf> {
        let mut shelves = self.shelves.iter();
        let found = shelves.find(|shelf| shelf.kind().group == group && shelf.kind().kind == kind);
        found.map(|shelf| &**shelf as &dyn Shelf)
    }

    /// Where its kind stands in the registry.
    fn rank(&self, target: &Target) -> usize {
        let mut kinds = self.shelves.iter().map(|shelf| shelf.kind());
        let found = kinds.position(|kind| kind.group == target.group && kind.kind == target.kind);
        found.unwrap_or(usize::MAX)
    }

    /// Puts in an object that is wanted as it stands in a file. Spec, labels and annotations are the file's; its claim, and whatever
    /// else only the cluster knows, is the cluster's.
    pub async fn want(&mut self, file: &Value, namespace: &str) -> Result<(), Unfit> {
        let text = |pointer: &str| file.pointer(pointer).and_then(Value::as_str);
        let (version, kind) = (text("/apiVersion").unwrap_or(""), text("/kind"));
        let (group, kind) = (
            group_of(version),
            kind.unwrap_or("an object without a kind"),
        );
        let ours = self.shelf(group, kind);
        let ours = ours
            .filter(|ours| ours.kind().api_version == version)
            .ok_or_else(|| Unfit::UnknownKind(format!("{kind} of {version}")))?;
        let name = text("/metadata/name").ok_or_else(|| Unfit::Nameless(kind.to_owned()))?;
        let namespace = text("/metadata/namespace").unwrap_or(namespace);
        let target = Target::new(group.to_owned(), kind.to_owned(), namespace, name);
        if self.wanted.contains(&target) {
            return Err(Unfit::Twice(target));
        }
        let live = self.read(ours.kind(), &target).await?;
        let names = put(ours, &target, merged(file, live, &target))?;
        self.names.insert(target.clone(), names);
        self.wanted.insert(target);
        Ok(())
    }

    async fn read(&self, kind: &ApiResource, target: &Target) -> Result<Option<Value>, Unfit> {
        let Some(kube) = &self.way.kube else {
            return Ok(None);
        };
        let failed = |trouble| Unfit::Cluster {
            target: target.clone(),
            trouble: Box::new(trouble),
        };
        let found = read(kube, kind, target).await.map_err(failed)?;
        Ok(found.and_then(|object| serde_json::to_value(object).ok()))
    }

    /// Tells what would become of all that is wanted, in the order of who is named by whom.
    pub async fn tell(mut self) -> Result<Vec<Forecast>, Unfit> {
        self.gather().await?;
        let mut told = Vec::new();
        for level in levels(&self.names, |target| self.rank(target)) {
            let level: Vec<_> = level
                .into_iter()
                .filter(|target| self.wanted.contains(*target))
                .filter_map(|target| {
                    let ours = self.shelf(&target.group, &target.kind)?;
                    Some(ours.look(target, &self.known))
                })
                .collect();
            let looks = stream::iter(level).buffered(AT_ONCE).collect::<Vec<_>>();
            told.extend(looks.await.into_iter().flatten());
        }
        Ok(told)
    }

    /// Puts in what is named and not among the files.
    async fn gather(&mut self) -> Result<(), Unfit> {
        let mut queue: VecDeque<Target> = self.names.values().flatten().cloned().collect();
        while let Some(target) = queue.pop_front() {
            if self.names.contains_key(&target) {
                continue;
            }
            let Some(ours) = self.shelf(&target.group, &target.kind) else {
                continue;
            };
            let live = self.read(ours.kind(), &target).await?;
            let names = if let Some(live) = live {
                put(ours, &target, live)?
            } else {
                ours.stand_in(&target);
                Vec::new()
            };
            queue.extend(names.iter().cloned());
            self.names.insert(target, names);
        }
        Ok(())
    }
}

fn put(shelf: &dyn Shelf, target: &Target, object: Value) -> Result<Vec<Target>, Unfit> {
    shelf.put(object).map_err(|complaint| Unfit::Unreadable {
        target: target.clone(),
        complaint,
    })
}

async fn read(
    kube: &Client,
    kind: &ApiResource,
    target: &Target,
) -> Result<Option<DynamicObject>, Trouble> {
    let api: Api<DynamicObject> = Api::namespaced_with(kube.clone(), &target.namespace, kind);
    answered(api.get_opt(&target.name)).await
}

/// The group in an `apiVersion`.
pub fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// What the object would be once this file is applied.
fn merged(file: &Value, live: Option<Value>, target: &Target) -> Value {
    let mut object = live.unwrap_or_else(|| {
        json!({
            "apiVersion": file.get("apiVersion"),
            "kind": file.get("kind"),
            "metadata": {"name": target.name, "namespace": target.namespace},
        })
    });
    if let Some(members) = object.as_object_mut() {
        members.insert("spec".into(), file.get("spec").cloned().unwrap_or_default());
    }
    for marks in ["labels", "annotations"] {
        let from_file = file.pointer(&format!("/metadata/{marks}"));
        let (Some(from_file), Some(meta)) = (
            from_file.and_then(Value::as_object),
            object.get_mut("metadata").and_then(Value::as_object_mut),
        ) else {
            continue;
        };
        let all = meta.entry(marks).or_insert_with(|| json!({}));
        if let Some(all) = all.as_object_mut() {
            all.extend(from_file.clone());
        }
    }
    object
}

/// Objects in rounds: each names only such as stand in an earlier round. Where objects name each other, those of the kind that the
/// registry has first come first: roots, such as a service, before what lives in them.
fn levels(
    names: &BTreeMap<Target, Vec<Target>>,
    rank: impl Fn(&Target) -> usize,
) -> Vec<Vec<&Target>> {
    let mut left: BTreeSet<&Target> = names.keys().collect();
    let mut levels = Vec::new();
    while !left.is_empty() {
        let waits = |target: &&Target| {
            let of_it = names.get(*target).into_iter().flatten();
            of_it.into_iter().any(|first| left.contains(first))
        };
        let (mut later, mut now): (Vec<_>, Vec<_>) = left.iter().copied().partition(waits);
        if now.is_empty() {
            let first = later.iter().map(|target| rank(target)).min();
            (now, later) = later
                .into_iter()
                .partition(|target| Some(rank(target)) == first);
        }
        levels.push(now);
        left = later.into_iter().collect();
    }
    levels
}

#[cfg(test)]
mod tests;

//! What exists at an account, as resources that would take it over: what `cooper import` asks.
//!
//! Each kind lists its own remotes ([`External::inventory`]). Names of resources are given out here, so that those who name each other
//! agree whoever comes first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Resource;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    account::{Closed, Provider, Way},
    budget::Lane,
    external::{Cloud, External, View},
};

/// Longest name given to a resource; a label could hold it.
const LONGEST: usize = 63;

/// What is asked for, and what was said about it.
pub struct Asked {
    /// Name of the Account that roots refer to.
    pub account: String,
    /// Namespace to write into the resources; none leaves it to whoever applies them.
    pub namespace: Option<String>,
    /// Only this root, by its name at the cloud, and what is in it.
    pub only: Option<String>,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    given: BTreeMap<[String; 3], String>,
    taken: BTreeSet<(String, String)>,
    left_out: Vec<String>,
}

impl Asked {
    /// Nothing named yet.
    pub fn new(account: String, namespace: Option<String>, only: Option<String>) -> Self {
        Self {
            account,
            namespace,
            only,
            names: Mutex::default(),
        }
    }

    /// The name of the resource for the remote of this name in this parent (empty for a root): the remote's own, if a resource can
    /// have it and no other has.
    pub fn name<K: Resource<DynamicType = ()>>(&self, parent: &str, remote: &str) -> String {
        let kind = K::kind(&()).into_owned();
        let key = [kind.clone(), parent.to_owned(), remote.to_owned()];
        let mut names = self.names();
        if let Some(given) = names.given.get(&key) {
            return given.clone();
        }
        let plain = safe(remote, &kind);
        let longer = || safe(&format!("{remote}-{parent}"), &kind);
        let numbered = (2..).map(|number| numbered(&plain, number));
        let mut candidates = [plain.clone(), longer()].into_iter().chain(numbered);
        let free = |name: &String| !names.taken.contains(&(kind.clone(), name.clone()));
        // The numbers do not end, so there is one.
        let name = candidates.find(free).unwrap_or(plain);
        names.taken.insert((kind, name.clone()));
        names.given.insert(key, name.clone());
        name
    }

    /// Whether a root is asked for.
    pub fn wants(&self, root: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == root)
    }

    /// Notes something that no resource can stand for.
    pub fn leave_out(&self, what: impl Into<String>) {
        self.names().left_out.push(what.into());
    }

    /// What was left out, and why.
    pub fn left_out(&self) -> Vec<String> {
        self.names().left_out.clone()
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that a resource can have: lower case letters, digits and `-`, no longer than a label's value.
fn safe(text: &str, kind: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '-',
    };
    let name: String = text.chars().map(letter).take(LONGEST).collect();
    match name.trim_matches('-') {
        "" => kind.to_ascii_lowercase(),
        name => name.to_owned(),
    }
}

fn numbered(name: &str, number: u32) -> String {
    let end = format!("-{number}");
    let room = LONGEST.saturating_sub(end.len());
    // All of it is ASCII.
    let begin: String = name.chars().take(room).collect();
    format!("{}{end}", begin.trim_end_matches('-'))
}

/// The kinds whose remotes are listed.
pub struct Inventory<'w> {
    way: &'w Way,
    asked: &'w Asked,
    kinds: Vec<BoxFuture<'w, Result<Vec<Value>, Closed>>>,
}

/// A session that is opened by the first kind that needs it.
pub type Opening<A> = Arc<OnceCell<<A as Provider>::Cloud>>;

impl<'w> Inventory<'w> {
    /// No kind yet.
    pub fn new(way: &'w Way, asked: &'w Asked) -> Self {
        Self {
            way,
            asked,
            kinds: Vec::new(),
        }
    }

    /// A kind whose remotes live in this account.
    pub fn kind<K: External>(&mut self, account: &Opening<K::Account>) {
        let (way, asked, account) = (self.way, self.asked, Arc::clone(account));
        self.kinds.push(Box::pin(async move {
            let open = || way.open::<K::Account>();
            let cloud = account.get_or_try_init(open).await?;
            let found = K::inventory(&cloud.pass(view()), asked).await?;
            let values = found.into_iter().map(|mut resource| {
                resource.meta_mut().namespace.clone_from(&asked.namespace);
                serde_json::to_value(resource).unwrap_or_default()
            });
            Ok(values.collect())
        }));
    }

    /// Lists, one kind after the other: whoever is named before whoever names it.
    pub async fn list(self) -> Result<Vec<Value>, Closed> {
        let mut all = Vec::new();
        for kind in self.kinds {
            all.extend(kind.await?);
        }
        Ok(all)
    }
}

fn view() -> View {
    View {
        since: Timestamp::MIN,
        fresh: false,
        deep: true,
        parting: false,
        lane: Lane::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};

    use super::*;

    fn asked() -> Asked {
        Asked::new("default".into(), None, None)
    }

    #[test]
    fn a_remote_lends_its_name_if_a_resource_can_have_it() {
        let long = "x".repeat(80);
        for (remote, name) in [
            ("logs", "logs"),
            ("Backup_Writer", "backup-writer"),
            ("_a.b_", "a-b"),
            ("äöü", "secret"),
            (long.as_str(), &long[..63]),
        ] {
            assert_eq!(asked().name::<Secret>("media", remote), name, "{remote}");
        }
    }

    #[test]
    fn names_are_the_same_whoever_asks_and_never_two_things_one() {
        let asked = asked();
        let first = asked.name::<Secret>("media", "logs");
        assert_eq!(asked.name::<Secret>("media", "logs"), first);
        assert_eq!(asked.name::<Secret>("other", "logs"), "logs-other");
        assert_eq!(asked.name::<Secret>("media", "LOGS"), "logs-media");
        assert_eq!(asked.name::<Secret>("media", "Logs"), "logs-2");
        assert_eq!(asked.name::<ConfigMap>("other", "logs"), "logs");
    }
}

//! Instant healing, where an installation grants it: a watch on the metadata of our own Secrets.
//!
//! Who may watch Secrets may read them, so nothing is watched unless asked for; without it each Secret is looked at once in
//! `secret_check`. The watch only says *when* to look. What it shows decides nothing: it brings forward the look that was due anyway,
//! so one that is broken or not allowed costs promptness and nothing else.
//!
//! Our own writes come back through the watch too. They are told from others' by the version that we read or wrote last, which is all
//! that is kept of a Secret besides its name and whose it is.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};

use super::{
    controller::Scope,
    core::Core,
    external::Target,
    key::{ISSUER_LABEL, STAGING_TYPE},
    wake::Cause,
};

/// The Secrets of ours as this process last read or wrote them.
#[derive(Default)]
pub struct Sightings(Mutex<HashMap<Name, Sighting>>);

/// Namespace and name of a Secret.
type Name = (Box<str>, Box<str>);

struct Sighting {
    version: u64,
    owner: Target,
}

impl Sightings {
    fn all(&self) -> MutexGuard<'_, HashMap<Name, Sighting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// We read or wrote it like this. Only Secrets that pods read, and that belong to a resource, are kept in mind.
    pub fn saw(&self, secret: &Secret) {
        if secret.type_.as_deref() == Some(STAGING_TYPE) {
            return;
        }
        let name = name(&secret.metadata);
        let version = version(&secret.metadata);
        match owner(&secret.metadata) {
            Some(owner) => self.all().insert(name, Sighting { version, owner }),
            None => self.all().remove(&name),
        };
    }

    /// We found it gone, or deleted it.
    pub fn gone(&self, namespace: &str, name: &str) {
        self.all().remove(&(namespace.into(), name.into()));
    }

    /// Whose look is due because a Secret is now like this. Nobody's if we left it so.
    fn changed(&self, meta: &ObjectMeta) -> Option<Target> {
        match self.all().get(&name(meta)) {
            Some(known) if known.version == version(meta) => None,
            // Who edits a Secret may take our owner reference off it.
            Some(known) => Some(known.owner.clone()),
            None => owner(meta),
        }
    }

    /// Whose look is due because a Secret is gone. Nobody's if we knew.
    fn lost(&self, name: &Name) -> Option<Target> {
        self.all().remove(name).map(|known| known.owner)
    }

    /// Those that we believe to exist and a listing lacks.
    fn missing(&self, listed: &HashSet<Name>) -> Vec<Name> {
        let all = self.all();
        let missing = all.keys().filter(|name| !listed.contains(*name));
        missing.cloned().collect()
    }
}

fn name(meta: &ObjectMeta) -> Name {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    (text(&meta.namespace), text(&meta.name))
}

fn version(meta: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&meta.uid, &meta.resource_version).hash(&mut hasher);
    hasher.finish()
}

/// The resource whose uid stands in the label, as the owner references name it.
fn owner(meta: &ObjectMeta) -> Option<Target> {
    let uid = meta.labels.as_ref()?.get(ISSUER_LABEL)?;
    let owners = meta.owner_references.iter().flatten();
    let owner = owners.into_iter().find(|owner| owner.uid == *uid)?;
    let group = owner.api_version.split_once('/')?.0.to_owned();
    let namespace = meta.namespace.as_deref()?;
    Some(Target::new(
        group,
        owner.kind.clone(),
        namespace,
        &owner.name,
    ))
}

/// Watches for as long as its future lives, over and over: where the right is missing it says so and tries on.
pub async fn watch(core: Arc<Core>, sightings: Arc<Sightings>, client: Client, scope: Scope) {
    let api: Api<PartialObjectMeta<Secret>> = match scope {
        Scope::Cluster => Api::all(client),
        Scope::Namespace(namespace) => Api::namespaced(client, &namespace),
    };
    // Stagings come and go within one pass.
    let ours = watcher::Config::default()
        .labels(ISSUER_LABEL)
        .fields(&format!("type!={STAGING_TYPE}"));
    let mut watch = Watch {
        core,
        sightings,
        listed: HashSet::new(),
        is_first: true,
        is_told: false,
    };
    let mut events = std::pin::pin!(watcher(api, ours).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => watch.event(event),
            Err(error) => watch.broke(&error),
        }
    }
}

struct Watch {
    core: Arc<Core>,
    sightings: Arc<Sightings>,
    /// Secrets in the listing that is being taken.
    listed: HashSet<Name>,
    /// Nothing has been listed yet: every resource has its first look still before it, or just behind it.
    is_first: bool,
    /// That the right is missing was said already.
    is_told: bool,
}

impl Watch {
    fn event(&mut self, event: watcher::Event<PartialObjectMeta<Secret>>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(secret) => {
                let name = name(&secret.metadata);
                let is_news = !self.is_first || self.sightings.all().contains_key(&name);
                if is_news && let Some(owner) = self.sightings.changed(&secret.metadata) {
                    self.wake(&owner);
                }
                self.listed.insert(name);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                for name in self.sightings.missing(&listed) {
                    self.lost(&name);
                }
                (self.is_first, self.is_told) = (false, false);
            }
            watcher::Event::Apply(secret) => {
                if let Some(owner) = self.sightings.changed(&secret.metadata) {
                    self.wake(&owner);
                }
            }
            watcher::Event::Delete(secret) => self.lost(&name(&secret.metadata)),
        }
    }

    fn lost(&self, name: &Name) {
        if let Some(owner) = self.sightings.lost(name) {
            self.wake(&owner);
        }
    }

    /// Its look at the Secret is due now. Whoever may make Secrets can name an owner that does not exist; nobody is looked at then.
    fn wake(&self, owner: &Target) {
        if self.core.references.knows(owner) {
            self.core.wakes.wake(owner, Cause::Due);
        }
    }

    fn broke(&mut self, error: &watcher::Error) {
        if !is_forbidden(error) {
            tracing::warn!(%error, "the watch on Secrets broke; it is taken up again");
            return;
        }
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::error!(
                %error,
                "this operator may not list and watch Secrets, which --secrets-watch asks for: grant it (chart: secrets.watch; \
                 kustomize: deploy/secrets-watch) or leave the flag out. Until then each Secret is looked at every {} s only",
                self.core.settings.secret_check.as_secs()
            );
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(version: &str, owner: &str) -> Secret {
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "ns", "name": "ci-s3", "uid": "s", "resourceVersion": version,
                "labels": {ISSUER_LABEL: "u"},
                "ownerReferences": [{"apiVersion": "g/v1", "kind": "K", "name": "ci", "uid": owner}],
            },
        }))
        .unwrap()
    }

    fn ci() -> Target {
        Target::new("g", "K", "ns", "ci")
    }

    fn sightings() -> Sightings {
        let sightings = Sightings::default();
        sightings.saw(&secret("1", "u"));
        sightings
    }

    #[test]
    fn our_own_write_wakes_nobody_and_another_one_its_owner() {
        let sightings = sightings();
        let changed = |secret: Secret| sightings.changed(&secret.metadata);
        assert_eq!(changed(secret("1", "u")), None);
        assert_eq!(changed(secret("2", "u")), Some(ci()));
        assert_eq!(changed(secret("2", "another")), Some(ci()), "as we knew it");
    }

    #[test]
    fn a_secret_that_we_did_not_see_wakes_only_the_owner_that_its_label_confirms() {
        let sightings = Sightings::default();
        let changed = |secret: Secret| sightings.changed(&secret.metadata);
        assert_eq!(changed(secret("1", "u")), Some(ci()));
        assert_eq!(changed(secret("1", "another")), None);
    }

    #[test]
    fn a_deletion_by_somebody_else_wakes_once_and_our_own_does_not() {
        let name = name(&secret("1", "u").metadata);
        let others = sightings();
        assert_eq!(others.missing(&HashSet::new()), std::slice::from_ref(&name));
        assert_eq!([others.lost(&name), others.lost(&name)], [Some(ci()), None]);
        let own = sightings();
        own.gone("ns", "ci-s3");
        assert_eq!(own.lost(&name), None);
    }

    #[test]
    fn what_belongs_to_no_resource_is_not_kept() {
        let sightings = sightings();
        sightings.saw(&secret("2", "another"));
        let mut staging = secret("1", "u");
        staging.type_ = Some(STAGING_TYPE.into());
        sightings.saw(&staging);
        assert!(sightings.all().is_empty());
    }
}

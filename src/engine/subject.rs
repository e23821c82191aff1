//! One resource while a pass works on it: read once, advanced by the pass's own writes.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, Resource, core::object::HasSpec};

use super::{
    external::{AccountKey, Common, DeletionPolicy, External, Spec, Target},
    guarded::Guarded,
    index::Owner,
    intent::{self, Intent},
    object::{Object, Trouble},
    standing,
    status::Status,
};

/// The status of kind `K`.
pub type StatusOf<K> = Status<<K as External>::Place, <K as External>::Facts>;

/// One resource while a pass works on it.
pub struct Subject<K: External> {
    /// Who it is.
    pub target: Target,
    /// Its metadata as it was read.
    pub meta: ObjectMeta,
    /// The object, if it can be read whole.
    pub object: Option<Arc<K>>,
    /// Why it cannot be read whole.
    pub unreadable: Option<String>,
    /// The status as it was last read or written.
    pub status: StatusOf<K>,
    /// The resourceVersion of that.
    pub version: String,
    /// The resourceVersions before that, which this pass saw superseded.
    pub past: Vec<String>,
    /// Somebody else changed the object since the pass began to look at it.
    pub overtaken: bool,
    at_server: Object,
}

impl<K: External> Subject<K> {
    /// The object from the store. `None` if not even its status can be read.
    pub fn of(client: Client, target: Target, stored: &Guarded<K>) -> Option<Self> {
        let meta = stored.meta().clone();
        let (object, unreadable, status) = match stored {
            Guarded::Whole(object) => (
                Some(Arc::clone(object)),
                None,
                object.status().cloned().unwrap_or_default(),
            ),
            Guarded::Part(part) if part.status.is_null() => {
                (None, Some(part.error.clone()), Status::default())
            }
            Guarded::Part(part) => (
                None,
                Some(part.error.clone()),
                serde_json::from_value(part.status.clone()).ok()?,
            ),
        };
        let version = meta.resource_version.clone().unwrap_or_default();
        let at_server = Object::of::<K>(client, &target);
        Some(Self {
            target,
            meta,
            object,
            unreadable,
            status,
            version,
            past: Vec::new(),
            overtaken: false,
            at_server,
        })
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        self.meta.uid.as_deref().unwrap_or_default()
    }

    /// The fields every kind has, if the spec can be read.
    pub fn common(&self) -> Option<&Common> {
        self.object.as_deref().map(External::common)
    }

    /// The spec, if it can be read.
    pub fn spec(&self) -> Option<&Spec<K>> {
        self.object.as_deref().map(HasSpec::spec)
    }

    /// The deletion policy in effect.
    pub fn policy(&self) -> DeletionPolicy {
        intent::policy(
            self.common(),
            self.status.origin,
            self.status.deletion_policy,
        )
    }

    /// What it asks for.
    pub fn intent(&self, crd_leaving: bool) -> Intent {
        intent::intent(&self.meta, self.common(), self.policy(), crd_leaving)
    }

    /// What an annotation says.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = self.meta.annotations.as_ref()?;
        annotations.get(name).map(String::as_str)
    }

    /// Whether an annotation says `"true"`.
    pub fn says(&self, annotation: &str) -> bool {
        intent::says(&self.meta, annotation)
    }

    /// The claim it holds: account and place of a remote that it made, makes or adopted.
    pub fn claim(&self) -> Option<(&AccountKey, &K::Place)> {
        standing::claimed(&self.status)
    }

    /// Its entry in the table of owners.
    pub fn owner(&self) -> Owner {
        owner_of(self.target.clone(), &self.meta)
    }

    /// The object at the API server.
    pub fn at_server(&self) -> &Object {
        &self.at_server
    }

    /// Puts the finalizer on, before anything else is written anywhere.
    pub async fn add_finalizer(&mut self) -> Result<(), Trouble> {
        if intent::has_finalizer(&self.meta) {
            return Ok(());
        }
        let finalizers = intent::finalizers_with_ours(&self.meta);
        let version = self
            .at_server
            .put_finalizers(&self.version, &finalizers)
            .await?;
        self.is_now(version);
        self.meta.finalizers = Some(finalizers);
        Ok(())
    }

    /// Takes the finalizer off, last of all.
    pub async fn remove_finalizer(&mut self) -> Result<(), Trouble> {
        if !intent::has_finalizer(&self.meta) {
            return Ok(());
        }
        let finalizers = intent::finalizers_without_ours(&self.meta);
        match self
            .at_server
            .put_finalizers(&self.version, &finalizers)
            .await
        {
            Ok(version) => self.is_now(version),
            Err(Trouble::Gone) => {}
            Err(trouble) => return Err(trouble),
        }
        self.meta.finalizers = Some(finalizers);
        Ok(())
    }

    /// Replaces the status if it differs from what stands. Answers whether it was written.
    pub async fn put_status(&mut self, status: StatusOf<K>) -> Result<bool, Trouble> {
        if status == self.status {
            return Ok(false);
        }
        let version = self.at_server.put_status(&self.version, &status).await?;
        self.is_now(version);
        self.status = status;
        Ok(true)
    }

    fn is_now(&mut self, version: String) {
        if version != self.version {
            self.past
                .push(std::mem::replace(&mut self.version, version));
        }
    }

    /// Reads the object anew, past every cache: its status and finalizers as they stand now.
    ///
    /// What the pass acts on stays what it read first; an edit that shows here is noted, and another pass will follow it.
    pub async fn refresh(&mut self) -> Result<(), Trouble> {
        let now = self.at_server.read().await?;
        if now.metadata.uid != self.meta.uid {
            return Err(Trouble::Gone);
        }
        let status = now
            .data
            .get("status")
            .cloned()
            .unwrap_or_else(|| serde_json::json!({}));
        let status: StatusOf<K> = serde_json::from_value(status)
            .map_err(|error| Trouble::Kube(kube::Error::SerdeError(error)))?;
        if (&status.account, &status.place, status.origin)
            != (&self.status.account, &self.status.place, self.status.origin)
        {
            // The claim this pass acts under is not the one that stands.
            return Err(Trouble::Conflict);
        }
        self.status = status;
        let is_same = now.metadata.generation == self.meta.generation
            && now.metadata.deletion_timestamp == self.meta.deletion_timestamp
            && without_noise(now.metadata.annotations.as_ref())
                == without_noise(self.meta.annotations.as_ref());
        self.overtaken |= !is_same;
        self.is_now(now.metadata.resource_version.clone().unwrap_or_default());
        self.meta.finalizers = now.metadata.finalizers;
        Ok(())
    }
}

/// Annotations without the one that stores drop.
fn without_noise(annotations: Option<&BTreeMap<String, String>>) -> Vec<(&String, &String)> {
    annotations
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "kubectl.kubernetes.io/last-applied-configuration")
        .collect()
}

/// The status of an object, if it has one and that can be read.
pub fn status_of<K: External>(stored: &Guarded<K>) -> Option<StatusOf<K>> {
    match stored {
        Guarded::Whole(object) => object.status().cloned(),
        Guarded::Part(part) => serde_json::from_value(part.status.clone()).ok(),
    }
}

/// Who an object of kind `K` is.
pub fn target_of<K: Resource<DynamicType = ()>>(meta: &ObjectMeta) -> Target {
    Target::of::<K>(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// An object's entry in the table of owners.
pub fn owner_of(resource: Target, meta: &ObjectMeta) -> Owner {
    let created = meta
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::MAX, |time| time.0);
    Owner {
        resource,
        uid: meta.uid.as_deref().unwrap_or_default().into(),
        created,
    }
}

/// A place in the table of owners: unique over all kinds and accounts.
pub fn place_key<K: External>(account: &AccountKey, place: &K::Place) -> String {
    // A place is made of strings; should one ever not serialize, the debug text is as unique.
    let text = serde_json::to_string(place).unwrap_or_else(|_| format!("{place:?}"));
    format!("{}/{} {account} {text}", K::group(&()), K::kind(&()))
}

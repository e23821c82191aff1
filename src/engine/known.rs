//! The stores of all kinds, by type, for resolving references without I/O.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kube::{
    Resource, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    external::{Target, Unresolved},
    guarded::{Guarded, Watched},
    reason::Reason,
};

/// A reference to another resource, in the same namespace unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Its namespace. In another one its owner must allow it, in allowedNamespaces. Default: the namespace of the resource that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
}

impl Reference {
    /// The resource of kind `P` that a resource in `namespace` means by this.
    pub fn target<P: Resource<DynamicType = ()>>(&self, namespace: &str) -> Target {
        Target::of::<P>(self.namespace.as_deref().unwrap_or(namespace), &self.name)
    }
}

/// A resource that others may name.
pub trait Shared: Watched {
    /// Whether resources in another namespace may name it.
    fn allows(&self, namespace: &str) -> bool {
        let _ = namespace;
        false
    }
}

/// The stores of all kinds.
#[derive(Default)]
pub struct Known {
    stores: RwLock<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

impl Known {
    /// Adds the store of a kind.
    pub fn add<K: Watched>(&self, store: Store<Guarded<K>>) {
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        stores.insert(TypeId::of::<K>(), Box::new(store));
    }

    /// The resource of this name, if it exists, as it was when it could last be read.
    pub fn get<K: Watched>(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        let store = stores
            .get(&TypeId::of::<K>())?
            .downcast_ref::<Store<Guarded<K>>>()?;
        let found = store.get(&ObjectRef::new(name).within(namespace))?;
        found.last_whole().cloned()
    }

    /// What `child` names by `reference`; waiting if it does not exist or is not shared with the child's namespace.
    ///
    /// Which of the two it is, is nothing that another namespace should learn.
    pub fn named<P: Shared>(
        &self,
        child: &impl ResourceExt,
        reference: &Reference,
    ) -> Result<Arc<P>, Unresolved> {
        let own = child.namespace().unwrap_or_default();
        let target = reference.target::<P>(&own);
        let found = self.get::<P>(&target.namespace, &target.name);
        if target.namespace == own {
            return found.ok_or_else(|| Unresolved::Waiting {
                reason: Reason::ReferenceNotReady,
                message: format!("{target} does not exist; create it or correct the reference"),
            });
        }
        found
            .filter(|found| found.allows(&own))
            .ok_or_else(|| not_shared(&target, &own))
    }
}

/// What to ask the owner of `target` for.
pub fn not_shared(target: &Target, namespace: &str) -> Unresolved {
    Unresolved::Waiting {
        reason: Reason::ReferenceNotAllowed,
        message: format!(
            "{target} does not exist or is not shared with namespace {namespace}; ask its owner to add {{name: {namespace}}} to spec.allowedNamespaces. \
             Until then nothing is written; what was made stays as it is, and can be deleted"
        ),
    }
}

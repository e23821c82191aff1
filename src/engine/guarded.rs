//! An object as the API server stores it: whole, or as much of it as can be read.
//!
//! One object that does not decode must not break the list it stands in, and it must still be possible to delete it. So metadata and
//! status are read on their own when the whole is not readable.

use std::{borrow::Cow, fmt::Debug, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// What the stores hold of kind `K`.
#[derive(Clone, Debug)]
pub enum Guarded<K> {
    /// The object.
    Whole(Arc<K>),
    /// What can be read of an object that does not decode.
    Part(Box<Part<K>>),
}

/// The readable part of an object that does not decode.
#[derive(Clone, Debug)]
pub struct Part<K> {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its status as it stands.
    pub status: serde_json::Value,
    /// What the decoder said.
    pub error: String,
    /// The object as it was when it could last be read.
    pub last: Option<Arc<K>>,
}

/// A kind that can be watched.
pub trait Watched:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}
impl<K> Watched for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

impl<K> Guarded<K> {
    /// The object, if it decodes.
    pub fn whole(&self) -> Option<&Arc<K>> {
        match self {
            Self::Whole(object) => Some(object),
            Self::Part(_) => None,
        }
    }

    /// The object as it was when it could last be read.
    pub fn last_whole(&self) -> Option<&Arc<K>> {
        match self {
            Self::Whole(object) => Some(object),
            Self::Part(part) => part.last.as_ref(),
        }
    }
}

impl<'de, K: Watched> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(match K::deserialize(&value) {
            Ok(object) => Self::Whole(Arc::new(object)),
            Err(error) => Self::Part(Box::new(Part {
                metadata: value
                    .get("metadata")
                    .and_then(|meta| ObjectMeta::deserialize(meta).ok())
                    .unwrap_or_default(),
                status: value.get("status").cloned().unwrap_or_default(),
                error: error.to_string(),
                last: None,
            })),
        })
    }
}

impl<K: Watched> Resource for Guarded<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dt: &()) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Whole(object) => object.meta(),
            Self::Part(part) => &part.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Whole(object) => Arc::make_mut(object).meta_mut(),
            Self::Part(part) => &mut part.metadata,
        }
    }
}

//! The store in a form that can be written to a file, and back.
//!
//! Uploads in progress are not kept: their clients find `NoSuchUpload` after a restart. Bodies are
//! named by their SHA-256; whoever saves writes each one once, since it never changes. The smallest
//! stand in the document itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{About, Body, Contents, Object, Settings, Store, Version};
use crate::data::checksum::Checksums;

/// Largest body that stands in the document itself, in bytes.
const INLINE: u64 = 1024;

/// All buckets, in order of service and name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Buckets(Vec<Bucket>);

/// One bucket.
#[derive(Debug, Serialize, Deserialize)]
struct Bucket {
    service: String,
    name: String,
    settings: Settings,
    /// Versions of each key, the newest last.
    keys: BTreeMap<String, Vec<Kept>>,
}

/// One version of a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Object(Box<KeptObject>),
    Marker { id: String, modified: Timestamp },
}

/// An object; the fields are those of [`Object`].
#[derive(Debug, Serialize, Deserialize)]
struct KeptObject {
    body: Held,
    etag: String,
    modified: Timestamp,
    version: String,
    about: About,
    tags: Vec<(String, String)>,
    checksums: Checksums,
    parts: Vec<u64>,
}

/// Where the bytes are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Held {
    /// Here, in base64.
    Here(String),
    /// In a file of this name: the SHA-256 in hexadecimal.
    File(String),
}

/// What could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The document holds what it cannot hold.
    #[error("the body of an object is not base64")]
    NotBase64,
    /// A key without versions.
    #[error("a key has no versions")]
    NoVersions,
    /// A body could not be had.
    #[error(transparent)]
    Body(#[from] anyhow::Error),
}

/// What is in the store at one moment. Cheap: bodies are shared.
pub struct Moment(Vec<(String, String, Settings, Keys)>);

type Keys = BTreeMap<String, Vec<Version>>;

impl Store {
    /// What is in the store now.
    pub fn moment(&self) -> Moment {
        let all = self.0.read();
        let mut buckets: Vec<_> = all
            .iter()
            .map(|((service, name), contents)| {
                let settings = contents.settings.clone();
                (
                    service.clone(),
                    name.clone(),
                    settings,
                    contents.keys.clone(),
                )
            })
            .collect();
        buckets.sort_by(|one, two| (&one.0, &one.1).cmp(&(&two.0, &two.1)));
        Moment(buckets)
    }

    /// A store with what was saved. `fetch` reads the body of a name.
    pub fn restored(
        buckets: Buckets,
        mut fetch: impl FnMut(&str) -> anyhow::Result<Bytes>,
    ) -> Result<Self, Fault> {
        let mut all = HashMap::new();
        // Copies of one object share their bytes again.
        let mut bodies: HashMap<String, Body> = HashMap::new();
        for bucket in buckets.0 {
            let mut contents = Contents {
                settings: bucket.settings,
                ..Contents::default()
            };
            for (key, kept) in bucket.keys {
                if kept.is_empty() {
                    return Err(Fault::NoVersions);
                }
                let mut versions = Vec::with_capacity(kept.len());
                for version in kept {
                    versions.push(version.restored(&mut bodies, &mut fetch)?);
                }
                contents.keys.insert(key, versions);
            }
            all.insert((bucket.service, bucket.name), contents);
        }
        Ok(Self(Arc::new(all.into())))
    }

    /// Number and bytes of the objects in a bucket, as the control plane counts them.
    pub fn usage(&self, service: &str, bucket: &str) -> super::Delta {
        self.read(service, bucket, |contents| {
            contents
                .keys
                .values()
                .map(|versions| super::Delta::of(versions, 1))
                .fold(super::Delta::default(), std::ops::Add::add)
        })
    }

    /// Forgets every bucket that is not wanted.
    pub fn retain(&self, wanted: impl Fn(&str, &str) -> bool) {
        self.0
            .write()
            .retain(|(service, bucket), _| wanted(service, bucket));
    }
}

impl Moment {
    /// The document, and the bodies that do not stand in it by their names.
    pub fn documents(self) -> (Buckets, HashMap<String, Body>) {
        let mut bodies = HashMap::new();
        let mut buckets = Vec::with_capacity(self.0.len());
        for (service, name, settings, keys) in self.0 {
            let kept = keys.into_iter().map(|(key, versions)| {
                let versions = versions
                    .into_iter()
                    .map(|version| keep(&version, &mut bodies));
                (key, versions.collect())
            });
            buckets.push(Bucket {
                service,
                name,
                settings,
                keys: kept.collect(),
            });
        }
        (Buckets(buckets), bodies)
    }
}

fn keep(version: &Version, bodies: &mut HashMap<String, Body>) -> Kept {
    match version {
        Version::Marker { id, modified } => Kept::Marker {
            id: id.clone(),
            modified: *modified,
        },
        Version::Object(object) => Kept::Object(Box::new(KeptObject {
            body: hold(&object.body, bodies),
            etag: object.etag.clone(),
            modified: object.modified,
            version: object.version.clone(),
            about: object.about.clone(),
            tags: object.tags.clone(),
            checksums: object.checksums.clone(),
            parts: object.parts.clone(),
        })),
    }
}

fn hold(body: &Body, bodies: &mut HashMap<String, Body>) -> Held {
    if body.len() <= INLINE {
        return Held::Here(STANDARD.encode(body.pieces().concat()));
    }
    let name = body.digest().to_owned();
    bodies.entry(name.clone()).or_insert_with(|| body.clone());
    Held::File(name)
}

impl Kept {
    fn restored(
        self,
        bodies: &mut HashMap<String, Body>,
        fetch: &mut impl FnMut(&str) -> anyhow::Result<Bytes>,
    ) -> Result<Version, Fault> {
        match self {
            Self::Marker { id, modified } => Ok(Version::Marker { id, modified }),
            Self::Object(kept) => Ok(Version::Object(Arc::new(Object {
                body: kept.body.restored(bodies, fetch)?,
                etag: kept.etag,
                modified: kept.modified,
                version: kept.version,
                about: kept.about,
                tags: kept.tags,
                checksums: kept.checksums,
                parts: kept.parts,
            }))),
        }
    }
}

impl Held {
    fn restored(
        self,
        bodies: &mut HashMap<String, Body>,
        fetch: &mut impl FnMut(&str) -> anyhow::Result<Bytes>,
    ) -> Result<Body, Fault> {
        match self {
            Self::Here(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| Fault::NotBase64)?;
                Ok(Body::from(Bytes::from(bytes)))
            }
            Self::File(name) => {
                if let Some(body) = bodies.get(&name) {
                    return Ok(body.clone());
                }
                let body = Body::from(fetch(&name)?);
                bodies.insert(name, body.clone());
                Ok(body)
            }
        }
    }
}

//! The objects: all buckets of all services, in memory.
//!
//! The store knows neither S3's wire nor who may do what. It is one table behind one lock; bodies are
//! immutable and shared, so the lock is held for the time of a lookup, never while bytes move.
//! Which buckets exist is the control plane's business: contents come to be with the first write and go
//! with [`Store::drop_bucket`].

mod body;
mod contents;
pub mod expiry;
mod listing;
pub mod saved;
mod upload;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use body::{Body, BodyBuilder};
pub use listing::{Entry, Listing, Page, VersionEntry, VersionPage};
pub use upload::{Finished, Part, Upload, UploadEntry, assemble};

use super::checksum::Checksums;

/// Version id of everything written while versioning is not enabled.
pub const NULL_VERSION: &str = "null";

/// The objects of all services. Cheap to clone; clones share the contents.
#[derive(Clone, Default)]
pub struct Store(Arc<RwLock<HashMap<(String, String), Contents>>>);

/// What one bucket holds.
#[derive(Default)]
struct Contents {
    /// Versions of each key, the newest last; never empty.
    keys: BTreeMap<String, Vec<Version>>,
    /// Uploads in progress by key and upload id.
    uploads: BTreeMap<(String, String), Upload>,
    settings: Settings,
}

/// Documents set on a bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Bucket policy: the text as it was put, and what it says.
    pub policy: Option<(String, Value)>,
    /// CORS rules, in order.
    pub cors: Vec<CorsRule>,
    /// Versioning: never set, on, or suspended.
    pub versioning: Option<bool>,
    /// Lifecycle rules, in order; none if there is no configuration.
    pub lifecycle: Vec<expiry::Rule>,
    /// Tags of the bucket, if any were set.
    pub tags: Option<Vec<(String, String)>>,
}

/// One CORS rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Name given by the client.
    pub id: Option<String>,
    /// Origins, each with at most one `*`.
    pub origins: Vec<String>,
    /// Methods, upper case.
    pub methods: Vec<String>,
    /// Request headers a preflight may ask for, each with at most one `*`.
    pub headers: Vec<String>,
    /// Response headers shown to the script.
    pub expose: Vec<String>,
    /// How long a preflight may be remembered, in seconds.
    pub max_age_seconds: Option<i32>,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub enum Version {
    /// An object.
    Object(Arc<Object>),
    /// A delete marker.
    Marker {
        /// Version id.
        id: String,
        /// When the key was deleted.
        modified: Timestamp,
    },
}

impl Version {
    /// The version id; [`NULL_VERSION`] without versioning.
    pub fn id(&self) -> &str {
        match self {
            Self::Object(object) => &object.version,
            Self::Marker { id, .. } => id,
        }
    }

    /// When it was written, or the key deleted.
    pub fn modified(&self) -> Timestamp {
        match self {
            Self::Object(object) => object.modified,
            Self::Marker { modified, .. } => *modified,
        }
    }
}

/// An object as it is stored.
#[derive(Clone, Debug)]
pub struct Object {
    /// The bytes.
    pub body: Body,
    /// Entity tag without quotes: MD5 in hex, or `<hex>-<parts>` after a multipart upload.
    pub etag: String,
    /// Time of the write.
    pub modified: Timestamp,
    /// Version id.
    pub version: String,
    /// What the writer said about it.
    pub about: About,
    /// Tags, in order of writing.
    pub tags: Vec<(String, String)>,
    /// Checksums kept for readers.
    pub checksums: Checksums,
    /// Sizes of the parts it was uploaded in; empty after a plain put.
    pub parts: Vec<u64>,
}

/// Headers and metadata given with an object and returned with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`.
    pub expires: Option<Timestamp>,
    /// `x-amz-website-redirect-location`.
    pub redirect: Option<String>,
    /// `x-amz-meta-*`, without the prefix.
    pub metadata: BTreeMap<String, String>,
}

/// An object about to be written.
#[derive(Clone, Debug, Default)]
pub struct NewObject {
    /// The bytes.
    pub body: Body,
    /// Entity tag without quotes.
    pub etag: String,
    /// What the writer says about it.
    pub about: About,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Checksums.
    pub checksums: Checksums,
    /// Sizes of the parts; empty for a plain put.
    pub parts: Vec<u64>,
}

/// What must hold of the current version for a write to happen.
#[derive(Clone, Debug, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Anything,
    /// No object has this key.
    Absent,
    /// An object of this entity tag has it; `None` for any.
    Tag(Option<String>),
}

/// Why a store operation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No object has the key.
    #[error("no such key")]
    NoKey,
    /// The newest version is a delete marker of this id.
    #[error("the key is deleted")]
    Deleted(String),
    /// The version asked for is a delete marker.
    #[error("the version is a delete marker")]
    IsMarker(String),
    /// The key has no such version.
    #[error("no such version")]
    NoVersion,
    /// A precondition does not hold.
    #[error("a precondition does not hold")]
    Precondition,
    /// No such upload is in progress.
    #[error("no such upload")]
    NoUpload,
    /// A part named at completion is missing or has another tag or checksum.
    #[error("a part is missing or differs")]
    BadPart,
    /// Parts are not in ascending order.
    #[error("parts are not in ascending order")]
    PartOrder,
    /// A part other than the last is smaller than 5 MiB.
    #[error("a part is too small")]
    PartTooSmall,
    /// The assembled object does not have the checksum or the size the client states.
    #[error("the assembled object differs from what the client states")]
    Differs,
}

/// Change of a bucket's contents, for the control plane's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the control plane counts objects and bytes"]
pub struct Delta {
    /// Versions that hold bytes; delete markers are not counted.
    pub objects: i64,
    /// Bytes.
    pub bytes: i64,
}

impl Delta {
    fn of(versions: &[Version], sign: i64) -> Self {
        let mut out = Self::default();
        for version in versions {
            if let Version::Object(object) = version {
                out.objects += sign;
                out.bytes += sign * i64::try_from(object.body.len()).unwrap_or(i64::MAX);
            }
        }
        out
    }
}

impl std::ops::Add for Delta {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What a delete did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Version that is gone, or the marker that was made.
    pub version: Option<String>,
    /// Whether that version is a delete marker.
    pub marker: bool,
    /// Change of the contents.
    pub delta: Delta,
}

impl Store {
    fn read<T>(&self, service: &str, bucket: &str, f: impl FnOnce(&Contents) -> T) -> T {
        let all = self.0.read();
        match all.get(&(service.to_owned(), bucket.to_owned())) {
            Some(contents) => f(contents),
            None => f(&Contents::default()),
        }
    }

    fn write<T>(&self, service: &str, bucket: &str, f: impl FnOnce(&mut Contents) -> T) -> T {
        let mut all = self.0.write();
        f(all
            .entry((service.to_owned(), bucket.to_owned()))
            .or_default())
    }

    /// Forgets a bucket: objects, uploads and settings.
    pub fn drop_bucket(&self, service: &str, bucket: &str) {
        let gone = self
            .0
            .write()
            .remove(&(service.to_owned(), bucket.to_owned()));
        drop(gone);
    }

    /// Forgets all buckets of a service.
    pub fn drop_service(&self, service: &str) {
        self.0.write().retain(|(owner, _), _| owner != service);
    }

    /// Puts an object as a client would, without counting it: for tests and fixtures, which count with
    /// the returned difference.
    pub fn put_object(&self, service: &str, bucket: &str, key: &str, bytes: Bytes) -> Delta {
        let new = NewObject {
            etag: super::checksum::md5_hex(&bytes),
            body: Body::from(bytes),
            ..NewObject::default()
        };
        // Without an expectation a put is never refused.
        self.put(
            service,
            bucket,
            key,
            new,
            &Expect::Anything,
            Timestamp::now(),
        )
        .map(|(_, delta)| delta)
        .unwrap_or_default()
    }

    /// Whether a bucket holds neither object nor delete marker. Uploads in progress do not count.
    pub fn is_empty(&self, service: &str, bucket: &str) -> bool {
        self.read(service, bucket, |c| c.keys.is_empty())
    }

    /// A bucket's settings.
    pub fn settings(&self, service: &str, bucket: &str) -> Settings {
        self.read(service, bucket, |c| c.settings.clone())
    }

    /// Changes a bucket's settings.
    pub fn set(&self, service: &str, bucket: &str, change: impl FnOnce(&mut Settings)) {
        self.write(service, bucket, |c| change(&mut c.settings));
    }

    /// Writes an object and returns its version id, `None` when the bucket never had versioning.
    pub fn put(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        new: NewObject,
        expect: &Expect,
        now: Timestamp,
    ) -> Result<(Option<String>, Delta), Fault> {
        self.write(service, bucket, |c| c.put(key, new, expect, now))
    }

    /// An object: the newest version, or the one asked for.
    pub fn get(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Arc<Object>, Fault> {
        self.read(service, bucket, |c| c.get(key, version))
    }

    /// Deletes a key (with versioning: hides it behind a marker), or one version for good.
    /// Deleting what is not there succeeds, as in S3.
    pub fn delete(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        expect: &Expect,
        now: Timestamp,
    ) -> Result<Deleted, Fault> {
        self.write(service, bucket, |c| {
            c.check(key, expect)?;
            Ok(match version {
                Some(version) => c.delete_version(key, version),
                None => c.delete(key, now),
            })
        })
    }

    /// Replaces an object's tags; returns the version they were set on.
    pub fn tag(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Vec<(String, String)>,
    ) -> Result<String, Fault> {
        self.write(service, bucket, |c| {
            let id = c.get(key, version)?.version.clone();
            for candidate in c.keys.get_mut(key).into_iter().flatten() {
                if let Version::Object(object) = candidate
                    && object.version == id
                {
                    Arc::make_mut(object).tags = tags;
                    break;
                }
            }
            Ok(id)
        })
    }
}

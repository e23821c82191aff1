//! The rules of one bucket: preconditions, versions, delete markers.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Contents, Deleted, Delta, Expect, Fault, NULL_VERSION, NewObject, Object, Version};

impl Contents {
    pub(super) fn check(&self, key: &str, expect: &Expect) -> Result<(), Fault> {
        let current = self.get(key, None);
        match (expect, current) {
            (Expect::Anything, _) | (Expect::Absent, Err(_)) | (Expect::Tag(None), Ok(_)) => Ok(()),
            (Expect::Tag(Some(tag)), Ok(object)) if *tag == object.etag => Ok(()),
            (Expect::Absent | Expect::Tag(Some(_)), Ok(_)) => Err(Fault::Precondition),
            (Expect::Tag(_), Err(_)) => Err(Fault::NoKey),
        }
    }

    pub(super) fn put(
        &mut self,
        key: &str,
        new: NewObject,
        expect: &Expect,
        now: Timestamp,
    ) -> Result<(Option<String>, Delta), Fault> {
        self.check(key, expect)?;
        let version = self.next_version();
        let object = Version::Object(Arc::new(Object {
            body: new.body,
            etag: new.etag,
            modified: now,
            version: version.clone(),
            about: new.about,
            tags: new.tags,
            checksums: new.checksums,
            parts: new.parts,
        }));
        let delta = self.push(key, object);
        Ok((self.settings.versioning.map(|_| version), delta))
    }

    fn next_version(&self) -> String {
        if self.settings.versioning == Some(true) {
            uuid::Uuid::new_v4().simple().to_string()
        } else {
            NULL_VERSION.to_owned()
        }
    }

    /// Adds a version on top; the null version is replaced, others are kept.
    fn push(&mut self, key: &str, version: Version) -> Delta {
        let mut delta = Delta::of(std::slice::from_ref(&version), 1);
        let versions = self.keys.entry(key.to_owned()).or_default();
        if version.id() == NULL_VERSION {
            versions.retain(|old| {
                let replaced = old.id() == NULL_VERSION;
                if replaced {
                    delta = delta + Delta::of(std::slice::from_ref(old), -1);
                }
                !replaced
            });
        }
        versions.push(version);
        delta
    }

    pub(super) fn get(&self, key: &str, version: Option<&str>) -> Result<Arc<Object>, Fault> {
        let versions = self.keys.get(key).ok_or(match version {
            Some(_) => Fault::NoVersion,
            None => Fault::NoKey,
        })?;
        let found = match version {
            Some(id) => versions.iter().find(|v| v.id() == id),
            None => versions.last(),
        };
        match (found, version) {
            (Some(Version::Object(object)), _) => Ok(Arc::clone(object)),
            (Some(Version::Marker { id, .. }), None) => Err(Fault::Deleted(id.clone())),
            (Some(Version::Marker { id, .. }), Some(_)) => Err(Fault::IsMarker(id.clone())),
            (None, Some(_)) => Err(Fault::NoVersion),
            (None, None) => Err(Fault::NoKey),
        }
    }

    pub(super) fn delete(&mut self, key: &str, now: Timestamp) -> Deleted {
        if self.settings.versioning.is_none() {
            let gone = self.keys.remove(key).unwrap_or_default();
            return Deleted {
                delta: Delta::of(&gone, -1),
                ..Deleted::default()
            };
        }
        let id = self.next_version();
        let delta = self.push(
            key,
            Version::Marker {
                id: id.clone(),
                modified: now,
            },
        );
        Deleted {
            version: Some(id),
            marker: true,
            delta,
        }
    }

    pub(super) fn delete_version(&mut self, key: &str, id: &str) -> Deleted {
        let mut out = Deleted {
            version: Some(id.to_owned()),
            ..Deleted::default()
        };
        let Some(versions) = self.keys.get_mut(key) else {
            return out;
        };
        if let Some(at) = versions.iter().position(|v| v.id() == id) {
            let gone = versions.remove(at);
            out.marker = matches!(gone, Version::Marker { .. });
            out.delta = Delta::of(&[gone], -1);
        }
        if versions.is_empty() {
            self.keys.remove(key);
        }
        out
    }
}

//! Multipart uploads.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{About, Body, Delta, Expect, Fault, NewObject, Store};
use crate::data::checksum::{Algorithm, Checksums, Kind, Md5, composite};

/// Smallest part that is not the last, in bytes (S3 API reference, `EntityTooSmall`).
const SMALLEST_PART: u64 = 5 << 20;

/// An upload in progress.
#[derive(Clone, Debug)]
pub struct Upload {
    /// When it was created.
    pub initiated: Timestamp,
    /// What the object will carry.
    pub about: About,
    /// Tags the object will have.
    pub tags: Vec<(String, String)>,
    /// Checksum the client asked for, and how it is formed from those of the parts.
    pub checksum: Option<(Algorithm, Kind)>,
    /// Parts by number, 1 to 10000.
    pub parts: BTreeMap<i32, Part>,
}

/// One uploaded part.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bytes.
    pub body: Body,
    /// MD5.
    pub md5: Md5,
    /// Checksums of the part.
    pub checksums: Checksums,
    /// When it was uploaded.
    pub modified: Timestamp,
}

/// An upload in a listing.
#[derive(Clone, Debug)]
pub struct UploadEntry {
    /// Key of the object to be.
    pub key: String,
    /// Upload id.
    pub id: String,
    /// The upload.
    pub upload: Upload,
}

/// A part as the client names it at completion.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Part number.
    pub number: i32,
    /// Entity tag without quotes.
    pub etag: String,
    /// Checksums the client states.
    pub checksums: Checksums,
}

impl Store {
    /// Starts an upload and returns its id.
    pub fn start_upload(&self, service: &str, bucket: &str, key: &str, upload: Upload) -> String {
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.write(service, bucket, |c| {
            c.uploads.insert((key.to_owned(), id.clone()), upload);
        });
        id
    }

    /// An upload in progress.
    pub fn upload(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<Upload, Fault> {
        self.read(service, bucket, |c| {
            c.uploads
                .get(&(key.to_owned(), id.to_owned()))
                .cloned()
                .ok_or(Fault::NoUpload)
        })
    }

    /// Uploads in progress, by key and then id.
    pub fn uploads(&self, service: &str, bucket: &str) -> Vec<UploadEntry> {
        self.read(service, bucket, |c| {
            c.uploads
                .iter()
                .map(|((key, id), upload)| UploadEntry {
                    key: key.clone(),
                    id: id.clone(),
                    upload: upload.clone(),
                })
                .collect()
        })
    }

    /// Adds a part, or replaces the one of that number.
    pub fn put_part(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        part: Part,
    ) -> Result<(), Fault> {
        self.write(service, bucket, |c| {
            let upload = c
                .uploads
                .get_mut(&(key.to_owned(), id.to_owned()))
                .ok_or(Fault::NoUpload)?;
            upload.parts.insert(number, part);
            Ok(())
        })
    }

    /// Gives an upload up.
    pub fn abort_upload(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<(), Fault> {
        self.write(service, bucket, |c| {
            c.uploads
                .remove(&(key.to_owned(), id.to_owned()))
                .map(drop)
                .ok_or(Fault::NoUpload)
        })
    }

    /// Makes the object of an assembled upload; the upload is gone afterwards.
    ///
    /// `new` comes from [`assemble`]; the upload may have been completed or aborted meanwhile.
    pub fn finish_upload(
        &self,
        service: &str,
        bucket: &str,
        target: (&str, &str),
        new: NewObject,
        expect: &Expect,
        now: Timestamp,
    ) -> Result<(Option<String>, Delta), Fault> {
        let (key, id) = target;
        self.write(service, bucket, |c| {
            let name = (key.to_owned(), id.to_owned());
            if !c.uploads.contains_key(&name) {
                return Err(Fault::NoUpload);
            }
            let done = c.put(key, new, expect, now)?;
            c.uploads.remove(&name);
            Ok(done)
        })
    }
}

/// Puts the named parts together. Shares their bytes, reads them only for a full-object checksum.
pub fn assemble(upload: &Upload, parts: &[Finished]) -> Result<NewObject, Fault> {
    let mut chosen = Vec::with_capacity(parts.len());
    let mut before = 0;
    for named in parts {
        if named.number <= before {
            return Err(Fault::PartOrder);
        }
        before = named.number;
        let part = upload.parts.get(&named.number).ok_or(Fault::BadPart)?;
        if named.etag != part.md5.hex() || !named.checksums.agree(&part.checksums) {
            return Err(Fault::BadPart);
        }
        chosen.push(part);
    }
    let Some((_, all_but_last)) = chosen.split_last() else {
        return Err(Fault::BadPart);
    };
    if all_but_last.iter().any(|p| p.body.len() < SMALLEST_PART) {
        return Err(Fault::PartTooSmall);
    }
    let mut body = Body::default();
    for part in &chosen {
        body.append(&part.body);
    }
    let digests: Vec<&Md5> = chosen.iter().map(|p| &p.md5).collect();
    let checksums = match upload.checksum {
        Some((algorithm, Kind::Composite)) => {
            composite(algorithm, chosen.iter().map(|p| &p.checksums)).ok_or(Fault::BadPart)?
        }
        Some((algorithm, Kind::Full)) => Checksums::of(algorithm, &body),
        None => Checksums::of(Algorithm::Crc64Nvme, &body),
    };
    Ok(NewObject {
        etag: format!("{}-{}", Md5::of_all(&digests).hex(), chosen.len()),
        parts: chosen.iter().map(|p| p.body.len()).collect(),
        body,
        about: upload.about.clone(),
        tags: upload.tags.clone(),
        checksums,
    })
}

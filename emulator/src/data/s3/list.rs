//! Listing buckets, objects and versions.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    self, CommonPrefix, DeleteMarkerEntry, EncodingType, ListBucketsInput, ListBucketsOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ObjectVersion, Owner,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Core;
use super::access::Admitted;
use super::convert::{denied, tag, time};
use crate::data::objects::{Entry, Listing, Page, Version};
use crate::data::policy::namespace;

/// Most entries of one page (S3 API reference).
pub(super) const LARGEST_PAGE: i32 = 1000;

/// What `encoding-type=url` leaves alone.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'~');

/// Writes names the way the client asked for.
pub(super) struct Names(bool);

impl Names {
    pub(super) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
        }
    }

    pub(super) fn write(&self, name: &str) -> String {
        if self.0 {
            utf8_percent_encode(name, KEPT).to_string()
        } else {
            name.to_owned()
        }
    }

    pub(super) fn echo(&self) -> Option<EncodingType> {
        self.0.then(|| EncodingType::from_static(EncodingType::URL))
    }

    pub(super) fn prefixes(&self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        (!prefixes.is_empty()).then(|| {
            prefixes
                .iter()
                .map(|prefix| CommonPrefix {
                    prefix: Some(self.write(prefix)),
                })
                .collect()
        })
    }

    fn contents(&self, entries: Vec<Entry>, owner: Option<&Owner>) -> Option<Vec<dto::Object>> {
        (!entries.is_empty()).then(|| {
            entries
                .into_iter()
                .map(|entry| dto::Object {
                    key: Some(self.write(&entry.key)),
                    e_tag: Some(tag(&entry.object.etag)),
                    last_modified: Some(time(entry.object.modified)),
                    size: i64::try_from(entry.object.body.len()).ok(),
                    storage_class: Some(dto::ObjectStorageClass::from_static(
                        dto::ObjectStorageClass::STANDARD,
                    )),
                    owner: owner.cloned(),
                    ..dto::Object::default()
                })
                .collect()
        })
    }
}

/// The size of a page; more than a thousand means a thousand.
pub(super) fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(LARGEST_PAGE),
        Some(n) if n < 0 => Err(s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )),
        Some(n) => Ok(n.min(LARGEST_PAGE)),
    }
}

/// Every object belongs to the service: its namespace.
pub(super) fn owner(service: &str) -> Owner {
    Owner {
        id: Some(namespace(service)),
        display_name: Some(namespace(service)),
    }
}

impl Core {
    pub(super) fn page(
        &self,
        admitted: &Admitted,
        bucket: &str,
        asked: (Option<String>, Option<String>, Option<String>, i32),
    ) -> S3Result<Page> {
        self.must_exist(admitted, bucket)?;
        let (prefix, delimiter, after, limit) = asked;
        let listing = Listing {
            prefix: prefix.unwrap_or_default(),
            delimiter: delimiter.unwrap_or_default(),
            after: after.filter(|after| !after.is_empty()),
            limit: usize::try_from(limit).unwrap_or(0),
        };
        Ok(self.0.store.list(admitted.service(), bucket, &listing))
    }

    pub(super) fn objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        let names = Names::of(input.encoding_type.as_ref())?;
        let max_keys = page_size(input.max_keys)?;
        let page = self.page(
            &admitted,
            &input.bucket,
            (
                input.prefix.clone(),
                input.delimiter.clone(),
                input.marker.clone(),
                max_keys,
            ),
        )?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(names.write(&input.prefix.unwrap_or_default())),
            marker: Some(names.write(&input.marker.unwrap_or_default())),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            // Only with a delimiter, as S3; without one the last key is the marker.
            next_marker: page
                .next
                .filter(|_| input.delimiter.is_some())
                .map(|next| names.write(&next)),
            common_prefixes: names.prefixes(&page.prefixes),
            contents: names.contents(page.entries, Some(&owner(admitted.service()))),
            delimiter: input.delimiter.map(|d| names.write(&d)),
            encoding_type: names.echo(),
            ..ListObjectsOutput::default()
        }))
    }

    pub(super) fn objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        let names = Names::of(input.encoding_type.as_ref())?;
        let max_keys = page_size(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => Some(key_of(token)?),
            None => input.start_after.clone(),
        };
        let page = self.page(
            &admitted,
            &input.bucket,
            (
                input.prefix.clone(),
                input.delimiter.clone(),
                after,
                max_keys,
            ),
        )?;
        let count = page.entries.len() + page.prefixes.len();
        let owner = input
            .fetch_owner
            .unwrap_or(false)
            .then(|| owner(admitted.service()));
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(names.write(&input.prefix.unwrap_or_default())),
            max_keys: Some(max_keys),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(token_of),
            common_prefixes: names.prefixes(&page.prefixes),
            contents: names.contents(page.entries, owner.as_ref()),
            delimiter: input.delimiter.map(|d| names.write(&d)),
            encoding_type: names.echo(),
            start_after: input.start_after.map(|key| names.write(&key)),
            ..ListObjectsV2Output::default()
        }))
    }

    pub(super) fn versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let max_keys = page_size(input.max_keys)?;
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            after: input.key_marker.clone().filter(|key| !key.is_empty()),
            limit: usize::try_from(max_keys).unwrap_or(0),
        };
        let page = self.0.store.list_versions(
            admitted.service(),
            &input.bucket,
            &listing,
            input
                .version_id_marker
                .as_deref()
                .filter(|id| !id.is_empty()),
        );
        let owner = owner(admitted.service());
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for entry in page.entries {
            let key = Some(names.write(&entry.key));
            let version_id = Some(entry.version.id().to_owned());
            match entry.version {
                Version::Marker { modified, .. } => markers.push(DeleteMarkerEntry {
                    key,
                    version_id,
                    is_latest: Some(entry.latest),
                    last_modified: Some(time(modified)),
                    owner: Some(owner.clone()),
                }),
                Version::Object(object) => versions.push(ObjectVersion {
                    key,
                    version_id,
                    is_latest: Some(entry.latest),
                    last_modified: Some(time(object.modified)),
                    e_tag: Some(tag(&object.etag)),
                    size: i64::try_from(object.body.len()).ok(),
                    storage_class: Some(dto::ObjectVersionStorageClass::from_static(
                        dto::ObjectVersionStorageClass::STANDARD,
                    )),
                    owner: Some(owner.clone()),
                    ..ObjectVersion::default()
                }),
            }
        }
        let (next_key, next_version) = page.next.clone().unzip();
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(names.write(&input.prefix.unwrap_or_default())),
            key_marker: Some(names.write(&input.key_marker.unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: next_key.map(|key| names.write(&key)),
            next_version_id_marker: next_version.flatten(),
            common_prefixes: names.prefixes(&page.prefixes),
            versions: (!versions.is_empty()).then_some(versions),
            delete_markers: (!markers.is_empty()).then_some(markers),
            delimiter: input.delimiter.map(|d| names.write(&d)),
            encoding_type: names.echo(),
            ..ListObjectVersionsOutput::default()
        }))
    }

    pub(super) fn buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        if admitted.is_anonymous() {
            return Err(denied());
        }
        let input = request.input;
        let after = input
            .continuation_token
            .as_deref()
            .map(key_of)
            .transpose()?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut found = self.0.directory.buckets(admitted.service());
        found.retain(|b| b.name.starts_with(&prefix) && after.as_ref().is_none_or(|a| b.name > *a));
        let limit = input
            .max_buckets
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(usize::MAX);
        let is_truncated = found.len() > limit;
        found.truncate(limit);
        let token = found
            .last()
            .filter(|_| is_truncated)
            .map(|b| token_of(&b.name));
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(
                found
                    .into_iter()
                    .map(|bucket| dto::Bucket {
                        name: Some(bucket.name),
                        creation_date: Some(time(bucket.created_at)),
                        ..dto::Bucket::default()
                    })
                    .collect(),
            ),
            continuation_token: token,
            owner: Some(owner(admitted.service())),
            prefix: input.prefix,
        }))
    }
}

/// Continuation tokens hold the last name of a page; hexadecimal, so that any key survives XML.
fn token_of(name: &str) -> String {
    crate::data::hex(name.as_bytes())
}

fn key_of(token: &str) -> S3Result<String> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_any_key() {
        for key in ["", "a", "é/\u{1} +%", "日本"] {
            assert_eq!(key_of(&token_of(key)).unwrap(), key);
        }
        assert!(key_of("zz").is_err());
    }

    #[test]
    fn url_encoding_keeps_slashes_only() {
        let names = Names(true);
        assert_eq!(names.write("a/b c+d%é\u{1}"), "a/b%20c%2Bd%25%C3%A9%01");
        assert_eq!(Names(false).write("a b"), "a b");
    }
}

//! Writing and deleting objects.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    MetadataDirective, PutObjectInput, PutObjectOutput, TaggingDirective,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use std::sync::Arc;

use super::Core;
use super::access::{Admitted, Form};
use super::convert::{
    about, algorithm, denied, expectation, kind, precondition, refused, sums, tag, tags, time,
};
use super::intake::Declared;
use super::read::{Conditions, Verdict, version_id};
use crate::data::checksum::Checksums;
use crate::data::objects::{Delta, Expect, NewObject, Object};

impl Core {
    /// Tells the control plane what changed.
    pub(super) fn count(&self, admitted: &Admitted, bucket: &str, delta: Delta) {
        if delta != Delta::default() {
            self.0
                .directory
                .count(admitted.service(), bucket, delta.objects, delta.bytes);
        }
    }

    pub(super) async fn write_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let expect = expectation(input.if_match.take(), input.if_none_match.take())?;
        let wanted = algorithm(input.checksum_algorithm.as_ref())?;
        // The headers of a form speak of the form, not of the file in it.
        let is_form = request.extensions.get::<Form>().is_some();
        let declared = if is_form {
            Declared::nothing()
        } else {
            Declared::of(&request.headers, input.content_length)?.wanting(wanted)
        };
        if !is_form && !declared.has_length() {
            return Err(s3_error!(
                MissingContentLength,
                "You must provide the Content-Length HTTP header."
            ));
        }
        self.store_object(
            input,
            &admitted,
            declared,
            request.trailing_headers,
            &expect,
        )
        .await
        .map(S3Response::new)
    }

    async fn store_object(
        &self,
        mut input: PutObjectInput,
        admitted: &Admitted,
        declared: Declared,
        trailers: Option<s3s::TrailingHeaders>,
        expect: &Expect,
    ) -> S3Result<PutObjectOutput> {
        let tags = tags(input.tagging.as_deref())?;
        let received = declared
            .receive(input.body.take(), trailers.as_ref())
            .await?;
        let new = NewObject {
            etag: received.md5.hex(),
            body: received.body,
            about: about!(input),
            tags,
            checksums: received.checksums,
            parts: Vec::new(),
        };
        let mut output = PutObjectOutput {
            e_tag: Some(tag(&new.etag)),
            checksum_type: Some(kind(&new.checksums)),
            ..PutObjectOutput::default()
        };
        sums!(output, new.checksums);
        output.version_id = self.keep(admitted, &input.bucket, &input.key, new, expect)?;
        let store = &self.0.store;
        let written = store.get(admitted.service(), &input.bucket, &input.key, None);
        output.expiration = written
            .ok()
            .and_then(|object| self.expiration(admitted, &input.bucket, &input.key, &object));
        Ok(output)
    }

    /// Stores an object and counts it. Returns the version id to show.
    fn keep(
        &self,
        admitted: &Admitted,
        bucket: &str,
        key: &str,
        new: NewObject,
        expect: &Expect,
    ) -> S3Result<Option<String>> {
        let now = self.0.directory.now();
        let (version, delta) = self
            .0
            .store
            .put(admitted.service(), bucket, key, new, expect, now)
            .map_err(refused)?;
        self.count(admitted, bucket, delta);
        Ok(version)
    }

    /// The object a copy reads, after asking whether it may.
    pub(super) fn source(
        &self,
        admitted: &Admitted,
        source: &CopySource,
        conditions: &Conditions,
    ) -> S3Result<Arc<Object>> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(s3_error!(
                NotImplemented,
                "Copying from access points is not implemented"
            ));
        };
        let action = match version_id {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        self.allow(admitted, action, Some(bucket), Some(key))?;
        let object = self.find(admitted, bucket, key, version_id.as_deref())?;
        match conditions.check(&object) {
            Verdict::Go => Ok(object),
            Verdict::NotModified | Verdict::Failed => Err(precondition()),
        }
    }

    pub(super) fn copy(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let conditions = Conditions {
            matches: input.copy_source_if_match.take(),
            none_match: input.copy_source_if_none_match.take(),
            modified_since: input.copy_source_if_modified_since.take(),
            unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let source = self.source(&admitted, &input.copy_source, &conditions)?;
        let replaces = |directive: Option<&str>| directive == Some("REPLACE");
        let new_about = replaces(
            input
                .metadata_directive
                .as_ref()
                .map(MetadataDirective::as_str),
        );
        let new_tags = replaces(
            input
                .tagging_directive
                .as_ref()
                .map(TaggingDirective::as_str),
        );
        if is_onto_itself(&input) && !new_about && !new_tags {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let checksums = match algorithm(input.checksum_algorithm.as_ref())? {
            Some(algorithm) => Checksums::of(algorithm, &source.body),
            None => source.checksums.clone(),
        };
        let new = NewObject {
            body: source.body.clone(),
            etag: source.etag.clone(),
            about: if new_about {
                about!(input)
            } else {
                source.about.clone()
            },
            tags: if new_tags {
                tags(input.tagging.as_deref())?
            } else {
                source.tags.clone()
            },
            checksums,
            parts: Vec::new(),
        };
        let mut result = CopyObjectResult {
            e_tag: Some(tag(&new.etag)),
            last_modified: Some(time(self.0.directory.now())),
            checksum_type: Some(kind(&new.checksums)),
            ..CopyObjectResult::default()
        };
        sums!(result, new.checksums);
        let version = self.keep(&admitted, &input.bucket, &input.key, new, &Expect::Anything)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: version_id(&source),
            version_id: version,
            ..CopyObjectOutput::default()
        }))
    }

    pub(super) fn delete_one(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let expect = expectation(input.if_match.take(), None)?;
        let done = self
            .0
            .store
            .delete(
                admitted.service(),
                &input.bucket,
                &input.key,
                input.version_id.as_deref(),
                &expect,
                self.0.directory.now(),
            )
            .map_err(refused)?;
        self.count(&admitted, &input.bucket, done.delta);
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: done.marker.then_some(true),
            version_id: done.version,
            ..DeleteObjectOutput::default()
        }))
    }

    /// Deletes many keys; each is allowed or denied by itself.
    pub(super) fn delete_many(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let version = object.version_id.as_deref();
            let expect = object.e_tag.clone().map(ETagCondition::ETag);
            match self.delete_listed(&admitted, &input.bucket, &object.key, version, expect) {
                Ok(_) if quiet => {}
                Ok(done) => deleted.push(done),
                Err(fault) => errors.push(s3s::dto::Error {
                    code: Some(fault.code().as_str().to_owned()),
                    message: fault.message().map(str::to_owned),
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        }))
    }

    fn delete_listed(
        &self,
        admitted: &Admitted,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        if_match: Option<ETagCondition>,
    ) -> Result<DeletedObject, S3Error> {
        let action = match version {
            Some(_) => "s3:DeleteObjectVersion",
            None => "s3:DeleteObject",
        };
        self.allow(admitted, action, Some(bucket), Some(key))
            .map_err(|_| denied())?;
        let expect = expectation(if_match, None)?;
        let now = self.0.directory.now();
        let done = self
            .0
            .store
            .delete(admitted.service(), bucket, key, version, &expect, now)
            .map_err(refused)?;
        self.count(admitted, bucket, done.delta);
        Ok(DeletedObject {
            key: Some(key.to_owned()),
            delete_marker: done.marker.then_some(true),
            delete_marker_version_id: done.version.filter(|_| done.marker),
            version_id: version.map(str::to_owned),
        })
    }
}

fn is_onto_itself(input: &CopyObjectInput) -> bool {
    matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
        if **bucket == *input.bucket && **key == *input.key)
}

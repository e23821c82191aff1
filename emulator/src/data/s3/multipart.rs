//! Multipart uploads.

use s3s::dto::{
    self, AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, Initiator, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Core;
use super::access::Admitted;
use super::convert::{about, algorithm, expectation, kind, refused, stated, sums, tag, tags, time};
use super::intake::Declared;
use super::list::{Names, owner, page_size};
use super::read::{Conditions, version_id};
use crate::data::checksum::{Algorithm, Checksums, Kind, Md5, Md5Hasher};
use crate::data::objects::{Body, Fault, Finished, Part, Upload, assemble};

impl Core {
    pub(super) fn start_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let checksum = match algorithm(input.checksum_algorithm.as_ref())? {
            None => None,
            Some(algorithm) => Some((algorithm, kind_of(algorithm, input.checksum_type.as_ref())?)),
        };
        let upload = Upload {
            initiated: self.0.directory.now(),
            tags: tags(input.tagging.as_deref())?,
            about: about!(input),
            checksum,
            parts: std::collections::BTreeMap::new(),
        };
        let id = self
            .0
            .store
            .start_upload(admitted.service(), &input.bucket, &input.key, upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: checksum.map(|(_, kind)| named(kind)),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn write_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        check_number(input.part_number)?;
        let upload = self.started(&admitted, &input.bucket, &input.key, &input.upload_id)?;
        let declared = Declared::of(&request.headers, input.content_length)?
            .wanting(upload.checksum.map(|(algorithm, _)| algorithm));
        if !declared.has_length() {
            return Err(s3_error!(
                MissingContentLength,
                "You must provide the Content-Length HTTP header."
            ));
        }
        let received = declared
            .receive(input.body.take(), request.trailing_headers.as_ref())
            .await?;
        let mut output = UploadPartOutput {
            e_tag: Some(tag(&received.md5.hex())),
            ..UploadPartOutput::default()
        };
        sums!(output, received.checksums);
        let part = Part {
            body: received.body,
            md5: received.md5,
            checksums: received.checksums,
            modified: self.0.directory.now(),
        };
        self.0
            .store
            .put_part(
                admitted.service(),
                &input.bucket,
                &input.key,
                &input.upload_id,
                input.part_number,
                part,
            )
            .map_err(refused)?;
        Ok(S3Response::new(output))
    }

    pub(super) fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        check_number(input.part_number)?;
        let upload = self.started(&admitted, &input.bucket, &input.key, &input.upload_id)?;
        let conditions = Conditions {
            matches: input.copy_source_if_match.take(),
            none_match: input.copy_source_if_none_match.take(),
            modified_since: input.copy_source_if_modified_since.take(),
            unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let source = self.source(&admitted, &input.copy_source, &conditions)?;
        let body = match input.copy_source_range.as_deref() {
            None => source.body.clone(),
            Some(range) => cut(&source.body, range)?,
        };
        let algorithm = upload.checksum.map_or(Algorithm::Crc64Nvme, |(a, _)| a);
        let part = Part {
            md5: md5_of(&body),
            checksums: Checksums::of(algorithm, &body),
            body,
            modified: self.0.directory.now(),
        };
        let mut result = CopyPartResult {
            e_tag: Some(tag(&part.md5.hex())),
            last_modified: Some(time(part.modified)),
            ..CopyPartResult::default()
        };
        sums!(result, part.checksums);
        self.0
            .store
            .put_part(
                admitted.service(),
                &input.bucket,
                &input.key,
                &input.upload_id,
                input.part_number,
                part,
            )
            .map_err(refused)?;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: version_id(&source),
            ..UploadPartCopyOutput::default()
        }))
    }

    pub(super) fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let mut input = request.input;
        let upload = self.started(&admitted, &input.bucket, &input.key, &input.upload_id)?;
        let expect = expectation(input.if_match.take(), input.if_none_match.take())?;
        let parts: Vec<Finished> = input
            .multipart_upload
            .take()
            .and_then(|list| list.parts)
            .unwrap_or_default()
            .into_iter()
            .map(|part| Finished {
                number: part.part_number.unwrap_or(0),
                checksums: stated!(part),
                etag: part.e_tag.map(dto::ETag::into_value).unwrap_or_default(),
            })
            .collect();
        if parts.is_empty() {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let new = assemble(&upload, &parts).map_err(refused)?;
        let size = i64::try_from(new.body.len()).ok();
        if !stated!(input).agree(&new.checksums)
            || (input.mpu_object_size.is_some() && input.mpu_object_size != size)
        {
            return Err(refused(Fault::Differs));
        }
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            e_tag: Some(tag(&new.etag)),
            checksum_type: Some(kind(&new.checksums)),
            ..CompleteMultipartUploadOutput::default()
        };
        sums!(output, new.checksums);
        let (version, delta) = self
            .0
            .store
            .finish_upload(
                admitted.service(),
                &input.bucket,
                (&input.key, &input.upload_id),
                new,
                &expect,
                self.0.directory.now(),
            )
            .map_err(refused)?;
        self.count(&admitted, &input.bucket, delta);
        output.version_id = version;
        output.bucket = Some(input.bucket);
        output.key = Some(input.key);
        Ok(S3Response::new(output))
    }

    pub(super) fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        self.0
            .store
            .abort_upload(
                admitted.service(),
                &input.bucket,
                &input.key,
                &input.upload_id,
            )
            .map_err(refused)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) fn parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        let upload = self.started(&admitted, &input.bucket, &input.key, &input.upload_id)?;
        let max_parts = page_size(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or(0);
        let mut parts: Vec<dto::Part> = upload
            .parts
            .iter()
            .filter(|(number, _)| **number > after)
            .map(|(number, part)| {
                let mut out = dto::Part {
                    part_number: Some(*number),
                    e_tag: Some(tag(&part.md5.hex())),
                    size: i64::try_from(part.body.len()).ok(),
                    last_modified: Some(time(part.modified)),
                    ..dto::Part::default()
                };
                sums!(out, part.checksums);
                out
            })
            .collect();
        let limit = usize::try_from(max_parts).unwrap_or(0);
        let is_truncated = parts.len() > limit;
        parts.truncate(limit);
        let owner = owner(admitted.service());
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            max_parts: Some(max_parts),
            part_number_marker: Some(after),
            next_part_number_marker: parts.last().and_then(|p| p.part_number),
            is_truncated: Some(is_truncated),
            parts: (!parts.is_empty()).then_some(parts),
            initiator: Some(Initiator {
                id: owner.id.clone(),
                display_name: owner.display_name.clone(),
            }),
            owner: Some(owner),
            checksum_algorithm: upload.checksum.map(|(a, _)| name_of(a)),
            checksum_type: upload.checksum.map(|(_, kind)| named(kind)),
            storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
            ..ListPartsOutput::default()
        }))
    }

    pub(super) fn uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        self.must_exist(&admitted, &input.bucket)?;
        let names = Names::of(input.encoding_type.as_ref())?;
        let max_uploads = page_size(input.max_uploads)?;
        let limit = usize::try_from(max_uploads).unwrap_or(0);
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let after = (
            input.key_marker.clone().unwrap_or_default(),
            input.upload_id_marker.clone().unwrap_or_default(),
        );
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::<String>::new());
        let mut next = None;
        let mut is_truncated = false;
        for entry in self.0.store.uploads(admitted.service(), &input.bucket) {
            let passed = entry.key < after.0
                || (entry.key == after.0 && (after.1.is_empty() || entry.id <= after.1));
            let rolled = roll(&entry.key, &prefix, &delimiter);
            let seen = rolled.as_ref().is_some_and(|r| {
                prefixes.contains(r) || (!after.0.is_empty() && after.0.starts_with(r.as_str()))
            });
            if passed || seen || !entry.key.starts_with(&prefix) {
                continue;
            }
            if uploads.len() + prefixes.len() >= limit {
                is_truncated = true;
                break;
            }
            if let Some(rolled) = rolled {
                next = Some((rolled.clone(), String::new()));
                prefixes.push(rolled);
                continue;
            }
            next = Some((entry.key.clone(), entry.id.clone()));
            uploads.push(MultipartUpload {
                key: Some(names.write(&entry.key)),
                upload_id: Some(entry.id),
                initiated: Some(time(entry.upload.initiated)),
                owner: Some(owner(admitted.service())),
                checksum_algorithm: entry.upload.checksum.map(|(a, _)| name_of(a)),
                checksum_type: entry.upload.checksum.map(|(_, kind)| named(kind)),
                storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
                ..MultipartUpload::default()
            });
        }
        let (next_key, next_id) = next.filter(|_| is_truncated).unzip();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(names.write(&prefix)),
            key_marker: Some(names.write(&after.0)),
            upload_id_marker: Some(after.1),
            next_key_marker: next_key.map(|key| names.write(&key)),
            next_upload_id_marker: next_id,
            max_uploads: Some(max_uploads),
            is_truncated: Some(is_truncated),
            common_prefixes: names.prefixes(&prefixes),
            uploads: (!uploads.is_empty()).then_some(uploads),
            delimiter: input.delimiter.map(|d| names.write(&d)),
            encoding_type: names.echo(),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    fn started(&self, admitted: &Admitted, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        self.must_exist(admitted, bucket)?;
        self.0
            .store
            .upload(admitted.service(), bucket, key, id)
            .map_err(refused)
    }
}

fn roll(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    if delimiter.is_empty() {
        return None;
    }
    let (head, _) = key.strip_prefix(prefix)?.split_once(delimiter)?;
    Some(format!("{prefix}{head}{delimiter}"))
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidArgument,
        "Part number must be an integer between 1 and 10000, inclusive"
    ))
}

/// How a checksum is formed when the client does not say: CRC64NVME over the object, others over the parts
/// (S3 user guide, "Checking object integrity").
fn kind_of(algorithm: Algorithm, asked: Option<&ChecksumType>) -> S3Result<Kind> {
    let is_crc64 = algorithm == Algorithm::Crc64Nvme;
    let is_sha = matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256);
    match asked.map(ChecksumType::as_str) {
        None if is_crc64 => Ok(Kind::Full),
        None => Ok(Kind::Composite),
        Some(ChecksumType::FULL_OBJECT) if !is_sha => Ok(Kind::Full),
        Some(ChecksumType::COMPOSITE) if !is_crc64 => Ok(Kind::Composite),
        Some(_) => Err(s3_error!(
            InvalidRequest,
            "The checksum type cannot be used with the checksum algorithm."
        )),
    }
}

fn named(kind: Kind) -> ChecksumType {
    ChecksumType::from_static(match kind {
        Kind::Full => ChecksumType::FULL_OBJECT,
        Kind::Composite => ChecksumType::COMPOSITE,
    })
}

fn name_of(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

/// `x-amz-copy-source-range` must lie within the source, unlike a range of a read.
fn cut(body: &Body, range: &str) -> S3Result<Body> {
    let bounds = range
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'))
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match bounds {
        Some((first, last)) if first <= last && last < body.len() => {
            Ok(body.slice(&(first..last + 1)))
        }
        Some(_) => Err(s3_error!(
            InvalidArgument,
            "Range specified is not valid for source object of size: {}",
            body.len()
        )),
        None => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        )),
    }
}

fn md5_of(body: &Body) -> Md5 {
    let mut hasher = Md5Hasher::default();
    for piece in body.pieces() {
        hasher.update(piece);
    }
    hasher.finish()
}

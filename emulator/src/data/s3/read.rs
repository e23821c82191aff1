//! `GetObject` and `HeadObject`.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use s3s::dto::{
    self, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    StreamingBlob,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Core;
use super::access::{Admitted, no_bucket};
use super::convert::{denied, describe, kind, moment, precondition, refused, sums, tag, time};
use crate::data::objects::{Body, Fault, NULL_VERSION, Object};

/// Conditions of a read, or of the source of a copy.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
    pub(super) modified_since: Option<dto::Timestamp>,
    pub(super) unmodified_since: Option<dto::Timestamp>,
}

/// What becomes of a conditional read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    NotModified,
    Failed,
}

impl Conditions {
    /// RFC 9110 section 13.2.2: a tag condition takes the place of the date condition of its side.
    pub(super) fn check(&self, object: &Object) -> Verdict {
        let names = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.value() == object.etag,
        };
        // Dates on the wire have whole seconds.
        let modified =
            Timestamp::from_second(object.modified.as_second()).unwrap_or(object.modified);
        let since = |at: &dto::Timestamp| moment(at).is_some_and(|at| modified > at);
        match &self.matches {
            Some(condition) if !names(condition) => return Verdict::Failed,
            None if self.unmodified_since.as_ref().is_some_and(since) => return Verdict::Failed,
            _ => {}
        }
        match &self.none_match {
            Some(condition) if names(condition) => Verdict::NotModified,
            None if self.modified_since.as_ref().is_some_and(|at| !since(at)) => {
                Verdict::NotModified
            }
            _ => Verdict::Go,
        }
    }
}

/// The part of an object that is asked for.
struct Chosen {
    body: Body,
    range: Option<String>,
    parts: Option<i32>,
}

impl Core {
    /// An object. Without the right to list, a missing key looks like a forbidden one, as on AWS.
    pub(super) fn find(
        &self,
        admitted: &Admitted,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<Arc<Object>> {
        self.must_exist(admitted, bucket)?;
        self.0
            .store
            .get(admitted.service(), bucket, key, version)
            .map_err(|fault| match fault {
                Fault::NoKey | Fault::Deleted(_)
                    if self
                        .allow(admitted, "s3:ListBucket", Some(bucket), None)
                        .is_err() =>
                {
                    denied()
                }
                fault => refused(fault),
            })
    }

    /// The value of `x-amz-expiration` of a current version, if a lifecycle rule is about it.
    pub(super) fn expiration(
        &self,
        admitted: &Admitted,
        bucket: &str,
        key: &str,
        object: &Arc<Object>,
    ) -> Option<String> {
        let (at, rule) = self.0.store.fate(admitted.service(), bucket, key, object)?;
        let date = httpdate::fmt_http_date(at.into());
        let rule = percent_encoding::utf8_percent_encode(&rule, percent_encoding::CONTROLS);
        Some(format!("expiry-date=\"{date}\", rule-id=\"{rule}\""))
    }

    /// Refuses unless the bucket exists.
    pub(super) fn must_exist(&self, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        match self.0.directory.bucket(admitted.service(), bucket) {
            Some(_) => Ok(()),
            None => Err(no_bucket()),
        }
    }

    pub(super) fn read_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        let object = self.find(
            &admitted,
            &input.bucket,
            &input.key,
            input.version_id.as_deref(),
        )?;
        let conditions = Conditions {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        hold(&conditions, &object)?;
        let chosen = choose(&object, input.range, input.part_number)?;
        let mut output = GetObjectOutput {
            expiration: match input.version_id {
                None => self.expiration(&admitted, &input.bucket, &input.key, &object),
                Some(_) => None,
            },
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(chosen.body.len()).ok(),
            e_tag: Some(tag(&object.etag)),
            last_modified: Some(time(object.modified)),
            version_id: version_id(&object),
            tag_count: i32::try_from(object.tags.len()).ok().filter(|n| *n > 0),
            parts_count: chosen.parts,
            ..GetObjectOutput::default()
        };
        describe!(output, &object.about);
        if input.checksum_mode.is_some() && chosen.range.is_none() {
            sums!(output, object.checksums);
            output.checksum_type = Some(kind(&object.checksums));
        }
        output.content_range = chosen.range;
        output.body = Some(streamed(&chosen.body));
        Ok(S3Response::new(output))
    }

    pub(super) fn read_head(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = request.input;
        let object = self.find(
            &admitted,
            &input.bucket,
            &input.key,
            input.version_id.as_deref(),
        )?;
        let conditions = Conditions {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        hold(&conditions, &object)?;
        let chosen = choose(&object, input.range, input.part_number)?;
        let mut output = HeadObjectOutput {
            expiration: match input.version_id {
                None => self.expiration(&admitted, &input.bucket, &input.key, &object),
                Some(_) => None,
            },
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(chosen.body.len()).ok(),
            e_tag: Some(tag(&object.etag)),
            last_modified: Some(time(object.modified)),
            version_id: version_id(&object),
            parts_count: chosen.parts,
            ..HeadObjectOutput::default()
        };
        describe!(output, &object.about);
        if input.checksum_mode.is_some() && chosen.range.is_none() {
            sums!(output, object.checksums);
            output.checksum_type = Some(kind(&object.checksums));
        }
        let is_partial = chosen.range.is_some();
        output.content_range = chosen.range;
        let mut response = S3Response::new(output);
        if is_partial {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        Ok(response)
    }
}

fn streamed(body: &Body) -> StreamingBlob {
    let pieces: Vec<_> = body
        .pieces()
        .iter()
        .cloned()
        .map(Ok::<_, std::convert::Infallible>)
        .collect();
    StreamingBlob::wrap(futures::stream::iter(pieces))
}

/// The version id to show; none for what was written without versioning.
pub(super) fn version_id(object: &Object) -> Option<String> {
    (object.version != NULL_VERSION).then(|| object.version.clone())
}

fn hold(conditions: &Conditions, object: &Object) -> S3Result<()> {
    match conditions.check(object) {
        Verdict::Go => Ok(()),
        Verdict::Failed => Err(precondition()),
        Verdict::NotModified => Err(not_modified(object)),
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut fault = s3_error!(NotModified, "Not Modified");
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, format!("\"{}\"", object.etag));
    set(
        header::LAST_MODIFIED,
        httpdate::fmt_http_date(object.modified.into()),
    );
    fault.set_headers(headers);
    fault
}

fn choose(object: &Object, range: Option<dto::Range>, part: Option<i32>) -> S3Result<Chosen> {
    let total = object.body.len();
    let (range, parts): (Range<u64>, Option<i32>) = match (range, part) {
        (None, None) => {
            return Ok(Chosen {
                body: object.body.clone(),
                range: None,
                parts: None,
            });
        }
        (Some(range), None) => (range.check(total).map_err(|_| unsatisfiable())?, None),
        (None, Some(number)) => (
            part_range(object, number)?,
            i32::try_from(object.parts.len()).ok().filter(|n| *n > 0),
        ),
        (Some(_), Some(_)) => {
            return Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            ));
        }
    };
    Ok(Chosen {
        body: object.body.slice(&range),
        range: (!range.is_empty())
            .then(|| format!("bytes {}-{}/{total}", range.start, range.end - 1)),
        parts,
    })
}

fn part_range(object: &Object, number: i32) -> S3Result<Range<u64>> {
    if object.parts.is_empty() && number == 1 {
        return Ok(0..object.body.len());
    }
    let mut start = 0;
    for (at, size) in (1..).zip(&object.parts) {
        if at == number {
            return Ok(start..start + size);
        }
        start += size;
    }
    Err(super::convert::custom(
        "InvalidPartNumber",
        http::StatusCode::RANGE_NOT_SATISFIABLE,
        "The requested partnumber is not satisfiable",
    ))
}

fn unsatisfiable() -> S3Error {
    s3_error!(InvalidRange, "The requested range is not satisfiable")
}

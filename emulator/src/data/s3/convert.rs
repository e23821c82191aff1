//! Between the types of s3s and ours.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use s3s::dto::{self, ETag, ETagCondition, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::data::checksum::{Algorithm, Checksums, Kind};
use crate::data::objects::{About, Expect, Fault};

/// An error code s3s has no name for.
pub(super) fn custom(code: &'static str, status: StatusCode, message: &'static str) -> S3Error {
    let mut fault = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    fault.set_status_code(status);
    fault
}

/// The usual answer to a request that is not allowed.
pub(super) fn denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

/// A refusal of the store in S3's words.
pub(super) fn refused(fault: Fault) -> S3Error {
    match fault {
        Fault::NoKey => s3_error!(NoSuchKey, "The specified key does not exist."),
        Fault::Deleted(id) => with_marker(
            s3_error!(NoSuchKey, "The specified key does not exist."),
            &id,
        ),
        Fault::IsMarker(id) => with_marker(
            s3_error!(
                MethodNotAllowed,
                "The specified method is not allowed against this resource."
            ),
            &id,
        ),
        Fault::NoVersion => s3_error!(NoSuchVersion, "The specified version does not exist."),
        Fault::Precondition => precondition(),
        Fault::NoUpload => s3_error!(
            NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        ),
        Fault::BadPart => s3_error!(
            InvalidPart,
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag or checksum may not match the part's."
        ),
        Fault::PartOrder => s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in order by part number."
        ),
        Fault::PartTooSmall => s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ),
        Fault::Differs => s3_error!(
            BadDigest,
            "The checksum or size you specified did not match the assembled object."
        ),
    }
}

/// A failed precondition.
pub(super) fn precondition() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

fn with_marker(mut fault: S3Error, id: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("x-amz-delete-marker"),
        HeaderValue::from_static("true"),
    );
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-amz-version-id"), id);
    }
    fault.set_headers(headers);
    fault
}

/// A time for the wire.
pub(super) fn time(at: Timestamp) -> dto::Timestamp {
    std::time::SystemTime::from(at).into()
}

/// A time from the wire; `None` when out of range.
pub(super) fn moment(at: &dto::Timestamp) -> Option<Timestamp> {
    let mut text = Vec::new();
    at.format(TimestampFormat::DateTime, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// A strong entity tag.
pub(super) fn tag(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}

/// What a conditional write expects of the current object.
pub(super) fn expectation(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Expect> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Expect::Anything),
        (Some(ETagCondition::Any), None) => Ok(Expect::Tag(None)),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Expect::Tag(Some(tag.into_value()))),
        (None, Some(ETagCondition::Any)) => Ok(Expect::Absent),
        (_, Some(_)) => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
    }
}

/// Takes the headers an object keeps out of any input that has them.
macro_rules! about {
    ($input:expr) => {
        $crate::data::objects::About {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::data::s3::convert::stored_encoding(
                $input.content_encoding.take().as_deref(),
            ),
            content_language: $input.content_language.take(),
            expires: $input
                .expires
                .take()
                .as_ref()
                .and_then($crate::data::s3::convert::moment),
            redirect: $input.website_redirect_location.take(),
            metadata: $input
                .metadata
                .take()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    };
}
pub(super) use about;

/// Fills an output with the headers an object keeps.
macro_rules! describe {
    ($output:expr, $about:expr) => {
        $output.content_type = Some(
            $about
                .content_type
                .clone()
                .unwrap_or_else(|| $crate::data::s3::convert::DEFAULT_TYPE.to_owned()),
        );
        $output.cache_control.clone_from(&$about.cache_control);
        $output
            .content_disposition
            .clone_from(&$about.content_disposition);
        $output
            .content_encoding
            .clone_from(&$about.content_encoding);
        $output
            .content_language
            .clone_from(&$about.content_language);
        $output.expires = $about.expires.map($crate::data::s3::convert::time);
        $output
            .website_redirect_location
            .clone_from(&$about.redirect);
        $output.metadata = $crate::data::s3::convert::metadata($about);
    };
}
pub(super) use describe;

/// Fills an output with checksums.
macro_rules! sums {
    ($output:expr, $sums:expr) => {
        let get = |algorithm| $sums.get(algorithm).map(str::to_owned);
        $output.checksum_crc32 = get($crate::data::checksum::Algorithm::Crc32);
        $output.checksum_crc32c = get($crate::data::checksum::Algorithm::Crc32c);
        $output.checksum_crc64nvme = get($crate::data::checksum::Algorithm::Crc64Nvme);
        $output.checksum_sha1 = get($crate::data::checksum::Algorithm::Sha1);
        $output.checksum_sha256 = get($crate::data::checksum::Algorithm::Sha256);
    };
}
pub(super) use sums;

/// Collects the checksums of an input.
macro_rules! stated {
    ($input:expr) => {{
        let mut out = $crate::data::checksum::Checksums::default();
        for (algorithm, value) in [
            (
                $crate::data::checksum::Algorithm::Crc32,
                &$input.checksum_crc32,
            ),
            (
                $crate::data::checksum::Algorithm::Crc32c,
                &$input.checksum_crc32c,
            ),
            (
                $crate::data::checksum::Algorithm::Crc64Nvme,
                &$input.checksum_crc64nvme,
            ),
            (
                $crate::data::checksum::Algorithm::Sha1,
                &$input.checksum_sha1,
            ),
            (
                $crate::data::checksum::Algorithm::Sha256,
                &$input.checksum_sha256,
            ),
        ] {
            if let Some(value) = value {
                out.set(algorithm, value.clone());
            }
        }
        out
    }};
}
pub(super) use stated;

/// Content type of an object that was stored without one.
pub(super) const DEFAULT_TYPE: &str = "binary/octet-stream";

/// The framing is not a property of the stored object.
pub(super) fn stored_encoding(value: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = value?
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(super) fn metadata(about: &About) -> Option<dto::Metadata> {
    (!about.metadata.is_empty()).then(|| about.metadata.clone().into_iter().collect())
}

/// The kind of a checksum on the wire.
pub(super) fn kind(sums: &Checksums) -> dto::ChecksumType {
    dto::ChecksumType::from_static(match sums.kind {
        Kind::Full => dto::ChecksumType::FULL_OBJECT,
        Kind::Composite => dto::ChecksumType::COMPOSITE,
    })
}

/// An algorithm named by the client.
pub(super) fn algorithm(name: Option<&dto::ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    let Some(name) = name else { return Ok(None) };
    Algorithm::named(name.as_str()).map(Some).ok_or_else(|| {
        s3_error!(
            InvalidRequest,
            "Checksum algorithm provided is unsupported."
        )
    })
}

/// Tags from a header: `key=value` pairs as in a query. At most ten, keys unique (S3 API reference).
pub(super) fn tags(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let tags: Vec<(String, String)> = form_urlencoded::parse(header.unwrap_or("").as_bytes())
        .into_owned()
        .collect();
    check_tags(&tags, 10)?;
    Ok(tags)
}

/// Checks a tag set: number, lengths, unique keys.
pub(super) fn check_tags(tags: &[(String, String)], most: usize) -> S3Result<()> {
    if tags.len() > most {
        return Err(custom(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            "The tag set has too many tags: objects have at most 10, buckets 50",
        ));
    }
    for (at, (key, value)) in tags.iter().enumerate() {
        let key_fits = (1..=128).contains(&key.chars().count());
        let is_double = tags.iter().take(at).any(|(other, _)| other == key);
        if !key_fits || value.chars().count() > 256 || is_double {
            return Err(s3_error!(InvalidTag, "The tag {key:?} is not valid."));
        }
    }
    Ok(())
}

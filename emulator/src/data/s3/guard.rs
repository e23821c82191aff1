//! What s3s lets pass and S3 does not.
//!
//! [`inspect`] looks at the form of a request before its signature is looked at; [`check_signed_headers`] and
//! [`check_known`] are asked afterwards, with everything else about access.

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use s3s::{S3Result, s3_error};

use super::LARGEST_FORM_FILE;
use super::convert::custom;
use super::intake::Declared;

/// Largest XML document, in bytes: 1000 keys to delete, each of 1024 bytes, with room for escapes.
const LARGEST_DOCUMENT: usize = 4 << 20;

/// Subresources that take an XML or JSON document.
const DOCUMENTS: [&str; 6] = [
    "cors",
    "delete",
    "lifecycle",
    "policy",
    "tagging",
    "versioning",
];

/// Longest life of a presigned URL, in seconds: seven days (AWS, signature version 4 in query parameters).
const LONGEST_PRESIGNED: u64 = 604_800;

/// Query names that are not a subresource, or are one that is implemented. With any other name s3s would
/// run the plain operation: `PUT /b/k?renameObject` would overwrite the object.
const KNOWN_QUERY: [&str; 34] = [
    "AWSAccessKeyId",
    "bucket-region",
    "continuation-token",
    "cors",
    "delete",
    "delimiter",
    "encoding-type",
    "Expires",
    "fetch-owner",
    "key-marker",
    "lifecycle",
    "list-type",
    "location",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "policy",
    "policyStatus",
    "prefix",
    "Signature",
    "start-after",
    "tagging",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versionId",
    "versioning",
    "versions",
    "x-id",
];

/// Request headers that ask for something that is not there; to ignore them would be a lie.
const REFUSED_HEADERS: [&str; 8] = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-write-offset-bytes",
    "x-amz-bucket-object-lock-enabled",
];

/// Largest object of one put or part, in bytes (S3: 5 GiB).
const LARGEST_OBJECT: u64 = 5 << 30;

/// Checks the form of a request and hands it on with a body s3s can read.
pub(super) async fn inspect(request: Request<Body>) -> S3Result<Request<s3s::Body>> {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
            .into_owned()
            .collect();
    check_authorization(request.headers())?;
    check_presigned(&query)?;
    check_form(request.headers())?;
    check_length(request.headers())?;
    let takes_document = matches!(*request.method(), Method::PUT | Method::POST)
        && query
            .iter()
            .any(|(name, _)| DOCUMENTS.contains(&name.as_str()));
    if takes_document && !is_chunked(request.headers()) {
        return check_document(request).await;
    }
    Ok(request.map(s3s::Body::http_body_unsync))
}

/// Texts of the fault AWS returns for an `Authorization` header it cannot take apart.
fn check_authorization(headers: &HeaderMap) -> S3Result<()> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or("");
    let Some(rest) = text.strip_prefix("AWS4-HMAC-SHA256") else {
        return Ok(());
    };
    let part = |name: &str| {
        rest.split(',')
            .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    };
    let (Some(credential), Some(_), Some(signature)) =
        (part("Credential"), part("SignedHeaders"), part("Signature"))
    else {
        return Err(s3_error!(
            AuthorizationHeaderMalformed,
            "The authorization header is malformed; Credential, SignedHeaders and Signature are required."
        ));
    };
    if credential.split('/').count() < 5 || !credential.ends_with("/aws4_request") {
        return Err(s3_error!(
            AuthorizationHeaderMalformed,
            "The authorization header is malformed; the Credential is mal-formed."
        ));
    }
    check_signature(signature)
}

fn check_presigned(query: &[(String, String)]) -> S3Result<()> {
    let get = |name: &str| {
        query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    if let Some(signature) = get("X-Amz-Signature") {
        check_signature(signature)?;
        let expires = get("X-Amz-Expires").and_then(|text| text.parse::<u64>().ok());
        if expires.is_none_or(|seconds| seconds > LONGEST_PRESIGNED) {
            return Err(custom(
                "AuthorizationQueryParametersError",
                StatusCode::BAD_REQUEST,
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
            ));
        }
    }
    Ok(())
}

fn check_signature(signature: &str) -> S3Result<()> {
    if signature.len() == 64 && signature.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(s3_error!(
        SignatureDoesNotMatch,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    ))
}

fn check_length(headers: &HeaderMap) -> S3Result<()> {
    match content_length(headers) {
        Some(length) if length > LARGEST_OBJECT => Err(s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        )),
        _ => Ok(()),
    }
}

/// A form is held in memory by s3s before anybody is asked, so it must say how long it is.
fn check_form(headers: &HeaderMap) -> S3Result<()> {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.to_ascii_lowercase().starts_with("multipart/form-data"));
    if !is_form {
        return Ok(());
    }
    match content_length(headers) {
        None => Err(s3_error!(
            MissingContentLength,
            "You must provide the Content-Length HTTP header."
        )),
        Some(length) if length > LARGEST_FORM_FILE => Err(s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        )),
        Some(_) => Ok(()),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn is_chunked(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-content-sha256")
        .is_some_and(|v| v.as_bytes().starts_with(b"STREAMING-"))
}

/// Reads a document and checks its digests, which s3s does not.
async fn check_document(request: Request<Body>) -> S3Result<Request<s3s::Body>> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST_DOCUMENT)
        .await
        .map_err(|source| {
            s3_error!(
                source,
                MaxMessageLengthExceeded,
                "Your request was too big."
            )
        })?;
    Declared::of(&parts.headers, None)?.verify(&bytes)?;
    Ok(Request::from_parts(parts, s3s::Body::from(bytes)))
}

/// Refuses `x-amz-*` headers outside the signature: s3s obeys them, so a presigned PUT with an unsigned
/// `x-amz-copy-source` would copy with the signer's rights. A signature in the query is the one s3s
/// checks, so its list counts even when there is an `Authorization` header too.
pub(super) fn check_signed_headers(
    headers: &HeaderMap,
    query: &[(String, String)],
) -> S3Result<()> {
    let find = |name: &str| {
        query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let names = if find("X-Amz-Signature").is_some() {
        find("X-Amz-SignedHeaders")
    } else {
        headers
            .get("authorization")
            .and_then(|v| v.to_str().ok()?.split_once("SignedHeaders="))
            .map(|(_, rest)| rest.split(',').next().unwrap_or("").trim())
    };
    let Some(names) = names else { return Ok(()) };
    let signed: Vec<String> = names
        .to_ascii_lowercase()
        .split(';')
        .map(str::to_owned)
        .collect();
    let stray = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-amz-")
            && name != "x-amz-content-sha256"
            && !signed.iter().any(|s| s == name)
    });
    if stray {
        return Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed"
        ));
    }
    Ok(())
}

pub(super) fn check_known(headers: &HeaderMap, query: &[(String, String)]) -> S3Result<()> {
    for (name, _) in query {
        let lower = name.to_ascii_lowercase();
        let known = KNOWN_QUERY.contains(&name.as_str())
            || lower.starts_with("x-amz-")
            || lower.starts_with("response-");
        if !known {
            return Err(s3_error!(
                NotImplemented,
                "A query parameter you provided implies functionality that is not implemented: {name}"
            ));
        }
    }
    let text = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    if REFUSED_HEADERS
        .iter()
        .any(|name| text(name).is_some_and(|value| value != b"false"))
        || text("x-amz-server-side-encryption").is_some_and(|v| v != b"AES256")
    {
        return Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        ));
    }
    let acl =
        text("x-amz-acl").is_some_and(|v| v != b"private" && v != b"bucket-owner-full-control");
    if acl
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("x-amz-grant-"))
    {
        return Err(custom(
            "AccessControlListNotSupported",
            http::StatusCode::BAD_REQUEST,
            "The bucket does not allow ACLs",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: S3Result<()>) -> Option<String> {
        result.err().map(|fault| fault.code().as_str().to_owned())
    }

    #[test]
    fn authorization_headers_are_taken_apart() {
        let signature = "0".repeat(64);
        let scope = "AKIA/20260101/x/s3/aws4_request";
        for (value, want) in [
            ("AWS key:signature".to_owned(), None),
            (
                format!(
                    "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}"
                ),
                None,
            ),
            (
                "AWS4-HMAC-SHA256 Credential=x".to_owned(),
                Some("AuthorizationHeaderMalformed"),
            ),
            (
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host, Signature={signature}"
                ),
                Some("AuthorizationHeaderMalformed"),
            ),
            (
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"),
                Some("SignatureDoesNotMatch"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(
                code(check_authorization(&headers)).as_deref(),
                want,
                "{value}"
            );
        }
    }

    #[test]
    fn a_presigned_url_lives_a_week_at_most() {
        for (seconds, want) in [
            ("604800", None),
            ("604801", Some("AuthorizationQueryParametersError")),
            ("-1", Some("AuthorizationQueryParametersError")),
        ] {
            let query = [
                ("X-Amz-Signature".to_owned(), "0".repeat(64)),
                ("X-Amz-Expires".to_owned(), seconds.to_owned()),
            ];
            assert_eq!(code(check_presigned(&query)).as_deref(), want, "{seconds}");
        }
    }

    #[test]
    fn unsigned_amz_headers_are_refused_whatever_the_other_signature_says() {
        let query = |signed: &str| {
            vec![
                ("X-Amz-Signature".to_owned(), "0".to_owned()),
                ("X-Amz-SignedHeaders".to_owned(), signed.to_owned()),
            ]
        };
        let forged =
            "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;x-amz-copy-source, Signature=0";
        for (authorization, query, want) in [
            (None, vec![], true),
            (None, query("host"), false),
            (None, query("host;X-Amz-Copy-Source"), true),
            (Some(forged), query("host"), false),
            (Some(forged), vec![], true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source", "b/k".parse().unwrap());
            if let Some(value) = authorization {
                headers.insert("authorization", value.parse().unwrap());
            }
            let passed = check_signed_headers(&headers, &query).is_ok();
            assert_eq!(passed, want, "{authorization:?} {query:?}");
        }
    }
}

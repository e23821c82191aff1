//! Who asks, which service it is about, and whether the policies allow it.

use std::sync::Arc;

use http::{Extensions, HeaderMap};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::PostObjectInput;
use s3s::path::S3Path;
use s3s::{S3Error, S3Request, S3Result, s3_error};
use serde_json::Value;

use super::convert::denied;
use super::guard::{check_known, check_signed_headers};
use super::{Arrival, Core};
use crate::data::directory::PolicySet;
use crate::data::policy::{self, Caller, Context, Documents};
use crate::data::sts::TokenFault;

/// A request that was let in: who, to which service, and what decides about it. Operations that
/// touch more than the thing named in the URL ask it again.
#[derive(Clone)]
pub(super) struct Admitted(Arc<Ticket>);

struct Ticket {
    service: String,
    caller: Caller,
    context: Context,
    policies: Option<PolicySet>,
    session: Vec<Value>,
}

impl Admitted {
    /// The ticket that [`S3Access::check`] put into a request.
    pub(super) fn of(extensions: &Extensions) -> S3Result<Self> {
        extensions.get().cloned().ok_or_else(denied)
    }

    pub(super) fn service(&self) -> &str {
        &self.0.service
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.0.caller == Caller::Anonymous
    }
}

/// Marks a form upload, which reaches the operation as a put.
#[derive(Clone, Copy)]
pub(super) struct Form;

#[async_trait::async_trait]
impl S3Auth for Core {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        self.0
            .holder(id)
            .map(|holder| SecretKey::from(holder.secret))
            .ok_or_else(unknown_key)
    }
}

/// One text for an unknown key, an inactive one, and one of another service.
fn unknown_key() -> S3Error {
    s3_error!(
        InvalidAccessKeyId,
        "The AWS Access Key Id you provided does not exist in our records."
    )
}

#[async_trait::async_trait]
impl S3Access for Core {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(cx.uri().query().unwrap_or("").as_bytes())
                .into_owned()
                .collect();
        check_signed_headers(cx.headers(), &query)?;
        check_known(cx.headers(), &query)?;

        let arrival: Arrival = cx.extensions_mut().get().cloned().ok_or_else(denied)?;
        let operation = cx.s3_op().name();
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => (None, None),
            S3Path::Bucket { bucket } => (Some(bucket.to_string()), None),
            S3Path::Object { bucket, key } => (Some(bucket.to_string()), Some(key.to_string())),
        };
        let id = cx.credentials().map(|c| c.access_key.clone());
        let context = Context {
            source_ip: Some(arrival.peer.ip().to_canonical()),
            secure: arrival.secure,
            now: self.0.directory.now(),
            facts: facts(cx.headers(), &query),
        };
        let token = cx
            .headers()
            .get("x-amz-security-token")
            .and_then(|v| v.to_str().ok())
            .or_else(|| {
                let found = query
                    .iter()
                    .find(|(n, _)| n == "X-Amz-Security-Token" || n == "x-amz-security-token");
                found.map(|(_, token)| token.as_str())
            });
        let credentials = id.as_deref().map(|id| (id, token));
        let ticket = self.admit(&arrival, credentials, bucket.as_deref(), context)?;
        let admitted = Admitted(Arc::new(ticket));
        // Whether a bucket exists is no secret in S3: the answer does not depend on who asks.
        if let Some(bucket) = &bucket
            && operation != "CreateBucket"
        {
            self.must_exist(&admitted, bucket)?;
        }

        let versioned = query.iter().any(|(name, _)| name == "versionId");
        for action in actions(operation, versioned, cx.headers()) {
            self.allow(&admitted, &action, bucket.as_deref(), key.as_deref())?;
        }
        cx.extensions_mut().insert(admitted);
        Ok(())
    }

    /// A form names its key in a field, which `check` does not see.
    async fn post_object(&self, request: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        let admitted = Admitted::of(&request.extensions)?;
        let input = &request.input;
        self.allow(
            &admitted,
            "s3:PutObject",
            Some(&input.bucket),
            Some(&input.key),
        )?;
        request.extensions.insert(Form);
        Ok(())
    }
}

impl Core {
    fn admit(
        &self,
        arrival: &Arrival,
        credentials: Option<(&str, Option<&str>)>,
        bucket: Option<&str>,
        context: Context,
    ) -> S3Result<Ticket> {
        let directory = &self.0.directory;
        let Some((id, token)) = credentials else {
            let service = match (&arrival.service, bucket) {
                (Some(service), _) => service.clone(),
                (None, Some(bucket)) => sole(directory.find_bucket(bucket))?,
                (None, None) => return Err(denied()),
            };
            return Ok(Ticket {
                service,
                caller: Caller::Anonymous,
                context,
                policies: None,
                session: Vec::new(),
            });
        };
        let holder = self.0.holder(id).ok_or_else(unknown_key)?;
        if arrival
            .service
            .as_ref()
            .is_some_and(|s| *s != holder.service)
        {
            return Err(unknown_key());
        }
        holder
            .check_token(token, context.now)
            .map_err(|fault| match fault {
                TokenFault::Invalid => s3_error!(
                    InvalidToken,
                    "The provided token is malformed or otherwise invalid."
                ),
                TokenFault::Expired => {
                    s3_error!(ExpiredToken, "The provided token has expired.")
                }
            })?;
        if matches!(holder.caller, Caller::User { .. }) {
            directory.used(id);
        }
        Ok(Ticket {
            service: holder.service,
            caller: holder.caller,
            context,
            policies: Some(holder.policies),
            session: holder.session,
        })
    }

    /// Refuses unless the policies allow an action on a bucket or object.
    pub(super) fn allow(
        &self,
        admitted: &Admitted,
        action: &str,
        bucket: Option<&str>,
        key: Option<&str>,
    ) -> S3Result<()> {
        let ticket = &*admitted.0;
        let resource = match (bucket, key) {
            (None, _) => "arn:aws:s3:::*".to_owned(),
            (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
            (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{key}"),
        };
        let settings = bucket.map(|bucket| self.0.store.settings(&ticket.service, bucket));
        let request = policy::Request {
            caller: &ticket.caller,
            action,
            resource: &resource,
            context: &ticket.context,
        };
        let documents = Documents {
            identity: ticket.policies.as_ref(),
            session: &ticket.session,
            bucket: settings
                .as_ref()
                .and_then(|s| s.policy.as_ref())
                .map(|(_, document)| document),
        };
        let decision = policy::decide(&request, documents);
        if let Some(doubt) = decision.doubt {
            tracing::warn!(
                action,
                resource,
                doubt,
                "policy not understood, taken against the caller"
            );
        }
        if decision.allowed {
            return Ok(());
        }
        tracing::debug!(action, resource, reason = ?decision.reason, "denied");
        Err(denied())
    }
}

/// The one service that has a bucket of this name.
fn sole(mut services: Vec<String>) -> S3Result<String> {
    match (services.pop(), services.pop()) {
        (Some(service), None) => Ok(service),
        (None, _) => Err(no_bucket()),
        (Some(_), Some(_)) => Err(denied()),
    }
}

/// The answer when a bucket does not exist.
pub(super) fn no_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

fn facts(headers: &HeaderMap, query: &[(String, String)]) -> Vec<(&'static str, String)> {
    let from_query = [
        ("prefix", "s3:prefix"),
        ("delimiter", "s3:delimiter"),
        ("max-keys", "s3:max-keys"),
        ("versionId", "s3:versionid"),
    ];
    let from_headers = [
        ("user-agent", "aws:useragent"),
        ("referer", "aws:referer"),
        ("x-amz-acl", "s3:x-amz-acl"),
        ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
        ("x-amz-copy-source", "s3:x-amz-copy-source"),
        ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
        (
            "x-amz-server-side-encryption",
            "s3:x-amz-server-side-encryption",
        ),
        ("x-amz-storage-class", "s3:x-amz-storage-class"),
        (
            "x-amz-website-redirect-location",
            "s3:x-amz-website-redirect-location",
        ),
    ];
    let mut out = Vec::new();
    for (name, fact) in from_query {
        if let Some((_, value)) = query.iter().find(|(n, _)| n == name) {
            out.push((fact, value.clone()));
        }
    }
    for (name, fact) in from_headers {
        if let Some(value) = headers.get(name).and_then(|v| v.to_str().ok()) {
            out.push((fact, value.to_owned()));
        }
    }
    out
}

/// The IAM actions an operation needs on the thing its URL names; none where the operation decides for each key
/// itself.
fn actions(operation: &str, versioned: bool, headers: &HeaderMap) -> Vec<String> {
    let name = match operation {
        "DeleteObjects" | "PostObject" => return Vec::new(),
        "GetObject" | "HeadObject" if versioned => "GetObjectVersion",
        "HeadObject" => "GetObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "GetObjectTagging" if versioned => "GetObjectVersionTagging",
        "PutObjectTagging" if versioned => "PutObjectVersionTagging",
        "DeleteObjectTagging" if versioned => "DeleteObjectVersionTagging",
        "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListBuckets" => "ListAllMyBuckets",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "GetBucketCors" => "GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "PutBucketCORS",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "DeleteBucketTagging" => "PutBucketTagging",
        other => other,
    };
    let mut out = vec![format!("s3:{name}")];
    if name == "PutObject" && headers.contains_key("x-amz-tagging") {
        out.push("s3:PutObjectTagging".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_map_to_actions() {
        for (operation, versioned, want) in [
            ("GetObject", false, "s3:GetObject"),
            ("HeadObject", true, "s3:GetObjectVersion"),
            ("DeleteObject", true, "s3:DeleteObjectVersion"),
            ("CopyObject", false, "s3:PutObject"),
            ("ListObjectsV2", false, "s3:ListBucket"),
            ("ListBuckets", false, "s3:ListAllMyBuckets"),
            ("PutBucketPolicy", false, "s3:PutBucketPolicy"),
            ("DeleteBucketCors", false, "s3:PutBucketCORS"),
        ] {
            let got = actions(operation, versioned, &HeaderMap::new());
            assert_eq!(got, [want], "{operation}");
        }
        assert!(actions("DeleteObjects", false, &HeaderMap::new()).is_empty());
    }
}

//! Buckets themselves and the documents set on them, and object tags.

use s3s::dto::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CORSRule,
    CreateBucketOutput, GetBucketCorsOutput, GetBucketLifecycleConfigurationOutput,
    GetBucketLocationOutput, GetBucketPolicyOutput, GetBucketPolicyStatusOutput,
    GetBucketTaggingOutput, GetBucketVersioningOutput, PolicyStatus, Tag,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use serde_json::Value;

use super::Core;
use super::access::{Admitted, no_bucket};
use super::convert::{check_tags, refused};
use crate::data::directory::BucketFault;
use crate::data::objects::{CorsRule, Settings};
use crate::data::policy::{is_public, validate_bucket_policy};

/// Largest bucket policy, in bytes (AWS, policy limits).
const LARGEST_POLICY: usize = 20_480;

impl Core {
    pub(super) fn make_bucket(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<CreateBucketOutput> {
        if admitted.is_anonymous() {
            return Err(super::convert::denied());
        }
        self.0
            .directory
            .create_bucket(admitted.service(), bucket)
            .map_err(bucket_fault)?;
        Ok(CreateBucketOutput {
            location: Some(format!("/{bucket}")),
        })
    }

    pub(super) fn remove_bucket(&self, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        self.must_exist(admitted, bucket)?;
        if !self.0.store.is_empty(admitted.service(), bucket) {
            return Err(s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty"
            ));
        }
        self.0
            .directory
            .delete_bucket(admitted.service(), bucket)
            .map_err(bucket_fault)?;
        self.0.store.drop_bucket(admitted.service(), bucket);
        Ok(())
    }

    /// A bucket's settings.
    pub(super) fn settings(&self, admitted: &Admitted, bucket: &str) -> S3Result<Settings> {
        self.must_exist(admitted, bucket)?;
        Ok(self.0.store.settings(admitted.service(), bucket))
    }

    /// Changes a bucket's settings.
    pub(super) fn set(
        &self,
        admitted: &Admitted,
        bucket: &str,
        change: impl FnOnce(&mut Settings),
    ) -> S3Result<()> {
        self.must_exist(admitted, bucket)?;
        self.0.store.set(admitted.service(), bucket, change);
        Ok(())
    }

    pub(super) fn location(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketLocationOutput> {
        self.must_exist(admitted, bucket)?;
        // Empty is the S3 spelling of "the default region": signatures for any region are accepted.
        Ok(GetBucketLocationOutput {
            location_constraint: Some(BucketLocationConstraint::from(String::new())),
        })
    }

    pub(super) fn put_policy(
        &self,
        admitted: &Admitted,
        bucket: &str,
        text: String,
    ) -> S3Result<()> {
        let malformed =
            |message: String| S3Error::with_message(S3ErrorCode::MalformedPolicy, message);
        if text.len() > LARGEST_POLICY {
            return Err(malformed(
                "Policies must be at most 20480 bytes long.".to_owned(),
            ));
        }
        let document: Value = serde_json::from_str(&text)
            .map_err(|fault| malformed(format!("Policies must be valid JSON: {fault}.")))?;
        validate_bucket_policy(&document, bucket).map_err(malformed)?;
        self.set(admitted, bucket, |s| s.policy = Some((text, document)))
    }

    pub(super) fn policy(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketPolicyOutput> {
        match self.settings(admitted, bucket)?.policy {
            Some((text, _)) => Ok(GetBucketPolicyOutput { policy: Some(text) }),
            None => Err(no_policy()),
        }
    }

    pub(super) fn policy_status(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketPolicyStatusOutput> {
        let (_, document) = self
            .settings(admitted, bucket)?
            .policy
            .ok_or_else(no_policy)?;
        Ok(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus {
                is_public: Some(is_public(&document)),
            }),
        })
    }

    pub(super) fn put_cors(
        &self,
        admitted: &Admitted,
        bucket: &str,
        rules: Vec<CORSRule>,
    ) -> S3Result<()> {
        let rules: Vec<CorsRule> = rules.into_iter().map(rule).collect::<S3Result<_>>()?;
        if rules.is_empty() || rules.len() > 100 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        self.set(admitted, bucket, |s| s.cors = rules)
    }

    pub(super) fn cors(&self, admitted: &Admitted, bucket: &str) -> S3Result<GetBucketCorsOutput> {
        let rules = self.settings(admitted, bucket)?.cors;
        if rules.is_empty() {
            return Err(s3_error!(
                NoSuchCORSConfiguration,
                "The CORS configuration does not exist"
            ));
        }
        Ok(GetBucketCorsOutput {
            cors_rules: Some(rules.into_iter().map(shown).collect()),
        })
    }

    pub(super) fn set_versioning(
        &self,
        admitted: &Admitted,
        bucket: &str,
        status: Option<&BucketVersioningStatus>,
    ) -> S3Result<()> {
        let on = match status.map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => true,
            Some(BucketVersioningStatus::SUSPENDED) => false,
            _ => {
                return Err(s3_error!(
                    MalformedXML,
                    "The versioning status must be Enabled or Suspended"
                ));
            }
        };
        self.set(admitted, bucket, |s| s.versioning = Some(on))
    }

    pub(super) fn versioning(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketVersioningOutput> {
        let status = self.settings(admitted, bucket)?.versioning.map(|on| {
            BucketVersioningStatus::from_static(if on {
                BucketVersioningStatus::ENABLED
            } else {
                BucketVersioningStatus::SUSPENDED
            })
        });
        Ok(GetBucketVersioningOutput {
            status,
            ..GetBucketVersioningOutput::default()
        })
    }

    /// The store carries the rules out as the clock moves.
    pub(super) fn put_lifecycle(
        &self,
        admitted: &Admitted,
        bucket: &str,
        configuration: Option<BucketLifecycleConfiguration>,
    ) -> S3Result<()> {
        let rules = super::lifecycle::rules(configuration)?;
        self.set(admitted, bucket, |s| s.lifecycle = rules)
    }

    pub(super) fn lifecycle(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let rules = self.settings(admitted, bucket)?.lifecycle;
        if rules.is_empty() {
            return Err(s3_error!(
                NoSuchLifecycleConfiguration,
                "The lifecycle configuration does not exist"
            ));
        }
        Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(rules.into_iter().map(super::lifecycle::shown).collect()),
            ..GetBucketLifecycleConfigurationOutput::default()
        })
    }

    pub(super) fn delete_lifecycle(&self, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        self.set(admitted, bucket, |s| s.lifecycle.clear())
    }

    pub(super) fn put_bucket_tags(
        &self,
        admitted: &Admitted,
        bucket: &str,
        tags: Vec<Tag>,
    ) -> S3Result<()> {
        let pairs = pairs(tags);
        check_tags(&pairs, 50)?;
        self.set(admitted, bucket, |s| s.tags = Some(pairs))
    }

    pub(super) fn bucket_tags(
        &self,
        admitted: &Admitted,
        bucket: &str,
    ) -> S3Result<GetBucketTaggingOutput> {
        let pairs = self
            .settings(admitted, bucket)?
            .tags
            .ok_or_else(|| s3_error!(NoSuchTagSet, "The TagSet does not exist"))?;
        Ok(GetBucketTaggingOutput {
            tag_set: tag_set(pairs),
        })
    }

    pub(super) fn delete_bucket_tags(&self, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        self.set(admitted, bucket, |s| s.tags = None)
    }

    /// Replaces an object's tags; returns the version they are on.
    pub(super) fn tag_object(
        &self,
        admitted: &Admitted,
        at: (&str, &str, Option<&str>),
        tags: Vec<Tag>,
    ) -> S3Result<Option<String>> {
        let (bucket, key, version) = at;
        let pairs = pairs(tags);
        check_tags(&pairs, 10)?;
        self.must_exist(admitted, bucket)?;
        let id = self
            .0
            .store
            .tag(admitted.service(), bucket, key, version, pairs)
            .map_err(refused)?;
        Ok(Some(id).filter(|id| id != crate::data::objects::NULL_VERSION))
    }
}

pub(super) fn tag_set(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs
        .into_iter()
        .map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        })
        .collect()
}

pub(super) fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect()
}

fn no_policy() -> S3Error {
    s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
}

fn bucket_fault(fault: BucketFault) -> S3Error {
    match fault {
        BucketFault::Exists => s3_error!(
            BucketAlreadyOwnedByYou,
            "Your previous request to create the named bucket succeeded and you already own it."
        ),
        BucketFault::Purging => s3_error!(
            OperationAborted,
            "A conflicting conditional operation is currently in progress against this resource. Please try again."
        ),
        BucketFault::Missing => no_bucket(),
        BucketFault::Unavailable => {
            s3_error!(ServiceUnavailable, "The service is not running")
        }
    }
}

fn rule(rule: CORSRule) -> S3Result<CorsRule> {
    let known = ["GET", "PUT", "HEAD", "POST", "DELETE"];
    if let Some(method) = rule
        .allowed_methods
        .iter()
        .find(|m| !known.contains(&m.as_str()))
    {
        return Err(s3_error!(
            InvalidRequest,
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        ));
    }
    let headers = rule.allowed_headers.unwrap_or_default();
    let is_double = |text: &&String| text.matches('*').count() > 1;
    if let Some(text) = rule.allowed_origins.iter().chain(&headers).find(is_double) {
        return Err(s3_error!(
            InvalidRequest,
            "\"{text}\" can not have more than one wildcard."
        ));
    }
    Ok(CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers,
        expose: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds,
    })
}

fn shown(rule: CorsRule) -> CORSRule {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    CORSRule {
        id: rule.id,
        allowed_origins: rule.origins,
        allowed_methods: rule.methods,
        allowed_headers: some(rule.headers),
        expose_headers: some(rule.expose),
        max_age_seconds: rule.max_age_seconds,
    }
}

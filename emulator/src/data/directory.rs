//! What the data plane asks of the control plane.
//!
//! Keys, users, policies, buckets and website configurations belong to the control plane; objects
//! belong to [`Store`](super::objects::Store). This trait is the only thing the two share, so either
//! side can be tested with a table in place of the other.
//!
//! Every method is synchronous, cheap and answers from the state as it is now: nothing is cached on
//! this side, so a revoked key or a changed policy counts from the next request on. The data plane never
//! holds a lock of its own while it calls in; an implementation may therefore call the store (for
//! example [`Store::drop_bucket`](super::objects::Store::drop_bucket)) while it holds its own lock.
//!
//! `service` is always the service's UUID as text, lower case, with hyphens.

use jiff::Timestamp;
use serde_json::Value;

/// State of the control plane, as far as S3, STS and static websites need it.
pub trait Directory: Send + Sync + 'static {
    /// The emulator's clock. Object dates and the expiry of keys and sessions are measured by it;
    /// the time of a signature may be right by it or by the real clock.
    fn now(&self) -> Timestamp;

    /// Owner and secret of an access key, whatever its status; `None` for an unknown id.
    fn key(&self, id: &str) -> Option<KeyOwner>;

    /// Notes that a request signed by this key was accepted (`last_used_at`).
    fn used(&self, id: &str);

    /// What a user may do. Empty for an unknown user.
    fn policies(&self, service: &str, user: &str) -> PolicySet;

    /// A role for STS `AssumeRole`. Without roles there is nothing to assume.
    fn role(&self, service: &str, name: &str) -> Option<Role> {
        let _ = (service, name);
        None
    }

    /// Document of a managed policy by its ARN, in its default version.
    fn managed_policy(&self, service: &str, arn: &str) -> Option<Value> {
        let _ = (service, arn);
        None
    }

    /// The origin that a service sets in place of what its buckets' CORS rules say.
    fn cors_origin(&self, service: &str) -> Option<String> {
        let _ = service;
        None
    }

    /// What answers at a host name, compared without regard to case. The caller strips the port and
    /// asks again without leading labels, so only whole endpoint domains need to match.
    fn service_of_host(&self, host: &str) -> Option<HostKind>;

    /// One bucket; `None` also for a bucket that is being purged after deletion.
    fn bucket(&self, service: &str, name: &str) -> Option<Bucket>;

    /// The live buckets of a service, in order of name.
    fn buckets(&self, service: &str) -> Vec<Bucket>;

    /// Services that have a live bucket of this name: an anonymous path-style request on a bare IP
    /// address is answered when there is exactly one.
    fn find_bucket(&self, name: &str) -> Vec<String>;

    /// S3 `CreateBucket`, after the policies have allowed it and the name has been checked.
    fn create_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault>;

    /// S3 `DeleteBucket`, after the bucket has been found empty.
    fn delete_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault>;

    /// Change of a bucket's contents, as differences. Ignored when the bucket is gone.
    fn count(&self, service: &str, bucket: &str, objects: i64, bytes: i64);

    /// The website configured for a domain, compared without regard to case.
    fn website(&self, domain: &str) -> Option<Site>;

    /// All configured websites: a request by IP address is answered when there is exactly one.
    fn websites(&self) -> Vec<Site>;
}

/// An access key as the signature check needs it. Has a secret, hence no `Debug`.
pub struct KeyOwner {
    /// The secret access key.
    pub secret: String,
    /// Service of the user.
    pub service: String,
    /// User name.
    pub user: String,
    /// False for a key of status `Inactive`.
    pub active: bool,
}

/// The policies that decide about one principal.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Name and document of each: attached managed policies (default version), inline ones, and both
    /// kinds of every group the user is in. The name is for messages only.
    pub identity: Vec<(String, Value)>,
    /// Document of the permissions boundary. A boundary whose policy is gone must be given as a document
    /// that allows nothing, not as `None`.
    pub boundary: Option<Value>,
}

/// A role as STS needs it.
#[derive(Clone, Debug)]
pub struct Role {
    /// The assume-role policy document.
    pub trust: Value,
    /// Longest session, in seconds (3600 to 43200).
    pub max_session_seconds: u32,
    /// What a session of the role may do.
    pub policies: PolicySet,
}

/// What answers at a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// An S3 endpoint: `<label>.upcloudobjects.com`, its private twin or a custom domain of mode `api`.
    Api {
        /// The service behind it.
        service: String,
    },
    /// A static website domain, whether or not a website is configured there yet.
    Website {
        /// The service behind it.
        service: String,
        /// The domain, as configured.
        domain: String,
    },
}

/// A live bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name, unique within the service.
    pub name: String,
    /// Creation time.
    pub created_at: Timestamp,
}

/// Why the control plane refuses to create or delete a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketFault {
    /// A live bucket of that name exists.
    #[error("the bucket exists")]
    Exists,
    /// A deleted bucket of that name is still being purged.
    #[error("a deleted bucket of that name is still being purged")]
    Purging,
    /// There is no such bucket.
    #[error("no such bucket")]
    Missing,
    /// The service is not running, or is being deleted.
    #[error("the service is not running")]
    Unavailable,
}

/// A static website configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The service that has it.
    pub service: String,
    /// Domain name, as configured.
    pub domain: String,
    /// Bucket that is served.
    pub bucket: String,
    /// Put before every path, as configured (`dist/`); may be empty.
    pub prefix: String,
    /// Served for `/` and for every path that ends in a slash.
    pub index_document: String,
    /// Documents shown in place of an error.
    pub error_pages: Vec<ErrorPage>,
    /// Single page mode: a missing object answers the index document with 200.
    pub spa_mode: bool,
    /// A disabled website answers 404.
    pub enabled: bool,
}

/// One entry of a website's error pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// First status it stands for, 400 to 599.
    pub first: u16,
    /// Last status it stands for, inclusive; equal to `first` for a single code.
    pub last: u16,
    /// Key of the document, below the website's prefix.
    pub document: String,
}

//! A user of a service, with the policies attached to it and one access key in a Secret.
//!
//! Policies that cooper did not attach and keys that it did not make stay as they are, unless the user is `exclusive`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    api::{AccessKey, Attachment, KeyStatus, ServiceId, User},
    bucket::Bucket,
    cloud::{Seen, UpCloud},
    iam_policy::IamPolicy,
    secret::{self, Surroundings},
    service::{ObjectStorageService, Parent, S3Endpoint},
    shape::{Local, Marks, immutable, safe_name},
};
use crate::engine::{
    external::{AccountKey, Common, Diff, External, Held, Ref, Resolved, Unresolved},
    fault::Fault,
    key::{self, KeyId, ListedKey, SecretText},
    keyring::{KeySpec, Keyring, Keys, Minted, NotMinted},
    known::{Known, Reference},
    reason::Reason,
    status::Status,
};

/// A user of an object storage service, with its policies and one access key.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "IamUser",
    plural = "iamusers",
    namespaced,
    category = "cooper",
    shortname = "ucuser",
    status = "Status<UserPlace, UserFacts>",
    derive = "PartialEq",
    doc = "A user of an UpCloud object storage service, with its policies and an access key in a Secret.",
    validation = safe_name(),
    printcolumn(name = "User", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".spec.accessKey.secretName", description = "The Secret that holds the access key"),
    printcolumn(name = "Key Age", type_ = "date", json_path = ".status.atProvider.keyCreatedAt", description = "Age of the newest key"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Issued", type_ = "string", json_path = ".status.conditions[?(@.type==\"Issued\")].status", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = Rule::new("!has(self.name) || self.name != '_upcloud-internal-user'").message("_upcloud-internal-user belongs to UpCloud"),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource"),
    validation = Rule::new("!has(self.accessKey) || !has(oldSelf.accessKey) || self.accessKey.secretName == oldSelf.accessKey.secretName").message("accessKey.secretName cannot be changed while accessKey is set; remove accessKey, which revokes the key, and add it again")
)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service whose user it is. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    /// Policies to attach; without any, the user can do nothing. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub policies: Vec<PolicySource>,
    /// Whether policies that cooper did not attach are detached, and keys that it did not make are revoked. Default: false.
    #[serde(default)]
    pub exclusive: bool,
    /// An access key, kept in a Secret. Removing this revokes the key and deletes the Secret. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeySpec>,
}

/// A policy to attach: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PolicySource {
    /// An IamPolicy of the same service.
    PolicyRef(Local),
    /// A policy that UpCloud provides, such as ECSS3ReadOnlyAccess or ECSS3FullAccess.
    SystemPolicy(
        #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))] String,
    ),
}

/// An access key and the Secret that holds it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.labels) || self.labels.all(k, !k.startsWith('cooper.dev/'))").message("labels of cooper.dev are cooper's own"),
    validation = Rule::new("!has(self.annotations) || self.annotations.all(k, !k.startsWith('cooper.dev/'))").message("annotations of cooper.dev are cooper's own")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySpec {
    /// Name of the Secret, in this namespace. It is made by cooper; one that exists already is left alone. Cannot be changed while
    /// accessKey is set.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub secret_name: String,
    /// Labels for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"}))]
    pub labels: Marks,
    /// Annotations for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: Marks,
    /// Buckets that the holder of the key works with. They must exist before a key is made; a single one stands in the Secret as
    /// BUCKET_NAME. This grants no right: policies do. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub bucket_refs: Vec<Local>,
    /// Further entries of the Secret: name → text with the placeholders {{ accessKeyId }}, {{ secretAccessKey }}, {{ region }},
    /// {{ endpoint }}, {{ endpointHost }}, {{ bucket }} (with exactly one bucketRef) and {{ username }}. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 16384}))]
    pub template: BTreeMap<String, String>,
}

/// How long an old key stays usable beside the one that replaces it.
const OVERLAP: Duration = Duration::from_hours(24);

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct UserPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserFacts {
    /// Its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub arn: Option<String>,
    /// Attached policies that this resource attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub policies: Vec<String>,
    /// Attached policies that somebody else attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 128)))]
    pub foreign_policies: Vec<String>,
    /// When the newest of its keys was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_created_at: Option<Time>,
}

/// What a user shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    policies: BTreeSet<String>,
    exclusive: bool,
    /// What stands beside the key in the Secret; `None` if no key is wanted.
    surroundings: Option<Surroundings>,
}

/// A user as one answer showed it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The user.
    pub user: User,
    /// When the answer was given, by the cloud's clock and by ours.
    pub seen: Seen,
    /// It is the answer to our own create: nobody can have made a key before.
    pub made: bool,
}

/// One request that changes a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A policy off.
    Detach(String),
    /// A policy on.
    Attach(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detach(policy) => write!(f, "detach policy {policy}"),
            Self::Attach(policy) => write!(f, "attach policy {policy}"),
        }
    }
}

impl External for IamUser {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = UserPlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = UserFacts;
    type Keys = AccessKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let service = self.spec.service_ref.target::<ObjectStorageService>(&own);
        let policies = self.spec.policies.iter().filter_map(|source| match source {
            PolicySource::PolicyRef(policy) => Some(policy.reference().target::<IamPolicy>(&own)),
            PolicySource::SystemPolicy(_) => None,
        });
        let buckets = self.spec.access_key.iter().flat_map(|key| &key.bucket_refs);
        let buckets = buckets.map(|bucket| bucket.reference().target::<Bucket>(&own));
        [service]
            .into_iter()
            .chain(policies)
            .chain(buckets)
            .map(Ref::holding)
            .collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        let policies = spec
            .policies
            .iter()
            .map(|source| self.policy(source, &parent.id, known))
            .collect::<Result<_, _>>()?;
        let surroundings = spec
            .access_key
            .as_ref()
            .map(|key| self.surroundings(key, &name, &parent, known))
            .transpose()?;
        Ok(Resolved {
            account: parent.account,
            place: UserPlace {
                service: parent.id,
                name,
            },
            desired: Desired {
                policies,
                exclusive: spec.exclusive,
                surroundings,
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &UserPlace,
        _: &UserFacts,
    ) -> Result<Option<Remote>, Fault> {
        let found = cloud.user(&at.service, &at.name).await?;
        Ok(found.map(|(user, seen)| Remote {
            user,
            seen,
            made: false,
        }))
    }

    async fn create(cloud: &UpCloud, at: &UserPlace, _: &Desired) -> Result<Remote, Fault> {
        let (user, seen) = cloud.create_user(&at.service, &at.name).await?;
        Ok(Remote {
            user,
            seen,
            made: true,
        })
    }

    fn cost(want: &Desired) -> u32 {
        let changes = want.policies.len() + usize::from(want.surroundings.is_some());
        1 + u32::try_from(changes).unwrap_or(0)
    }

    async fn apply(
        cloud: &UpCloud,
        at: &UserPlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        let attached = &mut now.user.policies;
        match change {
            Change::Detach(policy) => {
                cloud.detach(service, user, policy).await?;
                attached.retain(|attached| attached.name != *policy);
            }
            Change::Attach(policy) => {
                cloud.attach(service, user, policy).await?;
                attached.push(Attachment {
                    name: policy.clone(),
                    arn: None,
                });
            }
        }
        Ok(())
    }

    /// AWS refuses to delete a user with policies, and nobody has recorded what UpCloud does: a refusal is met by detaching them. That
    /// foreign ones may go with the user has been decided before.
    async fn delete(cloud: &UpCloud, at: &UserPlace, now: &Remote, _: bool) -> Result<(), Fault> {
        let (service, user) = (&at.service, &at.name);
        match cloud.delete_user(service, user).await {
            Err(refused) if refused.reason == Reason::StillAttached => {}
            done => return done,
        }
        for policy in now.policies() {
            cloud.detach(service, user, &policy).await?;
        }
        cloud.delete_user(service, user).await
    }

    /// Narrow first, widen last: detach before attach.
    fn diff(want: &Desired, now: &Remote, facts: &UserFacts) -> Diff<Change> {
        let has = now.policies();
        let ours = |policy: &&String| want.exclusive || facts.policies.contains(policy);
        let extra = has.difference(&want.policies).filter(ours);
        let missing = want.policies.difference(&has);
        let changes = extra
            .cloned()
            .map(Change::Detach)
            .chain(missing.cloned().map(Change::Attach));
        Diff {
            changes: changes.collect(),
            fixed: Vec::new(),
        }
    }

    fn facts(want: Option<&Desired>, now: &Remote, before: &UserFacts, _: Timestamp) -> UserFacts {
        let ours = |policy: &String| {
            before.policies.contains(policy)
                || want.is_some_and(|want| want.policies.contains(policy))
        };
        let (policies, foreign_policies) = now.policies().into_iter().partition(ours);
        let newest = now.user.access_keys.iter().filter_map(|key| key.created_at);
        UserFacts {
            arn: now.user.arn.clone(),
            policies,
            foreign_policies,
            key_created_at: newest.max().map(Time),
        }
    }

    /// Keys that are not ours hold a deletion too; only the key protocol knows which these are.
    fn held(
        spec: Option<&UserSpec>,
        now: &Remote,
        facts: &UserFacts,
        _: Timestamp,
    ) -> Option<Held> {
        if spec.is_some_and(|spec| spec.exclusive) {
            return None;
        }
        let mut foreign = now.policies();
        foreign.retain(|policy| !facts.policies.contains(policy));
        let foreign: Vec<_> = foreign.iter().map(String::as_str).collect();
        (!foreign.is_empty()).then(|| Held {
            why: format!(
                "somebody else attached policies to the user: {}; detach them at the cloud, or set spec.exclusive: true or spec.deletionPolicy: Delete to delete the user all the same",
                foreign.join(", ")
            ),
            until: None,
        })
    }

    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Detach(_))
    }
}

impl IamUser {
    /// Name at the cloud of a policy to attach; waits until it exists there.
    fn policy(
        &self,
        source: &PolicySource,
        service: &ServiceId,
        known: &Known,
    ) -> Result<String, Unresolved> {
        let local = match source {
            PolicySource::SystemPolicy(name) => return Ok(name.clone()),
            PolicySource::PolicyRef(local) => local,
        };
        let policy: Arc<IamPolicy> = known.named(self, &local.reference())?;
        let place = policy.made().ok_or_else(|| not_made("policy", local))?;
        if place.service != *service {
            return Err(elsewhere("policy", local));
        }
        Ok(place.name.clone())
    }

    fn surroundings(
        &self,
        key: &AccessKeySpec,
        username: &str,
        parent: &Parent,
        known: &Known,
    ) -> Result<Surroundings, Unresolved> {
        let mut buckets = key
            .bucket_refs
            .iter()
            .map(|local| self.bucket(local, &parent.id, known))
            .collect::<Result<Vec<_>, _>>()?;
        let bucket = if buckets.len() == 1 {
            buckets.pop()
        } else {
            None
        };
        let facts = parent.service.known();
        let endpoint: &S3Endpoint =
            facts
                .and_then(|facts| facts.endpoint.as_ref())
                .ok_or_else(|| Unresolved::Waiting {
                    reason: Reason::ReferenceNotReady,
                    message: format!(
                        "service {} has no S3 endpoint yet; the access key is made once it has one",
                        self.spec.service_ref.name
                    ),
                })?;
        let surroundings = Surroundings {
            region: parent.service.spec.region.clone(),
            endpoint: endpoint.url.clone(),
            host: endpoint.host.clone(),
            path_style: endpoint.path_style,
            bucket,
            username: username.to_owned(),
            template: key.template.clone(),
        };
        surroundings.check().map_err(|wrong| Unresolved::Refused {
            reason: Reason::InvalidSpec,
            message: format!("spec.accessKey.template: {wrong}"),
        })?;
        Ok(surroundings)
    }

    fn bucket(
        &self,
        local: &Local,
        service: &ServiceId,
        known: &Known,
    ) -> Result<String, Unresolved> {
        let bucket: Arc<Bucket> = known.named(self, &local.reference())?;
        let place = bucket.made().ok_or_else(|| not_made("bucket", local))?;
        if place.service != *service {
            return Err(elsewhere("bucket", local));
        }
        Ok(place.name.clone())
    }
}

/// A named resource that has nothing at the cloud yet.
pub(super) fn not_made(what: &str, local: &Local) -> Unresolved {
    Unresolved::Waiting {
        reason: Reason::ReferenceNotReady,
        message: format!(
            "{what} {} does not exist at the cloud yet; see its conditions",
            local.name
        ),
    }
}

/// A named resource of another service.
pub(super) fn elsewhere(what: &str, local: &Local) -> Unresolved {
    Unresolved::Refused {
        reason: Reason::InvalidSpec,
        message: format!(
            "{what} {} belongs to another service; name one of the same service",
            local.name
        ),
    }
}

impl Remote {
    fn policies(&self) -> BTreeSet<String> {
        let attached = self.user.policies.iter();
        attached.map(|policy| policy.name.clone()).collect()
    }

    fn keys(&self) -> Keys {
        Keys {
            at: self.seen.at,
            began: self.seen.began,
            keys: self.user.access_keys.iter().map(listed).collect(),
        }
    }
}

/// A key as the key protocol reads it. One of unknown status counts as usable, one of unknown age as of the beginning of time: it is
/// then never taken for one whose answer was lost.
fn listed(key: &AccessKey) -> ListedKey {
    ListedKey {
        id: KeyId::new(key.id.as_str()),
        active: key.status != Some(KeyStatus::Inactive),
        created_at: key.created_at.unwrap_or(Timestamp::MIN),
        last_used_at: key.last_used_at,
    }
}

/// The access keys of users.
pub struct AccessKeys;

impl Keyring<IamUser> for AccessKeys {
    const ISSUES: bool = true;
    /// Recorded to work; a third party says that it is the most, as at AWS and Dell ECS.
    const QUOTA: Option<usize> = Some(2);

    fn spec(spec: &UserSpec) -> Option<KeySpec> {
        let key = spec.access_key.as_ref()?;
        Some(KeySpec {
            secret_name: key.secret_name.clone(),
            labels: key.labels.clone(),
            annotations: key.annotations.clone(),
            exclusive: spec.exclusive,
            overlap: OVERLAP,
            hold: false,
        })
    }

    fn place(account: &AccountKey, at: &UserPlace) -> key::Place {
        key::Place {
            account: account.to_string(),
            service: at.service.to_string(),
            user: at.name.clone(),
        }
    }

    fn seen(now: &Remote) -> Option<Keys> {
        Some(now.keys())
    }

    fn render(
        want: &Desired,
        _: &UserPlace,
        id: &KeyId,
        secret: &SecretText,
    ) -> BTreeMap<String, Vec<u8>> {
        let surroundings = want.surroundings.as_ref();
        surroundings.map_or_else(BTreeMap::new, |around| around.render(id, secret))
    }

    fn extract(data: &BTreeMap<String, Vec<u8>>) -> Option<(KeyId, SecretText)> {
        secret::extract(data)
    }

    async fn list(cloud: &UpCloud, at: &UserPlace) -> Result<Option<Keys>, Fault> {
        let found = cloud.user_alone(&at.service, &at.name).await?;
        Ok(found.map(|(user, seen)| {
            Remote {
                user,
                seen,
                made: false,
            }
            .keys()
        }))
    }

    async fn mint(cloud: &UpCloud, at: &UserPlace) -> Result<Minted, NotMinted> {
        let made = cloud.create_key(&at.service, &at.name).await?;
        Ok(Minted {
            id: KeyId::new(made.value.id.as_str()),
            secret: SecretText::new(made.value.secret.expose().to_owned()),
            created_at: made.value.created_at.unwrap_or(made.at),
            at: made.at,
        })
    }

    async fn set_active(
        cloud: &UpCloud,
        at: &UserPlace,
        id: &KeyId,
        active: bool,
    ) -> Result<(), Fault> {
        cloud
            .set_key_active(&at.service, &at.name, id.as_str(), active)
            .await
    }

    async fn revoke(cloud: &UpCloud, at: &UserPlace, id: &KeyId) -> Result<(), Fault> {
        cloud.delete_key(&at.service, &at.name, id.as_str()).await
    }
}

#[cfg(test)]
mod tests;

//! An object storage service: the root under which buckets, users, policies and websites live.
//!
//! Its id is chosen by the cloud, so the place is its name, unique in the account, and the create carries the label `cooper-uid`
//! with the uid of the resource: after a lost answer the service is told from a foreign one of the same name by this mark.

use std::{collections::BTreeMap, sync::Arc};

use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    api::{self, ConfiguredStatus, NetworkType as WireType, ServiceId},
    iam_policy::IamPolicy,
    shape::{Tenant, immutable, safe_name},
};
use crate::engine::{
    external::{AccountKey, Adoption, Common, External, ManagementPolicy, Target, Unresolved},
    known::{Known, Reference, Shared, not_shared},
    reason::Reason,
    status::{Kind, Status},
};

mod external;
mod seen;
mod wanted;

pub use seen::{Contents, Hosts, Remote, hosts, told_of_domains};
pub use wanted::{Change, Desired};

/// An object storage service of UpCloud.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "ObjectStorageService",
    plural = "objectstorageservices",
    namespaced,
    category = "cooper",
    shortname = "ucservice",
    status = "Status<ServicePlace, ServiceFacts>",
    derive = "PartialEq",
    doc = "An UpCloud Managed Object Storage service. Buckets, users, policies and websites name it by spec.serviceRef.",
    validation = safe_name(),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.atProvider.state", description = "What the cloud is doing with it"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.atProvider.endpoint.url", priority = 1),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.atProvider.objects", priority = 1, description = "About how many objects it holds"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.atProvider.id", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = Rule::new("self.accountRef == oldSelf.accountRef").message("accountRef cannot be changed; make a new resource"),
    validation = Rule::new("self.region == oldSelf.region").message("region cannot be changed: a service stays where it was made"),
    validation = Rule::new("!has(self.networks) || self.networks.filter(n, n.type == 'Public').size() <= 1").message("networks can have one entry of type Public at most"),
    validation = Rule::new("!has(self.labels) || self.labels.all(k, !k.startsWith('_') && !k.startsWith('cooper-') && k.size() >= 2 && k.size() <= 32)").message("label keys have 2 to 32 characters and begin neither with _ nor with cooper-")
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The Account whose credentials make the service. Cannot be changed.
    pub account_ref: Reference,
    /// Name at the cloud, unique in the account. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    /// Region of the service, such as europe-2. Cannot be changed.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub region: String,
    /// Whether the service runs (Started) or has no endpoints and keeps its data (Stopped). Default: Started. A protected service (terminationProtection) cannot be stopped.
    #[serde(default)]
    pub state: State,
    /// Networks from which the service is reachable; exactly these. A network that is removed and one that is added are changed one
    /// after the other. Default: one public network for a new service, what it has for an existing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub networks: Option<Vec<Network>>,
    /// Labels of the service at the cloud. Labels that others set there stay. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 254, "additionalProperties" = {"type": "string", "maxLength": 255}))]
    pub labels: BTreeMap<String, String>,
    /// Whether the cloud refuses to delete or stop the service. Default: left as it is; a new service is not protected. Set it to
    /// false to let a protected service be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// Origin that browsers may use the service from (the header Access-Control-Allow-Origin). The cloud does not show it: what others
    /// set there goes unnoticed. Default: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^\S+$"))]
    pub cors_origin: Option<String>,
    /// Namespaces whose buckets, users, policies and websites may be in this service besides those of this namespace. Whoever may use
    /// the service can reach all of its data, unless a permissionsBoundaryRef bounds them. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub allowed_namespaces: Vec<Tenant>,
}

/// Whether a service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// It runs.
    #[default]
    Started,
    /// It has no endpoints; its data stays.
    Stopped,
}

impl State {
    fn wire(self) -> ConfiguredStatus {
        match self {
            Self::Started => ConfiguredStatus::Started,
            Self::Stopped => ConfiguredStatus::Stopped,
        }
    }
}

/// A network from which a service is reachable.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.uuid) == (self.type == 'Private')").message("a Private network needs the uuid of an SDN network, a Public one must not have it"))]
pub struct Network {
    /// Name of the attachment, unique in the service.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: String,
    /// Public, or Private for an SDN network of the account.
    #[serde(rename = "type")]
    pub kind: NetworkType,
    /// The SDN network, for a private one: it must be in a zone of the service's region and have a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 36, max = 36),
        regex(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
    )]
    pub uuid: Option<String>,
}

/// Kind of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkType {
    /// The internet.
    Public,
    /// An SDN network of the account.
    Private,
}

impl Network {
    fn wire(&self) -> api::Network {
        match (self.kind, &self.uuid) {
            (NetworkType::Private, Some(uuid)) => api::Network::private(&self.name, uuid),
            (NetworkType::Private | NetworkType::Public, _) => api::Network::public(&self.name),
        }
    }

    /// Whether this is that. There is one public network, whatever its name; detaching it to rename it would cost the addresses.
    fn is(&self, wire: &api::Network) -> bool {
        match self.kind {
            NetworkType::Public => wire.kind == WireType::Public,
            NetworkType::Private => {
                wire.kind == WireType::Private && wire.name == self.name && wire.uuid == self.uuid
            }
        }
    }
}

/// Where a service is: its name in the account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ServicePlace {
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFacts {
    /// The id that the cloud chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<ServiceId>,
    /// The region it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub region: Option<String>,
    /// What the cloud is doing with it, such as setup-tls; running and stopped are the settled states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// Where S3 answers. Kept while the service is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<S3Endpoint>,
    /// The service's own domain for a static website. Kept while the service is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub website_domain: Option<String>,
    /// Whether it has been up since it was made. From then on, a custom domain that waits for its certificate does not make it
    /// unusable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ran: bool,
    /// Whether it has been running since it was last started. From then on it serves, whatever change the cloud is working on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serving: bool,
    /// Objects in it, at about a tenth: a smaller change is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
    /// Bytes in it, at about a tenth: a smaller change is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// The permissions boundaries of other namespaces, as far as their policies exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub boundaries: Vec<Bound>,
    /// Keys of the labels that this resource has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 255), inner(length(max = 32)))]
    pub labels: Vec<String>,
    /// The CORS origin that was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub cors_origin: Option<String>,
    /// Who the service belongs to: its label cooper-uid as this resource last had it. Another one there says that somebody else has
    /// taken the service over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub owner: Option<String>,
}

/// The permissions boundary of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    /// The namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the policy at the cloud.
    #[schemars(length(max = 64))]
    pub policy: String,
}

/// Where S3 answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Endpoint {
    /// Address for S3 clients, as it stands in Secrets.
    #[schemars(length(max = 512))]
    pub url: String,
    /// The host that the cloud names.
    #[schemars(length(max = 254))]
    pub host: String,
    /// Whether clients must use path style (https://host/bucket), for the address has no names below it.
    #[serde(default)]
    pub path_style: bool,
}

impl Shared for ObjectStorageService {
    fn allows(&self, namespace: &str) -> bool {
        self.spec
            .allowed_namespaces
            .iter()
            .any(|allowed| allowed.name == namespace)
    }
}

/// What the children of a service need of it.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The account.
    pub account: AccountKey,
    /// The service's id.
    pub id: ServiceId,
    /// The service.
    pub service: Arc<ObjectStorageService>,
}

impl Parent {
    /// The service that a child names. Waits until its id is known, not until it is ready: everything but S3 works before.
    pub fn of<K: External>(
        child: &K,
        reference: &Reference,
        known: &Known,
    ) -> Result<Self, Unresolved> {
        let service: Arc<ObjectStorageService> = known.named(child, reference)?;
        if service.namespace() != child.namespace() {
            at_home(child, "service")?;
        }
        service.consented(known)?;
        if service.says(Kind::Ready, Reason::RemoteLost) {
            return Err(Unresolved::Refused {
                reason: Reason::RemoteLost,
                message: format!(
                    "service {} is gone from the cloud, and this with it; see its conditions",
                    reference.name
                ),
            });
        }
        let id = service.known().and_then(|facts| facts.id.clone());
        let id = id.ok_or_else(|| Unresolved::Waiting {
            reason: Reason::ReferenceNotReady,
            message: format!(
                "service {} does not exist at the cloud yet; see its conditions",
                reference.name
            ),
        })?;
        Ok(Self {
            account: service.account(),
            id,
            service,
        })
    }

    /// The policy that the owner of the service puts as a permissions boundary on every user and role of this namespace; waits until it
    /// exists at the cloud, for nothing may be made without it.
    pub fn boundary(
        &self,
        namespace: &str,
        known: &Known,
    ) -> Result<Option<Arc<IamPolicy>>, Unresolved> {
        let tenants = self.service.spec.allowed_namespaces.iter();
        let own = self.service.namespace().unwrap_or_default();
        let mut tenants = tenants.filter(|tenant| tenant.name == namespace && namespace != own);
        let wanted = tenants.find_map(|tenant| tenant.permissions_boundary_ref.as_ref());
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        let policy = known.get::<IamPolicy>(&own, &wanted.name);
        let is_made =
            |policy: &Arc<IamPolicy>| policy.made().is_some_and(|place| place.service == self.id);
        let policy = policy.filter(is_made).ok_or_else(|| Unresolved::Waiting {
            reason: Reason::ReferenceNotReady,
            message: format!(
                "IamPolicy {own}/{}, the permissions boundary of namespace {namespace}, does not exist at the cloud yet; ask the owner of service {} for it",
                wanted.name,
                self.service.name_any()
            ),
        })?;
        Ok(Some(policy))
    }
}

/// Taking over or looking at what somebody else made is for the namespace that shares; consent is to make things of one's own.
fn at_home<K: External>(child: &K, what: &str) -> Result<(), Unresolved> {
    let common = child.common();
    let has_claim = child.status().is_some_and(|status| status.origin.is_some());
    let field = if common.adoption == Adoption::IfExists {
        "adoption"
    } else if common.management_policy == ManagementPolicy::Observe && !has_claim {
        "managementPolicy"
    } else {
        return Ok(());
    };
    Err(Unresolved::Refused {
        reason: Reason::InvalidSpec,
        message: format!(
            "to take over or to observe what somebody else made is possible only from the namespace of the {what}; remove spec.{field} or move the resource"
        ),
    })
}

impl ObjectStorageService {
    fn account(&self) -> AccountKey {
        let own = self.namespace().unwrap_or_default();
        AccountKey {
            namespace: self.spec.account_ref.namespace.clone().unwrap_or(own),
            name: self.spec.account_ref.name.clone(),
        }
    }

    /// Whether it is Ready: S3 answers.
    pub fn is_usable(&self) -> bool {
        let status = self.status.as_ref();
        status.is_some_and(|status| status.is_true(Kind::Ready))
    }

    /// Waits if the account was shared with the service's namespace and is no longer: then nothing is written in it, by its children
    /// neither.
    fn consented(&self, known: &Known) -> Result<(), Unresolved> {
        let (own, account) = (self.namespace().unwrap_or_default(), self.account());
        let found = known.get::<Account>(&account.namespace, &account.name);
        let refuses = found.is_some_and(|found| !found.allows(&own));
        if account.namespace == own || !refuses {
            return Ok(());
        }
        let target = Target::of::<Account>(account.namespace, account.name);
        Err(not_shared(&target, &own))
    }

    /// Whether a condition of it carries this reason.
    fn says(&self, condition: Kind, reason: Reason) -> bool {
        let status = self.status.as_ref();
        let found = status.and_then(|status| condition.among(&status.conditions));
        found.is_some_and(|found| found.reason == reason.to_string())
    }

    /// The boundaries whose policies exist, for those who are to be bounded.
    fn boundaries(&self, known: &Known) -> Vec<Bound> {
        let own = self.namespace().unwrap_or_default();
        let id = self.known().and_then(|facts| facts.id.as_ref());
        let tenants = self.spec.allowed_namespaces.iter();
        let bound = tenants.filter_map(|tenant| {
            let wanted = tenant.permissions_boundary_ref.as_ref()?;
            let policy = known.get::<IamPolicy>(&own, &wanted.name)?;
            let place = policy.made().filter(|place| Some(&place.service) == id)?;
            Some(Bound {
                namespace: tenant.name.clone(),
                policy: place.name.clone(),
            })
        });
        bound.collect()
    }

    /// What is known of it.
    pub fn known(&self) -> Option<&ServiceFacts> {
        self.status.as_ref().map(|status| &status.at_provider)
    }
}

#[cfg(test)]
mod tests;

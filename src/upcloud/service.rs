//! An object storage service: the root under which buckets, users, policies and websites live.
//!
//! Its id is chosen by the cloud, so the place is its name, unique in the account, and the create carries the label `cooper-uid`
//! with the uid of the resource: after a lost answer the service is told from a foreign one of the same name by this mark.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    account::{Account, DataPlane},
    api::{
        self, ConfiguredStatus, Label, NetworkType as WireType, NewService, OperationalState,
        Patch, Properties, ServiceId, ServicePatch,
    },
    cloud::UpCloud,
    shape::{Allowed, immutable, safe_name},
};
use crate::engine::{
    external::{
        AccountKey, Adoption, Common, Diff, External, Held, ManagementPolicy, Phase, Ref, Resolved,
        Unresolved,
    },
    fault::{Class, Fault},
    keyring::NoKeys,
    known::{Known, Reference, Shared},
    reason::Reason,
    status::Status,
};

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
    /// Networks from which the service is reachable; exactly these. Without it a new service gets one public network and an existing
    /// one keeps what it has. A network that is removed and one that is added are changed one after the other.
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
    /// the service can reach all of its data. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub allowed_namespaces: Vec<Allowed>,
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
    /// Keys of the labels that this resource has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 255), inner(length(max = 32)))]
    pub labels: Vec<String>,
    /// The CORS origin that was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub cors_origin: Option<String>,
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

/// Label by which a service made by a resource is found again; its value is the resource's uid.
const MARK: &str = "cooper-uid";

/// What a service shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    uid: String,
    /// One that this resource did not make is good as well.
    accept: bool,
    name: String,
    region: String,
    state: State,
    networks: Option<Vec<Network>>,
    labels: BTreeMap<String, String>,
    protection: Option<bool>,
    cors_origin: Option<String>,
    data_plane: DataPlane,
}

/// A service as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its row in the list.
    pub row: api::Service,
    /// What is in it; read only before it is deleted.
    pub contents: Option<Contents>,
    /// The CORS origin that this pass has sent.
    pub cors_sent: Option<String>,
    /// It is the one whose id stands in the facts, or was made by this pass.
    pub known: bool,
}

impl Remote {
    fn is_protected(&self) -> bool {
        self.row.termination_protection == Some(true)
    }
}

fn may_unlock(spec: Option<&ServiceSpec>) -> bool {
    spec.is_some_and(|spec| spec.termination_protection == Some(false))
}

/// A service that only the name connects with a resource whose create was not answered: nothing tells here whether it arrived.
fn unknown(row: &api::Service) -> Fault {
    let mark = row.labels.iter().find(|label| label.key == MARK);
    let made_by = match mark {
        Some(mark) => format!("made by the resource with uid {}", mark.value),
        None => "not made by cooper".into(),
    };
    Fault::terminal(
        Reason::NameTaken,
        format!(
            "a service named {} exists, {made_by}; if that is not this resource (see metadata.uid), leave it behind",
            row.name
        ),
    )
}

/// Names of what is in a service and would be lost with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Buckets that are not being purged.
    pub buckets: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Policies that are not UpCloud's own.
    pub policies: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
}

/// One request that changes a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Termination protection on or off.
    Protect(bool),
    /// Settings in one PATCH.
    Set {
        /// Whether it runs.
        state: Option<State>,
        /// All labels that shall be there, foreign ones included.
        labels: Option<Vec<Label>>,
        /// The CORS origin.
        cors_origin: Option<String>,
    },
    /// A network off.
    Detach(String),
    /// A network on.
    Attach(Network),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protect(true) => f.write_str("switch termination protection on"),
            Self::Protect(false) => f.write_str("switch termination protection off"),
            Self::Set {
                state,
                labels,
                cors_origin,
            } => {
                let state = state.map(|state| format!("state {state:?}"));
                let labels = labels.as_ref().map(|_| "labels".to_owned());
                let cors = cors_origin.as_ref().map(|_| "CORS origin".to_owned());
                let parts: Vec<_> = [state, labels, cors].into_iter().flatten().collect();
                write!(f, "set {}", parts.join(", "))
            }
            Self::Detach(name) => write!(f, "detach network {name}"),
            Self::Attach(network) => write!(f, "attach network {}", network.name),
        }
    }
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
        let foreign = service.namespace() != child.namespace();
        if foreign && child.common().adoption == Adoption::IfExists {
            return Err(Unresolved::Refused {
                reason: Reason::InvalidSpec,
                message: "adoption is possible only from the namespace of the service; remove spec.adoption or move the resource".into(),
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
}

impl ObjectStorageService {
    fn account(&self) -> AccountKey {
        let own = self.namespace().unwrap_or_default();
        AccountKey {
            namespace: self.spec.account_ref.namespace.clone().unwrap_or(own),
            name: self.spec.account_ref.name.clone(),
        }
    }

    /// What is known of it.
    pub fn known(&self) -> Option<&ServiceFacts> {
        self.status.as_ref().map(|status| &status.at_provider)
    }
}

/// A region cannot be corrected in place, so the refusal of one says the way.
fn with_region(fault: Fault, region: &str) -> Fault {
    if fault.class != Class::Terminal || !fault.message.contains("region") {
        return fault;
    }
    let message = format!(
        "{}; is {region} a region of UpCloud's object storage? A region cannot be changed: delete this resource and make it anew with another",
        fault.message
    );
    Fault { message, ..fault }
}

impl External for ObjectStorageService {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = ServicePlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = ServiceFacts;
    type Keys = NoKeys;

    const REMAKE: bool = false;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        vec![Ref::holding(self.spec.account_ref.target::<Account>(&own))]
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let account: Arc<Account> = known.named(self, &spec.account_ref)?;
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        let common = &spec.common;
        let desired = Desired {
            uid: self.uid().unwrap_or_default(),
            accept: common.adoption == Adoption::IfExists
                || common.management_policy == ManagementPolicy::Observe,
            name: name.clone(),
            region: spec.region.clone(),
            state: spec.state,
            networks: spec.networks.clone(),
            labels: spec.labels.clone(),
            protection: spec.termination_protection,
            cors_origin: spec.cors_origin.clone(),
            data_plane: account.spec.data_plane.clone(),
        };
        Ok(Resolved {
            account: self.account(),
            place: ServicePlace { name },
            desired,
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &ServicePlace,
        facts: &ServiceFacts,
    ) -> Result<Option<Remote>, Fault> {
        let Some(row) = cloud.service(facts.id.as_ref(), &at.name).await? else {
            return Ok(None);
        };
        let going = row.operational_state.as_ref();
        let going = going.is_some_and(OperationalState::is_leaving);
        let contents = if cloud.view().parting && !going {
            Some(cloud.contents(&row.uuid).await?)
        } else {
            None
        };
        Ok(Some(Remote {
            known: facts.id.as_ref() == Some(&row.uuid),
            row,
            contents,
            cors_sent: None,
        }))
    }

    async fn create(cloud: &UpCloud, _: &ServicePlace, want: &Desired) -> Result<Remote, Fault> {
        let new = cloud.create_service(&want.first_spec()).await;
        let row = new.map_err(|fault| with_region(fault, &want.region))?;
        Ok(Remote {
            row,
            contents: None,
            cors_sent: want.cors_origin.clone(),
            known: true,
        })
    }

    async fn apply(
        cloud: &UpCloud,
        _: &ServicePlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let id = now.row.uuid.clone();
        match change {
            Change::Detach(name) => {
                cloud.detach_network(&id, name).await?;
                now.row.networks.retain(|network| network.name != *name);
                // The answer shows no state; it is pending now, and additions wait for it to settle.
                now.row.operational_state = Some(OperationalState::Pending);
            }
            Change::Attach(network) => {
                let attached = cloud.attach_network(&id, &network.wire()).await?;
                now.row.networks.push(attached);
                now.row.operational_state = Some(OperationalState::Pending);
            }
            Change::Protect(_) | Change::Set { .. } => {
                now.row = cloud.modify_service(&id, &change.patch()).await?;
                if let Change::Protect(on) = change {
                    // Answers of older recordings lack the member.
                    now.row.termination_protection.get_or_insert(*on);
                }
                if let Change::Set { cors_origin, .. } = change {
                    now.cors_sent = cors_origin.clone().or(now.cors_sent.take());
                }
            }
        }
        cloud.saw_service(&now.row);
        Ok(())
    }

    async fn delete(
        cloud: &UpCloud,
        _: &ServicePlace,
        now: &Remote,
        force: bool,
    ) -> Result<(), Fault> {
        if !now.known {
            return Err(unknown(&now.row));
        }
        cloud.delete_service(&now.row.uuid, force).await
    }

    /// Protection goes off first, for it refuses a stop, and on last.
    fn diff(want: &Desired, now: &Remote, facts: &ServiceFacts) -> Diff<Change> {
        let row = &now.row;
        if !want.may_have(row, facts) {
            return Diff {
                changes: Vec::new(),
                fixed: vec![format!(
                    "name: a service named {} exists that this resource did not make; set adoption: IfExists to take it over, or use another spec.name",
                    want.name
                )],
            };
        }
        let protected = row.termination_protection.unwrap_or(false);
        let protect = want.protection.filter(|on| *on != protected);
        let mut changes = Vec::new();
        changes.extend(protect.filter(|on| !on).map(Change::Protect));
        changes.extend(want.settings(now, facts));
        changes.extend(want.network_changes(row));
        changes.extend(protect.filter(|on| *on).map(Change::Protect));
        Diff {
            changes,
            fixed: want.fixed(row),
        }
    }

    fn facts(
        want: Option<&Desired>,
        now: &Remote,
        before: &ServiceFacts,
        _: Timestamp,
    ) -> ServiceFacts {
        let row = &now.row;
        if want.is_some_and(|want| !want.may_have(row, before)) {
            return before.clone();
        }
        let (s3, website) = hosts(row);
        let known = before.endpoint.as_ref().map(|endpoint| &endpoint.host);
        let host = s3.or_else(|| known.cloned());
        let endpoint = host.and_then(|host| match want {
            Some(want) => Some(want.endpoint(host)),
            None => before.endpoint.clone(),
        });
        let ours: BTreeSet<_> = before.labels.iter().collect();
        let wanted = |key: &String| want.is_some_and(|want| want.labels.contains_key(key));
        let mut labels: Vec<_> = row.labels.iter().map(|label| label.key.clone()).collect();
        labels.retain(|key| ours.contains(key) || wanted(key));
        labels.sort();
        ServiceFacts {
            // A name alone proves nothing once nobody wants the service any more.
            id: match want {
                Some(_) => Some(row.uuid.clone()),
                None => before.id.clone(),
            },
            region: row.region.clone(),
            state: row.operational_state.as_ref().map(ToString::to_string),
            endpoint,
            website_domain: website.or_else(|| before.website_domain.clone()),
            labels,
            cors_origin: now.cors_sent.clone().or_else(|| before.cors_origin.clone()),
        }
    }

    fn phase(now: &Remote) -> Phase {
        let row = &now.row;
        let goal = match row.configured_status {
            Some(ConfiguredStatus::Stopped) => OperationalState::Stopped,
            _ => OperationalState::Running,
        };
        match &row.operational_state {
            Some(state) if state.is_leaving() => Phase::Leaving(step(row)),
            Some(state) if *state == goal => Phase::Ready,
            _ => Phase::Settling(step(row)),
        }
    }

    fn unlock(spec: Option<&ServiceSpec>, now: &Remote) -> Vec<Change> {
        if now.is_protected() && may_unlock(spec) {
            vec![Change::Protect(false)]
        } else {
            Vec::new()
        }
    }

    fn held(
        spec: Option<&ServiceSpec>,
        now: &Remote,
        _: &ServiceFacts,
        _: Timestamp,
    ) -> Option<Held> {
        let why = if !now.known {
            unknown(&now.row).message
        } else if now.is_protected() && !may_unlock(spec) {
            "termination protection is on; set spec.terminationProtection: false to let the service be deleted".into()
        } else {
            match &now.contents {
                None => "what is in the service was not read yet".into(),
                Some(contents) => contents.told()?,
            }
        };
        Some(Held { why, until: None })
    }

    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Detach(_))
    }

    fn offer(&self) -> serde_json::Value {
        let facts = self.known();
        json!({
            "account": self.account(),
            "id": facts.and_then(|facts| facts.id.as_ref()),
            "region": facts.and_then(|facts| facts.region.as_ref()),
            "endpoint": facts.and_then(|facts| facts.endpoint.as_ref()),
            "websiteDomain": facts.and_then(|facts| facts.website_domain.as_ref()),
            "allowedNamespaces": self.spec.allowed_namespaces,
        })
    }
}

impl Desired {
    fn first_spec(&self) -> NewService {
        let mark = Label {
            key: MARK.into(),
            value: self.uid.clone(),
        };
        let labels = self.labels.iter().map(|(key, value)| Label {
            key: key.clone(),
            value: value.clone(),
        });
        let networks = match &self.networks {
            Some(networks) => networks.iter().map(Network::wire).collect(),
            None => vec![api::Network::public("public")],
        };
        NewService {
            name: self.name.clone(),
            region: self.region.clone(),
            configured_status: self.state.wire(),
            networks,
            labels: labels.chain([mark]).collect(),
            properties: self.cors_origin.clone().map(cors),
            termination_protection: self.protection,
        }
    }

    /// Whether this resource made it, has had it before, or may have any.
    fn may_have(&self, row: &api::Service, facts: &ServiceFacts) -> bool {
        let mark = row.labels.iter().find(|label| label.key == MARK);
        let marked = mark.is_some_and(|mark| !mark.value.is_empty() && mark.value == self.uid);
        self.accept || marked || facts.id.as_ref() == Some(&row.uuid)
    }

    fn fixed(&self, row: &api::Service) -> Vec<String> {
        let mut fixed = Vec::new();
        if row.name != self.name && !row.name.is_empty() {
            fixed.push(format!(
                "name: it is called {} at the cloud; rename it back to {} there",
                row.name, self.name
            ));
        }
        if let Some(region) = row.region.as_ref().filter(|region| **region != self.region) {
            fixed.push(format!(
                "region: the service is in {region} and cannot move; make a resource with region: {region}"
            ));
        }
        fixed
    }

    fn settings(&self, now: &Remote, facts: &ServiceFacts) -> Option<Change> {
        let row = &now.row;
        let state = (row.configured_status != Some(self.state.wire())).then_some(self.state);
        let sent = now.cors_sent.as_ref().or(facts.cors_origin.as_ref());
        let cors_origin = self
            .cors_origin
            .clone()
            .filter(|origin| sent != Some(origin));
        let labels = self.label_change(row, facts);
        let any = state.is_some() || labels.is_some() || cors_origin.is_some();
        any.then_some(Change::Set {
            state,
            labels,
            cors_origin,
        })
    }

    /// All labels that shall be there, if something is missing, wrong or no longer wanted. The PATCH replaces them all, so foreign
    /// ones go along; UpCloud's own are left out, for the API refuses their keys.
    fn label_change(&self, row: &api::Service, facts: &ServiceFacts) -> Option<Vec<Label>> {
        let now: BTreeMap<_, _> = row
            .labels
            .iter()
            .filter(|label| !label.key.starts_with('_'))
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect();
        let mut next = now.clone();
        next.retain(|key, _| !facts.labels.contains(key));
        next.extend(self.labels.clone());
        (next != now).then(|| {
            next.into_iter()
                .map(|(key, value)| Label { key, value })
                .collect()
        })
    }

    /// Removals first; additions once the service has settled, for one request that swaps two networks makes the API fail.
    fn network_changes(&self, row: &api::Service) -> Vec<Change> {
        let Some(wanted) = &self.networks else {
            return Vec::new();
        };
        let extra = row
            .networks
            .iter()
            .filter(|wire| !wanted.iter().any(|want| want.is(wire)));
        let removals: Vec<_> = extra
            .map(|wire| Change::Detach(wire.name.clone()))
            .collect();
        let state = row.operational_state.as_ref();
        if !removals.is_empty() || !state.is_some_and(OperationalState::is_settled) {
            return removals;
        }
        wanted
            .iter()
            .filter(|want| !row.networks.iter().any(|wire| want.is(wire)))
            .cloned()
            .map(Change::Attach)
            .collect()
    }

    fn endpoint(&self, host: String) -> S3Endpoint {
        S3Endpoint {
            url: self.data_plane.url(&host),
            host,
            path_style: self.data_plane.host_override.is_some(),
        }
    }
}

impl Change {
    fn patch(&self) -> ServicePatch {
        match self {
            Self::Protect(on) => ServicePatch {
                termination_protection: Some(*on),
                ..ServicePatch::default()
            },
            Self::Set {
                state,
                labels,
                cors_origin,
            } => ServicePatch {
                configured_status: state.map(State::wire),
                labels: labels.clone().map_or(Patch::Keep, Patch::Set),
                properties: cors_origin.clone().map(cors),
                ..ServicePatch::default()
            },
            Self::Detach(_) | Self::Attach(_) => ServicePatch::default(),
        }
    }
}

fn cors(origin: String) -> Properties {
    Properties {
        access_control_origin_override: Some(origin),
    }
}

/// Hosts of S3 and of the service's own website: never the first entry blindly, for custom domains stand in the same list.
fn hosts(row: &api::Service) -> (Option<String>, Option<String>) {
    let custom = |host: &str| {
        row.custom_domains
            .iter()
            .any(|domain| domain.domain_name == host)
    };
    let own = || row.endpoints.iter().filter(|end| !custom(&end.domain_name));
    let public = |end: &&api::Endpoint| end.kind == Some(api::EndpointType::Public);
    let s3 = own()
        .filter(|end| end.is_api())
        .find(public)
        .or_else(|| own().find(|end| end.is_api()));
    let website = own().find(|end| end.mode == Some(api::EndpointMode::StaticWebsite));
    let host = |end: Option<&api::Endpoint>| end.map(|end| end.domain_name.clone());
    (host(s3), host(website))
}

/// What the cloud is doing, with its own words on delays.
fn step(row: &api::Service) -> String {
    let state = row.operational_state.as_ref();
    let state = state.map_or("unknown state", OperationalState::as_str);
    let messages: Vec<_> = row
        .state_messages
        .iter()
        .map(|message| message.message.trim_end_matches('.'))
        .filter(|message| !message.is_empty())
        .collect();
    if messages.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {}", messages.join("; "))
    }
}

impl Contents {
    /// What would be lost, in words; `None` if nothing.
    fn told(&self) -> Option<String> {
        let groups = [
            ("bucket", &self.buckets),
            ("user", &self.users),
            ("policy", &self.policies),
            ("group", &self.groups),
            ("role", &self.roles),
        ];
        let parts: Vec<_> = groups
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| some_of(what, names))
            .collect();
        (!parts.is_empty()).then(|| {
            format!(
                "the service is not empty: {}; delete them, or set spec.deletionPolicy: Delete to delete the service with all it holds",
                parts.join(", ")
            )
        })
    }
}

fn some_of(what: &str, names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{what} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;

//! Services: operations 1, 2, 3, 5 and 6.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shape::{open_enum, or_default};
use super::{
    Api, ApiError, CustomDomain, Network, Patch, Query, Removed, ServiceId, StaticWebsite, Usage,
    User, routes,
};
use crate::engine::budget::Lane;

/// A service, as lists and answers show it.
///
/// ```json
/// {"uuid": "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061", "name": "media-store", "region": "europe-2",
///  "configured_status": "started", "operational_state": "running", "termination_protection": false,
///  "networks": [], "endpoints": [], "labels": [{"key": "team", "value": "media"}], "custom_domains": [],
///  "static_websites": [], "state_messages": [], "usage": {"total_objects": 0, "total_size_bytes": 0}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// The id.
    pub uuid: ServiceId,
    /// The name, unique in the account but for services under deletion; empty if the answer has none.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The region; cannot change.
    #[serde(default)]
    pub region: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub configured_status: Option<ConfiguredStatus>,
    /// What it is doing.
    #[serde(default)]
    pub operational_state: Option<OperationalState>,
    /// Attached networks.
    #[serde(default, deserialize_with = "or_default")]
    pub networks: Vec<Network>,
    /// Addresses. Empty while stopped.
    #[serde(default, deserialize_with = "or_default")]
    pub endpoints: Vec<Endpoint>,
    /// Labels, UpCloud's own (first character `_`) included.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: Vec<Label>,
    /// Attached domains.
    #[serde(default, deserialize_with = "or_default")]
    pub custom_domains: Vec<CustomDomain>,
    /// Websites. `None` if the answer lacks the member, as recordings up to 2025 do: ask for each then.
    #[serde(default)]
    pub static_websites: Option<Vec<StaticWebsite>>,
    /// Troubles and delays in words.
    #[serde(default, deserialize_with = "or_default")]
    pub state_messages: Vec<StateMessage>,
    /// Whether deletion and stopping are refused.
    #[serde(default)]
    pub termination_protection: Option<bool>,
    /// Objects and bytes.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// All users; absent in the list.
    #[serde(default)]
    pub users: Option<Vec<User>>,
    /// Creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change of configuration or state.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// Whether a service shall run.
    ConfiguredStatus {
        /// Running.
        Started = "started",
        /// Without endpoints; data stays.
        Stopped = "stopped",
    }
}

open_enum! {
    /// What a service is doing. The API adds words without notice.
    OperationalState {
        /// Accepted, not begun.
        Pending = "pending",
        /// Setting up.
        SetupService = "setup-service",
        /// Setting up networks.
        SetupNetwork = "setup-network",
        /// Setting up certificates.
        SetupTls = "setup-tls",
        /// Setting up public addresses.
        SetupPublicEndpoint = "setup-public-endpoint",
        /// Setting up private addresses.
        SetupPrivateEndpoint = "setup-private-endpoint",
        /// Setting up names.
        SetupDns = "setup-dns",
        /// Purging deleted buckets.
        CleanupDeletedBuckets = "cleanup-deleted-buckets",
        /// Setting up users and policies.
        SetupIam = "setup-iam",
        /// Checking; waits for certificates show here.
        SetupCheckup = "setup-checkup",
        /// Settled: started.
        Running = "running",
        /// Settled: stopped.
        Stopped = "stopped",
        /// Going.
        DeletePrivateEndpoint = "delete-private-endpoint",
        /// Going.
        DeletePublicEndpoint = "delete-public-endpoint",
        /// Going.
        DeleteBuckets = "delete-buckets",
        /// Going.
        DeleteIam = "delete-iam",
        /// Going.
        DeleteNamespace = "delete-namespace",
        /// Going.
        DeleteDns = "delete-dns",
        /// Going.
        DeleteTls = "delete-tls",
        /// Going.
        DeleteNetwork = "delete-network",
        /// Going; the last state before 404.
        DeleteService = "delete-service",
    }
}

impl OperationalState {
    /// True once a deletion is under way, also in states that this version does not know.
    pub fn is_leaving(&self) -> bool {
        self.as_str().starts_with("delete-")
    }

    /// True in the two states that are goals.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Running | Self::Stopped)
    }
}

/// An address of a service. Hosts are read, never made up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// The host.
    pub domain_name: String,
    /// Reachable from where.
    #[serde(default, rename = "type")]
    pub kind: Option<EndpointType>,
    /// What answers there; absent in recordings up to 2025 and then `Api`.
    #[serde(default)]
    pub mode: Option<EndpointMode>,
    /// Base URL of the IAM protocol.
    #[serde(default)]
    pub iam_url: Option<String>,
    /// Base URL of the STS protocol.
    #[serde(default)]
    pub sts_url: Option<String>,
}

impl Endpoint {
    /// True if S3 answers there.
    pub fn is_api(&self) -> bool {
        matches!(self.mode, None | Some(EndpointMode::Api))
    }
}

open_enum! {
    /// Where an endpoint is reachable from.
    EndpointType {
        /// The internet.
        Public = "public",
        /// An attached network.
        Private = "private",
    }
}

open_enum! {
    /// What an endpoint serves.
    EndpointMode {
        /// S3, IAM and STS.
        Api = "api",
        /// Websites.
        StaticWebsite = "static-website",
    }
}

/// A label of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// 2..32 printable ASCII characters, the first not `_`.
    pub key: String,
    /// At most 255 characters.
    #[serde(default, deserialize_with = "or_default")]
    pub value: String,
}

/// What holds a service up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StateMessage {
    /// `waiting_certificate_issuing`, `failed_custom_domain_verification`, …
    #[serde(default, deserialize_with = "or_default")]
    pub code: String,
    /// In words.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
}

/// A service to create. Absent members take the API's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewService {
    /// 1..64 of `[a-zA-Z0-9_-]`, unique in the account.
    pub name: String,
    /// An existing region.
    pub region: String,
    /// Whether to run.
    pub configured_status: ConfiguredStatus,
    /// At most 8, one of them public.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// At most 255.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Write-only settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Properties>,
    /// Refuse deletion and stopping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
}

/// Settings that no answer shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Properties {
    /// The CORS origin; at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_control_origin_override: Option<String>,
}

/// A change of a service.
///
/// Networks are missing on purpose: one PATCH that swaps two private networks makes the API answer 500;
/// they are attached and detached one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServicePatch {
    /// Whether to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured_status: Option<ConfiguredStatus>,
    /// All labels that shall remain, but for UpCloud's own, which the API refuses to take back.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub labels: Patch<Vec<Label>>,
    /// Write-only settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Properties>,
    /// Refuse deletion and stopping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
}

impl Api {
    /// All services of the account, oldest first, without their users.
    pub async fn list_services(&self, lane: Lane) -> Result<Vec<Service>, ApiError> {
        let query = vec![("sort", "created_at".to_owned())];
        let mut services: Vec<Service> =
            self.pages(lane, routes::LIST_SERVICES, &[], query).await?;
        let mut seen = std::collections::HashSet::new();
        services.retain(|service| seen.insert(service.uuid.clone()));
        Ok(services)
    }

    /// Creates a service. A second service of the same name is refused, with what status is not known.
    pub async fn create_service(&self, lane: Lane, new: &NewService) -> Result<Service, ApiError> {
        self.write(lane, routes::CREATE_SERVICE, &[], new).await
    }

    /// One service with all its users: 1 MB at a thousand of them. Not for polling.
    pub async fn get_service(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Option<Service>, ApiError> {
        self.find(lane, routes::GET_SERVICE, &[service.as_str()])
            .await
    }

    /// Changes what the patch names.
    pub async fn modify_service(
        &self,
        lane: Lane,
        service: &ServiceId,
        patch: &ServicePatch,
    ) -> Result<Service, ApiError> {
        self.write(lane, routes::MODIFY_SERVICE, &[service.as_str()], patch)
            .await
    }

    /// Deletes a service; `force` takes buckets, objects and users along. It stays listed for a while.
    pub async fn delete_service(
        &self,
        lane: Lane,
        service: &ServiceId,
        force: bool,
    ) -> Result<Removed, ApiError> {
        let query = if force {
            vec![("force", "true".to_owned())]
        } else {
            Query::new()
        };
        self.remove(lane, routes::DELETE_SERVICE, &[service.as_str()], query)
            .await
    }
}

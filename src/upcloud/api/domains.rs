//! Domains of a service: custom domains (operations 14, 15, 17) and what answers (18).

use serde::{Deserialize, Serialize};

use super::shape::{open_enum, or_default};
use super::{Api, ApiError, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A domain of the user's, attached to a service; in requests and answers.
///
/// ```json
/// {"domain_name": "files.example.org", "mode": "api", "type": "public"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomDomain {
    /// The host name, 1..254 characters.
    pub domain_name: String,
    /// Only `public` is accepted today.
    #[serde(default = "public", rename = "type")]
    pub kind: CustomDomainType,
    /// What answers there; fixed at creation. Absent in recordings of 2024 and then `Api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DomainMode>,
}

impl CustomDomain {
    /// Whether this is the domain of that name; host names know no case.
    pub fn is(&self, name: &str) -> bool {
        self.domain_name.eq_ignore_ascii_case(name)
    }

    /// What answers there; what an answer leaves out is the API's default.
    pub fn serves(&self) -> DomainMode {
        self.mode.clone().unwrap_or(DomainMode::Api)
    }
}

fn public() -> CustomDomainType {
    CustomDomainType::Public
}

open_enum! {
    /// Kind of a custom domain.
    CustomDomainType {
        /// Reachable from the internet.
        Public = "public",
        /// In the API's description, refused today.
        Private = "private",
    }
}

open_enum! {
    /// What a domain serves.
    DomainMode {
        /// S3, IAM and STS.
        Api = "api",
        /// Websites.
        StaticWebsite = "static-website",
    }
}

/// A name that leads to a service.
///
/// ```json
/// {"active": false, "domain": "files.example.org", "static_website_configured": true, "type": "custom"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServiceDomain {
    /// The host name.
    pub domain: String,
    /// Whose it is.
    #[serde(default, rename = "type")]
    pub kind: Option<ServiceDomainType>,
    /// A custom domain is active once its certificate is ready.
    #[serde(default)]
    pub active: Option<bool>,
    /// Whether a website is configured on it.
    #[serde(default)]
    pub static_website_configured: Option<bool>,
}

open_enum! {
    /// Whose a domain is.
    ServiceDomainType {
        /// The service's own, public.
        Public = "public",
        /// The service's own, private.
        Private = "private",
        /// The user's.
        Custom = "custom",
    }
}

/// The one list that comes in an envelope.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "or_default")]
    domains: Vec<ServiceDomain>,
}

impl Api {
    /// Attaches a domain; its DNS records should exist before.
    pub async fn create_custom_domain(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &CustomDomain,
    ) -> Result<CustomDomain, ApiError> {
        self.write(
            lane,
            routes::CREATE_CUSTOM_DOMAIN,
            &[service.as_str()],
            domain,
        )
        .await
    }

    /// One attached domain.
    pub async fn get_custom_domain(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &str,
    ) -> Result<Option<CustomDomain>, ApiError> {
        self.find(lane, routes::GET_CUSTOM_DOMAIN, &[service.as_str(), domain])
            .await
    }

    /// Detaches a domain.
    pub async fn delete_custom_domain(
        &self,
        lane: Lane,
        service: &ServiceId,
        domain: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_CUSTOM_DOMAIN,
            &[service.as_str(), domain],
            Query::new(),
        )
        .await
    }

    /// All names that lead to the service.
    pub async fn list_service_domains(
        &self,
        lane: Lane,
        service: &ServiceId,
    ) -> Result<Vec<ServiceDomain>, ApiError> {
        self.read::<Envelope>(lane, routes::LIST_SERVICE_DOMAINS, &[service.as_str()])
            .await
            .map(|envelope| envelope.domains)
    }
}

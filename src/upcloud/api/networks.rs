//! Networks of a service: operations 10 and 12. Read from the service.

use serde::{Deserialize, Serialize};

use super::shape::{open_enum, or_none};
use super::{Api, ApiError, Query, Removed, ServiceId, routes};
use crate::engine::budget::Lane;

/// A network, in requests and answers.
///
/// ```json
/// {"family": "IPv4", "name": "backend-net", "type": "private", "uuid": "03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// 1..64 of `[a-zA-Z0-9_-]`, unique in the service.
    pub name: String,
    /// Public, or an SDN network of the account.
    #[serde(rename = "type")]
    pub kind: NetworkType,
    /// `IPv4`.
    #[serde(default = "ipv4")]
    pub family: NetworkFamily,
    /// The SDN network, for a private one only: the API refuses even an empty one on a public network.
    #[serde(
        default,
        deserialize_with = "or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub uuid: Option<String>,
}

impl Network {
    /// A public network.
    pub fn public(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: NetworkType::Public,
            family: NetworkFamily::Ipv4,
            uuid: None,
        }
    }

    /// A private network: the UUID of one of the account's SDN networks, in a zone of the service's region.
    pub fn private(name: impl Into<String>, uuid: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: NetworkType::Private,
            family: NetworkFamily::Ipv4,
            uuid: Some(uuid.into()),
        }
    }
}

fn ipv4() -> NetworkFamily {
    NetworkFamily::Ipv4
}

open_enum! {
    /// Kind of a network.
    NetworkType {
        /// The internet; at most one a service.
        Public = "public",
        /// An SDN network of the account.
        Private = "private",
    }
}

open_enum! {
    /// Address family; only `IPv4` works today.
    NetworkFamily {
        /// IPv4.
        Ipv4 = "IPv4",
        /// IPv6.
        Ipv6 = "IPv6",
    }
}

impl Api {
    /// Attaches a network.
    pub async fn create_network(
        &self,
        lane: Lane,
        service: &ServiceId,
        network: &Network,
    ) -> Result<Network, ApiError> {
        self.write(lane, routes::CREATE_NETWORK, &[service.as_str()], network)
            .await
    }

    /// Detaches a network.
    pub async fn delete_network(
        &self,
        lane: Lane,
        service: &ServiceId,
        name: &str,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_NETWORK,
            &[service.as_str(), name],
            Query::new(),
        )
        .await
    }
}

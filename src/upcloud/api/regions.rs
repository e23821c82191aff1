//! Regions: operation 7.
//!
//! ```json
//! [{"allow_new": true, "name": "europe-2", "primary_zone": "de-fra1", "zones": [{"name": "de-fra1"}]}]
//! ```

use serde::Deserialize;

use super::shape::or_default;
use super::{Api, ApiError, routes};
use crate::engine::budget::Lane;

/// A place where services live. The set changes over time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Region {
    /// The name that a service's `region` takes.
    pub name: String,
    /// The zone it stands in.
    #[serde(default)]
    pub primary_zone: Option<String>,
    /// Zones whose private networks can be attached.
    #[serde(default, deserialize_with = "or_default")]
    pub zones: Vec<Zone>,
    /// Whether new services may be created; `None` if the answer does not say (it does since 2025-12).
    #[serde(default)]
    pub allow_new: Option<bool>,
}

/// A zone of a region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Zone {
    /// The name.
    pub name: String,
}

impl Api {
    /// All regions.
    pub async fn list_regions(&self, lane: Lane) -> Result<Vec<Region>, ApiError> {
        self.read(lane, routes::LIST_REGIONS, &[]).await
    }
}

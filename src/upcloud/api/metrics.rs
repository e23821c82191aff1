//! Usage: the series (operation 20). The sum stands in the service.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Api, ApiError, ServiceId, routes};
use crate::engine::budget::Lane;

/// Objects and bytes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Objects.
    #[serde(default)]
    pub total_objects: Option<i64>,
    /// Bytes.
    #[serde(default)]
    pub total_size_bytes: Option<i64>,
}

/// Which part of the series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesQuery {
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Up to this time.
    pub to: Option<Timestamp>,
    /// Length of a step: `1h` (the default), `1d`, `1w`, `1m`; the API does not say which others.
    pub interval: Option<String>,
}

/// One step of the series.
///
/// ```json
/// {"bytes_created": 4096, "bytes_deleted": 0, "bytes_received": 4096, "bytes_total": 8192,
///  "bytes_transmitted": 1024, "end_at": "2026-02-03T11:00:00Z", "objects_created": 2, "objects_deleted": 0,
///  "objects_total": 4, "start_at": "2026-02-03T10:00:00Z"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SeriesPoint {
    /// Begin of the step.
    #[serde(default)]
    pub start_at: Option<Timestamp>,
    /// End of the step.
    #[serde(default)]
    pub end_at: Option<Timestamp>,
    /// Bytes written.
    #[serde(default)]
    pub bytes_created: Option<i64>,
    /// Bytes deleted.
    #[serde(default)]
    pub bytes_deleted: Option<i64>,
    /// Bytes received over the network.
    #[serde(default)]
    pub bytes_received: Option<i64>,
    /// Bytes sent over the network.
    #[serde(default)]
    pub bytes_transmitted: Option<i64>,
    /// Bytes stored at the end.
    #[serde(default)]
    pub bytes_total: Option<i64>,
    /// Objects written.
    #[serde(default)]
    pub objects_created: Option<i64>,
    /// Objects deleted.
    #[serde(default)]
    pub objects_deleted: Option<i64>,
    /// Objects stored at the end.
    #[serde(default)]
    pub objects_total: Option<i64>,
}

impl Api {
    /// Usage over time, all pages, oldest first.
    pub async fn list_series(
        &self,
        lane: Lane,
        service: &ServiceId,
        query: &SeriesQuery,
    ) -> Result<Vec<SeriesPoint>, ApiError> {
        let mut parameters = vec![("sort", "created_at".to_owned())];
        parameters.extend(query.from.map(|from| ("from", from.to_string())));
        parameters.extend(query.to.map(|to| ("to", to.to_string())));
        parameters.extend(
            query
                .interval
                .clone()
                .map(|interval| ("interval", interval)),
        );
        self.pages(lane, routes::LIST_SERIES, &[service.as_str()], parameters)
            .await
    }
}

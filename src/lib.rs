//! cooper: a Kubernetes operator for managed object storage and IAM.
//!
//! - [`engine`] is the loop; it knows neither a kind nor a route.
//! - [`upcloud`] is one cloud: its typed HTTP client and, one file each, its kinds.
//! - [`http`] is the one transport all clouds share; [`wire`] the hook in front of every request.
//! - [`shallow`] keeps what the API server answers readable.
//! - [`lease`] is the election of the one operator that works.
//! - [`confidential`] holds text that must not be seen.

pub mod app;
pub mod cli;
pub mod confidential;
pub mod engine;
pub mod http;
pub mod kinds;
pub mod lease;
pub mod server;
pub mod shallow;
pub mod telemetry;
pub mod upcloud;
pub mod wire;

//! cooper: a Kubernetes operator for managed object storage and IAM.

pub mod engine;

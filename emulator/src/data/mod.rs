//! The data plane: S3, policy evaluation and static websites.

pub mod directory;
pub mod policy;

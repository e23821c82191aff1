//! UpCloud Managed Object Storage.

pub mod api;
pub mod document;

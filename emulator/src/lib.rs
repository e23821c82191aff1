//! UpCloud Managed Object Storage in one process.

pub mod data;

//! The kinds of UpCloud, each against the emulated cloud.

mod policy;
mod service;
mod user;
mod website;

//! The kinds of UpCloud, each against the emulated cloud.

mod domain;
mod policy;
mod service;
mod user;
mod website;

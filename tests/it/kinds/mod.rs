//! The kinds of UpCloud, each against the emulated cloud.

mod deep_reads;
mod domain;
mod group;
mod policy;
mod rights;
mod role;
mod service;
mod user;
mod website;

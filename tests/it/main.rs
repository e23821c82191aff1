//! cooper against a real API server and the emulated clouds.
//!
//! All of it is one binary, so that one control plane serves every test. What
//! runs and how is in [`ground`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking, its helpers too"
)]

mod admission;
mod adoption;
mod bad_input;
mod braking;
mod changes_of_mind;
mod cli;
mod counts;
mod deletion;
mod effective;
mod emulator_as_a_process;
mod fence;
mod foreign;
mod ground;
mod ground_itself;
mod hands;
mod kinds;
mod leading;
mod life;
mod losses;
mod observing;
mod operations;
mod orders;
mod pausing;
mod proof;
mod rbac;
mod rotation;
mod s3;
mod samples;
mod scene;
mod secret_entries;
mod secrets;
mod secrets_watch;
mod stopping;
mod tenancy;
mod tls;
mod traces;
mod tried_keys;
mod undoing;
mod unknowns;
mod upcloud_client;

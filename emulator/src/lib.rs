//! UpCloud Managed Object Storage in one process, for tests and for development without an account.
//!
//! - [`server`] listens: the API, S3, static websites and the control API.
//! - [`front`] stands before each emulated server: injected faults and the journal.
//! - [`api`] answers the control plane's HTTP API over the world in [`state`].
//! - [`data`] answers S3 and websites; [`directory`] tells it who and what exists.
//! - [`lifecycle`] computes the state of a service from the [`clock`]; no timers run.
//! - [`choices`] switches what the API reference leaves open.
//! - [`control`] is how tests steer all that; [`persist`] saves it.

pub mod api;
pub mod auth;
pub mod choices;
pub mod clock;
pub mod control;
pub mod data;
pub mod directory;
pub mod document;
pub mod front;
pub mod hub;
pub mod ids;
pub mod lifecycle;
pub mod persist;
pub mod problem;
pub mod server;
pub mod state;
pub mod validate;

pub use server::{Emulator, Options};

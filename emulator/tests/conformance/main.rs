//! The emulator over real HTTP: every operation, the life of a service, the control API, hostile
//! input, and the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

mod choices;
mod control;
mod fuzz;
mod ground;
mod hostile;
mod http;
mod iam;
mod life;
mod operations;
mod process;
mod restart;
mod services;
mod shapes;
mod signer;
mod together;

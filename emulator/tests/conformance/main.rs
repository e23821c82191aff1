//! The emulator over real HTTP: every operation, the life of a service, the control API, hostile
//! input, and the process.

mod control;
mod ground;
mod hostile;
mod http;
mod iam;
mod life;
mod operations;
mod process;
mod services;
mod together;

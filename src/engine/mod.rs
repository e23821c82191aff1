//! The loop that every kind shares; knows neither a kind nor a route nor a cloud.

pub mod account;
pub mod budget;
pub mod clock;
pub mod controller;
pub mod core;
pub mod delay;
pub mod event;
pub mod external;
pub mod fault;
pub mod guarded;
pub mod index;
pub mod intent;
pub mod key;
pub mod keyring;
pub mod known;
pub mod memory;
pub mod object;
pub mod outcome;
pub mod pass;
pub mod plan;
pub mod reason;
pub mod secret;
pub mod shared;
pub mod status;
pub mod subject;
pub mod wake;

//! The key protocol, searched exhaustively within bounds: the real `next`, the real ledger types, and a model of the
//! executor, Kubernetes, the cloud, users and faults around them.
//!
//! Invariants: **I1** no key of ours leaks. **I2** the target holds a live key. **I3** the wanted number of keys. **I4**
//! foreign keys and Secrets are not touched. **I5** every fault heals without a human. **I6** the target never names a
//! dead key until somebody tampers. I4 and I6 in every world; the others from every world on, once faults stop. Nor may two
//! replicas that nothing disturbs keep each other at work for ever ([`liveness`]).
//!
//! A package of its own, so that Cargo compiles it for speed also where all else is compiled for a short build.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::trivially_copy_pass_by_ref,
    clippy::large_types_passed_by_value,
    clippy::struct_excessive_bools,
    reason = "a world is a value of a few small arrays, and every number in it is below eight"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "the whole crate is a test"
)]
#![allow(
    clippy::wildcard_imports,
    reason = "each module is about the world, whose parts have short names"
)]

mod decide;
pub mod judge;
pub mod liveness;
mod names;
pub mod nature;
pub mod process;
pub mod search;
pub mod world;

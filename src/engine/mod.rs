//! The loop: names no kind, no route and no cloud.

pub mod key;

//! The loop that brings the world to what the resources say. Names no kind, no route and no cloud.

pub mod budget;
pub mod fault;

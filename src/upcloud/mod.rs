//! UpCloud Managed Object Storage.
//!
//! - [`api`] is its HTTP API, typed, without Kubernetes; [`document`] knows what a policy document means.
//! - [`cloud`] is one account as a pass sees it: the API and lists that all passes share.
//! - The kinds, one file each: [`account`] (credentials), [`service`] (the root), and in a service [`bucket`], [`iam_user`],
//!   [`iam_group`], [`iam_role`], [`iam_policy`] and [`static_website`]. [`principal`] has what users, groups and roles share: their
//!   rights; [`access`] says whether these allow anything, [`mark`] whose they are. [`secret`] renders what an access key's Secret holds, [`s3`] tries a key,
//!   [`shape`] has what specs share, [`inventory`] turns what exists into resources.

#![allow(
    clippy::duplicated_attributes,
    reason = "each printer column of a CRD says its type"
)]
#![allow(
    clippy::doc_markdown,
    reason = "the lines on the fields of a spec are what `kubectl explain` prints"
)]

pub mod access;
pub mod account;
pub mod api;
pub mod bucket;
pub mod cloud;
pub mod custom_domain;
pub mod document;
pub mod iam_group;
pub mod iam_policy;
pub mod iam_role;
pub mod iam_user;
pub mod inventory;
pub mod mark;
pub mod principal;
pub mod s3;
pub mod secret;
pub mod service;
pub mod shape;
pub mod static_website;

#[cfg(test)]
mod tests;

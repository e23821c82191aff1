//! Accounts: credentials, sessions, and the identity behind them.
//!
//! An account is not an [`External`](super::external::External) thing, it is what reaches one. Its small controller reads the labelled
//! credentials Secret, asks the cloud whose it is, and pins that identity in status: with another account's token every remote would look
//! absent and be made again. The last working session is kept in memory while in use, so deleting the credentials first does not strand
//! the deletion of everything else.

mod brake;
mod desk;
mod pass;
mod session;
mod way;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    ByteString,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::core::object::{HasSpec, HasStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    brake::Limits, clock::Clock, external::Cloud, fault::Fault, known::Shared, status::Origin,
};
use crate::{http::Meter, wire::Wire};

pub use pass::{Accounts, named, pass};
pub use session::{Link, Sessions};
pub use way::{Closed, Way};

/// A kind whose resources hold the way into one account of a cloud.
pub trait Provider: Shared + HasSpec + HasStatus<Status = AccountStatus> {
    /// An open session.
    type Cloud: Cloud;

    /// The value of the label `cooper.dev/credentials` that consents to cooper reading a Secret for this provider.
    const CONSENT: &'static str;

    /// Variables of the environment that hold credentials at a command line, each with the entry of the Secret that it stands for: first
    /// the one that suffices alone, then those that go together.
    const ENVIRONMENT: &'static [(&'static str, &'static str)];

    /// An account of this name that nobody described, with the provider's defaults and this base URL, if another than the usual one.
    fn stand_in(namespace: &str, name: &str, endpoint: Option<&str>) -> Self;

    /// Name of the credentials Secret, in the namespace of the account.
    fn credentials_secret(&self) -> &str;

    /// What the `resolve` of others reads of it; they are woken when it changes.
    fn offer(&self) -> serde_json::Value;

    /// When a wave of deletions stops; `None`: never.
    fn brake(&self) -> Option<Limits>;

    /// Opens a session with what the Secret holds. No I/O: whether it works is told by `identify`.
    fn open(
        &self,
        secret: &BTreeMap<String, ByteString>,
        outside: &Outside,
    ) -> Result<Self::Cloud, Fault>;

    /// Asks the cloud whose the credentials are.
    fn identify(cloud: &Self::Cloud) -> impl Future<Output = Result<String, Fault>> + Send;
}

/// What a session needs from outside.
#[derive(Clone)]
pub struct Outside {
    /// Time.
    pub clock: Clock,
    /// The hook in front of every request.
    pub wire: Arc<dyn Wire>,
    /// Where measurements go.
    pub meter: Arc<dyn Meter>,
}

/// What an account shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the credentials work. Stalled appears only while somebody must act.
    #[serde(
        default,
        deserialize_with = "super::status::conditions",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Who the credentials belong to, as the cloud said at first. Credentials of anybody else are refused from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub identity: Option<String>,
    /// The credentials Secret that carries the finalizer `cooper.dev/in-use` for this Account. Once another one is used, it is taken off
    /// the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub marked_secret: Option<String>,
    /// The brake on deletions: what it holds and what it has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<BrakeStatus>,
    /// What was kept when a deletion was undone: a resource of that kind, namespace and name takes it back without adoption, for 30 days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub kept: Vec<Kept>,
}

/// What the brake of an account holds and has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrakeStatus {
    /// How many deletions it holds now.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub held: i32,
    /// Deletions asked for until this moment were released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Time>,
    /// The annotation `cooper.dev/release-brake` as it was last answered: each text is answered once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub answered: Option<String>,
    /// Deletions of the last hours that ended without having been released, by the minute in which they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub recent: Vec<Ended>,
}

/// Deletions that were asked for in one minute and have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// The minute.
    pub at: Time,
    /// How many.
    #[schemars(range(min = 1))]
    pub count: i32,
}

/// A remote that was kept when the deletion of its resource was undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Kind of the resource.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Where the remote is.
    #[schemars(length(max = 2048))]
    pub place: String,
    /// How the remote had come to be cooper's.
    pub origin: Origin,
    /// When it was kept.
    pub at: Time,
}

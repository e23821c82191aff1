//! One UpCloud account as one pass sees it: the API, and lists that all passes share.
//!
//! Reads come from a shared list as old as the [`View`] allows, or from the API where it wants them fresh. Every write is laid over
//! the lists, so that our own create or change is never missed. Reads are paid from the view's lane, writes from their own.

use std::sync::Arc;

use jiff::Timestamp;

use super::api::{Api, Bucket, Group, Policy, Role, Service, ServiceDomain, ServiceId, User};
use crate::engine::{
    budget::Lane,
    clock::Clock,
    external::{Cloud, View},
    shared::{Fetched, Listings},
};

mod buckets;
mod domains;
mod groups;
mod policies;
mod principals;
mod roles;
mod services;
mod users;
mod websites;

/// The session of an account. Cheap to clone; clones share lists and budget.
#[derive(Clone)]
pub struct UpCloud {
    api: Api,
    shared: Arc<Lists>,
    view: View,
}

struct Lists {
    clock: Clock,
    services: Listings<(), Service>,
    buckets: Listings<ServiceId, Bucket>,
    users: Listings<ServiceId, User>,
    policies: Listings<ServiceId, Policy>,
    groups: Listings<ServiceId, Group>,
    roles: Listings<ServiceId, Role>,
    domains: Listings<ServiceId, ServiceDomain>,
}

/// When an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// By the cloud's clock: its `Date`.
    pub at: Timestamp,
    /// When, by our clock, the request began.
    pub began: Timestamp,
}

impl Cloud for UpCloud {
    fn pass(&self, view: View) -> Self {
        Self {
            view,
            ..self.clone()
        }
    }

    async fn reserve(&self, requests: u32) -> Self {
        let permit = self
            .api
            .transport()
            .budget()
            .take(Lane::Write, requests)
            .await;
        Self {
            api: self.api.prepaid(permit),
            ..self.clone()
        }
    }
}

impl UpCloud {
    /// A session over this API.
    pub fn new(api: Api, clock: Clock) -> Self {
        let view = View {
            since: clock.now(),
            fresh: false,
            deep: false,
            parting: false,
            lane: Lane::Fresh,
        };
        let shared = Lists {
            services: Listings::new(clock.clone()),
            buckets: Listings::new(clock.clone()),
            users: Listings::new(clock.clone()),
            policies: Listings::new(clock.clone()),
            groups: Listings::new(clock.clone()),
            roles: Listings::new(clock.clone()),
            domains: Listings::new(clock.clone()),
            clock,
        };
        Self {
            api,
            shared: Arc::new(shared),
            view,
        }
    }

    /// The API itself.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// How fresh this pass wants to see the cloud.
    pub fn view(&self) -> View {
        self.view
    }

    /// The oldest list that will do. Where the API cannot be asked for one thing, fresh means a list that begins now.
    fn since(&self) -> Timestamp {
        if self.view.fresh {
            self.shared.clock.now()
        } else {
            self.view.since
        }
    }

    /// Lists carry no date where nobody needs one; ours stands in.
    fn undated<R>(&self, rows: Vec<R>, name: impl Fn(&R) -> String) -> Fetched<R> {
        Fetched {
            at: self.shared.clock.now(),
            rows: rows.into_iter().map(|row| (name(&row), row)).collect(),
        }
    }
}

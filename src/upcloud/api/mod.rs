//! UpCloud's object storage API, version 1.3, typed. Knows no Kubernetes.
//!
//! One method an operation, one file a resource; [`routes::ROUTES`] lists what is used. Every method takes
//! the [`Lane`] it is paid from and sends one request, but for the lists that come in pages.
//!
//! - `list_…` returns all pages; `get_…` returns `None` if the API says that the thing is not there;
//!   `delete_…` takes a missing thing as done. "Not there" is the API's own 404: a proxy's 404 page is an
//!   error, or a wrong endpoint would look like an empty account.
//! - Answers may lack anything but names and ids, and may say more than we know: what is absent or null is
//!   `None` or empty, unknown members are ignored, unknown words are kept.
//! - [`Dated`] carries the answer's `Date` where the protocol of access keys wants the cloud's clock.

mod account;
mod buckets;
mod domains;
mod error;
mod groups;
mod id;
mod inline;
mod keys;
mod metrics;
mod networks;
mod policies;
mod regions;
mod roles;
pub mod routes;
mod services;
mod shape;
mod tags;
mod users;
mod websites;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use account::{Account, ResourceLimits};
pub use buckets::Bucket;
pub use domains::{CustomDomain, CustomDomainType, DomainMode, ServiceDomain, ServiceDomainType};
pub use error::{ApiError, Code, InvalidParam, Problem, Unreadable};
pub use groups::Group;
pub use id::{KeyId, ServiceId, VersionId};
pub use inline::{InlinePolicy, Owner};
pub use keys::{AccessKey, CreatedKey, KeyStatus};
pub use metrics::{SeriesPoint, SeriesQuery, Usage};
pub use networks::{Network, NetworkFamily, NetworkType};
pub use policies::{Attachment, NewPolicy, Policy, PolicyVersion};
pub use regions::{Region, Zone};
pub use roles::{InlineName, NewRole, Role, RolePatch};
pub use services::{
    ConfiguredStatus, Endpoint, EndpointMode, EndpointType, Label, NewService, OperationalState,
    Properties, Service, ServicePatch, StateMessage,
};
pub use shape::Patch;
pub use tags::Tag;
pub use users::User;
pub use websites::{ErrorPage, NewWebsite, StaticWebsite, StatusRange, WebsitePatch};

use crate::engine::budget::{Lane, Permit};
use crate::http::{Answer, Request, Route, Transport, fill};

/// Root of the product, below the base URL. `/1.3/object-storage` is another, retired product.
const PRODUCT: &str = "/1.3/object-storage-2";

/// Rows of a page; the API's maximum. Its default is 10, which has fooled others.
const PAGE: usize = 100;

/// Pages of one list, for the case that a server repeats itself for ever.
const PAGES: usize = 1000;

/// The API of one account.
#[derive(Clone, Debug)]
pub struct Api {
    transport: Transport,
}

/// A value and the cloud's time when it was said (whole seconds).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated<T> {
    /// What was said.
    pub value: T,
    /// The `Date` header of the answer.
    pub at: Timestamp,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The API took it.
    Done,
    /// There was nothing of that name.
    WasAbsent,
}

/// A query's parameters.
type Query = Vec<(&'static str, String)>;

/// A request without a body.
const NONE: Option<&()> = None;

impl Api {
    /// The API behind this transport.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }

    /// The transport, for its budget and its host.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The same API, whose next requests are paid by this permit until it is used up.
    #[must_use]
    pub fn prepaid(&self, permit: Permit) -> Self {
        Self {
            transport: self.transport.prepaid(permit),
        }
    }

    /// Sends one request; anything but 2xx is an error.
    async fn call<B: Serialize + Sync>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
        query: Query,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        let request =
            request(route, names, query, body).map_err(|bad| ApiError::unsent(route, bad))?;
        let answer = self
            .transport
            .send(lane, &request)
            .await
            .map_err(|error| ApiError::transport(route, self.host(), error))?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(ApiError::refused(route, &request.path, &answer))
        }
    }

    fn host(&self) -> &str {
        self.transport.host()
    }

    /// GET of something that must be there.
    async fn read<T: DeserializeOwned>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
    ) -> Result<T, ApiError> {
        decode(
            route,
            &self.call(lane, route, names, Query::new(), NONE).await?,
        )
    }

    /// GET of something that may not be there.
    async fn find<T: DeserializeOwned>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
    ) -> Result<Option<T>, ApiError> {
        match self.read(lane, route, names).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// POST, PUT or PATCH that answers with the thing.
    async fn write<T: DeserializeOwned, B: Serialize + Sync>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
        body: &B,
    ) -> Result<T, ApiError> {
        decode(
            route,
            &self
                .call(lane, route, names, Query::new(), Some(body))
                .await?,
        )
    }

    /// A write that answers with nothing of use.
    async fn order<B: Serialize + Sync>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
        body: Option<&B>,
    ) -> Result<(), ApiError> {
        self.call(lane, route, names, Query::new(), body)
            .await
            .map(drop)
    }

    /// DELETE.
    async fn remove(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
        query: Query,
    ) -> Result<Removed, ApiError> {
        match self.call(lane, route, names, query, NONE).await {
            Ok(_) => Ok(Removed::Done),
            Err(error) if error.is_not_found() => Ok(Removed::WasAbsent),
            Err(error) => Err(error),
        }
    }

    /// All pages of a list. Begins again if the list's length changed meanwhile, for then rows have moved
    /// across the pages' borders and one may have been missed.
    async fn pages<T: DeserializeOwned>(
        &self,
        lane: Lane,
        route: &'static Route,
        names: &[&str],
        query: Query,
    ) -> Result<Vec<T>, ApiError> {
        let mut rows = Vec::new();
        let mut total = None;
        let mut restarts = 0;
        for _ in 0..PAGES {
            let mut query = query.clone();
            query.extend([
                ("limit", PAGE.to_string()),
                ("offset", rows.len().to_string()),
            ]);
            let answer = self.call(lane, route, names, query, NONE).await?;
            let moved = !rows.is_empty() && answer.total != total;
            if moved && restarts < 3 {
                restarts += 1;
                rows.clear();
                continue;
            }
            total = answer.total;
            let page: Vec<T> = decode(route, &answer)?;
            let received = page.len();
            rows.extend(page);
            let whole = match total.and_then(|total| usize::try_from(total).ok()) {
                Some(total) => rows.len() >= total || received == 0,
                None => received < PAGE,
            };
            if whole {
                return Ok(rows);
            }
        }
        Err(ApiError::endless(route))
    }
}

fn request<B: Serialize>(
    route: &'static Route,
    names: &[&str],
    query: Query,
    body: Option<&B>,
) -> Result<Request, crate::http::Bad> {
    let relative = fill(route.template, names)?;
    let path = match (route.operation, relative.as_str()) {
        (0, _) => relative,
        (_, "/") => PRODUCT.to_owned(),
        _ => format!("{PRODUCT}{relative}"),
    };
    let body = body
        .map(serde_json::to_vec)
        .transpose()
        .map_err(|_| crate::http::Bad::Body)?;
    Ok(Request {
        method: route.method.clone(),
        route: route.template,
        path,
        query,
        body,
    })
}

/// Reads a success's body.
fn decode<T: DeserializeOwned>(route: &'static Route, answer: &Answer) -> Result<T, ApiError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::unreadable(route, answer, &error))
}

/// Reads a success's body and its date.
fn dated<T: DeserializeOwned>(
    route: &'static Route,
    answer: &Answer,
) -> Result<Dated<T>, ApiError> {
    let value = decode(route, answer)?;
    match answer.date {
        Some(at) => Ok(Dated { value, at }),
        None => Err(ApiError::undated(route, answer)),
    }
}

#[cfg(test)]
mod tests;

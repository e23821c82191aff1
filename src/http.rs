//! The one transport that all clouds share.
//!
//! [`Transport::send`] sends one request to one host with one set of credentials and says what became of
//! it in the terms the engine needs: certainly not sent, outcome unknown, or answered. It pays the
//! account's request budget, asks the process's [`Wire`], measures, and bounds everything: time to
//! connect, time in all, size of the answer. Redirects are answers, not orders: credentials never follow
//! one to another host. No proxy is taken from the environment.
//!
//! Reads are tried again a little (twice, on a broken connection, 429, 502, 503 and 504); writes never:
//! whether a write may be repeated is for the engine to decide.

mod answer;
mod auth;
mod error;
mod route;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, Method, StatusCode, Uri, header};
use rand::Rng;
use tokio::time::Instant;
use zeroize::Zeroizing;

pub use answer::Answer;
pub use auth::Auth;
pub(crate) use error::root_cause;
pub use error::{SetupError, TransportError};
pub(crate) use route::SEGMENT;
pub use route::{Bad, Route, fill};

use crate::engine::budget::{Budget, Lane, Permit};
use crate::wire::{Cut, Side, UnderWay, Verdict, Wire};

/// Repeats of a read on a broken connection, 429, 502, 503 and 504.
const REPEATS: u32 = 2;
/// Longest `Retry-After` that a read sits out; a longer one goes to the engine with the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a transport is made of.
pub struct TransportOptions {
    /// Scheme, host and perhaps a path prefix: `https://api.upcloud.com`. No user info, query or fragment.
    pub base_url: String,
    /// The account's credentials.
    pub auth: Auth,
    /// PEM certificates to trust besides the system's.
    pub ca_bundle: Option<String>,
    /// A proxy for all requests, as a URL. None: straight, whatever the environment says.
    pub proxy: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Bounds time and size.
    pub limits: Limits,
    /// The account's request budget.
    pub budget: Arc<Budget>,
    /// The process's hook.
    pub wire: Arc<dyn Wire>,
    /// Where measurements go.
    pub meter: Arc<dyn Meter>,
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To open a connection, TLS included.
    pub connect: Duration,
    /// From the start to the last byte of the answer.
    pub request: Duration,
    /// Of an answer's body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// 10 s, 30 s, 16 MiB. The slowest answer recorded from UpCloud took 5 s; a user list of 1,000 is 1 MB.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            body: 16 << 20,
        }
    }
}

/// Takes measurements. Labels are bounded: routes are templates, never paths.
pub trait Meter: Send + Sync + 'static {
    /// An account was opened; its budget may be watched for as long as it lives.
    fn opened(&self, budget: &Arc<Budget>) {
        let _ = budget;
    }
    /// A request got its token after this wait.
    fn paid(&self, lane: Lane, waited: Duration);
    /// A request ended this way.
    fn ended(&self, method: &Method, sent: Sent<'_>);
}

/// A request that has ended, for metrics and traces.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The route's template.
    pub route: &'static str,
    /// Who asked; nobody for what is not paid from the budget.
    pub lane: Option<Lane>,
    /// The answer's status, if one came.
    pub status: Option<StatusCode>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The cloud's name for the request. No label: no two are the same.
    pub correlation: Option<&'a str>,
}

impl<'a> Sent<'a> {
    fn of(
        route: &'static str,
        lane: Option<Lane>,
        result: &'a Result<Answer, TransportError>,
        took: Duration,
    ) -> Self {
        let answer = result.as_ref().ok();
        let status = answer.map(|answer| answer.status);
        let outcome = Outcome::of(result);
        Self {
            route,
            lane,
            status,
            outcome,
            took,
            correlation: answer.and_then(|answer| answer.correlation.as_deref()),
        }
    }
}

/// How a request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 2xx.
    Success,
    /// 3xx and 4xx but 429.
    Refused,
    /// 429.
    Throttled,
    /// 5xx.
    Failed,
    /// Certainly not sent.
    Unsent,
    /// Sent, no whole answer.
    Unknown,
}

impl Outcome {
    /// The word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Unsent => "unsent",
            Self::Unknown => "unknown",
        }
    }

    fn of(result: &Result<Answer, TransportError>) -> Self {
        match result {
            Ok(answer) if answer.status.is_success() => Self::Success,
            Ok(answer) if answer.status.as_u16() == 429 => Self::Throttled,
            Ok(answer) if answer.status.is_server_error() => Self::Failed,
            Ok(_) => Self::Refused,
            Err(error) if error.is_unsent() => Self::Unsent,
            Err(_) => Self::Unknown,
        }
    }
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn paid(&self, _: Lane, _: Duration) {}
    fn ended(&self, _: &Method, _: Sent<'_>) {}
}

/// One request. Holds no secret: no API of ours takes one.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The route's template, for metrics.
    pub route: &'static str,
    /// The path below the base URL, encoded, with its leading slash.
    pub path: String,
    /// Query parameters, unencoded.
    pub query: Vec<(&'static str, String)>,
    /// A JSON body.
    pub body: Option<Vec<u8>>,
}

/// The way to one account at one cloud. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    core: Arc<Core>,
    prepaid: Option<Arc<Permit>>,
}

struct Core {
    client: reqwest::Client,
    base: String,
    auth: Auth,
    body: usize,
    budget: Arc<Budget>,
    wire: Arc<dyn Wire>,
    meter: Arc<dyn Meter>,
}

impl Transport {
    /// Checks the options and builds the client. Opens no connection.
    pub fn new(options: TransportOptions) -> Result<Self, SetupError> {
        let base = base_url(&options.base_url)?;
        let mut client = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .connect_timeout(options.limits.connect)
            .timeout(options.limits.request)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(pem) = options.ca_bundle {
            let bundle = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|_| SetupError::CaBundle)?;
            if bundle.is_empty() {
                return Err(SetupError::CaBundle);
            }
            client = client.tls_certs_merge(bundle);
        }
        if let Some(proxy) = options.proxy {
            client = client.proxy(reqwest::Proxy::all(&proxy).map_err(|_| SetupError::Proxy)?);
        }
        let client = client
            .build()
            .map_err(|error| SetupError::Client(root_cause(&error)))?;
        options.meter.opened(&options.budget);
        let Limits { body, .. } = options.limits;
        let TransportOptions {
            auth,
            budget,
            wire,
            meter,
            ..
        } = options;
        Ok(Self {
            core: Arc::new(Core {
                client,
                base,
                auth,
                body,
                budget,
                wire,
                meter,
            }),
            prepaid: None,
        })
    }

    /// The account's budget, to take several tokens at once.
    pub fn budget(&self) -> &Budget {
        &self.core.budget
    }

    /// The same transport, whose next requests are paid by this permit until it is used up.
    #[must_use]
    pub fn prepaid(&self, permit: Permit) -> Self {
        Self {
            core: Arc::clone(&self.core),
            prepaid: Some(Arc::new(permit)),
        }
    }

    /// Scheme and host of the base URL, for messages.
    pub fn host(&self) -> &str {
        &self.core.base
    }

    /// Sends the request, as soon as the budget allows; a read up to three times, a write once.
    pub async fn send(&self, lane: Lane, request: &Request) -> Result<Answer, TransportError> {
        let mut repeats = 0;
        loop {
            self.pay(lane).await;
            let start = Instant::now();
            // Apart: those who wait for their turn shall not hold what sending takes.
            let result = Box::pin(self.core.attempt(request)).await;
            let sent = Sent::of(request.route, Some(lane), &result, start.elapsed());
            self.core.meter.ended(&request.method, sent);
            if let Ok(answer) = &result
                && answer.status.as_u16() == 429
            {
                self.core.budget.throttled(answer.retry_after);
            }
            match again(request, &result, repeats) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return result,
            }
            repeats += 1;
        }
    }

    /// Sends a request of the caller's own making to any host, once.
    ///
    /// It goes by the account's way out (CA bundle, proxy, limits, the process's hook), but carries none of its credentials and is not
    /// paid from its budget: those are for the API at the base URL. `route` is its name in metrics, `limit` its time in all.
    pub async fn elsewhere(
        &self,
        route: &'static str,
        request: ::http::Request<Vec<u8>>,
        limit: Duration,
    ) -> Result<Answer, TransportError> {
        let method = request.method().clone();
        let mut sent =
            reqwest::Request::try_from(request).map_err(|_| TransportError::Invalid(Bad::Url))?;
        *sent.timeout_mut() = Some(limit);
        let start = Instant::now();
        let result = Box::pin(self.core.carry_out(sent)).await;
        let sent = Sent::of(route, None, &result, start.elapsed());
        self.core.meter.ended(&method, sent);
        result
    }

    async fn pay(&self, lane: Lane) {
        if self.prepaid.as_ref().is_some_and(|permit| permit.spend()) {
            return;
        }
        let start = Instant::now();
        let permit = self.core.budget.take(lane, 1).await;
        permit.spend();
        self.core.meter.paid(lane, start.elapsed());
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base", &self.core.base)
            .finish_non_exhaustive()
    }
}

impl Core {
    async fn attempt(&self, request: &Request) -> Result<Answer, TransportError> {
        self.carry_out(self.build(request)?).await
    }

    /// Asks the process's hook, then sends.
    async fn carry_out(&self, sent: reqwest::Request) -> Result<Answer, TransportError> {
        let uri: Uri = sent
            .url()
            .as_str()
            .parse()
            .map_err(|_| TransportError::Invalid(Bad::Url))?;
        match self.wire.request(Side::Cloud, sent.method(), &uri) {
            Verdict::Pass => {
                let _under_way = UnderWay::new(&self.wire, &uri);
                self.exchange(sent).await
            }
            Verdict::Before => Err(TransportError::Unreachable(Cut::Before.to_string())),
            Verdict::Lost => {
                let _under_way = UnderWay::new(&self.wire, &uri);
                drop(self.exchange(sent).await);
                Err(TransportError::Unanswered(Cut::Lost.to_string()))
            }
            Verdict::Late(delay) => {
                let client = self.client.clone();
                self.wire.carry(Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    drop(client.execute(sent).await);
                }));
                Err(TransportError::Unanswered(Cut::Late.to_string()))
            }
        }
    }

    fn build(&self, request: &Request) -> Result<reqwest::Request, TransportError> {
        let mut url: reqwest::Url = format!("{}{}", self.base, request.path)
            .parse()
            .map_err(|_| TransportError::Invalid(Bad::Url))?;
        if !request.query.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(request.query.iter().map(|(name, value)| (*name, value)));
        }
        let mut sent = reqwest::Request::new(request.method.clone(), url);
        let headers = sent.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, self.auth.header()?);
        if let Some(body) = &request.body {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            *sent.body_mut() = Some(body.clone().into());
        }
        Ok(sent)
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Answer, TransportError> {
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| TransportError::of(&error))?;
        let mut answer = Answer::head(response.status(), response.headers());
        match self.read(&mut response).await {
            Ok(body) => answer.body = body,
            // The status of a refusal says enough; a success without its body may be half of the truth.
            Err(_) if !answer.status.is_success() => answer.torn = true,
            Err(cause) => {
                return Err(TransportError::Torn {
                    status: answer.status,
                    cause,
                });
            }
        }
        Ok(answer)
    }

    /// Reads the body into memory that is wiped when dropped, for one answer holds a key.
    async fn read(&self, response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, String> {
        let expected = response.content_length().unwrap_or(0);
        let too_large = || format!("it is larger than {} bytes", self.body);
        let expected = usize::try_from(expected)
            .ok()
            .filter(|size| *size <= self.body)
            .ok_or_else(too_large)?;
        let mut body = Zeroizing::new(Vec::with_capacity(expected));
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| root_cause(&error.without_url()))?
        {
            if body.len() + chunk.len() > self.body {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Delay before a read is tried again; `None` = it is not.
///
/// A timeout is not tried again: three of them would outlast any pass.
fn again(
    request: &Request,
    result: &Result<Answer, TransportError>,
    repeats: u32,
) -> Option<Duration> {
    if request.method != Method::GET || repeats >= REPEATS {
        return None;
    }
    let asked = match result {
        Ok(answer) if matches!(answer.status.as_u16(), 429 | 502 | 503 | 504) => answer.retry_after,
        Err(
            TransportError::Unreachable(_)
            | TransportError::Unanswered(_)
            | TransportError::Torn { .. },
        ) => None,
        Ok(_) | Err(TransportError::Invalid(_) | TransportError::Timeout) => return None,
    };
    let jitter = rand::rng().random_range(0.5..1.0);
    let own = Duration::from_millis(200 << repeats).mul_f64(jitter);
    match asked {
        Some(delay) if delay > PATIENCE => None,
        Some(delay) => Some(delay.max(own)),
        None => Some(own),
    }
}

/// The base URL without a trailing slash.
fn base_url(text: &str) -> Result<String, SetupError> {
    let url: reqwest::Url = text
        .parse()
        .map_err(|_| SetupError::BaseUrl("it is not a URL"))?;
    let complaint = match url.scheme() {
        "http" | "https" if url.has_host() => None,
        _ => Some("it must begin with https:// or http:// and name a host"),
    };
    let complaint = complaint
        .or_else(|| {
            (!url.username().is_empty() || url.password().is_some())
                .then_some("it must not hold credentials")
        })
        .or_else(|| {
            (url.query().is_some() || url.fragment().is_some())
                .then_some("it must not have a query or fragment")
        });
    match complaint {
        Some(complaint) => Err(SetupError::BaseUrl(complaint)),
        None => Ok(url.as_str().trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

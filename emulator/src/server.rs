//! Listeners and connections: one process, four addresses.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::choices::Choices;
use crate::clock::Clock;
use crate::control;
use crate::control::faults::Side;
use crate::data::{DataPlane, Directory};
use crate::front::{Backend, Cut, Front, api_backend};
use crate::hub::Hub;
use crate::lifecycle::Pace;
use crate::persist;
use crate::state::Account;

/// How often lifecycle rules are carried out when nobody moves the clock.
const EXPIRY: Duration = Duration::from_mins(1);

/// How an emulator is started. All addresses may have port 0.
#[derive(Debug)]
pub struct Options {
    pub api: SocketAddr,
    pub s3: SocketAddr,
    pub web: SocketAddr,
    pub control: SocketAddr,
    pub pace: Pace,
    pub accounts: Vec<Account>,
    pub choices: Choices,
    /// File that the state is read from and saved to.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            api: any,
            s3: any,
            web: any,
            control: any,
            pace: Pace::default(),
            accounts: Vec::new(),
            choices: Choices::default(),
            data: None,
        }
    }
}

/// Base addresses of a running emulator, as the process prints them.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    pub api: String,
    pub s3: String,
    pub web: String,
    pub control: String,
}

/// A running emulator; dropping it stops it.
pub struct Emulator {
    /// Where it listens.
    pub addresses: Addresses,
    stop: watch::Sender<bool>,
    hub: Arc<Hub>,
    data: Option<PathBuf>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl Emulator {
    /// Binds all addresses and starts to serve.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let hub = Arc::new(hub(&options)?);
        let (stop, stopped) = watch::channel(false);
        let directory: Arc<dyn Directory> = Arc::clone(&hub) as Arc<dyn Directory>;
        let plane = DataPlane::new(directory, hub.store.clone(), hub.sessions.clone());
        let api = bind("--api", options.api).await?;
        let s3 = bind("--s3", options.s3).await?;
        let web = bind("--web", options.web).await?;
        let control = bind("--control", options.control).await?;
        let addresses = Addresses {
            api: url(&api)?,
            s3: url(&s3)?,
            web: url(&web)?,
            control: url(&control)?,
        };
        let sides = [
            (api, Side::Api, api_backend(Arc::clone(&hub))),
            (s3, Side::S3, s3_backend(plane.clone(), Arc::clone(&hub))),
            (web, Side::Web, web_backend(plane)),
        ];
        for (listener, side, backend) in sides {
            let front = Front {
                hub: Arc::clone(&hub),
                side,
                backend,
            };
            let handle = move |request| front.clone().handle(request);
            tokio::spawn(serve(listener, side, stopped.clone(), handle));
        }
        let router = control::router(Arc::clone(&hub));
        let handle = move |request| steer(router.clone(), request);
        tokio::spawn(serve(control, Side::S3, stopped.clone(), handle));
        let late = Arc::clone(&hub);
        tokio::spawn(until(stopped.clone(), async move {
            late.late.watch(&late.clock).await;
        }));
        let rules = Arc::clone(&hub);
        tokio::spawn(until(stopped.clone(), async move {
            loop {
                tokio::time::sleep(EXPIRY).await;
                rules.expire();
            }
        }));
        if let Some(path) = options.data.clone() {
            tokio::spawn(until(stopped, persist::keep(Arc::clone(&hub), path)));
        }
        Ok(Self {
            addresses,
            stop,
            hub,
            data: options.data,
        })
    }

    /// Saves the state, if it is to be saved at all.
    pub fn save(&self) -> anyhow::Result<()> {
        match &self.data {
            Some(path) => persist::save(&self.hub, path),
            None => Ok(()),
        }
    }
}

/// What is saved wins over accounts and switches of the command line, except that accounts which
/// it does not have are added and switches that were given are turned.
fn hub(options: &Options) -> anyhow::Result<Hub> {
    let saved = match &options.data {
        Some(path) => persist::load(path)?,
        None => None,
    };
    let restored = saved.map_or_else(Hub::default, |saved| Hub {
        clock: Clock::shifted(saved.clock_shift_ms),
        world: saved.world.into(),
        store: saved.store,
        sessions: saved.sessions,
        saving: saved.keeper.into(),
        ..Hub::default()
    });
    let (clock, mut world) = (&restored.clock, restored.world.lock());
    world.set_pace(clock.now(), options.pace);
    let mut choices = world.choices.clone();
    choices.extend(&options.choices);
    world.set_choices(clock.now(), choices);
    for account in &options.accounts {
        if world.account(&account.name).is_none() {
            world.accounts.push(Account {
                name: account.name.clone(),
                credentials: account.credentials.clone(),
                ..Account::default()
            });
        }
    }
    drop(world);
    Ok(restored)
}

/// S3 as a server without its socket.
fn s3_backend(plane: DataPlane, hub: Arc<Hub>) -> Backend {
    Arc::new(move |request: Request<Body>| {
        let (plane, hub) = (plane.clone(), Arc::clone(&hub));
        Box::pin(async move {
            let peer = peer_of(&request);
            let reads = request.method().is_safe();
            let secure = came_over_tls(&request);
            let answer = plane.s3(request, peer, secure).await;
            if !reads {
                hub.changed.notify_one();
            }
            answer
        })
    })
}

/// Whether a proxy in front took the request over TLS; the emulator itself speaks none.
fn came_over_tls(request: &Request<Body>) -> bool {
    let scheme = request.headers().get("x-forwarded-proto");
    scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Address of the caller, noted when the connection was accepted.
fn peer_of(request: &Request<Body>) -> SocketAddr {
    let peer = request.extensions().get::<SocketAddr>().copied();
    peer.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Static websites as a server without its socket.
fn web_backend(plane: DataPlane) -> Backend {
    Arc::new(move |request: Request<Body>| {
        let plane = plane.clone();
        Box::pin(async move {
            let secure = came_over_tls(&request);
            plane.website(&request, peer_of(&request), secure)
        })
    })
}

async fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address} ({flag})"))
}

fn url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

async fn steer(router: Router, request: Request<Body>) -> Result<Response<Body>, Cut> {
    match router.oneshot(request).await {
        Ok(answer) => Ok(answer),
        Err(never) => match never {},
    }
}

async fn until(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

async fn serve<H, F>(
    listener: TcpListener,
    side: Side,
    mut stopped: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = (peer, side);
                tokio::spawn(converse(stream, service, stopped.clone(), handle.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse<H, F>(
    stream: TcpStream,
    (peer, side): (SocketAddr, Side),
    mut stopped: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        handle(request.map(Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_mins(1))
        // As on the wire: `Upcloud-Cid`. S3 writes its own headers in lower case.
        .title_case_headers(side == Side::Api)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        },
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

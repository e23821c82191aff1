//! Listeners and connections: one process, four addresses.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
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
use crate::front::{Backend, Cut, Front, api_backend};
use crate::hub::Hub;
use crate::lifecycle::Pace;
use crate::state::{Account, World};

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
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl Emulator {
    /// Binds all addresses and starts to serve.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let hub = Arc::new(hub(&options));
        let (stop, stopped) = watch::channel(false);
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
            (s3, Side::S3, absent()),
            (web, Side::Web, absent()),
        ];
        for (listener, side, backend) in sides {
            let front = Front {
                hub: Arc::clone(&hub),
                side,
                backend,
            };
            let handle = move |request| front.clone().handle(request);
            tokio::spawn(serve(listener, stopped.clone(), handle));
        }
        let router = control::router(Arc::clone(&hub));
        let handle = move |request| steer(router.clone(), request);
        tokio::spawn(serve(control, stopped.clone(), handle));
        tokio::spawn(keep_late(hub, stopped));
        Ok(Self { addresses, stop })
    }
}

fn hub(options: &Options) -> Hub {
    let mut world = World {
        choices: options.choices.clone(),
        pace: options.pace,
        ..World::default()
    };
    for account in &options.accounts {
        world.accounts.push(Account {
            name: account.name.clone(),
            credentials: account.credentials.clone(),
            ..Account::default()
        });
    }
    Hub {
        clock: Clock::default(),
        world: world.into(),
        ..Hub::default()
    }
}

fn absent() -> Backend {
    Arc::new(|_| {
        Box::pin(async {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
            answer
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

async fn keep_late(hub: Arc<Hub>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = hub.late.watch(&hub.clock) => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

async fn serve<H, F>(listener: TcpListener, mut stopped: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, stopped.clone(), handle.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse<H, F>(stream: TcpStream, mut stopped: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| handle(request.map(Body::new)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        },
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

//! A cloud that answers with rubbish: it stands before the emulator, passes on what it is not told to spoil, and counts what it gets rid
//! of.
//!
//! It speaks HTTP/1.1 by hand, because no server would send what it sends.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// What it does instead of answering.
#[derive(Clone)]
pub enum Trick {
    /// Sends these bytes and hangs up.
    Raw(Vec<u8>),
    /// Sends the first bytes, and then the others again and again until the other side hangs up.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends the first bytes, and then another one now and then.
    Drip(Vec<u8>),
    /// Says nothing, and holds the line.
    Silence,
    /// Sends the emulator's answer with another head line or body.
    Spoilt(fn(&mut Spoilt)),
}

/// An answer of the emulator, to be spoilt.
pub struct Spoilt {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// It; its end is the end of all connections.
pub struct Impostor {
    /// Where it listens, such as `http://127.0.0.1:4711`.
    pub address: String,
    inner: Arc<Inner>,
    _server: AbortOnDropHandle<()>,
}

struct Inner {
    behind: String,
    http: reqwest::Client,
    trick: Mutex<Option<Trick>>,
    played: AtomicUsize,
    /// Bytes of the longest answer that somebody took.
    longest: AtomicU64,
}

/// One that only listens, and remembers whether anybody came.
pub struct Stranger {
    /// Where it listens.
    pub address: String,
    heard: Arc<Mutex<Vec<String>>>,
    _server: AbortOnDropHandle<()>,
}

struct Heard {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Impostor {
    /// One before the server at this address, honest so far.
    pub async fn before(behind: &str) -> Self {
        let (listener, address) = listen().await;
        let inner = Arc::new(Inner {
            behind: behind.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            trick: Mutex::default(),
            played: AtomicUsize::new(0),
            longest: AtomicU64::new(0),
        });
        let shared = Arc::clone(&inner);
        let server = async move {
            let mut calls = JoinSet::new();
            loop {
                if let Ok((line, _)) = listener.accept().await {
                    let inner = Arc::clone(&shared);
                    calls.spawn(async move { inner.serve(line).await });
                }
                while calls.try_join_next().is_some() {}
            }
        };
        Self {
            address,
            inner,
            _server: AbortOnDropHandle::new(tokio::spawn(server)),
        }
    }

    /// Every answer is spoilt from now on; `None` ends that.
    pub fn play(&self, trick: Option<Trick>) {
        *self.inner.trick.lock().unwrap() = trick;
    }

    /// How many answers were spoilt.
    pub fn played(&self) -> usize {
        self.inner.played.load(Ordering::SeqCst)
    }

    /// Bytes of the longest answer that somebody took.
    pub fn longest(&self) -> u64 {
        self.inner.longest.load(Ordering::SeqCst)
    }
}

impl Stranger {
    /// One that nobody has a reason to call.
    pub async fn sit() -> Self {
        let (listener, address) = listen().await;
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let said = Arc::clone(&heard);
        let server = async move {
            loop {
                let Ok((mut line, _)) = listener.accept().await else {
                    continue;
                };
                let mut bytes = vec![0; 4096];
                let read = line.read(&mut bytes).await.unwrap_or(0);
                said.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        };
        Self {
            address,
            heard,
            _server: AbortOnDropHandle::new(tokio::spawn(server)),
        }
    }

    /// What was said to it.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn listen() -> (TcpListener, String) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(any).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

impl Inner {
    async fn serve(&self, mut line: TcpStream) {
        let Some(heard) = hear(&mut line).await else {
            return;
        };
        let trick = self.trick.lock().unwrap().clone();
        if trick.is_some() {
            self.played.fetch_add(1, Ordering::SeqCst);
        }
        let sent = match trick {
            None => send(&mut line, &self.honest(heard, |_| ()).await).await,
            Some(Trick::Spoilt(spoil)) => send(&mut line, &self.honest(heard, spoil).await).await,
            Some(Trick::Raw(bytes)) => send(&mut line, &bytes).await,
            Some(Trick::Endless(first, then)) => {
                let mut sent = send(&mut line, &first).await;
                loop {
                    match send(&mut line, &then).await {
                        0 => break sent,
                        more => sent += more,
                    }
                }
            }
            Some(Trick::Drip(first)) => {
                let mut sent = send(&mut line, &first).await;
                while send(&mut line, b" ").await > 0 {
                    sent += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                sent
            }
            Some(Trick::Silence) => {
                // Until the other side hangs up.
                let _ = line.read(&mut [0; 1]).await;
                0
            }
        };
        self.longest.fetch_max(sent, Ordering::SeqCst);
        let _ = line.shutdown().await;
    }

    /// What the emulator says, perhaps spoilt.
    async fn honest(&self, heard: Heard, spoil: impl Fn(&mut Spoilt)) -> Vec<u8> {
        let method = heard.method.parse().unwrap();
        let mut asked = self
            .http
            .request(method, format!("{}{}", self.behind, heard.target));
        for (name, value) in &heard.headers {
            if !["host", "content-length", "connection"].contains(&name.as_str()) {
                asked = asked.header(name, value);
            }
        }
        let Ok(answer) = asked.body(heard.body).send().await else {
            return Vec::new();
        };
        let header = |name: &str| {
            let value = answer.headers().get(name).map(|value| value.to_str());
            value.and_then(Result::ok).unwrap_or_default().to_owned()
        };
        let date = header("date");
        let total = header("upcloud-total-count");
        let mut spoilt = Spoilt {
            status: answer.status().as_u16(),
            content_type: header("content-type"),
            body: String::new(),
        };
        spoilt.body = answer.text().await.unwrap_or_default();
        spoil(&mut spoilt);
        let Spoilt {
            status,
            content_type,
            body,
        } = spoilt;
        let mut text = format!("HTTP/1.1 {status} X\r\ndate: {date}\r\nconnection: close\r\n");
        for (name, value) in [
            ("content-type", content_type),
            ("upcloud-total-count", total),
        ] {
            if !value.is_empty() {
                let _ = write!(text, "{name}: {value}\r\n");
            }
        }
        if status != 204 {
            let _ = write!(text, "content-length: {}\r\n", body.len());
        }
        format!("{text}\r\n{body}").into_bytes()
    }
}

/// Bytes that the other side took; 0 once it has hung up.
async fn send(line: &mut TcpStream, bytes: &[u8]) -> u64 {
    match line.write_all(bytes).await {
        Ok(()) => bytes.len() as u64,
        Err(_) => 0,
    }
}

/// Reads one request. `None` if there is none.
async fn hear(line: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if line.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if line.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Heard {
        method,
        target,
        headers,
        body,
    })
}

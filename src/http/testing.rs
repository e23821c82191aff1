//! A server that answers by script, for tests of what is above the transport.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Auth, Limits, Meter, Transport, TransportOptions, Unmetered};
use crate::confidential::Confidential;
use crate::engine::budget::{Budget, Rates};
use crate::wire::{Open, Wire};

/// What the server does with one request. Each has a connection of its own.
pub(crate) enum Reply {
    /// Answers with these bytes, head and body, and closes.
    Raw(String),
    /// Closes without an answer.
    Cut,
    /// Never answers.
    Hang,
    /// Answers 200 and a body without end.
    Flood,
}

impl Reply {
    /// An answer with a JSON body and a date.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", body, "")
    }

    /// An error in the API's form.
    pub(crate) fn problem(status: u16, body: &str) -> Self {
        Self::typed(status, "application/problem+json", body, "")
    }

    /// An answer with these headers besides, each ended by `\r\n`.
    pub(crate) fn typed(status: u16, kind: &str, body: &str, headers: &str) -> Self {
        let size = body.len();
        Self::Raw(format!(
            "HTTP/1.1 {status} Some\r\nDate: Tue, 03 Feb 2026 09:10:11 GMT\r\nContent-Type: {kind}\r\n\
             Upcloud-Cid: 01KDN7A0B1C2D3E4F5G6H7J8K9\r\nContent-Length: {size}\r\nConnection: close\r\n{headers}\r\n{body}"
        ))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET /path HTTP/1.1`.
    pub(crate) line: String,
    /// All headers, one a line, as sent.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// The server. Stops when dropped.
pub(crate) struct Script {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Script {
    /// Answers the requests in this order, then cuts.
    pub(crate) async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, mut replies) = (
            Arc::clone(&seen),
            replies.into_iter().collect::<VecDeque<_>>(),
        );
        let task = tokio::spawn(async move {
            let mut hanging = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = receive(&mut stream).await else {
                    continue;
                };
                log.lock().unwrap().push(request);
                match replies.pop_front().unwrap_or(Reply::Cut) {
                    Reply::Raw(text) => drop(stream.write_all(text.as_bytes()).await),
                    Reply::Cut => {}
                    Reply::Hang => hanging.push(stream),
                    Reply::Flood => {
                        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
                        let mut open = stream.write_all(head.as_bytes()).await.is_ok();
                        while open {
                            open = stream.write_all(chunk.as_bytes()).await.is_ok();
                        }
                    }
                }
            }
        });
        Self { url, seen, task }
    }

    /// Requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Options for a transport to this server, with the token `canary`, 64 KiB and half a second.
    pub(crate) fn options(&self) -> TransportOptions {
        let wire: Arc<dyn Wire> = Arc::new(Open);
        let meter: Arc<dyn Meter> = Arc::new(Unmetered);
        let half = Duration::from_millis(500);
        TransportOptions {
            base_url: self.url.clone(),
            auth: Auth::bearer(&Confidential::new("canary")),
            ca_bundle: None,
            proxy: None,
            user_agent: "cooper/test".to_owned(),
            limits: Limits {
                connect: half,
                request: half,
                body: 64 << 10,
            },
            budget: Arc::new(Budget::new(Rates::default())),
            wire,
            meter,
        }
    }

    /// A transport with [`Script::options`].
    pub(crate) fn transport(&self) -> Transport {
        Transport::new(self.options()).unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Seen> {
    let mut text = Vec::new();
    let head = loop {
        if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => text.extend_from_slice(&buffer[..read]),
        }
    };
    let mut body = text.split_off(head + 4);
    let head = String::from_utf8(text).unwrap();
    let (line, head) = head.split_once("\r\n").unwrap();
    let length = head.to_ascii_lowercase();
    let length = length
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while body.len() < length {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok()?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Seen {
        line: line.to_owned(),
        head: head.to_owned(),
        body: String::from_utf8(body).unwrap(),
    })
}

//! A control plane made of tables, a server around the data plane, and a signer.

#![allow(
    dead_code,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by several test binaries, each of which uses a part"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cooper_emulator::data::directory::{
    Bucket, BucketFault, Directory, HostKind, KeyOwner, PolicySet, Role, Site,
};
use cooper_emulator::data::{DataPlane, Sessions, Store};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const MEDIA: &str = "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061";
pub const OTHER: &str = "12ffffff-5678-4e9f-8a0b-1c2d3e4f5061";

/// A key as tests write it.
#[derive(Clone, Copy)]
pub struct Key<'a>(pub &'a str, pub &'a str);

pub const ADMIN: Key<'static> = Key(
    "AKIA00000000000ADMIN",
    "admin+secret/0000000000000000000000000001",
);
pub const READER: Key<'static> = Key(
    "AKIA0000000000READER",
    "reader-secret-00000000000000000000000002",
);
pub const NOBODY: Key<'static> = Key(
    "AKIA0000000000NOBODY",
    "nobody-secret-00000000000000000000000003",
);
pub const RESTING: Key<'static> = Key(
    "AKIA000000000RESTING",
    "resting-secret-0000000000000000000000004",
);
pub const STRANGER: Key<'static> = Key(
    "AKIA00000000STRANGER",
    "stranger-secret-000000000000000000000005",
);

#[derive(Default)]
pub struct Tables {
    pub keys: BTreeMap<String, (Key2, bool)>,
    pub policies: BTreeMap<(String, String), PolicySet>,
    pub roles: BTreeMap<(String, String), Role>,
    pub buckets: BTreeMap<(String, String), (i64, i64)>,
    pub sites: Vec<Site>,
    pub used: Vec<String>,
    /// Managed policies by ARN.
    pub managed: BTreeMap<String, Value>,
}

/// Secret, service, user.
pub type Key2 = (String, String, String);

#[derive(Default)]
pub struct Fake(pub Mutex<Tables>);

impl Directory for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn key(&self, id: &str) -> Option<KeyOwner> {
        let tables = self.0.lock();
        let ((secret, service, user), active) = tables.keys.get(id)?.clone();
        Some(KeyOwner {
            secret,
            service,
            user,
            active,
        })
    }
    fn used(&self, id: &str) {
        self.0.lock().used.push(id.to_owned());
    }
    fn policies(&self, service: &str, user: &str) -> PolicySet {
        let name = (service.to_owned(), user.to_owned());
        self.0
            .lock()
            .policies
            .get(&name)
            .cloned()
            .unwrap_or_default()
    }
    fn role(&self, service: &str, name: &str) -> Option<Role> {
        let name = (service.to_owned(), name.to_owned());
        self.0.lock().roles.get(&name).cloned()
    }
    fn managed_policy(&self, _: &str, arn: &str) -> Option<Value> {
        self.0.lock().managed.get(arn).cloned()
    }
    fn service_of_host(&self, host: &str) -> Option<HostKind> {
        match host {
            "q7x2m.upcloudobjects.com" => Some(HostKind::Api {
                service: MEDIA.to_owned(),
            }),
            "zzzzz.upcloudobjects.com" => Some(HostKind::Api {
                service: OTHER.to_owned(),
            }),
            "q7x2m-static.upcloudobjects.com" => Some(HostKind::Website {
                service: MEDIA.to_owned(),
                domain: host.to_owned(),
            }),
            _ => None,
        }
    }
    fn bucket(&self, service: &str, name: &str) -> Option<Bucket> {
        self.buckets(service).into_iter().find(|b| b.name == name)
    }
    fn buckets(&self, service: &str) -> Vec<Bucket> {
        let tables = self.0.lock();
        let names = tables.buckets.keys().filter(|(s, _)| s == service);
        names
            .map(|(_, name)| Bucket {
                name: name.clone(),
                created_at: Timestamp::UNIX_EPOCH,
            })
            .collect()
    }
    fn find_bucket(&self, name: &str) -> Vec<String> {
        let tables = self.0.lock();
        let names = tables.buckets.keys().filter(|(_, b)| b == name);
        names.map(|(s, _)| s.clone()).collect()
    }
    fn create_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault> {
        let key = (service.to_owned(), name.to_owned());
        let mut tables = self.0.lock();
        if tables.buckets.contains_key(&key) {
            return Err(BucketFault::Exists);
        }
        tables.buckets.insert(key, (0, 0));
        Ok(())
    }
    fn delete_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault> {
        let key = (service.to_owned(), name.to_owned());
        let gone = self.0.lock().buckets.remove(&key);
        gone.map(drop).ok_or(BucketFault::Missing)
    }
    fn count(&self, service: &str, bucket: &str, objects: i64, bytes: i64) {
        let key = (service.to_owned(), bucket.to_owned());
        if let Some(entry) = self.0.lock().buckets.get_mut(&key) {
            entry.0 += objects;
            entry.1 += bytes;
        }
    }
    fn website(&self, domain: &str) -> Option<Site> {
        let tables = self.0.lock();
        tables.sites.iter().find(|s| s.domain == domain).cloned()
    }
    fn websites(&self) -> Vec<Site> {
        self.0.lock().sites.clone()
    }
}

/// One statement that allows.
pub fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": resources}]})
}

impl Fake {
    /// A service with an administrator, a reader of bucket `logs`, a user without policies, one with an
    /// inactive key, and a stranger in another service. Both services have a bucket `logs`.
    pub fn populated() -> Arc<Self> {
        let fake = Self::default();
        {
            let mut tables = fake.0.lock();
            for (key, service, user, active) in [
                (ADMIN, MEDIA, "admin", true),
                (READER, MEDIA, "reader", true),
                (NOBODY, MEDIA, "nobody", true),
                (RESTING, MEDIA, "admin", false),
                (STRANGER, OTHER, "stranger", true),
            ] {
                let owner = (key.1.to_owned(), service.to_owned(), user.to_owned());
                tables.keys.insert(key.0.to_owned(), (owner, active));
            }
            let read = allow(
                &["s3:GetObject", "s3:ListBucket"],
                &["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
            );
            for (service, user, document) in [
                (MEDIA, "admin", allow(&["*"], &["*"])),
                (MEDIA, "reader", read),
                (OTHER, "stranger", allow(&["s3:*"], &["*"])),
            ] {
                let set = PolicySet {
                    identity: vec![("only".to_owned(), document)],
                    boundary: None,
                };
                let name = (service.to_owned(), user.to_owned());
                tables.policies.insert(name, set);
            }
            for service in [MEDIA, OTHER] {
                let name = (service.to_owned(), "logs".to_owned());
                tables.buckets.insert(name, (0, 0));
            }
            let name = (MEDIA.to_owned(), "site".to_owned());
            tables.buckets.insert(name, (0, 0));
        }
        Arc::new(fake)
    }
}

/// What the server should do with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    S3,
    Website,
    Both,
}

/// A running data plane.
pub struct Server {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    pub store: Store,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(side: Side) -> Self {
        Self::start_at(side, "127.0.0.1:0").await
    }

    pub async fn start_at(side: Side, address: &str) -> Self {
        let fake = Fake::populated();
        let store = Store::default();
        let plane = DataPlane::new(fake.clone(), store.clone(), Sessions::default());
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (socket, peer) = listener.accept().await.unwrap();
                let plane = plane.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(
                        move |request: http::Request<hyper::body::Incoming>| {
                            let plane = plane.clone();
                            async move {
                                let request = request.map(axum::body::Body::new);
                                Ok::<_, std::convert::Infallible>(match side {
                                    Side::S3 => plane.s3(request, peer, false).await,
                                    Side::Website => plane.website(&request, peer, false),
                                    Side::Both => plane.handle(request, peer, false).await,
                                })
                            }
                        },
                    );
                    let io = hyper_util::rt::TokioIo::new(socket);
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let _ = hyper_util::server::conn::auto::Builder::new(executor)
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        Self {
            address,
            fake,
            store,
            task,
        }
    }
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, b| format!("{hex}{b:02x}"))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Percent-encoding of signatures: everything but unreserved characters.
pub fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// An answer as tests look at it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    /// The `<Code>` of an error document; empty if there is none.
    pub fn code(&self) -> &str {
        self.element("Code")
    }

    /// The text of the first element of this name.
    pub fn element(&self, name: &str) -> &str {
        let after = self.body.split_once(&format!("<{name}>"));
        after
            .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")))
            .map_or("", |(text, _)| text)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// A request to be sent to a [`Server`], signed or not.
pub struct Call<'a> {
    server: &'a Server,
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    unsigned: Vec<(String, String)>,
    payload_hash: Option<String>,
    service: &'static str,
    body: Vec<u8>,
}

impl Server {
    /// A request; the target is a path with an optional query, neither of them encoded.
    pub fn call(&self, method: &'static str, target: &str) -> Call<'_> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (name.to_owned(), value.to_owned())
            });
        Call {
            server: self,
            method,
            path: path.split('/').map(encode).collect::<Vec<_>>().join("/"),
            query: query.collect(),
            headers: vec![("host".to_owned(), self.address.to_string())],
            unsigned: Vec::new(),
            payload_hash: None,
            service: "s3",
            body: Vec::new(),
        }
    }
}

impl Call<'_> {
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.headers[0].1);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header added after signing.
    #[must_use]
    pub fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// What `x-amz-content-sha256` says, in place of the body's digest.
    #[must_use]
    pub fn payload_hash(mut self, hash: &str) -> Self {
        self.payload_hash = Some(hash.to_owned());
        self
    }

    /// Signs for another service than S3.
    #[must_use]
    pub fn service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    pub async fn anonymous(self) -> Answer {
        self.send().await
    }

    /// Signs in the `Authorization` header.
    pub async fn signed(mut self, key: Key<'_>) -> Answer {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let hash = self
            .payload_hash
            .clone()
            .unwrap_or_else(|| sha256_hex(&self.body));
        self.headers.push(("x-amz-date".to_owned(), now.clone()));
        self.headers
            .push(("x-amz-content-sha256".to_owned(), hash.clone()));
        self.headers.sort();
        let (scope, signature) = self.signature(key, &now, &hash);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            key.0,
            self.names()
        );
        self.headers.push(("authorization".to_owned(), value));
        self.send().await
    }

    /// Signs in the query.
    pub async fn presigned(mut self, key: Key<'_>, seconds: u32) -> Answer {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        self.headers.sort();
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            (
                "X-Amz-Credential",
                format!("{}/{}", key.0, scope(&now, self.service)),
            ),
            ("X-Amz-Date", now.clone()),
            ("X-Amz-Expires", seconds.to_string()),
            ("X-Amz-SignedHeaders", self.names()),
        ] {
            self.query.push((name.to_owned(), value));
        }
        let hash = self.payload_hash.clone();
        let hash = hash.unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
        let (_, signature) = self.signature(key, &now, &hash);
        self.query.push(("X-Amz-Signature".to_owned(), signature));
        self.send().await
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.join(";")
    }

    fn signature(&self, key: Key<'_>, now: &str, hash: &str) -> (String, String) {
        let mut sorted = self.query.clone();
        sorted.sort();
        let pairs: Vec<String> = sorted
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        let headers: String = self
            .headers
            .iter()
            .fold(String::new(), |all, (name, value)| {
                format!("{all}{name}:{}\n", value.trim())
            });
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{hash}",
            self.method,
            self.path,
            pairs.join("&"),
            self.names()
        );
        let scope = scope(now, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{now}\n{scope}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let mut secret = format!("AWS4{}", key.1).into_bytes();
        for part in scope.split('/') {
            secret = hmac(&secret, part);
        }
        (scope, hex(&hmac(&secret, &text)))
    }

    async fn send(self) -> Answer {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| match value.as_str() {
                "" => encode(name),
                value => format!("{}={}", encode(name), encode(value)),
            })
            .collect();
        let mut url = format!("http://{}{}", self.server.address, self.path);
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut request = client.request(self.method.parse().unwrap(), url);
        for (name, value) in self.headers.iter().chain(&self.unsigned) {
            request = request.header(name, value);
        }
        let response = request.body(self.body).send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }
}

fn scope(now: &str, service: &str) -> String {
    format!("{}/anywhere-1/{service}/aws4_request", &now[..8])
}

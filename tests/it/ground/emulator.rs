//! The emulated cloud as a process, and its control API.

#![allow(dead_code, reason = "it mirrors the contract, used or not")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::child::Child;

const START_LIMIT: Duration = Duration::from_secs(20);

/// One emulator, alone for one test; it ends with the value.
pub struct Emulator {
    /// Where the cloud's API answers, such as `http://127.0.0.1:4711`.
    pub api: String,
    /// Where the S3 data plane answers.
    pub s3: String,
    /// Where static websites answer; the Host header chooses one.
    pub web: String,
    control: String,
    http: reqwest::Client,
    _child: Child,
}

/// The line that the emulator says when it is ready.
#[derive(Deserialize)]
struct Ready {
    api: String,
    s3: String,
    web: String,
    control: String,
}

/// A part of the emulator that takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Api,
    S3,
    Web,
}

/// What is to go wrong with some requests.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    #[serde(rename = "match")]
    matching: Match,
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    kind: Value,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Fault {
    /// The answer is this HTTP status and nothing is done.
    pub fn status(code: u16) -> Self {
        Self::of(json!({"status": {"code": code}}))
    }

    /// It is done, and the connection is cut before the answer.
    pub fn lost() -> Self {
        Self::of(json!({"lost": {}}))
    }

    /// The connection is cut, and nothing is done.
    pub fn cut() -> Self {
        Self::of(json!({"cut": {}}))
    }

    /// The connection is cut, and it is done so much later by the emulator's clock.
    pub fn late(seconds: u64) -> Self {
        Self::of(json!({"late": {"seconds": seconds}}))
    }

    /// It is done after a delay of real time.
    pub fn latency(delay: Duration) -> Self {
        Self::of(json!({"latency": {"ms": delay.as_millis()}}))
    }

    /// Any other kind, as the control API's JSON.
    pub fn of(kind: Value) -> Self {
        Self {
            matching: Match::default(),
            nth: None,
            times: None,
            kind,
        }
    }

    /// Only requests to this side.
    pub fn at(mut self, side: Side) -> Self {
        self.matching.side = Some(side);
        self
    }

    /// Only requests with this method and a path in which this regular expression is found.
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.matching.method = Some(method.to_owned());
        self.matching.path = Some(path.to_owned());
        self
    }

    /// Not before the `nth` match, counted from 1.
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// So many times, then no more; once if not said, 0 is for ever.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With an answer, perhaps an injected one.
    Answered,
    /// It was done, but the answer did not arrive.
    Lost,
    /// The connection was cut before it was done.
    Cut,
    /// The connection was cut; it was or will be done later.
    Late,
}

/// One request that the emulator took.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub side: Side,
    pub method: String,
    pub path: String,
    pub query: String,
    /// The HTTP status of the answer, also of one that did not arrive.
    pub status: Option<u16>,
    pub account: Option<String>,
    pub outcome: Outcome,
    /// Whether a test asked for it by [`Emulator::foreign`].
    pub foreign: bool,
    /// The JSON body of a request to the API.
    #[serde(default)]
    pub request: Value,
}

impl Entry {
    /// Whether it asked for a change at the cloud.
    pub fn is_write(&self) -> bool {
        self.side == Side::Api && self.method != "GET" && self.method != "HEAD"
    }
}

#[derive(Deserialize)]
struct Journal {
    entries: Vec<Entry>,
}

/// What the cloud answered to somebody else.
#[derive(Clone, Debug, Deserialize)]
pub struct Foreign {
    pub status: u16,
    #[serde(default)]
    pub body: Value,
}

impl Emulator {
    /// Starts one on free ports with further flags, as in `&["--step", "0"]`.
    pub async fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(flags).arg("--until-stdin-closes");
        let child = Child::start("the emulator", command);
        let Ready {
            api,
            s3,
            web,
            control,
        } = child.line(START_LIMIT).await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        Self {
            api,
            s3,
            web,
            control,
            http,
            _child: child,
        }
    }

    /// Moves the emulator's clock.
    pub async fn advance(&self, by: Duration) {
        self.send(
            Method::POST,
            "/clock/advance",
            json!({"seconds": by.as_secs()}),
        )
        .await;
    }

    /// What the control API says about the emulator's clock.
    pub async fn clock(&self) -> Value {
        self.read("/clock").await
    }

    /// How long a state of a service lasts and how long a deleted bucket lingers.
    pub async fn pace(&self, step: Duration, purge: Duration) {
        let body = json!({"step_ms": step.as_millis(), "purge_ms": purge.as_millis()});
        self.send(Method::PUT, "/provisioning", body).await;
    }

    /// Services stay in this state once they reach it, such as `setup-checkup`;
    /// `None` lets them go on.
    pub async fn stick(&self, state: Option<&str>) {
        self.send(Method::PUT, "/provisioning", json!({"stuck": state}))
            .await;
    }

    /// Sets one of the documented switches.
    pub async fn choose(&self, name: &str, value: &str) {
        self.send(Method::PUT, "/choices", json!({name: value}))
            .await;
    }

    /// Adds a fault.
    pub async fn fault(&self, fault: Fault) {
        self.send(
            Method::POST,
            "/faults",
            serde_json::to_value(fault).unwrap(),
        )
        .await;
    }

    /// Removes all faults.
    pub async fn heal(&self) {
        self.send(Method::DELETE, "/faults", Value::Null).await;
    }

    /// The requests from number `since` on; 0 is all.
    pub async fn journal(&self, since: u64) -> Vec<Entry> {
        let journal: Journal = self.read(&format!("/journal?since={since}")).await;
        journal.entries
    }

    /// Forgets the journal.
    pub async fn forget(&self) {
        self.send(Method::DELETE, "/journal", Value::Null).await;
    }

    /// Adds an account, which sees nothing of the others; its name is also its identity.
    pub async fn account(&self, name: &str, token: &str) {
        let account = json!({"name": name, "token": token, "username": name, "password": token});
        self.send(Method::POST, "/accounts", account).await;
    }

    /// Gives an account other credentials.
    pub async fn credentials(&self, account: &str, token: &str, username: &str, password: &str) {
        let body = json!({"token": token, "username": username, "password": password});
        self.send(Method::PUT, &format!("/accounts/{account}"), body)
            .await;
    }

    /// Asks the cloud's API as somebody else with rights to the account.
    pub async fn foreign(&self, account: &str, method: &str, path: &str, body: Value) -> Foreign {
        let asked = json!({"account": account, "method": method, "path": path, "body": body});
        serde_json::from_value(self.send(Method::POST, "/foreign", asked).await).unwrap()
    }

    /// All that is at the cloud.
    pub async fn state(&self) -> Value {
        self.read("/state").await
    }

    /// The operations of the cloud's API that it serves.
    pub async fn operations(&self) -> Vec<Value> {
        self.read("/operations").await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_value(self.send(Method::GET, path, Value::Null).await).unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let what = format!("emulator: {method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.control));
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{what}: {status}: {text}");
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
        }
    }
}

/// The emulator's program: what `COOPER_EMULATOR` names, or the one that Cargo
/// puts two folders above the test's own.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("COOPER_EMULATOR") {
        return named.into();
    }
    let test = std::env::current_exe().unwrap();
    let beside = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("cooper-emulator");
    assert!(
        beside.exists(),
        "{} is not there: run `cargo build -p cooper-emulator` first (make test does), or name one in COOPER_EMULATOR",
        beside.display()
    );
    beside
}

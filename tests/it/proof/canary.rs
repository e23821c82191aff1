//! Canaries: secrets that are easy to recognise, and a search for them wherever they may not be.
//!
//! The operator runs as its own process, logging at trace level, through a gateway that writes down what it sends to the API server.
//! [Everything](everything) happens once, and the [commands](commands) for people are run while all of it is there. What is not played to
//! its end is what only time brings, for a process cannot be told another time: the end of an undo, and of what a lost answer may make.

mod commands;
mod everything;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Bound;
use super::view::KINDS;
use crate::ground::receiver::Receiver;
use crate::ground::{Gateway, Ground, SYSTEM};
use crate::scene::Scene;

const TOKEN: &str = "ucat_canary-token-0a1b2c3d4e5f";
const OTHER_TOKEN: &str = "ucat_canary-other-6a7b8c9d0e1f";
const WRONG_TOKEN: &str = "ucat_canary-wrong-f0e1d2c3b4a5";
const USERNAME: &str = "canary-name";
const PASSWORD: &str = "canary-password-1f2e3d4c5b6a";
/// What the receiver of traces asks for.
const RECEIVER_KEY: &str = "canary-receiver-9c8b7a6d5e4f";
/// What stands in answers to a request for a key that cannot be understood.
const BROKEN: [&str; 2] = [
    "canary+in/a+secret=0123456789abcdef01234",
    "canary-in-a-date",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_logs_events_status_metrics_or_anything_written_but_secrets() {
    let bound = Bound::get();
    if bound.only.is_some_and(|only| only != "canary") {
        return;
    }
    let mut run = Run::start().await;
    run.everything_happens().await;
    assert_eq!(run.seen.len(), KINDS.len(), "{:?}", run.seen);
    let heaps = run.end().await;
    let needles = run.needles();
    assert!(
        needles.len() > 20,
        "too few secrets were there: {}",
        needles.len()
    );
    let mut found = Vec::new();
    for (place, text) in &heaps {
        assert!(!text.is_empty(), "nothing was collected: {place}");
        for needle in needles
            .iter()
            .filter(|needle| text.contains(needle.as_str()))
        {
            let line = text.lines().find(|line| line.contains(needle.as_str()));
            let line: String = line
                .unwrap_or("(over several lines)")
                .chars()
                .take(600)
                .collect();
            found.push(format!("{needle} is in {place}: {line}"));
        }
    }
    let bytes: usize = heaps.iter().map(|(_, text)| text.len()).sum();
    assert!(
        found.is_empty(),
        "{} hits:\n{}",
        found.len(),
        found.join("\n")
    );
    println!(
        "{} forms of secrets, 0 hits in {} KiB, of {} kinds and {} commands",
        needles.len(),
        bytes / 1024,
        run.seen.len(),
        run.commands
    );
}

/// The operator as a process, and those around it.
struct Run {
    scene: Scene,
    gateway: Gateway,
    receiver: Receiver,
    /// Of the operator's ServiceAccount, and of whoever runs commands.
    tokens: Vec<String>,
    /// What the resources looked like, at each look.
    objects: String,
    /// Kinds that were among them.
    seen: BTreeSet<&'static str>,
    /// What commands said, and how many there were.
    said: String,
    commands: usize,
    child: Child,
    output: Vec<JoinHandle<String>>,
    http: String,
    _files: TempDir,
}

impl Run {
    async fn start() -> Self {
        let ground = Ground::get().await;
        let token = ground.operator_token().await;
        let gateway = Gateway::open(ground).await;
        let scene = Scene::bare(ground).await;
        scene
            .cloud
            .credentials("demo", TOKEN, USERNAME, PASSWORD)
            .await;
        let receiver = Receiver::open().await;
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig(&gateway, &token).to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cooper"))
            .args(["run", "--listen", "127.0.0.1:0", "--log", "trace"])
            .args([
                "--secret-interval",
                "5",
                "--drift-interval",
                "10",
                "--own-namespace",
                SYSTEM,
            ])
            .args(["--namespace", &scene.namespace, "--kubeconfig"])
            .arg(path)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url)
            .env(
                "OTEL_EXPORTER_OTLP_HEADERS",
                format!("api-key={RECEIVER_KEY}"),
            )
            .env("OTEL_BSP_SCHEDULE_DELAY", "500")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let errors = collect(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value =
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        let rest = collect(lines.into_inner());
        Self {
            http: ready["http"].as_str().unwrap().to_owned(),
            scene,
            gateway,
            receiver,
            tokens: vec![token],
            objects: String::new(),
            seen: BTreeSet::new(),
            said: String::new(),
            commands: 0,
            child,
            output: vec![errors, rest],
            _files: files,
        }
    }

    /// Takes down how the resources look now.
    async fn look(&mut self) {
        for kind in KINDS {
            let list = self.scene.api(kind).list(&ListParams::default()).await;
            let mut items = list.unwrap().items;
            for object in &mut items {
                // Who wrote what when: only long.
                object.managed_fields_mut().clear();
                self.seen.insert(kind);
            }
            self.objects += &serde_json::to_string(&items).unwrap();
        }
    }

    /// Stops the operator; all that it said and wrote, by where.
    async fn end(&mut self) -> Vec<(String, String)> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut heaps = Vec::new();
        let mut pages = String::new();
        for path in ["/metrics", "/readyz", "/livez"] {
            pages += &http
                .get(format!("{}{path}", self.http))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
        }
        heaps.push(("metrics and probes".to_owned(), pages));
        heaps.push((
            "the resources".to_owned(),
            std::mem::take(&mut self.objects),
        ));
        heaps.push((
            "what commands said".to_owned(),
            std::mem::take(&mut self.said),
        ));
        let all = ListParams::default();
        let events: Api<Event> = Api::namespaced(self.scene.admin(), &self.scene.namespace);
        let events = events.list(&all).await.unwrap().items;
        heaps.push(("events".to_owned(), serde_json::to_string(&events).unwrap()));
        let mut writes = String::new();
        for sent in self.gateway.writes() {
            let _ = writeln!(writes, "{} {}", sent.method, sent.path);
            if !sent.path.contains("/secrets") {
                writes += &String::from_utf8_lossy(&sent.body);
                writes.push('\n');
            }
        }
        heaps.push(("writes to Kubernetes other than Secrets".to_owned(), writes));
        let spans: Vec<_> = self
            .receiver
            .spans()
            .into_iter()
            .map(|span| span.0)
            .collect();
        heaps.push(("traces".to_owned(), serde_json::to_string(&spans).unwrap()));
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
        let mut log = String::new();
        for heard in self.output.drain(..) {
            log += &heard.await.unwrap();
        }
        heaps.push(("the log".to_owned(), log));
        heaps
    }

    /// Every secret there was, in every form in which it could be written.
    fn needles(&self) -> BTreeSet<String> {
        let mut secrets: BTreeSet<String> = [
            TOKEN,
            OTHER_TOKEN,
            WRONG_TOKEN,
            PASSWORD,
            RECEIVER_KEY,
            BROKEN[0],
            BROKEN[1],
        ]
        .map(String::from)
        .into();
        secrets.insert(STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
        secrets.extend(self.tokens.iter().cloned());
        // What the operator wrote into Secrets is what it was given.
        for sent in self
            .gateway
            .writes()
            .iter()
            .filter(|sent| sent.path.contains("/secrets"))
        {
            let body: Value = serde_json::from_slice(&sent.body).unwrap_or_default();
            for entry in ["secret", "AWS_SECRET_ACCESS_KEY"] {
                if let Some(text) = body["data"][entry].as_str() {
                    secrets.insert(String::from_utf8(STANDARD.decode(text).unwrap()).unwrap());
                }
            }
        }
        secrets.remove("edited");
        let forms = secrets.iter().flat_map(|secret| {
            let hex = secret
                .bytes()
                .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let percent =
                percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC)
                    .to_string();
            [secret.clone(), STANDARD.encode(secret), hex, percent]
        });
        forms.collect()
    }
}

fn kubeconfig(gateway: &Gateway, token: &str) -> Value {
    let server = gateway.config.cluster_url.to_string();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "cooper",
        "clusters": [{"name": "cooper", "cluster": {"server": server}}],
        "users": [{"name": "cooper", "user": {"token": token}}],
        "contexts": [{"name": "cooper", "context": {"cluster": "cooper", "user": "cooper"}}],
    })
}

/// Reads until the end.
fn collect(mut from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

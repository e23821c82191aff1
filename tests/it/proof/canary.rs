//! Canaries: secrets that are easy to recognise, and a search for them wherever they may not be.
//!
//! The operator runs as its own process, logging at trace level, through a gateway that writes down what it sends to the API server.
//! Everything happens once: keys are made, healed, revoked, credentials change and are refused, answers that hold secrets break.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Bound;
use super::view::KINDS;
use crate::ground::receiver::Receiver;
use crate::ground::{Fault, Gateway, Ground, SYSTEM, Side, eventually};
use crate::scene::{PATIENCE, Scene, document, user_spec};

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
        "{} forms of secrets, 0 hits in {} KiB",
        needles.len(),
        bytes / 1024
    );
}

/// The operator as a process, and those around it.
struct Run {
    scene: Scene,
    gateway: Gateway,
    receiver: Receiver,
    /// Of the operator's ServiceAccount.
    token: String,
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
            token,
            child,
            output: vec![errors, rest],
            _files: files,
        }
    }

    async fn everything_happens(&mut self) {
        let scene = &self.scene;
        scene.credentials(TOKEN).await;
        scene
            .apply("Account", "default", scene.account_spec())
            .await;
        let service = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
        scene.apply("ObjectStorageService", "media", service).await;
        let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
        scene.apply("Bucket", "site", bucket).await;
        let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
        scene.apply("StaticWebsite", "site", site).await;
        scene.user().await;
        scene.ready("IamUser", "ci").await;
        scene.ready("StaticWebsite", "site").await;
        self.keys_come_and_go().await;
        self.answers_break().await;
        self.credentials_change().await;
        for (kind, name) in [
            ("StaticWebsite", "site"),
            ("Bucket", "site"),
            ("IamUser", "ci"),
            ("IamPolicy", "logs-rw"),
        ] {
            self.scene.delete(kind, name).await;
        }
        self.scene.gone("IamUser", "ci").await;
    }

    async fn keys_come_and_go(&self) {
        let scene = &self.scene;
        let first = scene.live_keys("ci").await;
        scene
            .secrets()
            .delete("ci-s3", &DeleteParams::default())
            .await
            .unwrap();
        let second = scene.new_key("ci", "ci-s3", &[&first[0]]).await;
        let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
        let how = PatchParams::default();
        scene
            .secrets()
            .patch("ci-s3", &how, &Patch::Merge(&edit))
            .await
            .unwrap();
        let policy = json!({"serviceRef": {"name": "media"}, "document": document("s3:Get*")});
        scene.apply("IamPolicy", "logs-rw", policy).await;
        scene
            .theirs(
                "DELETE",
                &format!("/users/ci/access-keys/{second}"),
                Value::Null,
            )
            .await;
        scene.new_key("ci", "ci-s3", &[&first[0], &second]).await;
    }

    /// Answers to requests for keys that break in the middle of the secret, or cannot be understood.
    async fn answers_break(&self) {
        let body = json!({"access_key_id": 7, "secret_access_key": BROKEN[0], "created_at": BROKEN[1], "status": [BROKEN[0]]});
        let faults = [
            json!({"truncate": {"bytes": 150}}),
            json!({"status": {"code": 201, "body": body.to_string()}}),
            json!({"status": {"code": 500, "body": body.to_string()}}),
            json!({"lost": {}}),
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            let fault = Fault::of(fault).at(Side::Api).on("POST", "/access-keys$");
            self.scene.cloud.fault(fault).await;
            let name = format!("broken-{number}");
            let mut spec = user_spec();
            spec["accessKey"]["secretName"] = json!(format!("{name}-s3"));
            self.scene.apply("IamUser", &name, spec).await;
            let what = format!("the request for a key of {name} has failed");
            eventually(PATIENCE, &what, async || {
                let status = self.scene.status("IamUser", &name).await;
                let said = status["conditions"].to_string();
                let is_told = said.contains("AwaitingLostMint")
                    || said.contains("Synced\"},{")
                    || said.contains("\"Issued\"");
                is_told.then_some(()).ok_or(said)
            })
            .await;
        }
    }

    /// To a name and a password, to a token that is refused, and to another one that works.
    async fn credentials_change(&self) {
        let basic = json!({"stringData": {"username": USERNAME, "password": PASSWORD}, "data": {"token": null}});
        self.credentials_are(&basic).await;
        self.scene
            .until("Account", "default", "Ready", "True", "")
            .await;
        let wrong = json!({"stringData": {"token": WRONG_TOKEN}, "data": {"username": null, "password": null}});
        self.credentials_are(&wrong).await;
        self.scene
            .until("Account", "default", "Ready", "False", "")
            .await;
        self.scene
            .cloud
            .credentials("demo", OTHER_TOKEN, USERNAME, PASSWORD)
            .await;
        self.credentials_are(&json!({"stringData": {"token": OTHER_TOKEN}}))
            .await;
        self.scene
            .until("Account", "default", "Ready", "True", "")
            .await;
    }

    async fn credentials_are(&self, patch: &Value) {
        let how = PatchParams::default();
        self.scene
            .secrets()
            .patch("upcloud", &how, &Patch::Merge(patch))
            .await
            .unwrap();
        // An edit of the account makes it look at once.
        let touch = json!({"metadata": {"annotations": {"example.org/touched": format!("{patch}").len().to_string()}}});
        self.scene.merge("Account", "default", touch).await;
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
        let all = ListParams::default();
        let mut objects = String::new();
        for kind in KINDS {
            let list = self.scene.api(kind).list(&all).await.unwrap();
            objects += &serde_json::to_string(&list.items).unwrap();
        }
        heaps.push(("the resources".to_owned(), objects));
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
        secrets.insert(self.token.clone());
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

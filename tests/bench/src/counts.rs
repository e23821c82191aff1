//! How many requests were made: to the cloud by the emulator's journal, to Kubernetes by the API server's own metrics.

use std::collections::BTreeMap;

use anyhow::Context;
use kube::Client;
use serde_json::Value;

/// Requests of one side.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Those that change something.
    pub writes: u32,
    /// The others. At the API server also deletes that are not carried out, by which cooper reads.
    pub reads: u32,
    /// How many of each sort.
    pub sorts: BTreeMap<String, u32>,
}

impl Requests {
    /// All of them.
    pub fn all(&self) -> u32 {
        self.writes + self.reads
    }

    fn add(&mut self, is_write: bool, sort: String, count: u32) {
        if count > 0 {
            *(if is_write {
                &mut self.writes
            } else {
                &mut self.reads
            }) += count;
            *self.sorts.entry(sort).or_default() += count;
        }
    }
}

/// The emulator's control address.
pub struct Journal<'a> {
    /// Its address.
    pub control: &'a str,
}

impl Journal<'_> {
    /// Forgets what was asked so far.
    pub async fn forget(&self) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http.delete(self.url()).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// What was asked since.
    pub async fn read(&self) -> anyhow::Result<Requests> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http.get(self.url()).send().await?.error_for_status()?;
        let journal: Value = answer.json().await?;
        let entries = journal.get("entries").and_then(Value::as_array);
        let mut requests = Requests::default();
        for entry in entries.context("a journal without entries")? {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let (method, path) = (text("method"), text("path"));
            let is_write = !matches!(method, "GET" | "HEAD");
            requests.add(is_write, format!("{method} {}", route(path)), 1);
        }
        Ok(requests)
    }

    fn url(&self) -> String {
        format!("{}/journal", self.control)
    }
}

/// A path without names: of a path such as `/1.3/object-storage-2/{service}/users/{name}/policies` every second word is a name.
fn route(path: &str) -> String {
    let words = path.trim_start_matches("/1.3/").split('/').enumerate();
    let shown = words.map(|(place, word)| if place % 2 == 0 { word } else { "*" });
    shown.collect::<Vec<_>>().join("/")
}

/// What the API server has served so far, as its metrics say.
pub struct Served(BTreeMap<String, u32>);

impl Served {
    /// As of now. Counted are Secrets and cooper's kinds; no watches and lists (long-lived, and one each), no Events, and not the creates
    /// of cooper's kinds, which are the user's.
    pub async fn now(admin: &Client) -> anyhow::Result<Self> {
        let request = http("/metrics")?;
        let text = admin.request_text(request).await?;
        let mut counts = BTreeMap::new();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"));
        for line in lines {
            let (labels, number) = line.split_once("} ").context("a metric without a value")?;
            let label = |name: &str| {
                let mut all = labels
                    .split("\",")
                    .filter_map(|pair| pair.split_once("=\""));
                let found = all.find(|(key, _)| *key == name);
                found.map_or("", |(_, value)| value.trim_end_matches('"'))
            };
            let (verb, resource) = (label("verb"), label("resource"));
            let is_ours = label("group") == "upcloud.cooper.dev";
            let is_counted =
                (resource == "secrets" && label("group").is_empty()) || (is_ours && verb != "POST");
            if !is_counted || matches!(verb, "WATCH" | "LIST") {
                continue;
            }
            let below = match label("subresource") {
                "" => String::new(),
                below => format!("/{below}"),
            };
            let dry = if label("dry_run").is_empty() {
                ""
            } else {
                " (dry run)"
            };
            let count: f64 = number.trim().parse()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a counter of requests"
            )]
            let count = count as u32;
            *counts
                .entry(format!("{verb} {resource}{below}{dry}"))
                .or_default() += count;
        }
        Ok(Self(counts))
    }

    /// What came after an earlier reading.
    pub fn since(&self, earlier: &Self) -> Requests {
        let mut requests = Requests::default();
        for (sort, count) in &self.0 {
            let before = earlier.0.get(sort).copied().unwrap_or_default();
            let is_write = !sort.starts_with("GET ") && !sort.ends_with("(dry run)");
            requests.add(is_write, sort.clone(), count.saturating_sub(before));
        }
        requests
    }
}

fn http(path: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

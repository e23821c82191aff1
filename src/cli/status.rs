//! `cooper status`: what there is and what is wrong, as a tree, from the resources in the cluster alone.

mod tree;

use std::{io::IsTerminal, time::Duration};

use anyhow::Context;
use clap::Args;
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};

use super::{End, output::write, reach::Cluster};
use crate::kinds;
use tree::{Node, render};

/// Between two looks with --watch.
const PAUSE: Duration = Duration::from_secs(2);

/// Show accounts with their services, and these with their buckets, users, policies and the rest, and say what is not Ready and why.
///
/// Reads resources only, with your own rights: no credentials of a cloud are needed, and no Secret is read.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cooper status\n  cooper status -n media --watch\n\nExit code 2 if something is not Ready."
)]
pub struct Status {
    /// All namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only this Account, with all below it.
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    account: Option<String>,
    /// Show it again every two seconds, until everything is Ready.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    cluster: Cluster,
}

impl Status {
    /// Shows it.
    pub async fn run(self) -> anyhow::Result<End> {
        let reached = self.cluster.reach().await?;
        let kube = reached.kube.context("a cluster is needed")?;
        let namespace = (!self.all_namespaces).then_some(reached.namespace);
        loop {
            let nodes = nodes(&kube, namespace.as_deref()).await?;
            let shown = render(&nodes, self.account.as_deref(), Timestamp::now());
            // A terminal is cleared, a file gets one picture after the other.
            if self.watch && std::io::stdout().is_terminal() {
                write("\x1b[H\x1b[2J")?;
            }
            write(&shown.text)?;
            if !self.watch || shown.wrong == 0 {
                return Ok(if shown.wrong == 0 {
                    End::Done
                } else {
                    End::Found
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Every resource of every kind. A kind that is not installed or may not be read is an error: half a picture would mislead.
async fn nodes(kube: &Client, namespace: Option<&str>) -> anyhow::Result<Vec<Node>> {
    let kinds = kinds::resources()?;
    let lists = try_join_all(kinds.iter().map(|kind| list(kube, kind, namespace))).await?;
    Ok(lists.into_iter().flatten().collect())
}

async fn list(
    kube: &Client,
    kind: &ApiResource,
    namespace: Option<&str>,
) -> anyhow::Result<Vec<Node>> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(kube.clone(), namespace, kind),
        None => Api::all_with(kube.clone(), kind),
    };
    let mut nodes = Vec::new();
    let mut page = ListParams::default().limit(500);
    loop {
        let found = api.list(&page).await;
        let found = found.with_context(|| format!("cannot list {}", kind.plural))?;
        nodes.extend(
            found
                .items
                .iter()
                .map(|object| Node::of(&kind.kind, object)),
        );
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(nodes),
        }
    }
}

//! `cooper release`: takes the finalizers off, so that cooper can go and the cloud's things stay.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, ListParams, NotUsed, Object, Patch, PatchParams},
};
use serde::Deserialize;

use super::{
    End,
    output::{Format, Table, print},
    reach::Cluster,
};
use crate::{
    engine::{
        object::{Trouble, answered},
        release::{Asked, Told},
    },
    kinds,
};

/// What is read of a Pod. To read all of it takes 300 kB of program.
type Pod = Object<NotUsed, PodStatus>;

#[derive(Clone, Debug, Default, Deserialize)]
struct PodStatus {
    phase: Option<String>,
}

/// The Pods of a namespace, or of all.
fn pods(kube: &Client, namespace: Option<&str>) -> Api<Pod> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    match namespace {
        Some(namespace) => Api::namespaced_with(kube.clone(), namespace, &resource),
        None => Api::all_with(kube.clone(), &resource),
    }
}

/// Label of the operator's Pods.
const OPERATOR: &str = "app.kubernetes.io/name=cooper";
/// Longest wait for an operator to stop: its Pod's grace period, and as long again.
const STOPPED: Duration = Duration::from_mins(2);
/// Between two looks at its Pods.
const LOOK: Duration = Duration::from_secs(1);

/// Let go of resources: nothing at the cloud is deleted when they, their CRDs or cooper are removed.
///
/// Takes cooper's finalizer off each resource, the resource off the owners of the Secret with its key, so that garbage collection keeps
/// that, and the finalizer off the credentials Secrets of Accounts. Neither the cloud nor the data of a Secret is touched; keys go on
/// working. A resource that was being deleted is gone then, and what it stood for stays at the cloud.
///
/// With --all no operator may run: it would put the finalizers back. --stop stops one. An operator that is started later looks after
/// everything again, as before.
///
/// Resources that are named (KIND/NAME) are let go while the operator runs: each is paused by the annotation cooper.dev/paused, and
/// stays so until that is taken off.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  all is let go
  1  error; or something could not be let go, or came back, because an operator runs

Example:
  cooper release --all --dry-run
  cooper release --all --stop cooper-system/cooper
  cooper release iamuser/ci bucket/logs -n media")]
pub struct Release {
    /// What to let go of: a kind, as kubectl takes it, and a name.
    #[arg(value_name = "KIND/NAME", value_parser = named, required_unless_present = "all", conflicts_with = "all")]
    resources: Vec<(String, String)>,
    /// Everything, in all namespaces or in the one given by --namespace.
    #[arg(long)]
    all: bool,
    /// Scale this Deployment of the operator to 0 first, and wait until its Pods are gone.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = deployment, requires = "all")]
    stop: Option<(String, String)>,
    /// Write nothing; tell what would be let go.
    #[arg(long)]
    dry_run: bool,
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    cluster: Cluster,
}

fn pair(text: &str, wanted: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((one, other)) if !one.is_empty() && !other.is_empty() && !other.contains('/') => {
            Ok((one.to_owned(), other.to_owned()))
        }
        _ => Err(format!("not of the form {wanted}")),
    }
}

fn named(text: &str) -> Result<(String, String), String> {
    pair(text, "KIND/NAME")
}

fn deployment(text: &str) -> Result<(String, String), String> {
    pair(text, "NAMESPACE/NAME")
}

impl Release {
    /// Lets go of them.
    pub async fn run(self) -> anyhow::Result<End> {
        let reached = self.cluster.reach().await?;
        let kube = reached.kube.context("a cluster is needed")?;
        let namespace = if self.all {
            self.cluster.namespace
        } else {
            Some(reached.namespace)
        };
        let asked = Asked {
            namespace,
            pause: !self.all,
            only: self.resources,
            dry_run: self.dry_run,
        };
        if self.all && !self.dry_run {
            match &self.stop {
                Some((namespace, name)) => stop(&kube, namespace, name).await?,
                None => none_runs(&kube).await?,
            }
        }
        let mut release = crate::engine::release::Release::default();
        kinds::release(&mut release);
        let mut told = release.run(&kube, &asked).await?;
        release.verify(&kube, &asked, &mut told).await?;
        print(self.output, &told, |told| table(told))?;
        let is_well = told.iter().all(|one| one.done.is_well());
        Ok(if is_well { End::Done } else { End::Wrong })
    }
}

/// Scales a Deployment to 0 and waits until its Pods are gone.
async fn stop(kube: &Client, namespace: &str, name: &str) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(kube.clone(), namespace);
    let none = serde_json::json!({"spec": {"replicas": 0}});
    let (how, none) = (PatchParams::default(), Patch::Merge(&none));
    let scale = answered(deployments.patch_scale(name, &how, &none)).await;
    let scale = scale.with_context(|| format!("cannot stop Deployment {namespace}/{name}"))?;
    let selector = scale.status.and_then(|status| status.selector);
    let selector = selector.context("the Deployment does not say which Pods are its own")?;
    eprintln!("stopped Deployment {namespace}/{name}; waiting for its Pods to end");
    let pods = pods(kube, Some(namespace));
    let begin = tokio::time::Instant::now();
    loop {
        let left = running(&pods, &selector).await?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < STOPPED,
            "still running after {} s: {}",
            STOPPED.as_secs(),
            left.join(", ")
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Refuses while an operator runs. One outside the cluster is not seen here, only by what it puts back.
async fn none_runs(kube: &Client) -> anyhow::Result<()> {
    let running = match running(&pods(kube, None), OPERATOR).await {
        Ok(running) => running,
        Err(Trouble::Kube(kube::Error::Api(status))) if status.code == 403 => {
            eprintln!(
                "note: you may not list Pods, so whether an operator runs is seen only by what it puts back"
            );
            return Ok(());
        }
        Err(trouble) => return Err(trouble).context("cannot see whether an operator runs"),
    };
    if running.is_empty() {
        return Ok(());
    }
    bail!(
        "an operator runs ({}) and would put the finalizers back: stop it with --stop NAMESPACE/DEPLOYMENT, or name single resources, \
         which are paused",
        running.join(", ")
    )
}

/// Names of the Pods of this selector that have not ended.
async fn running(pods: &Api<Pod>, selector: &str) -> Result<Vec<String>, Trouble> {
    let listed = answered(pods.list(&ListParams::default().labels(selector))).await?;
    let has_ended = |pod: &Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let running = listed.items.iter().filter(|pod| !has_ended(pod));
    let name = |pod: &Pod| {
        format!(
            "Pod {}/{}",
            pod.namespace().unwrap_or_default(),
            pod.name_any()
        )
    };
    Ok(running.map(name).collect())
}

fn table(told: &[Told]) -> String {
    if told.is_empty() {
        return "there is nothing to let go of\n".to_owned();
    }
    let mut table = Table::new(["RESULT", "KIND", "NAMESPACE", "NAME", "SECRETS", "MESSAGE"]);
    for one in told {
        table.row([
            one.done.word().into(),
            one.kind.clone(),
            one.namespace.clone(),
            one.name.clone(),
            one.secrets.join(","),
            one.message.clone().unwrap_or_default(),
        ]);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_kind_and_name() {
        let pair = ("iamuser".to_owned(), "ci".to_owned());
        assert_eq!(named("iamuser/ci"), Ok(pair));
        for text in ["ci", "/ci", "iamuser/", "a/b/c", ""] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}

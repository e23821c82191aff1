//! The overlays are taken by an API server as they stand.

use std::fs;

use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;

use crate::ground::{Ground, Need, repository};
use crate::scene::PATIENCE;

#[tokio::test]
async fn every_overlay_can_be_applied() {
    if Ground::get().await.lacks(&[Need::Own]) {
        return;
    }
    let ground = Ground::empty().await;
    let _team = ground.namespace_called("team-a").await;
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        monitoring(&ground, kind).await;
    }
    let overlays = fs::read_dir(repository("deploy/overlays")).unwrap();
    let mut names: Vec<_> = overlays
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        ground.install(&format!("deploy/overlays/{name}")).await;
    }
}

/// A CRD of the Prometheus operator's, by its name alone.
async fn monitoring(ground: &Ground, kind: &str) {
    let group = "monitoring.coreos.com";
    let plural = format!("{}s", kind.to_lowercase());
    let name = format!("{plural}.{group}");
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": anything}}],
        },
    });
    let apply = ["apply", "--server-side", "-f", "-"];
    let applied = ground.kubectl_with(&apply, &definition.to_string()).await;
    assert!(applied.status.success(), "{applied:?}");
    let definitions = kube::Api::all(ground.admin());
    let established = await_condition(definitions, &name, conditions::is_crd_established());
    let waited = tokio::time::timeout(PATIENCE, established).await;
    waited.expect("established in time").unwrap();
}

//! The CRDs are removed with objects in place, which is nobody's wish to delete what they stand for.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

use super::play::Stage;
use super::recorder::Recorder;
use super::row::{Circumstance, Order, Row, Way};
use crate::ground::{Ground, Need, eventually};
use crate::scene::PATIENCE;

/// What the objects say when their CRDs go, and whether the operator is there from the beginning.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    Delete,
    Orphan,
    Observe,
    Paused,
    OperatorDown,
}

async fn said(stage: &mut Stage, says: Says) {
    let scene = &mut stage.scene;
    let patch = match says {
        Says::Nothing => return,
        Says::OperatorDown => return scene.crash(),
        Says::Delete => json!({"spec": {"deletionPolicy": "Delete"}}),
        Says::Orphan => json!({"spec": {"deletionPolicy": "Orphan"}}),
        Says::Observe => json!({"spec": {"managementPolicy": "Observe"}}),
        Says::Paused => json!({"metadata": {"annotations": {"cooper.dev/paused": "true"}}}),
    };
    for (kind, name) in super::row::SET.into_iter().skip(1) {
        scene.merge(kind, name, patch.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_crds_keeps_everything_at_the_cloud_whatever_the_objects_say() {
    if Ground::get().await.lacks(&[Need::Own, Need::Controllers]) {
        return;
    }
    // It lives as long as the process, as the shared one does.
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    // What is made is the same for all.
    let row = Row {
        order: Order::ParentFirst,
        way: Way::Background,
        circumstance: Circumstance::Orphaned,
    };
    let all = [
        Says::Nothing,
        Says::Delete,
        Says::Orphan,
        Says::Observe,
        Says::Paused,
        Says::OperatorDown,
    ];
    let stages = all.map(async |says| {
        let mut stage = Stage::set(ground, row, Recorder::new()).await;
        said(&mut stage, says).await;
        stage.scene.cloud.forget().await;
        (says, stage)
    });
    let mut stages = futures::future::join_all(stages).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(ground.admin());
    let ours = definitions.list(&ListParams::default()).await.unwrap();
    for crd in &ours.items {
        let name = crd.metadata.name.as_deref().unwrap();
        let how = DeleteParams::default();
        definitions.delete(name, &how).await.unwrap();
    }
    for (says, stage) in &mut stages {
        if matches!(says, Says::OperatorDown) {
            stage.scene.start(Arc::new(cooper::wire::Open)).await;
        }
    }
    eventually(PATIENCE * 3, "the CRDs are gone", async || {
        let left = definitions.list(&ListParams::default()).await;
        let left = left.map_err(|error| error.to_string())?.items;
        let left: Vec<_> = left.iter().map(|crd| &crd.metadata.name).collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
    for (says, stage) in &stages {
        println!("{says:?}");
        stage.all_is_there(&stage.scene.at_cloud().await).await;
        stage.check_secret().await;
    }
}

//! The CRDs are removed with objects in place, which is nobody's wish to delete what they stand for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

use super::play::Stage;
use super::recorder::Recorder;
use super::row::{Circumstance, Order, Row, Way};
use crate::ground::{Gateway, Ground, Mishap, Need, eventually};
use crate::scene::PATIENCE;

/// How often the API server does not answer, for each kind, whether its CRD is being removed.
const UNANSWERED: usize = 2;

/// What the objects say when their CRDs go, whether the operator is there from the beginning, and whether it is answered.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    Delete,
    Orphan,
    Observe,
    Paused,
    OperatorDown,
    /// As `Delete`, and the question whether it is the CRD that goes is not answered at first.
    Unanswered(Mishap),
}

/// Questions after a CRD that came to nothing, by the path that was asked.
type Missed = Arc<Mutex<BTreeMap<String, usize>>>;

/// A way to the API server on which the first questions after each CRD come to nothing.
async fn unanswered(ground: &Ground, mishap: Mishap) -> (Gateway, Missed) {
    let gateway = Gateway::open(ground).await;
    let missed = Missed::default();
    let count = Arc::clone(&missed);
    gateway.mood(move |_, uri| {
        if !uri.path().contains("/customresourcedefinitions/") {
            return Mishap::None;
        }
        let mut counts = count.lock().unwrap();
        let missed = counts.entry(uri.path().to_owned()).or_default();
        if *missed == UNANSWERED {
            return Mishap::None;
        }
        *missed += 1;
        mishap
    });
    (gateway, missed)
}

async fn said(stage: &mut Stage, says: Says) {
    let scene = &mut stage.scene;
    let patch = match says {
        Says::Nothing => return,
        Says::OperatorDown => return scene.crash(),
        Says::Delete | Says::Unanswered(_) => json!({"spec": {"deletionPolicy": "Delete"}}),
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
        Says::Unanswered(Mishap::Refused(429)),
        Says::Unanswered(Mishap::Refused(500)),
        Says::Unanswered(Mishap::Lost),
    ];
    let stages = all.map(async |says| {
        let way = match says {
            Says::Unanswered(mishap) => Some(unanswered(ground, mishap).await),
            _ => None,
        };
        let config = way.as_ref().map(|(gateway, _)| gateway.config.clone());
        let mut stage = Stage::set(ground, row, Recorder::new(), config).await;
        said(&mut stage, says).await;
        stage.scene.cloud.forget().await;
        (says, stage, way)
    });
    let mut stages = futures::future::join_all(stages).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(ground.admin());
    let ours = definitions.list(&ListParams::default()).await.unwrap();
    for crd in &ours.items {
        let name = crd.metadata.name.as_deref().unwrap();
        let how = DeleteParams::default();
        definitions.delete(name, &how).await.unwrap();
    }
    for (says, stage, _) in &mut stages {
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
    for (says, stage, way) in &stages {
        println!("{says:?}");
        stage.all_is_there(&stage.scene.at_cloud().await).await;
        stage.check_secret().await;
        if let Some((_, missed)) = way {
            let missed = missed.lock().unwrap().clone();
            let all = super::row::SET.len() - 1;
            assert!(
                missed.len() == all && missed.values().all(|count| *count == UNANSWERED),
                "{missed:?}"
            );
        }
    }
}

//! What is shipped for the operator, applied as the documentation says: it works with that, asks for nothing else, and uses all of it.

mod cluster_wide;
mod namespaced;
mod overlays;
mod rights;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::ground::process::Process;
use crate::ground::{ACCOUNT, Ground, Need, Request, SYSTEM};
use crate::scene::{Scene, TOKEN};

/// What these tests take: a cluster into which nothing was put before, and a log of reads too.
const NEEDS: [Need; 3] = [Need::Own, Need::Audit, Need::Controllers];

/// The operator as the Deployment in the cluster says it: one that works and one that stands by.
struct Pair {
    leader: Process,
    standby: Process,
}

impl Pair {
    /// Both, ready. All that differs from the Deployment is where they listen, and that they look at Secrets every 5 s.
    async fn start(ground: &Ground) -> Self {
        let deployments: Api<Deployment> = Api::namespaced(ground.admin(), SYSTEM);
        let shipped = deployments.get("cooper").await.unwrap();
        let pod = shipped.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.service_account_name.as_deref(), Some(ACCOUNT));
        let args = pod.containers[0].args.clone().unwrap();
        assert_eq!(args[0], "run");
        let kept = args[1..]
            .iter()
            .filter(|flag| !flag.starts_with("--listen="));
        let flags: Vec<_> = kept
            .map(String::as_str)
            .chain(["--secret-interval=5"])
            .collect();
        let leader = Process::start(ground, None, &flags).await;
        leader.says(200, "ok: leading").await;
        let standby = Process::start(ground, None, &flags).await;
        standby.says(200, "standing by").await;
        Self { leader, standby }
    }

    /// Stops both, the one that stands by first.
    async fn stop(mut self) {
        for process in [&mut self.standby, &mut self.leader] {
            process.signal("TERM");
            assert_eq!(process.end().await, Some(0), "{}", process.log());
        }
    }
}

/// The samples, one of each kind, until all are Ready.
async fn furnish(scene: &Scene) {
    scene.credentials(TOKEN).await;
    for object in crate::samples::objects() {
        let (kind, name) = named(&object);
        // Only the way to the cloud is another one here.
        let spec = match kind {
            "Account" => scene.account_spec(),
            _ => object["spec"].clone(),
        };
        scene.apply(kind, name, spec).await;
    }
    for object in crate::samples::objects() {
        let (kind, name) = named(&object);
        scene.ready(kind, name).await;
    }
}

/// The life of one of each kind: made, its Secret healed, its key replaced, deleted.
async fn live(scene: &Scene) {
    furnish(scene).await;
    let key = scene.new_key("ci", "ci-s3", &[]).await;
    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    let healed = scene.new_key("ci", "ci-s3", &[&key]).await;
    scene.ready("IamUser", "ci").await;
    assert_ne!(key, healed);

    for object in crate::samples::objects() {
        let (kind, name) = named(&object);
        if kind != "Account" {
            let all = json!({"spec": {"deletionPolicy": "Delete"}});
            scene.merge(kind, name, all).await;
        }
    }
    for object in crate::samples::objects() {
        let (kind, name) = named(&object);
        scene.delete(kind, name).await;
    }
    for object in crate::samples::objects() {
        let (kind, name) = named(&object);
        scene.gone(kind, name).await;
    }
    assert!(scene.at_cloud().await.is_null());
}

fn named(object: &Value) -> (&str, &str) {
    let name = object["metadata"]["name"].as_str();
    (object["kind"].as_str().unwrap(), name.unwrap())
}

/// Verb and plural of the requests that no right allowed.
fn refused(requests: &[Request]) -> Vec<(&str, &str)> {
    let denied = requests.iter().filter(|request| request.code == 403);
    let mut denied: Vec<_> = denied
        .map(|request| (request.verb.as_str(), request.resource.as_str()))
        .collect();
    denied.sort_unstable();
    denied.dedup();
    denied
}

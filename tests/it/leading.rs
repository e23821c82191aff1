//! Two operators, one Lease: the real program, stopped, killed, cut off, and started before its CRDs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cooper::engine::core::Settings;
use cooper::lease::Terms;
use cooper::wire::{Side, Verdict, Wire};
use http::{Method, Uri};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;

use crate::ground::process::{Process, Tunnel, flag, lease, may_lead};
use crate::ground::{Ground, Need, Operator, Start, eventually};
use crate::scene::{PATIENCE, Scene};

/// Far longer than a test takes: whoever waits for it to run out fails.
const NEVER: [&str; 3] = [
    "--lease-duration=3600",
    "--renew-deadline=3000",
    "--retry-period=600",
];
/// Short, but long enough for a busy machine to renew in time.
const SHORT: [&str; 3] = [
    "--lease-duration=8",
    "--renew-deadline=6",
    "--retry-period=1",
];

/// Flags of an operator that sees a namespace and holds its Lease there.
fn flags(namespace: &str, more: [&'static str; 3]) -> Vec<String> {
    let own = [
        flag("namespace", namespace),
        flag("own-namespace", namespace),
    ];
    own.into_iter().chain(more.map(str::to_owned)).collect()
}

async fn start(scene: &Scene, way: Option<&str>, more: [&'static str; 3]) -> Process {
    let flags = flags(&scene.namespace, more);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Process::start(scene.ground, way, &flags).await
}

async fn scene() -> Scene {
    let scene = Scene::without_operator().await;
    may_lead(scene.ground, &scene.namespace).await;
    scene
}

#[tokio::test]
async fn a_graceful_stop_hands_over_at_once_with_the_shipped_rights() {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Own]) {
        return;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    let scene = Scene::bare(ground).await;
    let mut first = Process::start(ground, None, &NEVER).await;
    first.says(200, "ok: leading").await;
    let mut second = Process::start(ground, None, &NEVER).await;
    second.says(200, "standing by, cooper_").await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;

    // Neither polls nor waits for an end: the second hears that the Lease was given back.
    first.signal("TERM");
    assert_eq!(first.end().await, Some(0), "{}", first.log());
    second.says(200, "ok: leading").await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    assert!(
        second.log().contains("leading: this operator works now"),
        "{}",
        second.log()
    );

    second.signal("TERM");
    assert_eq!(second.end().await, Some(0), "{}", second.log());
    assert_eq!(
        lease(ground, crate::ground::SYSTEM, "holderIdentity").await,
        ""
    );
}

#[tokio::test]
async fn a_standby_takes_over_from_an_operator_that_was_killed() {
    let scene = scene().await;
    let mut first = start(&scene, None, SHORT).await;
    first.says(200, "ok: leading").await;
    let second = start(&scene, None, SHORT).await;
    second.says(200, "standing by").await;

    first.signal("KILL");
    assert_eq!(first.end().await, None);
    second.says(200, "ok: leading").await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    assert_eq!(
        lease(scene.ground, &scene.namespace, "leaseTransitions").await,
        1
    );
}

#[tokio::test]
async fn an_operator_that_cannot_reach_the_api_server_ends_at_its_deadline() {
    let scene = scene().await;
    let tunnel = Tunnel::to(scene.ground).await;
    let mut first = start(&scene, Some(&tunnel.url), SHORT).await;
    first.says(200, "ok: leading").await;
    let mut second = start(&scene, None, SHORT).await;
    second.says(200, "standing by").await;

    tunnel.freeze();
    assert_eq!(first.end().await, Some(1), "{}", first.log());
    assert!(
        first.log().contains("leadership is lost"),
        "{}",
        first.log()
    );
    second.says(200, "ok: leading").await;
    assert!(second.is_running());
}

#[tokio::test]
async fn an_operator_without_its_crds_says_so_and_waits() {
    let ground = Ground::get().await;
    if ground.lacks(&[Need::Own]) {
        return;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    let definitions: Api<CustomResourceDefinition> = Api::all(ground.admin());
    let name = "customdomains.upcloud.cooper.dev";
    let mut missing = definitions.get(name).await.unwrap();
    let uid = missing.metadata.uid.clone().unwrap();
    definitions
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    let gone = await_condition(definitions.clone(), name, conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();

    let mut operator = Process::start(ground, None, &[]).await;
    let told = operator.says(503, "is not installed").await;
    assert!(told.contains(name) && told.contains("crds/"), "{told}");
    // The log follows in a moment.
    eventually(PATIENCE, "the log says so too", async || {
        let log = operator.log();
        if log.contains(&format!("the CRD {name} is not installed")) {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    assert_eq!(operator.ask("/healthz").await, (200, "ok\n".into()));
    assert!(operator.is_running());

    missing.metadata.resource_version = None;
    missing.metadata.uid = None;
    missing.status = None;
    definitions
        .create(&PostParams::default(), &missing)
        .await
        .unwrap();
    operator.says(200, "ok: leading").await;
}

#[tokio::test]
async fn without_rights_on_the_lease_nobody_is_ready() {
    let scene = Scene::without_operator().await;
    let operator = start(&scene, None, NEVER).await;
    let told = operator.says(503, "cannot be used").await;
    assert!(
        told.contains("waiting for leadership") && told.contains("cannot get resource \"leases\""),
        "{told}"
    );
}

/// Notes every request but reads and dry runs.
#[derive(Default)]
struct Writes(Mutex<Vec<String>>);

impl Wire for Writes {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let text = uri.to_string();
        if *method != Method::GET && !text.contains("dryRun=All") {
            self.0
                .lock()
                .unwrap()
                .push(format!("{side:?} {method} {text}"));
        }
        Verdict::Pass
    }
}

fn terms(scene: &Scene, identity: &str) -> Terms {
    Terms {
        namespace: scene.namespace.to_string(),
        name: "cooper".into(),
        identity: identity.into(),
        duration: Duration::from_hours(1),
        deadline: Duration::from_mins(50),
        retry: Duration::from_mins(10),
    }
}

async fn candidate(scene: &Scene, identity: &str) -> (Operator, Arc<Writes>) {
    let wire = Arc::new(Writes::default());
    let start = Start {
        config: None,
        clock: scene.clock.clone(),
        wire: Arc::clone(&wire) as Arc<dyn Wire>,
        settings: Settings::default(),
        lease: Some(terms(scene, identity)),
        ..Start::default()
    };
    (Operator::launch_beside(scene, start).await, wire)
}

/// How often a key was asked for since the journal was forgotten.
async fn mints(scene: &Scene) -> usize {
    let writes = scene.writes().await;
    let asks = |write: &&String| write.starts_with("POST") && write.ends_with("/access-keys");
    writes.iter().filter(asks).count()
}

#[tokio::test]
async fn only_the_leader_writes_and_a_stop_ends_passes_with_the_step_they_are_at() {
    let scene = scene().await;
    let (first, _) = candidate(&scene, "first").await;
    // It works, so it leads: an operator that has only just begun is not waiting for anything yet.
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    let (second, writes) = candidate(&scene, "second").await;
    eventually(PATIENCE, "the second stands by", async || {
        let missing = second.core.gate.shut_by();
        let stands_by = missing.len() == 1 && missing.contains("leadership");
        if stands_by {
            Ok(())
        } else {
            Err(format!("{missing:?}"))
        }
    })
    .await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    assert!(
        writes.0.lock().unwrap().is_empty(),
        "{:?}",
        writes.0.lock().unwrap()
    );

    // In the middle of a pass, with a slow cloud: what was asked for is written down, the rest is the next one's. Nothing waits for a
    // process that might still be at work: time stands still here.
    let slow = |what| crate::ground::Fault::latency(Duration::from_secs(2)).on("POST", what);
    scene.cloud.fault(slow("users")).await;
    let mut user = crate::scene::user_spec();
    scene.apply("IamUser", "ci", user.clone()).await;
    scene.claimed("IamUser", "ci").await;
    first.stop().await;
    assert_eq!(scene.status("IamUser", "ci").await["origin"], "Created");
    assert_eq!(scene.live_keys("ci").await, [""; 0]);
    second.ready().await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.live_keys("ci").await.len(), 1);
    assert_eq!(mints(&scene).await, 1);

    // And in the middle of a mint: the key is kept, and published by the next one.
    let (third, _) = candidate(&scene, "third").await;
    scene.cloud.fault(slow("access-keys")).await;
    scene.cloud.forget().await;
    user["accessKey"]["secretName"] = json!("new-s3");
    scene.apply("IamUser", "new", user).await;
    eventually(PATIENCE, "its key is being made", async || {
        let keys = scene.status("IamUser", "new").await["keys"].clone();
        let open = keys["attempts"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if open { Ok(()) } else { Err(keys.to_string()) }
    })
    .await;
    second.stop().await;
    let keys = scene.live_keys("new").await;
    assert_eq!(keys.len(), 1);
    assert!(scene.secret("new-s3").await.is_none());
    third.ready().await;
    scene.ready("IamUser", "new").await;
    assert_eq!(scene.live_keys("new").await, keys);
    assert_eq!(mints(&scene).await, 1);
    third.stop().await;
}

#[tokio::test]
async fn a_running_operator_serves_what_its_page_lists_and_logs_as_it_is_told() {
    let mut scene = scene().await;
    let operator = start(&scene, None, NEVER).await;
    operator.says(200, "ok: leading").await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;

    let (code, served) = operator.ask("/metrics").await;
    assert_eq!(code, 200);
    let page =
        std::fs::read_to_string(crate::ground::repository("docs/reference/metrics.md")).unwrap();
    for line in served
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = if kind == "counter" {
            format!("{name}_total")
        } else {
            name.to_owned()
        };
        assert!(
            page.contains(&format!("| `{name}` | {kind} |")),
            "{name} is not on the page"
        );
        assert!(!kind.contains("unknown"), "{line}");
    }
    // Series that begin with their first happening.
    let later = [
        "cooper_pass_panics_total",
        "cooper_lease_renewals_total",
        "cooper_trace_spans_total",
        "cooper_waiting_for",
        "cooper_resources_not_ready",
    ];
    let listed = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in listed.filter(|name| !later.contains(name)) {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let begins = format!("# TYPE {family} ");
        assert!(served.contains(&begins), "{name} is not served: {served}");
    }
    for part in [
        "cooper_leader 1.0",
        "kind=\"IamUser\",outcome=\"in_sync\"",
        "cooper_keys{state=\"current\"} 1.0",
        "lane=\"write\"",
    ] {
        assert!(served.contains(part), "{part} is missing in {served}");
    }
    for name in ["media", "ci-s3", "logs-rw", &*scene.namespace] {
        assert!(
            !served.contains(name),
            "{name} is told to Prometheus: {served}"
        );
    }

    let level = format!("{}/log-level", operator.http);
    let put = async |filter: &'static str| {
        let client = crate::ground::process::http();
        client
            .put(&level)
            .body(filter)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(put("cooper=loud").await, 400);
    assert!(!operator.log().contains("DEBUG"), "{}", operator.log());
    assert_eq!(put("cooper=debug,warn").await, 200);
    scene
        .apply(
            "Bucket",
            "logs",
            serde_json::json!({"serviceRef": {"name": "media"}}),
        )
        .await;
    scene.ready("Bucket", "logs").await;
    eventually(PATIENCE, "it logs more", async || {
        let log = operator.log();
        if log.contains("DEBUG") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    scene.crash();
}

#[tokio::test]
async fn status_tells_what_is_there_and_what_is_wrong() {
    let scene = Scene::open().await;
    if scene.ground.lacks(&[Need::Controllers]) {
        return;
    }
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    // A user is made as soon as its service has a place, which may be before that is set up.
    scene.ready("ObjectStorageService", "media").await;
    let cooper = crate::cli::Cooper::in_cluster(&scene).await;
    let said = cooper.run(&["status"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], format!("Account {}/default", &*scene.namespace));
    assert_eq!(lines[1], "  ObjectStorageService media");
    assert_eq!(lines[2], "    IamPolicy logs-rw");
    assert!(
        lines[3].starts_with("    IamUser ci  key ") && lines[3].contains(" old"),
        "{said:?}"
    );

    scene
        .apply(
            "Bucket",
            "lost",
            serde_json::json!({"serviceRef": {"name": "nowhere"}}),
        )
        .await;
    scene
        .until("Bucket", "lost", "Ready", "False", "ReferenceNotReady")
        .await;
    let said = cooper.run(&["status"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.out.contains("! NOT READY") && said.out.contains("ReferenceNotReady"),
        "{said:?}"
    );
}

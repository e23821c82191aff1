//! Traces of the real program, as a receiver gets them, and what becomes of it when there is none.

use tokio::net::TcpListener;

use crate::ground::process::{Process, flag};
use crate::ground::receiver::{Arrived, Receiver};
use crate::ground::{Fault, eventually};
use crate::scene::{PATIENCE, Scene, user_spec};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// An operator for the namespace of the scene, alone.
async fn start(scene: &Scene, variables: &[(&str, &str)]) -> Process {
    let namespace = flag("namespace", &scene.namespace);
    let flags = [namespace.as_str(), "--no-leader-election"];
    Process::start_with(scene.ground, None, &flags, variables).await
}

/// The first of these spans that is so.
fn find(spans: &[Arrived], is: impl Fn(&Arrived) -> bool) -> Result<Arrived, String> {
    let names = || -> Vec<_> { spans.iter().map(|span| span.member("name")).collect() };
    let found = spans.iter().find(|span| is(span));
    found.cloned().ok_or_else(|| format!("{:?}", names()))
}

#[tokio::test]
async fn a_pass_is_traced_with_what_it_asked_of_cloud_and_cluster() {
    let scene = Scene::without_operator().await;
    let receiver = Receiver::open().await;
    let operator = start(
        &scene,
        &[
            (ENDPOINT, &receiver.url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20mine"),
            ("OTEL_SERVICE_NAME", "storage"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ],
    )
    .await;
    scene.service().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    scene
        .cloud
        .fault(Fault::status(503).on("POST", "users").times(1))
        .await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene.ready("IamUser", "ci").await;

    let what = "a pass that failed and one that did not have arrived";
    let (failed, done) = eventually(PATIENCE, what, async || {
        let spans = receiver.spans();
        Ok::<_, String>((
            find(&spans, |span| span.is_pass("IamUser", "ci", "transient"))?,
            find(&spans, |span| span.is_pass("IamUser", "ci", "in_sync"))?,
        ))
    })
    .await;
    assert_eq!(failed.member("name"), "pass IamUser");
    assert_eq!(
        failed.attribute("cooper.namespace"),
        Some(&*scene.namespace)
    );
    assert_eq!(failed.attribute("cooper.reason"), Some("CloudUnavailable"));
    assert_eq!(failed.0["status"]["code"], 2);
    assert_eq!(done.0["status"], serde_json::json!({}));

    let spans = receiver.spans();
    let below = |side: &str, pass: &Arrived| -> Vec<Arrived> {
        let children = spans.iter().filter(|span| {
            span.member("parentSpanId") == pass.member("spanId")
                && span.member("traceId") == pass.member("traceId")
                && span.attribute("cooper.side") == Some(side)
        });
        children.cloned().collect()
    };
    let asked = below("cloud", &failed);
    let create = find(&asked, |span| span.member("name").starts_with("POST ")).unwrap();
    assert_eq!(
        create.attribute("url.template"),
        create.member("name").strip_prefix("POST ")
    );
    for (key, value) in [
        ("http.response.status_code", "503"),
        ("cooper.lane", "write"),
        ("cooper.outcome", "failed"),
    ] {
        assert_eq!(create.attribute(key), Some(value), "{key}: {create:?}");
    }
    // The id that the log says of the same request.
    let request_id = create.attribute("cooper.request_id").unwrap();
    let log = operator.log();
    let line = log.lines().find(|line| line.contains(request_id));
    let line = line.unwrap_or_else(|| panic!("{request_id} is not in {log}"));
    assert!(line.contains(failed.member("traceId")), "{line}");
    let written = below("kubernetes", &failed);
    assert!(
        written
            .iter()
            .any(|span| span.attribute("cooper.resource") == Some("iamusers")),
        "{written:?}"
    );

    let batch = receiver.batches().remove(0);
    assert_eq!(batch.path, "/v1/traces");
    assert_eq!(batch.headers["authorization"], "Bearer mine");
    let resource = batch.body["resourceSpans"][0]["resource"]["attributes"].to_string();
    assert!(
        resource.contains(r#"{"key":"service.name","value":{"stringValue":"storage"}}"#),
        "{resource}"
    );
}

#[tokio::test]
async fn what_is_left_is_sent_when_the_operator_stops() {
    let scene = Scene::without_operator().await;
    let receiver = Receiver::open().await;
    // By itself it would send after ten minutes.
    let never = ("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let mut operator = start(&scene, &[(ENDPOINT, &receiver.url), never]).await;
    scene.service().await;
    scene.ready("ObjectStorageService", "media").await;
    assert!(receiver.batches().is_empty());
    operator.signal("TERM");
    assert_eq!(operator.end().await, Some(0), "{}", operator.log());
    let is_made = |span: &Arrived| span.is_pass("ObjectStorageService", "media", "in_sync");
    find(&receiver.spans(), is_made).unwrap();
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_spans_and_nothing_else() {
    let scene = Scene::without_operator().await;
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let mut operator = start(
        &scene,
        &[
            (ENDPOINT, &url),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "5"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ],
    )
    .await;
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    eventually(PATIENCE, "spans are dropped and counted", async || {
        let (_, metrics) = operator.ask("/metrics").await;
        let line = r#"cooper_trace_spans_total{outcome="dropped"} "#;
        let count = metrics.lines().find_map(|found| found.strip_prefix(line));
        match count {
            Some(count) if count != "0" => Ok(()),
            _ => Err(format!("{count:?}")),
        }
    })
    .await;
    // By itself it would try for three minutes.
    operator.signal("TERM");
    assert_eq!(operator.end().await, Some(0), "{}", operator.log());
}

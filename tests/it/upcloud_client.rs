//! The typed client against the emulator: two readings of one reference.

mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cooper::confidential::Confidential;
use cooper::engine::budget::{Budget, Lane, Rates};
use cooper::http::{Auth, Limits, Transport, TransportOptions, Unmetered};
use cooper::upcloud::api::{
    Api, Code, ConfiguredStatus, Label, Network, NewService, OperationalState, Removed, ServiceId,
    routes,
};
use cooper::wire::Open;

use crate::ground::{Emulator, Fault, Side};
use walk::use_everything;

const LANE: Lane = Lane::Write;

fn client(emulator: &Emulator, token: &str) -> Api {
    let options = TransportOptions {
        base_url: emulator.api.clone(),
        auth: Auth::bearer(&Confidential::new(token)),
        ca_bundle: None,
        proxy: None,
        user_agent: "cooper/test".to_owned(),
        limits: Limits::default(),
        budget: Arc::new(Budget::new(Rates::per_second(100_000))),
        wire: Arc::new(Open),
        meter: Arc::new(Unmetered),
    };
    Api::new(Transport::new(options).unwrap())
}

async fn start(choices: &[&str]) -> (Emulator, Api) {
    let mut flags = vec!["--step", "0", "--purge", "0"];
    for choice in choices {
        flags.extend(["--choice", choice]);
    }
    let emulator = Emulator::start(&flags).await;
    let api = client(&emulator, "ucat_demo");
    (emulator, api)
}

fn new_service(name: &str) -> NewService {
    NewService {
        name: name.to_owned(),
        region: "europe-2".to_owned(),
        configured_status: ConfiguredStatus::Started,
        networks: vec![Network::public("public-net")],
        labels: vec![Label {
            key: "team".to_owned(),
            value: "media".to_owned(),
        }],
        properties: None,
        termination_protection: None,
    }
}

async fn service(api: &Api) -> ServiceId {
    api.create_service(LANE, &new_service("media"))
        .await
        .unwrap()
        .uuid
}

#[tokio::test]
async fn client_and_emulator_read_the_reference_alike() {
    let (emulator, api) = start(&[]).await;
    use_everything(&api).await.unwrap();
    let done: BTreeSet<_> = emulator
        .journal(0)
        .await
        .iter()
        .map(|entry| (entry.method.clone(), segments(&entry.path)))
        .collect();
    let missed: Vec<_> = routes::ROUTES
        .iter()
        .filter(|route| !done.iter().any(|(method, path)| fits(route, method, path)))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix("/1.3/object-storage-2").unwrap_or(path);
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn fits(route: &cooper::http::Route, method: &str, path: &[String]) -> bool {
    let template = segments(route.template);
    route.method.as_str() == method
        && template.len() == path.len()
        && template
            .iter()
            .zip(path)
            .all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
}

#[tokio::test]
async fn the_client_lives_with_the_other_readings() {
    let choices = [
        "duplicate-status=409",
        "auth-form=legacy",
        "service-shape=2025",
        "total-count=omit",
        "secret-after-creation=empty",
        "version-date=create_date",
        "inline-encoding=encoded",
        "trust-encoding=encoded",
        "termination-code=SERVICE_ERROR",
        "website-list=array",
        "second-delete=404",
    ];
    let (_emulator, api) = start(&choices).await;
    use_everything(&api).await.unwrap();
}

#[tokio::test]
async fn a_second_create_is_recognised_in_either_reading() {
    for status in ["400", "409"] {
        let (_emulator, api) = start(&[&format!("duplicate-status={status}")]).await;
        let s = service(&api).await;
        api.create_user(LANE, &s, "ci").await.unwrap();
        api.create_bucket(LANE, &s, "b").await.unwrap();
        for error in [
            api.create_service(LANE, &new_service("media"))
                .await
                .unwrap_err(),
            api.create_user(LANE, &s, "ci").await.unwrap_err(),
            api.create_bucket(LANE, &s, "b").await.unwrap_err(),
        ] {
            assert!(error.maybe_exists() && error.certain_refusal(), "{error}");
            let fault = cooper::engine::fault::Fault::from(error);
            assert_eq!(
                fault.reason,
                cooper::engine::reason::Reason::NameTaken,
                "{fault}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_credentials_are_recognised_in_either_reading() {
    for form in ["problem", "legacy"] {
        let (emulator, _) = start(&[&format!("auth-form={form}")]).await;
        let error = client(&emulator, "ucat_wrong")
            .get_account(LANE)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(401), "{error}");
        assert_eq!(
            error.problem().unwrap().code,
            Some(Code::AuthenticationFailed),
            "{form}"
        );
    }
}

#[tokio::test]
async fn lists_are_read_to_the_end() {
    for total in ["send", "omit"] {
        let (_emulator, api) = start(&[&format!("total-count={total}")]).await;
        let s = service(&api).await;
        for index in 0..200 {
            api.create_bucket(LANE, &s, &format!("bucket-{index}"))
                .await
                .unwrap();
        }
        assert_eq!(api.list_buckets(LANE, &s).await.unwrap().len(), 200);
    }
}

#[tokio::test]
async fn a_deleted_service_leaves_and_is_then_absent() {
    let emulator = Emulator::start(&["--step", "1000"]).await;
    let api = client(&emulator, "ucat_demo");
    let s = service(&api).await;
    assert_eq!(
        api.delete_service(LANE, &s, true).await.unwrap(),
        Removed::Done
    );
    emulator.advance(Duration::from_secs(2)).await;
    let leaving = api.get_service(LANE, &s).await.unwrap().unwrap();
    assert!(
        leaving
            .operational_state
            .as_ref()
            .is_some_and(OperationalState::is_leaving),
        "{leaving:?}"
    );
    emulator.advance(Duration::from_mins(1)).await;
    assert!(api.get_service(LANE, &s).await.unwrap().is_none());
}

#[tokio::test]
async fn a_lost_answer_to_a_create_leaves_the_outcome_open() {
    let (emulator, api) = start(&[]).await;
    let s = service(&api).await;
    emulator
        .fault(Fault::lost().at(Side::Api).on("POST", "/users").times(1))
        .await;
    let error = api.create_user(LANE, &s, "ci").await.unwrap_err();
    assert!(!error.certain_refusal() && error.is_retryable(), "{error}");
    assert!(api.get_user(LANE, &s, "ci").await.unwrap().is_some());
}

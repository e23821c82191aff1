//! The emulator keeps the contract by which tests steer it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{Emulator, Fault, Outcome, Side};

const SERVICES: &str = "/1.3/object-storage-2";

fn a_service(name: &str) -> Value {
    json!({"name": name, "region": "europe-2", "configured_status": "started"})
}

/// Asks the API as the operator does, without the operator.
async fn ask(emulator: &Emulator, path: &str) -> Result<reqwest::Response, reqwest::Error> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{}{path}", emulator.api))
        .bearer_auth("ucat_demo")
        .send()
        .await
}

#[tokio::test]
async fn what_somebody_else_makes_is_there_and_marked_as_theirs() {
    let emulator = Emulator::start(&["--step", "0"]).await;

    let made = emulator
        .foreign("demo", "POST", SERVICES, a_service("theirs"))
        .await;

    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["name"], "theirs");
    let state = emulator.state().await;
    assert_eq!(
        state["accounts"]["demo"]["services"][0]["name"], "theirs",
        "{state}"
    );
    let journal = emulator.journal(0).await;
    assert!(
        journal
            .iter()
            .all(|entry| entry.foreign && entry.is_write()),
        "{journal:?}"
    );
}

#[tokio::test]
async fn a_fault_befalls_the_request_it_is_for() {
    let emulator = Emulator::start(&[]).await;
    emulator
        .fault(
            Fault::status(503)
                .at(Side::Api)
                .on("GET", "object-storage")
                .nth(2)
                .times(1),
        )
        .await;
    emulator.fault(Fault::cut().on("GET", "account")).await;

    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(ask(&emulator, SERVICES).await.unwrap().status().as_u16());
    }
    assert_eq!(codes, [200, 503, 200]);
    ask(&emulator, "/1.3/account").await.unwrap_err();

    let cut = emulator.journal(0).await.pop().unwrap();
    assert_eq!(
        (cut.path.as_str(), cut.outcome),
        ("/1.3/account", Outcome::Cut)
    );
    emulator.fault(Fault::lost().times(0)).await;
    emulator.heal().await;
    assert!(
        ask(&emulator, "/1.3/account")
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

#[tokio::test]
async fn a_service_is_made_in_the_emulator_s_own_time() {
    let emulator = Emulator::start(&[]).await;
    emulator.pace(Duration::from_mins(1), Duration::ZERO).await;
    emulator
        .foreign("demo", "POST", SERVICES, a_service("slow"))
        .await;
    let state = async || emulator.state().await["accounts"]["demo"]["services"][0]["state"].clone();

    assert_ne!(state().await, "running");
    emulator.advance(Duration::from_hours(1)).await;
    assert_eq!(state().await, "running");
}

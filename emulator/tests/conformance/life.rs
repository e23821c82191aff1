//! The life of services and buckets on a clock that is moved by hand.

use serde_json::{Value, json};

use crate::ground::Ground;

fn state(ground: &Ground, path: &str) -> String {
    let answer = ground.get(path);
    if answer.status == 404 {
        return "404".to_owned();
    }
    answer.json()["operational_state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_service_passes_its_states_and_moves_updated_at() {
    let ground = Ground::paced(60_000, 0);
    let path = ground.service("media");
    let mut seen = vec![state(&ground, &path)];
    let mut updated = vec![ground.get(&path).json()["updated_at"].to_string()];
    for _ in 0..9 {
        ground.advance(60);
        seen.push(state(&ground, &path));
        updated.push(ground.get(&path).json()["updated_at"].to_string());
    }
    assert_eq!(
        seen,
        [
            "pending",
            "setup-service",
            "setup-network",
            "setup-tls",
            "setup-public-endpoint",
            "setup-dns",
            "setup-iam",
            "setup-checkup",
            "running",
            "running"
        ]
    );
    updated.dedup();
    assert_eq!(updated.len(), 9);
    ground.expect(200, "PATCH", &path, &json!({"labels": []}));
    assert_eq!(state(&ground, &path), "pending");
    assert_eq!(ground.delete(&path).status, 204);
    assert_eq!(state(&ground, &path), "pending");
    ground.advance(60);
    assert_eq!(state(&ground, &path), "delete-public-endpoint");
    assert_eq!(ground.get(&path).json()["configured_status"], "started");
    assert_eq!(ground.get("").json().as_array().unwrap().len(), 1);
    ground.expect(
        404,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "x"}),
    );
    assert_eq!(ground.delete(&path).status, 204);
    ground.advance(600);
    assert_eq!(state(&ground, &path), "404");
}

#[test]
fn nothing_waits_for_a_service_to_run() {
    let ground = Ground::paced(600_000, 0);
    let (path, _) = ground.furnished("media");
    assert_eq!(state(&ground, &path), "pending");
}

#[test]
fn a_stuck_service_stays_until_it_is_freed() {
    let ground = Ground::paced(1000, 0);
    ground.steer("PUT", "/provisioning", &json!({"stuck": "setup-tls"}));
    let path = ground.service("media");
    ground.advance(3600);
    assert_eq!(state(&ground, &path), "setup-tls");
    let (status, _) = ground.steer("PUT", "/provisioning", &json!({"step_ms": 0}));
    assert_eq!(status, 200);
    assert_eq!(state(&ground, &path), "setup-tls");
    ground.steer("PUT", "/provisioning", &json!({"stuck": null}));
    assert_eq!(state(&ground, &path), "running");
    let (status, _) = ground.steer("PUT", "/provisioning", &json!({"stuck": "no-such-state"}));
    assert!((400..500).contains(&status), "{status}");
}

#[test]
fn an_unverified_custom_domain_holds_the_service_with_a_message() {
    let ground = Ground::quick();
    ground.choose("custom-domain-dns", "unverified");
    let path = ground.service("media");
    let domain = json!({"type": "public", "domain_name": "files.example.org"});
    ground.expect(201, "POST", &format!("{path}/custom-domains"), &domain);
    let body = ground.get(&path).json();
    assert_eq!(body["operational_state"], "setup-checkup");
    assert_eq!(
        body["state_messages"][0]["code"],
        "waiting_certificate_issuing"
    );
    let domains = ground.get(&format!("{path}/domains")).json();
    assert_eq!(domains["domains"][1]["active"], false);
    ground.choose("custom-domain-dns", "verified");
    assert_eq!(state(&ground, &path), "running");
    assert_eq!(ground.get(&path).json()["state_messages"], json!([]));
}

#[test]
fn a_deleted_bucket_stays_listed_until_the_purge() {
    let ground = Ground::paced(0, 60_000);
    let path = ground.service("media");
    let buckets = format!("{path}/buckets");
    ground.expect(201, "POST", &buckets, &json!({"name": "logs"}));
    assert_eq!(ground.delete(&format!("{buckets}/logs")).status, 204);
    assert_eq!(ground.get(&buckets).json()[0]["deleted"], true);
    let answer = ground.expect(400, "POST", &buckets, &json!({"name": "logs"}));
    assert_eq!(answer.problem().1[0].1, "Bucket already exists");
    assert_eq!(ground.delete(&format!("{buckets}/logs")).status, 204);
    ground.advance(60);
    assert_eq!(ground.get(&buckets).json(), json!([]));
    assert_eq!(ground.delete(&format!("{buckets}/logs")).status, 404);
    ground.expect(201, "POST", &buckets, &json!({"name": "logs"}));
}

#[test]
fn even_at_once_a_deleted_bucket_is_listed_once() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let buckets = format!("{path}/buckets");
    ground.expect(201, "POST", &buckets, &json!({"name": "logs"}));
    ground.delete(&format!("{buckets}/logs"));
    assert_eq!(ground.get(&buckets).json()[0]["deleted"], true);
    assert_eq!(ground.get(&buckets).json(), json!([]));
}

#[test]
fn the_clock_shifts_dates_of_answers() {
    let ground = Ground::quick();
    let path = ground.service("early");
    ground.advance(86_400);
    let later = ground.service("late");
    let created =
        |path: &str| ground.get(path).json()["created_at"].as_str().unwrap()[..10].to_owned();
    assert_ne!(created(&path), created(&later));
    let date = ground.get(&later).header("date").unwrap().to_owned();
    let (_, clock) = ground.steer("GET", "/clock", &Value::Null);
    let day = &clock["now"].as_str().unwrap()[8..10];
    assert!(date.contains(&format!(", {day} ")), "{date} {clock}");
}

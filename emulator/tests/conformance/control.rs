//! The control API: faults, journal, accounts, acting as somebody else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ground::{BASE, Ground};
use crate::http::send;

fn users(ground: &Ground, path: &str) -> Vec<String> {
    let users = ground.get(&format!("{path}/users")).json();
    let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
    users.as_array().unwrap().iter().map(name).collect()
}

fn create(ground: &Ground, path: &str, name: &str) -> Option<u16> {
    let body = json!({"username": name});
    let answer = ground.attempt("POST", &format!("{path}/users"), Some(&body));
    answer.map(|answer| answer.status)
}

#[test]
fn a_lost_answer_was_applied_and_a_cut_request_was_not() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.fault(&json!({"match": {"method": "POST", "path": "/users$"}, "kind": {"lost": {}}}));
    assert_eq!(create(&ground, &path, "lost"), None);
    ground.fault(&json!({"match": {"method": "POST"}, "kind": {"cut": {}}}));
    assert_eq!(create(&ground, &path, "cut"), None);
    assert_eq!(create(&ground, &path, "good"), Some(201));
    assert_eq!(users(&ground, &path), ["good", "lost"]);
    let journal = ground.journal();
    let outcome = |at: usize| {
        (
            journal[at]["outcome"].clone(),
            journal[at]["status"].clone(),
        )
    };
    assert_eq!(outcome(1), (json!("lost"), json!(201)));
    assert_eq!(outcome(2), (json!("cut"), Value::Null));
    assert_eq!(outcome(3), (json!("answered"), json!(201)));
}

#[test]
fn a_late_request_is_applied_when_the_clock_gets_there() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.fault(&json!({"match": {"method": "POST"}, "kind": {"late": {"seconds": 600}}}));
    assert_eq!(create(&ground, &path, "late"), None);
    assert!(users(&ground, &path).is_empty());
    ground.advance(599);
    assert!(users(&ground, &path).is_empty());
    ground.advance(2);
    assert_eq!(users(&ground, &path), ["late"]);
    let entry = &ground.journal()[1];
    assert_eq!(
        (&entry["outcome"], &entry["status"]),
        (&json!("late"), &json!(201))
    );
}

#[test]
fn a_late_request_is_applied_in_real_time_too() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.fault(&json!({"match": {"method": "POST"}, "kind": {"late": {"seconds": 1}}}));
    create(&ground, &path, "late");
    let start = Instant::now();
    while users(&ground, &path).is_empty() && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    assert!(start.elapsed() >= Duration::from_millis(900));
    assert_eq!(users(&ground, &path), ["late"]);
}

#[test]
fn injected_statuses_carry_what_was_ordered() {
    let ground = Ground::quick();
    let order = json!({"nth": 2, "times": 2, "kind": {"status": {"code": 429, "retry_after": 7}}});
    ground.fault(&order);
    let statuses: Vec<u16> = (0..4).map(|_| ground.get("/regions").status).collect();
    assert_eq!(statuses, [200, 429, 429, 200]);
    ground.fault(&json!({"kind": {"status": {"code": 503, "retry_after": 2}}}));
    let answer = ground.get("/regions");
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("2"))
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    ground.fault(
        &json!({"kind": {"status": {"code": 500, "body": "oops", "content_type": "text/plain"}}}),
    );
    let answer = ground.get("/regions");
    assert_eq!(
        (answer.text(), answer.header("content-type")),
        ("oops", Some("text/plain"))
    );
    ground.fault(&json!({"kind": {"status": {"code": 500}}}));
    assert_eq!(ground.get("/regions").problem().0, "GENERAL_FAILURE");
}

#[test]
fn answers_can_be_broken_slow_or_from_elsewhere() {
    let ground = Ground::quick();
    ground.fault(&json!({"kind": {"truncate": {"bytes": 10}}}));
    let answer = ground.get("/regions");
    assert!(answer.broken && answer.body.len() == 10, "{answer:?}");
    ground.fault(&json!({"kind": {"html": {}}}));
    let answer = ground.get("/regions");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html"))
    );
    ground.fault(&json!({"kind": {"redirect": {"to": "http://127.0.0.1:1/x"}}}));
    let answer = ground.get("/regions");
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, Some("http://127.0.0.1:1/x"))
    );
    let start = Instant::now();
    ground.fault(&json!({"kind": {"latency": {"ms": 300}}}));
    assert_eq!(ground.get("/regions").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
    ground.fault(&json!({"kind": {"drip": {"ms_per_byte": 2}}}));
    let start = Instant::now();
    let answer = ground.get("");
    assert_eq!((answer.text(), answer.broken), ("[]", false));
    assert!(start.elapsed() >= Duration::from_millis(4));
}

#[test]
fn faults_are_listed_and_taken_back() {
    let ground = Ground::quick();
    let (_, made) = ground.steer("POST", "/faults", &json!({"times": 0, "kind": {"cut": {}}}));
    let (_, list) = ground.steer("GET", "/faults", &Value::Null);
    assert_eq!(list["faults"][0]["id"], made["id"]);
    assert!(ground.attempt("GET", "/regions", None).is_none());
    let id = made["id"].as_u64().unwrap();
    assert_eq!(
        ground
            .steer("DELETE", &format!("/faults/{id}"), &Value::Null)
            .0,
        200
    );
    assert_eq!(
        ground
            .steer("DELETE", &format!("/faults/{id}"), &Value::Null)
            .0,
        404
    );
    assert_eq!(ground.get("/regions").status, 200);
    for bad in [
        json!({}),
        json!({"kind": {"x": {}}}),
        json!({"kind": {"cut": {}}, "match": {"path": "("}}),
    ] {
        assert!(
            (400..500).contains(&ground.steer("POST", "/faults", &bad).0),
            "{bad}"
        );
    }
}

#[test]
fn faults_of_one_side_spare_the_others() {
    let ground = Ground::quick();
    ground.fault(&json!({"match": {"side": "s3"}, "times": 0, "kind": {"status": {"code": 503}}}));
    assert_eq!(ground.get("/regions").status, 200);
    let answer = send(&ground.emulator.addresses.s3, "GET", "/", &[], b"").unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("<Code>SlowDown</Code>"));
}

#[test]
fn the_journal_has_every_request_without_secrets() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.as_token("ucat_wrong").get("");
    let (_, read) = ground.steer("GET", "/journal?since=1", &Value::Null);
    assert_eq!(read["next"], 3);
    let entry = &read["entries"][0];
    assert_eq!(entry["request"]["name"], "media");
    for (member, want) in [
        ("seq", json!(1)),
        ("side", json!("api")),
        ("method", json!("POST")),
        ("path", json!(BASE)),
        ("query", json!("")),
        ("status", json!(201)),
        ("account", json!("demo")),
        ("user_agent", json!("conformance")),
        ("foreign", json!(false)),
    ] {
        assert_eq!(entry[member], want, "{member}");
    }
    let refused = &read["entries"][1];
    assert_eq!(
        (&refused["account"], &refused["status"]),
        (&Value::Null, &json!(401))
    );
    assert!(refused.get("request").is_none());
    assert!(!read.to_string().contains("ucat_"));
    ground.steer("DELETE", "/journal", &Value::Null);
    ground.get(&format!("{path}?x=1"));
    let (_, read) = ground.steer("GET", "/journal?since=3", &Value::Null);
    assert_eq!(read["entries"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&read["entries"][0]["query"], &read["next"]),
        (&json!("x=1"), &json!(4))
    );
}

#[test]
fn somebody_else_acts_past_faults_and_is_journaled_as_foreign() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.fault(&json!({"times": 0, "kind": {"status": {"code": 500}}}));
    let body = json!({"account": "demo", "method": "post", "path": format!("{BASE}{path}/users"), "body": {"username": "eve"}});
    let (status, answer) = ground.steer("POST", "/foreign", &body);
    assert_eq!(
        (status, &answer["status"], &answer["body"]["username"]),
        (200, &json!(201), &json!("eve"))
    );
    let body =
        json!({"account": "demo", "method": "DELETE", "path": format!("{BASE}{path}/users/eve")});
    let (_, answer) = ground.steer("POST", "/foreign", &body);
    assert_eq!(
        (&answer["status"], &answer["body"]),
        (&json!(204), &Value::Null)
    );
    assert!(
        ground.journal().last().unwrap()["foreign"]
            .as_bool()
            .unwrap()
    );
    let (status, _) = ground.steer(
        "POST",
        "/foreign",
        &json!({"account": "x", "method": "GET", "path": "/"}),
    );
    assert_eq!(status, 404);
}

#[test]
fn accounts_come_change_and_lose_their_credentials() {
    let ground = Ground::quick();
    let new = json!({"name": "new", "token": "ucat_new", "username": "n", "password": "p"});
    assert_eq!(ground.steer("POST", "/accounts", &new).0, 201);
    assert_eq!(ground.steer("POST", "/accounts", &new).0, 409);
    let (_, list) = ground.steer("GET", "/accounts", &Value::Null);
    assert!(list.to_string().contains("new") && !list.to_string().contains("ucat_new"));
    let them = ground.as_token("ucat_new");
    them.service("media");
    assert_eq!(ground.get("").json(), json!([]));
    ground.steer("PUT", "/accounts/new", &json!({"token": "ucat_newer"}));
    assert_eq!(them.get("").status, 401);
    assert_eq!(
        ground
            .as_token("ucat_newer")
            .get("")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    ground.steer("DELETE", "/accounts/new/token", &Value::Null);
    assert_eq!(ground.as_token("ucat_newer").get("").status, 401);
    let basic = |text: &str| {
        send(
            &ground.emulator.addresses.api,
            "GET",
            BASE,
            &[("Authorization", text)],
            b"",
        )
    };
    assert_eq!(basic("Basic bjpw").unwrap().status, 200);
    ground.steer("DELETE", "/accounts/new/password", &Value::Null);
    assert_eq!(basic("Basic bjpw").unwrap().status, 401);
    assert_eq!(ground.steer("DELETE", "/accounts/new", &Value::Null).0, 200);
    assert_eq!(ground.steer("DELETE", "/accounts/new", &Value::Null).0, 404);
}

#[test]
fn choices_are_refused_as_a_whole() {
    let ground = Ground::quick();
    let (status, _) = ground.steer(
        "PUT",
        "/choices",
        &json!({"keys-per-user": 1, "credits": "none"}),
    );
    assert_eq!(status, 400);
    let (_, choices) = ground.steer("GET", "/choices", &Value::Null);
    assert_eq!(choices["keys-per-user"], "2");
    ground.choose("credits", "short");
    let answer = ground.call("POST", "", &crate::ground::service("media"));
    assert_eq!(
        (answer.status, answer.problem().0.as_str()),
        (402, "INSUFFICIENT_CREDITS")
    );
}

#[test]
fn the_state_shows_what_there_is() {
    let ground = Ground::quick();
    let (path, key) = ground.furnished("media");
    let (_, state) = ground.steer("GET", "/state", &Value::Null);
    let service = &state["accounts"]["demo"]["services"][0];
    assert_eq!(format!("/{}", service["uuid"].as_str().unwrap()), path);
    assert_eq!(service["state"], "running");
    assert_eq!(service["users"][0]["keys"][0]["id"], key);
    assert_eq!(service["users"][0]["attached"], json!(["reader"]));
    assert_eq!(service["groups"][1]["members"], json!(["ci"]));
    assert_eq!(service["policies"][0]["attachments"], 3);
    assert_eq!(service["buckets"][0]["name"], "invoices");
    assert_eq!(state["accounts"]["other"]["services"], json!([]));
}

//! Switches: each row does the same once by default and once turned.

use serde_json::{Value, json};

use crate::ground::{DOCUMENT, Ground, TRUST, public_network, service};
use crate::signer::{Key, s3};

/// What is looked at: a status, or a part of an answer.
type Look = fn(&Ground, &str) -> Value;

fn status(ground: &Ground, method: &str, path: &str, body: &Value) -> Value {
    ground.call(method, path, body).status.into()
}

fn role(name: &str) -> Value {
    json!({"name": name, "assume_role_policy_document": TRUST})
}

fn names(list: &Value, member: &str) -> Value {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item[member].clone()).collect()
}

/// Status of listing the buckets with a new key of a user whom a policy was just attached to.
fn fresh_access(ground: &Ground, path: &str) -> Value {
    let user = format!("{path}/users/new");
    ground.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "new"}),
    );
    let policy = json!({"name": "ECSS3FullAccess"});
    ground.expect(204, "POST", &format!("{user}/policies"), &policy);
    let made = ground.expect(201, "POST", &format!("{user}/access-keys"), &json!({}));
    let text = |member: &str| made.json()[member].as_str().unwrap().to_owned();
    let key = Key {
        id: text("access_key_id"),
        secret: text("secret_access_key"),
    };
    let first = s3(ground, &key, "GET", "/", b"");
    ground.advance(60);
    let second = s3(ground, &key, "GET", "/", b"");
    json!([first.status, second.status])
}

/// Allowed origin of a service's S3 answers to a page elsewhere.
fn allowed_origin(ground: &Ground, path: &str) -> Value {
    let properties = json!({"properties": {"access_control_origin_override": "https://a.example"}});
    let body = ground.expect(200, "PATCH", path, &properties).json();
    let host = body["endpoints"][0]["domain_name"]
        .as_str()
        .unwrap()
        .to_owned();
    let headers = [
        ("Host", host.as_str()),
        ("Origin", "https://b.example"),
        ("Access-Control-Request-Method", "GET"),
    ];
    let base = &ground.emulator.addresses.s3;
    let answer = crate::http::send(base, "OPTIONS", "/invoices/x", &headers, b"").unwrap();
    json!([answer.status, answer.header("access-control-allow-origin")])
}

/// The CORS origin in the state after a PUT that does not mention it.
fn origin_after_put(ground: &Ground, path: &str) -> Value {
    let properties = json!({"properties": {"access_control_origin_override": "*"}});
    ground.expect(200, "PATCH", path, &properties);
    let put = json!({"name": "put", "configured_status": "started"});
    ground.expect(200, "PUT", path, &put);
    let (_, state) = ground.steer("GET", "/state", &Value::Null);
    state["accounts"]["demo"]["services"][0]["cors_origin"].clone()
}

fn state_and_code(ground: &Ground, path: &str) -> Value {
    // A service that has settled stays so; the switch holds it on its next way.
    ground.expect(200, "PATCH", path, &json!({"labels": []}));
    let body = ground.get(path).json();
    json!([body["operational_state"], body["state_messages"][0]["code"]])
}

#[rustfmt::skip]
fn rows() -> Vec<(&'static str, &'static str, Look, Value, Value)> {
    vec![
        ("duplicate-status", "409", |g, p| status(g, "POST", &format!("{p}/users"), &json!({"username": "ci"})), json!(400), json!(409)),
        ("missing-delete", "204", |g, p| status(g, "DELETE", &format!("{p}/users/absent"), &Value::Null), json!(404), json!(204)),
        ("null-arrays", "accept", |g, _| { let mut b = service("x"); b["labels"] = Value::Null; status(g, "POST", "", &b) }, json!(400), json!(201)),
        ("zero-networks", "400", |g, _| { let mut b = service("x"); b["networks"] = json!([]); status(g, "POST", "", &b) }, json!(201), json!(400)),
        ("ipv6", "400", |g, p| status(g, "PATCH", p, &json!({"networks": [{"name": "six", "type": "public", "family": "IPv6"}]})), json!(200), json!(400)),
        ("service-name", "length", |g, p| status(g, "PATCH", p, &json!({"name": "with space"})), json!(400), json!(200)),
        ("properties-on-put", "keep", origin_after_put, Value::Null, json!("*")),
        ("cors-override", "ignore", allowed_origin, json!([200, "https://a.example"]), json!([403, null])),
        ("null-label", "null", |g, p| g.expect(201, "POST", &format!("{p}/labels"), &json!({"key": "none", "value": null})).json()["value"].clone(), json!(""), Value::Null),
        ("repeated-keys", "last", |g, p| status(g, "PUT", &format!("{p}/users/ci/tags"), &json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])), json!(400), json!(200)),
        ("name-patch", "settled", |g, p| g.expect(200, "PATCH", p, &json!({"name": "other"})).json()["operational_state"].clone(), json!("pending"), json!("running")),
        ("labels-patch", "settled", |g, p| g.expect(200, "PATCH", p, &json!({"labels": []})).json()["operational_state"].clone(), json!("pending"), json!("running")),
        ("unchanged-patch", "settled", |g, p| g.expect(200, "PATCH", p, &json!({})).json()["operational_state"].clone(), json!("pending"), json!("running")),
        ("custom-domain-dns", "unverified", state_and_code, json!(["running", null]), json!(["setup-checkup", "waiting_certificate_issuing"])),
        ("custom-domain-dns", "failed", state_and_code, json!(["running", null]), json!(["setup-checkup", "failed_custom_domain_verification"])),
        ("custom-domain-dns", "pending", state_and_code, json!(["running", null]), json!(["pending", null])),
        ("custom-domain-depth", "3-to-5", |g, p| status(g, "POST", &format!("{p}/custom-domains"), &json!({"type": "public", "domain_name": "example.net"})), json!(201), json!(400)),
        ("custom-domain-type", "any", |g, p| status(g, "POST", &format!("{p}/custom-domains"), &json!({"type": "private", "domain_name": "a.example.net"})), json!(400), json!(201)),
        ("domain-with-website", "blocked", |g, p| status(g, "DELETE", &format!("{p}/custom-domains/www.media.org"), &Value::Null), json!(204), json!(400)),
        ("static-domain-endpoint", "yes", |g, p| g.get(p).json()["endpoints"].as_array().unwrap().len().into(), json!(4), json!(5)),
        ("static-domain-listed", "yes", |g, p| g.get(&format!("{p}/domains")).json()["domains"].as_array().unwrap().len().into(), json!(4), json!(5)),
        ("website-bucket", "must-exist", |g, p| status(g, "POST", &format!("{p}/static-websites"), &json!({"bucket_name": "absent"})), json!(201), json!(400)),
        ("website-list", "array", |g, p| g.get(&format!("{p}/static-websites")).json().is_array().into(), json!(false), json!(true)),
        ("bucket-with-website", "blocked", |g, p| status(g, "DELETE", &format!("{p}/buckets/invoices"), &Value::Null), json!(204), json!(400)),
        ("bucket-with-website", "remove", |g, p| { g.delete(&format!("{p}/buckets/invoices")); g.get(p).json()["static_websites"].as_array().unwrap().len().into() }, json!(1), json!(0)),
        ("service-shape", "2025", |g, p| g.get(p).json().get("static_websites").is_some().into(), json!(true), json!(false)),
        ("list-order", "created_at", |g, p| { g.advance(5); g.expect(201, "POST", &format!("{p}/groups"), &json!({"name": "aaa"})); names(&g.get(&format!("{p}/groups")).json(), "name")[0].clone() }, json!("aaa"), json!("empty")),
        ("limit-zero", "400", |g, _| g.get("?limit=0").status.into(), json!(200), json!(400)),
        ("total-count", "omit", |g, _| json!(g.get("").header("upcloud-total-count")), json!("1"), Value::Null),
        ("sort-default", "created_at", |g, _| { g.advance(5); g.service("later"); g.get("").json()[0]["name"].clone() }, json!("later"), json!("media")),
        ("list-delay", "60", |g, p| { g.expect(201, "POST", &format!("{p}/users"), &json!({"username": "new"})); g.get(&format!("{p}/users")).json().as_array().unwrap().len().into() }, json!(2), json!(0)),
        ("interval-m", "month", |g, p| g.get(&format!("{p}/metrics/series?interval=1m&from=2026-01-01T00:00:00Z&to=2026-01-01T00:10:00Z")).json().as_array().unwrap().len().into(), json!(10), json!(0)),
        ("path-names", "strict", |g, p| g.get(&format!("{p}/users/a.b")).status.into(), json!(404), json!(400)),
        ("name-case", "insensitive", |g, p| status(g, "POST", &format!("{p}/users"), &json!({"username": "CI"})), json!(201), json!(400)),
        ("stopped-iam", "400", |g, p| { g.expect(200, "PATCH", p, &json!({"configured_status": "stopped"})); status(g, "POST", &format!("{p}/users"), &json!({"username": "new"})) }, json!(201), json!(400)),
        ("deleted-bucket-name", "free", |g, p| { g.delete(&format!("{p}/buckets/invoices")); status(g, "POST", &format!("{p}/buckets"), &json!({"name": "invoices"})) }, json!(400), json!(201)),
        ("keys-per-user", "1", |g, p| status(g, "POST", &format!("{p}/users/ci/access-keys"), &json!({})), json!(201), json!(400)),
        ("secret-after-creation", "empty", |g, p| g.get(&format!("{p}/users/ci/access-keys")).json()[0].get("secret_access_key").cloned().unwrap_or_default(), Value::Null, json!("")),
        ("versions-per-policy", "2", |g, p| status(g, "POST", &format!("{p}/policies/reader/versions"), &json!({"document": DOCUMENT})), json!(201), json!(400)),
        ("policy-with-versions", "blocked", |g, p| { g.call("POST", &format!("{p}/policies/spare/versions"), &json!({"document": DOCUMENT})); status(g, "DELETE", &format!("{p}/policies/spare"), &Value::Null) }, json!(204), json!(400)),
        ("version-date", "create_date", |g, p| g.get(&format!("{p}/policies/reader/versions")).json()[0].get("created_at").is_some().into(), json!(true), json!(false)),
        ("document-plus", "plus", |g, p| g.expect(201, "POST", &format!("{p}/policies"), &json!({"name": "plus", "document": "%7B%22Id%22:%22a+b%22%7D"})).json()["document"].clone(), json!("%7B%22Id%22%3A%22a+b%22%7D"), json!("%7B%22Id%22%3A%22a%2Bb%22%7D")),
        ("same-default", "400", |g, p| status(g, "PATCH", &format!("{p}/policies/reader"), &json!({"version_id": "v2"})), json!(200), json!(400)),
        ("no-description", "empty", |g, p| g.get(&format!("{p}/policies/reader")).json().get("description").cloned().unwrap_or_default(), Value::Null, json!("")),
        ("attach-twice", "400", |g, p| status(g, "POST", &format!("{p}/users/ci/policies"), &json!({"name": "reader"})), json!(204), json!(400)),
        ("join-twice", "400", |g, p| status(g, "POST", &format!("{p}/groups/team/users/ci"), &Value::Null), json!(204), json!(400)),
        ("key-delay", "30", fresh_access, json!([200, 200]), json!([403, 200])),
        ("policy-delay", "30", fresh_access, json!([200, 200]), json!([403, 200])),
        ("boundary-answer", "object", |g, p| g.expect(200, "PUT", &format!("{p}/users/ci/permissions-boundary"), &json!({"policy_name": "spare"})).json(), json!("spare"), json!({"policy_name": "spare"})),
        ("session-default", "7200", |g, p| g.expect(201, "POST", &format!("{p}/roles"), &role("new")).json()["max_session_duration"].clone(), json!(3600), json!(7200)),
        ("attachment-delay", "60", |g, p| g.get(&format!("{p}/policies/reader")).json()["attachment_count"].clone(), json!(3), json!(0)),
        ("system-attachments", "region", |g, p| g.get(&format!("{p}/policies/ECSDenyAll")).json()["attachment_count"].clone(), json!(0), json!(435)),
        ("inline-repeat", "400", |g, p| status(g, "POST", &format!("{p}/users/ci/inline-policies"), &json!({"name": "inline", "document": DOCUMENT})), json!(201), json!(400)),
        ("inline-encoding", "encoded", |g, p| g.get(&format!("{p}/users/ci/inline-policies/inline")).json()["document"].as_str().unwrap().starts_with('{').into(), json!(true), json!(false)),
        ("trust-encoding", "encoded", |g, p| g.get(&format!("{p}/roles/bare")).json()["assume_role_policy_document"].as_str().unwrap().starts_with('{').into(), json!(true), json!(false)),
        ("group-policy-put", "accept", |g, p| status(g, "PUT", &format!("{p}/groups/team/policies/spare"), &Value::Null), json!(405), json!(204)),
        ("tag-object", "accept", |g, p| status(g, "PUT", &format!("{p}/users/ci/tags"), &json!({"key": "a", "value": "b"})), json!(400), json!(200)),
        ("tags-most", "1", |g, p| status(g, "PUT", &format!("{p}/users/ci/tags"), &json!([{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])), json!(200), json!(400)),
        ("user-with-attachments", "blocked", |g, p| status(g, "DELETE", &format!("{p}/users/ci"), &Value::Null), json!(204), json!(400)),
        ("group-in-use", "delete", |g, p| status(g, "DELETE", &format!("{p}/groups/team"), &Value::Null), json!(400), json!(204)),
        ("role-in-use", "delete", |g, p| status(g, "DELETE", &format!("{p}/roles/uploader"), &Value::Null), json!(400), json!(204)),
        ("delete-blockers", "none", |g, p| status(g, "DELETE", p, &Value::Null), json!(400), json!(204)),
        ("termination-code", "SERVICE_ERROR", |g, p| { g.expect(200, "PATCH", p, &json!({"termination_protection": true})); g.delete(p).problem().0.into() }, json!("INVALID_REQUEST"), json!("SERVICE_ERROR")),
        ("private-swap", "accept", |g, p| status(g, "PATCH", p, &json!({"networks": [public_network("public"), crate::ground::private_network("elsewhere")]})), json!(500), json!(200)),
        ("unknown-sdn", "400", |g, p| status(g, "POST", &format!("{p}/networks"), &crate::ground::private_network("elsewhere")), json!(201), json!(400)),
        ("credits", "short", |g, _| status(g, "POST", "", &service("x")), json!(201), json!(402)),
        ("auth-form", "legacy", |g, _| g.as_token("x").get("").json().get("error").is_some().into(), json!(false), json!(true)),
        ("quota-services", "1", |g, _| status(g, "POST", "", &service("x")), json!(201), json!(400)),
        ("quota-buckets", "1", |g, p| status(g, "POST", &format!("{p}/buckets"), &json!({"name": "x"})), json!(201), json!(400)),
        ("quota-users", "1", |g, p| status(g, "POST", &format!("{p}/users"), &json!({"username": "x"})), json!(201), json!(400)),
        ("quota-groups", "1", |g, p| status(g, "POST", &format!("{p}/groups"), &json!({"name": "x"})), json!(201), json!(400)),
        ("quota-roles", "1", |g, p| status(g, "POST", &format!("{p}/roles"), &role("x")), json!(201), json!(400)),
        ("quota-policies", "1", |g, p| status(g, "POST", &format!("{p}/policies"), &json!({"name": "x", "document": DOCUMENT})), json!(201), json!(400)),
        ("quota-attachments", "1", |g, p| status(g, "POST", &format!("{p}/users/ci/policies"), &json!({"name": "spare"})), json!(204), json!(400)),
    ]
}

/// Switches with a test of their own, since they need time to pass or two accounts.
const ELSEWHERE: [&str; 4] = [
    "custom-domain-scope",
    "deleted-buckets-block",
    "deleting-writes",
    "second-delete",
];

#[test]
fn every_switch_has_a_row_and_does_what_it_says() {
    let rows = rows();
    let mut named: Vec<&str> = rows.iter().map(|row| row.0).chain(ELSEWHERE).collect();
    named.sort_unstable();
    named.dedup();
    let all = cooper_emulator::choices::Choice::ALL.iter();
    let mut all: Vec<&str> = all.map(|choice| choice.name()).collect();
    all.sort_unstable();
    assert_eq!(named, all);
    for (name, value, look, by_default, turned) in rows {
        for (turn, want) in [(false, by_default), (true, turned)] {
            let ground = Ground::quick();
            let (path, _) = ground.furnished("media");
            if turn {
                ground.choose(name, value);
            }
            assert_eq!(look(&ground, &path), want, "{name}={value}: turned {turn}");
        }
    }
}

#[test]
fn a_service_under_deletion_takes_what_the_switches_say() {
    for (name, value, method, below, by_default, turned) in [
        ("second-delete", "404", "DELETE", "", 204, 404),
        ("deleting-writes", "accept", "POST", "/users", 404, 201),
    ] {
        for (turn, want) in [(false, by_default), (true, turned)] {
            let ground = Ground::paced(1000, 0);
            let path = ground.service("media");
            if turn {
                ground.choose(name, value);
            }
            assert_eq!(ground.delete(&path).status, 204);
            let body = json!({"username": "late"});
            let answer = ground.call(method, &format!("{path}{below}"), &body);
            assert_eq!(answer.status, want, "{name}: turned {turn}");
        }
    }
}

#[test]
fn a_bucket_in_purge_and_a_domain_elsewhere_count_as_the_switches_say() {
    let ground = Ground::paced(0, 60_000);
    for (value, want) in [("yes", 400), ("no", 204)] {
        let path = ground.service(&format!("b-{value}"));
        ground.expect(
            201,
            "POST",
            &format!("{path}/buckets"),
            &json!({"name": "b"}),
        );
        assert_eq!(ground.delete(&format!("{path}/buckets/b")).status, 204);
        ground.choose("deleted-buckets-block", value);
        assert_eq!(ground.delete(&path).status, want, "{value}");
    }
    let other = ground.as_token("ucat_other");
    let (ours, theirs) = (ground.service("ours"), other.service("theirs"));
    let domain = json!({"type": "public", "domain_name": "files.example.org"});
    ground.expect(201, "POST", &format!("{ours}/custom-domains"), &domain);
    other.expect(400, "POST", &format!("{theirs}/custom-domains"), &domain);
    ground.choose("custom-domain-scope", "service");
    other.expect(201, "POST", &format!("{theirs}/custom-domains"), &domain);
}

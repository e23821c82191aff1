//! Bodies as the API reference shows them, byte by byte: members, their order, what is left out.

use regex_lite::Regex;
use serde_json::json;

use crate::ground::Ground;

const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}]}"#;
const ENCODED: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B%22s3%3AGetObject%22%5D%2C%22Resource%22%3A%22*%22%7D%5D%7D";

/// A body without what differs from run to run: dates, identifiers, secrets. The wrong shape of one of
/// these is left as it is.
fn shape(ground: &Ground, service: &str, text: &str) -> String {
    let uuid = service.trim_start_matches('/');
    let body = ground.get(service).json();
    let host = body["endpoints"][0]["domain_name"]
        .as_str()
        .unwrap_or("none")
        .to_owned();
    let label = host.split('.').next().unwrap();
    let mut text = text
        .replace(uuid, "S")
        .replace(&uuid.replace('-', ""), "NS")
        .replace(&format!("{label}."), "q7x2m.")
        .replace(&format!("{label}-"), "q7x2m-");
    for (pattern, stands) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z", "MICROS"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "SECONDS"),
        (r"AKIA[0-9A-F]{16}", "KEY"),
        (
            r#""secret_access_key":"[A-Za-z0-9+/]{40}""#,
            r#""secret_access_key":"SECRET""#,
        ),
        (
            r#""correlation_id":"[0-7][0-9A-HJKMNP-TV-Z]{25}""#,
            r#""correlation_id":"CID""#,
        ),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, stands)
            .into_owned();
    }
    text
}

const SERVICE: &str = r#"{"configured_status":"started","created_at":"MICROS","custom_domains":[],"endpoints":[{"domain_name":"q7x2m.upcloudobjects.com","iam_url":"https://q7x2m.upcloudobjects.com:4443/iam","mode":"api","sts_url":"https://q7x2m.upcloudobjects.com:4443/sts","type":"public"},{"domain_name":"q7x2m-static.upcloudobjects.com","mode":"static-website","type":"public"}],"labels":[{"key":"team","value":"media"}],"name":"media-store","networks":[{"family":"IPv4","name":"public-net","type":"public"}],"operational_state":"pending","region":"europe-2","state_messages":[],"static_websites":[],"termination_protection":false,"updated_at":"MICROS","usage":{"total_objects":0,"total_size_bytes":0},"users":[],"uuid":"S"}"#;

#[test]
fn bodies_are_those_of_the_reference() {
    let ground = Ground::quick();
    let body = json!({"configured_status": "started", "labels": [{"key": "team", "value": "media"}], "name": "media-store",
        "networks": [{"family": "IPv4", "name": "public-net", "type": "public"}], "region": "europe-2"});
    let made = ground.expect(201, "POST", "", &body);
    let s = format!("/{}", made.json()["uuid"].as_str().unwrap());
    assert_eq!(shape(&ground, &s, made.text()), SERVICE);
    let website = r#"{"bucket_name":"website","bucket_prefix":"","created_at":"SECONDS","domain_name":"q7x2m-static.upcloudobjects.com","enabled":true,"error_pages":[{"error_document":"404.html","status_code":404}],"index_document":"index.html","spa_mode":false,"updated_at":"SECONDS"}"#;
    let policy = format!(
        r#"{{"arn":"urn:ecs:iam::NS:policy/invoices-ro","attachment_count":0,"created_at":"SECONDS","default_version_id":"v1","description":"Read invoices","document":"{ENCODED}","name":"invoices-ro","system":false,"updated_at":"SECONDS"}}"#
    );
    let version = format!(
        r#"{{"created_at":"SECONDS","document":"{ENCODED}","is_default":true,"version_id":"v2"}}"#
    );
    let inline = json!({"document": DOCUMENT, "name": "put-only"});
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["x"]}}]}"#;
    let role = format!(
        r#"{{"arn":"urn:ecs:iam::NS:role/uploader","assume_role_policy_document":{},"created_at":"SECONDS","description":"CI uploads","inline_policies":[],"max_session_duration":3600,"name":"uploader","policies":[],"tags":[{{"key":"env","value":"prod"}}]}}"#,
        json!(trust)
    );
    let system = r#"{"arn":"urn:ecs:iam:::policy/ECSDenyAll","attachment_count":0,"created_at":"SECONDS","default_version_id":"v1","description":"Deny all access.","name":"ECSDenyAll","system":true,"updated_at":"SECONDS"}"#;
    let private = r#"{"family":"IPv4","name":"backend-net","type":"private","uuid":"03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1"}"#;
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let user = r#"{"access_keys":[],"arn":"urn:ecs:iam::NS:user/ci","created_at":"SECONDS","policies":[],"tags":[],"username":"ci"}"#;
    let boundary = json!({"policy_name": "invoices-ro"});
    let steps = [
        ("POST", "/networks", read(private), 201, private.to_owned()),
        ("POST", "/custom-domains", json!({"domain_name": "files.example.org", "type": "public"}), 201, r#"{"domain_name":"files.example.org","mode":"api","type":"public"}"#.to_owned()),
        ("GET", "/domains", json!(null), 200, r#"{"domains":[{"active":true,"domain":"q7x2m.upcloudobjects.com","static_website_configured":false,"type":"public"},{"active":true,"domain":"q7x2m-private.upcloudobjects.com","static_website_configured":false,"type":"private"},{"active":true,"domain":"files.example.org","static_website_configured":false,"type":"custom"}]}"#.to_owned()),
        ("GET", "/metrics", json!(null), 200, r#"{"total_objects":0,"total_size_bytes":0}"#.to_owned()),
        ("GET", "/metrics/series?from=2026-02-03T10:00:00Z&to=2026-02-03T11:00:00Z", json!(null), 200, r#"[{"bytes_created":0,"bytes_deleted":0,"bytes_received":0,"bytes_total":0,"bytes_transmitted":0,"end_at":"SECONDS","objects_created":0,"objects_deleted":0,"objects_total":0,"start_at":"SECONDS"}]"#.to_owned()),
        ("POST", "/buckets", json!({"name": "invoices"}), 201, r#"{"deleted":false,"name":"invoices","total_objects":0,"total_size_bytes":0}"#.to_owned()),
        ("POST", "/labels", json!({"key": "env", "value": "prod"}), 201, r#"{"key":"env","value":"prod"}"#.to_owned()),
        ("POST", "/static-websites", json!({"bucket_name": "website", "error_pages": [{"error_document": "404.html", "status_code": 404}]}), 201, website.to_owned()),
        ("POST", "/users", json!({"username": "ci"}), 201, user.to_owned()),
        ("POST", "/users/ci/access-keys", json!({}), 201, r#"{"access_key_id":"KEY","created_at":"SECONDS","last_used_at":"0001-01-01T00:00:00Z","secret_access_key":"SECRET","status":"Active"}"#.to_owned()),
        ("GET", "/users/ci/access-keys", json!(null), 200, r#"[{"access_key_id":"KEY","created_at":"SECONDS","last_used_at":"SECONDS","status":"Active"}]"#.to_owned()),
        ("POST", "/users/ci/policies", json!({"name": "ECSS3FullAccess"}), 204, String::new()),
        ("GET", "/users/ci/policies", json!(null), 200, r#"[{"arn":"urn:ecs:iam:::policy/ECSS3FullAccess","name":"ECSS3FullAccess"}]"#.to_owned()),
        ("GET", "/users/ci", json!(null), 200, r#"{"access_keys":[{"access_key_id":"KEY","created_at":"SECONDS","last_used_at":"SECONDS","status":"Active"}],"arn":"urn:ecs:iam::NS:user/ci","created_at":"SECONDS","policies":[{"arn":"urn:ecs:iam:::policy/ECSS3FullAccess","name":"ECSS3FullAccess"}],"tags":[],"username":"ci"}"#.to_owned()),
        ("POST", "/users/ci/inline-policies", inline.clone(), 201, inline.to_string()),
        ("PUT", "/users/ci/tags", json!([{"key": "env", "value": "prod"}]), 200, r#"[{"key":"env","value":"prod"}]"#.to_owned()),
        ("POST", "/policies", json!({"description": "Read invoices", "document": ENCODED, "name": "invoices-ro"}), 201, policy),
        ("POST", "/policies/invoices-ro/versions", json!({"document": DOCUMENT, "is_default": true}), 201, version),
        ("PUT", "/users/ci/permissions-boundary", boundary, 200, r#""invoices-ro""#.to_owned()),
        ("DELETE", "/policies/invoices-ro", json!(null), 400, "{\"type\":\"https://developers.upcloud.com/1.3/errors#ERROR_INVALID_REQUEST\",\"title\":\"Validation error.\",\"invalid_params\":[{\"name\":\"(root)\",\"reason\":\"Iam managed policy invoices-ro has attached subordinate entities in namespace NS.\"}],\"correlation_id\":\"CID\",\"status\":400}\n".to_owned()),
        ("GET", "/users/absent", json!(null), 404, "{\"type\":\"https://developers.upcloud.com/1.3/errors#ERROR_RESOURCE_NOT_FOUND\",\"title\":\"The resource you requested does not exist.\",\"correlation_id\":\"CID\",\"status\":404}\n".to_owned()),
        ("POST", "/groups", json!({"name": "readers"}), 201, r#"{"arn":"urn:ecs:iam::NS:group/readers","created_at":"SECONDS","name":"readers"}"#.to_owned()),
        ("POST", "/groups/readers/users/ci", json!(null), 204, String::new()),
        ("POST", "/roles", json!({"assume_role_policy_document": trust, "description": "CI uploads", "max_session_duration": 3600, "name": "uploader", "tags": [{"key": "env", "value": "prod"}]}), 201, role),
        ("PUT", "/roles/uploader/assume-role-policy", json!({"document": trust}), 200, json!({"document": trust}).to_string()),
    ];
    for (method, path, body, status, want) in steps {
        let sent = (!body.is_null()).then_some(&body);
        let answer = ground.attempt(method, &format!("{s}{path}"), sent).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(shape(&ground, &s, answer.text()), want, "{method} {path}");
    }
    let policies = ground.get(&format!("{s}/policies"));
    let policies = shape(&ground, &s, policies.text());
    assert!(policies.starts_with(&format!("[{system},")), "{policies}");
    let regions = ground.get("/regions");
    let apac = r#"[{"allow_new":true,"name":"apac-1","primary_zone":"sg-sin1","zones":[{"name":"sg-sin1"},{"name":"au-syd1"}]},"#;
    assert!(regions.text().starts_with(apac), "{}", regions.text());
    // As recorded: the names of headers are written so, and without a charset.
    assert!(
        regions
            .headers
            .iter()
            .any(|(name, _)| name == "Upcloud-Cid"),
        "{:?}",
        regions.headers
    );
    assert_eq!(regions.header("content-type"), Some("application/json"));
}

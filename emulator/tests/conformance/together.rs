//! Both planes as one: what the API grants and takes, S3 and websites obey at once.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ground::Ground;
use crate::http::{Answer, send};

struct Key {
    id: String,
    secret: String,
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls S3, signed with signature version 4 by the emulator's own clock.
fn s3(ground: &Ground, key: &Key, method: &str, path: &str, body: &[u8]) -> Answer {
    let answer = attempt(ground, key, method, path, body);
    answer.unwrap_or_else(|| panic!("{method} {path} was cut"))
}

/// The same; nothing if the connection was cut.
fn attempt(ground: &Ground, key: &Key, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
    let base = &ground.emulator.addresses.s3;
    let host = base.strip_prefix("http://").unwrap();
    let (_, clock) = ground.steer("GET", "/clock", &Value::Null);
    let compact: String = clock["now"].as_str().unwrap()[..19].replace(['-', ':'], "");
    let (date, stamp) = (&compact[..8], format!("{compact}Z"));
    let hash = "UNSIGNED-PAYLOAD";
    let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
    let canonical = format!(
        "{method}\n{path_only}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n\n\
         host;x-amz-content-sha256;x-amz-date\n{hash}"
    );
    let scope = format!("{date}/europe-2/s3/aws4_request");
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let secret = format!("AWS4{}", key.secret);
    let parts = [date, "europe-2", "s3", "aws4_request"];
    let signing = parts
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&signing, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
        key.id
    );
    let headers = [
        ("Authorization", authorization.as_str()),
        ("x-amz-date", stamp.as_str()),
        ("x-amz-content-sha256", hash),
    ];
    send(base, method, path, &headers, body)
}

/// A service with a user that may do everything on S3, and the user's key.
fn equipped(ground: &Ground) -> (String, Key) {
    let path = ground.service("media");
    ground.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "ci"}),
    );
    let policy = json!({"name": "ECSS3FullAccess"});
    ground.expect(204, "POST", &format!("{path}/users/ci/policies"), &policy);
    let key = mint(ground, &path);
    (path, key)
}

fn mint(ground: &Ground, path: &str) -> Key {
    let made = ground
        .expect(
            201,
            "POST",
            &format!("{path}/users/ci/access-keys"),
            &json!({}),
        )
        .json();
    Key {
        id: made["access_key_id"].as_str().unwrap().to_owned(),
        secret: made["secret_access_key"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_key_works_from_the_first_moment_and_its_use_is_noted() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    let keys = format!("{path}/users/ci/access-keys/{}", key.id);
    ground.advance(3600);
    assert_eq!(s3(&ground, &key, "PUT", "/photos", b"").status, 200);
    let read = ground.get(&keys).json();
    assert_ne!(read["last_used_at"], read["created_at"]);
    assert_eq!(
        s3(&ground, &key, "PUT", "/photos/a.txt", b"hello").status,
        200
    );
    assert_eq!(
        s3(&ground, &key, "GET", "/photos/a.txt", b"").text(),
        "hello"
    );
    let journal = ground.journal();
    let entry = journal.iter().find(|entry| entry["side"] == "s3").unwrap();
    assert_eq!(
        (&entry["account"], &entry["status"]),
        (&json!("demo"), &json!(200))
    );
}

#[test]
fn what_the_api_takes_away_s3_refuses_at_once() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 200);
    let one = format!("{path}/users/ci/access-keys/{}", key.id);
    ground.expect(200, "PATCH", &one, &json!({"status": "Inactive"}));
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 403);
    ground.expect(200, "PATCH", &one, &json!({"status": "Active"}));
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 200);
    assert_eq!(
        ground
            .delete(&format!("{path}/users/ci/policies/ECSS3FullAccess"))
            .status,
        204
    );
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 403);
    ground.expect(
        201,
        "POST",
        &format!("{path}/groups"),
        &json!({"name": "team"}),
    );
    ground.expect(
        204,
        "POST",
        &format!("{path}/groups/team/users/ci"),
        &Value::Null,
    );
    ground.expect(
        204,
        "POST",
        &format!("{path}/groups/team/policies"),
        &json!({"name": "ECSS3FullAccess"}),
    );
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 200);
    let boundary = json!({"policy_name": "ECSDenyAll"});
    ground.expect(
        200,
        "PUT",
        &format!("{path}/users/ci/permissions-boundary"),
        &boundary,
    );
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 403);
    assert_eq!(
        ground
            .delete(&format!("{path}/users/ci/permissions-boundary"))
            .status,
        204
    );
    assert_eq!(ground.delete(&one).status, 204);
    let answer = s3(&ground, &key, "GET", "/", b"");
    assert!(
        answer.text().contains("InvalidAccessKeyId"),
        "{}",
        answer.text()
    );
}

#[test]
fn objects_are_counted_and_go_with_their_bucket() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    let buckets = format!("{path}/buckets");
    ground.expect(201, "POST", &buckets, &json!({"name": "photos"}));
    for name in ["a", "b"] {
        assert_eq!(
            s3(&ground, &key, "PUT", &format!("/photos/{name}"), b"12345").status,
            200
        );
    }
    assert_eq!(s3(&ground, &key, "PUT", "/photos/a", b"1").status, 200);
    assert_eq!(s3(&ground, &key, "DELETE", "/photos/b", b"").status, 204);
    let usage = json!({"total_objects": 1, "total_size_bytes": 1});
    assert_eq!(ground.get(&format!("{path}/metrics")).json(), usage);
    assert_eq!(ground.get(&path).json()["usage"], usage);
    assert_eq!(s3(&ground, &key, "DELETE", "/photos", b"").status, 409);
    assert_eq!(ground.delete(&format!("{buckets}/photos")).status, 204);
    assert_eq!(s3(&ground, &key, "GET", "/photos/a", b"").status, 404);
    ground.get(&buckets);
    ground.expect(201, "POST", &buckets, &json!({"name": "photos"}));
    assert_eq!(s3(&ground, &key, "GET", "/photos/a", b"").status, 404);
    assert_eq!(s3(&ground, &key, "DELETE", "/photos", b"").status, 204);
    assert_eq!(ground.get(&buckets).json(), json!([]));
}

#[test]
fn keys_of_one_service_open_nothing_in_another() {
    let ground = Ground::quick();
    let (_, key) = equipped(&ground);
    assert_eq!(s3(&ground, &key, "PUT", "/photos", b"").status, 200);
    let other = ground.as_token("ucat_other");
    let (_, stranger) = equipped(&other);
    assert_eq!(s3(&ground, &stranger, "GET", "/photos", b"").status, 404);
    assert_eq!(s3(&ground, &stranger, "PUT", "/photos", b"").status, 200);
}

#[test]
fn a_stopped_or_deleted_service_answers_no_key() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"configured_status": "stopped"}),
    );
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 403);
    ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"configured_status": "started"}),
    );
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 200);
    assert_eq!(ground.delete(&format!("{path}?force=true")).status, 204);
    assert_eq!(s3(&ground, &key, "GET", "/", b"").status, 403);
}

#[test]
fn a_late_upload_is_stored_when_the_clock_gets_there() {
    let ground = Ground::quick();
    let (_, key) = equipped(&ground);
    s3(&ground, &key, "PUT", "/photos", b"");
    ground.fault(
        &json!({"match": {"side": "s3", "method": "PUT"}, "kind": {"late": {"seconds": 60}}}),
    );
    assert!(attempt(&ground, &key, "PUT", "/photos/a", b"x").is_none());
    assert_eq!(s3(&ground, &key, "GET", "/photos/a", b"").status, 404);
    ground.advance(60);
    assert_eq!(s3(&ground, &key, "GET", "/photos/a", b"").status, 200);
}

#[test]
fn a_website_is_served_on_its_domain() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    s3(&ground, &key, "PUT", "/site", b"");
    s3(&ground, &key, "PUT", "/site/index.html", b"<h1>Hello</h1>");
    let public = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}]});
    let answer = s3(
        &ground,
        &key,
        "PUT",
        "/site?policy=",
        public.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 204, "{}", answer.text());
    let made = ground.expect(
        201,
        "POST",
        &format!("{path}/static-websites"),
        &json!({"bucket_name": "site"}),
    );
    let domain = made.json()["domain_name"].as_str().unwrap().to_owned();
    let web = &ground.emulator.addresses.web;
    let visit = || send(web, "GET", "/", &[("Host", domain.as_str())], b"").unwrap();
    assert_eq!(
        (visit().status, visit().text().to_owned()),
        (200, "<h1>Hello</h1>".to_owned())
    );
    ground.expect(
        200,
        "PATCH",
        &format!("{path}/static-websites/{domain}"),
        &json!({"enabled": false}),
    );
    assert_eq!(visit().status, 404);
}

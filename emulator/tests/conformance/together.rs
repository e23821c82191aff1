//! Both planes as one: what the API grants and takes, S3 and websites obey at once.

use serde_json::{Value, json};

use crate::ground::Ground;
use crate::http::send;
use crate::signer::{Key, attempt, s3};

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
    let made = s3(&ground, &key, "PUT", "/photos", b"");
    assert_eq!(made.status, 200, "{}", made.text());
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

#[test]
fn lifecycle_rules_are_carried_out_as_the_clock_moves() {
    let ground = Ground::quick();
    let (path, key) = equipped(&ground);
    assert_eq!(s3(&ground, &key, "PUT", "/logs", b"").status, 200);
    let rules = "<LifecycleConfiguration>\
        <Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>day/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule>\
        <Rule><ID>parts</ID><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
        </LifecycleConfiguration>";
    let answer = s3(&ground, &key, "PUT", "/logs?lifecycle=", rules.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let put = s3(&ground, &key, "PUT", "/logs/day/1", b"12345");
    let expires = put.header("x-amz-expiration").unwrap();
    assert!(
        expires.contains("00:00:00 GMT\", rule-id=\"old\""),
        "{expires}"
    );
    assert_eq!(
        s3(&ground, &key, "PUT", "/logs/kept", b"1").header("x-amz-expiration"),
        None
    );
    assert_eq!(
        s3(&ground, &key, "POST", "/logs/big?uploads=", b"").status,
        200
    );
    let uploads = || {
        s3(&ground, &key, "GET", "/logs?uploads=", b"")
            .text()
            .contains("<Upload>")
    };
    assert!(uploads());
    ground.advance(2 * 86_400);
    assert_eq!(s3(&ground, &key, "GET", "/logs/day/1", b"").status, 200);
    assert!(!uploads());
    ground.advance(2 * 86_400);
    assert_eq!(s3(&ground, &key, "GET", "/logs/day/1", b"").status, 404);
    assert_eq!(s3(&ground, &key, "GET", "/logs/kept", b"").status, 200);
    let usage = json!({"total_objects": 1, "total_size_bytes": 1});
    assert_eq!(ground.get(&format!("{path}/metrics")).json(), usage);
}

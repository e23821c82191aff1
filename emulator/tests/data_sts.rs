//! Sessions of roles over HTTP.

mod data_support;

use cooper_emulator::data::directory::{PolicySet, Role};
use data_support::{ADMIN, Answer, Key, MEDIA, NOBODY, READER, STRANGER, Server, Side, allow};
use serde_json::json;

const UPLOADER: &str = "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:role/uploader";

/// A service whose role `uploader` may write to `logs` and is open to user `nobody`.
async fn server() -> Server {
    let server = Server::start(Side::S3).await;
    let role = Role {
        trust: json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal":
            {"AWS": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/nobody"}}]}),
        max_session_seconds: 3600,
        policies: PolicySet {
            identity: vec![(
                "put".to_owned(),
                allow(&["s3:PutObject", "s3:GetObject"], &["arn:aws:s3:::logs/*"]),
            )],
            boundary: None,
        },
    };
    let name = (MEDIA.to_owned(), "uploader".to_owned());
    server.fake.0.lock().roles.insert(name, role);
    server
}

async fn assume(server: &Server, key: Key<'_>, role: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", "job-1"),
    ];
    form.extend(more);
    let pairs: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", data_support::encode(value)))
        .collect();
    server
        .call("POST", "/sts")
        .header("content-type", "application/x-www-form-urlencoded")
        .service("sts")
        .body(pairs.join("&"))
        .signed(key)
        .await
}

async fn put(server: &Server, session: &Answer, token: &str, target: &str) -> Answer {
    let key = Key(
        session.element("AccessKeyId"),
        session.element("SecretAccessKey"),
    );
    let call = server.call("PUT", target).body("v");
    match token {
        "" => call.signed(key).await,
        token => call.header("x-amz-security-token", token).signed(key).await,
    }
}

#[tokio::test]
async fn a_session_may_do_what_its_role_may() {
    let server = server().await;
    let session = assume(&server, NOBODY, UPLOADER, &[]).await;
    assert_eq!(session.status, 200, "{session:?}");
    let token = session.element("SessionToken");
    assert_eq!(put(&server, &session, token, "/logs/k").await.status, 200);
    assert_eq!(
        put(&server, &session, token, "/site/k").await.code(),
        "AccessDenied"
    );
    assert_eq!(
        put(&server, &session, "", "/logs/k").await.code(),
        "InvalidToken"
    );
    assert_eq!(
        put(&server, &session, "other", "/logs/k").await.code(),
        "InvalidToken"
    );
    let name = (MEDIA.to_owned(), "uploader".to_owned());
    server.fake.0.lock().roles.remove(&name);
    assert_eq!(
        put(&server, &session, token, "/logs/k").await.code(),
        "AccessDenied"
    );
}

#[tokio::test]
async fn a_session_policy_narrows() {
    let server = server().await;
    let policy = allow(&["s3:*"], &["arn:aws:s3:::logs/a/*"]).to_string();
    let session = assume(&server, NOBODY, UPLOADER, &[("Policy", &policy)]).await;
    let token = session.element("SessionToken");
    assert_eq!(put(&server, &session, token, "/logs/a/k").await.status, 200);
    assert_eq!(
        put(&server, &session, token, "/logs/b/k").await.code(),
        "AccessDenied"
    );
}

#[tokio::test]
async fn only_those_a_role_trusts_may_assume_it() {
    let server = server().await;
    let missing = UPLOADER.replace("uploader", "missing");
    for (key, role, code) in [
        (ADMIN, UPLOADER, "AccessDenied"),
        (READER, UPLOADER, "AccessDenied"),
        (STRANGER, UPLOADER, "AccessDenied"),
        (NOBODY, missing.as_str(), "AccessDenied"),
        (Key(NOBODY.0, "wrong"), UPLOADER, "SignatureDoesNotMatch"),
        (Key("AKIAUNKNOWN", "x"), UPLOADER, "InvalidClientTokenId"),
    ] {
        let answer = assume(&server, key, role, &[]).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, code),
            "{} {role}",
            key.0
        );
    }
    for (name, value, code) in [
        ("DurationSeconds", "3601", "ValidationError"),
        ("DurationSeconds", "899", "ValidationError"),
        ("Policy", "{", "MalformedPolicyDocument"),
    ] {
        let answer = assume(&server, NOBODY, UPLOADER, &[(name, value)]).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, code),
            "{name}={value}"
        );
    }
}

#[tokio::test]
async fn a_signature_for_another_service_or_none_is_refused() {
    let server = server().await;
    let call = || {
        server
            .call("POST", "/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("Action=GetCallerIdentity&Version=2011-06-15")
    };
    assert_eq!(call().signed(NOBODY).await.code(), "SignatureDoesNotMatch");
    assert_eq!(
        call().anonymous().await.code(),
        "MissingAuthenticationToken"
    );
    let answer = call().service("sts").signed(NOBODY).await;
    assert_eq!(
        answer.element("Arn"),
        "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/nobody"
    );
}

/// The same call with everything in the query.
fn query(role: &str, more: &str) -> String {
    format!("/sts?Action=AssumeRole&RoleArn={role}&RoleSessionName=job-1&Version=2011-06-15{more}")
}

#[tokio::test]
async fn a_role_is_assumed_by_get_too_signed_in_header_or_query() {
    let server = server().await;
    let target = query(UPLOADER, "");
    let header = server
        .call("GET", &target)
        .service("sts")
        .signed(NOBODY)
        .await;
    assert_eq!(header.status, 200, "{header:?}");
    let token = header.element("SessionToken");
    assert_eq!(put(&server, &header, token, "/logs/k").await.status, 200);
    let call = || server.call("GET", &target).service("sts");
    // The signer of S3 URLs says UNSIGNED-PAYLOAD; STS hashes the empty body.
    assert_eq!(
        call().presigned(NOBODY, 60).await.code(),
        "SignatureDoesNotMatch"
    );
    let answer = call()
        .payload_hash(&data_support::sha256_hex(b""))
        .presigned(NOBODY, 60)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        server.call("GET", &target).anonymous().await.code(),
        "MissingAuthenticationToken"
    );
    let wrong = server
        .call("GET", "/?Action=Nothing")
        .service("sts")
        .signed(NOBODY)
        .await;
    assert_eq!((wrong.status, wrong.code()), (400, "InvalidAction"));
}

#[tokio::test]
async fn managed_session_policies_narrow_and_must_exist() {
    let server = server().await;
    let arn = "urn:ecs:iam:::policy/only-a";
    let document = allow(&["s3:*"], &["arn:aws:s3:::logs/a/*"]);
    server
        .fake
        .0
        .lock()
        .managed
        .insert(arn.to_owned(), document);
    let session = assume(
        &server,
        NOBODY,
        UPLOADER,
        &[("PolicyArns.member.1.arn", arn)],
    )
    .await;
    let token = session.element("SessionToken");
    assert_eq!(put(&server, &session, token, "/logs/a/k").await.status, 200);
    assert_eq!(
        put(&server, &session, token, "/logs/b/k").await.code(),
        "AccessDenied"
    );
    for more in [
        ("PolicyArns.member.1.arn", "urn:ecs:iam:::policy/absent"),
        ("PolicyArns.member.2.arn", arn),
    ] {
        let answer = assume(&server, NOBODY, UPLOADER, &[more]).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "ValidationError"),
            "{more:?}"
        );
    }
}

#[tokio::test]
async fn a_trust_document_may_ask_for_an_external_id() {
    let server = server().await;
    let name = (MEDIA.to_owned(), "uploader".to_owned());
    server.fake.0.lock().roles.get_mut(&name).unwrap().trust = json!({"Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"},
        "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}]});
    for (more, status) in [
        (vec![], 403),
        (vec![("ExternalId", "7")], 403),
        (vec![("ExternalId", "42")], 200),
    ] {
        let answer = assume(&server, NOBODY, UPLOADER, &more).await;
        assert_eq!(answer.status, status, "{more:?}");
    }
}

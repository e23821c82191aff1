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

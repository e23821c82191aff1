use super::*;
use crate::engine::budget::Lane;
use crate::engine::{
    fault::{Class, Fault},
    reason::Reason,
};
use crate::http::testing::{Reply, Script};
use crate::upcloud::api::{Api, ServiceId};

fn problem(status: u16, code: &str, params: &[(&str, &str)]) -> Reply {
    let params: Vec<_> = params
        .iter()
        .map(|(name, reason)| serde_json::json!({"name": name, "reason": reason}))
        .collect();
    let body = serde_json::json!({
        "type": format!("https://developers.upcloud.com/1.3/errors#ERROR_{code}"),
        "title": "Some title.",
        "invalid_params": params,
        "correlation_id": "01KDN7A0B1C2D3E4F5G6H7J8K9",
        "status": status
    });
    Reply::problem(status, &format!("{body}\n"))
}

/// What creating the user `ci` ends with.
async fn create(reply: Reply) -> ApiError {
    let script = Script::new([reply]).await;
    let service: ServiceId = "12ab".into();
    Api::new(script.transport())
        .create_user(Lane::Write, &service, "ci")
        .await
        .unwrap_err()
}

#[tokio::test]
async fn the_products_form_is_read_whole() {
    let error = create(problem(
        400,
        "INVALID_REQUEST",
        &[("networks.0.uuid", "'' is not valid 'uuid'.")],
    ))
    .await;
    let problem = error.problem().unwrap();
    assert_eq!(problem.code, Some(Code::InvalidRequest));
    assert_eq!(problem.title, "Some title.");
    assert_eq!(problem.invalid_params[0].name, "networks.0.uuid");
    assert_eq!(error.correlation_id(), Some("01KDN7A0B1C2D3E4F5G6H7J8K9"));
    assert_eq!(error.status(), Some(400));
    assert_eq!(
        error.to_string(),
        "cannot create the user: networks.0.uuid: '' is not valid 'uuid' (400 INVALID_REQUEST)"
    );
}

#[tokio::test]
async fn the_gateways_form_is_read_too() {
    let body = r#"{"error":{"error_code":"AUTHENTICATION_FAILED","error_message":"Authentication failed."}}"#;
    let error = create(Reply::typed(
        401,
        "application/json; charset=UTF-8",
        body,
        "",
    ))
    .await;
    let problem = error.problem().unwrap();
    assert_eq!(problem.code, Some(Code::AuthenticationFailed));
    assert_eq!(problem.title, "Authentication failed.");
    assert_eq!(error.correlation_id(), Some("01KDN7A0B1C2D3E4F5G6H7J8K9"));
}

#[tokio::test]
async fn anything_else_is_kept_as_a_kilobyte_of_text() {
    let error = create(Reply::typed(400, "text/plain", &"é".repeat(4000), "")).await;
    let problem = error.problem().unwrap();
    let text = problem.text.as_ref().unwrap();
    assert!(
        text.starts_with('é') && text.len() <= 1024 + 3,
        "{}",
        text.len()
    );
    assert_eq!(problem.code, None);
    assert!(error.to_string().len() < 1200);
}

#[tokio::test]
async fn codes_that_nobody_documented_are_kept() {
    let error = create(problem(403, "SERVICE_ERROR", &[])).await;
    assert_eq!(
        error.problem().unwrap().code,
        Some(Code::Other("SERVICE_ERROR".to_owned()))
    );
}

#[tokio::test]
async fn only_a_4xx_or_a_request_that_never_left_is_a_certain_refusal() {
    for (status, certain) in [
        (307, false),
        (400, true),
        (401, true),
        (403, true),
        (404, true),
        (408, false),
        (409, true),
        (429, true),
        (500, false),
        (502, false),
        (503, false),
    ] {
        assert_eq!(
            create(problem(status, "X", &[])).await.certain_refusal(),
            certain,
            "{status}"
        );
    }
    assert!(!create(Reply::Cut).await.certain_refusal());
    assert!(!create(Reply::Hang).await.certain_refusal());
    assert!(!create(Reply::Flood).await.certain_refusal());
}

#[tokio::test]
async fn what_may_succeed_later_is_told_apart() {
    for (status, retryable) in [
        (400, false),
        (404, false),
        (408, true),
        (409, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        assert_eq!(
            create(problem(status, "X", &[])).await.is_retryable(),
            retryable,
            "{status}"
        );
    }
    assert!(create(Reply::Cut).await.is_retryable());
}

#[tokio::test]
async fn a_refused_create_may_mean_that_it_exists() {
    for (status, maybe) in [
        (400, true),
        (409, true),
        (401, false),
        (404, false),
        (500, false),
    ] {
        assert_eq!(
            create(problem(status, "X", &[])).await.maybe_exists(),
            maybe,
            "{status}"
        );
    }
}

#[tokio::test]
async fn each_refusal_has_a_class_a_reason_and_words_for_the_user() {
    let later = "Retry-After: 7\r\n";
    let attached = "Iam managed policy p has attached subordinate entities in namespace 12ab.";
    for (reply, class, reason, words) in [
        (
            problem(
                400,
                "INVALID_REQUEST",
                &[("username", "Value is too long.")],
            ),
            Class::Terminal,
            Reason::Refused,
            "UpCloud refused to create the user: username: Value is too long (400 INVALID_REQUEST)",
        ),
        (
            problem(
                400,
                "INVALID_REQUEST",
                &[("(root)", "User ci already exists.")],
            ),
            Class::Terminal,
            Reason::NameTaken,
            "cannot create the user: it exists already: User ci already exists",
        ),
        (
            problem(400, "INVALID_REQUEST", &[("name", "Name must be unique.")]),
            Class::Terminal,
            Reason::NameTaken,
            "name: Name must be unique",
        ),
        (
            problem(409, "RESOURCE_ALREADY_EXISTS", &[]),
            Class::Terminal,
            Reason::NameTaken,
            "choose another name",
        ),
        (
            problem(
                400,
                "INVALID_REQUEST",
                &[("(root)", "Cannot exceed quota for AccessKeysPerUser: 2")],
            ),
            Class::Terminal,
            Reason::QuotaExceeded,
            "a limit is reached: Cannot exceed quota for AccessKeysPerUser: 2",
        ),
        (
            problem(400, "INVALID_REQUEST", &[("(root)", attached)]),
            Class::Transient,
            Reason::StillAttached,
            "detach it from users, groups and roles",
        ),
        (
            problem(
                400,
                "INVALID_REQUEST",
                &[("(root)", "Service is not empty.")],
            ),
            Class::Terminal,
            Reason::NotEmpty,
            "empty it first",
        ),
        (
            problem(
                400,
                "INVALID_REQUEST",
                &[(
                    "termination_protection",
                    "termination protection is enabled.",
                )],
            ),
            Class::Terminal,
            Reason::TerminationProtected,
            "terminationProtection",
        ),
        (
            problem(401, "AUTHENTICATION_FAILED", &[]),
            Class::Denied,
            Reason::CredentialsRefused,
            "the Account's Secret",
        ),
        (
            problem(402, "INSUFFICIENT_CREDITS", &[]),
            Class::Terminal,
            Reason::InsufficientCredits,
            "add credit",
        ),
        (
            problem(403, "SERVICE_ERROR", &[]),
            Class::Denied,
            Reason::PermissionMissing,
            "Some title (403 SERVICE_ERROR)",
        ),
        (
            problem(404, "RESOURCE_NOT_FOUND", &[]),
            Class::Transient,
            Reason::NotFound,
            "UpCloud knows nothing at /1.3/object-storage-2/12ab/users",
        ),
        (
            Reply::typed(404, "text/html", "<html>lost</html>", ""),
            Class::Transient,
            Reason::AnswerNotUnderstood,
            "a web page",
        ),
        (
            problem(405, "METHOD_NOT_ALLOWED", &[]),
            Class::Terminal,
            Reason::Refused,
            "405 METHOD_NOT_ALLOWED",
        ),
        (
            problem(408, "X", &[]),
            Class::Transient,
            Reason::CloudUnavailable,
            "failed to create the user",
        ),
        (
            Reply::typed(429, "text/plain", "slow down", later),
            Class::Throttled(Duration::from_secs(7)),
            Reason::Throttled,
            "requestsPerSecond",
        ),
        (
            problem(429, "X", &[]),
            Class::Throttled(Duration::from_secs(5)),
            Reason::Throttled,
            "fewer requests",
        ),
        (
            problem(500, "GENERAL_FAILURE", &[]),
            Class::Transient,
            Reason::CloudUnavailable,
            "failed to create the user",
        ),
        (
            Reply::typed(503, "text/html", "<html>", ""),
            Class::Transient,
            Reason::CloudUnavailable,
            "a web page",
        ),
        (
            Reply::typed(
                302,
                "text/html",
                "",
                "Location: https://login.example.org/x?y=z\r\n",
            ),
            Class::Terminal,
            Reason::Redirected,
            "redirects to https://login.example.org,",
        ),
        (
            Reply::typed(302, "text/html", "", ""),
            Class::Terminal,
            Reason::Redirected,
            "is it right?",
        ),
        (
            Reply::typed(201, "text/html", "<html>", ""),
            Class::Transient,
            Reason::AnswerNotUnderstood,
            "it is text/html, not JSON",
        ),
        (
            Reply::json(201, "{}"),
            Class::Transient,
            Reason::AnswerNotUnderstood,
            "unexpected value",
        ),
        (
            Reply::json(201, "{\"user"),
            Class::Transient,
            Reason::AnswerNotUnderstood,
            "ends too early",
        ),
        (
            Reply::Cut,
            Class::Transient,
            Reason::OutcomeUnknown,
            "unknown whether that was done",
        ),
        (
            Reply::Hang,
            Class::Transient,
            Reason::OutcomeUnknown,
            "no answer in time",
        ),
    ] {
        let fault = Fault::from(create(reply).await);
        assert!(
            fault.message.contains(words),
            "{words:?} in {:?}",
            fault.message
        );
        assert_eq!(
            (fault.class, fault.reason),
            (class, reason),
            "{}",
            fault.message
        );
        assert!(
            !fault.message.ends_with('.') && !fault.message.contains("01KDN7A0"),
            "{}",
            fault.message
        );
    }
}

#[tokio::test]
async fn a_fault_keeps_the_correlation_id_apart() {
    let fault = Fault::from(create(problem(400, "INVALID_REQUEST", &[])).await);
    assert_eq!(
        fault.correlation.as_deref(),
        Some("01KDN7A0B1C2D3E4F5G6H7J8K9")
    );
}

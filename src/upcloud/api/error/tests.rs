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

async fn read(reply: Reply) -> ApiError {
    let script = Script::new([reply]).await;
    let service: ServiceId = "12ab".into();
    Api::new(script.transport())
        .get_user(Lane::Fresh, &service, "ci")
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
async fn a_failure_to_make_a_key_is_not_quoted() {
    let body = r#"{"access_key_id": 7, "secret_access_key": "hunter2"}"#;
    let script = Script::new([Reply::json(500, body)]).await;
    let service: ServiceId = "12ab".into();
    let made = Api::new(script.transport())
        .create_key(Lane::Write, &service, "ci")
        .await;
    let error = made.err().unwrap();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    assert_eq!(error.status(), Some(500));
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

/// A reply, and what the engine and the user make of it.
type Row = (Reply, Class, Reason, &'static str);

async fn check(rows: impl IntoIterator<Item = Row>) {
    for (reply, class, reason, words) in rows {
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

/// A refusal as invalid, with one complaint.
fn invalid(name: &str, reason: &str) -> Reply {
    problem(400, "INVALID_REQUEST", &[(name, reason)])
}

#[tokio::test]
async fn a_400_is_told_by_its_words() {
    use Class::{Terminal, Transient};
    let attached = "Iam managed policy p has attached subordinate entities in namespace 12ab.";
    let quota = "Cannot exceed quota for AccessKeysPerUser: 2";
    let protected = "Service cannot be deleted, termination protection is enabled.";
    let refused =
        "UpCloud refused to create the user: username: Value is too long (400 INVALID_REQUEST)";
    let taken = "cannot create the user: it exists already: User ci already exists";
    check([
        (
            invalid("username", "Value is too long."),
            Terminal,
            Reason::Refused,
            refused,
        ),
        (
            invalid("(root)", "User ci already exists."),
            Terminal,
            Reason::NameTaken,
            taken,
        ),
        (
            invalid("name", "Name must be unique."),
            Terminal,
            Reason::NameTaken,
            "name: Name must be unique",
        ),
        (
            invalid("(root)", quota),
            Terminal,
            Reason::QuotaExceeded,
            "a limit is reached: Cannot exceed quota",
        ),
        (
            invalid("(root)", attached),
            Transient,
            Reason::StillAttached,
            "detach it from users, groups and roles",
        ),
        (
            invalid("(root)", "Service is not empty."),
            Terminal,
            Reason::NotEmpty,
            "empty it first",
        ),
        (
            invalid("x", protected),
            Terminal,
            Reason::TerminationProtected,
            "set terminationProtection to false",
        ),
        (
            problem(409, "RESOURCE_ALREADY_EXISTS", &[]),
            Terminal,
            Reason::NameTaken,
            "choose another name",
        ),
        (
            problem(409, "SERVICE_STATE_INVALID", &[]),
            Terminal,
            Reason::Refused,
            "refused to create the user",
        ),
        (
            invalid("(root)", "The bucket limit of the service is reached."),
            Terminal,
            Reason::QuotaExceeded,
            "ask UpCloud",
        ),
        (
            problem(405, "METHOD_NOT_ALLOWED", &[]),
            Terminal,
            Reason::Refused,
            "405 METHOD_NOT_ALLOWED",
        ),
    ])
    .await;
}

#[tokio::test]
async fn other_refusals_are_told_by_their_status() {
    use Class::{Denied, Terminal, Throttled, Transient};
    let slow = Reply::typed(429, "text/plain", "slow down", "Retry-After: 7\r\n");
    let path = "UpCloud knows nothing at /1.3/object-storage-2/12ab/users";
    check([
        (
            problem(401, "AUTHENTICATION_FAILED", &[]),
            Denied,
            Reason::CredentialsRefused,
            "the Account's Secret",
        ),
        (
            problem(402, "INSUFFICIENT_CREDITS", &[]),
            Terminal,
            Reason::InsufficientCredits,
            "add credit",
        ),
        (
            problem(403, "SERVICE_ERROR", &[]),
            Denied,
            Reason::PermissionMissing,
            "Some title (403 SERVICE_ERROR)",
        ),
        (
            problem(404, "RESOURCE_NOT_FOUND", &[]),
            Transient,
            Reason::NotFound,
            path,
        ),
        (
            problem(408, "X", &[]),
            Transient,
            Reason::CloudUnavailable,
            "failed to create the user",
        ),
        (
            slow,
            Throttled(Duration::from_secs(7)),
            Reason::Throttled,
            "requestsPerSecond",
        ),
        (
            problem(429, "X", &[]),
            Throttled(Duration::from_secs(5)),
            Reason::Throttled,
            "fewer requests",
        ),
        (
            problem(500, "GENERAL_FAILURE", &[]),
            Transient,
            Reason::CloudUnavailable,
            "failed to create the user",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_the_api_is_called_so() {
    use Class::{Terminal, Transient};
    let page = |status| Reply::typed(status, "text/html", "<html>lost</html>", "");
    let login = Reply::typed(
        302,
        "text/html",
        "",
        "Location: https://login.example.org/x?y=z\r\n",
    );
    check([
        (
            page(404),
            Transient,
            Reason::AnswerNotUnderstood,
            "a web page",
        ),
        (page(503), Transient, Reason::CloudUnavailable, "a web page"),
        (
            page(201),
            Transient,
            Reason::AnswerNotUnderstood,
            "it is text/html, not JSON",
        ),
        (
            login,
            Terminal,
            Reason::Redirected,
            "redirects to https://login.example.org,",
        ),
        (page(302), Terminal, Reason::Redirected, "is it right?"),
        (
            Reply::json(201, "{}"),
            Transient,
            Reason::AnswerNotUnderstood,
            "unexpected value",
        ),
        (
            Reply::json(201, "{\"user"),
            Transient,
            Reason::AnswerNotUnderstood,
            "ends too early",
        ),
    ])
    .await;
}

#[tokio::test]
async fn no_answer_leaves_the_outcome_open() {
    check([
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
    ])
    .await;
}

#[tokio::test]
async fn a_read_that_gets_no_answer_leaves_nothing_open() {
    for reply in [Reply::Cut, Reply::Hang] {
        let fault = Fault::from(read(reply).await);
        assert_eq!(fault.reason, Reason::CloudUnavailable);
        assert!(fault.message.starts_with("cannot read the user: "));
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

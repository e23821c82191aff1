use std::sync::Mutex;

use ::http::StatusCode;
use tokio::net::TcpListener;

use super::testing::{Reply, Script};
use super::*;
use crate::confidential::Confidential;

fn request(method: Method) -> Request {
    let body = (method != Method::GET).then(|| b"{}".to_vec());
    Request {
        method,
        route: "/things/{name}",
        path: "/things/a%2Fb".to_owned(),
        query: Vec::new(),
        body,
    }
}

async fn get(script: &Script) -> Result<Answer, TransportError> {
    script
        .transport()
        .send(Lane::Fresh, &request(Method::GET))
        .await
}

async fn post(script: &Script) -> Result<Answer, TransportError> {
    script
        .transport()
        .send(Lane::Write, &request(Method::POST))
        .await
}

#[tokio::test]
async fn a_request_carries_credentials_and_types_and_a_path_as_given() {
    let script = Script::new([Reply::json(201, "{}")]).await;
    let mut request = request(Method::POST);
    request.query = vec![("q", "a b&c".to_owned())];
    let answer = script
        .transport()
        .send(Lane::Write, &request)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.date.unwrap().to_string(), "2026-02-03T09:10:11Z");
    let [seen] = script.seen().try_into().unwrap();
    assert_eq!(seen.line, "POST /things/a%2Fb?q=a+b%26c HTTP/1.1");
    assert_eq!(seen.body, "{}");
    let head = seen.head.to_ascii_lowercase();
    for header in [
        "authorization: bearer canary",
        "accept: application/json",
        "content-type: application/json",
        "user-agent: cooper/test",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
}

#[tokio::test]
async fn a_request_without_body_has_no_content_type() {
    let script = Script::new([Reply::json(200, "[]")]).await;
    get(&script).await.unwrap();
    assert!(
        !script.seen()[0]
            .head
            .to_ascii_lowercase()
            .contains("content-type")
    );
}

#[test]
fn basic_credentials_are_encoded() {
    let auth = Auth::basic("media", &Confidential::new("pass:word"));
    let header = auth.header().unwrap();
    assert_eq!(header, "Basic bWVkaWE6cGFzczp3b3Jk");
    assert_eq!(format!("{header:?}"), "Sensitive");
}

#[test]
fn a_token_may_end_with_a_newline_but_not_hold_one() {
    assert_eq!(
        Auth::bearer(&Confidential::new("ucat_1\n"))
            .header()
            .unwrap(),
        "Bearer ucat_1"
    );
    let error = Auth::bearer(&Confidential::new("ucat\n1"))
        .header()
        .unwrap_err();
    assert_eq!(error, TransportError::Invalid(Bad::Credentials));
    assert!(!error.to_string().contains("ucat"));
}

#[tokio::test]
async fn debug_shows_no_credentials() {
    let script = Script::new([]).await;
    let text = format!("{:?}", script.transport());
    assert!(
        text.contains(&script.url) && !text.contains("canary"),
        "{text}"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let elsewhere = Script::new([Reply::json(200, "{}")]).await;
    let location = format!("Location: {}/stolen\r\n", elsewhere.url);
    let script = Script::new([Reply::typed(307, "text/html", "", &location)]).await;
    let answer = post(&script).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.location, Some(format!("{}/stolen", elsewhere.url)));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_refused_connection_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let script = Script::new([]).await;
    let transport = Transport::new(TransportOptions {
        base_url: closed,
        ..script.options()
    })
    .unwrap();
    let error = transport
        .send(Lane::Write, &request(Method::POST))
        .await
        .unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
    assert!(
        error.to_string().to_lowercase().contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_timeout_leaves_the_outcome_open_and_is_not_repeated() {
    for method in [Method::GET, Method::POST] {
        let script = Script::new([Reply::Hang, Reply::json(200, "{}")]).await;
        let error = script
            .transport()
            .send(Lane::Write, &request(method))
            .await
            .unwrap_err();
        assert_eq!(error, TransportError::Timeout);
        assert!(!error.is_unsent());
        assert_eq!(script.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_happens() {
    for reply in [
        Reply::Cut,
        Reply::problem(429, "{}"),
        Reply::problem(500, "{}"),
        Reply::problem(503, "{}"),
        Reply::Flood,
    ] {
        let script = Script::new([reply, Reply::json(201, "{}")]).await;
        drop(post(&script).await);
        assert_eq!(script.seen().len(), 1);
    }
}

#[tokio::test]
async fn no_method_that_writes_is_repeated() {
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let script = Script::new([Reply::problem(503, "{}")]).await;
        drop(script.transport().send(Lane::Write, &request(method)).await);
        assert_eq!(script.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_cut_leaves_the_outcome_of_a_write_open() {
    let script = Script::new([Reply::Cut]).await;
    let error = post(&script).await.unwrap_err();
    assert!(matches!(error, TransportError::Unanswered(_)), "{error:?}");
    assert!(!error.is_unsent());
}

#[tokio::test]
async fn a_read_is_tried_three_times() {
    let script = Script::new([
        Reply::Cut,
        Reply::problem(503, "{}"),
        Reply::json(200, "[1]"),
    ])
    .await;
    assert_eq!(get(&script).await.unwrap().body.as_slice(), b"[1]");
    let script = Script::new([Reply::Cut, Reply::Cut, Reply::Cut, Reply::json(200, "[]")]).await;
    assert!(get(&script).await.is_err());
    assert_eq!(script.seen().len(), 3);
}

#[tokio::test]
async fn a_read_that_got_a_clear_answer_is_not_repeated() {
    for status in [400, 401, 404, 408, 500] {
        let script = Script::new([Reply::problem(status, "{}"), Reply::json(200, "{}")]).await;
        assert_eq!(get(&script).await.unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_long_retry_after_goes_to_the_engine() {
    let script = Script::new([
        Reply::typed(503, "text/plain", "later", "Retry-After: 60\r\n"),
        Reply::json(200, "{}"),
    ]);
    let script = script.await;
    let answer = get(&script).await.unwrap();
    assert_eq!(answer.retry_after, Some(Duration::from_mins(1)));
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn a_429_slows_the_whole_account_down() {
    let script = Script::new([
        Reply::typed(429, "text/plain", "", "Retry-After: 1\r\n"),
        Reply::json(200, "{}"),
    ])
    .await;
    let options = script.options();
    let budget = Arc::clone(&options.budget);
    let transport = Transport::new(options).unwrap();
    let start = Instant::now();
    transport
        .send(Lane::Fresh, &request(Method::GET))
        .await
        .unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(budget.rate() < 30.0, "{}", budget.rate());
}

#[tokio::test]
async fn a_huge_success_is_refused_without_reading_it_all() {
    let script = Script::new([Reply::Flood]).await;
    let error = post(&script).await.unwrap_err();
    let TransportError::Torn { status, cause } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(status.as_u16(), 200);
    assert!(cause.contains("larger than 65536"), "{cause}");
    let announced = "HTTP/1.1 201 Created\r\nContent-Length: 99999999\r\n\r\nx".to_owned();
    let script = Script::new([Reply::Raw(announced)]).await;
    assert!(matches!(
        post(&script).await,
        Err(TransportError::Torn { .. })
    ));
}

#[tokio::test]
async fn a_success_cut_in_its_body_leaves_the_outcome_open() {
    let torn = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"access_key".to_owned();
    let script = Script::new([Reply::Raw(torn)]).await;
    let error = post(&script).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Torn { .. }) && !error.is_unsent(),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refusal_cut_in_its_body_is_still_a_refusal() {
    let torn = "HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\n{\"type\"".to_owned();
    let script = Script::new([Reply::Raw(torn)]).await;
    let answer = post(&script).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.torn && answer.body.is_empty());
}

#[tokio::test]
async fn a_given_proxy_is_used() {
    let proxy = Script::new([Reply::json(200, "{}")]).await;
    let options = TransportOptions {
        base_url: "http://cloud.invalid/prefix/".to_owned(),
        proxy: Some(proxy.url.clone()),
        ..proxy.options()
    };
    Transport::new(options)
        .unwrap()
        .send(Lane::Fresh, &request(Method::GET))
        .await
        .unwrap();
    assert_eq!(
        proxy.seen()[0].line,
        "GET http://cloud.invalid/prefix/things/a%2Fb HTTP/1.1"
    );
}

#[tokio::test]
async fn unusable_options_are_named() {
    let script = Script::new([]).await;
    for (base_url, word) in [
        ("api.upcloud.com", "not a URL"),
        ("ftp://api.upcloud.com", "https://"),
        ("https://user:secret@api.upcloud.com", "credentials"),
        ("https://api.upcloud.com?x=1", "query"),
    ] {
        let error = Transport::new(TransportOptions {
            base_url: base_url.to_owned(),
            ..script.options()
        })
        .unwrap_err();
        assert!(error.to_string().contains(word), "{base_url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    let bad_ca = TransportOptions {
        ca_bundle: Some("not PEM".to_owned()),
        ..script.options()
    };
    assert_eq!(Transport::new(bad_ca).unwrap_err(), SetupError::CaBundle);
    let bad_proxy = TransportOptions {
        proxy: Some("http://user:secret@".to_owned()),
        ..script.options()
    };
    assert_eq!(Transport::new(bad_proxy).unwrap_err(), SetupError::Proxy);
}

#[tokio::test]
async fn a_permit_pays_for_as_many_requests_as_it_holds() {
    let script = Script::new([
        Reply::json(200, "{}"),
        Reply::json(200, "{}"),
        Reply::json(200, "{}"),
    ])
    .await;
    let meter = Arc::new(Log::default());
    let transport = Transport::new(TransportOptions {
        meter: Arc::clone(&meter) as _,
        ..script.options()
    })
    .unwrap();
    let permit = transport.budget().take(Lane::Write, 2).await;
    let paid = transport.prepaid(permit);
    for _ in 0..3 {
        paid.send(Lane::Write, &request(Method::GET)).await.unwrap();
    }
    assert_eq!(*meter.paid.lock().unwrap(), [Lane::Write]);
}

#[derive(Default)]
struct Log {
    paid: Mutex<Vec<Lane>>,
    ended: Mutex<Vec<(String, &'static str, Outcome)>>,
}

impl Meter for Log {
    fn paid(&self, lane: Lane, _: Duration) {
        self.paid.lock().unwrap().push(lane);
    }

    fn ended(&self, method: &Method, sent: Sent<'_>) {
        self.ended
            .lock()
            .unwrap()
            .push((method.to_string(), sent.route, sent.outcome));
    }
}

#[tokio::test]
async fn each_try_is_measured_by_template() {
    let script = Script::new([
        Reply::problem(503, "{}"),
        Reply::Cut,
        Reply::json(404, "{}"),
    ])
    .await;
    let meter = Arc::new(Log::default());
    let transport = Transport::new(TransportOptions {
        meter: Arc::clone(&meter) as _,
        ..script.options()
    })
    .unwrap();
    transport
        .send(Lane::Drift, &request(Method::GET))
        .await
        .unwrap();
    let outcomes = [Outcome::Failed, Outcome::Unknown, Outcome::Refused];
    let expected = outcomes.map(|outcome| ("GET".to_owned(), "/things/{name}", outcome));
    assert_eq!(*meter.ended.lock().unwrap(), expected);
}

struct Say(Verdict);

impl Wire for Say {
    fn request(&self, side: Side, _: &Method, uri: &Uri) -> Verdict {
        assert_eq!((side, uri.path()), (Side::Cloud, "/things/a%2Fb"));
        self.0
    }
}

async fn through(verdict: Verdict) -> (TransportError, Script) {
    let script = Script::new([Reply::json(201, "{}")]).await;
    let transport = Transport::new(TransportOptions {
        wire: Arc::new(Say(verdict)),
        ..script.options()
    })
    .unwrap();
    let error = transport
        .send(Lane::Write, &request(Method::POST))
        .await
        .unwrap_err();
    (error, script)
}

#[tokio::test]
async fn the_hook_can_stop_a_request() {
    let (error, script) = through(Verdict::Before).await;
    assert!(error.is_unsent());
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn the_hook_can_lose_an_answer() {
    let (error, script) = through(Verdict::Lost).await;
    assert!(!error.is_unsent());
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn the_hook_can_delay_a_request_beyond_its_sender() {
    let (error, script) = through(Verdict::Late(Duration::from_millis(100))).await;
    assert!(!error.is_unsent());
    assert!(script.seen().is_empty());
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !script.seen().is_empty() {
            return;
        }
    }
    panic!("the late request never came");
}

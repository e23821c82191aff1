//! The client against a scripted server.

mod exchanges;

use serde_json::json;

use super::*;
use crate::http::testing::{Reply, Script};

const LANE: Lane = Lane::Fresh;

fn service() -> ServiceId {
    "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061".into()
}

fn api(script: &Script) -> Api {
    Api::new(script.transport())
}

fn page(names: std::ops::Range<usize>, total: Option<usize>) -> Reply {
    let rows: Vec<_> = names
        .map(|index| json!({"name": format!("b{index}"), "deleted": false}))
        .collect();
    let total = total.map_or(String::new(), |total| {
        format!("Upcloud-Total-Count: {total}\r\n")
    });
    Reply::typed(200, "application/json", &json!(rows).to_string(), &total)
}

fn offsets(script: &Script) -> Vec<String> {
    let seen = script.seen();
    let lines = seen
        .iter()
        .map(|seen| seen.line.split(' ').nth(1).unwrap().to_owned());
    lines
        .map(|path| path.split_once('?').unwrap().1.to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_goes_on_until_a_short_page() {
    let script = Script::new([
        page(0..100, None),
        page(100..200, None),
        page(200..207, None),
    ])
    .await;
    let buckets = api(&script).list_buckets(LANE, &service()).await.unwrap();
    assert_eq!(buckets.len(), 207);
    assert_eq!(
        offsets(&script),
        [
            "limit=100&offset=0",
            "limit=100&offset=100",
            "limit=100&offset=200"
        ]
    );
}

#[tokio::test]
async fn a_full_last_page_needs_no_other_if_the_total_is_known() {
    let script = Script::new([page(0..100, Some(200)), page(100..200, Some(200))]).await;
    assert_eq!(
        api(&script)
            .list_buckets(LANE, &service())
            .await
            .unwrap()
            .len(),
        200
    );
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn a_server_with_shorter_pages_than_asked_for_is_still_read_whole() {
    let script = Script::new([page(0..10, Some(15)), page(10..15, Some(15))]).await;
    assert_eq!(
        api(&script)
            .list_buckets(LANE, &service())
            .await
            .unwrap()
            .len(),
        15
    );
    assert_eq!(
        offsets(&script),
        ["limit=100&offset=0", "limit=100&offset=10"]
    );
}

#[tokio::test]
async fn a_list_that_changes_its_length_between_pages_is_read_again() {
    let pages = [
        page(0..100, Some(150)),
        page(101..150, Some(149)),
        page(1..101, Some(149)),
        page(101..150, Some(149)),
    ];
    let script = Script::new(pages).await;
    let buckets = api(&script).list_buckets(LANE, &service()).await.unwrap();
    assert_eq!(buckets.len(), 149);
    assert!(buckets.iter().any(|bucket| bucket.name == "b100"));
}

#[tokio::test]
async fn a_row_that_comes_twice_counts_once() {
    let script = Script::new([page(0..100, None), page(99..120, None)]).await;
    assert_eq!(
        api(&script)
            .list_buckets(LANE, &service())
            .await
            .unwrap()
            .len(),
        120
    );
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_list_is_no_short_list() {
    let script = Script::new([page(0..100, None), Reply::problem(500, "{}")]).await;
    assert!(api(&script).list_buckets(LANE, &service()).await.is_err());
}

const MISSING: &str = r#"{"correlation_id":"01KDN7A0B1C2D3E4F5G6H7J8K9","status":404,"title":"The resource you requested does not exist.","type":"https://developers.upcloud.com/1.3/errors#ERROR_RESOURCE_NOT_FOUND"}"#;

#[tokio::test]
async fn the_apis_own_404_means_absent() {
    let replies = || Reply::problem(404, MISSING);
    let script = Script::new([replies(), replies(), replies()]).await;
    let api = api(&script);
    assert!(
        api.get_user(LANE, &service(), "ci")
            .await
            .unwrap()
            .is_none()
    );
    assert!(api.get_service(LANE, &service()).await.unwrap().is_none());
    let removed = api.delete_user(LANE, &service(), "ci").await.unwrap();
    assert_eq!(removed, Removed::WasAbsent);
}

#[tokio::test]
async fn nothing_else_means_absent() {
    let page = "<html><body>404 Not Found</body></html>";
    for (status, kind, body) in [
        (404, "text/html", page),
        (404, "application/json", ""),
        (404, "text/plain", "no such host"),
        (403, "application/problem+json", MISSING),
        (500, "application/problem+json", MISSING),
        (200, "text/html", page),
        (200, "application/json", "null"),
    ] {
        let replies = || Reply::typed(status, kind, body, "");
        let script = Script::new([replies(), replies()]).await;
        let api = api(&script);
        assert!(
            api.get_user(LANE, &service(), "ci").await.is_err(),
            "{status} {kind} {body}"
        );
        if status != 200 {
            assert!(
                api.delete_user(LANE, &service(), "ci").await.is_err(),
                "{status} {kind} {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_deletion_is_done_at_200_202_and_204() {
    for status in [200, 202, 204] {
        let script = Script::new([Reply::json(status, "")]).await;
        assert_eq!(
            api(&script)
                .delete_bucket(LANE, &service(), "b")
                .await
                .unwrap(),
            Removed::Done
        );
    }
}

#[tokio::test]
async fn a_name_cannot_turn_a_deletion_into_another() {
    let script = Script::new([]).await;
    for name in ["", ".", ".."] {
        let error = api(&script)
            .delete_user(LANE, &service(), name)
            .await
            .unwrap_err();
        assert!(error.certain_refusal() && !error.is_retryable(), "{error}");
    }
    assert!(script.seen().is_empty());
}

const KEY: &str = r#"{"access_key_id":"AKIA0F1E2D3C4B5A6978","created_at":"2026-02-03T09:20:00Z","last_used_at":"0001-01-01T00:00:00Z","secret_access_key":"EXAMPLE+secret/EXAMPLE+secret/EXAMPLE+40","status":"Active"}"#;

#[tokio::test]
async fn a_new_key_carries_its_secret_and_the_clouds_time() {
    let script = Script::new([Reply::json(201, KEY)]).await;
    let key = api(&script)
        .create_key(LANE, &service(), "ci")
        .await
        .unwrap();
    assert_eq!(
        key.value.secret.expose(),
        "EXAMPLE+secret/EXAMPLE+secret/EXAMPLE+40"
    );
    assert_eq!(key.at.to_string(), "2026-02-03T09:10:11Z");
}

#[tokio::test]
async fn a_new_key_is_not_thrown_away_over_a_date() {
    let undated = |body: &str| {
        Reply::Raw(format!(
            "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    for (body, at) in [
        (KEY.to_owned(), "2026-02-03T09:20:00Z"),
        (
            KEY.replace("2026-02-03T09:20:00Z", "yesterday"),
            "0001-01-01T00:00:00Z",
        ),
    ] {
        let script = Script::new([undated(&body)]).await;
        let key = api(&script)
            .create_key(LANE, &service(), "ci")
            .await
            .ok()
            .unwrap();
        assert_eq!(key.at.to_string(), at);
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_an_open_outcome_and_stays_secret() {
    for body in [
        KEY.replace(
            "\"access_key_id\":\"AKIA0F1E2D3C4B5A6978\"",
            "\"access_key_id\":{\"secret\":\"EXAMPLE\"}",
        ),
        KEY.replace("EXAMPLE+secret/EXAMPLE+secret/EXAMPLE+40", ""),
        KEY.replace(
            "\"secret_access_key\":\"EXAMPLE+secret/EXAMPLE+secret/EXAMPLE+40\"",
            "\"x\":\"EXAMPLE\"",
        ),
        KEY.replace("Active\"}", "EXAMPLE"),
        format!("[{KEY}]"),
    ] {
        let script = Script::new([Reply::json(201, &body)]).await;
        let error = api(&script)
            .create_key(LANE, &service(), "ci")
            .await
            .err()
            .unwrap();
        assert!(!error.certain_refusal(), "{error}");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("EXAMPLE"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_list_without_a_date_cannot_serve_the_key_protocol() {
    let script = Script::new([Reply::Raw(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]".to_owned(),
    )])
    .await;
    let error = api(&script).list_users(LANE, &service()).await.unwrap_err();
    assert!(error.to_string().contains("Date"), "{error}");
}

#[test]
fn a_key_was_never_used_if_the_answer_says_so() {
    let key = |used: Option<&str>| {
        let mut key = json!({"access_key_id": "AKIA", "created_at": "2026-02-03T09:20:00Z"});
        if let Some(used) = used {
            key["last_used_at"] = json!(used);
        }
        serde_json::from_value::<AccessKey>(key).unwrap()
    };
    for (used, never) in [
        (Some("0001-01-01T00:00:00Z"), true),
        (Some("2026-02-03T09:20:00Z"), true),
        (Some("2026-02-03T09:20:01Z"), false),
        (None, false),
    ] {
        assert_eq!(key(used).is_never_used(), never, "{used:?}");
    }
}

#[test]
fn answers_may_lack_anything_but_ids() {
    serde_json::from_str::<Service>(r#"{"uuid":"12ab"}"#).unwrap();
    serde_json::from_str::<User>(r#"{"username":"ci"}"#).unwrap();
    serde_json::from_str::<AccessKey>(r#"{"access_key_id":"AKIA"}"#).unwrap();
    serde_json::from_str::<Policy>(r#"{"name":"p"}"#).unwrap();
    serde_json::from_str::<PolicyVersion>(r#"{"version_id":"v1"}"#).unwrap();
    serde_json::from_str::<Group>(r#"{"name":"g"}"#).unwrap();
    serde_json::from_str::<Role>(r#"{"name":"r"}"#).unwrap();
    serde_json::from_str::<Bucket>(r#"{"name":"b"}"#).unwrap();
    serde_json::from_str::<StaticWebsite>(r#"{"domain_name":"d"}"#).unwrap();
    serde_json::from_str::<CustomDomain>(r#"{"domain_name":"d"}"#).unwrap();
    serde_json::from_str::<Region>(r#"{"name":"europe-2"}"#).unwrap();
}

#[test]
fn null_is_absence() {
    let user: User = serde_json::from_value(json!({
        "username": "ci", "arn": null, "access_keys": null, "policies": null, "tags": null,
        "permissions_boundary": "", "created_at": null
    }))
    .unwrap();
    assert_eq!(
        user,
        serde_json::from_value(json!({"username": "ci"})).unwrap()
    );
    let service: Service = serde_json::from_value(json!({
        "uuid": "12ab", "name": null, "networks": null, "endpoints": null, "labels": null, "custom_domains": null,
        "static_websites": null, "state_messages": null, "usage": null, "users": null, "operational_state": null
    }))
    .unwrap();
    assert_eq!(
        service,
        serde_json::from_value(json!({"uuid": "12ab"})).unwrap()
    );
}

#[test]
fn unknown_members_are_ignored_and_unknown_words_kept() {
    let service: Service = serde_json::from_value(json!({
        "uuid": "12ab", "operational_state": "delete-something-new", "colour": {"red": 1}
    }))
    .unwrap();
    let state = service.operational_state.unwrap();
    assert_eq!(
        state,
        OperationalState::Other("delete-something-new".to_owned())
    );
    assert!(state.is_leaving() && !state.is_settled());
    assert_eq!(
        serde_json::to_value(&state).unwrap(),
        "delete-something-new"
    );
}

#[test]
fn a_version_is_dated_by_either_name() {
    for name in ["created_at", "create_date"] {
        let version: PolicyVersion =
            serde_json::from_value(json!({"version_id": "v2", name: "2026-02-03T09:31:00Z"}))
                .unwrap();
        assert_eq!(
            version.created_at.unwrap().to_string(),
            "2026-02-03T09:31:00Z",
            "{name}"
        );
    }
}

#[test]
fn an_endpoint_without_mode_is_for_the_api() {
    let endpoint = |mode| {
        serde_json::from_value::<Endpoint>(json!({"domain_name": "d", "mode": mode})).unwrap()
    };
    assert!(endpoint(None).is_api() && endpoint(Some("api")).is_api());
    assert!(!endpoint(Some("static-website")).is_api() && !endpoint(Some("new")).is_api());
}

#[test]
fn a_patch_leaves_clears_or_sets() {
    let labels = |labels| {
        serde_json::to_value(ServicePatch {
            labels,
            ..ServicePatch::default()
        })
        .unwrap()
    };
    let label = Label {
        key: "team".to_owned(),
        value: "media".to_owned(),
    };
    assert_eq!(labels(Patch::Keep), json!({}));
    assert_eq!(labels(Patch::Clear), json!({"labels": null}));
    assert_eq!(labels(Patch::Set(vec![])), json!({"labels": []}));
    assert_eq!(
        labels(Patch::Set(vec![label])),
        json!({"labels": [{"key": "team", "value": "media"}]})
    );
}

#[test]
fn a_public_network_never_has_a_uuid() {
    assert_eq!(
        serde_json::to_value(Network::public("net")).unwrap(),
        json!({"name": "net", "type": "public", "family": "IPv4"})
    );
    let read: Network =
        serde_json::from_value(json!({"name": "net", "type": "public", "uuid": ""})).unwrap();
    assert_eq!(read, Network::public("net"));
}

#[test]
fn routes_are_in_order_and_not_twice() {
    let numbers: Vec<u16> = routes::ROUTES.iter().map(|route| route.operation).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other));
    assert_eq!(numbers.len(), 72);
}

#[tokio::test]
async fn the_account_is_asked_outside_the_product() {
    let body =
        r#"{"account":{"credits":9972.23,"username":"media","resource_limits":{"cores":200}}}"#;
    let script = Script::new([Reply::json(200, body)]).await;
    let account = api(&script).get_account(LANE).await.unwrap();
    assert_eq!(account.username, "media");
    assert_eq!(script.seen()[0].line, "GET /1.3/account HTTP/1.1");
}

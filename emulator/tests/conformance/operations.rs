//! A row for every operation: good, malformed, absent, repeated.

use serde_json::{Value, json};

use crate::ground::{DOCUMENT, Ground, TRUST, private_network, service};
use crate::http::Answer;

/// One operation. In paths `{S}` is a furnished service, `{K}` its user's key, `{N}` its name.
struct Row {
    number: u8,
    method: &'static str,
    path: &'static str,
    /// Nothing for a call without a body.
    body: Value,
    status: u16,
    /// A body that is refused, and the member complained about.
    bad: Option<(Value, &'static str)>,
    /// A query that is refused, and the parameter complained about, of a call without a body.
    bad_query: Option<(&'static str, &'static str)>,
    /// The same path with something in it that is not there; besides, every path below a service
    /// is asked for below one that is not there.
    absent: &'static str,
    /// Status of the same call once more.
    again: u16,
}

const NONE: Value = Value::Null;

/// Calls without a body whose query can be wrong.
fn bad_query(number: u8) -> Option<(&'static str, &'static str)> {
    match number {
        1 => Some(("?limit=101", "limit")),
        6 => Some(("?force=maybe", "force")),
        20 => Some(("?from=yesterday", "from")),
        21 => Some(("?offset=-1", "offset")),
        _ => None,
    }
}

/// Why a row has no malformed call.
fn cannot_be_malformed(row: &Row) -> Option<&'static str> {
    match row.method {
        "GET" | "DELETE" if row.bad_query.is_none() => Some("takes neither body nor query"),
        "POST" if row.number == 68 => Some("all it takes is in the path"),
        _ => None,
    }
}

/// Why a row has no call for something that is not there.
fn cannot_be_absent(row: &Row) -> Option<&'static str> {
    matches!(row.number, 1 | 2 | 7).then_some("names nothing: the account is always there")
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a row for each of 94 operations")]
fn rows() -> Vec<Row> {
    let row = |number, method, path, body, status, bad, absent, again| Row { number, method, path, body, status, bad, bad_query: bad_query(number), absent, again };
    let get = |number, path, absent| row(number, "GET", path, NONE, 200, None, absent, 200);
    let delete = |number, path, absent| row(number, "DELETE", path, NONE, 204, None, absent, 404);
    let document = || json!({"name": "more", "document": DOCUMENT});
    let tags = || json!([{"key": "a", "value": "b"}]);
    let bad_tags = || Some((json!([{"key": "a"}]), "0.value"));
    let bad_inline = || Some((json!({"name": "more", "document": "{"}), "document"));
    let attach = || json!({"name": "spare"});
    let bad_attach = || Some((json!({"name": "a/b"}), "name"));
    let boundary = || json!({"policy_name": "spare"});
    let bad_boundary = || Some((json!({"policy_name": 7}), "policy_name"));
    vec![
        get(1, "?limit=1", ""),
        row(2, "POST", "", service("second-{N}"), 201, Some((json!({"name": "x", "configured_status": "started", "region": "mars"}), "region")), "", 400),
        get(3, "{S}", "/not-a-uuid"),
        row(4, "PUT", "{S}", json!({"name": "put-{N}", "configured_status": "started"}), 200, Some((json!({"name": "x"}), "configured_status")), "/not-a-uuid", 200),
        row(5, "PATCH", "{S}", json!({"labels": null}), 200, Some((json!({"configured_status": "paused"}), "configured_status")), "/not-a-uuid", 200),
        row(6, "DELETE", "{S}?force=true", NONE, 204, None, "/not-a-uuid", 404),
        get(7, "/regions", ""),
        get(8, "/regions/europe-2", "/regions/mars"),
        get(9, "{S}/networks", ""),
        row(10, "POST", "{S}/networks", private_network("more"), 201, Some((json!({"name": "x", "type": "private", "family": "IPv4"}), "uuid")), "", 400),
        get(11, "{S}/networks/backend", "{S}/networks/absent"),
        delete(12, "{S}/networks/backend", "{S}/networks/absent"),
        get(13, "{S}/custom-domains", ""),
        row(14, "POST", "{S}/custom-domains", json!({"type": "public", "domain_name": "more.{N}.org"}), 201, Some((json!({"type": "private", "domain_name": "a.b"}), "type")), "", 400),
        get(15, "{S}/custom-domains/files.{N}.org", "{S}/custom-domains/absent.org"),
        row(16, "PATCH", "{S}/custom-domains/files.{N}.org", json!({"domain_name": "moved.{N}.org"}), 200, Some((json!({"mode": "api"}), "mode")), "{S}/custom-domains/absent.org", 404),
        delete(17, "{S}/custom-domains/files.{N}.org", "{S}/custom-domains/absent.org"),
        get(18, "{S}/domains", ""),
        get(19, "{S}/metrics", ""),
        get(20, "{S}/metrics/series?interval=1h&limit=100", ""),
        get(21, "{S}/buckets?limit=100", ""),
        row(22, "POST", "{S}/buckets", json!({"name": "Some.Bucket_1"}), 201, Some((json!({"name": "a/b"}), "name")), "", 400),
        row(23, "DELETE", "{S}/buckets/invoices", NONE, 204, None, "{S}/buckets/absent", 204),
        get(24, "{S}/labels", ""),
        row(25, "POST", "{S}/labels", json!({"key": "a key/?%", "value": null}), 201, Some((json!({"key": "_no", "value": "x"}), "key")), "", 400),
        get(26, "{S}/labels/env", "{S}/labels/absent"),
        row(27, "PATCH", "{S}/labels/env", json!({"key": "moved"}), 200, Some((json!({"value": "a\nb"}), "value")), "{S}/labels/absent", 404),
        delete(28, "{S}/labels/env", "{S}/labels/absent"),
        get(29, "{S}/static-websites", ""),
        row(30, "POST", "{S}/static-websites", json!({"bucket_name": "web", "error_pages": [{"error_document": "404.html", "status_code": 404}]}), 201, Some((json!({"bucket_name": "web", "domain_name": "files.{N}.org"}), "domain_name")), "", 400),
        get(31, "{S}/static-websites/www.{N}.org", "{S}/static-websites/absent.org"),
        row(32, "PATCH", "{S}/static-websites/www.{N}.org", json!({"spa_mode": true}), 200, Some((json!({"domain_name": "x.org"}), "domain_name")), "{S}/static-websites/absent.org", 200),
        delete(33, "{S}/static-websites/www.{N}.org", "{S}/static-websites/absent.org"),
        get(34, "{S}/users", ""),
        row(35, "POST", "{S}/users", json!({"username": "a+b=c,d.e@f"}), 201, Some((json!({"username": "_upcloud-internal-user"}), "username")), "", 400),
        get(36, "{S}/users/ci", "{S}/users/absent"),
        delete(37, "{S}/users/ci", "{S}/users/absent"),
        get(38, "{S}/users/ci/access-keys", "{S}/users/absent/access-keys"),
        row(39, "POST", "{S}/users/ci/access-keys", NONE, 201, Some((json!({"status": "Active"}), "status")), "{S}/users/absent/access-keys", 400),
        get(40, "{S}/users/ci/access-keys/{K}", "{S}/users/ci/access-keys/AKIA"),
        row(41, "PATCH", "{S}/users/ci/access-keys/{K}", json!({"status": "Inactive"}), 200, Some((json!({"status": "active"}), "status")), "{S}/users/ci/access-keys/AKIA", 200),
        delete(42, "{S}/users/ci/access-keys/{K}", "{S}/users/ci/access-keys/AKIA"),
        get(43, "{S}/users/ci/policies", "{S}/users/absent/policies"),
        row(44, "POST", "{S}/users/ci/policies", attach(), 204, bad_attach(), "{S}/users/absent/policies", 204),
        delete(45, "{S}/users/ci/policies/reader", "{S}/users/ci/policies/spare"),
        get(46, "{S}/users/ci/inline-policies", "{S}/users/absent/inline-policies"),
        row(47, "POST", "{S}/users/ci/inline-policies", document(), 201, bad_inline(), "{S}/users/absent/inline-policies", 201),
        get(48, "{S}/users/ci/inline-policies/inline", "{S}/users/ci/inline-policies/absent"),
        delete(49, "{S}/users/ci/inline-policies/inline", "{S}/users/ci/inline-policies/absent"),
        get(50, "{S}/users/ci/tags", "{S}/users/absent/tags"),
        row(51, "PUT", "{S}/users/ci/tags", tags(), 200, bad_tags(), "{S}/users/absent/tags", 200),
        delete(52, "{S}/users/ci/tags/env", "{S}/users/ci/tags/absent"),
        row(53, "PUT", "{S}/users/ci/permissions-boundary", boundary(), 200, bad_boundary(), "{S}/users/absent/permissions-boundary", 200),
        delete(54, "{S}/users/ci/permissions-boundary", "{S}/users/absent/permissions-boundary"),
        get(55, "{S}/policies", ""),
        row(56, "POST", "{S}/policies", document(), 201, Some((json!({"name": "more", "document": "[]"}), "document")), "", 400),
        get(57, "{S}/policies/reader", "{S}/policies/absent"),
        row(58, "PATCH", "{S}/policies/reader", json!({"version_id": "v1"}), 200, Some((json!({}), "version_id")), "{S}/policies/absent", 200),
        delete(59, "{S}/policies/spare", "{S}/policies/absent"),
        get(60, "{S}/policies/reader/versions", "{S}/policies/absent/versions"),
        row(61, "POST", "{S}/policies/reader/versions", json!({"document": DOCUMENT}), 201, Some((json!({"document": DOCUMENT, "is_default": 1}), "is_default")), "{S}/policies/absent/versions", 201),
        get(62, "{S}/policies/reader/versions/v1", "{S}/policies/reader/versions/v9"),
        delete(63, "{S}/policies/reader/versions/v1", "{S}/policies/reader/versions/v9"),
        get(64, "{S}/groups", ""),
        row(65, "POST", "{S}/groups", json!({"name": "more"}), 201, Some((json!({"name": "more", "path": "/"}), "path")), "", 400),
        get(66, "{S}/groups/team", "{S}/groups/absent"),
        delete(67, "{S}/groups/empty", "{S}/groups/absent"),
        row(68, "POST", "{S}/groups/empty/users/ci", NONE, 204, None, "{S}/groups/empty/users/absent", 204),
        delete(69, "{S}/groups/team/users/ci", "{S}/groups/empty/users/ci"),
        get(70, "{S}/groups/team/policies", "{S}/groups/absent/policies"),
        row(71, "POST", "{S}/groups/team/policies", attach(), 204, bad_attach(), "{S}/groups/absent/policies", 204),
        delete(72, "{S}/groups/team/policies/reader", "{S}/groups/team/policies/spare"),
        get(73, "{S}/groups/team/inline-policies", "{S}/groups/absent/inline-policies"),
        row(74, "POST", "{S}/groups/team/inline-policies", document(), 201, bad_inline(), "{S}/groups/absent/inline-policies", 201),
        get(75, "{S}/groups/team/inline-policies/inline", "{S}/groups/team/inline-policies/absent"),
        delete(76, "{S}/groups/team/inline-policies/inline", "{S}/groups/team/inline-policies/absent"),
        get(77, "{S}/roles", ""),
        row(78, "POST", "{S}/roles", json!({"name": "more", "assume_role_policy_document": TRUST, "tags": [{"key": "a"}]}), 201, Some((json!({"name": "more", "assume_role_policy_document": TRUST, "max_session_duration": 60}), "max_session_duration")), "", 400),
        get(79, "{S}/roles/uploader", "{S}/roles/absent"),
        row(80, "PATCH", "{S}/roles/uploader", json!({"description": "x", "max_session_duration": 7200}), 200, Some((json!({"name": "x"}), "name")), "{S}/roles/absent", 200),
        delete(81, "{S}/roles/bare", "{S}/roles/absent"),
        row(82, "PUT", "{S}/roles/uploader/assume-role-policy", json!({"document": TRUST}), 200, Some((json!({"document": "{]"}), "document")), "{S}/roles/absent/assume-role-policy", 200),
        get(83, "{S}/roles/uploader/policies", "{S}/roles/absent/policies"),
        row(84, "POST", "{S}/roles/uploader/policies", attach(), 204, bad_attach(), "{S}/roles/absent/policies", 204),
        delete(85, "{S}/roles/uploader/policies/reader", "{S}/roles/uploader/policies/spare"),
        get(86, "{S}/roles/uploader/inline-policies", "{S}/roles/absent/inline-policies"),
        row(87, "POST", "{S}/roles/uploader/inline-policies", document(), 201, bad_inline(), "{S}/roles/absent/inline-policies", 201),
        get(88, "{S}/roles/uploader/inline-policies/inline", "{S}/roles/uploader/inline-policies/absent"),
        delete(89, "{S}/roles/uploader/inline-policies/inline", "{S}/roles/uploader/inline-policies/absent"),
        row(90, "PUT", "{S}/roles/uploader/permissions-boundary", boundary(), 200, bad_boundary(), "{S}/roles/absent/permissions-boundary", 200),
        delete(91, "{S}/roles/uploader/permissions-boundary", "{S}/roles/absent/permissions-boundary"),
        get(92, "{S}/roles/uploader/tags", "{S}/roles/absent/tags"),
        row(93, "PUT", "{S}/roles/uploader/tags", tags(), 200, bad_tags(), "{S}/roles/absent/tags", 200),
        delete(94, "{S}/roles/uploader/tags/env", "{S}/roles/uploader/tags/absent"),
    ]
}

/// Paths of all operations that only read, for a furnished service.
pub fn reads(service: &str, key: &str, name: &str) -> Vec<String> {
    let reads = rows().into_iter().filter(|row| row.method == "GET");
    // The series ends now, by default.
    let reads = reads.filter(|row| row.number != 20);
    let fill = |row: Row| {
        row.path
            .replace("{S}", service)
            .replace("{K}", key)
            .replace("{N}", name)
    };
    reads.map(fill).collect()
}

/// Method, path and good body of all operations that take a body, for a furnished service.
pub fn writes(service: &str, key: &str, name: &str) -> Vec<(&'static str, String, Value)> {
    let fill = |text: &str| {
        text.replace("{S}", service)
            .replace("{K}", key)
            .replace("{N}", name)
    };
    let writes = rows().into_iter().filter(|row| !row.body.is_null());
    // What would stop or rename the service itself comes last.
    let (own, below): (Vec<Row>, Vec<Row>) = writes.partition(|row| matches!(row.number, 2..=5));
    let taken = |row: Row| {
        let body = serde_json::from_str(&fill(&row.body.to_string())).unwrap();
        (row.method, fill(row.path), body)
    };
    below.into_iter().chain(own).map(taken).collect()
}

struct Stage<'a> {
    ground: &'a Ground,
    service: String,
    key: String,
    name: String,
}

impl Stage<'_> {
    fn fill(&self, text: &str, service: &str) -> String {
        text.replace("{S}", service)
            .replace("{K}", &self.key)
            .replace("{N}", &self.name)
    }

    fn call(&self, row: &Row, path: &str, body: &Value, service: &str) -> Answer {
        let path = self.fill(path, service);
        let body: Value = serde_json::from_str(&self.fill(&body.to_string(), service)).unwrap();
        let body = (!body.is_null()).then_some(&body);
        let answer = self.ground.attempt(row.method, &path, body);
        answer.unwrap_or_else(|| panic!("#{} was cut", row.number))
    }
}

/// Runs `check` for each row on a service of its own.
fn each_row(check: impl Fn(&Stage<'_>, &Row)) {
    let ground = Ground::quick();
    for row in rows() {
        let name = format!("op{}", row.number);
        let (service, key) = ground.furnished(&name);
        let stage = Stage {
            ground: &ground,
            service,
            key,
            name,
        };
        check(&stage, &row);
    }
}

/// Runs `check` for each row on one service: for calls that change nothing.
fn each_row_in_place(check: impl Fn(&Stage<'_>, &Row)) {
    let ground = Ground::quick();
    let name = "place".to_owned();
    let (service, key) = ground.furnished(&name);
    let stage = Stage {
        ground: &ground,
        service,
        key,
        name,
    };
    for row in rows() {
        check(&stage, &row);
    }
}

fn assert_common(row: &Row, answer: &Answer) {
    let number = row.number;
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=63072000"),
        "#{number}"
    );
    assert!(answer.header("date").is_some(), "#{number}");
    assert_eq!(
        answer.header("upcloud-cid").map(str::len),
        Some(26),
        "#{number}"
    );
}

fn assert_problem(row: &Row, answer: &Answer, status: u16) {
    let number = row.number;
    assert_eq!(answer.status, status, "#{number}: {}", answer.text());
    assert_common(row, answer);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "#{number}"
    );
    assert_eq!(answer.header("content-language"), Some("en"), "#{number}");
    assert!(answer.text().ends_with("}\n"), "#{number}");
    let body = answer.json();
    let members: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let want = if status == 400 {
        vec![
            "type",
            "title",
            "invalid_params",
            "correlation_id",
            "status",
        ]
    } else {
        vec!["type", "title", "correlation_id", "status"]
    };
    assert_eq!(members, want, "#{number}");
    assert_eq!(
        body["correlation_id"].as_str(),
        answer.header("upcloud-cid"),
        "#{number}"
    );
    assert_eq!(body["status"], status, "#{number}");
}

fn assert_sorted(row: &Row, value: &Value) {
    match value {
        Value::Object(members) => {
            let keys: Vec<&String> = members.keys().collect();
            assert!(keys.is_sorted(), "#{}: {keys:?}", row.number);
            members
                .values()
                .for_each(|member| assert_sorted(row, member));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_sorted(row, item)),
        _ => {}
    }
}

#[test]
fn every_operation_has_a_row() {
    let numbers: Vec<u8> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=94).collect::<Vec<u8>>());
    for row in rows() {
        let number = row.number;
        let malformed = row.bad.is_some() || row.bad_query.is_some();
        assert_ne!(malformed, cannot_be_malformed(&row).is_some(), "#{number}");
        let below = row.path.starts_with("{S}") || !row.absent.is_empty();
        assert_ne!(below, cannot_be_absent(&row).is_some(), "#{number}");
    }
}

/// The rows are the routes: a method and a pattern each, nothing besides.
#[test]
fn the_rows_are_the_routes_of_the_emulator() {
    for (row, (number, method, pattern)) in rows().iter().zip(cooper_emulator::api::routes()) {
        assert_eq!((row.number, row.method), (number, method));
        let path = row.path.split('?').next().unwrap().trim_start_matches('/');
        let (have, want) = (path.split('/'), pattern.split('/'));
        assert_eq!(have.clone().count(), want.clone().count(), "#{number}");
        for (have, want) in have.zip(want) {
            assert!(want.starts_with('{') || have == want, "#{number} {pattern}");
        }
    }
}

#[test]
fn a_good_call_gets_its_status_headers_and_member_order() {
    each_row(|stage, row| {
        let answer = stage.call(row, row.path, &row.body, &stage.service);
        assert_eq!(
            answer.status,
            row.status,
            "#{}: {}",
            row.number,
            answer.text()
        );
        assert_common(row, &answer);
        if row.status == 204 {
            assert!(answer.body.is_empty() && answer.header("content-type").is_none());
            return;
        }
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "#{}",
            row.number
        );
        assert!(!answer.text().ends_with('\n'), "#{}", row.number);
        if row.number != 41 {
            assert_sorted(row, &answer.json());
        }
    });
}

#[test]
fn a_malformed_call_is_refused_with_the_member_at_fault() {
    each_row_in_place(|stage, row| {
        if let Some((query, parameter)) = row.bad_query {
            let path = format!("{}{query}", row.path.split('?').next().unwrap());
            let answer = stage.call(row, &path, &row.body, &stage.service);
            assert_problem(row, &answer, 400);
            assert_eq!(answer.complaints(), [parameter], "#{}", row.number);
        }
        let Some((body, member)) = &row.bad else {
            return;
        };
        let answer = stage.call(row, row.path, body, &stage.service);
        assert_problem(row, &answer, 400);
        assert_eq!(answer.problem().0, "INVALID_REQUEST");
        assert_eq!(answer.complaints(), [*member], "#{}", row.number);
        let path = format!(
            "{}{}",
            crate::ground::BASE,
            stage.fill(row.path, &stage.service)
        );
        let answer = stage.ground.raw(row.method, &path, b"{\"a\":").unwrap();
        assert_problem(row, &answer, 400);
        let root = ("(root)".to_owned(), "Invalid JSON.".to_owned());
        assert_eq!(answer.problem().1, [root], "#{}", row.number);
    });
}

#[test]
fn a_call_below_what_is_absent_finds_nothing() {
    each_row_in_place(|stage, row| {
        if row.path.starts_with("{S}") {
            let stranger = "/12000000-0000-4000-8000-000000000000";
            let answer = stage.call(row, row.path, &row.body, stranger);
            assert_problem(row, &answer, 404);
        }
        if !row.absent.is_empty() {
            let answer = stage.call(row, row.absent, &row.body, &stage.service);
            assert_problem(row, &answer, 404);
        }
    });
}

#[test]
fn a_repeated_call_gets_what_the_table_says() {
    each_row(|stage, row| {
        stage.call(row, row.path, &row.body, &stage.service);
        let answer = stage.call(row, row.path, &row.body, &stage.service);
        assert_eq!(
            answer.status,
            row.again,
            "#{}: {}",
            row.number,
            answer.text()
        );
    });
}

#[test]
fn a_stranger_finds_nothing_of_another_account() {
    each_row_in_place(|stage, row| {
        let other = Stage {
            ground: &stage.ground.as_token("ucat_other"),
            service: stage.service.clone(),
            key: stage.key.clone(),
            name: stage.name.clone(),
        };
        if row.path.starts_with("{S}") {
            let answer = other.call(row, row.path, &row.body, &stage.service);
            assert_problem(row, &answer, 404);
        }
    });
}

#[test]
fn a_call_without_credentials_is_refused() {
    each_row_in_place(|stage, row| {
        for token in ["", "ucat_wrong"] {
            let nobody = Stage {
                ground: &stage.ground.as_token(token),
                service: stage.service.clone(),
                key: stage.key.clone(),
                name: stage.name.clone(),
            };
            let answer = nobody.call(row, row.path, &row.body, &stage.service);
            assert_problem(row, &answer, 401);
            assert_eq!(answer.problem().0, "AUTHENTICATION_FAILED");
        }
    });
}

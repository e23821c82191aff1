//! Input that nobody sends in good faith, and calls around the product.

use serde_json::{Value, json};

use crate::ground::{BASE, Ground};
use crate::http::send;

#[test]
fn a_huge_body_is_refused_and_the_emulator_lives_on() {
    let ground = Ground::quick();
    let body = vec![b' '; 2 * 1024 * 1024];
    let path = format!("{BASE}/12000000-0000-4000-8000-000000000000");
    if let Some(answer) = ground.raw("POST", &path, &body) {
        assert_eq!(answer.status, 400);
    }
    assert_eq!(ground.get("").status, 200);
}

#[test]
fn deep_nesting_and_wrong_types_are_validation_errors() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let deep = "[".repeat(100_000);
    let bodies = [
        deep.as_str(),
        "null",
        "7",
        "\"x\"",
        "[[]]",
        "{\"name\":{}}",
        "{\"name\":7,\"username\":[],\"key\":{},\"document\":{},\"networks\":{},\"labels\":[7]}",
        "{\"\":\"\"}",
        "{\"name\":\"\\u0000\",\"username\":\"\\ud800\"}",
        "\u{feff}{}",
        "",
    ];
    let paths = [
        ("POST", String::new()),
        ("PUT", path.clone()),
        ("POST", format!("{path}/networks")),
        ("POST", format!("{path}/custom-domains")),
        ("POST", format!("{path}/buckets")),
        ("POST", format!("{path}/labels")),
        ("POST", format!("{path}/static-websites")),
        ("POST", format!("{path}/users")),
        ("POST", format!("{path}/users/ci/policies")),
        ("POST", format!("{path}/users/ci/inline-policies")),
        ("PUT", format!("{path}/users/ci/tags")),
        ("PUT", format!("{path}/users/ci/permissions-boundary")),
        ("POST", format!("{path}/policies")),
        ("PATCH", format!("{path}/policies/reader")),
        ("POST", format!("{path}/policies/reader/versions")),
        ("POST", format!("{path}/groups")),
        ("POST", format!("{path}/roles")),
        ("PUT", format!("{path}/roles/uploader/assume-role-policy")),
    ];
    for (method, path) in &paths {
        for body in bodies {
            let answer = ground
                .raw(method, &format!("{BASE}{path}"), body.as_bytes())
                .unwrap();
            let start: String = body.chars().take(40).collect();
            assert_eq!(
                answer.status,
                400,
                "{method} {path} {start}: {}",
                answer.text()
            );
            assert!(!answer.complaints().is_empty());
        }
    }
}

#[test]
fn odd_paths_methods_and_queries_get_an_error_of_the_product() {
    let ground = Ground::quick();
    let path = ground.service("media");
    for odd in [
        "/regions/",
        "//",
        "/%00",
        "/%ff",
        "/..",
        &format!("{path}/users//policies"),
        &format!("{path}/nothing"),
    ] {
        let answer = ground.get(odd);
        assert_eq!(
            (answer.status, answer.problem().0.as_str()),
            (404, "RESOURCE_NOT_FOUND"),
            "{odd}"
        );
    }
    for method in ["PUT", "OPTIONS", "TRACE", "BREW"] {
        let answer = ground.attempt(method, "/regions", None).unwrap();
        assert_eq!(
            (answer.status, answer.problem().0.as_str()),
            (405, "METHOD_NOT_ALLOWED"),
            "{method}"
        );
    }
    let answer = ground
        .attempt("DELETE", &format!("{path}?force=maybe"), None)
        .unwrap();
    assert_eq!(
        (answer.status, answer.complaints()),
        (400, vec!["force".to_owned()])
    );
    for series in [
        "from=yesterday",
        "interval=1y",
        "interval=",
        "to=9999999999",
        "sort=x",
    ] {
        let answer = ground.get(&format!("{path}/metrics/series?{series}"));
        assert_eq!(answer.status, 400, "{series}");
    }
    let far = "from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z&interval=1m&limit=100&offset=9999999999999";
    assert_eq!(
        ground.get(&format!("{path}/metrics/series?{far}")).json(),
        json!([])
    );
}

#[test]
fn broken_http_does_not_stop_the_emulator() {
    use std::io::Write as _;
    let ground = Ground::quick();
    for side in [
        &ground.emulator.addresses.api,
        &ground.emulator.addresses.control,
        &ground.emulator.addresses.s3,
    ] {
        let mut stream =
            std::net::TcpStream::connect(side.strip_prefix("http://").unwrap()).unwrap();
        stream
            .write_all(b"\x16\x03\x01\x00nonsense\r\n\r\n")
            .unwrap();
        let mut stream =
            std::net::TcpStream::connect(side.strip_prefix("http://").unwrap()).unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort")
            .unwrap();
    }
    assert_eq!(ground.get("").status, 200);
}

#[test]
fn the_control_api_refuses_what_it_cannot_read() {
    let ground = Ground::quick();
    for (method, path, body) in [
        ("POST", "/clock/advance", json!({"seconds": -1})),
        ("POST", "/clock/advance", json!({"seconds": 1e300})),
        ("POST", "/clock/advance", json!({})),
        ("PUT", "/provisioning", json!({"step_ms": -1})),
        ("PUT", "/provisioning", json!({"pace": 1})),
        ("PUT", "/choices", json!({"nothing": "x"})),
        ("PUT", "/accounts/nobody", json!({})),
        ("POST", "/accounts", json!({"token": "x"})),
        ("GET", "/nothing", Value::Null),
    ] {
        let (status, _) = ground.steer(method, path, &body);
        assert!(
            (400..500).contains(&status),
            "{method} {path} {body}: {status}"
        );
    }
    assert_eq!(ground.steer("GET", "/healthz", &Value::Null).0, 200);
}

#[test]
fn official_clients_find_the_account_its_routers_and_networks() {
    let ground = Ground::quick();
    let account = ground.raw("GET", "/1.3/account", b"").unwrap();
    assert_eq!(account.json()["account"]["username"], "demo");
    assert_eq!(
        account.header("content-type"),
        Some("application/json; charset=UTF-8")
    );
    let router = ground
        .raw("POST", "/1.3/router", br#"{"router":{"name":"r"}}"#)
        .unwrap();
    assert_eq!(router.status, 201);
    let router = router.json()["router"]["uuid"].as_str().unwrap().to_owned();
    let body = json!({"network": {"name": "n", "zone": "de-fra1", "router": router, "ip_networks": {"ip_network": [{"address": "10.0.0.0/24", "family": "IPv4", "dhcp": "yes"}]}}});
    let network = ground
        .raw("POST", "/1.3/network/", body.to_string().as_bytes())
        .unwrap();
    assert_eq!(network.status, 201);
    let uuid = network.json()["network"]["uuid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        network.json()["network"]["ip_networks"]["ip_network"][0]["address"],
        "10.0.0.0/24"
    );
    let path = ground.service("media");
    ground.choose("unknown-sdn", "400");
    let with = |uuid: &str| json!({"name": "p", "type": "private", "family": "IPv4", "uuid": uuid});
    let stranger = with("03000000-0000-4000-8000-000000000000");
    ground.expect(400, "POST", &format!("{path}/networks"), &stranger);
    ground.expect(201, "POST", &format!("{path}/networks"), &with(&uuid));
    assert_eq!(
        ground
            .raw("DELETE", &format!("/1.3/router/{router}"), b"")
            .unwrap()
            .status,
        409
    );
    assert_eq!(
        ground
            .raw("DELETE", &format!("/1.3/network/{uuid}"), b"")
            .unwrap()
            .status,
        204
    );
    assert_eq!(
        ground
            .raw("DELETE", &format!("/1.3/router/{router}"), b"")
            .unwrap()
            .status,
        204
    );
    let gone = ground
        .raw("GET", &format!("/1.3/router/{router}"), b"")
        .unwrap();
    assert_eq!(
        (gone.status, &gone.json()["error"]["error_code"]),
        (404, &json!("ROUTER_NOT_FOUND"))
    );
    let nobody = send(
        &ground.emulator.addresses.api,
        "GET",
        "/1.3/account",
        &[],
        b"",
    )
    .unwrap();
    assert_eq!(
        (nobody.status, &nobody.json()["error"]["error_code"]),
        (401, &json!("AUTHENTICATION_FAILED"))
    );
}

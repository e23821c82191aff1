//! Hostile input, made from a seed: the same requests in every run. The emulator answers or cuts the
//! connection, and is well afterwards.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::ground::{BASE, Ground};
use crate::http::send;
use crate::signer::{Key, attempt};

const SEED: u64 = 0x5eed_c00b;

/// Texts that have broken parsers before.
const TEXTS: [&str; 16] = [
    "",
    "..",
    "../../etc/passwd",
    "%2e%2e%2f",
    "%00",
    "%ff%fe",
    "\u{0}",
    "\u{202e}",
    "😀",
    "{}",
    "${jndi:ldap://x}",
    "' OR 1=1 --",
    "<!DOCTYPE x [<!ENTITY a \"b\">]>",
    "9999999999999999999999",
    "-0",
    "a\r\nX: y",
];

fn text(rng: &mut StdRng) -> String {
    match rng.random_range(0..4) {
        0 => "x".repeat(rng.random_range(0..20_000)),
        1 => (0..rng.random_range(0..20))
            .map(|_| rng.random::<char>())
            .collect(),
        _ => (*TEXTS.choose(rng).unwrap()).to_owned(),
    }
}

fn value(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(rng.random::<f64>() * 1e300),
        4 => json!(text(rng)),
        5 => (0..rng.random_range(0..5))
            .map(|_| value(rng, depth - 1))
            .collect(),
        _ => {
            let members = (0..rng.random_range(0..5)).map(|_| (text(rng), value(rng, depth - 1)));
            Value::Object(members.collect())
        }
    }
}

/// A good body with some of it replaced.
fn spoiled(rng: &mut StdRng, body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let mut members = members.clone();
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                match rng.random_range(0..4) {
                    0 => drop(members.insert(name, value(rng, 3))),
                    1 => drop(members.remove(&name)),
                    2 => drop(members.insert(text(rng), value(rng, 2))),
                    _ => {}
                }
            }
            Value::Object(members)
        }
        _ => value(rng, 4),
    }
}

fn assert_well(ground: &Ground) {
    assert_eq!(ground.get("?limit=1").status, 200);
    assert_eq!(ground.steer("GET", "/healthz", &Value::Null).0, 200);
}

#[test]
fn spoiled_bodies_get_an_answer_of_the_product() {
    let ground = Ground::quick();
    let (service, key) = ground.furnished("media");
    let mut rng = StdRng::seed_from_u64(SEED);
    for (method, path, body) in crate::operations::writes(&service, &key, "media") {
        for _ in 0..6 {
            let body = spoiled(&mut rng, &body);
            let answer = ground.call(method, &path, &body);
            let known = matches!(answer.status, 200 | 201 | 204 | 400 | 404);
            assert!(known, "{method} {path} {body}: {}", answer.status);
        }
        for bytes in [
            &b"\xff\xfe{"[..],
            b"{\"a\":1e999999}",
            b"[1,",
            b"\"\\ud800\"",
            b"{\"a\":1,\"a\":2}",
        ] {
            let answer = ground.raw(method, &format!("{BASE}{path}"), bytes).unwrap();
            let known = matches!(answer.status, 200 | 201 | 204 | 400 | 404);
            assert!(known, "{method} {path}: {}", answer.status);
        }
    }
    assert_well(&ground);
}

/// Sends bytes as they are and reads what comes, if anything does.
fn raw(base: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    out
}

#[test]
fn raw_bytes_on_every_port_are_answered_or_cut() {
    let ground = Ground::quick();
    let at = &ground.emulator.addresses;
    let mut rng = StdRng::seed_from_u64(SEED);
    let many: Vec<String> = (0..5000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let many = many.concat();
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    let mut cases: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: \xff\r\nAuthorization: \xff\r\nOrigin: \xff\r\n\r\n".to_vec(),
        b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
            .to_vec(),
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
            .to_vec(),
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"DELETE /x HTTP/1.0\r\n\r\n".to_vec(),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").into_bytes(),
        long.into_bytes(),
    ];
    for _ in 0..60 {
        let length = rng.random_range(0..300);
        cases.push((0..length).map(|_| rng.random()).collect());
        let mut near =
            b"GET /a/b?list-type=2 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n".to_vec();
        let place = rng.random_range(0..near.len());
        near[place] = rng.random();
        cases.push(near);
    }
    for base in [&at.api, &at.s3, &at.web, &at.control] {
        for case in &cases {
            raw(base, case);
        }
    }
    assert_well(&ground);
}

/// A furnished service and a key that may do everything.
fn equipped(ground: &Ground) -> Key {
    let (service, _) = ground.furnished("media");
    ground.delete(&format!("{service}/users/ci/permissions-boundary"));
    let policy = json!({"name": "ECSS3FullAccess"});
    ground.expect(
        204,
        "POST",
        &format!("{service}/users/ci/policies"),
        &policy,
    );
    let made = ground.expect(
        201,
        "POST",
        &format!("{service}/users/ci/access-keys"),
        &json!({}),
    );
    let member = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    Key {
        id: member("access_key_id"),
        secret: member("secret_access_key"),
    }
}

#[test]
fn odd_documents_do_not_stop_s3() {
    let ground = Ground::quick();
    let key = equipped(&ground);
    let mut rng = StdRng::seed_from_u64(SEED);
    let deep = format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000));
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]><Delete>&b;</Delete>";
    for resource in [
        "cors",
        "delete",
        "lifecycle",
        "policy",
        "tagging",
        "versioning",
    ] {
        let method = if resource == "delete" { "POST" } else { "PUT" };
        let path = format!("/invoices?{resource}=");
        for document in [
            deep.as_str(),
            bomb,
            "",
            "<",
            "\u{0}",
            "<Delete><Object/></Delete>",
            "{\"a\":[",
        ] {
            if let Some(answer) = attempt(&ground, &key, method, &path, document.as_bytes()) {
                assert!(
                    (400..500).contains(&answer.status),
                    "{resource}: {}",
                    answer.status
                );
            }
        }
        for _ in 0..10 {
            let noise: Vec<u8> = (0..200).map(|_| rng.random()).collect();
            let _ = attempt(&ground, &key, method, &path, &noise);
        }
    }
    assert_well(&ground);
}

#[test]
fn odd_paths_and_headers_do_not_stop_s3() {
    let ground = Ground::quick();
    let key = equipped(&ground);
    let mut rng = StdRng::seed_from_u64(SEED);
    let names = [
        "Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "x-amz-copy-source",
        "Content-MD5",
        "x-amz-tagging",
        "x-amz-date",
        "Authorization",
        "Host",
        "Origin",
        "x-amz-content-sha256",
    ];
    for _ in 0..150 {
        let segment: Vec<String> = (0..rng.random_range(0..8))
            .map(|_| format!("%{:02x}", rng.random::<u8>()))
            .collect();
        let segment = segment.concat();
        let path = format!(
            "/invoices/{segment}?{}={}",
            [
                "versionId",
                "uploadId",
                "partNumber",
                "max-keys",
                "X-Amz-Signature",
                "Action"
            ]
            .choose(&mut rng)
            .unwrap(),
            rng.random::<i32>()
        );
        let noise: String = text(&mut rng)
            .chars()
            .filter(char::is_ascii_graphic)
            .take(2000)
            .collect();
        let headers = [(*names.choose(&mut rng).unwrap(), noise.as_str())];
        for base in [
            &ground.emulator.addresses.s3,
            &ground.emulator.addresses.web,
        ] {
            let method = *["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]
                .choose(&mut rng)
                .unwrap();
            if let Some(answer) = send(base, method, &path, &headers, b"") {
                assert_ne!(answer.status, 500, "{method} {path} {headers:?}");
            }
        }
    }
    assert_well(&ground);
    assert_eq!(attempt(&ground, &key, "GET", "/", b"").unwrap().status, 200);
}

#[test]
fn slow_clients_keep_nobody_waiting() {
    let ground = Ground::quick();
    let at = &ground.emulator.addresses;
    let mut open = Vec::new();
    for base in [&at.api, &at.s3, &at.web, &at.control] {
        for start in [
            "POST / HTTP/1.1\r\nHost: x\r\n",
            "PUT /invoices/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab",
        ] {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
                stream.write_all(start.as_bytes()).unwrap();
                open.push(stream);
            }
        }
    }
    assert_well(&ground);
    drop(open);
}

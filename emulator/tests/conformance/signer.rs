//! Signature version 4 for the S3 endpoint.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::ground::Ground;
use crate::http::{Answer, send};

/// An access key.
pub struct Key {
    pub id: String,
    pub secret: String,
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.concat()
}

/// Calls S3, signed with signature version 4 by the emulator's own clock.
pub fn s3(ground: &Ground, key: &Key, method: &str, path: &str, body: &[u8]) -> Answer {
    let answer = attempt(ground, key, method, path, body);
    answer.unwrap_or_else(|| panic!("{method} {path} was cut"))
}

/// The same; nothing if the connection was cut.
pub fn attempt(
    ground: &Ground,
    key: &Key,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Answer> {
    let (_, clock) = ground.steer("GET", "/clock", &Value::Null);
    let base = &ground.emulator.addresses.s3;
    signed(
        base,
        clock["now"].as_str().unwrap(),
        key,
        method,
        path,
        body,
    )
}

/// Calls the S3 endpoint at `base`, signed at `now`. The query is in the order of its names.
pub fn signed(
    base: &str,
    now: &str,
    key: &Key,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Answer> {
    signed_for("s3", base, now, key, method, path, body)
}

/// Asks STS with everything in the query.
pub fn sts(ground: &Ground, key: &Key, path: &str) -> Answer {
    let (_, clock) = ground.steer("GET", "/clock", &Value::Null);
    let base = &ground.emulator.addresses.s3;
    let now = clock["now"].as_str().unwrap();
    signed_for("sts", base, now, key, "GET", path, b"").unwrap()
}

fn signed_for(
    service: &str,
    base: &str,
    now: &str,
    key: &Key,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Answer> {
    let host = base.strip_prefix("http://").unwrap();
    let compact: String = now[..19].replace(['-', ':'], "");
    let (date, stamp) = (&compact[..8], format!("{compact}Z"));
    let empty = hex(&Sha256::digest(b""));
    let hash = if service == "s3" {
        "UNSIGNED-PAYLOAD"
    } else {
        &empty
    };
    let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
    let canonical = format!(
        "{method}\n{path_only}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n\n\
         host;x-amz-content-sha256;x-amz-date\n{hash}"
    );
    let scope = format!("{date}/europe-2/{service}/aws4_request");
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let secret = format!("AWS4{}", key.secret);
    let parts = [date, "europe-2", service, "aws4_request"];
    let signing = parts
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&signing, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
        key.id
    );
    let headers = [
        ("Authorization", authorization.as_str()),
        ("x-amz-date", stamp.as_str()),
        ("x-amz-content-sha256", hash),
    ];
    send(base, method, path, &headers, body)
}

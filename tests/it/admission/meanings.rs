//! What patterns mean: texts that people write, and such that must not pass.

use serde_json::{Value, json};

use super::desk::Desk;
use super::{merged, schema};
use crate::ground::Ground;

/// A kind, a field at the end of its path, and what it is said to be.
type Row = (&'static str, &'static str, Value);

fn good() -> Vec<Row> {
    vec![
        ("Account", "endpoint", json!("https://api.upcloud.com")),
        ("Account", "endpoint", json!("http://127.0.0.1:8080/base")),
        ("Account", "proxy", json!("http://proxy.example.org:3128")),
        ("Account", "dataPlane.hostOverride", json!("127.0.0.1")),
        (
            "Account",
            "caBundle",
            json!("Let's Encrypt\n-----BEGIN CERTIFICATE-----\nx"),
        ),
        (
            "ObjectStorageService",
            "corsOrigin",
            json!("https://app.example.org"),
        ),
        ("Bucket", "emptyFor", json!("0s")),
        ("Bucket", "emptyFor", json!("24h")),
        ("Bucket", "emptyFor", json!("90d")),
        (
            "IamUser",
            "accessKey.annotations",
            json!({"example.org/a": "b c\nd"}),
        ),
        (
            "IamUser",
            "accessKey.template",
            json!({"rclone.conf": "{{ region }}"}),
        ),
        ("StaticWebsite", "prefix", json!("dist/")),
        ("StaticWebsite", "prefix", json!("")),
    ]
}

fn bad() -> Vec<Row> {
    vec![
        ("Account", "endpoint", json!("ftp://api.upcloud.com")),
        ("Account", "endpoint", json!("https://me@api.upcloud.com")),
        ("Account", "endpoint", json!("https://api.upcloud.com?x")),
        ("Account", "proxy", json!("proxy.example.org")),
        ("Account", "dataPlane.hostOverride", json!("a/b")),
        ("Account", "caBundle", json!("-----BEGIN PRIVATE KEY-----")),
        ("ObjectStorageService", "region", json!("europe 2")),
        (
            "ObjectStorageService",
            "corsOrigin",
            json!("https://app example.org"),
        ),
        ("Bucket", "emptyFor", json!("5 m")),
        ("Bucket", "emptyFor", json!("1h30m")),
        ("Bucket", "emptyFor", json!("-5m")),
        ("IamUser", "accessKey.secretName", json!("../ci")),
        ("IamUser", "accessKey.labels", json!({"team": "a b"})),
        ("StaticWebsite", "prefix", json!("dist?")),
        (
            "StaticWebsite",
            "errorPages",
            json!([{"status": 404, "document": "/404.html"}]),
        ),
    ]
}

/// The sample with this field.
fn with(sample: &Value, path: &str, value: &Value) -> Value {
    let spec = path
        .rsplit('.')
        .fold(value.clone(), |inner, name| json!({ name: inner }));
    merged(sample, &json!({ "spec": spec }))
}

#[tokio::test]
async fn patterns_mean_what_people_write() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let samples = schema::samples();
    let rows = good().into_iter().map(|row| (row, true));
    let rows = rows.chain(bad().into_iter().map(|row| (row, false)));
    let mut wrong = Vec::new();
    for ((kind, path, value), passes) in rows {
        let desk = Desk::new(ground.admin(), "POST", kind, &namespace, "");
        let said = desk.send(&with(&samples[kind], path, &value)).await;
        let fits = match &said {
            Ok(_) => passes,
            Err(said) => {
                !passes
                    && said
                        .iter()
                        .any(|(field, _)| field.starts_with(&format!("spec.{path}")))
            }
        };
        if !fits {
            wrong.push(format!("{kind} {path} {value}: {:?}", said.err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

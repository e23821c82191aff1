//! Account, ObjectStorageService, Bucket and StaticWebsite.

use serde_json::{Value, json};

use super::{Kind, common, long, many};

fn account() -> Kind {
    Kind::of(
        "Account",
        json!({"credentialsSecretRef": {"name": "upcloud"}}),
    )
}

fn service() -> Kind {
    let spec = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
    Kind::of("ObjectStorageService", spec)
}

fn bucket() -> Kind {
    Kind::of("Bucket", json!({"serviceRef": {"name": "media"}}))
}

fn website() -> Kind {
    let spec = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
    Kind::of("StaticWebsite", spec)
}

#[tokio::test]
async fn accounts() {
    let rows = vec![
        ("default", json!({}), ""),
        (
            "default",
            json!({"credentialsSecretRef": null}),
            "spec.credentialsSecretRef",
        ),
        (
            "default",
            json!({"credentialsSecretRef": {"name": "Up_Cloud"}}),
            "spec.credentialsSecretRef.name",
        ),
        (
            "default",
            json!({"endpoint": "http://127.0.0.1:8080/base"}),
            "",
        ),
        (
            "default",
            json!({"endpoint": "ftp://api.upcloud.com"}),
            "spec.endpoint",
        ),
        (
            "default",
            json!({"endpoint": "https://me@api.upcloud.com"}),
            "spec.endpoint",
        ),
        ("default", json!({"requestsPerSecond": 500}), ""),
        (
            "default",
            json!({"requestsPerSecond": 0}),
            "spec.requestsPerSecond",
        ),
        (
            "default",
            json!({"requestsPerSecond": 501}),
            "spec.requestsPerSecond",
        ),
        (
            "default",
            json!({"dataPlane": {"scheme": "http", "port": 8080, "hostOverride": "127.0.0.1"}}),
            "",
        ),
        (
            "default",
            json!({"dataPlane": {"scheme": "s3"}}),
            "spec.dataPlane.scheme",
        ),
        (
            "default",
            json!({"dataPlane": {"port": 65536}}),
            "spec.dataPlane.port",
        ),
        (
            "default",
            json!({"dataPlane": {"hostOverride": "a/b"}}),
            "spec.dataPlane.hostOverride",
        ),
        (
            "default",
            json!({"caBundle": "-----BEGIN CERTIFICATE-----\nx"}),
            "",
        ),
        ("default", json!({"caBundle": "x"}), "spec.caBundle"),
        (
            "default",
            json!({"proxy": "http://proxy.example.org:3128"}),
            "",
        ),
        (
            "default",
            json!({"proxy": "proxy.example.org"}),
            "spec.proxy",
        ),
        (
            "default",
            json!({"allowedNamespaces": [{"name": "team-a"}]}),
            "",
        ),
        (
            "default",
            json!({"allowedNamespaces": [{"name": "Team"}]}),
            "spec.allowedNamespaces[0].name",
        ),
        (
            "default",
            json!({"allowedNamespaces": [{"name": "a"}, {"name": "a"}]}),
            "spec.allowedNamespaces",
        ),
    ];
    account().creates(rows).await;
}

#[tokio::test]
async fn new_services() {
    let mut rows = common();
    let private =
        json!({"name": "back", "type": "Private", "uuid": "03f0a1b2-0000-4000-8000-000000000001"});
    rows.extend([
        ("a-b", json!({"accountRef": null}), "spec.accountRef"),
        ("a-b", json!({"accountRef": {"name": "x", "namespace": "other"}}), ""),
        ("a-b", json!({"accountRef": {"name": "x", "namespace": "Other"}}), "spec.accountRef.namespace"),
        ("a-b", json!({"region": null}), "spec.region"),
        ("a-b", json!({"region": ""}), "spec.region"),
        ("a-b", json!({"region": "europe 2"}), "spec.region"),
        ("a-b", json!({"state": "Stopped"}), ""),
        ("a-b", json!({"state": "stopped"}), "spec.state"),
        ("a.b", json!({}), "the name at the cloud"),
        ("a.b", json!({"name": "a-b"}), ""),
        ("a-b", json!({"name": "Media"}), "the name at the cloud"),
        ("a-b", json!({"name": "Media", "adoption": "IfExists"}), ""),
        ("a-b", json!({"name": "a b", "adoption": "IfExists"}), "spec.name"),
        ("a-b", json!({"networks": [{"name": "pub", "type": "Public"}, private]}), ""),
        ("a-b", json!({"networks": [{"name": "pub", "type": "Public"}, {"name": "two", "type": "Public"}]}), "networks can have one entry of type Public"),
        ("a-b", json!({"networks": [{"name": "pub", "type": "Private"}]}), "a Private network needs the uuid"),
        ("a-b", json!({"networks": [{"name": "pub", "type": "Public", "uuid": private["uuid"]}]}), "a Private network needs the uuid"),
        ("a-b", json!({"networks": [{"name": "back", "type": "Private", "uuid": "03f0"}]}), "spec.networks[0].uuid"),
        ("a-b", json!({"networks": [{"name": "a/b", "type": "Public"}]}), "spec.networks[0].name"),
        ("a-b", json!({"labels": {"team": "media"}}), ""),
        ("a-b", json!({"labels": {"_team": "media"}}), "begin neither with _ nor with cooper-"),
        ("a-b", json!({"labels": {"cooper-uid": "x"}}), "begin neither with _ nor with cooper-"),
        ("a-b", json!({"labels": {"t": "media"}}), "label keys have 2 to 32 characters"),
        ("a-b", json!({"labels": {long(33): "media"}}), "label keys have 2 to 32 characters"),
        ("a-b", json!({"labels": {"team": long(256)}}), "spec.labels.team"),
        ("a-b", json!({"labels": many(254)}), ""),
        ("a-b", json!({"labels": many(255)}), "spec.labels"),
        ("a-b", json!({"corsOrigin": "https://app.example.org"}), ""),
        ("a-b", json!({"corsOrigin": "https://app example.org"}), "spec.corsOrigin"),
        ("a-b", json!({"allowedNamespaces": [{"name": "Team"}]}), "spec.allowedNamespaces[0].name"),
    ]);
    service().creates(rows).await;
}

#[tokio::test]
async fn changed_services() {
    let rows = vec![
        (
            "stored",
            json!({"labels": {"team": "media"}, "state": "Stopped"}),
            "",
        ),
        (
            "stored",
            json!({"region": "europe-3"}),
            "region cannot be changed",
        ),
        (
            "stored",
            json!({"accountRef": {"name": "other"}}),
            "accountRef cannot be changed",
        ),
        (
            "stored",
            json!({"accountRef": {"namespace": "other"}}),
            "accountRef cannot be changed",
        ),
        (
            "stored",
            json!({"name": "other"}),
            "name cannot be changed, added or removed",
        ),
    ];
    service().updates(json!({}), rows).await;
}

#[tokio::test]
async fn new_buckets() {
    let mut rows = common();
    rows.extend([
        ("a-b", json!({"serviceRef": null}), "spec.serviceRef"),
        (
            "a-b",
            json!({"serviceRef": {"name": ""}}),
            "spec.serviceRef.name",
        ),
        ("ab", json!({}), "the name at the cloud"),
        ("a.b.c", json!({}), ""),
        ("a-b", json!({"name": "logs.2026"}), ""),
        ("a-b", json!({"name": "Logs"}), "the name at the cloud"),
        ("a-b", json!({"name": "-logs"}), "the name at the cloud"),
        ("a-b", json!({"name": "Logs_1", "adoption": "IfExists"}), ""),
        (
            "a-b",
            json!({"name": "a/b", "adoption": "IfExists"}),
            "spec.name",
        ),
        ("a-b", json!({"name": long(63)}), ""),
        ("a-b", json!({"name": long(64)}), "the name at the cloud"),
        ("a-b", json!({"emptyFor": "0s"}), ""),
        ("a-b", json!({"emptyFor": "24h"}), ""),
        ("a-b", json!({"emptyFor": "5 m"}), "spec.emptyFor"),
        ("a-b", json!({"emptyFor": "1h30m"}), "spec.emptyFor"),
        ("a-b", json!({"emptyFor": "-5m"}), "spec.emptyFor"),
        ("a-b", json!({"emptyFor": 300}), "spec.emptyFor"),
    ]);
    bucket().creates(rows).await;
}

#[tokio::test]
async fn changed_buckets() {
    let rows = vec![
        (
            "stored",
            json!({"emptyFor": "1h", "deletionPolicy": "Delete"}),
            "",
        ),
        (
            "stored",
            json!({"serviceRef": {"name": "other"}}),
            "serviceRef cannot be changed",
        ),
        (
            "stored",
            json!({"serviceRef": {"namespace": "other"}}),
            "serviceRef cannot be changed",
        ),
        (
            "stored",
            json!({"name": "other"}),
            "name cannot be changed, added or removed",
        ),
        (
            "stored",
            json!({"name": null}),
            "name cannot be changed, added or removed",
        ),
    ];
    bucket().updates(json!({"name": "logs"}), rows).await;
}

#[tokio::test]
async fn new_websites() {
    let mut rows = common();
    let page = |page: Value| json!({"errorPages": [page]});
    rows.extend([
        ("a-b", json!({"bucketRef": null}), "spec.bucketRef"),
        ("a-b", json!({"prefix": "dist/"}), ""),
        ("a-b", json!({"prefix": "dist?"}), "spec.prefix"),
        ("a-b", json!({"indexDocument": ""}), "spec.indexDocument"),
        (
            "a-b",
            page(json!({"status": 404, "document": "404.html"})),
            "",
        ),
        (
            "a-b",
            page(json!({"from": 500, "to": 599, "document": "5xx.html"})),
            "",
        ),
        (
            "a-b",
            page(json!({"document": "404.html"})),
            "either status, or from and to",
        ),
        (
            "a-b",
            page(json!({"status": 404, "from": 500, "to": 599, "document": "x"})),
            "either status, or from and to",
        ),
        (
            "a-b",
            page(json!({"from": 500, "document": "x"})),
            "either status, or from and to",
        ),
        (
            "a-b",
            page(json!({"to": 500, "document": "x"})),
            "either status, or from and to",
        ),
        (
            "a-b",
            page(json!({"from": 599, "to": 500, "document": "x"})),
            "from must be smaller than to",
        ),
        (
            "a-b",
            page(json!({"status": 399, "document": "x"})),
            "spec.errorPages[0].status",
        ),
        (
            "a-b",
            page(json!({"status": 600, "document": "x"})),
            "spec.errorPages[0].status",
        ),
        (
            "a-b",
            page(json!({"status": 404, "document": "/404.html"})),
            "spec.errorPages[0].document",
        ),
    ]);
    website().creates(rows).await;
}

#[tokio::test]
async fn changed_websites() {
    let rows = vec![
        (
            "stored",
            json!({"bucketRef": {"name": "other"}, "enabled": false}),
            "",
        ),
        (
            "stored",
            json!({"serviceRef": {"name": "other"}}),
            "serviceRef cannot be changed",
        ),
    ];
    website().updates(json!({}), rows).await;
}

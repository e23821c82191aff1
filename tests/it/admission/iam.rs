//! IamPolicy and IamUser.

use serde_json::{Value, json};

use super::{Kind, common, long, many, merged};
use crate::scene::document;

fn policy() -> Kind {
    let spec = json!({"serviceRef": {"name": "media"}, "document": document("s3:*")});
    Kind::of("IamPolicy", spec)
}

fn user() -> Kind {
    Kind::of("IamUser", json!({"serviceRef": {"name": "media"}}))
}

#[tokio::test]
async fn new_policies() {
    let mut rows = common();
    rows.extend([
        ("a-b", json!({"document": null}), "spec.document"),
        (
            "a-b",
            json!({"document": {"Version": null, "Statement": null}}),
            "spec.document",
        ),
        ("a.b", json!({}), "the name at the cloud"),
        ("a-b", json!({"name": "Readers"}), "the name at the cloud"),
        ("a-b", json!({"description": long(1000)}), ""),
        (
            "a-b",
            json!({"description": long(1001)}),
            "spec.description",
        ),
        ("a-b", json!({"description": ""}), "spec.description"),
        ("a-b", json!({"keepVersions": 1}), ""),
        ("a-b", json!({"keepVersions": 5}), ""),
        ("a-b", json!({"keepVersions": 0}), "spec.keepVersions"),
        ("a-b", json!({"keepVersions": 6}), "spec.keepVersions"),
    ]);
    policy().creates(rows).await;
}

#[tokio::test]
async fn changed_policies() {
    let rows = vec![
        (
            "stored",
            json!({"document": document("s3:GetObject"), "keepVersions": 3}),
            "",
        ),
        (
            "stored",
            json!({"description": "other"}),
            "description cannot be changed, added or removed",
        ),
        (
            "stored",
            json!({"description": null}),
            "description cannot be changed, added or removed",
        ),
        (
            "stored",
            json!({"name": "other"}),
            "name cannot be changed, added or removed",
        ),
        (
            "stored",
            json!({"serviceRef": {"name": "other"}}),
            "serviceRef cannot be changed",
        ),
    ];
    policy().updates(json!({"description": "Read"}), rows).await;
}

#[tokio::test]
async fn new_users() {
    let mut rows = common();
    let key = |more: Value| json!({"accessKey": merged(&json!({"secretName": "ci-s3"}), &more)});
    let policies =
        |number| json!({"policies": vec![json!({"systemPolicy": "ECSS3FullAccess"}); number]});
    rows.extend([
        ("a.b", json!({}), "the name at the cloud"),
        ("a-b", json!({"name": "_upcloud-internal-user", "adoption": "IfExists"}), "belongs to UpCloud"),
        ("a-b", json!({"policies": [{"policyRef": {"name": "logs-rw"}}, {"systemPolicy": "ECSS3FullAccess"}]}), ""),
        ("a-b", json!({"policies": [{"policyRef": {"name": "a"}, "systemPolicy": "b"}]}), "spec.policies[0]"),
        ("a-b", json!({"policies": [{}]}), "spec.policies[0]"),
        ("a-b", json!({"policies": [{"systemPolicy": "a b"}]}), "spec.policies[0]"),
        ("a-b", policies(10), ""),
        ("a-b", policies(11), "spec.policies"),
        ("a-b", key(json!({})), ""),
        ("a-b", key(json!({"secretName": null})), "spec.accessKey.secretName"),
        ("a-b", key(json!({"secretName": "Ci_S3"})), "spec.accessKey.secretName"),
        ("a-b", key(json!({"labels": {"team": "media"}})), ""),
        ("a-b", key(json!({"labels": {"team": "a b"}})), "spec.accessKey.labels.team"),
        ("a-b", key(json!({"labels": {"cooper.dev/issuer": "x"}})), "labels of cooper.dev are cooper's own"),
        ("a-b", key(json!({"annotations": {"example.org/a": "b c"}})), ""),
        ("a-b", key(json!({"annotations": {"cooper.dev/mark": "x"}})), "annotations of cooper.dev are cooper's own"),
        ("a-b", key(json!({"labels": many(33)})), "spec.accessKey.labels"),
        ("a-b", key(json!({"bucketRefs": [{"name": "logs"}]})), ""),
        ("a-b", key(json!({"bucketRefs": [{"name": "Logs"}]})), "spec.accessKey.bucketRefs[0].name"),
        ("a-b", key(json!({"template": {"rclone.conf": "{{ region }}"}})), ""),
        ("a-b", key(json!({"template": {"x": long(16_385)}})), "spec.accessKey.template.x"),
        ("a-b", key(json!({"template": many(17)})), "spec.accessKey.template"),
    ]);
    user().creates(rows).await;
}

#[tokio::test]
async fn changed_users() {
    let rows = vec![
        (
            "stored",
            json!({"policies": [{"systemPolicy": "ECSS3FullAccess"}], "exclusive": true}),
            "",
        ),
        (
            "stored",
            json!({"accessKey": {"labels": {"team": "media"}}}),
            "",
        ),
        ("stored", json!({"accessKey": null}), ""),
        (
            "stored",
            json!({"accessKey": {"secretName": "other"}}),
            "accessKey.secretName cannot be changed",
        ),
        (
            "stored",
            json!({"name": "other"}),
            "name cannot be changed, added or removed",
        ),
        (
            "stored",
            json!({"serviceRef": {"name": "other"}}),
            "serviceRef cannot be changed",
        ),
    ];
    let stored = json!({"accessKey": {"secretName": "ci-s3"}});
    user().updates(stored, rows).await;
}

//! `import`: what exists, as YAML that takes it over without a change.

use cooper::upcloud::document::fingerprint;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Cooper, made, service};
use crate::ground::{Emulator, Ground};
use crate::scene::document;

/// A policy document as the API takes it.
pub fn encoded(document: &Value) -> String {
    utf8_percent_encode(&document.to_string(), NON_ALPHANUMERIC).to_string()
}

/// An account with one of everything, names that no resource can have, and things that no resource can stand for.
async fn account(cloud: &Emulator) {
    let media = service(cloud, "Media_Store").await;
    // A service settles at a look.
    Cooper::with_token(cloud).run(&["usage"]).await.done();
    for name in ["site", "logs"] {
        made(cloud, &format!("{media}/buckets"), json!({"name": name})).await;
    }
    for (name, action) in [("Backup_RW", "s3:*"), ("readers", "s3:GetObject")] {
        let policy = json!({"name": name, "description": "for \"backups\": yes", "document": encoded(&document(action))});
        made(cloud, &format!("{media}/policies"), policy).await;
    }
    for user in ["ci", "CI", "x@example.org"] {
        made(cloud, &format!("{media}/users"), json!({"username": user})).await;
    }
    for policy in ["Backup_RW", "ECSS3ReadOnlyAccess"] {
        let path = format!("{media}/users/CI/policies");
        made(cloud, &path, json!({"name": policy})).await;
    }
    made(cloud, &format!("{media}/users/ci/access-keys"), Value::Null).await;
    rights(cloud, &media).await;
    let domain = json!({"domain_name": "files.example.org", "type": "public", "mode": "api"});
    made(cloud, &format!("{media}/custom-domains"), domain).await;
    let pages = json!([{"error_document": "404.html", "status_code": 404},
        {"error_document": "5xx.html", "status_range": {"start": 500, "end": 599}}]);
    let website = json!({"bucket_name": "site", "spa_mode": true, "error_pages": pages});
    made(cloud, &format!("{media}/static-websites"), website).await;
    service(cloud, "other").await;
}

/// A group, a role with everything a role has, and inline policies with and without a name that tells their content.
async fn rights(cloud: &Emulator, media: &str) {
    let list = document("s3:ListBucket");
    let told = format!("list-{}", fingerprint(&list));
    made(cloud, &format!("{media}/groups"), json!({"name": "ops"})).await;
    let attach = json!({"name": "readers"});
    made(cloud, &format!("{media}/groups/ops/policies"), attach).await;
    for (who, name) in [
        ("groups/ops", told.as_str()),
        ("users/CI", &told),
        ("users/CI", "by-hand"),
    ] {
        let body = json!({"name": name, "document": list.to_string()});
        made(cloud, &format!("{media}/{who}/inline-policies"), body).await;
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": ["*"]}}]});
    let role = json!({
        "name": "Uploader", "assume_role_policy_document": trust.to_string(), "description": "uploads",
        "max_session_duration": 7200, "permissions_boundary": "readers", "tags": [{"key": "env", "value": "prod"}, {"key": "cooper-uid", "value": "of-another-cluster"}],
    });
    made(cloud, &format!("{media}/roles"), role).await;
}

#[tokio::test]
async fn what_is_imported_is_accepted_and_changes_nothing() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    account(&cloud).await;
    let cooper = Cooper::with_token(&cloud);
    let said = cooper.run(&["import"]).await;
    let yaml = said.out;
    assert_eq!(
        said.err,
        "left out: user CI of service Media_Store: its inline policy by-hand stays as it is, unmanaged\n\
         left out: user x@example.org of service Media_Store: spec.name cannot hold its name\n"
    );

    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let apply = ["apply", "--dry-run=server", "-n", &namespace, "-f", "-"];
    let applied = ground.kubectl_with(&apply, &yaml).await;
    assert!(applied.status.success(), "{applied:?}\n{yaml}");
    let lines = String::from_utf8(applied.stdout).unwrap();
    assert_eq!(lines.lines().count(), 12, "{lines}");

    let file = cooper.file("import.yaml", &yaml);
    let planned = cooper.run(&["plan", "--offline", "-f", &file]).await;
    assert_eq!(
        planned.done(),
        "adopt   ObjectStorageService default/media-store\n\
         adopt   ObjectStorageService default/other\n\
         adopt   Bucket default/logs\n\
         adopt   Bucket default/site\n\
         adopt   CustomDomain default/files-example-org\n\
         adopt   IamPolicy default/backup-rw\n\
         adopt   IamPolicy default/readers\n\
         adopt   IamUser default/ci-media-store\n\
         adopt   IamGroup default/ops\n\
         adopt   IamRole default/uploader\n\
         adopt   IamUser default/ci\n\
         adopt   StaticWebsite default/site\n\n\
         Nothing would change at the cloud: adopt 12.\n"
    );
}

#[tokio::test]
async fn a_resource_is_named_safely_and_says_the_remotes_own_name() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    account(&cloud).await;
    let cooper = Cooper::with_token(&cloud);
    let asked = [
        "import",
        "-o",
        "json",
        "-n",
        "media",
        "--account-ref",
        "upcloud",
        "--service",
        "Media_Store",
    ];
    let list = cooper.run(&asked).await.json(0);
    let items = list["items"].as_array().unwrap();
    let kinds: Vec<_> = items
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    let find = |kind: &str, name: &str| {
        let is = |item: &&Value| item["kind"] == kind && item["metadata"]["name"] == name;
        let found = items
            .iter()
            .find(is)
            .unwrap_or_else(|| panic!("no {kind} {name}: {list}"));
        assert_eq!(found["metadata"]["namespace"], "media");
        assert_eq!(found["spec"]["adoption"], "IfExists");
        found["spec"].clone()
    };
    let service = find("ObjectStorageService", "media-store");
    assert_eq!(service["name"], "Media_Store");
    assert_eq!(service["accountRef"], json!({"name": "upcloud"}));
    assert_eq!(service["labels"], json!({"team": "media"}));
    assert_eq!(
        service["networks"],
        json!([{"name": "public", "type": "Public"}])
    );
    let policy = find("IamPolicy", "backup-rw");
    assert_eq!(policy["serviceRef"], json!({"name": "media-store"}));
    assert_eq!(policy["document"], document("s3:*"));
    assert_eq!(policy["description"], "for \"backups\": yes");
    let user = find("IamUser", "ci-media-store");
    assert_eq!(user["name"], "ci");
    assert_eq!(user["accessKey"], Value::Null);
    let user = find("IamUser", "ci");
    assert_eq!(user["name"], "CI");
    assert_eq!(
        user["policies"],
        json!([{"policyRef": {"name": "backup-rw"}}, {"systemPolicy": "ECSS3ReadOnlyAccess"}])
    );
    assert_eq!(
        user["inlinePolicies"],
        json!({"list": document("s3:ListBucket")})
    );
    let group = find("IamGroup", "ops");
    assert_eq!(
        group["policies"],
        json!([{"policyRef": {"name": "readers"}}])
    );
    assert_eq!(
        group["inlinePolicies"],
        json!({"list": document("s3:ListBucket")})
    );
    let role = find("IamRole", "uploader");
    assert_eq!(role["name"], "Uploader");
    assert_eq!(
        role["permissionsBoundary"],
        json!({"policyRef": {"name": "readers"}})
    );
    assert_eq!(role["tags"], json!({"env": "prod"}));
    assert_eq!(role["maxSessionSeconds"], 7200);
    let site = find("StaticWebsite", "site");
    assert_eq!(site["bucketRef"], json!({"name": "site"}));
    assert_eq!(
        site["errorPages"][1],
        json!({"from": 500, "to": 599, "document": "5xx.html"})
    );
}

#[tokio::test]
async fn nothing_is_written_anywhere() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    account(&cloud).await;
    cloud.forget().await;
    let cooper = Cooper::with_token(&cloud);
    let yaml = cooper.run(&["import"]).await.out;
    cooper
        .run_with(&["plan", "--offline", "-f", "-"], &yaml)
        .await;
    cooper.run(&["keys", "--offline"]).await.done();
    let journal = cloud.journal(0).await;
    assert!(!journal.is_empty());
    let writes: Vec<_> = journal.iter().filter(|entry| entry.is_write()).collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error() {
    let cloud = Emulator::start(&[]).await;
    let said = Cooper::with_token(&cloud)
        .run(&["import", "--service", "x"])
        .await;
    assert_eq!(said.failed(), "error: the account has no service named x\n");
    let empty = Cooper::with_token(&cloud).run(&["import"]).await;
    assert_eq!(empty.done(), "");
}

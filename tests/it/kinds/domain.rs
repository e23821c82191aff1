//! `CustomDomain`: attached, waited for, shown a website on, detached.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{Fault, eventually};
use crate::scene::{PATIENCE, Scene};

const KIND: &str = "CustomDomain";
const SERVICE: &str = "ObjectStorageService";

fn spec(more: Value) -> Value {
    let mut spec = json!({"serviceRef": {"name": "media"}, "domainName": "files.example.org"});
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

/// The domains at the cloud.
async fn domains(scene: &Scene) -> Value {
    scene.theirs("GET", "/custom-domains", Value::Null).await
}

/// Since when the service has been Ready, or not.
async fn ready_since(scene: &Scene) -> Value {
    let status = scene.status(SERVICE, "media").await;
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|found| found["type"] == "Ready");
    ready.unwrap()["lastTransitionTime"].clone()
}

#[tokio::test]
async fn a_domain_names_its_dns_records_until_it_is_active() {
    let scene = Scene::running().await;
    scene
        .cloud
        .pace(Duration::from_mins(5), Duration::ZERO)
        .await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    let told = scene
        .until(KIND, "files", "Ready", "False", "SettingUp")
        .await;
    let host = scene.status(SERVICE, "media").await["atProvider"]["endpoint"]["host"].clone();
    let record = format!("files.example.org CNAME {}", host.as_str().unwrap());
    assert!(told.contains(&record), "{told}");
    let facts = scene.status(KIND, "files").await["atProvider"].clone();
    assert_eq!(facts["records"].as_array().unwrap().len(), 3, "{facts}");
    assert_eq!(facts["active"], false);
    scene.advance(Duration::from_hours(2)).await;
    scene.ready(KIND, "files").await;
    let facts = scene.status(KIND, "files").await["atProvider"].clone();
    assert_eq!(facts["active"], true);
}

#[tokio::test]
async fn a_service_stays_ready_while_a_domain_is_attached_and_new_users_get_keys() {
    let scene = Scene::running().await;
    let since = ready_since(&scene).await;
    scene
        .cloud
        .pace(Duration::from_mins(5), Duration::ZERO)
        .await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene
        .until(KIND, "files", "Ready", "False", "SettingUp")
        .await;
    scene.round().await;
    let told = scene
        .until(SERVICE, "media", "Reconciling", "True", "Progressing")
        .await;
    assert!(
        told.starts_with("usable; the cloud is working on a change"),
        "{told}"
    );
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    assert!(scene.secret("ci-s3").await.is_some());

    scene.advance(Duration::from_hours(2)).await;
    scene.ready(KIND, "files").await;
    scene
        .until(SERVICE, "media", "Ready", "True", "Available")
        .await;
    assert_eq!(
        ready_since(&scene).await,
        since,
        "it was Ready all the time"
    );
}

#[tokio::test]
async fn a_domain_without_dns_marks_itself_and_nothing_else() {
    let scene = Scene::running().await;
    scene.cloud.choose("custom-domain-dns", "unverified").await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene
        .until(KIND, "files", "Ready", "False", "SettingUp")
        .await;
    scene.round().await;
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "media"}}))
        .await;
    scene.ready("Bucket", "logs").await;
    let labels = json!({"accountRef": {"name": "default"}, "region": "europe-2", "labels": {"team": "media"}});
    scene.apply(SERVICE, "media", labels).await;
    eventually(PATIENCE, "the service says what it waits for", async || {
        let told = scene.until(SERVICE, "media", "Ready", "True", "").await;
        told.contains("files.example.org").then_some(()).ok_or(told)
    })
    .await;
    let told = scene
        .until(KIND, "files", "Ready", "False", "SettingUp")
        .await;
    assert!(told.contains("The cloud says"), "{told}");

    scene.cloud.choose("custom-domain-dns", "verified").await;
    scene.advance(Duration::from_mins(1)).await;
    scene.ready(KIND, "files").await;
}

#[tokio::test]
async fn an_attachment_that_was_not_answered_is_found_again() {
    let scene = Scene::running().await;
    let lost = Fault::lost().on("POST", "/custom-domains$");
    scene.cloud.fault(lost).await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene.ready(KIND, "files").await;
    assert_eq!(domains(&scene).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_domain_that_somebody_else_attached_is_left_alone() {
    let scene = Scene::running().await;
    let theirs = json!({"domain_name": "files.example.org", "type": "public"});
    scene.theirs("POST", "/custom-domains", theirs).await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene
        .until(KIND, "files", "Ready", "False", "NameTaken")
        .await;
    scene.delete(KIND, "files").await;
    scene.gone(KIND, "files").await;
    assert_eq!(domains(&scene).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_domain_that_somebody_else_attached_is_adopted_if_it_serves_the_same() {
    let scene = Scene::running().await;
    let theirs = json!({"domain_name": "files.example.org", "type": "public"});
    scene.theirs("POST", "/custom-domains", theirs).await;
    let adopt = |mode: &str| spec(json!({"adoption": "IfExists", "mode": mode}));
    scene.apply(KIND, "wrong", adopt("Website")).await;
    let told = scene
        .until(KIND, "wrong", "Ready", "False", "ImmutableField")
        .await;
    assert!(told.contains("mode"), "{told}");
    scene.delete(KIND, "wrong").await;
    scene.gone(KIND, "wrong").await;
    scene.apply(KIND, "files", adopt("Api")).await;
    scene.ready(KIND, "files").await;
}

#[tokio::test]
async fn a_detached_domain_is_attached_again() {
    let scene = Scene::running().await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene.ready(KIND, "files").await;
    scene
        .theirs("DELETE", "/custom-domains/files.example.org", Value::Null)
        .await;
    scene.round().await;
    scene
        .cloud_until("it is attached again", |cloud| {
            cloud["custom_domains"].to_string().contains("files")
                || cloud["domains"].to_string().contains("files")
        })
        .await;
    scene.ready(KIND, "files").await;
}

#[tokio::test]
async fn a_deleted_domain_is_detached() {
    let scene = Scene::running().await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene.ready(KIND, "files").await;
    scene.delete(KIND, "files").await;
    scene.gone(KIND, "files").await;
    assert_eq!(domains(&scene).await, json!([]));
}

/// A website `www` on a domain of its own.
async fn with_website() -> Scene {
    let scene = Scene::running().await;
    website(&scene).await;
    scene
}

async fn website(scene: &Scene) {
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "site", bucket).await;
    let domain = spec(json!({"domainName": "www.example.org", "mode": "Website"}));
    scene.apply(KIND, "www", domain).await;
    let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}, "domainRef": {"name": "www"}});
    scene.apply("StaticWebsite", "www", site).await;
}

#[tokio::test]
async fn a_website_is_shown_on_a_domain_of_its_own() {
    let scene = with_website().await;
    scene.ready("StaticWebsite", "www").await;
    let status = scene.status("StaticWebsite", "www").await;
    assert_eq!(status["atProvider"]["url"], "http://www.example.org");
    let site = scene
        .theirs("GET", "/static-websites/www.example.org", Value::Null)
        .await;
    assert_eq!(site["bucket_name"], "site", "{site}");
}

#[tokio::test]
async fn a_website_is_not_ready_before_its_domain() {
    let scene = Scene::running().await;
    scene.cloud.choose("custom-domain-dns", "unverified").await;
    website(&scene).await;
    let told = scene
        .until("StaticWebsite", "www", "Ready", "False", "SettingUp")
        .await;
    assert!(told.contains("www.example.org does not answer"), "{told}");
    scene.cloud.choose("custom-domain-dns", "verified").await;
    scene.advance(Duration::from_mins(1)).await;
    scene.ready("StaticWebsite", "www").await;
}

#[tokio::test]
async fn a_website_waits_for_a_domain_that_serves_websites() {
    let scene = with_website().await;
    scene.apply(KIND, "files", spec(json!({}))).await;
    scene.ready(KIND, "files").await;
    let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}, "domainRef": {"name": "files"}});
    scene.apply("StaticWebsite", "wrong", site).await;
    let told = scene
        .until("StaticWebsite", "wrong", "Resolved", "False", "InvalidSpec")
        .await;
    assert!(told.contains("mode: Website"), "{told}");
}

#[tokio::test]
async fn a_domain_goes_after_its_website() {
    let scene = with_website().await;
    scene.ready("StaticWebsite", "www").await;
    scene.delete(KIND, "www").await;
    let told = scene
        .until(KIND, "www", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("StaticWebsite"), "{told}");
    scene.delete("StaticWebsite", "www").await;
    scene.gone("StaticWebsite", "www").await;
    scene.gone(KIND, "www").await;
}

#[tokio::test]
async fn a_foreign_website_holds_its_domain() {
    let scene = Scene::running().await;
    let domain = spec(json!({"domainName": "www.example.org", "mode": "Website"}));
    scene.apply(KIND, "www", domain).await;
    scene.ready(KIND, "www").await;
    scene
        .theirs("POST", "/buckets", json!({"name": "theirs"}))
        .await;
    let site = json!({"domain_name": "www.example.org", "bucket_name": "theirs"});
    scene.theirs("POST", "/static-websites", site).await;
    scene.delete(KIND, "www").await;
    let told = scene
        .until(KIND, "www", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("would go with it"), "{told}");
    scene
        .merge(KIND, "www", json!({"spec": {"deletionPolicy": "Delete"}}))
        .await;
    scene.gone(KIND, "www").await;
}

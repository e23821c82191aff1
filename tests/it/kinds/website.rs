//! StaticWebsite: configuration at the cloud, and what a browser sees.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::eventually;
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene};

/// A drift round and what it may be late.
const ROUND: Duration = Duration::from_secs(700);

fn spec(more: Value) -> Value {
    let mut spec = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

async fn with_site() -> Scene {
    let scene = Scene::running().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "site", bucket).await;
    scene.apply("StaticWebsite", "site", spec(json!({}))).await;
    scene.ready("StaticWebsite", "site").await;
    scene
}

/// The one website at the cloud.
async fn website(scene: &Scene) -> Value {
    match &scene.at_cloud().await["websites"] {
        Value::Array(sites) => sites.first().cloned().unwrap_or_default(),
        Value::Object(sites) => sites.values().next().cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn a_website_shows_its_bucket_on_the_domain_of_the_service() {
    let scene = with_site().await;
    let site = website(&scene).await;
    assert_eq!(site["bucket_name"], "site", "{site}");
    let status = scene.status("StaticWebsite", "site").await;
    let url = status["atProvider"]["url"].as_str().unwrap().to_owned();
    assert!(
        url.contains(status["place"]["domain"].as_str().unwrap()),
        "{url}"
    );
}

#[tokio::test]
async fn a_ready_website_says_that_its_bucket_must_be_public() {
    let scene = with_site().await;
    let told = scene
        .until("StaticWebsite", "site", "Ready", "True", "")
        .await;
    assert!(told.contains("publicly readable"), "{told}");
}

#[tokio::test]
async fn a_changed_website_is_changed_at_the_cloud_in_one_request() {
    let scene = with_site().await;
    scene.cloud.forget().await;
    let more = json!({
        "prefix": "dist/", "indexDocument": "start.html", "singlePage": true,
        "errorPages": [{"status": 404, "document": "404.html"}, {"from": 500, "to": 599, "document": "5xx.html"}],
    });
    scene.apply("StaticWebsite", "site", spec(more)).await;
    scene.ready("StaticWebsite", "site").await;
    let site = website(&scene).await;
    assert_eq!(site["bucket_prefix"], "dist/", "{site}");
    assert_eq!(site["index_document"], "start.html", "{site}");
    assert_eq!(site["error_pages"].as_array().unwrap().len(), 2, "{site}");
    assert_eq!(scene.writes().await.len(), 1);
}

#[tokio::test]
async fn a_deleted_website_is_gone_and_its_bucket_stays() {
    let scene = with_site().await;
    scene.delete("StaticWebsite", "site").await;
    scene.gone("StaticWebsite", "site").await;
    assert_eq!(website(&scene).await, Value::Null);
    scene.until("Bucket", "site", "Ready", "True", "").await;
}

#[tokio::test]
async fn a_bucket_waits_for_the_website_that_shows_it() {
    let scene = with_site().await;
    scene.delete("Bucket", "site").await;
    let told = scene
        .until("Bucket", "site", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("StaticWebsite"), "{told}");
    scene.delete("StaticWebsite", "site").await;
    scene.gone("Bucket", "site").await;
}

#[tokio::test]
async fn a_browser_sees_the_pages_of_a_public_bucket() {
    let scene = with_site().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("site", "index.html", "<h1>Hello</h1>").await, 200);
    assert!(s3.publish("site").await.is_success());
    let domain = scene.status("StaticWebsite", "site").await["place"]["domain"].clone();
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    eventually(PATIENCE, "the page is shown", async || {
        let page = browser
            .get(format!("{}/", scene.cloud.web))
            .header("host", domain.as_str().unwrap())
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let (status, text) = (page.status(), page.text().await.unwrap_or_default());
        if text == "<h1>Hello</h1>" {
            Ok(())
        } else {
            Err(format!("{status}: {text}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_website_changed_by_somebody_else_is_put_right() {
    let scene = with_site().await;
    let domain = scene.status("StaticWebsite", "site").await["place"]["domain"].clone();
    let path = format!("/static-websites/{}", domain.as_str().unwrap());
    scene
        .theirs("PATCH", &path, json!({"index_document": "theirs.html"}))
        .await;
    scene.advance(ROUND).await;
    scene
        .cloud_until("it is as it was", |cloud| {
            cloud["websites"].to_string().contains("index.html")
        })
        .await;
}

#[tokio::test]
async fn a_lost_website_is_made_anew() {
    let scene = with_site().await;
    let domain = scene.status("StaticWebsite", "site").await["place"]["domain"].clone();
    let path = format!("/static-websites/{}", domain.as_str().unwrap());
    scene.theirs("DELETE", &path, Value::Null).await;
    scene.advance(ROUND).await;
    scene
        .cloud_until("it is there", |cloud| {
            cloud["websites"].to_string().contains("index.html")
        })
        .await;
}

#[tokio::test]
async fn a_website_that_is_switched_off_says_so() {
    let scene = with_site().await;
    let off = spec(json!({"enabled": false}));
    scene.apply("StaticWebsite", "site", off).await;
    scene.ready("StaticWebsite", "site").await;
    let told = scene
        .until("StaticWebsite", "site", "Ready", "True", "")
        .await;
    assert!(told.contains("switched off"), "{told}");
    assert_eq!(website(&scene).await["enabled"], false);
}

//! Static websites over HTTP.

mod data_support;

use bytes::Bytes;
use cooper_emulator::data::directory::{ErrorPage, Site};
use data_support::{ADMIN, MEDIA, Server, Side};
use serde_json::json;

const DOMAIN: &str = "q7x2m-static.upcloudobjects.com";

/// A site under `dist/` with a page for 404 and one for the other 4xx, in a bucket open to everybody.
async fn site(change: impl FnOnce(&mut Site)) -> Server {
    let server = Server::start(Side::Website).await;
    let page = |first, last, document: &str| ErrorPage {
        first,
        last,
        document: document.to_owned(),
    };
    let mut site = Site {
        service: MEDIA.to_owned(),
        domain: DOMAIN.to_owned(),
        bucket: "site".to_owned(),
        prefix: "dist/".to_owned(),
        index_document: "index.html".to_owned(),
        error_pages: vec![page(400, 499, "4xx.html"), page(404, 404, "404.html")],
        spa_mode: false,
        enabled: true,
    };
    change(&mut site);
    server.fake.0.lock().sites.push(site);
    for (key, body) in [
        ("dist/index.html", "home"),
        ("dist/docs/index.html", "docs"),
        ("dist/a b.txt", "text"),
        ("dist/404.html", "not here"),
        ("dist/4xx.html", "no"),
        ("index.html", "outside"),
    ] {
        let body = Bytes::from_static(body.as_bytes());
        let _ = server.store.put_object(MEDIA, "site", key, body);
    }
    open(&server, "arn:aws:s3:::site/*");
    server
}

fn open(server: &Server, resource: &str) {
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": resource}]});
    server.store.set(MEDIA, "site", |settings| {
        settings.policy = Some((policy.to_string(), policy));
    });
}

#[tokio::test]
async fn paths_lead_to_documents_below_the_prefix() {
    let server = site(|_| {}).await;
    for (path, status, body) in [
        ("/", 200, "home"),
        ("/index.html", 200, "home"),
        ("/docs/", 200, "docs"),
        ("/docs", 302, ""),
        ("/a b.txt", 200, "text"),
        ("/missing", 404, "not here"),
        ("/missing/", 404, "not here"),
    ] {
        let answer = server.call("GET", path).host(DOMAIN).anonymous().await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{path}"
        );
    }
    let answer = server.call("GET", "/docs").host(DOMAIN).anonymous().await;
    assert_eq!(answer.header("location"), "/docs/");
}

#[tokio::test]
async fn an_error_keeps_its_status_and_shows_the_sites_page() {
    let server = site(|_| {}).await;
    let answer = server.call("POST", "/").host(DOMAIN).anonymous().await;
    assert_eq!((answer.status, answer.body.as_str()), (405, "no"));
    open(&server, "arn:aws:s3:::site/dist/4*");
    let answer = server.call("GET", "/").host(DOMAIN).anonymous().await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "no"));
}

#[tokio::test]
async fn a_closed_bucket_answers_403() {
    let server = site(|_| {}).await;
    server
        .store
        .set(MEDIA, "site", |settings| settings.policy = None);
    let answer = server.call("GET", "/").host(DOMAIN).anonymous().await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn single_page_mode_shows_the_index_for_what_is_missing() {
    let server = site(|site| site.spa_mode = true).await;
    for path in ["/app/route", "/app/", "/docs"] {
        let answer = server.call("GET", path).host(DOMAIN).anonymous().await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "home"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_disabled_or_unknown_site_is_404() {
    let server = site(|site| site.enabled = false).await;
    for host in [DOMAIN, "q7x2m.upcloudobjects.com", "elsewhere.example"] {
        let answer = server.call("GET", "/").host(host).anonymous().await;
        assert_eq!(answer.status, 404, "{host}");
    }
}

#[tokio::test]
async fn an_address_means_the_only_site() {
    let server = site(|_| {}).await;
    assert_eq!(server.call("GET", "/").anonymous().await.body, "home");
    assert_eq!(
        server
            .call("GET", "/")
            .host("localhost:80")
            .anonymous()
            .await
            .body,
        "home"
    );
    let second = server.fake.0.lock().sites[0].clone();
    server.fake.0.lock().sites.push(second);
    assert_eq!(server.call("GET", "/").anonymous().await.status, 404);
}

#[tokio::test]
async fn browsers_ask_again_with_conditions_and_ranges() {
    let server = site(|_| {}).await;
    let first = server.call("GET", "/").host(DOMAIN).anonymous().await;
    let tag = first.header("etag").to_owned();
    let date = first.header("last-modified").to_owned();
    for (name, value, status, body) in [
        ("if-none-match", tag.as_str(), 304, ""),
        ("if-none-match", "\"x\"", 200, "home"),
        ("if-modified-since", date.as_str(), 304, ""),
        ("range", "bytes=1-2", 206, "om"),
        ("range", "bytes=9-", 416, "no"),
        ("if-match", "\"x\"", 412, "no"),
    ] {
        let answer = server
            .call("GET", "/")
            .host(DOMAIN)
            .header(name, value)
            .anonymous()
            .await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{name}: {value}"
        );
    }
    let head = server.call("HEAD", "/").host(DOMAIN).anonymous().await;
    assert_eq!(
        (
            head.status,
            head.header("content-length"),
            head.body.as_str()
        ),
        (200, "4", "")
    );
}

#[tokio::test]
async fn one_port_can_serve_both() {
    let server = Server::start(Side::Both).await;
    let answer = server.call("GET", "/").host(DOMAIN).anonymous().await;
    assert_eq!((answer.status, answer.code()), (404, ""));
    let answer = server
        .call("GET", "/")
        .host("q7x2m.upcloudobjects.com")
        .signed(ADMIN)
        .await;
    assert_eq!(answer.element("Name"), "logs");
}

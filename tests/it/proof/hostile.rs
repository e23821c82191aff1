//! A cloud that answers with rubbish: nothing is lost, everything is said, and nobody else hears the credentials.
//!
//! A user works already when the rubbish begins; while it lasts another one is wanted, a policy is changed and a bucket is made. When
//! it ends, everything must come to be as wanted, the first user still with its key.

mod memory;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use super::world::{Age, Witness, is_true};
use super::{Bound, caught, dice};
use crate::ground::{Cut, Impostor, Spoilt, Stranger, Trick, eventually};
use crate::scene::{Scene, document};

/// More than the largest answer that cooper reads, 16 MiB, and what Linux lets stand in sockets: up to 32 MiB received and 4 MiB to send.
const MOST: u64 = 64 << 20;
/// A request ends after 30 s, whatever comes; reads that broke are tried three times.
const PATIENCE: Duration = Duration::from_mins(3);
/// These take minutes: each request ends by its limit.
const SLOW: [&str; 2] = ["silence", "a slow drip"];
/// Only these show that credentials go nowhere else.
const REDIRECTS: [&str; 5] = [
    "moved for good",
    "found elsewhere",
    "see other",
    "moved for now",
    "moved, as it is",
];
/// How many are a share.
const SHARE: usize = 16;
const QUIET: Duration = Duration::from_millis(150);

/// Rubbish by its name.
type Named = (&'static str, Trick);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_cloud_answers_it_is_told_and_nothing_is_lost_or_given_away() {
    let bound = Bound::get();
    let only = bound.only.as_deref();
    if only.is_some_and(|only| !only.starts_with("hostile")) {
        return;
    }
    let stranger = Stranger::sit().await;
    let tricks = tricks(&stranger.address);
    let chosen = choose(&tricks, &bound);
    let playing = chosen.iter().map(|(name, trick)| async move {
        let played = Box::pin(caught(suffer(trick.clone()))).await;
        played.err().map(|why| format!("{name}: {why}\n  again: COOPER_ONLY='hostile/{name}' cargo test --workspace --test it -- --nocapture proof::hostile"))
    });
    let failed: Vec<_> = stream::iter(playing)
        .buffer_unordered(bound.lanes)
        .collect()
        .await;
    let count = failed.len();
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    assert!(
        failed.is_empty(),
        "{} of {count}:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert_eq!(stranger.heard(), [""; 0], "a redirect is not followed");
    println!("{count} kinds of rubbish");
}

/// All of them, the one that was asked for, or a share: the redirects, and others by chance, without those for which each request takes its
/// full time.
fn choose<'a>(all: &'a [Named], bound: &Bound) -> Vec<&'a Named> {
    if let Some(only) = &bound.only {
        let one = only.strip_prefix("hostile/");
        let all = all.iter();
        return all
            .filter(|(name, _)| one.is_none_or(|one| one == *name))
            .collect();
    }
    if bound.is_full {
        return bound.part_of(all);
    }
    let quick = all.iter().filter(|(name, _)| !SLOW.contains(name));
    let (mut share, mut more): (Vec<_>, Vec<_>) =
        quick.partition(|(name, _)| REDIRECTS.contains(name));
    assert_eq!(share.len(), REDIRECTS.len());
    more.shuffle(&mut dice(bound.seed.unwrap_or(1)));
    more.truncate(SHARE - share.len());
    share.extend(more);
    share
}

/// What a cloud may answer, by name.
fn tricks(elsewhere: &str) -> Vec<Named> {
    let json = |body: &str| Trick::Raw(answer("200 OK", "application/json", body));
    let redirect = |status: &str| {
        Trick::Raw(format!("HTTP/1.1 {status}\r\nlocation: {elsewhere}/1.3/account\r\ncontent-length: 0\r\n\r\n").into_bytes())
    };
    let head = |more: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}\r\n\r\n").into_bytes()
    };
    let raw = |bytes: &[u8]| Trick::Raw(bytes.to_vec());
    let megabyte = vec![b' '; 1 << 20];
    let chunk = [b"100000\r\n".as_slice(), &megabyte, b"\r\n"].concat();
    vec![
        ("nothing", raw(b"")),
        ("not http", raw(b"SSH-2.0-OpenSSH_9.6\r\n")),
        ("half a head", raw(b"HTTP/1.1 200 OK\r\ncontent-ty")),
        ("half a body", Trick::Raw([head("content-length: 1000").as_slice(), br#"{"users": [{"usern"#].concat())),
        ("an empty body", json("")),
        ("an empty object", json("{}")),
        ("null", json("null")),
        ("a number", json("42")),
        ("a text", json(r#""ok""#)),
        ("a list of lists", json("[[],[[]]]")),
        ("other fields", json(r#"{"error": "none", "data": {"items": 7}}"#)),
        ("fields of other types", json(r#"{"uuid": 7, "username": [], "name": {}, "access_key_id": null, "status": 1.5}"#)),
        ("no utf-8", Trick::Raw(answer_bytes(b"{\"name\": \"\xff\xfe\x00\"}"))),
        ("depth", json(&"[".repeat(100_000))),
        ("a page", Trick::Raw(answer("200 OK", "text/html", "<html><h1>Welcome</h1></html>"))),
        ("a page that says it is json", json("<html><h1>Welcome</h1></html>")),
        ("gzip that is none", Trick::Raw([head("content-encoding: gzip\r\ncontent-length: 2").as_slice(), b"{}"].concat())),
        ("more than it says", Trick::Raw([head("content-length: 2").as_slice(), br#"{}{"users": []}"#].concat())),
        ("a length that is none", Trick::Raw(head("content-length: many"))),
        ("two lengths", Trick::Raw([head("content-length: 2\r\ncontent-length: 3").as_slice(), b"{} "].concat())),
        ("a gigabyte", Trick::Endless(head("content-length: 1073741824"), megabyte.clone())),
        ("a gigabyte without a length", Trick::Endless(head("transfer-encoding: chunked"), chunk)),
        ("an endless body", Trick::Endless(head("connection: close"), megabyte.clone())),
        ("an endless head", Trick::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-more: and more\r\n".to_vec())),
        ("an endless refusal", Trick::Endless(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec(), megabyte)),
        ("a slow drip", Trick::Drip(head("content-length: 100000"))),
        ("silence", Trick::Silence),
        ("moved for good", redirect("301 Moved Permanently")),
        ("found elsewhere", redirect("302 Found")),
        ("see other", redirect("303 See Other")),
        ("moved for now", redirect("307 Temporary Redirect")),
        ("moved, as it is", redirect("308 Permanent Redirect")),
        ("come back when it is over", raw(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 99999999999999999999999999\r\ncontent-length: 0\r\n\r\n")),
        ("a status that is none", raw(b"HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n")),
        ("a status of yesterday", raw(b"HTTP/1.1 226 IM Used\r\ncontent-length: 0\r\n\r\n")),
        ("nothing to say", raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
        ("words nobody knows", Trick::Spoilt(unknown_words)),
        ("the wrong type of content", Trick::Spoilt(|answer| "text/plain".clone_into(&mut answer.content_type))),
        ("twice the same", Trick::Spoilt(|answer| answer.body = answer.body.repeat(2))),
        ("a byte missing", Trick::Spoilt(|answer| answer.body.truncate(answer.body.len().saturating_sub(1)))),
    ]
}

fn unknown_words(answer: &mut Spoilt) {
    for (known, unknown) in [
        ("\"Active\"", "\"Dormant\""),
        ("\"running\"", "\"meditating\""),
        ("\"started\"", "\"enlightened\""),
        ("\"public\"", "\"secret\""),
    ] {
        answer.body = answer.body.replace(known, unknown);
    }
}

fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn answer_bytes(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn suffer(trick: Trick) -> Result<(), String> {
    let mut scene = Scene::without_operator().await;
    let impostor = Impostor::before(&scene.cloud.api).await;
    scene.endpoint.clone_from(&impostor.address);
    let cut = Cut::never();
    scene.start(Arc::clone(&cut) as Arc<_>).await;
    scene.service().await;
    scene.user().await;
    scene.ready("IamUser", "ci").await;
    let witness = Witness::with_theirs(&scene).await;
    let before = scene.secret("ci-s3").await;
    cut.quiet(QUIET).await;

    impostor.play(Some(trick));
    let mut more = json!({"serviceRef": {"name": "media"}, "accessKey": {"secretName": "more-s3"}});
    more["policies"] = json!([{"policyRef": {"name": "logs-rw"}}]);
    scene.apply("IamUser", "more", more).await;
    let policy = json!({"serviceRef": {"name": "media"}, "document": document("s3:Get*")});
    scene.apply("IamPolicy", "logs-rw", policy).await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", bucket).await;
    eventually(PATIENCE, "it is told, or got over", async || {
        is_told(&scene).await
    })
    .await;
    for step in [31, 700, 61] {
        scene.advance(Duration::from_secs(step)).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), cut.quiet(QUIET)).await;
    }
    let played = impostor.played();
    impostor.play(None);
    if played == 0 {
        return Err("no answer was spoilt".to_owned());
    }
    if impostor.longest() > MOST {
        return Err(format!(
            "{} bytes of one answer were taken",
            impostor.longest()
        ));
    }
    recovers(&scene, &witness, &cut).await?;
    if scene.secret("ci-s3").await != before {
        return Err("the Secret that was good before has changed".to_owned());
    }
    Ok(())
}

/// Each of the three says what is wrong, or is as wanted.
async fn is_told(scene: &Scene) -> Result<(), String> {
    for (kind, name) in [
        ("IamUser", "more"),
        ("IamPolicy", "logs-rw"),
        ("Bucket", "logs"),
    ] {
        let object = scene.get(kind, name).await;
        let conditions = object.data["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let explains = |condition: &Value| {
            let is = |field: &str| {
                condition[field]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            };
            condition["type"] == "Synced"
                && condition["status"] != "True"
                && is("reason")
                && is("message")
        };
        if !conditions.iter().any(explains) && !is_true(&object, "Synced") {
            return Err(format!("{kind} {name} says {conditions:?}"));
        }
    }
    Ok(())
}

async fn recovers(scene: &Scene, witness: &Witness, cut: &Cut) -> Result<(), String> {
    let mut wrongs = Vec::new();
    for turn in 0..40 {
        cut.quiet(QUIET).await;
        wrongs = witness.wrongs(scene, Age::Old).await;
        if wrongs.is_empty() {
            return Ok(());
        }
        // A pause that the cloud asked for passes in real time.
        tokio::time::sleep(QUIET * (turn / 4)).await;
        let step = [31, 181, 660, 660, 90_000][turn as usize % 5];
        scene.advance(Duration::from_secs(step)).await;
    }
    Err(wrongs.join("\n  "))
}

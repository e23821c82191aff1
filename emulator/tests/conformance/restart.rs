//! A saved state, byte by byte: what a restart finds, and what it refuses to find.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::ground::{BASE, Ground, TRUST, account, service};
use crate::http::{Answer, send};
use crate::process::{end, spawn};
use crate::signer::{Key, s3, signed};
use cooper_emulator::{Emulator, Options};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("emulator-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ground(file: &Path) -> Ground {
    Ground::with(Options {
        accounts: vec![account("demo"), account("other")],
        data: Some(file.to_owned()),
        ..Options::default()
    })
}

/// A key that may do everything: without the boundary of a furnished user.
fn key(ground: &Ground, path: &str) -> Key {
    ground.delete(&format!("{path}/users/ci/permissions-boundary"));
    let policy = json!({"name": "ECSS3FullAccess"});
    ground.expect(204, "POST", &format!("{path}/users/ci/policies"), &policy);
    let made = ground.expect(
        201,
        "POST",
        &format!("{path}/users/ci/access-keys"),
        &json!({}),
    );
    let text = |member: &str| made.json()[member].as_str().unwrap().to_owned();
    Key {
        id: text("access_key_id"),
        secret: text("secret_access_key"),
    }
}

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>log/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>";
const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
const VERSIONING: &str =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const TAGGING: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::invoices/*"}]}"#;

/// Objects of several sizes, versions, a marker, tags, and every document of a bucket.
fn fill(ground: &Ground, key: &Key) {
    let put = |path: &str, body: &[u8]| {
        let answer = s3(ground, key, "PUT", path, body);
        assert!(answer.status < 300, "{path}: {}", answer.text());
    };
    put("/invoices/small", b"small");
    put("/invoices?versioning=", VERSIONING.as_bytes());
    let large: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    put("/invoices/large", &large);
    put("/invoices/large", &large[1..]);
    put("/invoices/empty", b"");
    put("/invoices/small", b"newer");
    put("/invoices/small?tagging=", TAGGING.as_bytes());
    put("/invoices?tagging=", TAGGING.as_bytes());
    put("/invoices?cors=", CORS.as_bytes());
    put("/invoices?lifecycle=", LIFECYCLE.as_bytes());
    put("/invoices?policy=", POLICY.as_bytes());
    assert_eq!(
        s3(ground, key, "DELETE", "/invoices/empty", b"").status,
        204
    );
}

/// The reads themselves move the last use of the key.
fn without_use(text: &str) -> String {
    let mut parts = text.split("\"last_used_at\":\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('"').unwrap().1);
    }
    out
}

/// Everything that can be read, as it stands on the wire.
fn all(ground: &Ground, path: &str, key: &Key) -> Vec<(String, u16, Vec<u8>)> {
    let api = crate::operations::reads(path, &key.id, "media");
    let mut out: Vec<_> = api
        .into_iter()
        .map(|path| {
            let answer = ground.get(&path);
            (path, answer.status, without_use(answer.text()).into_bytes())
        })
        .collect();
    for path in [
        "/",
        "/invoices",
        "/invoices?versions=",
        "/invoices?versioning=",
        "/invoices?tagging=",
        "/invoices?cors=",
        "/invoices?lifecycle=",
        "/invoices?policy=",
        "/invoices/small",
        "/invoices/small?tagging=",
        "/invoices/small?versionId=null",
        "/invoices/large",
    ] {
        let answer = s3(ground, key, "GET", path, b"");
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        let etag = answer.header("etag").unwrap_or_default().to_owned();
        let date = answer
            .header("last-modified")
            .unwrap_or_default()
            .to_owned();
        out.push((format!("{path} {etag} {date}"), answer.status, answer.body));
    }
    out
}

#[test]
fn after_a_restart_everything_is_as_it_was() {
    let folder = Folder::new("same");
    let first = ground(&folder.file());
    first.steer(
        "PUT",
        "/provisioning",
        &json!({"step_ms": 0, "purge_ms": 0}),
    );
    let (path, _) = first.furnished("media");
    let key = key(&first, &path);
    fill(&first, &key);
    first.advance(7200);
    let before = all(&first, &path, &key);
    first.emulator.save().unwrap();
    drop(first);
    let second = ground(&folder.file());
    second.steer(
        "PUT",
        "/provisioning",
        &json!({"step_ms": 0, "purge_ms": 0}),
    );
    let after = all(&second, &path, &key);
    assert_eq!(before.len(), after.len());
    for (one, two) in before.iter().zip(&after) {
        let text = |read: &(String, u16, Vec<u8>)| String::from_utf8_lossy(&read.2).into_owned();
        assert_eq!(one, two, "\n{}\n{}", text(one), text(two));
    }
    second.advance(5 * 86_400);
    assert_eq!(s3(&second, &key, "GET", "/invoices/large", b"").status, 200);
}

#[test]
fn a_session_lives_through_a_restart() {
    let folder = Folder::new("session");
    let first = ground(&folder.file());
    let path = first.service("media");
    first.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "ci"}),
    );
    first.expect(
        201,
        "POST",
        &format!("{path}/roles"),
        &json!({"name": "r", "assume_role_policy_document": TRUST}),
    );
    let key = key(&first, &path);
    let namespace = path.trim_start_matches('/').replace('-', "");
    let form = format!(
        "/sts?Action=AssumeRole&RoleArn=urn%3Aecs%3Aiam%3A%3A{namespace}%3Arole%2Fr&RoleSessionName=job&Version=2011-06-15"
    );
    let answer = crate::signer::sts(&first, &key, &form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    first.emulator.save().unwrap();
    drop(first);
    let text = std::fs::read_to_string(folder.file()).unwrap();
    let id = answer.text().split("<AccessKeyId>").nth(1).unwrap();
    assert!(text.contains(id.split('<').next().unwrap()));
    drop(ground(&folder.file()));
}

/// What starting with a file says.
fn refusal(file: &Path) -> String {
    let options = Options {
        data: Some(file.to_owned()),
        ..Options::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(Emulator::start(options)) {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_damaged_file_is_an_error_and_is_left_alone() {
    let folder = Folder::new("damaged");
    let file = folder.file();
    let first = ground(&file);
    let (path, _) = first.furnished("media");
    let key = key(&first, &path);
    assert_eq!(
        s3(&first, &key, "PUT", "/invoices/k", &[7; 5000]).status,
        200
    );
    first.emulator.save().unwrap();
    drop(first);
    let good = std::fs::read(&file).unwrap();
    let half = good[..good.len() / 2].to_vec();
    let mut flipped = good.clone();
    let at = good.windows(5).position(|five| five == b"media").unwrap();
    flipped[at] = b'n';
    for (damaged, says) in [
        (Vec::new(), "empty"),
        (half, "digest"),
        (flipped, "digest"),
        (b"{}".to_vec(), "digest"),
        (b"hello\n".to_vec(), "digest"),
        (vec![0xff; 100], "digest"),
    ] {
        std::fs::write(&file, &damaged).unwrap();
        let refusal = refusal(&file);
        assert!(refusal.contains(says), "{refusal}");
        assert!(
            refusal.contains("state.json cannot be restored"),
            "{refusal}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), damaged);
    }
    std::fs::write(&file, &good).unwrap();
    let bodies = folder.0.join("state.json.objects");
    let body = std::fs::read_dir(&bodies).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(body.path()).unwrap();
    std::fs::write(body.path(), &bytes[1..]).unwrap();
    assert!(refusal(&file).contains("is damaged"));
    std::fs::remove_file(body.path()).unwrap();
    assert!(refusal(&file).contains("cannot read"));
    std::fs::write(body.path(), &bytes).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(refusal(&file).contains("state.json is missing"));
    std::fs::write(&file, &good).unwrap();
    drop(ground(&file));
}

#[test]
fn bodies_that_nothing_mentions_are_removed() {
    let folder = Folder::new("bodies");
    let first = ground(&folder.file());
    let (path, _) = first.furnished("media");
    let key = key(&first, &path);
    let count = || {
        std::fs::read_dir(folder.0.join("state.json.objects"))
            .unwrap()
            .count()
    };
    for name in ["a", "b", "c"] {
        assert_eq!(
            s3(
                &first,
                &key,
                "PUT",
                &format!("/invoices/{name}"),
                &[1; 3000]
            )
            .status,
            200
        );
    }
    assert_eq!(
        s3(&first, &key, "PUT", "/invoices/d", &[2; 3000]).status,
        200
    );
    first.emulator.save().unwrap();
    assert_eq!(count(), 2);
    assert_eq!(s3(&first, &key, "DELETE", "/invoices/d", b"").status, 204);
    first.emulator.save().unwrap();
    assert_eq!(count(), 1);
}

fn call(addresses: &Value, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("Authorization", "Bearer ucat_demo")];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let base = addresses["api"].as_str().unwrap();
    send(
        base,
        method,
        &format!("{BASE}{path}"),
        &headers,
        body.as_bytes(),
    )
    .unwrap()
}

#[test]
fn a_process_killed_while_it_writes_leaves_a_whole_file() {
    let folder = Folder::new("killed");
    let (mut child, addresses) = spawn(&["--data", folder.file().to_str().unwrap()]);
    let made = call(&addresses, "POST", "", &service("media")).json();
    let path = format!("/{}", made["uuid"].as_str().unwrap());
    call(
        &addresses,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "ci"}),
    );
    let policy = json!({"name": "ECSS3FullAccess"});
    call(
        &addresses,
        "POST",
        &format!("{path}/users/ci/policies"),
        &policy,
    );
    let made = call(
        &addresses,
        "POST",
        &format!("{path}/users/ci/access-keys"),
        &json!({}),
    )
    .json();
    let key = Key {
        id: made["access_key_id"].as_str().unwrap().to_owned(),
        secret: made["secret_access_key"].as_str().unwrap().to_owned(),
    };
    let s3 = addresses["s3"].as_str().unwrap().to_owned();
    let now = || jiff::Timestamp::now().to_string();
    let put = |path: &str, body: &[u8]| signed(&s3, &now(), &key, "PUT", path, body).unwrap();
    assert_eq!(put("/b", b"").status, 200);
    let body = |number: u8| vec![number; 20_000];
    for number in 0..60 {
        assert_eq!(put(&format!("/b/{number:02}"), &body(number)).status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (child, addresses) = spawn(&["--data", folder.file().to_str().unwrap()]);
    let s3 = addresses["s3"].as_str().unwrap();
    let get = |path: &str| signed(s3, &now(), &key, "GET", path, b"").unwrap();
    let mut found = 0;
    for number in 0..60 {
        let answer = get(&format!("/b/{number:02}"));
        if answer.status == 200 {
            found += 1;
            assert_eq!(answer.body, body(number));
        }
    }
    let usage = call(&addresses, "GET", &format!("{path}/metrics"), &Value::Null).json();
    assert_eq!(usage["total_objects"], found);
    end(child);
}

//! The emulator as a process: its flags, its one line, its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::ground::BASE;
use crate::http::send;

/// Starts it; the line it prints has its addresses.
pub fn spawn(more: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cooper-emulator"))
        .args(["--until-stdin-closes", "--step", "0"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
    (child, serde_json::from_str(&line).unwrap())
}

/// Ends it as its user would.
pub fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn call(addresses: &Value, method: &str, body: &Value, token: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let base = addresses["api"].as_str().unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let headers = [("Authorization", bearer.as_str())];
    let answer = send(base, method, BASE, &headers, body.as_bytes()).unwrap();
    (answer.status, answer.json())
}

#[test]
fn it_prints_its_addresses_and_ends_with_its_stdin() {
    let (child, addresses) = spawn(&["--account", "a:ta:ua:pa", "--account", "b:tb:ub:pb"]);
    for side in ["api", "s3", "web", "control"] {
        assert!(
            addresses[side]
                .as_str()
                .unwrap()
                .starts_with("http://127.0.0.1:"),
            "{side}"
        );
    }
    assert_eq!(call(&addresses, "GET", &Value::Null, "ta").0, 200);
    assert_eq!(call(&addresses, "GET", &Value::Null, "tb").0, 200);
    assert_eq!(call(&addresses, "GET", &Value::Null, "ucat_demo").0, 401);
    end(child);
}

#[test]
fn a_saved_state_survives_a_restart() {
    let folder = std::env::temp_dir().join(format!("emulator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("state.json");
    let flags = [
        "--data",
        file.to_str().unwrap(),
        "--choice",
        "keys-per-user=3",
    ];
    let (child, addresses) = spawn(&flags);
    let service = json!({"name": "media", "configured_status": "started", "region": "us-1"});
    let (status, made) = call(&addresses, "POST", &service, "ucat_demo");
    assert_eq!(status, 201);
    end(child);
    let (child, addresses) = spawn(&flags);
    let (_, list) = call(&addresses, "GET", &Value::Null, "ucat_demo");
    assert_eq!(list[0]["uuid"], made["uuid"]);
    assert_eq!(list[0]["operational_state"], "running");
    end(child);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_bad_flag_is_refused() {
    for bad in [
        ["--choice", "nothing=x"],
        ["--choice", "nothing"],
        ["--account", "x"],
        ["--api", "x"],
    ] {
        let status = Command::new(env!("CARGO_BIN_EXE_cooper-emulator"))
            .args(bad)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{bad:?}");
    }
}

//! The commands for people: the real program, against the emulated cloud and the real API server.

mod importing;
mod keys;
mod planning;
mod reading;
mod release;
mod watching;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::ground::Emulator;
use crate::scene::{Scene, TOKEN};

/// The program and what it finds around it.
pub struct Cooper {
    program: PathBuf,
    folder: TempDir,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cooper {
    /// Without cluster and credentials.
    pub fn alone() -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_cooper").into(),
            folder: TempDir::new().unwrap(),
            environment: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// With the emulator's token in the environment.
    pub fn with_token(cloud: &Emulator) -> Self {
        Self::alone()
            .flag(&format!("--endpoint={}", cloud.api))
            .set("UPCLOUD_TOKEN", TOKEN)
    }

    /// As a user who may edit in the scene's namespace.
    pub async fn in_cluster(scene: &Scene) -> Self {
        let config = scene.ground.user_kubeconfig(&scene.namespace, "edit").await;
        let this = Self::alone();
        let path = this.file("kubeconfig", &config.to_string());
        this.set("KUBECONFIG", &path)
    }

    /// With this variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this flag on every call.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// By another path to the program.
    pub fn called(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Writes a file; answers its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "").await
    }

    /// Starts it; it ends with the value.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(&self.flags)
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Runs it with something on its standard input. No secret is ever told.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self.start(arguments);
        let mut stdin = child.stdin.take().unwrap();
        // One that does not read its input may have ended before this is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        for (name, secret) in &self.environment {
            let is_secret = ["TOKEN", "PASSWORD"].iter().any(|end| name.ends_with(end));
            let told = said.out.contains(secret) || said.err.contains(secret);
            assert!(!(is_secret && told), "{name} is told: {said:?}");
        }
        said
    }
}

impl Said {
    /// What it printed, after success.
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What it printed, as JSON, with this exit code.
    pub fn json(self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// What it complained about, after an error.
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.err
    }
}

/// Somebody makes a service of this name; answers its path in the API.
pub async fn service(cloud: &Emulator, name: &str) -> String {
    use crate::hands::SERVICES;
    let body = serde_json::json!({
        "name": name, "region": "europe-2", "configured_status": "started",
        "networks": [{"family": "IPv4", "name": "public", "type": "public"}],
        "labels": [{"key": "team", "value": "media"}],
    });
    let made = cloud.foreign("demo", "POST", SERVICES, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    format!("{SERVICES}/{}", made.body["uuid"].as_str().unwrap())
}

/// Somebody makes something.
pub async fn made(cloud: &Emulator, path: &str, body: Value) -> Value {
    let made = cloud.foreign("demo", "POST", path, body.clone()).await;
    assert!(made.status < 300, "{path} {body}: {made:?}");
    made.body
}

//! etcd and kube-apiserver as envtest users have them, without controllers.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::AuthInfo;
use tempfile::TempDir;

use super::eventually::eventually;

const TOKEN: &str = "administrator-of-a-test-ground";

/// Runs its arguments until standard input closes: a killed test process leaves
/// nothing behind. (A parent-death signal would need unsafe code, and Linux.)
const UNTIL_STDIN_CLOSES: &str = r#"
exec 3<&0
"$0" "$@" </dev/null 3<&- &
cat <&3 >/dev/null
kill -9 $!
wait
rm -rf "$DATA""#;

pub struct Assets {
    folder: PathBuf,
    data: TempDir,
    server: String,
    /// Closed and awaited in this order: the server before its storage.
    children: Vec<Child>,
}

impl Assets {
    pub async fn start(folder: PathBuf) -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name).display().to_string();
        let [etcd, peer, api] = free_ports();
        let (private, public) = account_keys();
        fs::write(data.path().join("sa.key"), private).unwrap();
        fs::write(data.path().join("sa.pub"), public).unwrap();
        fs::write(
            data.path().join("tokens.csv"),
            format!("{TOKEN},admin,admin,system:masters\n"),
        )
        .unwrap();
        let (etcd, peer) = (
            format!("http://127.0.0.1:{etcd}"),
            format!("http://127.0.0.1:{peer}"),
        );
        let storage = run(
            data.path(),
            &folder.join("etcd"),
            &[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        let server = run(
            data.path(),
            &folder.join("kube-apiserver"),
            &[
                format!("--etcd-servers={etcd}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={api}"),
                format!("--cert-dir={}", path("certs")),
                format!("--service-account-key-file={}", path("sa.pub")),
                format!("--service-account-signing-key-file={}", path("sa.key")),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--token-auth-file={}", path("tokens.csv")),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                // Without kube-controller-manager nobody makes the ServiceAccount it looks for.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
            ],
        );
        let assets = Self {
            folder,
            data,
            server: format!("https://127.0.0.1:{api}"),
            children: vec![server, storage],
        };
        let client = kube::Client::try_from(assets.admin()).unwrap();
        eventually(
            Duration::from_mins(1),
            "the API server is ready",
            async || {
                let ready = http::Request::get("/readyz").body(Vec::new()).unwrap();
                client.request_text(ready).await.map_err(|error| {
                    let log = assets.data.path().join("kube-apiserver.log");
                    let log = fs::read_to_string(log).unwrap_or_default();
                    let end: Vec<_> = log.lines().rev().take(10).collect();
                    format!("{error}; its log, the last line first:\n{}", end.join("\n"))
                })
            },
        )
        .await;
        assets
    }

    pub fn admin(&self) -> Config {
        let mut config = Config::new(self.server.parse().unwrap());
        // The server signs its own certificate, and is on this machine.
        config.accept_invalid_certs = true;
        config.auth_info = AuthInfo {
            token: Some(TOKEN.to_owned().into()),
            ..AuthInfo::default()
        };
        config
    }

    pub fn kubectl(&self) -> Command {
        let ours = self.folder.join("kubectl");
        let mut command = Command::new(if ours.exists() {
            ours
        } else {
            "kubectl".into()
        });
        command
            .args([
                "--server",
                &self.server,
                "--token",
                TOKEN,
                "--insecure-skip-tls-verify",
            ])
            .env("KUBECONFIG", "/dev/null")
            .env("KUBECACHEDIR", self.data.path().join("kubectl"));
        command
    }
}

impl Drop for Assets {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

fn run(data: &Path, program: &Path, arguments: &[String]) -> Child {
    let name = program.file_name().unwrap().to_string_lossy();
    let log = fs::File::create(data.join(format!("{name}.log"))).unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(UNTIL_STDIN_CLOSES)
        .arg(program)
        .args(arguments)
        .env("DATA", data)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// A key pair to sign ServiceAccount tokens with, PEM: the private and the public key.
fn account_keys() -> (String, String) {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (
        pem("PRIVATE KEY", pkcs8.as_ref()),
        pem("PUBLIC KEY", public.as_ref()),
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

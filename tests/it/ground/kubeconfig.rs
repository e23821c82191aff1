//! A kubeconfig for programs that a test starts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::Config;
use serde_json::{Value, json};

/// The kubeconfig of whoever holds the token in this configuration, with this namespace as its usual one.
pub fn of(config: &Config, namespace: &str) -> Value {
    let mut cluster = json!({"server": config.cluster_url.to_string()});
    if config.accept_invalid_certs {
        cluster["insecure-skip-tls-verify"] = json!(true);
    }
    let roots = config.root_cert.iter().flatten().map(|der| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    let roots: String = roots.collect();
    if !roots.is_empty() {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(roots));
    }
    let user = serde_json::to_value(&config.auth_info).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
    })
}

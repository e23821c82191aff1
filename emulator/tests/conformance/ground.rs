//! A running emulator, and a service that has one of everything.

use std::sync::{Arc, OnceLock};

use cooper_emulator::lifecycle::Pace;
use cooper_emulator::state::{Account, Credentials};
use cooper_emulator::{Emulator, Options};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::http::{Answer, send};

pub const BASE: &str = "/1.3/object-storage-2";
pub const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}]}"#;
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["*"]}}]}"#;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// An emulator of one's own with two accounts, `demo` and `other`.
#[derive(Clone)]
pub struct Ground {
    pub emulator: Arc<Emulator>,
    token: String,
}

pub fn account(name: &str) -> Account {
    Account {
        name: name.to_owned(),
        credentials: Credentials {
            token: format!("ucat_{name}"),
            username: name.to_owned(),
            password: format!("{name}-password"),
        },
        ..Account::default()
    }
}

impl Ground {
    /// States pass at once.
    pub fn quick() -> Self {
        Self::paced(0, 0)
    }

    pub fn paced(step_ms: i64, purge_ms: i64) -> Self {
        Self::with(Options {
            pace: Pace {
                step_ms,
                purge_ms,
                stuck: None,
            },
            accounts: vec![account("demo"), account("other")],
            ..Options::default()
        })
    }

    pub fn with(options: Options) -> Self {
        let emulator = runtime().block_on(Emulator::start(options)).unwrap();
        Self {
            emulator: Arc::new(emulator),
            token: "ucat_demo".to_owned(),
        }
    }

    /// The same emulator with another token.
    pub fn as_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Calls the API below the product root with a JSON body; the connection may be cut.
    pub fn attempt(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.raw(method, &format!("{BASE}{path}"), body.as_bytes())
    }

    /// Calls any path of the API with any body.
    pub fn raw(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", bearer.as_str()),
            ("User-Agent", "conformance"),
        ];
        send(&self.emulator.addresses.api, method, path, &headers, body)
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let answer = self.attempt(method, path, Some(body));
        answer.unwrap_or_else(|| panic!("{method} {path} was cut"))
    }

    pub fn get(&self, path: &str) -> Answer {
        let answer = self.attempt("GET", path, None);
        answer.unwrap_or_else(|| panic!("GET {path} was cut"))
    }

    pub fn delete(&self, path: &str) -> Answer {
        let answer = self.attempt("DELETE", path, None);
        answer.unwrap_or_else(|| panic!("DELETE {path} was cut"))
    }

    /// Calls the API and expects a status.
    pub fn expect(&self, status: u16, method: &str, path: &str, body: &Value) -> Answer {
        let answer = self.call(method, path, body);
        assert_eq!(
            answer.status,
            status,
            "{method} {path} {body}: {}",
            answer.text()
        );
        answer
    }

    /// Calls the control API and returns its answer, whatever the status.
    pub fn steer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("Content-Type", "application/json")];
        let base = &self.emulator.addresses.control;
        let answer = send(base, method, path, &headers, bytes.as_bytes()).unwrap();
        let value = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, value)
    }

    pub fn choose(&self, name: &str, value: &str) {
        let (status, answer) = self.steer("PUT", "/choices", &json!({name: value}));
        assert_eq!(status, 200, "{answer}");
    }

    pub fn fault(&self, order: &Value) {
        let (status, answer) = self.steer("POST", "/faults", order);
        assert_eq!(status, 200, "{answer}");
    }

    pub fn advance(&self, seconds: u32) {
        let (status, _) = self.steer("POST", "/clock/advance", &json!({"seconds": seconds}));
        assert_eq!(status, 200);
    }

    pub fn journal(&self) -> Vec<Value> {
        let (_, journal) = self.steer("GET", "/journal", &Value::Null);
        journal["entries"].as_array().unwrap().clone()
    }

    /// A service with a public network and nothing in it; returns its path.
    pub fn service(&self, name: &str) -> String {
        let answer = self.expect(201, "POST", "", &service(name));
        format!("/{}", answer.json()["uuid"].as_str().unwrap())
    }

    /// A service with one of everything; returns its path and the id of its user's key.
    pub fn furnished(&self, name: &str) -> (String, String) {
        let path = self.service(name);
        let post = |below: &str, body: Value| {
            let answer = self.call("POST", &format!("{path}{below}"), &body);
            assert!(
                matches!(answer.status, 201 | 204),
                "{below}: {}",
                answer.text()
            );
            answer
        };
        post("/networks", private_network("backend"));
        post(
            "/custom-domains",
            json!({"type": "public", "domain_name": format!("files.{name}.org")}),
        );
        post(
            "/custom-domains",
            json!({"type": "public", "domain_name": format!("www.{name}.org"), "mode": "static-website"}),
        );
        post("/buckets", json!({"name": "invoices"}));
        post("/labels", json!({"key": "env", "value": "prod"}));
        post(
            "/static-websites",
            json!({"bucket_name": "invoices", "domain_name": format!("www.{name}.org")}),
        );
        post("/users", json!({"username": "ci"}));
        post("/policies", json!({"name": "reader", "document": DOCUMENT}));
        post("/policies", json!({"name": "spare", "document": DOCUMENT}));
        post(
            "/policies/reader/versions",
            json!({"document": DOCUMENT, "is_default": true}),
        );
        post("/groups", json!({"name": "team"}));
        post("/groups", json!({"name": "empty"}));
        post(
            "/roles",
            json!({"name": "uploader", "assume_role_policy_document": TRUST}),
        );
        post(
            "/roles",
            json!({"name": "bare", "assume_role_policy_document": TRUST}),
        );
        post("/groups/team/users/ci", Value::Null);
        for owner in ["users/ci", "groups/team", "roles/uploader"] {
            post(&format!("/{owner}/policies"), json!({"name": "reader"}));
            post(
                &format!("/{owner}/inline-policies"),
                json!({"name": "inline", "document": DOCUMENT}),
            );
        }
        for owner in ["users/ci", "roles/uploader"] {
            let tags = json!([{"key": "env", "value": "prod"}]);
            self.expect(200, "PUT", &format!("{path}/{owner}/tags"), &tags);
            let boundary = json!({"policy_name": "reader"});
            self.expect(
                200,
                "PUT",
                &format!("{path}/{owner}/permissions-boundary"),
                &boundary,
            );
        }
        let key = post("/users/ci/access-keys", json!({})).json();
        (path, key["access_key_id"].as_str().unwrap().to_owned())
    }
}

pub fn public_network(name: &str) -> Value {
    json!({"family": "IPv4", "name": name, "type": "public"})
}

pub fn private_network(name: &str) -> Value {
    let uuid = format!(
        "03f0e1d2-c3b4-4a59-8677-{:012x}",
        name.bytes().map(u64::from).sum::<u64>()
    );
    json!({"family": "IPv4", "name": name, "type": "private", "uuid": uuid})
}

pub fn service(name: &str) -> Value {
    json!({
        "configured_status": "started",
        "name": name,
        "networks": [public_network("public")],
        "region": "europe-2",
    })
}

//! An UpCloud account: where its API is, which Secret opens it, who may use it.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::ByteString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    api::Api,
    cloud::UpCloud,
    shape::{Allowed, Local, Span, seconds},
};
use crate::{
    confidential::Confidential,
    engine::{
        account::{AccountStatus, Outside, Provider},
        brake,
        budget::{Budget, Lane, Rates},
        fault::Fault,
        known::Shared,
        reason::Reason,
    },
    http::{Auth, Limits, Transport, TransportOptions},
};

/// An UpCloud account that cooper may use: its credentials, its API and its limits.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "Account",
    plural = "accounts",
    namespaced,
    category = "cooper",
    shortname = "ucaccount",
    status = "AccountStatus",
    derive = "PartialEq",
    doc = "An UpCloud account that cooper may use: its credentials, its API and its limits. Services name it by spec.accountRef.",
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".status.identity",
        description = "The account at UpCloud"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Synced\")].status",
        description = "False while the credentials cannot be read anew: the session that is open goes on until a restart"
    ),
    printcolumn(
        name = "Held",
        type_ = "integer",
        json_path = ".status.brake.held",
        description = "Deletions that the brake holds; see the condition Braked"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AccountSpec {
    /// The Secret with the credentials, in this namespace: either `token`, or `username` and `password`. Its owner consents by the
    /// label `cooper.dev/credentials: upcloud`. May be changed to another Secret of the same account.
    pub credentials_secret_ref: Local,
    /// Base URL of UpCloud's API. Default: https://api.upcloud.com. Another one is for emulators.
    #[serde(default = "endpoint")]
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    )]
    pub endpoint: String,
    /// How S3 clients reach the storage, where UpCloud's API does not say it. Default: https, port 443, the host that the API names.
    #[serde(default)]
    pub data_plane: DataPlane,
    /// Certificates (PEM) to trust for `endpoint` besides the system's, for a proxy or an emulator with its own CA. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 65536),
        regex(pattern = r"-----BEGIN CERTIFICATE-----")
    )]
    pub ca_bundle: Option<String>,
    /// A proxy for all requests to `endpoint`, such as http://proxy.example.org:3128. Default: none, whatever the environment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^https?://[^\s/?#@]+/?$")
    )]
    pub proxy: Option<String>,
    /// Requests that cooper sends to the API in a second, at most; a fifth of them for watching. Default: 50.
    #[serde(default = "requests_per_second")]
    #[schemars(range(min = 1, max = 500))]
    pub requests_per_second: i32,
    /// When deletions stop and ask: so many of the account's things at once that it may be a mistake. Default: more than 30 % and more
    /// than 10 within 10 minutes.
    #[serde(default)]
    pub brake: Brake,
    /// Namespaces whose services may use this account besides this one. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub allowed_namespaces: Vec<Allowed>,
}

/// When deletions stop and ask. A wave of them is held until somebody annotates the Account with cooper.dev/release-brake and the instant
/// that its condition Braked shows, or each resource with cooper.dev/release-brake: "true". What is left at the cloud anyway (Orphan,
/// Observe), is paused or was never made does not count.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(format!("!has(self.within) || ({0} >= 60 && {0} <= 3600)", seconds("self.within"))).message("within must be 1m at least and 1h at most")
)]
#[serde(rename_all = "camelCase")]
pub struct Brake {
    /// Whether waves are held at all. To be switched off for a planned deletion, or for good. Default: true.
    #[serde(default = "is_on")]
    pub enabled: bool,
    /// A wave is more than this share of all things that cooper has at the account, in percent, 1 to 100. At 100 nothing is held.
    /// Default: 30.
    #[serde(default = "percent")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,
    /// And more than this many things, 0 to 10000. Default: 10.
    #[serde(default = "more_than")]
    #[schemars(range(min = 0, max = 10_000))]
    pub more_than: i32,
    /// Deleted within this time, such as 10m; 1m to 1h. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            enabled: true,
            percent: percent(),
            more_than: more_than(),
            within: None,
        }
    }
}

impl Brake {
    fn limits(&self) -> Option<brake::Limits> {
        let usual = brake::Limits::default();
        self.enabled.then(|| brake::Limits {
            percent: u32::try_from(self.percent).unwrap_or(usual.percent),
            more_than: u32::try_from(self.more_than).unwrap_or(usual.more_than),
            within: self.within.as_ref().map_or(usual.within, Span::duration),
        })
    }
}

fn is_on() -> bool {
    true
}

fn percent() -> i32 {
    30
}

fn more_than() -> i32 {
    10
}

fn endpoint() -> String {
    "https://api.upcloud.com".into()
}

fn requests_per_second() -> i32 {
    50
}

/// How S3 clients reach the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataPlane {
    /// Scheme of S3 addresses written into Secrets: https or, for emulators, http. Default: https.
    #[serde(default)]
    pub scheme: Scheme,
    /// Port of S3 addresses. Default: 443.
    #[serde(default = "https_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// A host or address to write into Secrets in place of the one that the API names; S3 clients are then told to use path style.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    )]
    pub host_override: Option<String>,
}

impl Default for DataPlane {
    fn default() -> Self {
        Self {
            scheme: Scheme::Https,
            port: https_port(),
            host_override: None,
        }
    }
}

fn https_port() -> i32 {
    443
}

impl DataPlane {
    /// The S3 address of a service whose host the API names.
    pub fn url(&self, host: &str) -> String {
        let (scheme, usual) = match self.scheme {
            Scheme::Https => ("https", 443),
            Scheme::Http => ("http", 80),
        };
        let host = self.host_override.as_deref().unwrap_or(host);
        if self.port == usual {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

/// Scheme of an S3 address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// Encrypted.
    #[default]
    #[serde(rename = "https")]
    Https,
    /// In the clear.
    #[serde(rename = "http")]
    Http,
}

impl Shared for Account {
    fn allows(&self, namespace: &str) -> bool {
        self.spec
            .allowed_namespaces
            .iter()
            .any(|allowed| allowed.name == namespace)
    }
}

impl Provider for Account {
    type Cloud = UpCloud;
    const CONSENT: &'static str = "upcloud";
    const ENVIRONMENT: &'static [(&'static str, &'static str)] = &[
        ("UPCLOUD_TOKEN", "token"),
        ("UPCLOUD_USERNAME", "username"),
        ("UPCLOUD_PASSWORD", "password"),
    ];

    fn stand_in(namespace: &str, name: &str, url: Option<&str>) -> Self {
        let mut account = Self::new(
            name,
            AccountSpec {
                credentials_secret_ref: Local {
                    name: String::new(),
                },
                endpoint: url.map_or_else(endpoint, str::to_owned),
                data_plane: DataPlane::default(),
                ca_bundle: None,
                proxy: None,
                requests_per_second: requests_per_second(),
                brake: Brake::default(),
                allowed_namespaces: Vec::new(),
            },
        );
        account.metadata.namespace = Some(namespace.to_owned());
        account
    }

    fn credentials_secret(&self) -> &str {
        &self.spec.credentials_secret_ref.name
    }

    fn offer(&self) -> serde_json::Value {
        json!({
            "dataPlane": self.spec.data_plane,
            "allowedNamespaces": self.spec.allowed_namespaces,
        })
    }

    fn brake(&self) -> Option<brake::Limits> {
        self.spec.brake.limits()
    }

    fn open(
        &self,
        secret: &BTreeMap<String, ByteString>,
        outside: &Outside,
    ) -> Result<UpCloud, Fault> {
        let rate = u32::try_from(self.spec.requests_per_second).unwrap_or(1);
        let transport = Transport::new(TransportOptions {
            base_url: self.spec.endpoint.clone(),
            auth: auth(secret)?,
            ca_bundle: self.spec.ca_bundle.clone(),
            proxy: self.spec.proxy.clone(),
            user_agent: concat!("cooper/", env!("CARGO_PKG_VERSION")).into(),
            limits: Limits::default(),
            budget: Arc::new(Budget::new(Rates::per_second(rate))),
            wire: Arc::clone(&outside.wire),
            meter: Arc::clone(&outside.meter),
        })
        .map_err(|error| Fault::terminal(Reason::InvalidSpec, error.to_string()))?;
        Ok(UpCloud::new(Api::new(transport), outside.clock.clone()))
    }

    async fn identify(cloud: &UpCloud) -> Result<String, Fault> {
        Ok(cloud.api().get_account(Lane::Fresh).await?.username)
    }
}

/// The credentials in a Secret: a token, or a name and a password, and not both.
fn auth(secret: &BTreeMap<String, ByteString>) -> Result<Auth, Fault> {
    let [token, username, password] =
        ["token", "username", "password"].map(|entry| text(secret, entry));
    match (token?, username?, password?) {
        (Some(token), None, None) => Ok(Auth::bearer(&token)),
        (None, Some(username), Some(password)) => Ok(Auth::basic(username.expose(), &password)),
        (None, None, None) => Err(invalid("it has neither")),
        (Some(_), _, _) => Err(invalid("it has both")),
        (None, Some(_), None) => Err(invalid("the password is missing")),
        (None, None, Some(_)) => Err(invalid("the username is missing")),
    }
}

fn invalid(what: &str) -> Fault {
    Fault::terminal(
        Reason::InvalidCredentials,
        format!(
            "the credentials Secret must hold either `token` or `username` and `password`: {what}"
        ),
    )
}

/// One entry as text, without the newline that files end with; an empty one counts as none.
fn text(secret: &BTreeMap<String, ByteString>, entry: &str) -> Result<Option<Confidential>, Fault> {
    let Some(ByteString(bytes)) = secret.get(entry) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| invalid(&format!("`{entry}` is not text")))?
        .trim_end_matches(['\r', '\n']);
    Ok((!text.is_empty()).then(|| Confidential::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        entries
            .iter()
            .map(|(entry, text)| ((*entry).to_owned(), ByteString(text.as_bytes().to_vec())))
            .collect()
    }

    #[test]
    fn a_token_or_a_name_with_password_opens_an_account() {
        assert!(auth(&secret(&[("token", "ucat_x\n")])).is_ok());
        assert!(auth(&secret(&[("username", "media"), ("password", "p")])).is_ok());
        assert!(auth(&secret(&[("token", "ucat_x"), ("username", "")])).is_ok());
    }

    #[test]
    fn neither_both_or_half_of_the_credentials_says_what_to_put() {
        for (entries, complaint) in [
            (&[][..], "it has neither"),
            (
                &[("token", "t"), ("username", "u"), ("password", "p")],
                "it has both",
            ),
            (&[("username", "u")], "the password is missing"),
            (&[("password", "p")], "the username is missing"),
            (&[("token", "\n")], "it has neither"),
        ] {
            let Err(fault) = auth(&secret(entries)) else {
                panic!("{entries:?} was taken");
            };
            assert_eq!(fault.reason, Reason::InvalidCredentials);
            assert!(fault.message.ends_with(complaint), "{}", fault.message);
            assert!(
                fault
                    .message
                    .contains("`token` or `username` and `password`")
            );
        }
    }

    #[test]
    fn the_usual_port_is_left_out_of_an_address() {
        let mut plane = DataPlane::default();
        assert_eq!(
            plane.url("q7x2m.upcloudobjects.com"),
            "https://q7x2m.upcloudobjects.com"
        );
        plane = DataPlane {
            scheme: Scheme::Http,
            port: 9000,
            host_override: Some("127.0.0.1".into()),
        };
        assert_eq!(
            plane.url("q7x2m.upcloudobjects.com"),
            "http://127.0.0.1:9000"
        );
    }
}

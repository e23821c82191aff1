//! A domain of the user's on which a service answers, for S3 or for a website.
//!
//! Attached is quickly done; it answers only once DNS records lead to the service and the cloud has a certificate for it. Which records
//! stands in status, and until then also in `Ready`. A service with such a domain never settles, so the trouble is told here and not there.

use std::fmt;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    account::Account,
    api::{self, CustomDomainType, DomainMode, ServiceId},
    cloud::UpCloud,
    inventory,
    service::{ObjectStorageService, Parent, hosts, told_of_domains},
    shape::{Sibling, made},
};
use crate::engine::{
    external::{Common, Diff, External, Held, Never, Phase, Ref, Resolved, Unresolved},
    fault::Fault,
    inventory::Asked,
    keyring::NoKeys,
    known::{Known, Reference, Shared},
    status::Status,
};

/// A domain of the user's on which an object storage service answers.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "CustomDomain",
    plural = "customdomains",
    namespaced,
    category = "cooper",
    shortname = "ucdomain",
    status = "Status<DomainPlace, DomainFacts>",
    derive = "PartialEq",
    doc = "A domain of yours on which an UpCloud object storage service answers. The DNS records that it needs stand in status.",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domainName"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Active",
        type_ = "boolean",
        json_path = ".status.atProvider.active",
        description = "Whether the cloud has a certificate for it"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Synced\")].status"
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
#[x_kube(
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource"),
    validation = Rule::new("self.domainName == oldSelf.domainName").message("domainName cannot be changed; make a new resource"),
    validation = Rule::new("self.mode == oldSelf.mode").message("mode cannot be changed: the cloud fixes it when the domain is attached; make a new resource")
)]
#[serde(rename_all = "camelCase")]
pub struct DomainSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service that answers on the domain, at most five a service. Cannot be changed.
    pub service_ref: Reference,
    /// The domain, such as files.example.org, in lower case and without a dot at its end. Cannot be changed.
    #[schemars(
        length(min = 3, max = 253),
        regex(
            pattern = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
        )
    )]
    pub domain_name: String,
    /// What answers there: Api for S3, IAM and STS, or Website for a StaticWebsite that names this resource. Cannot be changed.
    /// Default: Api.
    #[serde(default)]
    pub mode: Mode,
}

/// What answers on a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// S3, IAM and STS.
    #[default]
    Api,
    /// A static website.
    Website,
}

impl Mode {
    fn wire(self) -> DomainMode {
        match self {
            Self::Api => DomainMode::Api,
            Self::Website => DomainMode::StaticWebsite,
        }
    }
}

/// Where a domain is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DomainPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// The domain.
    #[schemars(length(max = 254))]
    pub domain: String,
}

/// What is known of a domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DomainFacts {
    /// Whether the cloud has a certificate for it and it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Records to put into the DNS of the domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub records: Vec<Record>,
}

/// A record to put into DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Its name.
    #[schemars(length(max = 300))]
    pub name: String,
    /// Its type: CNAME. At the apex of a zone, which can have none, what your DNS provider has in its place, such as ALIAS.
    #[serde(rename = "type")]
    #[schemars(length(max = 8))]
    pub kind: String,
    /// Where it leads. Not there: the DNS challenge domain of your UpCloud account's load balancers, which the object storage API
    /// does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub value: Option<String>,
}

impl Record {
    fn new(name: String, value: Option<String>) -> Self {
        Self {
            name,
            kind: "CNAME".into(),
            value,
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let challenge = "the DNS challenge domain of your UpCloud account's load balancers";
        let value = self.value.as_deref().unwrap_or(challenge);
        write!(f, "{} {} {value}", self.name, self.kind)
    }
}

/// The records that a domain needs, by the documentation of UpCloud's Terraform provider; `host` is the service's own.
fn records(domain: &str, mode: &DomainMode, host: &str) -> Vec<Record> {
    let to = || Some(host.to_owned());
    let mut records = vec![
        Record::new(format!("_acme-challenge.{domain}"), None),
        Record::new(domain.to_owned(), to()),
    ];
    if *mode != DomainMode::StaticWebsite {
        // Buckets as names below it.
        records.push(Record::new(format!("*.{domain}"), to()));
    }
    records
}

/// A domain as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    domain: api::CustomDomain,
    active: bool,
    /// The service's own host that the records lead to; none while it is stopped.
    host: Option<String>,
    /// What the service says of its domains.
    told: Vec<String>,
    /// A website is configured on it. Looked at only before it is deleted.
    has_website: bool,
}

impl Shared for CustomDomain {}

impl Sibling for CustomDomain {
    const WHAT: &'static str = "domain";

    fn stands(&self) -> Option<(&ServiceId, &str)> {
        let place = self.made()?;
        Some((&place.service, &place.domain))
    }
}

impl CustomDomain {
    /// Its place, once it exists at the cloud.
    pub fn made(&self) -> Option<&DomainPlace> {
        made(self.status.as_ref()?, &self.spec.common)
    }
}

impl External for CustomDomain {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = DomainPlace;
    type Desired = Mode;
    type Remote = Remote;
    type Change = Never;
    type Facts = DomainFacts;
    type Keys = NoKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let service = self.spec.service_ref.target::<ObjectStorageService>(&own);
        vec![Ref::holding(service)]
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let parent = Parent::of(self, &self.spec.service_ref, known)?;
        Ok(Resolved {
            account: parent.account,
            place: DomainPlace {
                service: parent.id,
                domain: self.spec.domain_name.clone(),
            },
            desired: self.spec.mode,
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &DomainPlace,
        _: &DomainFacts,
    ) -> Result<Option<Remote>, Fault> {
        let (service, name) = (&at.service, &at.domain);
        let Some(domain) = cloud.custom_domain(service, name).await? else {
            return Ok(None);
        };
        let row = cloud.service_row(service).await?;
        let is_website = domain.serves() == DomainMode::StaticWebsite;
        let ask = cloud.view().parting && is_website;
        let has_website = ask && cloud.website(service, name).await?.is_some();
        Ok(Some(Remote {
            active: cloud.is_active(service, name).await?,
            host: row.as_ref().and_then(|row| host(row, &domain)),
            told: row.as_ref().map(told_of_domains).unwrap_or_default(),
            has_website,
            domain,
        }))
    }

    async fn create(cloud: &UpCloud, at: &DomainPlace, want: &Mode) -> Result<Remote, Fault> {
        let new = api::CustomDomain {
            domain_name: at.domain.clone(),
            kind: CustomDomainType::Public,
            mode: Some(want.wire()),
        };
        let domain = cloud.create_custom_domain(&at.service, &new).await?;
        let row = cloud.service_row(&at.service).await?;
        Ok(Remote {
            active: false,
            host: row.and_then(|row| host(&row, &domain)),
            told: Vec::new(),
            has_website: false,
            domain,
        })
    }

    async fn apply(
        _: &UpCloud,
        _: &DomainPlace,
        _: &mut Remote,
        change: &Never,
    ) -> Result<(), Fault> {
        change.refute()
    }

    async fn delete(cloud: &UpCloud, at: &DomainPlace, _: &Remote, _: bool) -> Result<(), Fault> {
        cloud.delete_custom_domain(&at.service, &at.domain).await
    }

    fn diff(want: &Mode, now: &Remote, _: &DomainFacts) -> Diff<Never> {
        let serves = now.domain.serves();
        let differs = serves != want.wire();
        let text = || {
            format!(
                "mode: the domain is attached for {serves} and cannot change; detach it at the cloud, or make a resource with another mode"
            )
        };
        Diff {
            changes: Vec::new(),
            fixed: differs.then(text).into_iter().collect(),
        }
    }

    fn facts(_: Option<&Mode>, now: &Remote, before: &DomainFacts, _: Timestamp) -> DomainFacts {
        let domain = &now.domain;
        let records = now
            .host
            .as_ref()
            .map(|host| records(&domain.domain_name, &domain.serves(), host));
        DomainFacts {
            active: Some(now.active),
            records: records.unwrap_or_else(|| before.records.clone()),
        }
    }

    fn phase(now: &Remote) -> Phase {
        if now.active {
            return Phase::Ready;
        }
        let Some(host) = &now.host else {
            return Phase::Settling(
                "the service has no public address for it now; it needs a public network and must be started".into(),
            );
        };
        let records = records(&now.domain.domain_name, &now.domain.serves(), host);
        let records: Vec<_> = records.iter().map(ToString::to_string).collect();
        let mut text = format!(
            "waits for DNS and for its certificate; put these records into DNS: {}",
            records.join(", ")
        );
        for message in &now.told {
            text.push_str(". The cloud says: ");
            text.push_str(message);
        }
        Phase::Settling(text)
    }

    fn held(_: Option<&DomainSpec>, now: &Remote, _: &DomainFacts, _: Timestamp) -> Option<Held> {
        now.has_website.then(|| Held {
            why: "a website that is not managed here is configured on the domain and would go with it; delete it at the cloud, or set spec.deletionPolicy: Delete".into(),
            until: None,
        })
    }

    fn offer(&self) -> serde_json::Value {
        let active = self.status.as_ref().map(|status| status.at_provider.active);
        json!({ "made": self.made(), "active": active, "mode": self.spec.mode })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::domains(cloud, asked).await
    }
}

/// The service's own public host for what the domain serves.
fn host(service: &api::Service, domain: &api::CustomDomain) -> Option<String> {
    let hosts = hosts(service);
    match domain.serves() {
        DomainMode::StaticWebsite => hosts.website,
        _ => hosts.public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mode: Option<DomainMode>) -> Remote {
        Remote {
            domain: api::CustomDomain {
                domain_name: "files.example.org".into(),
                kind: CustomDomainType::Public,
                mode,
            },
            active: false,
            host: Some("q7x2m.upcloudobjects.com".into()),
            told: Vec::new(),
            has_website: false,
        }
    }

    fn text(now: &Remote) -> String {
        match CustomDomain::phase(now) {
            Phase::Settling(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_domain_that_is_not_active_names_the_records_that_it_needs() {
        let said = text(&shown(None));
        for record in [
            "_acme-challenge.files.example.org CNAME the DNS challenge domain",
            "files.example.org CNAME q7x2m.upcloudobjects.com",
            "*.files.example.org CNAME q7x2m.upcloudobjects.com",
        ] {
            assert!(said.contains(record), "{said}");
        }
    }

    #[test]
    fn a_website_needs_no_names_below_its_domain() {
        let facts = CustomDomain::facts(
            None,
            &shown(Some(DomainMode::StaticWebsite)),
            &DomainFacts::default(),
            Timestamp::UNIX_EPOCH,
        );
        let names: Vec<_> = facts.records.iter().map(|record| &*record.name).collect();
        let expected = ["_acme-challenge.files.example.org", "files.example.org"];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_words_of_the_cloud_are_passed_on() {
        let refused = Remote {
            told: vec!["Domain verification failed".into()],
            ..shown(None)
        };
        assert!(text(&refused).ends_with("The cloud says: Domain verification failed"));
    }

    #[test]
    fn records_are_kept_while_the_service_is_stopped() {
        let at = Timestamp::UNIX_EPOCH;
        let before = CustomDomain::facts(None, &shown(None), &DomainFacts::default(), at);
        let stopped = Remote {
            host: None,
            ..shown(None)
        };
        let facts = CustomDomain::facts(None, &stopped, &before, at);
        assert_eq!(facts.records, before.records);
        assert!(text(&stopped).contains("must be started"));
    }

    #[test]
    fn an_answer_without_a_mode_stands_for_the_api() {
        let none = DomainFacts::default();
        for (mode, want, same) in [
            (None, Mode::Api, true),
            (None, Mode::Website, false),
            (Some(DomainMode::StaticWebsite), Mode::Website, true),
            (Some(DomainMode::StaticWebsite), Mode::Api, false),
        ] {
            let diff = CustomDomain::diff(&want, &shown(mode), &none);
            assert_eq!(diff.fixed.is_empty(), same, "{want:?}");
        }
    }
}

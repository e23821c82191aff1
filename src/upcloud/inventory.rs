//! What exists at an account, as resources with `adoption: IfExists`: one function a kind.
//!
//! What a spec cannot say is left out and told, or, where the spec leaves a field open, not mentioned: adopting then changes nothing.

mod principals;

use kube::Resource;
use serde_json::Value;

use super::{
    api::{
        self, ConfiguredStatus, DomainMode, Label, NetworkType as WireType, OperationalState,
        Service,
    },
    bucket::{Bucket, BucketSpec},
    cloud::UpCloud,
    custom_domain::{CustomDomain, DomainSpec, Mode},
    document,
    iam_policy::{IamPolicy, PolicySpec},
    service::{Network, NetworkType, ObjectStorageService, ServiceSpec, State, hosts},
    shape::{Local, PolicyDocument, Span},
    static_website::{ErrorPage, StaticWebsite, WebsiteSpec},
};
use crate::engine::{
    external::{Adoption, Common},
    fault::Fault,
    inventory::Asked,
    known::Reference,
};

pub use principals::{groups, roles, users};

/// Versions that a policy keeps if its spec does not say.
const VERSIONS: usize = 2;

/// The services.
pub async fn services(cloud: &UpCloud, asked: &Asked) -> Result<Vec<ObjectStorageService>, Fault> {
    let services = all(cloud, asked).await?.into_iter();
    Ok(services
        .map(|row| {
            let (name, spec_name) = names::<ObjectStorageService>(asked, "", &row.name);
            ObjectStorageService::new(
                &name,
                ServiceSpec {
                    common: adopting(),
                    account_ref: reference(&asked.account),
                    name: spec_name,
                    region: row.region.clone().unwrap_or_default(),
                    state: match row.configured_status {
                        Some(ConfiguredStatus::Stopped) => State::Stopped,
                        Some(ConfiguredStatus::Started | ConfiguredStatus::Other(_)) | None => {
                            State::Started
                        }
                    },
                    networks: networks(&row),
                    labels: row.labels.into_iter().filter(is_free).map(pair).collect(),
                    termination_protection: row.termination_protection,
                    cors_origin: None,
                    allowed_namespaces: Vec::new(),
                },
            )
        })
        .collect())
}

/// The buckets that are not being purged.
pub async fn buckets(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Bucket>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let lane = cloud.view().lane;
        let rows = cloud.api().list_buckets(lane, &service.uuid).await?;
        for row in by_name(rows, |row| &row.name) {
            if row.deleted || !can_name(asked, "bucket", &service, &row.name, "._-") {
                continue;
            }
            let (name, spec_name) = names::<Bucket>(asked, &service.name, &row.name);
            let spec = BucketSpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                name: spec_name,
                empty_for: Span::new("5m"),
            };
            found.push(Bucket::new(&name, spec));
        }
    }
    Ok(found)
}

/// The policies that are not UpCloud's own, with the document in force.
pub async fn policies(cloud: &UpCloud, asked: &Asked) -> Result<Vec<IamPolicy>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let lane = cloud.view().lane;
        let rows = cloud.api().list_policies(lane, &service.uuid).await?;
        for row in by_name(rows, |row| &row.name) {
            if row.system || !can_name(asked, "policy", &service, &row.name, "_-") {
                continue;
            }
            let versions = cloud.versions(&service.uuid, &row.name).await?;
            let in_force = versions.iter().find(|version| version.is_default);
            let document = in_force.and_then(|version| read(version.document.as_deref()));
            let Some(document) = document else {
                leave_out(
                    asked,
                    "policy",
                    &service,
                    &row.name,
                    "its document cannot be read",
                );
                continue;
            };
            let (name, spec_name) = names::<IamPolicy>(asked, &service.name, &row.name);
            let spec = PolicySpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                name: spec_name,
                description: row.description,
                document,
                // Fewer would have the oldest deleted.
                keep_versions: i32::try_from(versions.len().max(VERSIONS)).unwrap_or(i32::MAX),
            };
            found.push(IamPolicy::new(&name, spec));
        }
    }
    Ok(found)
}

/// The custom domains.
pub async fn domains(cloud: &UpCloud, asked: &Asked) -> Result<Vec<CustomDomain>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let rows = by_name(service.custom_domains.clone(), |row| &row.domain_name);
        for row in rows {
            let Some(mode) = mode(&row.serves()) else {
                let why = "a resource cannot say what it serves";
                leave_out(asked, "domain", &service, &row.domain_name, why);
                continue;
            };
            let domain_name = row.domain_name.to_ascii_lowercase();
            let name = asked.name::<CustomDomain>(&service.name, &domain_name);
            let spec = DomainSpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                domain_name,
                mode,
            };
            found.push(CustomDomain::new(&name, spec));
        }
    }
    Ok(found)
}

/// The websites, on the services' own domains and on custom ones.
pub async fn websites(cloud: &UpCloud, asked: &Asked) -> Result<Vec<StaticWebsite>, Fault> {
    let mut found = Vec::new();
    for service in all(cloud, asked).await? {
        let own = hosts(&service).website;
        for row in service.static_websites.clone().unwrap_or_default() {
            let domain = row.domain_name.as_str();
            let custom = service
                .custom_domains
                .iter()
                .any(|custom| custom.is(domain));
            let known = custom || own.as_deref() == Some(domain);
            let Some(bucket) = row.bucket_name.as_deref().filter(|_| known) else {
                let why = "it is on no domain of the service";
                leave_out(asked, "website", &service, domain, why);
                continue;
            };
            let domain = domain.to_ascii_lowercase();
            let domain_ref = custom.then(|| Local {
                name: asked.name::<CustomDomain>(&service.name, &domain),
            });
            let remote = if custom { &domain } else { bucket };
            let name = asked.name::<StaticWebsite>(&service.name, remote);
            let spec = WebsiteSpec {
                common: adopting(),
                service_ref: parent(asked, &service),
                bucket_ref: Local {
                    name: asked.name::<Bucket>(&service.name, bucket),
                },
                domain_ref,
                prefix: row.bucket_prefix,
                index_document: row.index_document.unwrap_or_else(|| "index.html".into()),
                single_page: row.spa_mode,
                enabled: row.enabled.unwrap_or(true),
                error_pages: row.error_pages.into_iter().map(error_page).collect(),
            };
            found.push(StaticWebsite::new(&name, spec));
        }
    }
    Ok(found)
}

fn mode(serves: &DomainMode) -> Option<Mode> {
    match serves {
        DomainMode::Api => Some(Mode::Api),
        DomainMode::StaticWebsite => Some(Mode::Website),
        DomainMode::Other(_) => None,
    }
}

/// The services that are asked for, by name.
async fn all(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Service>, Fault> {
    let mut services = cloud.services().await?;
    services.retain(|service| {
        let state = service.operational_state.as_ref();
        let leaving = state.is_some_and(OperationalState::is_leaving);
        !leaving && asked.wants(&service.name)
    });
    Ok(services)
}

fn by_name<T>(mut rows: Vec<T>, name: impl Fn(&T) -> &String) -> Vec<T> {
    rows.sort_by(|one, other| name(one).cmp(name(other)));
    rows
}

/// The resource's name, and what its `spec.name` must be.
fn names<K: Resource<DynamicType = ()>>(
    asked: &Asked,
    parent: &str,
    remote: &str,
) -> (String, Option<String>) {
    let name = asked.name::<K>(parent, remote);
    // Shorter names than S3 allows must be spelt out.
    let differs = name != remote || remote.len() < 3;
    (name, differs.then(|| remote.to_owned()))
}

/// Whether `spec.name` may hold this name; told if not.
fn can_name(asked: &Asked, what: &str, service: &Service, name: &str, marks: &str) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || marks.contains(letter);
    let can = (1..=64).contains(&name.len()) && name.chars().all(good);
    if !can {
        leave_out(asked, what, service, name, "spec.name cannot hold its name");
    }
    can
}

fn leave_out(asked: &Asked, what: &str, service: &Service, name: &str, why: &str) {
    asked.leave_out(format!("{what} {name} of service {}: {why}", service.name));
}

fn adopting() -> Common {
    Common {
        adoption: Adoption::IfExists,
        ..Common::default()
    }
}

fn reference(name: &str) -> Reference {
    Reference {
        name: name.to_owned(),
        namespace: None,
    }
}

fn parent(asked: &Asked, service: &Service) -> Reference {
    reference(&asked.name::<ObjectStorageService>("", &service.name))
}

/// The networks, if all of them can be named; else they stay as they are.
fn networks(row: &Service) -> Option<Vec<Network>> {
    let network = |wire: &api::Network| {
        let kind = match wire.kind {
            WireType::Public => NetworkType::Public,
            WireType::Private => NetworkType::Private,
            WireType::Other(_) => return None,
        };
        let uuid = wire.uuid.clone().filter(|_| kind == NetworkType::Private);
        let name = wire.name.clone();
        (uuid.is_some() == (kind == NetworkType::Private)).then_some(Network { name, kind, uuid })
    };
    row.networks.iter().map(network).collect()
}

/// Whether a label may stand in a spec: neither UpCloud's own nor ours.
fn is_free(label: &Label) -> bool {
    !label.key.starts_with('_') && !label.key.starts_with("cooper-")
}

fn pair(label: Label) -> (String, String) {
    (label.key, label.value)
}

/// A document that a spec can hold; one that the API took and our own check would refuse is none.
fn read(text: Option<&str>) -> Option<PolicyDocument> {
    let document = document::decode(text?).ok()?;
    document::validate(&document).ok()?;
    match document {
        Value::Object(members) => Some(PolicyDocument(members)),
        _ => None,
    }
}

fn error_page(wire: api::ErrorPage) -> ErrorPage {
    let status = |code: i64| i32::try_from(code).ok();
    ErrorPage {
        status: wire.status_code.and_then(status),
        from: wire.status_range.and_then(|range| status(range.start)),
        to: wire.status_range.and_then(|range| status(range.end)),
        document: wire.error_document,
    }
}

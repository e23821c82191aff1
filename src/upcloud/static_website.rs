//! A static website: what a bucket holds, shown to browsers on a domain of the service.

use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    api::{self, NewWebsite, Patch, ServiceId, WebsitePatch},
    bucket::Bucket,
    cloud::UpCloud,
    custom_domain::{CustomDomain, Mode},
    inventory,
    service::{ObjectStorageService, Parent},
    shape::{Local, immutable},
};
use crate::engine::{
    external::{Common, Diff, External, Phase, Ref, Resolved, Unresolved},
    fault::Fault,
    inventory::Asked,
    keyring::NoKeys,
    known::{Known, Reference},
    reason::Reason,
    status::Status,
};

/// A static website of an object storage service.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "StaticWebsite",
    plural = "staticwebsites",
    namespaced,
    category = "cooper",
    shortname = "ucsite",
    status = "Status<WebsitePlace, WebsiteFacts>",
    derive = "PartialEq",
    doc = "A static website: shows what a bucket holds on the service's own website domain or on one of yours. The bucket must be publicly readable.",
    printcolumn(name = "URL", type_ = "string", json_path = ".status.atProvider.url"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.bucketRef.name"),
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
    validation = immutable("domainRef")
)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service that shows the website. Cannot be changed. A service has one website domain of its own; further websites need a
    /// domainRef each.
    pub service_ref: Reference,
    /// The bucket with the pages: a Bucket of the same service. It must be publicly readable by a bucket policy, which its owner sets
    /// over S3; the cloud's API has no way to do it.
    pub bucket_ref: Local,
    /// The domain that shows it: a CustomDomain of the same service with mode: Website. Cannot be changed, added or removed.
    /// Default: the service's own website domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_ref: Option<Local>,
    /// The part of the bucket to show, such as dist/. Default: all of it.
    #[serde(default)]
    #[schemars(length(max = 1024), regex(pattern = r"^[a-zA-Z0-9/._-]*$"))]
    pub prefix: String,
    /// The page shown for a directory. Default: index.html.
    #[serde(default = "index_html")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-zA-Z0-9/._-]+$"))]
    pub index_document: String,
    /// Whether every path shows the index document, for applications that route in the browser. Default: false.
    #[serde(default)]
    pub single_page: bool,
    /// Whether the website answers. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pages shown in place of errors. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 25))]
    pub error_pages: Vec<ErrorPage>,
}

fn index_html() -> String {
    "index.html".into()
}

fn yes() -> bool {
    true
}

/// A page shown in place of an error: for one status, or for all from one to another.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("has(self.status) != has(self.from) && has(self.from) == has(self.to)").message("an error page needs either status, or from and to"),
    validation = Rule::new("!has(self.from) || !has(self.to) || self.from < self.to").message("from must be smaller than to")
)]
pub struct ErrorPage {
    /// One HTTP status, 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<i32>,
    /// The first of several statuses, 400 to 598.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 598))]
    pub from: Option<i32>,
    /// The last of several statuses, 401 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 401, max = 599))]
    pub to: Option<i32>,
    /// The page: an object of the bucket, without a leading slash.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^/].*$"))]
    pub document: String,
}

impl ErrorPage {
    fn wire(&self) -> api::ErrorPage {
        match (self.status, self.from, self.to) {
            (None, Some(from), Some(to)) => {
                api::ErrorPage::range(from.into(), to.into(), &self.document)
            }
            (status, _, _) => api::ErrorPage::one(status.unwrap_or(404).into(), &self.document),
        }
    }
}

/// Where a website is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct WebsitePlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// The domain that shows it.
    #[schemars(length(max = 254))]
    pub domain: String,
}

/// What is known of a website.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WebsiteFacts {
    /// The domain that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub domain: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
}

/// What a website shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    scheme: &'static str,
    /// The domain to ask for; none for the service's own, which the cloud then names.
    custom: Option<String>,
    bucket: String,
    prefix: String,
    index_document: String,
    single_page: bool,
    enabled: bool,
    error_pages: BTreeSet<api::ErrorPage>,
}

/// A website as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The website.
    pub site: api::StaticWebsite,
    /// Its domain is a custom one that does not answer yet.
    pub waits: bool,
}

/// One PATCH with what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change(WebsitePatch);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(patch) = self;
        let parts = [
            ("bucket", patch.bucket_name.is_some()),
            ("prefix", patch.bucket_prefix.is_some()),
            ("index document", patch.index_document.is_some()),
            ("single page", !patch.spa_mode.is_keep()),
            ("enabled", patch.enabled.is_some()),
            ("error pages", patch.error_pages.is_some()),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|(part, differs)| differs.then_some(part))
            .collect();
        write!(f, "set {}", parts.join(", "))
    }
}

impl External for StaticWebsite {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = WebsitePlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = WebsiteFacts;
    type Keys = NoKeys;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let service = self.spec.service_ref.target::<ObjectStorageService>(&own);
        let bucket = self.spec.bucket_ref.reference().target::<Bucket>(&own);
        let domain = self.spec.domain_ref.as_ref();
        let domain = domain.map(|domain| domain.reference().target::<CustomDomain>(&own));
        let all = [service, bucket].into_iter().chain(domain);
        all.map(Ref::holding).collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let bucket: Arc<Bucket> = known.named(self, &spec.bucket_ref.reference())?;
        let bucket = spec.bucket_ref.at_cloud(&*bucket, &parent.id)?;
        let custom = spec
            .domain_ref
            .as_ref()
            .map(|domain| self.custom_domain(domain, &parent.id, known))
            .transpose()?;
        let facts = parent.service.known();
        let own = facts.and_then(|facts| facts.website_domain.clone());
        let domain = custom.clone().or(own).ok_or_else(|| Unresolved::Waiting {
            reason: Reason::ReferenceNotReady,
            message: format!(
                "service {} has no website domain yet; it gets one with a public network while it is started",
                spec.service_ref.name
            ),
        })?;
        let endpoint = facts.and_then(|facts| facts.endpoint.as_ref());
        let plain = endpoint.is_some_and(|endpoint| endpoint.url.starts_with("http://"));
        Ok(Resolved {
            account: parent.account,
            place: WebsitePlace {
                service: parent.id,
                domain,
            },
            desired: Desired {
                scheme: if plain { "http" } else { "https" },
                custom,
                bucket,
                prefix: spec.prefix.clone(),
                index_document: spec.index_document.clone(),
                single_page: spec.single_page,
                enabled: spec.enabled,
                error_pages: spec.error_pages.iter().map(ErrorPage::wire).collect(),
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &WebsitePlace,
        _: &WebsiteFacts,
    ) -> Result<Option<Remote>, Fault> {
        let (service, domain) = (&at.service, &at.domain);
        let Some(site) = cloud.website(service, domain).await? else {
            return Ok(None);
        };
        let row = cloud.service_row(service).await?;
        let is_custom = row.is_some_and(|row| row.custom_domains.iter().any(|row| row.is(domain)));
        let waits = is_custom && !cloud.is_active(service, domain).await?;
        Ok(Some(Remote { site, waits }))
    }

    async fn create(cloud: &UpCloud, at: &WebsitePlace, want: &Desired) -> Result<Remote, Fault> {
        // Without a domain the website goes to the service's own.
        let new = NewWebsite {
            domain_name: want.custom.clone(),
            bucket_name: want.bucket.clone(),
            bucket_prefix: Some(want.prefix.clone()).filter(|prefix| !prefix.is_empty()),
            index_document: Some(want.index_document.clone()),
            spa_mode: Some(want.single_page),
            enabled: Some(want.enabled),
            error_pages: want.error_pages.iter().cloned().collect(),
        };
        let site = cloud.create_website(&at.service, &new).await?;
        if !site.domain_name.eq_ignore_ascii_case(&at.domain) {
            return Err(Fault::terminal(
                Reason::AnswerNotUnderstood,
                format!(
                    "the cloud made the website on {}, not on {}; delete it there and report this",
                    site.domain_name, at.domain
                ),
            ));
        }
        let waits = want.custom.is_some() && !cloud.is_active(&at.service, &at.domain).await?;
        Ok(Remote { site, waits })
    }

    async fn apply(
        cloud: &UpCloud,
        at: &WebsitePlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        now.site = cloud
            .modify_website(&at.service, &at.domain, &change.0)
            .await?;
        Ok(())
    }

    async fn delete(cloud: &UpCloud, at: &WebsitePlace, _: &Remote, _: bool) -> Result<(), Fault> {
        cloud.delete_website(&at.service, &at.domain).await
    }

    fn diff(want: &Desired, now: &Remote, _: &WebsiteFacts) -> Diff<Change> {
        let now = &now.site;
        let differs = |now: &str, want: &str| (now != want).then(|| want.to_owned());
        let bucket = now.bucket_name.as_deref().unwrap_or_default();
        let index = now.index_document.as_deref().unwrap_or("index.html");
        let pages: BTreeSet<_> = now.error_pages.iter().cloned().collect();
        let patch = WebsitePatch {
            bucket_name: differs(bucket, &want.bucket),
            bucket_prefix: differs(&now.bucket_prefix, &want.prefix),
            index_document: differs(index, &want.index_document),
            spa_mode: if now.spa_mode == want.single_page {
                Patch::Keep
            } else {
                Patch::Set(want.single_page)
            },
            enabled: (now.enabled.unwrap_or(true) != want.enabled).then_some(want.enabled),
            error_pages: (pages != want.error_pages)
                .then(|| want.error_pages.iter().cloned().collect()),
        };
        let nothing = patch == WebsitePatch::default();
        Diff {
            changes: (!nothing).then_some(Change(patch)).into_iter().collect(),
            fixed: Vec::new(),
        }
    }

    fn facts(
        want: Option<&Desired>,
        now: &Remote,
        before: &WebsiteFacts,
        _: Timestamp,
    ) -> WebsiteFacts {
        let domain = &now.site.domain_name;
        WebsiteFacts {
            domain: Some(domain.clone()),
            url: want
                .map(|want| format!("{}://{domain}", want.scheme))
                .or_else(|| before.url.clone()),
        }
    }

    fn phase(now: &Remote) -> Phase {
        if now.waits {
            let domain = &now.site.domain_name;
            Phase::Settling(format!(
                "{domain} does not answer yet; its CustomDomain says which DNS records it needs"
            ))
        } else {
            Phase::Ready
        }
    }

    fn hint(_: &Desired, now: &Remote) -> Option<String> {
        let now = &now.site;
        let bucket = now.bucket_name.as_deref().unwrap_or_default();
        Some(if now.enabled == Some(false) {
            "the website is switched off by spec.enabled: false".into()
        } else {
            format!(
                "browsers see it once bucket {bucket} is publicly readable: set a bucket policy over S3 that allows s3:GetObject to everybody"
            )
        })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::websites(cloud, asked).await
    }
}

impl StaticWebsite {
    /// The domain that shows it; waits until it is attached, not until it answers.
    fn custom_domain(
        &self,
        local: &Local,
        service: &ServiceId,
        known: &Known,
    ) -> Result<String, Unresolved> {
        let domain: Arc<CustomDomain> = known.named(self, &local.reference())?;
        if domain.spec.mode != Mode::Website {
            return Err(Unresolved::Refused {
                reason: Reason::InvalidSpec,
                message: format!(
                    "domain {} serves the API; name a CustomDomain with mode: Website",
                    local.name
                ),
            });
        }
        local.at_cloud(&*domain, service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Desired {
        Desired {
            scheme: "https",
            custom: None,
            bucket: "site".into(),
            prefix: "dist/".into(),
            index_document: "index.html".into(),
            single_page: false,
            enabled: true,
            error_pages: [
                api::ErrorPage::one(404, "404.html"),
                api::ErrorPage::range(500, 599, "5xx.html"),
            ]
            .into(),
        }
    }

    fn shown() -> Remote {
        let site = serde_json::from_value(serde_json::json!({
            "domain_name": "q7x2m-static.upcloudobjects.com",
            "bucket_name": "site",
            "bucket_prefix": "dist/",
            "error_pages": [
                { "error_document": "5xx.html", "status_range": { "start": 500, "end": 599 } },
                { "error_document": "404.html", "status_code": 404 },
            ],
            "index_document": "index.html",
            "enabled": true,
        }));
        Remote {
            site: site.unwrap(),
            waits: false,
        }
    }

    fn changes(want: &Desired, now: &Remote) -> Vec<String> {
        let diff = StaticWebsite::diff(want, now, &WebsiteFacts::default());
        diff.changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_order_of_error_pages_does_not_matter() {
        assert!(changes(&wanted(), &shown()).is_empty());
    }

    #[test]
    fn what_differs_goes_in_one_patch() {
        let want = Desired {
            bucket: "new".into(),
            enabled: false,
            ..wanted()
        };
        assert_eq!(changes(&want, &shown()), ["set bucket, enabled"]);
    }

    #[test]
    fn the_address_is_made_of_the_domain() {
        let facts = StaticWebsite::facts(
            Some(&wanted()),
            &shown(),
            &WebsiteFacts::default(),
            Timestamp::UNIX_EPOCH,
        );
        let url = "https://q7x2m-static.upcloudobjects.com";
        assert_eq!(facts.url.as_deref(), Some(url));
        let parting = StaticWebsite::facts(None, &shown(), &facts, Timestamp::UNIX_EPOCH);
        assert_eq!(parting, facts);
    }

    #[test]
    fn a_ready_website_says_that_its_bucket_must_be_public() {
        let hint = StaticWebsite::hint(&wanted(), &shown()).unwrap();
        assert!(hint.contains("bucket site is publicly readable"));
    }

    #[test]
    fn a_website_on_a_domain_that_does_not_answer_is_not_ready() {
        let waiting = Remote {
            waits: true,
            ..shown()
        };
        assert!(matches!(StaticWebsite::phase(&waiting), Phase::Settling(_)));
        assert_eq!(StaticWebsite::phase(&shown()), Phase::Ready);
    }
}

//! A managed policy of a service: a document of rights that users, groups and roles can be given.
//!
//! A document is never changed in place: a new version is made and put in force, which changes what everybody may do who has the
//! policy, in one step and without detaching anything. A version that says the same already is put in force again instead.
//! Lists do not show documents, so the facts keep what the version in force was seen to mean, and it is read again only when the
//! list shows another one, or now and then.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::Account,
    api::{Policy, PolicyVersion, ServiceId, VersionId},
    cloud::UpCloud,
    document, inventory,
    service::{ObjectStorageService, Parent},
    shape::{PolicyDocument, Sibling, immutable, made, safe_name},
};
use crate::engine::{
    external::{Common, Diff, External, Held, ManagementPolicy, Ref, Resolved, Unresolved},
    fault::{Class, Fault},
    inventory::Asked,
    keyring::NoKeys,
    known::{Known, Reference, Shared},
    reason::Reason,
    status::Status,
};

/// A managed policy of an object storage service.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "IamPolicy",
    plural = "iampolicies",
    namespaced,
    category = "cooper",
    shortname = "ucpolicy",
    status = "Status<PolicyPlace, PolicyFacts>",
    derive = "PartialEq",
    doc = "A managed policy of an UpCloud object storage service: rights that users can be given by spec.policies.",
    validation = safe_name(),
    printcolumn(name = "Policy", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.atProvider.version", description = "The version in force"),
    printcolumn(name = "Attached", type_ = "integer", json_path = ".status.atProvider.attachments", description = "How many users, groups and roles have it", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = immutable("description"),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource")
)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service that the policy is for. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    pub name: Option<String>,
    /// What the policy is for. The cloud keeps the first text for ever, so it cannot be changed, added or removed. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub description: Option<String>,
    /// The policy document: an object with Version and Statement, as of AWS IAM, 6144 characters at most as it is sent. A change makes
    /// a new version at the cloud.
    pub document: PolicyDocument,
    /// Versions to keep at the cloud, the one in force included; older ones are deleted, whoever made them. Default: 2.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 5))]
    pub keep_versions: i32,
}

fn two() -> i32 {
    2
}

/// Versions that the cloud keeps of a policy at most, as AWS does; UpCloud documents no number.
const VERSIONS: usize = 5;

/// Where a policy is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PolicyPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFacts {
    /// Its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub arn: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// The version in force, such as v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub version: Option<VersionId>,
    /// What that version means: a digest that is equal for documents of equal meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub meaning: Option<String>,
    /// How many users, groups and roles have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<i64>,
}

/// What a policy shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    description: Option<String>,
    document: Value,
    keep: usize,
}

/// A policy as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its row in the list, or the answer about it alone.
    pub row: Policy,
    /// The document in force; `None` if it was not read because the row is the one that the facts know.
    pub document: Option<Value>,
    /// All versions, newest first; `None` if they were not read.
    pub versions: Option<Vec<PolicyVersion>>,
}

/// One request about a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Read the versions: one of them may say what is wanted.
    Look,
    /// Delete a version.
    Prune(VersionId),
    /// Put a version in force that is there already.
    Reinstate(VersionId),
    /// Make a version and put it in force.
    Renew(Value),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look => f.write_str("look for a version that says the same"),
            Self::Prune(version) => write!(f, "delete version {version}"),
            Self::Reinstate(version) => write!(f, "put version {version} in force again"),
            Self::Renew(_) => f.write_str("put a new version in force"),
        }
    }
}

impl Shared for IamPolicy {}

impl Sibling for IamPolicy {
    const WHAT: &'static str = "policy";

    fn stands(&self) -> Option<(&ServiceId, &str)> {
        let place = self.made()?;
        Some((&place.service, &place.name))
    }
}

impl IamPolicy {
    /// Its place, once it exists at the cloud.
    pub fn made(&self) -> Option<&PolicyPlace> {
        made(self.status.as_ref()?, &self.spec.common)
    }

    /// The document that cooper keeps in force; `None` if it only looks on.
    pub fn enforced(&self) -> Option<Value> {
        let full = self.spec.common.management_policy == ManagementPolicy::Full;
        full.then(|| Value::Object(self.spec.document.0.clone()))
    }
}

impl External for IamPolicy {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = PolicyPlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = PolicyFacts;
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
        let spec = &self.spec;
        let document = Value::Object(spec.document.0.clone());
        document::validate(&document).map_err(|wrong| Unresolved::Refused {
            reason: Reason::InvalidSpec,
            message: format!("spec.document: {wrong}"),
        })?;
        let parent = Parent::of(self, &spec.service_ref, known)?;
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        Ok(Resolved {
            account: parent.account,
            place: PolicyPlace {
                service: parent.id,
                name,
            },
            desired: Desired {
                description: spec.description.clone(),
                document,
                keep: usize::try_from(spec.keep_versions).unwrap_or(1).max(1),
            },
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &PolicyPlace,
        facts: &PolicyFacts,
    ) -> Result<Option<Remote>, Fault> {
        let Some(row) = cloud.policy(&at.service, &at.name).await? else {
            return Ok(None);
        };
        let mut now = Remote {
            document: read(row.document.as_deref()),
            row,
            versions: None,
        };
        if now.is_unread() && !facts.know(&now.row) {
            now.take(cloud.versions(&at.service, &at.name).await?);
        }
        Ok(Some(now))
    }

    fn depth(want: Option<&Desired>, _: &PolicyFacts) -> u32 {
        u32::from(want.is_some())
    }

    async fn deepen(
        cloud: &UpCloud,
        at: &PolicyPlace,
        now: &mut Remote,
        _: Option<&Desired>,
        _: &PolicyFacts,
    ) -> Result<(), Fault> {
        if now.is_unread() {
            now.take(cloud.versions(&at.service, &at.name).await?);
        }
        Ok(())
    }

    async fn create(cloud: &UpCloud, at: &PolicyPlace, want: &Desired) -> Result<Remote, Fault> {
        let description = want.description.clone();
        let row = cloud
            .create_policy(&at.service, &at.name, &want.document, description)
            .await?;
        Ok(Remote {
            document: read(row.document.as_deref()).or_else(|| Some(want.document.clone())),
            row,
            versions: None,
        })
    }

    async fn apply(
        cloud: &UpCloud,
        at: &PolicyPlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let (service, name) = (&at.service, &at.name);
        match change {
            Change::Look => now.take(cloud.versions(service, name).await?),
            Change::Prune(version) => {
                cloud.delete_version(service, name, version).await?;
                if let Some(versions) = &mut now.versions {
                    versions.retain(|kept| kept.version_id != *version);
                }
            }
            Change::Reinstate(version) => {
                let row = cloud.reinstate(service, name, version).await?;
                now.in_force(version, row.updated_at);
                if let Some(document) = now.document_of(version) {
                    now.document = Some(document);
                }
            }
            Change::Renew(document) => {
                let made = cloud.renew(service, name, document).await?;
                let version = made.version_id.clone();
                let at = made.created_at;
                if let Some(versions) = &mut now.versions {
                    versions.insert(0, made);
                }
                now.in_force(&version, at);
                now.document = Some(document.clone());
            }
        }
        cloud.saw_policy(service, &now.row);
        Ok(())
    }

    /// AWS refuses to delete a policy with several versions, and nobody has recorded what UpCloud does: a refusal is met by deleting
    /// those that are not in force.
    async fn delete(cloud: &UpCloud, at: &PolicyPlace, _: &Remote, _: bool) -> Result<(), Fault> {
        let (service, name) = (&at.service, &at.name);
        let Err(refused) = cloud.delete_policy(service, name).await else {
            return Ok(());
        };
        if refused.class != Class::Terminal {
            return Err(refused);
        }
        let versions = cloud.versions(service, name).await?;
        let old: Vec<_> = versions.iter().filter(|kept| !kept.is_default).collect();
        if old.is_empty() {
            return Err(refused);
        }
        for version in old {
            cloud
                .delete_version(service, name, &version.version_id)
                .await?;
        }
        cloud.delete_policy(service, name).await
    }

    fn diff(want: &Desired, now: &Remote, facts: &PolicyFacts) -> Diff<Change> {
        let mut diff = Diff::default();
        if now.row.system {
            diff.fixed.push("name: this is one of UpCloud's own policies, which nobody can change; use another spec.name, or name it as systemPolicy in the user".into());
            return diff;
        }
        if let Some(described) = want.description_differs(&now.row) {
            diff.fixed.push(described);
        }
        diff.changes = if now.says(&want.document, facts) {
            now.surplus(want.keep).map(Change::Prune).collect()
        } else {
            want.renewal(now)
        };
        diff
    }

    fn facts(_: Option<&Desired>, now: &Remote, before: &PolicyFacts, _: Timestamp) -> PolicyFacts {
        let row = &now.row;
        let known = || before.know(row).then(|| before.meaning.clone()).flatten();
        PolicyFacts {
            arn: row.arn.clone(),
            created_at: row.created_at.map(Time),
            version: row.default_version_id.clone(),
            meaning: now.document.as_ref().map(document::meaning).or_else(known),
            attachments: row.attachment_count,
        }
    }

    fn held(_: Option<&PolicySpec>, now: &Remote, _: &PolicyFacts, _: Timestamp) -> Option<Held> {
        let count = now.row.attachment_count.filter(|count| *count > 0)?;
        Some(Held {
            why: format!(
                "the policy is attached to {count} users, groups or roles; detach it there first"
            ),
            until: None,
        })
    }

    fn offer(&self) -> serde_json::Value {
        json!({ "made": self.made(), "document": self.enforced().as_ref().map(document::meaning) })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::policies(cloud, asked).await
    }
}

impl PolicyFacts {
    /// Whether this row shows the version whose meaning is remembered.
    fn know(&self, row: &Policy) -> bool {
        self.meaning.is_some()
            && row.default_version_id.is_some()
            && self.version == row.default_version_id
            && self.created_at == row.created_at.map(Time)
    }
}

impl Remote {
    fn is_unread(&self) -> bool {
        self.document.is_none() && !self.row.system
    }

    /// Takes the versions in, and with them the document in force.
    fn take(&mut self, versions: Vec<PolicyVersion>) {
        let in_force = versions.iter().find(|version| version.is_default);
        if let Some(version) = in_force {
            self.document = read(version.document.as_deref());
            // The list of policies may be older than this.
            self.row.default_version_id = Some(version.version_id.clone());
        }
        self.versions = Some(versions);
    }

    fn in_force(&mut self, version: &VersionId, at: Option<Timestamp>) {
        for kept in self.versions.iter_mut().flatten() {
            kept.is_default = kept.version_id == *version;
        }
        self.row.default_version_id = Some(version.clone());
        self.row.updated_at = at.or(self.row.updated_at);
    }

    fn document_of(&self, version: &VersionId) -> Option<Value> {
        let versions = self.versions.iter().flatten();
        let found = versions
            .into_iter()
            .find(|kept| kept.version_id == *version);
        read(found?.document.as_deref())
    }

    /// Whether the version in force means what this document means.
    fn says(&self, document: &Value, facts: &PolicyFacts) -> bool {
        match &self.document {
            Some(now) => document::same(now, document),
            None => facts.know(&self.row) && facts.meaning == Some(document::meaning(document)),
        }
    }

    /// Versions to delete so that `keep` are left: the oldest that are not in force. None if the versions are not known.
    fn surplus(&self, keep: usize) -> impl Iterator<Item = VersionId> + use<> {
        let versions = self.versions.as_deref().unwrap_or_default();
        let excess = versions.len().saturating_sub(keep);
        let mut old: Vec<_> = versions
            .iter()
            .filter(|version| !version.is_default)
            .map(|version| version.version_id.clone())
            .collect();
        old.sort_by_key(number);
        old.into_iter().take(excess)
    }
}

impl Desired {
    /// What leads to the wanted document from another one.
    fn renewal(&self, now: &Remote) -> Vec<Change> {
        let Some(versions) = &now.versions else {
            return vec![Change::Look];
        };
        let equal = versions.iter().find(|version| {
            let document = read(version.document.as_deref());
            document.is_some_and(|document| document::same(&document, &self.document))
        });
        if let Some(version) = equal {
            return vec![Change::Reinstate(version.version_id.clone())];
        }
        let room = now.surplus(VERSIONS - 1).map(Change::Prune);
        room.chain([Change::Renew(self.document.clone())]).collect()
    }

    fn description_differs(&self, row: &Policy) -> Option<String> {
        let wanted = self.description.as_ref()?;
        let now = row.description.as_deref().unwrap_or_default();
        (now != wanted).then(|| {
            format!("description: the cloud keeps {now:?} for ever; set spec.description to it, or leave it out")
        })
    }
}

/// A document in an answer. One that cannot be read counts as another than the wanted one.
fn read(document: Option<&str>) -> Option<Value> {
    document.map(|text| document::decode(text).unwrap_or(Value::Null))
}

/// Versions count up: v2 is older than v10.
fn number(version: &VersionId) -> (u64, String) {
    let text = version.as_str();
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    (digits.parse().unwrap_or(0), text.to_owned())
}

#[cfg(test)]
mod tests;

//! All there is, at one moment of rest, held against what the resources say.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::world::{is_true, remote_name, service, strings, text};
use crate::ground::Entry;
use crate::hands::{SERVICES, named};
use crate::scene::Scene;

/// Every kind of ours.
pub const KINDS: [&str; 9] = [
    "Account",
    "ObjectStorageService",
    "Bucket",
    "IamPolicy",
    "IamGroup",
    "IamUser",
    "IamRole",
    "CustomDomain",
    "StaticWebsite",
];

/// All there is, at one moment of rest.
pub struct View {
    pub state: Value,
    pub journal: Vec<Entry>,
    pub resources: BTreeMap<&'static str, Vec<DynamicObject>>,
    pub secrets: Vec<Secret>,
}

impl View {
    /// Asks both sides.
    pub async fn of(scene: &Scene) -> kube::Result<Self> {
        let all = ListParams::default();
        let mut resources = BTreeMap::new();
        for kind in KINDS {
            resources.insert(kind, scene.api(kind).list(&all).await?.items);
        }
        Ok(Self {
            state: scene.cloud.state().await,
            journal: scene.cloud.journal(0).await,
            secrets: scene.secrets().list(&all).await?.items,
            resources,
        })
    }

    /// Resources of a kind in a service.
    pub fn inside<'a>(
        &'a self,
        kind: &str,
        service: &'a str,
    ) -> impl Iterator<Item = &'a DynamicObject> {
        self.resources[kind]
            .iter()
            .filter(move |object| object.data["spec"]["serviceRef"]["name"] == service)
    }

    /// The services that are wanted, with their remotes.
    pub fn services(&self) -> impl Iterator<Item = (&DynamicObject, Value)> {
        self.resources["ObjectStorageService"]
            .iter()
            .map(|object| (object, service(&self.state, &remote_name(object))))
    }

    /// Every resource is Ready, and none is on its way out.
    pub fn resources_are_ready(&self, wrongs: &mut Vec<String>) {
        for (kind, objects) in &self.resources {
            for object in objects {
                let conditions = &object.data["status"]["conditions"];
                let what = format!("{kind} {}", object.name_any());
                if object.metadata.deletion_timestamp.is_some() {
                    wrongs.push(format!("{what} is not gone: {conditions}"));
                } else if !["Ready", "Synced"].iter().all(|one| is_true(object, one)) {
                    wrongs.push(format!("{what} is not as wanted: {conditions}"));
                }
            }
        }
    }

    /// There are the services that are wanted, and none was made twice.
    pub fn services_are_as_wanted(&self, wrongs: &mut Vec<String>) {
        let found = self.state["accounts"]["demo"]["services"].as_array();
        let found: Vec<_> = found
            .into_iter()
            .flatten()
            .map(|one| text(&one["name"]))
            .collect();
        let mut found: Vec<_> = found.into_iter().filter(|name| name != "theirs").collect();
        found.sort();
        let mut wanted: Vec<_> = self
            .services()
            .map(|(object, _)| remote_name(object))
            .collect();
        wanted.sort();
        if found != wanted {
            wrongs.push(format!(
                "there are services {found:?}, wanted are {wanted:?}"
            ));
        }
        let made = self.journal.iter().filter(|entry| {
            entry.method == "POST"
                && entry.path == SERVICES
                && entry.status == Some(201)
                && !entry.foreign
        });
        let made = made.count();
        if made > 1 {
            wrongs.push(format!("{made} services were made for one resource"));
        }
    }

    /// What stands in a service is what its resources say, and each is as its spec says.
    pub fn contents_are_as_wanted(&self, service: &str, remote: &Value, wrongs: &mut Vec<String>) {
        for (kind, list) in [
            ("IamUser", "users"),
            ("IamGroup", "groups"),
            ("IamRole", "roles"),
            ("IamPolicy", "policies"),
            ("Bucket", "buckets"),
        ] {
            let wanted = self.inside(kind, service).map(remote_name);
            let found = rows(remote, list).filter(|name| !name.starts_with("their-"));
            differ(list, found, wanted, wrongs);
        }
        let domains = self.inside("CustomDomain", service);
        let wanted = domains.map(|domain| text(&domain.data["spec"]["domainName"]));
        let found = remote["custom_domains"].as_array().into_iter().flatten();
        let found = found.map(|one| text(&one["domain_name"]));
        differ("domains", found, wanted, wrongs);
        let sites = self.inside("StaticWebsite", service);
        let wanted = sites.map(|site| text(&site.data["spec"]["bucketRef"]["name"]));
        let found = members(&remote["websites"]).map(|site| text(&site["bucket_name"]));
        differ("buckets with a website", found, wanted, wrongs);
        self.rights_are_as_wanted(service, remote, wrongs);
        self.members_are_as_wanted(service, remote, wrongs);
        self.documents_are_as_wanted(service, remote, wrongs);
    }

    fn rights_are_as_wanted(&self, service: &str, remote: &Value, wrongs: &mut Vec<String>) {
        for (kind, list) in [
            ("IamUser", "users"),
            ("IamGroup", "groups"),
            ("IamRole", "roles"),
        ] {
            for object in self.inside(kind, service) {
                let (spec, whose) = (&object.data["spec"], object.name_any());
                let found = named(remote, list, &remote_name(object));
                let mut rights = |what: &str, found: BTreeSet<String>, wanted: BTreeSet<String>| {
                    differ(&format!("{what} of {kind} {whose}"), found, wanted, wrongs);
                };
                let wanted = members(&spec["policies"]).map(policy);
                rights(
                    "policies",
                    strings(&found["attached"]).collect(),
                    wanted.collect(),
                );
                rights("inline policies", inline_found(&found), inline_wanted(spec));
                let bound = spec.get("permissionsBoundary").map(policy);
                rights(
                    "boundary",
                    text_of(&found["boundary"]).collect(),
                    bound.into_iter().collect(),
                );
                let (marks, tags): (Vec<_>, Vec<_>) =
                    members(&found["tags"]).partition(|tag| tag["key"] == "cooper-uid");
                let tagged = tags.iter().map(|tag| text(&tag["key"]));
                rights("tags", tagged.collect(), keys(&spec["tags"]).collect());
                let is_marked =
                    kind == "IamRole" || kind == "IamUser" && spec["adoption"] == "IfExists";
                let owner = object.uid().filter(|_| is_marked);
                let marks = marks.iter().map(|tag| text(&tag["value"]));
                rights("owner", marks.collect(), owner.into_iter().collect());
            }
        }
    }

    fn members_are_as_wanted(&self, service: &str, remote: &Value, wrongs: &mut Vec<String>) {
        for group in self.inside("IamGroup", service) {
            let name = group.name_any();
            let found = named(remote, "groups", &remote_name(group))["members"].clone();
            let users = self.inside("IamUser", service);
            let wanted = users.filter(|user| is_in(user, &name)).map(remote_name);
            differ(
                &format!("members of group {name}"),
                strings(&found),
                wanted,
                wrongs,
            );
        }
    }

    fn documents_are_as_wanted(&self, service: &str, remote: &Value, wrongs: &mut Vec<String>) {
        for policy in self.inside("IamPolicy", service) {
            let found = named(remote, "policies", &remote_name(policy));
            let default = members(&found["versions"]);
            let default = default.filter(|version| version["id"] == found["default"]);
            let documents: Vec<_> = default.map(|version| &version["document"]).collect();
            if documents != [&policy.data["spec"]["document"]] {
                let name = policy.name_any();
                wrongs.push(format!("policy {name} is not as its spec says: {found}"));
            }
        }
    }

    /// Secrets that cooper made belong to users that are there.
    pub fn secrets_have_owners(&self, wrongs: &mut Vec<String>) {
        for secret in &self.secrets {
            let name = secret.name_any();
            if name.starts_with("cooper-mint-") {
                wrongs.push(format!("{name} is left"));
                continue;
            }
            let Some(issuer) = secret.labels().get("cooper.dev/issuer") else {
                continue;
            };
            let owned = self.resources["IamUser"].iter().any(|user| {
                user.uid().as_ref() == Some(issuer)
                    && user.data["spec"]["accessKey"]["secretName"] == name
            });
            if !owned {
                wrongs.push(format!("Secret {name} outlives its user"));
            }
        }
    }
}

/// Names in a list of a service; buckets on their way out are not among them.
fn rows<'a>(service: &'a Value, list: &str) -> impl Iterator<Item = String> + use<'a> {
    let rows = service[list].as_array().into_iter().flatten();
    rows.filter(|row| row["deleted"] != true)
        .map(|row| text(&row["name"]))
}

fn is_in(user: &DynamicObject, group: &str) -> bool {
    let groups = user.data["spec"]["groups"].as_array();
    groups.into_iter().flatten().any(|one| one["name"] == group)
}

/// Tells what is there and what is wanted, where these are not the same.
fn differ(
    what: &str,
    found: impl IntoIterator<Item = String>,
    wanted: impl IntoIterator<Item = String>,
    wrongs: &mut Vec<String>,
) {
    let found: BTreeSet<_> = found.into_iter().collect();
    let wanted: BTreeSet<_> = wanted.into_iter().collect();
    if found != wanted {
        wrongs.push(format!(
            "{what}: there are {found:?}, wanted are {wanted:?}"
        ));
    }
}

/// The name at the cloud of a policy that a spec names.
fn policy(source: &Value) -> String {
    match &source["systemPolicy"] {
        Value::String(name) => name.clone(),
        _ => text(&source["policyRef"]["name"]),
    }
}

/// Inline policies as they stand at the cloud: the name in the spec, and what the policy says.
fn inline_found(principal: &Value) -> BTreeSet<String> {
    let policies = principal["inline"].as_object().into_iter().flatten();
    let told = policies.map(|(name, said)| {
        let key = name.rsplit_once('-').map_or(name.as_str(), |(key, _)| key);
        let said: Value = serde_json::from_str(&text(said)).unwrap_or_default();
        format!("{key}: {said}")
    });
    told.collect()
}

fn inline_wanted(spec: &Value) -> BTreeSet<String> {
    let policies = spec["inlinePolicies"].as_object().into_iter().flatten();
    policies
        .map(|(key, said)| format!("{key}: {said}"))
        .collect()
}

/// The values of a list or of an object.
fn members(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn keys(value: &Value) -> impl Iterator<Item = String> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(key, _)| key.clone())
}

fn text_of(value: &Value) -> impl Iterator<Item = String> {
    value.as_str().map(str::to_owned).into_iter()
}

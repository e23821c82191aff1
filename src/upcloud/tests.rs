//! How the kinds resolve what they name.

use kube::runtime::{reflector, watcher};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    account::Account, bucket::Bucket, iam_policy::IamPolicy, iam_user::IamUser,
    service::ObjectStorageService, static_website::StaticWebsite,
};
use crate::engine::{
    external::{External, Resolved, Unresolved},
    guarded::{Guarded, Watched},
    known::Known,
    reason::Reason,
};

const ID: &str = "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061";

/// Resources that exist in the cluster.
#[derive(Default)]
struct World {
    accounts: Vec<Value>,
    services: Vec<Value>,
    buckets: Vec<Value>,
    policies: Vec<Value>,
}

impl World {
    /// An account and a service with an endpoint in namespace `infra`, shared with `team-a`.
    fn with_service() -> Self {
        let shared = json!([{ "name": "team-a" }]);
        let mut service = object::<ObjectStorageService>(
            "infra",
            "media",
            &json!({
                "accountRef": { "name": "default" }, "region": "europe-2", "allowedNamespaces": shared,
            }),
        );
        service["status"] = json!({ "atProvider": {
            "id": ID,
            "endpoint": { "url": "https://q7x2m.upcloudobjects.com", "host": "q7x2m.upcloudobjects.com" },
            "websiteDomain": "q7x2m-static.upcloudobjects.com",
        } });
        let account = json!({ "credentialsSecretRef": { "name": "upcloud" } });
        Self {
            accounts: vec![object::<Account>("infra", "default", &account)],
            services: vec![service],
            ..Self::default()
        }
    }

    fn bucket(mut self, name: &str, origin: &str) -> Self {
        let spec = json!({ "serviceRef": { "name": "media", "namespace": "infra" } });
        let mut bucket = object::<Bucket>("team-a", name, &spec);
        bucket["status"] = json!({ "origin": origin, "place": { "service": ID, "name": name } });
        self.buckets.push(bucket);
        self
    }

    fn policy(mut self, name: &str, service: &str) -> Self {
        let spec = json!({
            "serviceRef": { "name": "media", "namespace": "infra" }, "document": { "Statement": [] },
        });
        let mut policy = object::<IamPolicy>("team-a", name, &spec);
        policy["status"] =
            json!({ "origin": "Created", "place": { "service": service, "name": name } });
        self.policies.push(policy);
        self
    }

    fn known(self) -> Known {
        let known = Known::default();
        add::<Account>(&known, self.accounts);
        add::<ObjectStorageService>(&known, self.services);
        add::<Bucket>(&known, self.buckets);
        add::<IamPolicy>(&known, self.policies);
        known
    }
}

fn add<K: Watched>(known: &Known, objects: Vec<Value>) {
    let (store, mut writer) = reflector::store::<Guarded<K>>();
    for object in objects {
        let object = serde_json::from_value(object).unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(object));
    }
    known.add(store);
}

fn object<K: Watched>(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "namespace": namespace, "name": name, "uid": "uid-1" },
        "spec": spec,
    })
}

/// What a resource of namespace `team-a` resolves to, in the service of `infra`.
fn resolve<K: External + DeserializeOwned>(
    world: World,
    spec: &Value,
) -> Result<Resolved<K>, Unresolved> {
    let mut whole = json!({ "serviceRef": { "name": "media", "namespace": "infra" } });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let resource: K = serde_json::from_value(object::<K>("team-a", "mine", &whole)).unwrap();
    resource.resolve(&world.known())
}

fn waits_for<K>(result: Result<Resolved<K>, Unresolved>, words: &str)
where
    K: External,
{
    match result {
        Err(Unresolved::Waiting { message, .. }) => assert!(message.contains(words), "{message}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("resolved"),
    }
}

fn refused<K>(result: Result<Resolved<K>, Unresolved>, words: &str)
where
    K: External,
{
    match result {
        Err(Unresolved::Refused { reason, message }) => {
            assert_eq!(reason, Reason::InvalidSpec);
            assert!(message.contains(words), "{message}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("resolved"),
    }
}

#[test]
fn a_child_lives_in_the_account_and_under_the_id_of_its_service() {
    let found = resolve::<Bucket>(World::with_service(), &json!({})).unwrap();
    assert_eq!(found.account.to_string(), "infra/default");
    assert_eq!(found.place.service.as_str(), ID);
    assert_eq!(found.place.name, "mine");
    let named = resolve::<Bucket>(World::with_service(), &json!({ "name": "logs" })).unwrap();
    assert_eq!(named.place.name, "logs");
}

#[test]
fn a_child_waits_for_its_service_and_for_the_service_s_id() {
    waits_for(
        resolve::<Bucket>(World::default(), &json!({})),
        "does not exist or is not shared with namespace team-a",
    );
    let mut world = World::with_service();
    world.services[0]["status"] = json!({});
    waits_for(
        resolve::<Bucket>(world, &json!({})),
        "does not exist at the cloud yet",
    );
}

#[test]
fn a_service_that_is_not_shared_is_not_used() {
    let mut world = World::with_service();
    world.services[0]["spec"]["allowedNamespaces"] = json!([]);
    waits_for(resolve::<Bucket>(world, &json!({})), "allowedNamespaces");
}

#[test]
fn nothing_is_adopted_from_another_namespace_than_the_service_s() {
    let adopting = json!({ "adoption": "IfExists" });
    refused(
        resolve::<Bucket>(World::with_service(), &adopting),
        "adoption",
    );
}

#[test]
fn a_user_waits_until_its_policies_exist() {
    let spec = json!({ "policies": [{ "policyRef": { "name": "readers" } }] });
    waits_for(
        resolve::<IamUser>(World::with_service(), &spec),
        "IamPolicy team-a/readers",
    );
    let world = World::with_service().policy("readers", ID);
    assert!(resolve::<IamUser>(world, &spec).is_ok());
}

#[test]
fn a_policy_of_another_service_is_refused() {
    let spec = json!({ "policies": [{ "policyRef": { "name": "readers" } }] });
    let world = World::with_service().policy("readers", "another");
    refused(resolve::<IamUser>(world, &spec), "another service");
}

#[test]
fn a_bucket_that_is_only_claimed_does_not_exist_yet() {
    let spec = json!({ "accessKey": { "secretName": "s", "bucketRefs": [{ "name": "logs" }] } });
    let claimed = World::with_service().bucket("logs", "Claimed");
    waits_for(resolve::<IamUser>(claimed, &spec), "bucket logs");
    let made = World::with_service().bucket("logs", "Created");
    assert!(resolve::<IamUser>(made, &spec).is_ok());
}

#[test]
fn a_template_with_an_unknown_word_is_refused_before_any_key() {
    let spec = json!({ "accessKey": { "secretName": "s", "template": { "x": "{{ nonsense }}" } } });
    refused(
        resolve::<IamUser>(World::with_service(), &spec),
        "{{ nonsense }}",
    );
}

#[test]
fn a_user_with_a_key_waits_for_an_endpoint_and_one_without_does_not() {
    let mut world = World::with_service();
    world.services[0]["status"]["atProvider"]["endpoint"] = Value::Null;
    let spec = json!({ "accessKey": { "secretName": "s" } });
    waits_for(resolve::<IamUser>(world, &spec), "no S3 endpoint");
    let mut world = World::with_service();
    world.services[0]["status"]["atProvider"]["endpoint"] = Value::Null;
    assert!(resolve::<IamUser>(world, &json!({})).is_ok());
}

#[test]
fn a_policy_document_with_a_mistake_is_refused() {
    let spec =
        json!({ "document": { "Version": "2012-10-17", "Statement": [{ "Effect": "Perhaps" }] } });
    refused(
        resolve::<IamPolicy>(World::with_service(), &spec),
        "spec.document",
    );
}

#[test]
fn a_website_stands_on_the_service_s_own_domain() {
    let spec = json!({ "bucketRef": { "name": "site" } });
    let world = World::with_service().bucket("site", "Created");
    let found = resolve::<StaticWebsite>(world, &spec).unwrap();
    assert_eq!(found.place.domain, "q7x2m-static.upcloudobjects.com");
    waits_for(
        resolve::<StaticWebsite>(World::with_service(), &spec),
        "Bucket team-a/site",
    );
}

//! A bucket of a service. It has a name and nothing to change; the care is in its deletion, which takes its objects along.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    account::Account,
    api::{self, ServiceId},
    cloud::UpCloud,
    inventory,
    service::{ObjectStorageService, Parent},
    shape::{Sibling, Span, bucket_name, immutable, made, quiet},
};
use crate::engine::{
    clock::later,
    external::{Common, Diff, External, Held, Never, Phase, Ref, Resolved, Unresolved},
    fault::Fault,
    inventory::Asked,
    keyring::NoKeys,
    known::{Known, Reference, Shared},
    status::{Status, whole_seconds},
};

/// A bucket of an object storage service.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "upcloud.cooper.dev",
    version = "v1alpha1",
    kind = "Bucket",
    plural = "buckets",
    namespaced,
    category = "cooper",
    shortname = "ucbucket",
    status = "Status<BucketPlace, BucketFacts>",
    derive = "PartialEq",
    doc = "A bucket of an UpCloud object storage service. Deleting it deletes the bucket once it has been empty for a while.",
    validation = bucket_name(),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".status.place.name", description = "Name at the cloud"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.atProvider.objects", description = "About how many objects it holds"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = immutable("name"),
    validation = Rule::new("self.serviceRef == oldSelf.serviceRef").message("serviceRef cannot be changed; make a new resource")
)]
#[serde(rename_all = "camelCase")]
pub struct BucketSpec {
    #[serde(flatten)]
    pub common: Common,
    /// The service that holds the bucket. Cannot be changed.
    pub service_ref: Reference,
    /// Name at the cloud, unique in the service. Default: metadata.name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub name: Option<String>,
    /// How long the cloud must have shown the bucket empty before it is deleted under DeleteIfEmpty, such as 5m, 1h or 0s; its count of
    /// objects can lag behind. Time before the deletion counts too. Default: 5m.
    #[serde(default = "five_minutes")]
    pub empty_for: Span,
}

fn five_minutes() -> Span {
    Span::new("5m")
}

/// Where a bucket is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BucketPlace {
    /// Id of the service.
    #[schemars(length(max = 64))]
    pub service: ServiceId,
    /// Name at the cloud.
    #[schemars(length(max = 64))]
    pub name: String,
}

/// What is known of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketFacts {
    /// Objects in it, at about a tenth: a smaller change is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
    /// Bytes in it, at about a tenth: a smaller change is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Since when the cloud has shown it empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_since: Option<Time>,
}

impl Shared for Bucket {}

impl Sibling for Bucket {
    const WHAT: &'static str = "bucket";

    fn stands(&self) -> Option<(&ServiceId, &str)> {
        let place = self.made()?;
        Some((&place.service, &place.name))
    }
}

impl Bucket {
    /// Its place, once it exists at the cloud.
    pub fn made(&self) -> Option<&BucketPlace> {
        made(self.status.as_ref()?, &self.spec.common)
    }
}

impl External for Bucket {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = BucketPlace;
    type Desired = ();
    type Remote = api::Bucket;
    type Change = Never;
    type Facts = BucketFacts;
    type Keys = NoKeys;

    const REMAKE: bool = false;
    /// Nothing brings a deleted bucket back; its purge goes on for minutes.
    const AWAIT_GONE: bool = false;

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
        let name = self.spec.name.clone().unwrap_or_else(|| self.name_any());
        Ok(Resolved {
            account: parent.account,
            place: BucketPlace {
                service: parent.id,
                name,
            },
            desired: (),
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &BucketPlace,
        _: &BucketFacts,
    ) -> Result<Option<api::Bucket>, Fault> {
        cloud.bucket(&at.service, &at.name).await
    }

    async fn create(cloud: &UpCloud, at: &BucketPlace, (): &()) -> Result<api::Bucket, Fault> {
        cloud.create_bucket(&at.service, &at.name).await
    }

    async fn apply(
        _: &UpCloud,
        _: &BucketPlace,
        _: &mut api::Bucket,
        change: &Never,
    ) -> Result<(), Fault> {
        change.refute()
    }

    async fn delete(
        cloud: &UpCloud,
        at: &BucketPlace,
        _: &api::Bucket,
        _: bool,
    ) -> Result<(), Fault> {
        cloud.delete_bucket(&at.service, &at.name).await
    }

    fn diff((): &(), _: &api::Bucket, _: &BucketFacts) -> Diff<Never> {
        Diff::default()
    }

    fn facts(
        _: Option<&()>,
        now: &api::Bucket,
        before: &BucketFacts,
        at: Timestamp,
    ) -> BucketFacts {
        let since = || before.empty_since.clone();
        BucketFacts {
            objects: quiet(now.total_objects, before.objects),
            bytes: quiet(now.total_size_bytes, before.bytes),
            empty_since: (now.total_objects == Some(0))
                .then(|| since().unwrap_or_else(|| Time(whole_seconds(at)))),
        }
    }

    fn phase(now: &api::Bucket) -> Phase {
        if now.deleted {
            Phase::Leaving(
                "the cloud is purging a bucket of this name; the name is free in some minutes"
                    .into(),
            )
        } else {
            Phase::Ready
        }
    }

    fn held(
        spec: Option<&BucketSpec>,
        now: &api::Bucket,
        facts: &BucketFacts,
        at: Timestamp,
    ) -> Option<Held> {
        let way_out = "or set spec.deletionPolicy: Delete to delete them with the bucket";
        match now.total_objects {
            Some(0) => {}
            Some(count) => {
                return Some(Held {
                    why: format!("the bucket holds {count} objects; delete them, {way_out}"),
                    until: None,
                });
            }
            None => {
                return Some(Held {
                    why: format!(
                        "the cloud does not say how many objects are left; wait, {way_out}"
                    ),
                    until: None,
                });
            }
        }
        let since = facts.empty_since.as_ref().map_or(at, |since| since.0);
        let empty_for = spec.map_or_else(five_minutes, |spec| spec.empty_for.clone());
        let until = later(since, empty_for.duration());
        (until > at).then(|| Held {
            why: format!(
                "the bucket is empty since {since} and is deleted once it has been so for {} (spec.emptyFor)",
                empty_for.as_str()
            ),
            until: Some(until),
        })
    }

    fn offer(&self) -> serde_json::Value {
        json!({ "made": self.made() })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::buckets(cloud, asked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn holding(objects: i64) -> api::Bucket {
        serde_json::from_value(json!({
            "name": "logs", "deleted": false, "total_objects": objects, "total_size_bytes": objects * 10,
        }))
        .unwrap()
    }

    fn spec(empty_for: &str) -> BucketSpec {
        serde_json::from_value(json!({ "serviceRef": { "name": "media" }, "emptyFor": empty_for }))
            .unwrap()
    }

    fn held(objects: i64, empty_for: &str, facts: &BucketFacts, now: i64) -> Option<Held> {
        Bucket::held(Some(&spec(empty_for)), &holding(objects), facts, at(now))
    }

    #[test]
    fn a_bucket_with_objects_is_held_without_a_date() {
        let held = held(3, "5m", &BucketFacts::default(), 1000).unwrap();
        assert_eq!(held.until, None);
        assert!(held.why.contains("3 objects"));
    }

    #[test]
    fn an_empty_bucket_is_held_until_it_has_been_empty_long_enough() {
        let first = Bucket::facts(None, &holding(0), &BucketFacts::default(), at(1000));
        assert_eq!(held(0, "5m", &first, 1000).unwrap().until, Some(at(1300)));
        let later = Bucket::facts(None, &holding(0), &first, at(1200));
        assert_eq!(held(0, "5m", &later, 1200).unwrap().until, Some(at(1300)));
        assert_eq!(held(0, "5m", &later, 1300), None);
    }

    #[test]
    fn no_time_to_wait_means_no_wait() {
        let facts = Bucket::facts(None, &holding(0), &BucketFacts::default(), at(1000));
        assert_eq!(held(0, "0s", &facts, 1000), None);
    }

    #[test]
    fn an_object_in_between_starts_the_time_anew() {
        let empty = Bucket::facts(None, &holding(0), &BucketFacts::default(), at(1000));
        let filled = Bucket::facts(None, &holding(1), &empty, at(1100));
        assert_eq!(filled.empty_since, None);
        let again = Bucket::facts(None, &holding(0), &filled, at(1200));
        assert_eq!(again.empty_since, Some(Time(at(1200))));
    }

    #[test]
    fn a_bucket_of_unknown_contents_is_held() {
        let unknown = api::Bucket {
            total_objects: None,
            ..holding(0)
        };
        let held = Bucket::held(Some(&spec("0s")), &unknown, &BucketFacts::default(), at(1));
        assert!(held.is_some_and(|held| held.until.is_none()));
    }

    #[test]
    fn a_bucket_under_purge_is_leaving() {
        let purged = api::Bucket {
            deleted: true,
            ..holding(0)
        };
        assert!(matches!(Bucket::phase(&purged), Phase::Leaving(_)));
        assert_eq!(Bucket::phase(&holding(0)), Phase::Ready);
    }
}

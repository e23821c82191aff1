//! Policies that are edited halfway, and resources that come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cooper::wire::{Open, Side, Verdict, Wire};
use futures::future::BoxFuture;
use http::{Method, Uri};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::ground::eventually;
use crate::hands::{has_bucket, named};
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, document, user_spec};

/// A look at the Secret and what it may be late.
const CHECK: Duration = Duration::from_secs(67);

/// A deletion of Bucket `logs` that is held by an object.
async fn held() -> Scene {
    let scene = Scene::issued().await;
    let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "logs", spec).await;
    scene.ready("Bucket", "logs").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("logs", "one.txt", "1").await, 200);
    scene.delete("Bucket", "logs").await;
    scene
        .until("Bucket", "logs", "Ready", "False", "DeletionHeld")
        .await;
    scene
}

fn user_with(more: &Value) -> Value {
    let mut spec = user_spec();
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more.clone());
    }
    spec
}

#[tokio::test]
async fn a_held_deletion_goes_on_by_the_word_delete() {
    let scene = held().await;
    let word = json!({"spec": {"deletionPolicy": "Delete"}});
    scene.merge("Bucket", "logs", word).await;
    scene.gone("Bucket", "logs").await;
    assert!(!has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_held_deletion_ends_by_the_word_orphan() {
    let scene = held().await;
    let word = json!({"spec": {"deletionPolicy": "Orphan"}});
    scene.merge("Bucket", "logs", word).await;
    scene.gone("Bucket", "logs").await;
    assert!(has_bucket(&scene.at_cloud().await, "logs"));
}

#[tokio::test]
async fn an_orphaned_user_comes_back_with_the_same_key() {
    let scene = Scene::running().await;
    scene.policy().await;
    let orphan = user_with(&json!({"deletionPolicy": "Orphan"}));
    scene.apply("IamUser", "ci", orphan).await;
    scene.ready("IamUser", "ci").await;
    let before = scene.secret("ci-s3").await.unwrap();
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    let adopting = user_with(&json!({"adoption": "IfExists"}));
    scene.apply("IamUser", "ci", adopting).await;
    scene.advance(Duration::from_mins(10)).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.secret("ci-s3").await.unwrap(), before);
    let id = before["AWS_ACCESS_KEY_ID"].clone();
    assert_eq!(scene.live_keys("ci").await, [id]);
}

#[tokio::test]
async fn a_user_that_was_only_observed_for_a_while_keeps_its_key() {
    let scene = Scene::issued().await;
    let before = scene.secret("ci-s3").await.unwrap();
    let observe = user_with(&json!({"managementPolicy": "Observe"}));
    scene.apply("IamUser", "ci", observe).await;
    scene
        .until("IamUser", "ci", "Synced", "True", "Observed")
        .await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene
        .until("IamUser", "ci", "Synced", "True", "InSync")
        .await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.secret("ci-s3").await.unwrap(), before);
    assert_eq!(scene.live_keys("ci").await.len(), 1);
}

#[tokio::test]
async fn a_secret_is_not_healed_while_its_user_is_paused() {
    let scene = Scene::issued().await;
    let paused = "cooper.dev/paused";
    scene.annotate("IamUser", "ci", paused, Some("true")).await;
    scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    scene.cloud.forget().await;
    scene.advance(Duration::from_mins(12)).await;
    scene
        .annotate("IamUser", "ci", "example.org/a", Some("b"))
        .await;
    scene
        .until("IamUser", "ci", "Synced", "False", "Paused")
        .await;
    assert!(scene.secret("ci-s3").await.is_none());
    assert_eq!(scene.writes().await, [""; 0]);
    scene.annotate("IamUser", "ci", paused, None).await;
    scene.new_key("ci", "ci-s3", &[]).await;
}

#[tokio::test]
async fn what_was_in_a_service_deleted_by_force_can_be_deleted_after_it() {
    let scene = Scene::issued().await;
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "5m"});
    scene.apply("Bucket", "logs", bucket).await;
    scene.ready("Bucket", "logs").await;
    let word = json!({"spec": {"deletionPolicy": "Delete"}});
    scene.merge("ObjectStorageService", "media", word).await;
    scene.delete("ObjectStorageService", "media").await;
    scene.gone("ObjectStorageService", "media").await;
    assert_eq!(scene.at_cloud().await, Value::Null);
    let rest = [
        ("Bucket", "logs"),
        ("IamPolicy", "logs-rw"),
        ("IamUser", "ci"),
        ("Account", "default"),
    ];
    for (kind, name) in rest {
        scene.delete(kind, name).await;
    }
    for (kind, name) in rest {
        scene.gone(kind, name).await;
    }
    assert!(scene.secret("ci-s3").await.is_none());
}

#[tokio::test]
async fn a_resource_made_again_under_its_name_starts_anew() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    scene.delete("IamUser", "ci").await;
    scene.gone("IamUser", "ci").await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene.ready("IamUser", "ci").await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    assert_eq!(scene.live_keys("ci").await.len(), 1);
}

#[tokio::test]
async fn the_younger_of_two_resources_for_one_bucket_waits_and_takes_over() {
    let scene = Scene::running().await;
    let spec = json!({"serviceRef": {"name": "media"}, "name": "logs", "deletionPolicy": "Orphan", "adoption": "IfExists"});
    scene.apply("Bucket", "first", spec.clone()).await;
    scene.ready("Bucket", "first").await;
    scene.apply("Bucket", "second", spec).await;
    let told = scene
        .until("Bucket", "second", "Ready", "False", "AlreadyManaged")
        .await;
    assert!(told.contains("first"), "{told}");
    scene.delete("Bucket", "first").await;
    scene.gone("Bucket", "first").await;
    scene.ready("Bucket", "second").await;
}

#[tokio::test]
async fn a_key_is_healed_although_its_user_is_under_a_stopped_service() {
    let scene = Scene::issued().await;
    let old = scene.live_keys("ci").await;
    let stop = json!({"spec": {"state": "Stopped"}});
    scene.merge("ObjectStorageService", "media", stop).await;
    scene.ready("ObjectStorageService", "media").await;
    let how = DeleteParams::default();
    scene.secrets().delete("ci-s3", &how).await.unwrap();
    scene.advance(CHECK).await;
    scene.new_key("ci", "ci-s3", &[&old[0]]).await;
    let user = named(&scene.at_cloud().await, "users", "ci");
    assert_eq!(user["attached"], json!(["logs-rw"]));
}

/// The process dies with the answer to the first write at this path; the write itself is carried out.
struct Dies {
    at: &'static str,
    is_dead: AtomicBool,
}

impl Wire for Dies {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let is_it = side == Side::Cloud && *method != Method::GET && uri.path().ends_with(self.at);
        if self.is_dead.load(Ordering::SeqCst) {
            Verdict::Before
        } else if is_it {
            self.is_dead.store(true, Ordering::SeqCst);
            Verdict::Late(Duration::ZERO)
        } else {
            Verdict::Pass
        }
    }
}

#[tokio::test]
async fn a_label_set_before_anybody_noted_it_is_taken_off_when_it_is_wanted_no_more() {
    let mut scene = Scene::running().await;
    let before = scene.at_cloud().await["labels"].clone();
    let at = format!("/{}", scene.service_id().await);
    let dies = Dies {
        at: at.leak(),
        is_dead: AtomicBool::new(false),
    };
    scene.start(Arc::new(dies) as Arc<_>).await;
    let set = |value: Value| json!({"spec": {"labels": {"team": value}}});
    let (kind, name) = ("ObjectStorageService", "media");
    scene.merge(kind, name, set(json!("media"))).await;
    scene
        .cloud_until("the label is set", |cloud| cloud["labels"] != before)
        .await;
    scene.crash();
    scene.merge(kind, name, set(Value::Null)).await;
    scene.start(Arc::new(Open)).await;
    scene
        .cloud_until("the label is taken off", |cloud| cloud["labels"] == before)
        .await;
    scene.ready(kind, name).await;
}

/// What each principal of a service has.
fn rights(cloud: &Value) -> Value {
    let of = |list: &str, name: &str| {
        let found = named(cloud, list, name);
        ["attached", "inline", "boundary", "tags", "members"].map(|right| found[right].clone())
    };
    json!([
        of("users", "ci"),
        of("groups", "ops"),
        of("roles", "uploader")
    ])
}

#[tokio::test]
async fn a_right_given_before_anybody_noted_it_is_taken_back_when_it_is_wanted_no_more() {
    let mut scene = Scene::issued().await;
    let group = json!({"serviceRef": {"name": "media"}});
    let role = json!({"serviceRef": {"name": "media"}, "trust": {"userRefs": [{"name": "ci"}]}});
    scene.apply("IamGroup", "ops", group.clone()).await;
    scene.ready("IamGroup", "ops").await;
    scene.apply("IamRole", "uploader", role.clone()).await;
    scene.ready("IamRole", "uploader").await;
    let before = rights(&scene.at_cloud().await);
    let policies =
        json!([{"systemPolicy": "ECSS3ReadOnlyAccess"}, {"policyRef": {"name": "logs-rw"}}]);
    let inline = json!({"list": document("s3:ListAllMyBuckets")});
    let bound = json!({"systemPolicy": "ECSS3FullAccess"});
    let (tags, groups) = (json!({"env": "prod"}), json!([{"name": "ops"}]));
    let user = ("IamUser", "ci", user_spec());
    let (group, role) = (("IamGroup", "ops", group), ("IamRole", "uploader", role));
    for (at, (kind, name, base), field, value) in [
        ("/users/ci/policies", &user, "policies", &policies),
        (
            "/users/ci/inline-policies",
            &user,
            "inlinePolicies",
            &inline,
        ),
        (
            "/users/ci/permissions-boundary",
            &user,
            "permissionsBoundary",
            &bound,
        ),
        ("/users/ci/tags", &user, "tags", &tags),
        ("/groups/ops/users/ci", &user, "groups", &groups),
        ("/groups/ops/policies", &group, "policies", &policies),
        (
            "/groups/ops/inline-policies",
            &group,
            "inlinePolicies",
            &inline,
        ),
        ("/roles/uploader/policies", &role, "policies", &policies),
        (
            "/roles/uploader/inline-policies",
            &role,
            "inlinePolicies",
            &inline,
        ),
        (
            "/roles/uploader/permissions-boundary",
            &role,
            "permissionsBoundary",
            &bound,
        ),
    ] {
        let dies = Dies {
            at,
            is_dead: AtomicBool::new(false),
        };
        scene.start(Arc::new(dies) as Arc<_>).await;
        let mut spec = base.clone();
        spec[field] = value.clone();
        scene.apply(kind, name, spec).await;
        let given = format!("{at}: it is given");
        scene
            .cloud_until(&given, |cloud| rights(cloud) != before)
            .await;
        scene.crash();
        scene.apply(kind, name, base.clone()).await;
        scene.start(Arc::new(Open)).await;
        let taken = format!("{at}: it is taken back");
        scene
            .cloud_until(&taken, |cloud| rights(cloud) == before)
            .await;
        scene.ready(kind, name).await;
    }
}

/// Holds back the first request to make something here.
struct HoldsBack {
    at: &'static str,
    /// What happens to those that follow.
    next: Verdict,
    is_held: AtomicBool,
    network: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl HoldsBack {
    fn new(at: &'static str, next: Verdict) -> Arc<Self> {
        Arc::new(Self {
            at,
            next,
            is_held: AtomicBool::new(false),
            network: Mutex::default(),
        })
    }

    /// What was held back arrives.
    async fn deliver(&self) {
        let network = std::mem::take(&mut *self.network.lock().unwrap());
        futures::future::join_all(network).await;
    }
}

impl Wire for HoldsBack {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        if side != Side::Cloud || *method != Method::POST || !uri.path().ends_with(self.at) {
            Verdict::Pass
        } else if self.is_held.swap(true, Ordering::SeqCst) {
            self.next
        } else {
            Verdict::Late(Duration::ZERO)
        }
    }

    fn carry(&self, late: BoxFuture<'static, ()>) {
        self.network.lock().unwrap().push(late);
    }
}

#[tokio::test]
async fn a_create_that_is_carried_out_after_the_deletion_leaves_nothing() {
    for crashes in [false, true] {
        let mut scene = Scene::running().await;
        let wire = HoldsBack::new("/users", Verdict::Before);
        scene.start(Arc::clone(&wire) as Arc<_>).await;
        scene.user().await;
        eventually(PATIENCE, "the user is being made", async || {
            let is_held = wire.is_held.load(Ordering::SeqCst);
            is_held.then_some(()).ok_or_else(String::new)
        })
        .await;
        if crashes {
            scene.crash();
        }
        scene.delete("IamUser", "ci").await;
        if crashes {
            scene.start(Arc::new(Open)).await;
        }
        scene
            .until("IamUser", "ci", "Ready", "False", "Removing")
            .await;
        wire.deliver().await;
        scene.advance(Duration::from_mins(4)).await;
        scene.gone("IamUser", "ci").await;
        let user = named(&scene.at_cloud().await, "users", "ci");
        assert!(user.is_null(), "crashes: {crashes}: {user}");
    }
}

#[tokio::test]
async fn what_was_asked_for_twice_is_taken_back_also_when_the_first_request_arrives_last() {
    let mut scene = Scene::issued().await;
    let attached = async |scene: &Scene| rights(&scene.at_cloud().await);
    let before = attached(&scene).await;
    let wire = HoldsBack::new("/users/ci/policies", Verdict::Pass);
    scene.start(Arc::clone(&wire) as Arc<_>).await;
    let policies =
        json!([{"systemPolicy": "ECSS3ReadOnlyAccess"}, {"policyRef": {"name": "logs-rw"}}]);
    let more = user_with(&json!({"policies": policies}));
    scene.apply("IamUser", "ci", more).await;
    scene
        .cloud_until("it is given", |cloud| rights(cloud) != before)
        .await;
    scene.ready("IamUser", "ci").await;
    scene.apply("IamUser", "ci", user_spec()).await;
    scene
        .cloud_until("it is taken back", |cloud| rights(cloud) == before)
        .await;
    scene.ready("IamUser", "ci").await;
    wire.deliver().await;
    assert_ne!(attached(&scene).await, before);
    scene.advance(Duration::from_mins(5)).await;
    scene
        .cloud_until("it is taken back again", |cloud| rights(cloud) == before)
        .await;
    // Nothing can arrive any more, and nobody goes on taking back.
    for _ in 0..2 {
        scene.advance(Duration::from_mins(10)).await;
        scene.ready("IamUser", "ci").await;
    }
    let note = scene.status("IamUser", "ci").await["atProvider"]["grants"]["begun"].clone();
    assert_eq!(note, Value::Null);
    scene.cloud.forget().await;
    scene.advance(Duration::from_mins(30)).await;
    scene.ready("IamUser", "ci").await;
    assert_eq!(scene.writes().await, [""; 0]);
}

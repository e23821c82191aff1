//! What is done while the connections are cut.

use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::time::Duration;

use super::world::{Witness, encoded};
use crate::scene::{Scene, document, user_spec};

/// Something that people do with cooper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    CreateService,
    CreateUser,
    Rotate,
    HealSecret,
    ChangePolicies,
    ChangeMind,
    DeleteUser,
    DeleteService,
    DeleteAll,
    Adopt,
    Website,
    Principals,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 12] = [
        Self::CreateService,
        Self::CreateUser,
        Self::Rotate,
        Self::HealSecret,
        Self::ChangePolicies,
        Self::ChangeMind,
        Self::DeleteUser,
        Self::DeleteService,
        Self::DeleteAll,
        Self::Adopt,
        Self::Website,
        Self::Principals,
    ];

    /// Its name in reports and in `COOPER_ONLY`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateService => "create-service",
            Self::CreateUser => "create-user",
            Self::Rotate => "rotate",
            Self::HealSecret => "heal-secret",
            Self::ChangePolicies => "change-policies",
            Self::ChangeMind => "change-mind",
            Self::DeleteUser => "delete-user",
            Self::DeleteService => "delete-service",
            Self::DeleteAll => "delete-all",
            Self::Adopt => "adopt",
            Self::Website => "website",
            Self::Principals => "principals",
        }
    }

    /// What is there before, somebody else's things among it.
    pub async fn prepare(self, scene: &Scene) -> Witness {
        if self == Self::CreateService {
            scene.account().await;
            scene.until("Account", "default", "Ready", "True", "").await;
            return Witness::with_theirs(scene).await;
        }
        scene.service().await;
        scene.ready("ObjectStorageService", "media").await;
        // A service with somebody else's things in it would stay, and rightly.
        let witness = if matches!(self, Self::DeleteService | Self::DeleteAll) {
            Witness::default()
        } else {
            Witness::with_theirs(scene).await
        };
        match self {
            Self::CreateService | Self::DeleteService | Self::Website | Self::Principals => witness,
            Self::CreateUser => {
                scene.policy().await;
                scene.ready("IamPolicy", "logs-rw").await;
                witness
            }
            Self::Rotate => {
                scene.policy().await;
                scene.apply("IamUser", "ci", rotating()).await;
                scene.ready("IamUser", "ci").await;
                let mut witness = witness;
                witness.replaces(scene.live_keys("ci").await.remove(0));
                witness
            }
            Self::HealSecret | Self::ChangePolicies | Self::DeleteUser => {
                scene.user().await;
                scene.ready("IamUser", "ci").await;
                witness
            }
            Self::ChangeMind => {
                scene.policy().await;
                without_rights(scene).await;
                scene.ready("IamGroup", "ops").await;
                scene.ready("IamUser", "ci").await;
                witness
            }
            Self::DeleteAll => {
                scene.user().await;
                site(scene).await;
                scene.ready("IamUser", "ci").await;
                scene.ready("StaticWebsite", "site").await;
                witness
            }
            Self::Adopt => adoptable(scene, witness).await,
        }
    }

    /// What somebody does; it leads to the requests that are cut.
    pub async fn act(self, scene: &Scene) {
        match self {
            Self::CreateService => scene.service().await,
            Self::CreateUser => {
                scene.apply("IamUser", "ci", user_spec()).await;
            }
            Self::Rotate => {
                scene
                    .annotate("IamUser", "ci", "cooper.dev/rotate", Some("now"))
                    .await;
            }
            Self::HealSecret => {
                let how = DeleteParams::default();
                scene.secrets().delete("ci-s3", &how).await.unwrap();
                scene.advance(Duration::from_secs(67)).await;
            }
            Self::ChangePolicies => {
                let policy =
                    json!({"serviceRef": {"name": "media"}, "document": document("s3:Get*")});
                scene.apply("IamPolicy", "logs-rw", policy).await;
                let other =
                    json!({"serviceRef": {"name": "media"}, "document": document("s3:List*")});
                scene.apply("IamPolicy", "lists", other).await;
                let policies = json!([{"policyRef": {"name": "lists"}}, {"systemPolicy": "ECSS3ReadOnlyAccess"}]);
                scene
                    .apply("IamUser", "ci", user_with("policies", policies))
                    .await;
            }
            Self::ChangeMind => with_rights(scene).await,
            Self::DeleteUser => scene.delete("IamUser", "ci").await,
            Self::DeleteService => scene.delete("ObjectStorageService", "media").await,
            Self::DeleteAll => {
                for (kind, name) in [
                    ("ObjectStorageService", "media"),
                    ("IamPolicy", "logs-rw"),
                    ("Account", "default"),
                    ("Bucket", "site"),
                    ("IamUser", "ci"),
                    ("StaticWebsite", "site"),
                ] {
                    scene.delete(kind, name).await;
                }
            }
            Self::Adopt => {
                let adopting = |mut spec: Value| {
                    spec["adoption"] = json!("IfExists");
                    spec
                };
                let policy = json!({"serviceRef": {"name": "media"}, "document": document("s3:*")});
                scene.apply("IamPolicy", "logs-rw", adopting(policy)).await;
                let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
                scene.apply("Bucket", "logs", adopting(bucket)).await;
                let user = user_with("exclusive", json!(false));
                scene.apply("IamUser", "ci", adopting(user)).await;
            }
            Self::Website => site(scene).await,
            Self::Principals => principals(scene).await,
        }
    }
}

impl Scenario {
    /// What somebody does once a request was hit, before anybody goes on.
    pub async fn rethink(self, scene: &Scene) {
        if self == Self::ChangeMind {
            without_rights(scene).await;
        }
    }
}

/// A group and a user that may do nothing.
async fn without_rights(scene: &Scene) {
    let bare = json!({"serviceRef": {"name": "media"}});
    scene.apply("IamGroup", "ops", bare.clone()).await;
    scene.apply("IamUser", "ci", bare).await;
}

/// The same with every kind of right.
async fn with_rights(scene: &Scene) {
    let mut group = json!({
        "serviceRef": {"name": "media"},
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"list": document("s3:ListAllMyBuckets")},
    });
    scene.apply("IamGroup", "ops", group.clone()).await;
    group["groups"] = json!([{"name": "ops"}]);
    group["permissionsBoundary"] = json!({"systemPolicy": "ECSS3FullAccess"});
    group["tags"] = json!({"env": "prod"});
    scene.apply("IamUser", "ci", group).await;
}

/// A policy, a group with it, a member, a role that trusts the member, a domain.
async fn principals(scene: &Scene) {
    scene.policy().await;
    let group = json!({
        "serviceRef": {"name": "media"},
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"list": document("s3:ListAllMyBuckets")},
    });
    scene.apply("IamGroup", "ops", group).await;
    let member = json!({"serviceRef": {"name": "media"}, "groups": [{"name": "ops"}]});
    scene.apply("IamUser", "ci", member).await;
    let role = json!({
        "serviceRef": {"name": "media"},
        "trust": {"userRefs": [{"name": "ci"}]},
        "policies": [{"policyRef": {"name": "logs-rw"}}],
        "inlinePolicies": {"put-only": document("s3:PutObject")},
    });
    scene.apply("IamRole", "uploader", role).await;
    let domain = json!({"serviceRef": {"name": "media"}, "domainName": "files.example.org"});
    scene.apply("CustomDomain", "files", domain).await;
}

/// A user whose old keys overlap for an hour, and whose new keys are tried.
fn rotating() -> Value {
    let mut spec = user_spec();
    spec["accessKey"]["rotation"] = json!({"overlap": "1h"});
    spec["accessKey"]["test"] = json!("Signed");
    spec
}

/// A bucket and the website on it.
async fn site(scene: &Scene) {
    let bucket = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
    scene.apply("Bucket", "site", bucket).await;
    let site = json!({"serviceRef": {"name": "media"}, "bucketRef": {"name": "site"}});
    scene.apply("StaticWebsite", "site", site).await;
}

/// Somebody else has made what will be adopted; the user has a key already.
async fn adoptable(scene: &Scene, mut witness: Witness) -> Witness {
    let policy = json!({"name": "logs-rw", "document": encoded("s3:Put*")});
    scene.theirs("POST", "/policies", policy).await;
    scene
        .theirs("POST", "/buckets", json!({"name": "logs"}))
        .await;
    scene
        .theirs("POST", "/users", json!({"username": "ci"}))
        .await;
    scene
        .theirs("POST", "/users/ci/access-keys", json!({}))
        .await;
    witness.keeps("ci", scene.live_keys("ci").await);
    witness
}

fn user_with(field: &str, value: Value) -> Value {
    let mut spec = user_spec();
    spec[field] = value;
    spec
}

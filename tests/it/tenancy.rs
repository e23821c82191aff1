//! Several namespaces: what one shares with another, takes back, and what the other cannot do.

use serde_json::{Value, json};

use crate::ground::{Ground, Need, eventually};
use crate::hands::{has_bucket, named};
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene, document};

const SERVICE: &str = "ObjectStorageService";

/// A namespace with the service `media`, and another one.
struct Two {
    owner: Scene,
    tenant: Scene,
}

impl Two {
    async fn open() -> Option<Self> {
        if Ground::get().await.lacks(&[Need::Own]) {
            return None;
        }
        let owner = Scene::shared().await;
        owner.service().await;
        owner.ready(SERVICE, "media").await;
        let tenant = owner.neighbour().await;
        Some(Self { owner, tenant })
    }

    /// The same, and the owner has consented.
    async fn sharing() -> Option<Self> {
        let two = Self::open().await?;
        two.share(true).await;
        Some(two)
    }

    /// The owner gives or takes back the consent to use the service.
    async fn share(&self, is_given: bool) {
        self.allow(SERVICE, "media", is_given).await;
    }

    async fn allow(&self, kind: &str, name: &str, is_given: bool) {
        let tenant: &str = &self.tenant.namespace;
        let allowed = if is_given {
            json!([{"name": tenant}])
        } else {
            json!([])
        };
        let patch = json!({"spec": {"allowedNamespaces": allowed}});
        self.owner.merge(kind, name, patch).await;
    }

    /// The owner consents, and bounds the tenant by its policy `limit`, which allows everything in bucket `shared` only.
    async fn bound(&self) {
        let tenant: &str = &self.tenant.namespace;
        let allowed = json!([{"name": tenant, "permissionsBoundaryRef": {"name": "limit"}}]);
        let patch = json!({"spec": {"allowedNamespaces": allowed}});
        self.owner.merge(SERVICE, "media", patch).await;
    }

    async fn limit(&self) {
        let document = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::shared", "arn:aws:s3:::shared/*"],
        }]});
        let policy = json!({"serviceRef": {"name": "media"}, "document": document});
        self.owner.apply("IamPolicy", "limit", policy).await;
    }

    /// Buckets `ledger` and `shared` of the owner, each with an object `one`.
    async fn ledger(&self) {
        for bucket in ["ledger", "shared"] {
            let spec = json!({"serviceRef": {"name": "media"}});
            self.owner.apply("Bucket", bucket, spec).await;
            self.owner.ready("Bucket", bucket).await;
        }
        self.owner.user().await;
        self.owner.ready("IamUser", "ci").await;
        let s3 = S3::of(&self.owner.secret("ci-s3").await.unwrap());
        for bucket in ["ledger", "shared"] {
            assert_eq!(s3.put(bucket, "one", "1").await, 200);
        }
    }

    /// What the tenant's key is answered in a bucket: to a read, a write.
    async fn tries(&self, bucket: &str) -> [u16; 2] {
        let s3 = S3::of(&self.tenant.secret("guest-s3").await.unwrap());
        [
            s3.get(bucket, "one").await.as_u16(),
            s3.put(bucket, "two", "2").await.as_u16(),
        ]
    }

    /// The boundary of the tenant's user at the cloud.
    async fn boundary(&self) -> Value {
        let user = self.owner.theirs("GET", "/users/guest", Value::Null).await;
        user["permissions_boundary"].clone()
    }

    /// A spec of something in the owner's service.
    fn inside(&self, more: Value) -> Value {
        let owner: &str = &self.owner.namespace;
        let mut spec = json!({"serviceRef": {"name": "media", "namespace": owner}});
        if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
            spec.extend(more);
        }
        spec
    }

    /// A user `guest` of the tenant with a policy that allows everything, and its key in Secret `guest-s3`.
    async fn guest(&self) {
        let policy = self.inside(json!({"document": document("s3:*")}));
        self.tenant.apply("IamPolicy", "all", policy).await;
        let user = json!({"policies": [{"policyRef": {"name": "all"}}], "accessKey": {"secretName": "guest-s3"}});
        self.tenant
            .apply("IamUser", "guest", self.inside(user))
            .await;
    }

    /// Waits until something of the tenant's says that it lacks consent; answers what it says.
    async fn refused(&self, kind: &str, name: &str) -> String {
        self.tenant
            .until(kind, name, "Resolved", "False", "ReferenceNotAllowed")
            .await
    }
}

#[tokio::test]
async fn a_service_of_another_namespace_needs_its_owners_consent() {
    let Some(two) = Two::open().await else { return };
    two.owner.cloud.forget().await;
    two.tenant
        .apply("Bucket", "logs", two.inside(json!({})))
        .await;
    let told = two.refused("Bucket", "logs").await;
    let ask = format!(
        "ask its owner to add {{name: {}}} to spec.allowedNamespaces",
        &*two.tenant.namespace
    );
    assert!(told.contains(&ask), "{told}");
    assert_eq!(two.owner.writes().await, [] as [String; 0]);

    two.share(true).await;
    two.tenant.ready("Bucket", "logs").await;
    assert!(has_bucket(&two.owner.at_cloud().await, "logs"));
}

#[tokio::test]
async fn what_exists_in_another_namespace_is_not_told() {
    let Some(two) = Two::open().await else { return };
    let owner: &str = &two.owner.namespace;
    for (name, service) in [("one", "media"), ("two", "nothing")] {
        let spec = json!({"serviceRef": {"name": service, "namespace": owner}});
        two.tenant.apply("Bucket", name, spec).await;
    }
    let there = two.refused("Bucket", "one").await;
    let absent = two.refused("Bucket", "two").await;
    assert_eq!(there.replace("/media", "/nothing"), absent);
}

#[tokio::test]
async fn an_account_of_another_namespace_needs_its_owners_consent() {
    let Some(two) = Two::open().await else { return };
    let owner: &str = &two.owner.namespace;
    let spec = json!({"accountRef": {"name": "default", "namespace": owner}, "region": "europe-2"});
    two.tenant.apply(SERVICE, "theirs", spec).await;
    let told = two.refused(SERVICE, "theirs").await;
    assert!(told.contains("Account"), "{told}");
    two.allow("Account", "default", true).await;
    two.tenant.ready(SERVICE, "theirs").await;
}

#[tokio::test]
async fn consent_taken_back_writes_nothing_and_keeps_the_key() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.guest().await;
    two.tenant.ready("IamUser", "guest").await;
    let before = two.tenant.secret("guest-s3").await;

    two.share(false).await;
    two.refused("IamUser", "guest").await;
    let patch = json!({"spec": {"policies": [], "accessKey": {"labels": {"team": "a"}}}});
    two.owner.cloud.forget().await;
    two.tenant.merge("IamUser", "guest", patch).await;
    let told = two.refused("IamUser", "guest").await;
    assert!(told.contains("nothing is written"), "{told}");
    let status = two.tenant.status("IamUser", "guest").await;
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|found| found["type"] == "Ready");
    assert_eq!(ready.unwrap()["status"], "True", "{status}");
    assert_eq!(two.owner.writes().await, [] as [String; 0]);
    assert_eq!(two.tenant.secret("guest-s3").await, before);
    assert_eq!(two.owner.live_keys("guest").await.len(), 1);

    two.share(true).await;
    two.tenant.ready("IamUser", "guest").await;
    let user = two.owner.theirs("GET", "/users/guest", Value::Null).await;
    assert_eq!(user["policies"], json!([]), "{user}");
}

#[tokio::test]
async fn what_was_made_can_be_deleted_without_consent() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.guest().await;
    two.tenant.ready("IamUser", "guest").await;
    two.share(false).await;
    two.refused("IamUser", "guest").await;
    two.tenant.delete("IamUser", "guest").await;
    two.tenant.gone("IamUser", "guest").await;
    assert_eq!(two.tenant.secret("guest-s3").await, None);
    let users = two.owner.at_cloud().await;
    assert_eq!(named(&users, "users", "guest"), Value::Null);
}

#[tokio::test]
async fn consent_to_an_account_taken_back_stops_what_is_in_its_services() {
    let Some(two) = Two::open().await else { return };
    let owner: &str = &two.owner.namespace;
    two.allow("Account", "default", true).await;
    let spec = json!({"accountRef": {"name": "default", "namespace": owner}, "region": "europe-2"});
    two.tenant.apply(SERVICE, "theirs", spec).await;
    two.tenant.ready(SERVICE, "theirs").await;
    let bucket = json!({"serviceRef": {"name": "theirs"}});
    two.tenant.apply("Bucket", "one", bucket.clone()).await;
    two.tenant.ready("Bucket", "one").await;

    two.allow("Account", "default", false).await;
    two.refused(SERVICE, "theirs").await;
    two.refused("Bucket", "one").await;
    two.tenant.apply("Bucket", "two", bucket).await;
    two.refused("Bucket", "two").await;

    two.allow("Account", "default", true).await;
    for name in ["one", "two"] {
        two.tenant.ready("Bucket", name).await;
    }
}

#[tokio::test]
async fn who_was_never_allowed_holds_no_deletion() {
    let Some(two) = Two::open().await else { return };
    two.tenant
        .apply("Bucket", "logs", two.inside(json!({})))
        .await;
    two.refused("Bucket", "logs").await;
    two.owner.delete(SERVICE, "media").await;
    two.owner.gone(SERVICE, "media").await;
}

#[tokio::test]
async fn what_was_made_with_consent_holds_the_deletion_of_its_service() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.tenant
        .apply("Bucket", "logs", two.inside(json!({"emptyFor": "0s"})))
        .await;
    two.tenant.ready("Bucket", "logs").await;
    two.share(false).await;
    two.owner.delete(SERVICE, "media").await;
    let told = two
        .owner
        .until(SERVICE, "media", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("Bucket"), "{told}");
    two.tenant.delete("Bucket", "logs").await;
    two.tenant.gone("Bucket", "logs").await;
    two.owner.gone(SERVICE, "media").await;
}

#[tokio::test]
async fn what_somebody_else_made_is_neither_adopted_nor_observed_from_another_namespace() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.owner
        .theirs("POST", "/buckets", json!({"name": "ledger"}))
        .await;
    for (name, how) in [
        ("adopts", json!({"name": "ledger", "adoption": "IfExists"})),
        (
            "observes",
            json!({"name": "ledger", "managementPolicy": "Observe"}),
        ),
    ] {
        two.tenant.apply("Bucket", name, two.inside(how)).await;
        two.tenant
            .until("Bucket", name, "Resolved", "False", "InvalidSpec")
            .await;
        let status = two.tenant.status("Bucket", name).await;
        assert_eq!(status["atProvider"]["objects"], Value::Null, "{status}");
    }
}

#[tokio::test]
async fn a_service_is_not_adopted_from_outside_the_accounts_namespace() {
    let Some(two) = Two::open().await else { return };
    two.allow("Account", "default", true).await;
    two.owner.their_service("byhand").await;
    let owner: &str = &two.owner.namespace;
    let spec = json!({"accountRef": {"name": "default", "namespace": owner}, "region": "europe-2", "adoption": "IfExists"});
    two.tenant.apply(SERVICE, "byhand", spec).await;
    let told = two
        .tenant
        .until(SERVICE, "byhand", "Resolved", "False", "InvalidSpec")
        .await;
    assert!(told.contains("namespace of the account"), "{told}");
}

#[tokio::test]
async fn two_namespaces_do_not_share_a_bucket() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.owner
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "media"}}))
        .await;
    two.owner.ready("Bucket", "logs").await;
    two.tenant
        .apply("Bucket", "logs", two.inside(json!({})))
        .await;
    two.tenant
        .until("Bucket", "logs", "Ready", "False", "AlreadyManaged")
        .await;
    two.tenant.delete("Bucket", "logs").await;
    two.tenant.gone("Bucket", "logs").await;
    assert!(has_bucket(&two.owner.at_cloud().await, "logs"));
}

#[tokio::test]
async fn a_bounded_tenants_key_reads_what_the_boundary_allows_and_nothing_else() {
    let Some(two) = Two::open().await else { return };
    two.ledger().await;
    two.limit().await;
    two.bound().await;
    two.guest().await;
    two.tenant.ready("IamUser", "guest").await;
    assert_eq!(two.boundary().await, "limit");
    assert_eq!(two.tries("shared").await, [200, 200]);
    assert_eq!(two.tries("ledger").await, [403, 403]);

    // More rights of every kind a tenant can give itself.
    let more = json!({"spec": {
        "policies": [{"policyRef": {"name": "all"}}, {"systemPolicy": "ECSS3FullAccess"}],
        "inlinePolicies": {"all": document("*")},
    }});
    two.tenant.merge("IamUser", "guest", more).await;
    two.tenant.ready("IamUser", "guest").await;
    assert_eq!(two.tries("ledger").await, [403, 403]);
}

#[tokio::test]
async fn without_a_boundary_consent_is_to_all_data() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.ledger().await;
    two.guest().await;
    two.tenant.ready("IamUser", "guest").await;
    assert_eq!(two.tries("ledger").await, [200, 200]);
}

#[tokio::test]
async fn a_tenant_cannot_put_a_boundary_of_its_own_in_place_of_its_owners() {
    let Some(two) = Two::open().await else { return };
    two.limit().await;
    two.bound().await;
    two.guest().await;
    let own = json!({"spec": {"permissionsBoundary": {"policyRef": {"name": "all"}}}});
    two.tenant.merge("IamUser", "guest", own).await;
    two.tenant.ready("IamUser", "guest").await;
    let told = two
        .tenant
        .until("IamUser", "guest", "Ready", "True", "")
        .await;
    assert!(
        told.contains("permissionsBoundary is not in force"),
        "{told}"
    );
    assert_eq!(two.boundary().await, "limit");
}

#[tokio::test]
async fn nobody_is_made_before_the_boundary_exists() {
    let Some(two) = Two::open().await else { return };
    two.bound().await;
    two.guest().await;
    // It waits for its policy first, which is being made.
    eventually(PATIENCE, "it waits for the boundary", async || {
        let told = two
            .tenant
            .until("IamUser", "guest", "Resolved", "False", "ReferenceNotReady")
            .await;
        if told.contains("the permissions boundary of namespace") {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
    let cloud = two.owner.at_cloud().await;
    assert_eq!(named(&cloud, "users", "guest"), Value::Null);
    two.limit().await;
    two.tenant.ready("IamUser", "guest").await;
    assert_eq!(two.boundary().await, "limit");
}

#[tokio::test]
async fn a_boundary_given_later_bounds_who_is_there_already() {
    let Some(two) = Two::sharing().await else {
        return;
    };
    two.ledger().await;
    two.guest().await;
    two.tenant.ready("IamUser", "guest").await;
    two.limit().await;
    two.owner.ready("IamPolicy", "limit").await;
    two.bound().await;
    eventually(PATIENCE, "the tenant is bounded", async || {
        let boundary = two.boundary().await;
        let is_bounded = boundary == "limit";
        is_bounded.then_some(()).ok_or_else(|| boundary.to_string())
    })
    .await;
    assert_eq!(two.tries("ledger").await, [403, 403]);
}

#[tokio::test]
async fn a_role_of_a_bounded_tenant_is_made_with_the_boundary() {
    let Some(two) = Two::open().await else { return };
    two.limit().await;
    two.bound().await;
    two.guest().await;
    let role = json!({"trust": {"userRefs": [{"name": "guest"}]}, "policies": [{"policyRef": {"name": "all"}}]});
    two.tenant
        .apply("IamRole", "runner", two.inside(role))
        .await;
    two.tenant.ready("IamRole", "runner").await;
    let role = two.owner.theirs("GET", "/roles/runner", Value::Null).await;
    assert_eq!(role["permissions_boundary"], "limit", "{role}");
}

#[tokio::test]
async fn a_boundary_in_use_is_not_deleted_and_does_not_hold_its_service() {
    let Some(two) = Two::open().await else { return };
    two.limit().await;
    two.owner.ready("IamPolicy", "limit").await;
    two.bound().await;
    two.owner.delete("IamPolicy", "limit").await;
    let told = two
        .owner
        .until("IamPolicy", "limit", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains(SERVICE), "{told}");
    two.owner.delete(SERVICE, "media").await;
    two.owner.gone("IamPolicy", "limit").await;
    two.owner.gone(SERVICE, "media").await;
}

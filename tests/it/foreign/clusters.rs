//! Two clusters, which know nothing of each other, with one account. Here each is a namespace with an operator of its own.

use std::sync::Arc;
use std::time::Duration;

use cooper::wire::Open;
use serde_json::{Value, json};

use super::touched;
use crate::ground::eventually;
use crate::hands::{has_bucket, named};
use crate::scene::{Scene, user_spec};

const SERVICE: &str = "ObjectStorageService";
const DAY: Duration = Duration::from_hours(25);

fn spec(adoption: &str, team: &str) -> Value {
    json!({"accountRef": {"name": "default"}, "region": "europe-2", "adoption": adoption, "labels": {"team": team}})
}

/// One cluster with service `media`, and another on the same account.
async fn two() -> (Scene, Scene) {
    let one = Scene::running().await;
    let mut other = one.neighbour().await;
    other.start(Arc::new(Open)).await;
    other.account().await;
    other.ready("Account", "default").await;
    (one, other)
}

async fn mark(scene: &Scene) -> String {
    marked(&scene.at_cloud().await["labels"])
}

/// The owner's mark among labels or tags.
fn marked(labels: &Value) -> String {
    let found = match labels {
        Value::Object(labels) => labels.get("cooper-uid").cloned(),
        other => {
            let rows = other.as_array().cloned().unwrap_or_default();
            let row = rows.into_iter().find(|row| row["key"] == "cooper-uid");
            row.map(|row| row["value"].clone())
        }
    };
    found
        .and_then(|mark| mark.as_str().map(str::to_owned))
        .unwrap_or_else(|| panic!("{labels}"))
}

#[tokio::test]
async fn the_second_cluster_leaves_the_service_of_the_first_alone() {
    let (one, other) = two().await;
    one.cloud.forget().await;
    other.apply(SERVICE, "media", spec("None", "other")).await;
    let told = other
        .until(SERVICE, "media", "Ready", "False", "NameTaken")
        .await;
    assert!(told.contains("media"), "{told}");
    other.delete(SERVICE, "media").await;
    other.gone(SERVICE, "media").await;
    one.round().await;
    one.ready(SERVICE, "media").await;
    assert_eq!(one.writes().await, [""; 0]);
}

#[tokio::test]
async fn who_takes_a_service_over_marks_it_and_the_former_owner_reports_and_does_not_fight() {
    let (one, other) = two().await;
    let first = one.get(SERVICE, "media").await.metadata.uid.unwrap();
    assert_eq!(mark(&one).await, first);
    // The first may adopt, too: still it does not take back what it had.
    one.apply(SERVICE, "media", spec("IfExists", "one")).await;
    one.ready(SERVICE, "media").await;

    other
        .apply(SERVICE, "media", spec("IfExists", "other"))
        .await;
    other.ready(SERVICE, "media").await;
    let second = other.get(SERVICE, "media").await.metadata.uid.unwrap();
    assert_eq!(mark(&one).await, second);

    one.round().await;
    let told = one
        .until(SERVICE, "media", "Synced", "False", "AlreadyManaged")
        .await;
    for word in [second.as_str(), "cooper.dev/abandon", first.as_str()] {
        assert!(told.contains(word), "{word}: {told}");
    }
    // Rounds of both: nobody writes any more.
    one.cloud.forget().await;
    one.round().await;
    other.ready(SERVICE, "media").await;
    assert_eq!(one.writes().await, [""; 0]);
    assert_eq!(mark(&one).await, second);

    // The word Delete of the former owner deletes nothing of the new one.
    one.merge(
        SERVICE,
        "media",
        json!({"spec": {"deletionPolicy": "Delete"}}),
    )
    .await;
    one.delete(SERVICE, "media").await;
    one.until(SERVICE, "media", "Synced", "False", "AlreadyManaged")
        .await;
    one.annotate(SERVICE, "media", "cooper.dev/abandon", Some("true"))
        .await;
    one.gone(SERVICE, "media").await;
    assert_eq!(one.writes().await, [""; 0]);
    assert_eq!(one.at_cloud().await["name"], "media");
}

#[tokio::test]
async fn what_two_clusters_name_alike_in_one_service_belongs_to_who_was_first() {
    let (one, other) = two().await;
    let observe = json!({"accountRef": {"name": "default"}, "region": "europe-2", "managementPolicy": "Observe"});
    other.apply(SERVICE, "media", observe).await;
    other.ready(SERVICE, "media").await;
    one.user().await;
    one.ready("IamUser", "ci").await;
    let bucket = json!({"serviceRef": {"name": "media"}, "deletionPolicy": "Delete"});
    one.apply("Bucket", "logs", bucket.clone()).await;
    one.ready("Bucket", "logs").await;
    let key = one.live_keys("ci").await;
    one.cloud.forget().await;

    let mut user = user_spec();
    user["policies"] = json!([]);
    user["deletionPolicy"] = json!("Delete");
    other.apply("IamUser", "ci", user).await;
    other.apply("Bucket", "logs", bucket).await;
    for (kind, name) in [("IamUser", "ci"), ("Bucket", "logs")] {
        other.until(kind, name, "Ready", "False", "NameTaken").await;
        other.delete(kind, name).await;
        other.gone(kind, name).await;
    }
    assert_eq!(one.live_keys("ci").await, key);
    let cloud = one.at_cloud().await;
    assert!(has_bucket(&cloud, "logs"), "{cloud}");
    assert_eq!(named(&cloud, "users", "ci")["attached"], json!(["logs-rw"]));
    assert_eq!(touched(&one, "/").await, [""; 0]);
}

#[tokio::test]
async fn who_takes_a_user_or_role_over_marks_it_and_the_former_owner_does_not_fight() {
    let (one, other) = two().await;
    let observe = json!({"accountRef": {"name": "default"}, "region": "europe-2", "managementPolicy": "Observe"});
    other.apply(SERVICE, "media", observe).await;
    other.ready(SERVICE, "media").await;
    let service = json!({"name": "media"});
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "sts:AssumeRole"}]});
    let user = json!({"serviceRef": service, "deletionPolicy": "Delete", "tags": {"env": "prod"}});
    let role =
        json!({"serviceRef": service, "deletionPolicy": "Delete", "trust": {"document": trust}});
    for (kind, list, mut spec) in [("IamUser", "users", user), ("IamRole", "roles", role)] {
        one.apply(kind, "runner", spec.clone()).await;
        one.ready(kind, "runner").await;

        spec["adoption"] = json!("IfExists");
        spec["policies"] = json!([{"systemPolicy": "ECSS3ReadOnlyAccess"}]);
        other.apply(kind, "runner", spec).await;
        other.ready(kind, "runner").await;
        let second = other.get(kind, "runner").await.metadata.uid.unwrap();
        let cloud = one.at_cloud().await;
        assert_eq!(marked(&named(&cloud, list, "runner")["tags"]), second);

        // The list of users shows tags, that of roles does not: these are read once a day.
        one.advance(DAY).await;
        let told = one
            .until(kind, "runner", "Synced", "False", "AlreadyManaged")
            .await;
        for word in [second.as_str(), "cooper.dev/abandon", "tag cooper-uid"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        // Nobody writes any more, and the word Delete of the former owner deletes nothing.
        one.cloud.forget().await;
        one.delete(kind, "runner").await;
        one.until(kind, "runner", "Synced", "False", "AlreadyManaged")
            .await;
        one.annotate(kind, "runner", "cooper.dev/abandon", Some("true"))
            .await;
        one.gone(kind, "runner").await;
        other.ready(kind, "runner").await;
        assert_eq!(one.writes().await, [""; 0]);
        let runner = named(&one.at_cloud().await, list, "runner");
        assert_eq!(runner["attached"], json!(["ECSS3ReadOnlyAccess"]));
        assert_eq!(marked(&runner["tags"]), second);
    }
}

#[tokio::test]
async fn what_was_taken_over_can_still_be_let_go_of() {
    let (one, other) = two().await;
    let observe = json!({"accountRef": {"name": "default"}, "region": "europe-2", "managementPolicy": "Observe"});
    other.apply(SERVICE, "media", observe).await;
    other.ready(SERVICE, "media").await;
    let mut spec = user_spec();
    spec["policies"] = json!([]);
    one.apply("IamUser", "ci", spec.clone()).await;
    one.ready("IamUser", "ci").await;
    let key = one.live_keys("ci").await;
    let adopting = json!({"serviceRef": {"name": "media"}, "adoption": "IfExists"});
    other.apply("IamUser", "ci", adopting).await;
    other.ready("IamUser", "ci").await;
    one.round().await;
    one.until("IamUser", "ci", "Synced", "False", "AlreadyManaged")
        .await;

    // Who only looks is in nobody's way.
    spec["managementPolicy"] = json!("Observe");
    one.apply("IamUser", "ci", spec.clone()).await;
    one.ready("IamUser", "ci").await;
    spec["managementPolicy"] = json!("Full");
    spec["deletionPolicy"] = json!("Orphan");
    one.apply("IamUser", "ci", spec).await;
    one.until("IamUser", "ci", "Synced", "False", "AlreadyManaged")
        .await;
    one.delete("IamUser", "ci").await;
    one.gone("IamUser", "ci").await;
    assert!(one.secret("ci-s3").await.is_some());
    assert_eq!(one.live_keys("ci").await, key);
}

#[tokio::test]
async fn of_two_clusters_that_adopt_a_service_of_nobody_one_has_it() {
    let (one, other) = two().await;
    one.their_service("old").await;
    let mut spec = spec("IfExists", "one");
    spec["name"] = json!("old");
    spec["labels"] = json!({});
    one.apply(SERVICE, "old", spec.clone()).await;
    other.apply(SERVICE, "old", spec).await;
    eventually(
        Duration::from_mins(1),
        "one of them gives way",
        async || {
            let mut ready = 0;
            for scene in [&one, &other] {
                scene.round().await;
                let said = scene.status(SERVICE, "old").await.to_string();
                ready += usize::from(!said.contains("AlreadyManaged"));
            }
            if ready == 1 {
                Ok(())
            } else {
                Err(format!("{ready} have it"))
            }
        },
    )
    .await;
    let owners = [
        one.get(SERVICE, "old").await.metadata.uid,
        other.get(SERVICE, "old").await.metadata.uid,
    ];
    let cloud = one.cloud.state().await.to_string();
    let marks = owners.iter().flatten().filter(|uid| cloud.contains(*uid));
    assert_eq!(marks.count(), 1, "{cloud}");
}

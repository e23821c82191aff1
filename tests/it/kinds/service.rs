//! ObjectStorageService: from the first request to the last.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::eventually;
use crate::hands::SERVICES;
use crate::s3::S3;
use crate::scene::{PATIENCE, Scene};

const KIND: &str = "ObjectStorageService";
fn spec(more: Value) -> Value {
    let mut spec = json!({"accountRef": {"name": "default"}, "region": "europe-2"});
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    spec
}

/// Label keys and values at the cloud, but for our mark.
async fn labels(scene: &Scene) -> Vec<String> {
    let cloud = scene.at_cloud().await;
    let mut all = match &cloud["labels"] {
        Value::Object(labels) => labels
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect::<Vec<_>>(),
        list => list
            .as_array()
            .unwrap()
            .iter()
            .map(|label| {
                format!(
                    "{}={}",
                    label["key"].as_str().unwrap(),
                    label["value"].as_str().unwrap()
                )
            })
            .collect(),
    };
    all.retain(|label| !label.starts_with("cooper-uid") && !label.starts_with('_'));
    all.sort();
    all
}

#[tokio::test]
async fn a_service_says_what_the_cloud_is_doing_until_it_runs() {
    let scene = Scene::open().await;
    scene
        .cloud
        .pace(Duration::from_mins(5), Duration::ZERO)
        .await;
    scene.service().await;
    let told = scene
        .until(KIND, "media", "Ready", "False", "SettingUp")
        .await;
    assert!(
        told.starts_with("pending") || told.starts_with("setup"),
        "{told}"
    );
    scene.until(KIND, "media", "Synced", "True", "InSync").await;
    scene.advance(Duration::from_hours(2)).await;
    scene.ready(KIND, "media").await;
}

#[tokio::test]
async fn a_service_gets_one_public_network_by_default() {
    let scene = Scene::running().await;
    let cloud = scene.at_cloud().await;
    let networks = cloud["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 1, "{cloud}");
    assert_eq!(networks[0]["private"], false, "{cloud}");
}

#[tokio::test]
async fn labels_follow_the_spec_and_foreign_ones_stay() {
    let scene = Scene::open().await;
    scene.account().await;
    let with = |labels: Value| spec(json!({"labels": labels}));
    scene
        .apply(
            KIND,
            "media",
            with(json!({"team": "media", "tier": "gold"})),
        )
        .await;
    scene.ready(KIND, "media").await;
    scene
        .theirs(
            "POST",
            "/labels",
            json!({"key": "owner", "value": "somebody"}),
        )
        .await;
    scene.round().await;
    scene
        .apply(KIND, "media", with(json!({"team": "web"})))
        .await;
    scene.ready(KIND, "media").await;
    assert_eq!(labels(&scene).await, ["owner=somebody", "team=web"]);
}

#[tokio::test]
async fn a_label_changed_by_somebody_else_is_put_right() {
    let scene = Scene::open().await;
    scene.account().await;
    scene
        .apply(KIND, "media", spec(json!({"labels": {"team": "media"}})))
        .await;
    scene.ready(KIND, "media").await;
    scene
        .theirs("PATCH", "/labels/team", json!({"value": "theirs"}))
        .await;
    scene.round().await;
    scene
        .cloud_until("the label is ours", |cloud| {
            cloud["labels"].to_string().contains("media\"")
        })
        .await;
}

#[tokio::test]
async fn a_protected_service_is_held_until_the_spec_unlocks_it() {
    let scene = Scene::open().await;
    scene.account().await;
    scene
        .apply(KIND, "media", spec(json!({"terminationProtection": true})))
        .await;
    scene.ready(KIND, "media").await;
    assert_eq!(scene.at_cloud().await["termination_protection"], true);
    scene.delete(KIND, "media").await;
    let told = scene
        .until(KIND, "media", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("terminationProtection: false"), "{told}");
    scene
        .merge(
            KIND,
            "media",
            json!({"spec": {"terminationProtection": false}}),
        )
        .await;
    scene.gone(KIND, "media").await;
    assert_eq!(scene.at_cloud().await, Value::Null);
}

#[tokio::test]
async fn the_word_delete_does_not_unlock_a_protected_service() {
    let scene = Scene::open().await;
    scene.account().await;
    let more = json!({"terminationProtection": true, "deletionPolicy": "Delete"});
    scene.apply(KIND, "media", spec(more)).await;
    scene.ready(KIND, "media").await;
    scene.delete(KIND, "media").await;
    let told = scene
        .until(KIND, "media", "Ready", "False", "DeletionHeld")
        .await;
    assert!(told.contains("terminationProtection"), "{told}");
    assert_eq!(scene.at_cloud().await["deleting"], false);
}

#[tokio::test]
async fn protection_follows_the_spec() {
    let scene = Scene::running().await;
    for on in [true, false] {
        scene
            .apply(KIND, "media", spec(json!({"terminationProtection": on})))
            .await;
        scene.ready(KIND, "media").await;
        assert_eq!(scene.at_cloud().await["termination_protection"], on);
    }
}

#[tokio::test]
async fn a_service_stops_and_starts_as_the_spec_says() {
    let scene = Scene::running().await;
    for (state, at_cloud) in [("Stopped", "stopped"), ("Started", "started")] {
        scene
            .apply(KIND, "media", spec(json!({"state": state})))
            .await;
        scene.ready(KIND, "media").await;
        assert_eq!(scene.at_cloud().await["configured_status"], at_cloud);
    }
}

#[tokio::test]
async fn secrets_stay_as_they_are_while_their_service_is_stopped() {
    let scene = Scene::issued().await;
    let before = scene.secrets().get("ci-s3").await.unwrap();
    scene
        .apply(KIND, "media", spec(json!({"state": "Stopped"})))
        .await;
    scene.ready(KIND, "media").await;
    scene.round().await;
    // An edit of the user brings a pass that has seen the stopped service.
    scene
        .merge("IamUser", "ci", json!({"spec": {"policies": []}}))
        .await;
    scene.ready("IamUser", "ci").await;
    let after = scene.secrets().get("ci-s3").await.unwrap();
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
}

#[tokio::test]
async fn a_private_network_is_added_and_removed() {
    let scene = Scene::running().await;
    let uuid = "03f0a1b2-0000-4000-8000-000000000001";
    let public = json!({"name": "public", "type": "Public"});
    let back = json!({"name": "back", "type": "Private", "uuid": uuid});
    scene
        .apply(KIND, "media", spec(json!({"networks": [public, back]})))
        .await;
    scene.ready(KIND, "media").await;
    scene
        .cloud_until("there are two networks", |cloud| {
            cloud["networks"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
        })
        .await;
    scene
        .apply(KIND, "media", spec(json!({"networks": [public]})))
        .await;
    scene
        .cloud_until("there is one network", |cloud| {
            cloud["networks"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
        })
        .await;
    scene.ready(KIND, "media").await;
}

#[tokio::test]
async fn networks_are_swapped_in_two_steps() {
    let scene = Scene::running().await;
    let private = |name: &str, digit: u8| json!({"name": name, "type": "Private", "uuid": format!("03f0a1b2-0000-4000-8000-00000000000{digit}")});
    let public = json!({"name": "public", "type": "Public"});
    let networks = |second: Value| spec(json!({"networks": [public, second]}));
    scene
        .apply(KIND, "media", networks(private("one", 1)))
        .await;
    scene.ready(KIND, "media").await;
    scene.cloud.forget().await;
    scene
        .cloud
        .pace(Duration::from_mins(1), Duration::ZERO)
        .await;
    scene
        .apply(KIND, "media", networks(private("two", 2)))
        .await;
    let one = |cloud: &Value| {
        cloud["networks"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    };
    scene.cloud_until("the old one is off", one).await;
    // The public one serves on.
    scene
        .until(KIND, "media", "Reconciling", "True", "Progressing")
        .await;
    assert_eq!(scene.writes().await, ["DELETE /networks/one"]);
    scene.advance(Duration::from_hours(1)).await;
    let two = |cloud: &Value| cloud["networks"].to_string().contains("two");
    scene.cloud_until("the new one is on", two).await;
    assert_eq!(
        scene.writes().await,
        ["DELETE /networks/one", "POST /networks"]
    );
    scene.advance(Duration::from_hours(1)).await;
    scene.ready(KIND, "media").await;
}

#[tokio::test]
async fn usage_is_published_when_it_crosses_zero() {
    let scene = Scene::issued().await;
    let status = scene.status(KIND, "media").await;
    assert_eq!(status["atProvider"]["objects"], 0, "{status}");
    scene
        .apply("Bucket", "logs", json!({"serviceRef": {"name": "media"}}))
        .await;
    scene.ready("Bucket", "logs").await;
    let s3 = S3::of(&scene.secret("ci-s3").await.unwrap());
    assert_eq!(s3.put("logs", "one", "12345").await, 200);
    scene.round().await;
    for (kind, name) in [(KIND, "media"), ("Bucket", "logs")] {
        eventually(PATIENCE, "usage is published", async || {
            let facts = scene.status(kind, name).await["atProvider"].clone();
            if facts["objects"] == 1 && facts["bytes"] == 5 {
                Ok(())
            } else {
                Err(facts.to_string())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_whose_creation_was_not_answered_is_found_by_its_mark() {
    let scene = Scene::open().await;
    let fault = crate::ground::Fault::lost().on("POST", &format!("{SERVICES}$"));
    scene.cloud.fault(fault).await;
    scene.service().await;
    scene.ready(KIND, "media").await;
    let state = scene.cloud.state().await;
    let services = state["accounts"]["demo"]["services"].as_array().unwrap();
    assert_eq!(services.len(), 1);
}

#[tokio::test]
async fn the_cors_origin_is_sent_once_and_again_when_it_changes() {
    let scene = Scene::running().await;
    scene.cloud.forget().await;
    for origin in ["https://a.example.org", "https://b.example.org"] {
        let more = spec(json!({"corsOrigin": origin}));
        scene.apply(KIND, "media", more).await;
        scene.ready(KIND, "media").await;
        assert_eq!(scene.at_cloud().await["cors_origin"], origin);
    }
    scene.round().await;
    scene.ready(KIND, "media").await;
    assert_eq!(scene.writes().await.len(), 2);
}

#[tokio::test]
async fn a_custom_domain_does_not_become_the_endpoint_of_secrets() {
    let scene = Scene::issued().await;
    let before = scene.status(KIND, "media").await["atProvider"]["endpoint"].clone();
    let domain = json!({"domain_name": "files.example.org", "type": "public"});
    scene.theirs("POST", "/custom-domains", domain).await;
    scene.round().await;
    // An edit brings a pass that has seen the domain.
    let more = spec(json!({"labels": {"team": "media"}}));
    scene.apply(KIND, "media", more).await;
    scene.ready(KIND, "media").await;
    let after = scene.status(KIND, "media").await["atProvider"]["endpoint"].clone();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_service_switched_off_by_somebody_else_is_started_again() {
    let scene = Scene::running().await;
    scene
        .theirs("PATCH", "", json!({"configured_status": "stopped"}))
        .await;
    scene.round().await;
    scene
        .cloud_until("it is started", |cloud| {
            cloud["configured_status"] == "started"
        })
        .await;
    scene.ready(KIND, "media").await;
}

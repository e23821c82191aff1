//! A graceful stop: what was begun ends with its next step and is written down, what only queues is left to the next.

use std::sync::Arc;

use cooper::wire::Open;
use serde_json::json;

use crate::ground::eventually;
use crate::hands::named;
use crate::scene::{PATIENCE, Scene, user_spec};

const USERS: usize = 6;

fn name(number: usize) -> String {
    format!("ci-{number}")
}

async fn rate(scene: &Scene, rate: u32) {
    let spec = json!({"spec": {"requestsPerSecond": rate}});
    scene.merge("Account", "default", spec).await;
    scene.ready("Account", "default").await;
}

#[tokio::test]
async fn a_stop_lets_those_go_who_queue_for_the_cloud_and_nothing_is_claimed_for_them() {
    let mut scene = Scene::running().await;
    scene.policy().await;
    scene.ready("IamPolicy", "logs-rw").await;
    // Each of them takes three requests.
    rate(&scene, 1).await;
    for number in 0..USERS {
        let mut spec = user_spec();
        spec["accessKey"]["secretName"] = json!(name(number));
        scene.apply("IamUser", &name(number), spec).await;
    }
    eventually(PATIENCE, "the first user is made", async || {
        let cloud = scene.at_cloud().await;
        let made = (0..USERS).any(|number| !named(&cloud, "users", &name(number)).is_null());
        made.then_some(()).ok_or(cloud.to_string())
    })
    .await;
    scene.stop().await;

    let cloud = scene.at_cloud().await;
    let mut left = 0;
    for number in 0..USERS {
        let is_there = !named(&cloud, "users", &name(number)).is_null();
        let status = scene.status("IamUser", &name(number)).await;
        assert_eq!(is_there, status["origin"] == "Created", "{status}");
        // A user that was made is written down; its key may be the next one's.
        let keys = scene.live_keys(&name(number)).await.len();
        assert!(keys <= usize::from(is_there), "{keys} keys");
        left += usize::from(!is_there);
    }
    assert!(left > 0, "all of them were waited for");

    let spec = json!({"spec": {"requestsPerSecond": 500}});
    scene.merge("Account", "default", spec).await;
    scene.start(Arc::new(Open)).await;
    for number in 0..USERS {
        scene.ready("IamUser", &name(number)).await;
        assert_eq!(scene.live_keys(&name(number)).await.len(), 1);
    }
}

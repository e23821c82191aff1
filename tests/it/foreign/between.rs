//! Somebody else is faster: what they make between our look and our create is theirs.

use std::time::Duration;

use super::{touched, twins};
use crate::ground::{Fault, Side, eventually};
use crate::hands::named;
use crate::scene::{PATIENCE, Scene};

#[tokio::test]
async fn what_somebody_makes_between_our_look_and_our_create_is_theirs() {
    let scene = Scene::running().await;
    for (kind, list, name, theirs, spec) in twins() {
        // Ours hangs on its way while theirs is made, and is refused.
        let slow = Fault::latency(Duration::from_secs(4)).at(Side::Api);
        scene
            .cloud
            .fault(slow.on("POST", &format!("/{list}$")))
            .await;
        scene.cloud.forget().await;
        scene.apply(kind, name, spec).await;
        eventually(PATIENCE, "the claim is written", async || {
            let status = scene.status(kind, name).await;
            let is_claimed = status["origin"] == "Claimed";
            is_claimed.then_some(()).ok_or_else(|| status.to_string())
        })
        .await;
        scene.theirs("POST", &format!("/{list}"), theirs).await;
        let before = named(&scene.at_cloud().await, list, name);
        scene.until(kind, name, "Ready", "False", "NameTaken").await;
        scene.delete(kind, name).await;
        scene.gone(kind, name).await;
        assert_eq!(named(&scene.at_cloud().await, list, name), before, "{kind}");
        let path = format!("/{list}/{name}");
        assert_eq!(touched(&scene, &path).await, [""; 0], "{kind}");
    }
}

//! Somebody else is faster: what they make between our look and our create is theirs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cooper::wire::{Side, Verdict, Wire};
use http::{Method, Uri};
use tokio::sync::mpsc;

use super::{touched, twins};
use crate::ground::eventually;
use crate::scene::{PATIENCE, Scene};

/// Holds the first POST to a list back: it is sent later, once the other has been there.
struct Faster {
    list: &'static str,
    held: Mutex<Option<mpsc::UnboundedSender<()>>>,
}

impl Wire for Faster {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let is_create = side == Side::Cloud
            && method == Method::POST
            && uri.path().ends_with(&format!("/{}", self.list));
        if is_create && let Some(told) = self.held.lock().unwrap().take() {
            let _ = told.send(());
            // Its sender takes it for lost; it arrives when theirs is there.
            return Verdict::Late(Duration::from_secs(2));
        }
        Verdict::Pass
    }
}

#[tokio::test]
async fn what_somebody_makes_between_our_look_and_our_create_is_theirs() {
    let mut scene = Scene::running().await;
    for (kind, list, name, theirs, spec) in twins() {
        let (told, mut hears) = mpsc::unbounded_channel();
        let wire = Faster {
            list,
            held: Mutex::new(Some(told)),
        };
        scene.start(Arc::new(wire)).await;
        scene.ready("ObjectStorageService", "media").await;
        scene.cloud.forget().await;
        scene.apply(kind, name, spec).await;
        tokio::time::timeout(PATIENCE, hears.recv())
            .await
            .expect("a create")
            .unwrap();
        scene.theirs("POST", &format!("/{list}"), theirs).await;
        // Ours comes late, and is refused.
        eventually(PATIENCE, "our create arrives", async || {
            let creates = touched(&scene, &format!("/{list}")).await;
            let refused = creates.iter().any(|create| create.contains("Some(4"));
            refused.then_some(()).ok_or(format!("{creates:?}"))
        })
        .await;
        let before = super::named(&scene.at_cloud().await, list, name);
        scene.delete(kind, name).await;
        scene.gone(kind, name).await;
        assert_eq!(
            super::named(&scene.at_cloud().await, list, name),
            before,
            "{kind}"
        );
        let more = touched(&scene, &format!("/{list}/{name}")).await;
        assert_eq!(more, [""; 0], "{kind}");
    }
}

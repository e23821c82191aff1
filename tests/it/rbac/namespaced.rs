//! One namespace, by Roles only.

use super::{NEEDS, Pair, live, refused, rights};
use crate::ground::{ACCOUNT, Ground};
use crate::scene::Scene;

/// As `deploy/overlays/namespaced` calls it.
const NAMESPACE: &str = "team-a";

#[tokio::test]
async fn with_roles_in_one_namespace_the_operator_does_all_its_work_and_uses_each_right() {
    if Ground::get().await.lacks(&NEEDS) {
        return;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::empty().await));
    let namespace = ground.namespace_called(NAMESPACE).await;
    ground.install("deploy/overlays/namespaced").await;
    let granted = rights::of(ground, ACCOUNT).await;
    assert!(
        granted.iter().all(|right| right.namespace.is_some()),
        "beyond namespaces: {granted:?}"
    );

    let scene = Scene::within(ground, namespace).await;
    let pair = Pair::start(ground).await;
    live(&scene).await;
    pair.stop().await;

    let requests = ground.requests(ACCOUNT).await;
    // Before it deletes anything it looks whether the CRD is being removed. Here it may not know, and takes the delete for a user's.
    assert_eq!(
        refused(&requests),
        [("get", "customresourcedefinitions")],
        "{}",
        rights::shown(&requests)
    );
    assert_eq!(
        rights::unused(ACCOUNT, granted, &requests),
        [],
        "{}",
        rights::shown(&requests)
    );
}

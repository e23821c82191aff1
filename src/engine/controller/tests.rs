use serde_json::{Value, json};

use super::*;
use crate::{
    app::{App, Options},
    engine::{clock::Clock, core::Settings, index::Owner, subject::owner_of, trace::Traces},
    upcloud::bucket::Bucket,
    wire::Open,
};

const PLACE: &str = "place";

/// The core of an operator that asks nobody anything.
fn core() -> Arc<Core> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let nowhere = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
    let options = Options {
        providers: Vec::new(),
        scope: Scope::Cluster,
        settings: Settings::default(),
        fence_namespace: None,
        lease: None,
        traces: Traces::default(),
    };
    let app = App::new(nowhere, Arc::new(Open), Clock::system(), options);
    app.unwrap().core()
}

fn bucket(uid: &str) -> Guarded<Bucket> {
    let object = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "Bucket",
        "metadata": {"name": "logs", "namespace": "team-a", "uid": uid},
        "spec": {"serviceRef": {"name": "media"}},
    });
    serde_json::from_value(object).unwrap()
}

/// A kind whose passes take the place late, and during which the watch shows this.
struct Late {
    core: Arc<Core>,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Late {
    fn owner(stored: &Guarded<Bucket>) -> Owner {
        owner_of(target_of::<Bucket>(stored.meta()), stored.meta())
    }
}

impl Controlled<Bucket> for Late {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn refs(&self, _: &Guarded<Bucket>) -> Vec<Ref> {
        Vec::new()
    }

    fn offer(&self, _: &Guarded<Bucket>) -> Value {
        Value::Null
    }

    fn seen(&self, _: &Guarded<Bucket>) {}

    fn gone(&self, stored: &Guarded<Bucket>) {
        let Owner { resource, uid, .. } = Self::owner(stored);
        self.core.owners.forget(&uid, &resource);
    }

    fn woken(&self, _: &Wake) {}

    fn absent(&self, _: &Target) {}

    fn report(&self, _: &Guarded<Bucket>) -> Report {
        Report::default()
    }

    fn remembered(&self) -> usize {
        0
    }

    fn oldest_look(&self) -> Option<Timestamp> {
        None
    }

    fn pass(self: Arc<Self>, stored: Arc<Guarded<Bucket>>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            meanwhile.unwrap()();
            self.core.owners.reserve(PLACE, &Self::owner(&stored));
        })
    }
}

/// How many places are taken after a pass over a bucket, during which the watch showed this.
async fn places_after(shown: Vec<watcher::Event<Guarded<Bucket>>>) -> usize {
    let core = core();
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Apply(bucket("first")));
    let kind = Late {
        core: Arc::clone(&core),
        meanwhile: Mutex::new(Some(Box::new(move || {
            for event in shown {
                writer.apply_watcher_event(&event);
            }
        }))),
    };
    let target = target_of::<Bucket>(bucket("first").meta());
    let flying = Flying::of(&Arc::default());
    one(Arc::new(kind), store, target, flying).await;
    core.owners.size()
}

#[tokio::test]
async fn a_pass_that_ends_after_its_resource_was_gone_keeps_no_place() {
    let there = places_after(Vec::new()).await;
    assert!(there > 0, "one that lives keeps its place");
    let gone = vec![watcher::Event::Delete(bucket("first"))];
    assert_eq!(places_after(gone).await, 0);
    // Another of the same name stands there now, and has taken nothing yet.
    let anew = vec![
        watcher::Event::Delete(bucket("first")),
        watcher::Event::Apply(bucket("second")),
    ];
    assert_eq!(places_after(anew).await, 0);
}

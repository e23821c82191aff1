//! CRDs that let everything through for a while, as those of another version of cooper would.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use crate::ground::{Ground, eventually};
use crate::scene::{PATIENCE, resource};

/// The CRDs of a ground that is one's own.
pub struct Crds {
    api: Api<CustomResourceDefinition>,
    ground: &'static Ground,
    strict: Vec<CustomResourceDefinition>,
}

impl Crds {
    pub async fn of(ground: &'static Ground) -> Self {
        let api: Api<CustomResourceDefinition> = Api::all(ground.admin());
        let all = api.list(&ListParams::default()).await.unwrap();
        let ours = all
            .into_iter()
            .filter(|crd| crd.spec.group == "upcloud.cooper.dev");
        Self {
            strict: ours.collect(),
            api,
            ground,
        }
    }

    /// Spec and status may be anything, once this returns.
    pub async fn weaken(&self, namespace: &str) {
        for strict in &self.strict {
            let mut crd = serde_json::to_value(strict).unwrap();
            let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
            *schema =
                json!({"type": "object", "properties": {"spec": anything, "status": anything}});
            self.put(crd).await;
        }
        self.until(namespace, |taken| taken).await;
    }

    /// They are as before, once this returns.
    pub async fn restore(&self, namespace: &str) {
        for strict in &self.strict {
            self.put(serde_json::to_value(strict).unwrap()).await;
        }
        self.until(namespace, |taken| !taken).await;
    }

    async fn put(&self, mut crd: Value) {
        let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
        let now = self.api.get(&name).await.unwrap();
        crd["metadata"]["resourceVersion"] = json!(now.resource_version());
        let crd = serde_json::from_value(crd).unwrap();
        let how = PostParams::default();
        self.api.replace(&name, &how, &crd).await.unwrap();
    }

    /// Waits until the API server goes by the schemas, as what it takes shows.
    async fn until(&self, namespace: &str, is_so: fn(bool) -> bool) {
        for crd in &self.strict {
            let kind = &crd.spec.names.kind;
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.ground.admin(), namespace, &resource(kind));
            let probe = json!({
                "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind,
                "metadata": {"name": "probe"}, "spec": "anything",
            });
            let probe: DynamicObject = serde_json::from_value(probe).unwrap();
            let how = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            eventually(PATIENCE, "the schema is in force", async || {
                let taken = api.create(&how, &probe).await;
                is_so(taken.is_ok())
                    .then_some(())
                    .ok_or_else(|| format!("{kind}: {taken:?}"))
            })
            .await;
        }
    }
}

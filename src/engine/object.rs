//! Writes to our own resources, each a compare-and-set on the resourceVersion that was read.
//!
//! Untyped on purpose: twenty kinds share one compiled copy. The client behind it does not retry by itself: a repeated write whose
//! first answer was lost would look like somebody else's.

use std::time::Duration;

use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::external::Target;

/// The one finalizer of every resource.
pub const FINALIZER: &str = "cooper.dev/finalizer";

/// Longest wait for an answer of the API server.
pub const ANSWER: Duration = Duration::from_secs(20);

/// Why a write or read of a Kubernetes object came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Somebody else wrote first.
    #[error("changed by somebody else in the meantime")]
    Conflict,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// Its namespace is being deleted; creates are refused.
    #[error("the namespace is being deleted")]
    Terminating,
    /// The API server did not answer in time; the write may have happened.
    #[error("the API server did not answer within {} s", ANSWER.as_secs())]
    Timeout,
    /// The API server refused or could not be reached.
    #[error("{}", words(.0))]
    Kube(#[from] kube::Error),
}

impl Trouble {
    /// Sorts an error of the client.
    pub fn of(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 409 => Self::Conflict,
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            kube::Error::Api(status) if is_terminating(status) => Self::Terminating,
            _ => Self::Kube(error),
        }
    }

    /// Whether deciding anew at once is the answer.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict | Self::Gone)
    }
}

/// An error of the client for a condition: the API server's own words, and what helps. The client's have the whole answer in them.
fn words(error: &kube::Error) -> String {
    match error {
        // Said by the authorizer: `User "…" cannot delete resource "secrets" in API group "" …`.
        kube::Error::Api(status) if status.code == 403 && status.message.contains(" cannot ") => {
            format!(
                "the API server does not allow it: {}; install the roles of this version of cooper",
                status.message
            )
        }
        kube::Error::Api(status) => {
            format!(
                "the API server refused it ({}): {}",
                status.code, status.message
            )
        }
        other => format!("the API server cannot be asked: {other}"),
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403
        && causes
            .into_iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
}

/// Awaits an answer of the API server, but not for ever.
pub async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(ANSWER, Box::pin(call)).await {
        Ok(answer) => answer.map_err(Trouble::of),
        Err(_) => Err(Trouble::Timeout),
    }
}

/// One resource of ours at the API server.
#[derive(Clone)]
pub struct Object {
    api: Api<DynamicObject>,
    kind: ApiResource,
    target: Target,
}

impl Object {
    /// The resource of kind `K` with this name.
    pub fn of<K: Resource<DynamicType = ()>>(client: Client, target: &Target) -> Self {
        let kind = ApiResource::erase::<K>(&());
        Self {
            api: Api::namespaced_with(client, &target.namespace, &kind),
            kind,
            target: target.clone(),
        }
    }

    /// Reads it now, past every cache.
    pub async fn read(&self) -> Result<DynamicObject, Trouble> {
        answered(self.api.get(&self.target.name)).await
    }

    /// Replaces the whole status. Answers the new resourceVersion.
    pub async fn put_status(
        &self,
        version: &str,
        status: &impl Serialize,
    ) -> Result<String, Trouble> {
        let status = serde_json::to_value(status)
            .map_err(|error| Trouble::Kube(kube::Error::SerdeError(error)))?;
        self.put_status_value(version, &status).await
    }

    async fn put_status_value(&self, version: &str, status: &Value) -> Result<String, Trouble> {
        let body = json!({
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
            "metadata": {"name": self.target.name, "namespace": self.target.namespace, "resourceVersion": version},
            "status": status,
        });
        let body: DynamicObject = serde_json::from_value(body)
            .map_err(|error| Trouble::Kube(kube::Error::SerdeError(error)))?;
        let how = PostParams::default();
        let call = self.api.replace_status(&self.target.name, &how, &body);
        Ok(answered(call).await?.resource_version().unwrap_or_default())
    }

    /// Replaces the list of finalizers. Answers the new resourceVersion, and whether the object is still there.
    pub async fn put_finalizers(
        &self,
        version: &str,
        finalizers: &[String],
    ) -> Result<String, Trouble> {
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        let (how, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let call = self.api.patch(&self.target.name, &how, &patch);
        Ok(answered(call).await?.resource_version().unwrap_or_default())
    }
}

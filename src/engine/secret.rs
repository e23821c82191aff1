//! Secrets, read and written without the right to read foreign ones.
//!
//! RBAC cannot say "only your own Secrets", so cooper has no get, list or watch on them. A read is a delete that is not carried out
//! (`dryRun=All`): where the delete would wait for dependents its answer is the whole object, and the admission fence refuses it for a
//! Secret that is not ours. Nor has cooper `patch`: the answer to a patch that does not decode quotes the Secret in full, before any
//! admission is asked, and no policy can keep that from a stolen token.

use std::{fmt, sync::Arc};

use http::Request;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{
    object::{Trouble, answered},
    secret_watch::Sightings,
};

/// How every refusal of the admission fence begins.
pub const FENCE: &str = "cooper fence:";
/// On a credentials Secret: the user's consent that cooper reads it; the value names the provider.
pub const CONSENT: &str = "cooper.dev/credentials";
/// Finalizer on a credentials Secret while an account uses it.
pub const IN_USE: &str = "cooper.dev/in-use";
/// Finalizer that the API server shows in the answer to a read, and the policy that makes it answer with the object.
const UNTIL_COLLECTED: &str = "foregroundDeletion";
const AS_A_READ: &str = "dryRun=All&propagationPolicy=Foreground";

/// What stands under the name of a Secret.
#[derive(Clone)]
pub enum Found {
    /// Nothing.
    Absent,
    /// Something that is not ours.
    Foreign,
    /// A Secret that we may read.
    Ours(Box<Secret>),
}

// Not derived: the data must not reach a log.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Foreign => "Foreign",
            Self::Ours(_) => "Ours",
        })
    }
}

/// Reads and writes Secrets.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    sightings: Option<Arc<Sightings>>,
}

impl Secrets {
    /// Over this client, which must not retry by itself.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            sightings: None,
        }
    }

    /// The same, telling a watch what it will see of our own writes.
    #[must_use]
    pub fn noting(self, sightings: Arc<Sightings>) -> Self {
        Self {
            sightings: Some(sightings),
            ..self
        }
    }

    fn saw(&self, secret: Secret) -> Secret {
        if let Some(sightings) = &self.sightings {
            sightings.saw(&secret);
        }
        secret
    }

    fn gone(&self, namespace: &str, name: &str) {
        if let Some(sightings) = &self.sightings {
            sightings.gone(namespace, name);
        }
    }

    fn api(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads a Secret by name. Whether it is being deleted is not to be seen.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Found, Trouble> {
        // In the query and without a body: the API server does not look at the query of a delete that has a body.
        let path = Secret::url_path(&(), Some(namespace));
        let request = Request::delete(format!("{path}/{name}?{AS_A_READ}"))
            .body(Vec::new())
            .map_err(|error| Trouble::Kube(kube::Error::HttpError(error)))?;
        match answered(self.client.request::<Secret>(request)).await {
            Ok(secret) => Ok(Found::Ours(Box::new(self.saw(as_stored(secret))))),
            Err(Trouble::Gone) => {
                self.gone(namespace, name);
                Ok(Found::Absent)
            }
            Err(Trouble::Kube(error)) if is_fence(&error) => Ok(Found::Foreign),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes a Secret; a conflict means that the name is taken.
    pub async fn create(&self, namespace: &str, secret: &Secret) -> Result<Secret, Trouble> {
        let how = PostParams::default();
        let made = answered(self.api(namespace).create(&how, secret)).await?;
        Ok(self.saw(made))
    }

    /// Replaces a Secret by compare-and-set on its resourceVersion.
    pub async fn replace(&self, namespace: &str, secret: &Secret) -> Result<Secret, Trouble> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let how = PostParams::default();
        match answered(self.api(namespace).replace(&name, &how, secret)).await {
            Err(Trouble::Kube(error)) if is_fence(&error) => Err(Trouble::Conflict),
            answer => answer.map(|secret| self.saw(secret)),
        }
    }

    /// Deletes a Secret exactly as it was read.
    pub async fn delete(&self, namespace: &str, secret: &Secret) -> Result<(), Trouble> {
        let preconditions = Preconditions {
            uid: secret.metadata.uid.clone(),
            resource_version: secret.metadata.resource_version.clone(),
        };
        let how = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let name = secret.metadata.name.clone().unwrap_or_default();
        match answered(self.api(namespace).delete(&name, &how)).await {
            Ok(_) => {
                self.gone(namespace, &name);
                Ok(())
            }
            Err(Trouble::Kube(error)) if is_fence(&error) => Err(Trouble::Conflict),
            Err(trouble) => Err(trouble),
        }
    }

    /// Puts our finalizer on a credentials Secret or takes it off, as it was read.
    pub async fn mark_in_use(
        &self,
        namespace: &str,
        secret: &Secret,
        in_use: bool,
    ) -> Result<(), Trouble> {
        let mut finalizers = secret.metadata.finalizers.clone().unwrap_or_default();
        if finalizers.iter().any(|finalizer| finalizer == IN_USE) == in_use {
            return Ok(());
        }
        finalizers.retain(|finalizer| finalizer != IN_USE);
        finalizers.extend(in_use.then(|| IN_USE.to_owned()));
        let mut marked = secret.clone();
        marked.metadata.finalizers = Some(finalizers);
        self.replace(namespace, &marked).await.map(drop)
    }
}

/// Takes off what the delete that was not carried out would have put on.
fn as_stored(mut secret: Secret) -> Secret {
    let metadata = &mut secret.metadata;
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    if let Some(finalizers) = &mut metadata.finalizers {
        finalizers.retain(|finalizer| finalizer != UNTIL_COLLECTED);
    }
    secret
}

/// Whether the admission fence refused: 422 whose message carries its words. Any other 422 is something else.
fn is_fence(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422 && status.message.contains(FENCE))
}

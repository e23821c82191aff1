//! Where objects are sent to, and what the API server says of them.

use serde_json::Value;

use crate::scene::resource;

/// Where the objects of a kind are sent to.
pub struct Desk {
    client: kube::Client,
    method: &'static str,
    path: String,
}

/// What the API server did not like: field and words.
pub type Complaints = Vec<(String, String)>;

impl Desk {
    /// Requests of this method for a kind, or for what is below it. Nothing is stored, and unknown fields are refused.
    pub fn new(
        client: kube::Client,
        method: &'static str,
        kind: &str,
        namespace: &str,
        below: &str,
    ) -> Self {
        let plural = resource(kind).plural;
        let path = format!(
            "/apis/upcloud.cooper.dev/v1alpha1/namespaces/{namespace}/{plural}{below}?dryRun=All&fieldValidation=Strict"
        );
        Self {
            client,
            method,
            path,
        }
    }

    /// Sends an object; what would be stored, or what is wrong with it.
    pub async fn send(&self, object: &Value) -> Result<Value, Complaints> {
        let request = http::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(object).unwrap())
            .unwrap();
        match self.client.request::<Value>(request).await {
            Ok(made) => Ok(made),
            Err(kube::Error::Api(status)) => {
                let causes = status
                    .details
                    .as_ref()
                    .map(|details| details.causes.clone());
                let causes = causes.unwrap_or_default().into_iter();
                let mut said: Complaints =
                    causes.map(|cause| (cause.field, cause.message)).collect();
                if said.is_empty() {
                    said.push((String::new(), status.message.clone()));
                }
                Err(said)
            }
            Err(error) => panic!("{}: {error}", self.path),
        }
    }
}

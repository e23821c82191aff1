//! A namespace of one test.

use std::thread;

use k8s_openapi::api::core::v1::Namespace as Object;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::{Client, Config};

/// A namespace with a name of its own. On a cluster that outlives the tests it is
/// deleted with the value, as well as that goes; elsewhere it goes with the cluster.
pub struct Namespace {
    name: String,
    delete_with: Option<Config>,
}

impl Namespace {
    pub(super) async fn create(admin: Config, delete: bool) -> Self {
        let named = ObjectMeta {
            generate_name: Some("test-".to_owned()),
            ..ObjectMeta::default()
        };
        Self::of(admin, delete, named).await
    }

    /// With this name instead.
    pub(super) async fn called(admin: Config, delete: bool, name: &str) -> Self {
        let named = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        Self::of(admin, delete, named).await
    }

    async fn of(admin: Config, delete: bool, metadata: ObjectMeta) -> Self {
        let namespaces: Api<Object> = Api::all(Client::try_from(admin.clone()).unwrap());
        let wanted = Object {
            metadata,
            ..Object::default()
        };
        let made = namespaces
            .create(&PostParams::default(), &wanted)
            .await
            .unwrap();
        Self {
            name: made.metadata.name.expect("a name"),
            delete_with: delete.then_some(admin),
        }
    }
}

/// Its name.
impl std::ops::Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let Some(admin) = self.delete_with.take() else {
            return;
        };
        let name = self.name.clone();
        // The test's runtime may be ending; this needs one of its own.
        let deleted = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let namespaces: Api<Object> = Api::all(Client::try_from(admin)?);
                namespaces.delete(&name, &DeleteParams::default()).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            })
        });
        if !matches!(deleted.join(), Ok(Ok(()))) {
            eprintln!("namespace {} is left behind", self.name);
        }
    }
}

//! Puts the repository's own objects into a control plane, as an administrator does.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, GroupVersionKind, ObjectMeta, Patch, PatchParams, PostParams};
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};

use super::{Ground, SYSTEM, eventually, repository};

const LIMIT: Duration = Duration::from_mins(1);
const MANAGER: &str = "ground";

/// Kinds that others need, in the order in which they are made. The rest follows.
const FIRST: [&str; 5] = [
    "CustomResourceDefinition",
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "Role",
];

/// Kinds that run the operator. Tests run it themselves.
const LEFT_OUT: [&str; 2] = ["Deployment", "PodDisruptionBudget"];

/// Applies `crds/` and `deploy/base/`, and returns when the API server acts on them.
pub async fn install(ground: &Ground) {
    let mut objects = [documents("crds"), documents("deploy/base")].concat();
    objects.retain(|object| !LEFT_OUT.contains(&kind(object)));
    objects.sort_by_key(|object| {
        FIRST
            .iter()
            .position(|first| *first == kind(object))
            .unwrap_or(FIRST.len())
    });
    let client = ground.admin();
    for object in &objects {
        apply(&client, object).await;
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for object in objects
        .iter()
        .filter(|object| kind(object) == "CustomResourceDefinition")
    {
        let name = object.name_any();
        let established =
            await_condition(definitions.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(LIMIT, established)
            .await
            .unwrap_or_else(|_| panic!("CRD {} is not established", object.name_any()))
            .unwrap();
    }
    if objects
        .iter()
        .any(|object| kind(object) == "ValidatingAdmissionPolicy")
    {
        fence_is_up(ground).await;
    }
}

/// A policy is active some tenths of a second after it was made.
async fn fence_is_up(ground: &Ground) {
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    let secrets: Api<Secret> = Api::namespaced(operator, SYSTEM);
    let unlabelled = Secret {
        metadata: ObjectMeta {
            name: Some("fence-check".to_owned()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually(
        LIMIT,
        "the fence refuses an unlabelled Secret",
        async || match secrets.create(&dry_run, &unlabelled).await {
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Err("it was let through".to_owned()),
        },
    )
    .await;
}

async fn apply(client: &Client, object: &DynamicObject) {
    let name = object.name_any();
    let types = object.types.clone().unwrap_or_default();
    let gvk = GroupVersionKind::try_from(&types).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (resource, capabilities) = pinned_kind(client, &gvk)
        .await
        .unwrap_or_else(|error| panic!("{gvk:?}: {error}"));
    let api: Api<DynamicObject> = match (&capabilities.scope, object.namespace()) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
        (Scope::Namespaced, None) => Api::namespaced_with(client.clone(), SYSTEM, &resource),
    };
    let params = PatchParams::apply(MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .unwrap_or_else(|error| panic!("apply {} {name}: {error}", gvk.kind));
}

/// The objects in the YAML files of a folder, by file name.
pub fn documents(folder: &str) -> Vec<DynamicObject> {
    let mut files: Vec<PathBuf> = fs::read_dir(repository(folder))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|path| {
        path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("kustomization.yaml")
    });
    files.sort();
    files.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<DynamicObject> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

/// Makes a ServiceAccount that holds the ClusterRole in the namespace; its name.
pub async fn bind_user(ground: &Ground, namespace: &str, role: &str) -> String {
    let client = ground.admin();
    let named = ObjectMeta {
        generate_name: Some(format!("{role}-")),
        ..ObjectMeta::default()
    };
    let account = ServiceAccount {
        metadata: named.clone(),
        ..ServiceAccount::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let name = accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap()
        .name_any();
    let binding = RoleBinding {
        metadata: named,
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: name.clone(),
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    };
    Api::<RoleBinding>::namespaced(client, namespace)
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    name
}

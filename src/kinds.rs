//! The registry: every kind that the operator knows, one line each.

use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{
    app::Setup,
    engine::{account::Provider, external::External, keyring::Keyring},
    upcloud::{
        account::Account, bucket::Bucket, iam_group::IamGroup, iam_policy::IamPolicy,
        iam_role::IamRole, iam_user::IamUser, service::ObjectStorageService,
        static_website::StaticWebsite,
    },
};

pub mod reference;

/// Takes every kind in turn.
trait Register {
    /// A kind that holds the way into an account.
    type Accounts<A: Provider>;
    /// The accounts of a provider.
    fn accounts<A: Provider + CustomResourceExt>(&mut self) -> Self::Accounts<A>;
    /// A kind that lives in these accounts.
    fn kind<K: External + CustomResourceExt>(&mut self, accounts: &Self::Accounts<K::Account>);
}

fn all(register: &mut impl Register) {
    let accounts = register.accounts::<Account>();
    register.kind::<ObjectStorageService>(&accounts);
    register.kind::<Bucket>(&accounts);
    register.kind::<IamPolicy>(&accounts);
    register.kind::<IamGroup>(&accounts);
    register.kind::<IamUser>(&accounts);
    register.kind::<IamRole>(&accounts);
    register.kind::<StaticWebsite>(&accounts);
}

/// Sets up the controllers of all kinds.
pub fn set_up(setup: &mut Setup<'_>) {
    all(setup);
}

impl Register for Setup<'_> {
    type Accounts<A: Provider> = std::sync::Arc<crate::engine::account::Accounts<A>>;

    fn accounts<A: Provider + CustomResourceExt>(&mut self) -> Self::Accounts<A> {
        Setup::accounts::<A>(self)
    }

    fn kind<K: External + CustomResourceExt>(&mut self, accounts: &Self::Accounts<K::Account>) {
        Setup::kind::<K>(self, accounts);
    }
}

/// The [`CustomResourceDefinition`]s of all kinds: file name and YAML.
pub fn crds() -> anyhow::Result<Vec<(String, String)>> {
    let mut definitions = Definitions::default();
    all(&mut definitions);
    let files = definitions.0.into_iter().map(|(crd, issues)| {
        let name = format!("{}_{}", crd.spec.group, crd.spec.names.plural);
        let crd = tidy(&crd, issues).with_context(|| format!("cannot tidy {name}"))?;
        let yaml = serde_saphyr::to_string(&crd)?;
        Ok((
            format!("{name}.yaml"),
            format!("# Made by `cooper crds`; do not edit.\n{yaml}"),
        ))
    });
    files.collect()
}

/// The definitions as derived, each with whether the kind issues keys.
#[derive(Default)]
struct Definitions(Vec<(CustomResourceDefinition, bool)>);

impl Register for Definitions {
    type Accounts<A: Provider> = ();

    fn accounts<A: Provider + CustomResourceExt>(&mut self) {
        self.0.push((A::crd(), false));
    }

    fn kind<K: External + CustomResourceExt>(&mut self, (): &()) {
        self.0.push((K::crd(), K::Keys::ISSUES));
    }
}

/// Conditions that one kind alone has: kind, type, meaning.
#[derive(Default)]
struct Remarks(Vec<(String, &'static str, &'static str)>);

impl Register for Remarks {
    type Accounts<A: Provider> = ();

    fn accounts<A: Provider + CustomResourceExt>(&mut self) {}

    fn kind<K: External + CustomResourceExt>(&mut self, (): &()) {
        let kind = K::kind(&()).into_owned();
        let own = K::REMARKS.iter();
        self.0
            .extend(own.map(|(name, meaning)| (kind.clone(), *name, *meaning)));
    }
}

fn remarks() -> Vec<(String, &'static str, &'static str)> {
    let mut found = Remarks::default();
    all(&mut found);
    found.0
}

/// What the derived definition says too much.
///
/// An optional field is derived as nullable, and CEL then sees an explicit null as present; without it the API server drops nulls, and
/// absent is the only way to be absent. Descriptions have the line breaks and the code marks of the source. Kinds without keys have
/// neither `status.keys` nor `status.key`.
fn tidy(crd: &CustomResourceDefinition, issues: bool) -> anyhow::Result<CustomResourceDefinition> {
    let mut crd = serde_json::to_value(crd)?;
    if let Some(versions) = crd
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
    {
        for version in versions {
            let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") else {
                continue;
            };
            retouch(schema);
            let status = schema.pointer_mut("/properties/status/properties");
            if let Some(fields) = status.and_then(Value::as_object_mut).filter(|_| !issues) {
                fields.remove("keys");
                fields.remove("key");
            }
        }
    }
    Ok(serde_json::from_value(crd)?)
}

fn retouch(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|key, value| key != "nullable" || !value.is_boolean());
            for (key, member) in members {
                match member {
                    // `kubectl explain` wraps lines itself, and shows Markdown as it stands.
                    Value::String(text) if key == "description" => {
                        *text = text.replace('\n', " ").replace('`', "");
                    }
                    member => retouch(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(retouch),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;

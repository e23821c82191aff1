//! The registry: every kind that the operator knows, one line each.

use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    CustomResourceExt,
    api::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

use crate::{
    app::Setup,
    engine::{
        account::Provider,
        external::{External, Topic},
        inventory::{Inventory, Opening},
        keyring::Keyring,
        preview::{AccountShelf, Shelves},
        release::Release,
    },
    upcloud::{
        account::Account, bucket::Bucket, custom_domain::CustomDomain, iam_group::IamGroup,
        iam_policy::IamPolicy, iam_role::IamRole, iam_user::IamUser, service::ObjectStorageService,
        static_website::StaticWebsite,
    },
};

pub mod reference;

/// A provider of clouds, by the name that its API group begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProviderName {
    /// `upcloud.cooper.dev`.
    Upcloud,
}

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
    for provider in ProviderName::value_variants() {
        of(*provider, register);
    }
}

fn of(provider: ProviderName, register: &mut impl Register) {
    match provider {
        ProviderName::Upcloud => upcloud(register),
    }
}

fn upcloud(register: &mut impl Register) {
    let accounts = register.accounts::<Account>();
    register.kind::<ObjectStorageService>(&accounts);
    register.kind::<Bucket>(&accounts);
    register.kind::<IamPolicy>(&accounts);
    register.kind::<IamGroup>(&accounts);
    register.kind::<IamUser>(&accounts);
    register.kind::<IamRole>(&accounts);
    register.kind::<CustomDomain>(&accounts);
    register.kind::<StaticWebsite>(&accounts);
}

/// Sets up the controllers of these providers' kinds, of each provider once.
pub fn set_up(setup: &mut Setup<'_>, providers: &[ProviderName]) {
    let known = ProviderName::value_variants();
    for provider in known.iter().filter(|known| providers.contains(known)) {
        of(*provider, setup);
    }
}

impl Register for Setup<'_> {
    type Accounts<A: Provider> = Arc<crate::engine::account::Accounts<A>>;

    fn accounts<A: Provider + CustomResourceExt>(&mut self) -> Self::Accounts<A> {
        Setup::accounts::<A>(self)
    }

    fn kind<K: External + CustomResourceExt>(&mut self, accounts: &Self::Accounts<K::Account>) {
        Setup::kind::<K>(self, accounts);
    }
}

/// Sets up what a preview needs of all kinds.
pub fn shelve(shelves: &mut Shelves<'_>) {
    all(shelves);
}

impl<'w> Register for Shelves<'w> {
    type Accounts<A: Provider> = Arc<AccountShelf<'w, A>>;

    fn accounts<A: Provider + CustomResourceExt>(&mut self) -> Self::Accounts<A> {
        Shelves::accounts::<A>(self)
    }

    fn kind<K: External + CustomResourceExt>(&mut self, accounts: &Self::Accounts<K::Account>) {
        Shelves::kind::<K>(self, accounts);
    }
}

/// Sets up the listing of all kinds' remotes.
pub fn list(inventory: &mut Inventory<'_>) {
    all(inventory);
}

impl Register for Inventory<'_> {
    type Accounts<A: Provider> = Opening<A>;

    fn accounts<A: Provider + CustomResourceExt>(&mut self) -> Self::Accounts<A> {
        Opening::<A>::default()
    }

    fn kind<K: External + CustomResourceExt>(&mut self, accounts: &Self::Accounts<K::Account>) {
        Inventory::kind::<K>(self, accounts);
    }
}

/// Sets up the letting go of all kinds.
pub fn release(release: &mut Release) {
    all(release);
}

impl Register for Release {
    type Accounts<A: Provider> = ();

    fn accounts<A: Provider + CustomResourceExt>(&mut self) {
        Release::accounts::<A>(self);
    }

    fn kind<K: External + CustomResourceExt>(&mut self, (): &()) {
        Release::kind::<K>(self);
    }
}

/// The [`CustomResourceDefinition`]s of all kinds: file name and YAML.
pub fn crds() -> anyhow::Result<Vec<(String, String)>> {
    let files = definitions()?.into_iter().map(|definition| {
        let crd = definition.crd;
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        let yaml = serde_saphyr::to_string(&crd)?;
        Ok((
            name,
            format!("# Made by `cooper crds`; do not edit.\n{yaml}"),
        ))
    });
    files.collect()
}

/// All kinds, for a client that knows none of them.
pub fn resources() -> anyhow::Result<Vec<ApiResource>> {
    let resources = definitions()?.into_iter().map(|definition| {
        let spec = definition.crd.spec;
        let version = spec.versions.first().context("a kind without versions")?;
        let kind = GroupVersionKind::gvk(&spec.group, &version.name, &spec.names.kind);
        Ok(ApiResource::from_gvk_with_plural(&kind, &spec.names.plural))
    });
    resources.collect()
}

/// All kinds, tidied.
fn definitions() -> anyhow::Result<Vec<Definition>> {
    let mut definitions = Definitions::default();
    all(&mut definitions);
    for definition in &mut definitions.0 {
        let tidied = tidy(&definition.crd, definition.issues);
        let name = &definition.crd.spec.names.kind;
        definition.crd = tidied.with_context(|| format!("cannot tidy {name}"))?;
    }
    Ok(definitions.0)
}

/// A kind as it is installed and told.
struct Definition {
    crd: CustomResourceDefinition,
    /// Whether it issues keys.
    issues: bool,
    /// Its own types of condition.
    topics: &'static [Topic],
}

#[derive(Default)]
struct Definitions(Vec<Definition>);

impl Register for Definitions {
    type Accounts<A: Provider> = ();

    fn accounts<A: Provider + CustomResourceExt>(&mut self) {
        self.0.push(Definition {
            crd: A::crd(),
            issues: false,
            topics: &[],
        });
    }

    fn kind<K: External + CustomResourceExt>(&mut self, (): &()) {
        self.0.push(Definition {
            crd: K::crd(),
            issues: K::Keys::ISSUES,
            topics: K::REMARKS,
        });
    }
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

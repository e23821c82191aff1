//! Letting go of resources without an operator: what `cooper release` does.
//!
//! For each resource, whatever its kind: the Secrets it issued are disowned, so that garbage collection does not take the only copy of a
//! live key; then the finalizer comes off, so that removing the resource, its CRD or cooper itself deletes nothing at the cloud. The cloud
//! is not asked at all. Untyped, so that objects that do not decode are let go like all others.
//!
//! An operator at work would undo it: it puts the finalizer back on what it looks after. So either none runs, or the resource is paused
//! in the same write. What came back is found by a second look.

use std::time::Duration;

use kube::{
    Api, Client, CustomResourceExt, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    account::Provider,
    external::External,
    intent::{PAUSED, finalizers_without_ours, has_finalizer, says},
    key::{SLOTS, Uid, staging_name},
    keyring::Keyring,
    object::{Trouble, answered},
    secret::{Found, IN_USE, Secrets},
};

/// How often a write is tried anew that somebody else was faster than.
const TRIES: usize = 5;
/// How long an operator that is at work may take to put a finalizer back.
const WATCHED: Duration = Duration::from_secs(3);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Only in this namespace.
    pub namespace: Option<String>,
    /// Only these: plural, singular, short name or kind, and name. None: all.
    pub only: Vec<(String, String)>,
    /// Pause each in the write that takes its finalizer off.
    pub pause: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// What became of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// It is let go.
    Released,
    /// Nothing of ours was left in it.
    Free,
    /// It would be let go.
    WouldRelease,
    /// It was let go, and somebody put the finalizer back.
    CameBack,
    /// It could not be let go.
    Failed,
}

impl Done {
    /// As it is told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Free => "free",
            Self::WouldRelease => "would release",
            Self::CameBack => "came back",
            Self::Failed => "failed",
        }
    }

    /// Whether it is as it should be.
    pub const fn is_well(self) -> bool {
        match self {
            Self::Released | Self::Free | Self::WouldRelease => true,
            Self::CameBack | Self::Failed => false,
        }
    }
}

/// One resource, and what became of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub done: Done,
    /// Secrets whose owner it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One kind, as far as letting go needs to know it.
struct Leaver {
    resource: ApiResource,
    /// What a user may call it, in lower case.
    names: Vec<String>,
    issues: bool,
    /// The credentials Secret of an object, for accounts. `None` in it: the object cannot be read.
    credentials: Option<fn(&DynamicObject) -> Option<String>>,
}

/// The kinds whose objects are let go.
#[derive(Default)]
pub struct Release {
    leavers: Vec<Leaver>,
}

impl Release {
    /// A kind that holds the way into an account.
    pub fn accounts<A: Provider + CustomResourceExt>(&mut self) {
        let credentials: fn(&DynamicObject) -> Option<String> = |object| {
            let value = serde_json::to_value(object).ok()?;
            let account = A::deserialize(value).ok()?;
            Some(account.credentials_secret().to_owned())
        };
        self.leavers.push(Leaver {
            credentials: Some(credentials),
            ..Leaver::of::<A>()
        });
    }

    /// A kind that lives in accounts.
    pub fn kind<K: External + CustomResourceExt>(&mut self) {
        self.leavers.push(Leaver {
            issues: K::Keys::ISSUES,
            ..Leaver::of::<K>()
        });
    }

    /// Lets go of what is asked for; children before what they live in.
    ///
    /// # Errors
    /// If a name means no kind, or a kind cannot be listed. What goes wrong with a single resource is told with it.
    pub async fn run(&self, kube: &Client, asked: &Asked) -> anyhow::Result<Vec<Told>> {
        for (kind, name) in &asked.only {
            let Some(leaver) = self.leavers.iter().find(|leaver| leaver.is_called(kind)) else {
                anyhow::bail!("{kind} is no kind of cooper's");
            };
            anyhow::ensure!(
                leaver.credentials.is_none() || !asked.pause,
                "{kind}/{name}: an account is in use as long as the operator runs; stop it, and release --all"
            );
        }
        let mut told = Vec::new();
        for leaver in self.leavers.iter().rev() {
            told.extend(leaver.run(kube, asked).await?);
        }
        for (kind, name) in &asked.only {
            let found = told.iter().any(|one: &Told| {
                one.name == *name
                    && self
                        .leavers
                        .iter()
                        .any(|leaver| leaver.is_called(kind) && leaver.resource.kind == one.kind)
            });
            anyhow::ensure!(found, "{kind}/{name} does not exist");
        }
        Ok(told)
    }

    /// Looks once more at what was let go, after a while in which an operator at work would have put the finalizers back.
    ///
    /// # Errors
    /// If a kind cannot be listed.
    pub async fn verify(
        &self,
        kube: &Client,
        asked: &Asked,
        told: &mut [Told],
    ) -> anyhow::Result<()> {
        if !told.iter().any(|one| one.done == Done::Released) {
            return Ok(());
        }
        tokio::time::sleep(WATCHED).await;
        let look = Asked {
            dry_run: true,
            ..asked.clone()
        };
        for leaver in &self.leavers {
            let kind = &leaver.resource.kind;
            if !told.iter().any(|one| one.kind == *kind) {
                continue;
            }
            let now = leaver.run(kube, &look).await?;
            let back = now.iter().filter(|one| one.done == Done::WouldRelease);
            for back in back {
                let key = |one: &Told| (one.kind.clone(), one.namespace.clone(), one.name.clone());
                let same = told
                    .iter_mut()
                    .find(|one| one.done == Done::Released && key(one) == key(back));
                if let Some(one) = same {
                    one.done = Done::CameBack;
                    one.message = Some("an operator is at work; stop it first".into());
                }
            }
        }
        Ok(())
    }
}

impl Leaver {
    fn of<K: Resource<DynamicType = ()> + CustomResourceExt>() -> Self {
        let resource = ApiResource::erase::<K>(&());
        let names = K::crd().spec.names;
        let singular = names.singular.into_iter();
        let short = names.short_names.into_iter().flatten();
        let names = [resource.kind.clone(), resource.plural.clone()];
        let names = names.into_iter().chain(singular).chain(short);
        Self {
            names: names.map(|name| name.to_lowercase()).collect(),
            resource,
            issues: false,
            credentials: None,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    fn is_asked(&self, asked: &Asked, name: &str) -> bool {
        let named = |(kind, one): &(String, String)| self.is_called(kind) && one == name;
        asked.only.is_empty() || asked.only.iter().any(named)
    }

    async fn run(&self, kube: &Client, asked: &Asked) -> anyhow::Result<Vec<Told>> {
        if !asked.only.is_empty() && !asked.only.iter().any(|(kind, _)| self.is_called(kind)) {
            return Ok(Vec::new());
        }
        let api: Api<DynamicObject> = match &asked.namespace {
            Some(namespace) => Api::namespaced_with(kube.clone(), namespace, &self.resource),
            None => Api::all_with(kube.clone(), &self.resource),
        };
        let objects = match answered(api.list(&ListParams::default())).await {
            Ok(list) => list.items,
            // Its CRD is gone, and all objects with it.
            Err(Trouble::Gone) => return Ok(Vec::new()),
            Err(trouble) => {
                let kind = &self.resource.kind;
                return Err(anyhow::Error::new(trouble).context(format!("cannot list kind {kind}")));
            }
        };
        let mut told = Vec::new();
        for object in objects {
            if self.is_asked(asked, &object.name_any()) {
                told.push(Leave::new(self, kube, asked, object).run().await);
            }
        }
        Ok(told)
    }
}

/// One resource on its way out.
struct Leave<'a> {
    leaver: &'a Leaver,
    asked: &'a Asked,
    api: Api<DynamicObject>,
    secrets: Secrets,
    object: DynamicObject,
    disowned: Vec<String>,
}

impl<'a> Leave<'a> {
    fn new(leaver: &'a Leaver, kube: &Client, asked: &'a Asked, object: DynamicObject) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        Self {
            leaver,
            asked,
            api: Api::namespaced_with(kube.clone(), &namespace, &leaver.resource),
            secrets: Secrets::new(kube.clone()),
            object,
            disowned: Vec::new(),
        }
    }

    async fn run(mut self) -> Told {
        let done = self.leave().await;
        let was_going = self.object.metadata.deletion_timestamp.is_some();
        let (done, message) = match done {
            Ok(done @ Done::Released) if was_going => {
                let text =
                    "it was being deleted and is gone now; what it stood for stays at the cloud";
                (done, Some(text.to_owned()))
            }
            Ok(done) => (done, None),
            Err(trouble) => (Done::Failed, Some(trouble.to_string())),
        };
        Told {
            kind: self.leaver.resource.kind.clone(),
            namespace: self.object.namespace().unwrap_or_default(),
            name: self.object.name_any(),
            done,
            secrets: self.disowned,
            message,
        }
    }

    /// The Secrets first: once the finalizer is off, nothing holds garbage collection back.
    async fn leave(&mut self) -> Result<Done, Trouble> {
        let paused = says(&self.object.metadata, PAUSED);
        if self.asked.pause && !paused && !self.asked.dry_run && self.is_held() {
            // A pass that is under way may still write the Secret; the next one does not.
            self.write(json!({"annotations": {PAUSED: "true"}})).await?;
        }
        self.disown().await?;
        self.give_back().await?;
        if !self.is_held() {
            let is_free = self.disowned.is_empty();
            return Ok(match () {
                () if is_free => Done::Free,
                () if self.asked.dry_run => Done::WouldRelease,
                () => Done::Released,
            });
        }
        if self.asked.dry_run {
            return Ok(Done::WouldRelease);
        }
        self.write(Value::Null).await?;
        Ok(Done::Released)
    }

    fn is_held(&self) -> bool {
        has_finalizer(&self.object.metadata)
    }

    /// Merges into the metadata by compare-and-set, and takes the finalizer off if nothing is said.
    async fn write(&mut self, metadata: Value) -> Result<(), Trouble> {
        let name = self.object.name_any();
        for _ in 0..TRIES {
            let mut metadata = match &metadata {
                Value::Null => {
                    json!({"finalizers": finalizers_without_ours(&self.object.metadata)})
                }
                metadata => metadata.clone(),
            };
            if let Some(fields) = metadata.as_object_mut() {
                let version = self.object.metadata.resource_version.clone();
                fields.insert("resourceVersion".into(), version.into());
            }
            let patch = json!({ "metadata": metadata });
            let (how, patch) = (PatchParams::default(), Patch::Merge(&patch));
            match answered(self.api.patch(&name, &how, &patch)).await {
                Ok(written) => {
                    self.object = written;
                    return Ok(());
                }
                Err(Trouble::Gone) => return Ok(()),
                Err(Trouble::Conflict) => match answered(self.api.get(&name)).await {
                    Ok(now) => self.object = now,
                    Err(Trouble::Gone) => return Ok(()),
                    Err(trouble) => return Err(trouble),
                },
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Conflict)
    }

    /// Takes this resource off the owners of the Secrets that it issued.
    async fn disown(&mut self) -> Result<(), Trouble> {
        if !self.leaver.issues {
            return Ok(());
        }
        let uid = self.object.uid().unwrap_or_default();
        let paths = ["/status/keys/secretName", "/spec/accessKey/secretName"];
        let texts = paths
            .iter()
            .filter_map(|path| self.object.data.pointer(path)?.as_str());
        let mut names: Vec<_> = texts.map(str::to_owned).collect();
        names.dedup();
        let stagings = (0..SLOTS).map(|slot| staging_name(&Uid::new(&uid), slot));
        names.extend(stagings);
        let namespace = self.object.namespace().unwrap_or_default();
        for name in names {
            if self.drop_owner(&namespace, &name, &uid).await? {
                self.disowned.push(name);
            }
        }
        Ok(())
    }

    /// Whether it was an owner.
    async fn drop_owner(&self, namespace: &str, name: &str, uid: &str) -> Result<bool, Trouble> {
        for _ in 0..TRIES {
            let Found::Ours(mut secret) = self.secrets.read(namespace, name).await? else {
                return Ok(false);
            };
            let owners = secret.metadata.owner_references.get_or_insert_default();
            let count = owners.len();
            owners.retain(|owner| owner.uid != uid);
            if owners.len() == count {
                return Ok(false);
            }
            if self.asked.dry_run {
                return Ok(true);
            }
            match self.secrets.replace(namespace, &secret).await {
                Ok(_) => return Ok(true),
                Err(Trouble::Conflict) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Conflict)
    }

    /// Takes our finalizer off the credentials Secret of an account.
    async fn give_back(&mut self) -> Result<(), Trouble> {
        let Some(name) = self.leaver.credentials.and_then(|of| of(&self.object)) else {
            return Ok(());
        };
        let namespace = self.object.namespace().unwrap_or_default();
        for _ in 0..TRIES {
            let Found::Ours(secret) = self.secrets.read(&namespace, &name).await? else {
                return Ok(());
            };
            let marks = secret.metadata.finalizers.iter().flatten();
            if !marks.into_iter().any(|mark| mark == IN_USE) {
                return Ok(());
            }
            if self.asked.dry_run {
                self.disowned.push(name);
                return Ok(());
            }
            match self.secrets.mark_in_use(&namespace, &secret, false).await {
                Ok(()) => {
                    self.disowned.push(name);
                    return Ok(());
                }
                Err(Trouble::Conflict) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Conflict)
    }
}

//! What the engine asks of a kind: [`External`] and its small types.
//!
//! A kind says how one remote thing is found, made, changed and deleted, each as one request, and how it differs from what the spec
//! wants, as a pure function. When to do which is the engine's: see [`plan`](super::plan) and [`pass`](super::pass).
//! Nothing after [`External::resolve`] sees the object, so a kind's logic is tested with values built by hand.

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt::{self, Debug, Display},
    future::Future,
    hash::Hash,
    ops::Deref,
    sync::Arc,
};

use jiff::Timestamp;
use kube::{
    Resource,
    core::{
        NamespaceResourceScope,
        object::{HasSpec, HasStatus},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    account::Provider,
    budget::Lane,
    fault::Fault,
    inventory::Asked,
    keyring::Keyring,
    known::Known,
    reason::Reason,
    status::{Status, Truth},
};

/// What may stand in a status: compared, cloned, stored, described in the CRD.
pub trait Stored:
    Clone + PartialEq + Debug + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
}
impl<
    T: Clone + PartialEq + Debug + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static,
> Stored for T
{
}

/// The spec of a kind.
pub type Spec<K> = <K as HasSpec>::Spec;

/// What a note is made for: see [`External::intends`].
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// When.
    pub at: Timestamp,
    /// What is noted already was sent by this pass, if at all, and answered. Otherwise nobody knows what became of it: it may be carried
    /// out even now.
    pub is_answered: bool,
}

/// A kind of managed resource, and how its remote is handled.
pub trait External:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + HasSpec<Spec: Send + Sync>
    + HasStatus<Status = Status<Self::Place, Self::Facts>>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// One account of the provider as one pass sees it: client, shared lists, freshness.
    type Cloud: Cloud;
    /// The kind that holds the way into an account.
    type Account: Provider<Cloud = Self::Cloud>;
    /// Where the remote is: parent ids and name. All that observing and deleting need; stored in status it is the claim.
    type Place: Stored + Eq + Hash;
    /// The spec with references replaced by what they resolve to. Never stored.
    type Desired: Send + Sync;
    /// The remote as the cloud shows it.
    type Remote: Clone + Send + Sync;
    /// One request that brings the remote nearer to the desired state; `Display` is what events print.
    type Change: Display + Send + Sync;
    /// What was seen or done, and is needed by users or by later passes.
    type Facts: Stored + Default;
    /// [`NoKeys`](super::keyring::NoKeys), or the calls of the key protocol.
    type Keys: Keyring<Self>;

    /// The fields every kind has.
    fn common(&self) -> &Common;

    /// The resources this one names. Kept in an index: whoever is named wakes whoever names it, and is held while being named.
    fn refs(&self) -> Vec<Ref>;

    /// Replaces references by what they stand for. No I/O.
    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved>;

    /// Reads the remote, from a shared list where the view allows it.
    fn observe(
        cloud: &Self::Cloud,
        at: &Self::Place,
        facts: &Self::Facts,
    ) -> impl Future<Output = Result<Option<Self::Remote>, Fault>> + Send;

    /// How many requests [`External::deepen`] takes, and the changes that follow from what it doubts; 0 if there is nothing to deepen.
    fn depth(want: Option<&Self::Desired>, facts: &Self::Facts) -> u32 {
        let _ = (want, facts);
        0
    }

    /// Reads into `now` what no list shows, and doubts what nothing shows, so that it is asserted. Asked after an edit, before a
    /// deletion (then without `want`), and else about once a day.
    fn deepen(
        cloud: &Self::Cloud,
        at: &Self::Place,
        now: &mut Self::Remote,
        want: Option<&Self::Desired>,
        facts: &Self::Facts,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let _ = (cloud, at, now, want, facts);
        async { Ok(()) }
    }

    /// Makes the bare thing by exactly one request; all else is a change.
    fn create(
        cloud: &Self::Cloud,
        at: &Self::Place,
        want: &Self::Desired,
    ) -> impl Future<Output = Result<Self::Remote, Fault>> + Send {
        let _ = (cloud, at, want);
        async {
            Err(Fault::terminal(
                Reason::CannotCreate,
                "it does not exist at the cloud and cannot be made there",
            ))
        }
    }

    /// How many requests it takes to make it from nothing, its access key included.
    fn cost(want: &Self::Desired) -> u32 {
        let _ = want;
        1
    }

    /// Sends one change and mirrors it into `now`.
    fn apply(
        cloud: &Self::Cloud,
        at: &Self::Place,
        now: &mut Self::Remote,
        change: &Self::Change,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Deletes the remote by one request; one that is gone already is success. `force` stands for `deletionPolicy: Delete`.
    fn delete(
        cloud: &Self::Cloud,
        at: &Self::Place,
        now: &Self::Remote,
        force: bool,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// What separates `now` from `want`, in the order in which it is to be sent: narrow first, widen last.
    fn diff(want: &Self::Desired, now: &Self::Remote, facts: &Self::Facts) -> Diff<Self::Change>;

    /// What to remember. `want` is absent while the resource is being deleted; what is ours is (before ∪ wanted) ∩ now.
    fn facts(
        want: Option<&Self::Desired>,
        now: &Self::Remote,
        before: &Self::Facts,
        at: Timestamp,
    ) -> Self::Facts;

    /// Where the remote is in its life.
    fn phase(now: &Self::Remote) -> Phase {
        let _ = now;
        Phase::Ready
    }

    /// Changes that the spec allows and a deletion needs first, such as switching a protection off. Without a readable spec: none.
    fn unlock(spec: Option<&Spec<Self>>, now: &Self::Remote) -> Vec<Self::Change> {
        let _ = (spec, now);
        Vec::new()
    }

    /// Why the remote must not be deleted now. Not asked under `deletionPolicy: Delete`. Without a readable spec: the careful answer.
    fn held(
        spec: Option<&Spec<Self>>,
        now: &Self::Remote,
        facts: &Self::Facts,
        at: Timestamp,
    ) -> Option<Held> {
        let _ = (spec, now, facts, at);
        None
    }

    /// Fails if a resource of another cluster has taken over what was this one's: it is neither changed nor deleted any more, and can
    /// still be observed and let go of. Pure.
    fn not_taken_over(now: &Self::Remote, facts: &Self::Facts) -> Result<(), Fault> {
        let _ = (now, facts);
        Ok(())
    }

    /// Notes on the remote of a resource that ends whether it carries the mark of that resource: what was learned of a remote may have been
    /// lost with a write, when the resource was deleted in the middle of the create. Pure.
    fn recognise(now: &mut Self::Remote, uid: &str) {
        let _ = (now, uid);
    }

    /// What a user should still know of a remote that is ready; for the message of `Ready`.
    fn hint(want: &Self::Desired, now: &Self::Remote) -> Option<String> {
        let _ = (want, now);
        None
    }

    /// The types of condition that [`remarks`](Self::remarks) may set; one of them that it does not set stands no longer.
    const REMARKS: &'static [Topic] = &[];

    /// What to say of a remote that is as wanted, in conditions of the kind's own. Pure, and quiet: it touches neither Ready nor any
    /// other condition, and sends no event.
    fn remarks(want: &Self::Desired, now: &Self::Remote) -> Vec<Remark> {
        let _ = (want, now);
        Vec::new()
    }

    /// The facts, with a note of what is about to be given.
    ///
    /// It is stored before the first change is sent: should the answer be lost, and the spec then want it no more, it would be taken for
    /// somebody else's and stay. A note must not stand for the thing itself: nothing may have been given. `sending` says when it is, and
    /// whether what the facts note already may be under way.
    fn intends(want: &Self::Desired, facts: &Self::Facts, sending: Sending) -> Self::Facts {
        let _ = (want, sending);
        facts.clone()
    }

    /// Whether a change takes something away, so that the remote is looked at afresh before it is sent.
    fn narrows(change: &Self::Change) -> bool {
        let _ = change;
        false
    }

    /// Whether a change asserts what nothing shows. It is no news, and no difference to who only observes.
    fn unseen(change: &Self::Change) -> bool {
        let _ = change;
        false
    }

    /// Resources that would take over the remotes of this kind that exist at the account; none if that is not possible. Only reads.
    fn inventory(
        cloud: &Self::Cloud,
        asked: &Asked,
    ) -> impl Future<Output = Result<Vec<Self>, Fault>> + Send {
        let _ = (cloud, asked);
        async { Ok(Vec::new()) }
    }

    /// Whether a remote that once existed and is gone is made again without asking. False where its contents went with it.
    const REMAKE: bool = true;

    /// Where deletion ends: true if the remote must be seen gone, false if an accepted delete is final.
    const AWAIT_GONE: bool = true;

    /// What the `resolve` of children reads of this resource; they are woken when it changes.
    fn offer(&self) -> serde_json::Value {
        serde_json::to_value(self.status().and_then(|status| status.place.as_ref()))
            .unwrap_or_default()
    }
}

/// One account of one provider.
pub trait Cloud: Clone + Send + Sync + 'static {
    /// The same account, read with the freshness that one pass wants.
    #[must_use]
    fn pass(&self, view: View) -> Self;

    /// The same account with this many requests paid from the budget at once, so that they follow each other without queueing anew.
    /// What is not used goes back.
    fn reserve(&self, requests: u32) -> impl Future<Output = Self> + Send;
}

/// How fresh a pass wants to see the cloud, and what it reads for.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// A shared list is good enough if it began at or after this moment.
    pub since: Timestamp,
    /// Read this one object by itself (or list anew where the API has no single read): a destructive step or a doubt depends on it.
    pub fresh: bool,
    /// Read also what no list shows: a remote that is observed is deepened.
    pub deep: bool,
    /// The remote is about to be deleted: read what would have to hold that up, such as contents.
    pub parting: bool,
    /// Which share of the request budget the reads come from.
    pub lane: Lane,
}

/// What [`External::resolve`] found.
pub struct Resolved<K: External> {
    /// The account whose credentials reach the remote.
    pub account: AccountKey,
    /// Where the remote is or shall be.
    pub place: K::Place,
    /// What it shall be.
    pub desired: K::Desired,
}

/// Why a spec cannot be acted on yet, or at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Unresolved {
    /// Something named does not exist or is not ready; its change wakes this resource.
    Waiting {
        /// A reason for the `Resolved` condition.
        reason: Reason,
        /// What is missing and how to supply it.
        message: String,
    },
    /// The spec itself cannot work; only an edit helps.
    Refused {
        /// A reason for the `Resolved` condition.
        reason: Reason,
        /// What is wrong and how to mend it.
        message: String,
    },
}

/// Namespace and name of an account resource.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct AccountKey {
    /// Namespace of the Account.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the Account.
    #[schemars(length(max = 253))]
    pub name: String,
}

impl Display for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A resource named by another. Clones share one copy, since each resource stands in many tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(Arc<Named>);

/// Who is meant.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    /// API group, such as `upcloud.cooper.dev`.
    pub group: Cow<'static, str>,
    /// Kind, such as `Bucket`.
    pub kind: Cow<'static, str>,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Target {
    /// A resource of kind `K`.
    pub fn of<K: Resource<DynamicType = ()>>(
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self::new(K::group(&()), K::kind(&()), namespace, name)
    }

    /// A resource of this group and kind.
    pub fn new(
        group: impl Into<Cow<'static, str>>,
        kind: impl Into<Cow<'static, str>>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Named {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }))
    }
}

impl Deref for Target {
    type Target = Named;

    fn deref(&self) -> &Named {
        &self.0
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A reference from one resource to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ref {
    /// Who is named.
    pub target: Target,
    /// Whether deleting the target waits until this reference is gone.
    pub holds: bool,
}

impl Ref {
    /// The target cannot be deleted while this reference stands.
    pub fn holding(target: Target) -> Self {
        Self {
            target,
            holds: true,
        }
    }

    /// The target is only read; it may be deleted.
    pub fn reading(target: Target) -> Self {
        Self {
            target,
            holds: false,
        }
    }
}

/// What to change, and what differs but cannot be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff<C> {
    /// Requests to send, in this order.
    pub changes: Vec<C>,
    /// Fields that differ and cannot be changed, each with what to do about it.
    pub fixed: Vec<String>,
}

impl<C> Default for Diff<C> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            fixed: Vec::new(),
        }
    }
}

/// The change of a kind that has nothing to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Never(Infallible);

impl Never {
    /// There is none.
    pub fn refute(&self) -> ! {
        match self.0 {}
    }
}

impl Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refute()
    }
}

/// Where a remote is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Usable.
    Ready,
    /// Usable as it was, while the cloud works on a change; the text says at which step it is.
    Changing(String),
    /// Being set up by the cloud and not usable meanwhile; the text says at which step it is.
    Settling(String),
    /// Being removed by the cloud.
    Leaving(String),
    /// Not usable until somebody acts.
    Broken(String),
}

/// A type of condition that one kind alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The type of the condition.
    pub name: &'static str,
    /// What it says, for the reference: a sentence or two of Markdown.
    pub meaning: &'static str,
}

/// A condition that one kind alone has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The type of the condition, one of [`External::REMARKS`].
    pub about: &'static str,
    /// What it says.
    pub truth: Truth,
    /// Why.
    pub reason: Reason,
    /// What to know or do.
    pub message: String,
}

/// Why a deletion waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What holds it and how to release it.
    pub why: String,
    /// When it may go on by itself.
    pub until: Option<Timestamp>,
}

/// Fields that every managed kind has.
#[allow(
    clippy::doc_markdown,
    reason = "these lines are what `kubectl explain` prints"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Common {
    /// Whether to take over a thing of this name that exists at the cloud and was not made by this resource: None never, IfExists if it
    /// can be made equal to the spec. Default: None.
    #[serde(default)]
    pub adoption: Adoption,
    /// How much cooper does: Full makes, changes and deletes, Observe only reports what is there and writes neither to the cloud nor to
    /// Secrets. Default: Full.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What happens at the cloud when this resource is deleted: DeleteIfEmpty deletes unless something would be lost, and else waits and
    /// says so; Delete deletes with everything that is in it; Orphan leaves it there, and its Secrets in the cluster. Default: DeleteIfEmpty
    /// for what cooper made, Orphan for what it adopted; the one in effect stands in status.deletionPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Whether an existing remote may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// Never take over what somebody else made.
    #[default]
    None,
    /// Take it over if it exists and can be made equal to the spec.
    IfExists,
}

/// How much cooper may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Make, change and delete.
    #[default]
    Full,
    /// Report only; nothing is written to the cloud or to Secrets.
    Observe,
}

/// What happens to the remote when its resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum DeletionPolicy {
    /// Delete it unless something in it would be lost; then wait and say so.
    #[default]
    DeleteIfEmpty,
    /// Delete it with everything it holds.
    Delete,
    /// Leave it at the cloud, and leave its Secrets in the cluster.
    Orphan,
}

/// Takes the type's own description out of its schema: in an optional field it would stand in place of the field's.
pub fn undescribed(schema: &mut schemars::Schema) {
    schema.remove("description");
}

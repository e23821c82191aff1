//! The loop: one pass over one resource.
//!
//! guard → resolve → observe → { diff → plan → act } a few turns → keys → publish. Create, attach and mint happen in one pass.
//! What is decided is decided by pure functions (`intent`, `plan`, `diff`, `next`, `tell`); here is only the order of effects.
//! A pass may die after any request: the claim is written before a create, the finalizer before the claim, and every step is safe to repeat.

mod claim;
mod engine;
mod keys;
mod parting;
mod present;
mod publish;
mod undo;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Resource};
use serde::Serialize;

use super::{
    account::Link,
    clock::earlier,
    event::Note,
    external::{AccountKey, External, Remark, View},
    fault::{Class, Fault},
    guarded::Guarded,
    hands::Hand,
    intent::{ABANDON, Intent},
    memory::{Deep, Memo},
    object::{Trouble, answered},
    outcome::{Issue, Outcome},
    reason::Reason,
    secret::Found,
    status::{IssuedKey, Kind, Origin},
    subject::{Subject, place_key, target_of},
    trace,
};
use crate::engine::budget::Lane;

pub use engine::Engine;

/// What stops a pass halfway.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The cloud.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The Kubernetes API server.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// One pass over one resource. Its result is what it wrote and when it will be looked at again.
///
/// Thousands may wait at the same place, each holding what stands around it: so what comes after a wait is boxed, here and below, and
/// takes memory only once it begins.
pub async fn pass<K: External>(stored: Arc<Guarded<K>>, engine: Arc<Engine<K>>) {
    let core = Arc::clone(&engine.core);
    let _place = if is_calm(&stored) {
        tokio::select! {
            place = core.hands.glance() => place,
            () = core.gate.closed() => return,
        }
    } else {
        None
    };
    Box::pin(begin(stored, &engine)).await;
}

/// Whether it was as wanted when it was last told of, and nobody has asked for anything since.
fn is_calm<K: External>(stored: &Guarded<K>) -> bool {
    let meta = stored.meta();
    let status = stored.whole().and_then(|object| object.status());
    meta.deletion_timestamp.is_none()
        && status.is_some_and(|status| {
            status.observed_generation == meta.generation && status.is_true(Kind::Ready)
        })
}

async fn begin<K: External>(stored: Arc<Guarded<K>>, engine: &Engine<K>) {
    let core = &engine.core;
    // What a pass leaves in tables is the copy that stands there already.
    let target = core.references.known(&target_of::<K>(stored.meta()));
    let version = stored.meta().resource_version.as_deref();
    let Some(memo) = engine.memory.begin(&target, version) else {
        return;
    };
    let is_deleted = stored.meta().deletion_timestamp.is_some();
    core.wire.pass(&target, is_deleted);
    let Some(subject) = Subject::of(core.kube.clone(), target, &stored) else {
        return Box::pin(unreadable(&stored, engine)).await;
    };
    let now = core.clock.now();
    let mut pass = Box::new(Pass {
        engine,
        subject,
        memo,
        now,
        issue: None,
        key: None,
        learned: None,
        noted: false,
        claimed: None,
        remarks: None,
        made: None,
        minted: false,
        reached: None,
        hand: None,
        retry: None,
        silent: false,
    });
    let outcome = Box::pin(pass.run()).await;
    Box::pin(pass.finish(outcome)).await;
}

/// Tells one status from another.
fn digest(status: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // One that does not serialize could not have been written.
    serde_json::to_string(status)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}

/// One pass in the making.
pub(super) struct Pass<'e, K: External> {
    pub(super) engine: &'e Engine<K>,
    pub(super) subject: Subject<K>,
    pub(super) memo: Memo,
    pub(super) now: Timestamp,
    /// What the Secret came to, for issuers.
    pub(super) issue: Option<Issue>,
    /// The key in the Secret, for issuers.
    pub(super) key: Option<IssuedKey>,
    /// Facts learned in this pass, published whatever the outcome.
    pub(super) learned: Option<K::Facts>,
    /// What is about to be given was noted in this pass.
    pub(super) noted: bool,
    /// Account, place and origin to publish at the end; what must be known before a create is written before it.
    pub(super) claimed: Option<(AccountKey, K::Place, Option<Origin>)>,
    /// Conditions of the kind's own, if the pass got to see the remote as wanted.
    remarks: Option<Vec<Remark>>,
    /// The keys of a user that this pass made, as the answer to its create showed them.
    made: Option<keys::List>,
    /// The account whose session this pass works with.
    reached: Option<AccountKey>,
    /// Taken before this pass writes, and kept to its end.
    hand: Option<Hand>,
    /// Whether this pass made a key.
    minted: bool,
    /// When to look again, if something in the pass knows better than the outcome.
    pub(super) retry: Option<Timestamp>,
    /// Another process is at it: a status written now would only make its writes fail.
    pub(super) silent: bool,
}

impl<K: External> Pass<'_, K> {
    async fn run(&mut self) -> Outcome {
        match self.asked().await {
            Ok(outcome) => outcome,
            Err(Stop::Fault(fault)) => Outcome::Failed(fault),
            Err(Stop::Trouble(trouble)) => Outcome::Failed(fault_of(&trouble)),
        }
    }

    /// Does what the object asks for.
    async fn asked(&mut self) -> Result<Outcome, Stop> {
        let crd_leaving = Box::pin(self.crd_leaving()).await?;
        match self.subject.intent(crd_leaving) {
            Intent::Ignore => Ok(Outcome::Finished),
            Intent::Abandon => Box::pin(self.abandon()).await,
            Intent::Pause if self.subject.meta.deletion_timestamp.is_some() => {
                Ok(self.deletion_paused())
            }
            Intent::Pause => Ok(Outcome::Paused),
            Intent::Unreadable => Ok(self.unreadable()),
            Intent::Observe => Box::pin(self.observe_only()).await,
            Intent::Present => Box::pin(self.present()).await,
            Intent::Undo => Box::pin(self.undo()).await,
            Intent::Gone => Box::pin(self.gone_in_time()).await,
            Intent::Released => Box::pin(self.release()).await,
        }
    }

    /// The limit counts from when it is this pass's turn.
    async fn gone_in_time(&mut self) -> Result<Outcome, Stop> {
        if let Some(outcome) = self.braked() {
            return Ok(outcome);
        }
        if let Some((account, _)) = self.subject.claim() {
            let account = account.clone();
            self.take_hand(&account).await;
        }
        match tokio::time::timeout(parting::LIMIT, Box::pin(self.gone())).await {
            Ok(done) => done,
            Err(_) => Err(parting::too_slow().into()),
        }
    }

    /// Waits for its turn to work on the account, once a pass.
    pub(super) async fn take_hand(&mut self, account: &AccountKey) {
        if self.hand.is_none() {
            self.hand = self.engine.core.hands.work(account).await;
        }
    }

    /// Whether the operator stops. Then a pass that has begun to change something ends with what it is doing, writes down what it knows, and
    /// leaves the rest to the next operator: nobody is to wait until all of it is done.
    pub(super) fn is_relieved(&self) -> bool {
        self.hand.is_some() && self.engine.core.hands.are_closed()
    }

    /// What this waits for, unless the operator stops meanwhile: then the pass gives its hand back and goes no further. Only where nothing
    /// was done that is not written down yet.
    async fn unless_stopped<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let hands = &self.engine.core.hands;
        tokio::select! {
            done = wait => return done,
            () = hands.closed() => {}
        }
        self.hand = None;
        std::future::pending().await
    }

    /// Removing a CRD marks every object for deletion; it is not a user's wish to delete what the objects stand for. While nobody
    /// answers which of the two it is, nothing is deleted: that ends the pass, and the next one asks again.
    async fn crd_leaving(&self) -> Result<bool, Trouble> {
        if self.subject.meta.deletion_timestamp.is_none() {
            return Ok(false);
        }
        let api: Api<CustomResourceDefinition> = Api::all(self.engine.core.kube.clone());
        let name = format!("{}.{}", K::plural(&()), K::group(&()));
        let found = answered(api.get_metadata(&name)).await;
        is_leaving(found.map(|crd| crd.metadata.deletion_timestamp.is_some()))
    }

    /// The session of an account, or what to say without one.
    pub(super) fn session(&mut self, account: &AccountKey) -> Result<K::Cloud, Outcome> {
        match self.engine.sessions.link_for(account, &self.subject.target) {
            Link::Up(cloud) => {
                self.reached = Some(account.clone());
                Ok(cloud)
            }
            Link::Down(why) => Err(Outcome::NoSession(why)),
        }
    }

    /// How fresh this pass needs to see the cloud. Asked once the cloud can be reached, for it takes of what may be read deep.
    ///
    /// A warm listing is good enough to start from: a stale "absent" at worst leads to a refused create, which looks again. When the
    /// resource is due, its last look is out of date, so the listing must be newer than that; objects that are due together share one.
    pub(super) fn view(&mut self, account: &AccountKey, want: &K::Desired) -> View {
        let settings = &self.engine.core.settings;
        let is_drift = self.memo.due && self.memo.drift.is_some_and(|drift| drift <= self.now);
        let warm = earlier(self.now, settings.drift.mul_f64(1.2));
        let since = match self.memo.looked {
            Some(looked) if is_drift => looked.max(earlier(self.now, settings.drift / 2)),
            // Another operator has written, and may have seen more than a list from before shows: taking turns in correcting each
            // other would not end.
            _ if self
                .memo
                .left
                .is_some_and(|left| left != digest(&self.subject.status)) =>
            {
                self.now
            }
            Some(_) if self.memo.due && !self.memo.woken => Timestamp::MIN,
            _ => warm,
        };
        View {
            since,
            fresh: false,
            deep: self.goes_deep(account, want),
            parting: false,
            lane: if is_drift { Lane::Drift } else { Lane::Fresh },
        }
    }

    /// Whether what no list shows is to be read: after an edit until a pass has come to its end, and else when it is due and the
    /// account has not had enough of it.
    fn goes_deep(&mut self, account: &AccountKey, want: &K::Desired) -> bool {
        let depth = K::depth(Some(want), &self.subject.status.at_provider);
        if depth == 0 {
            // Nothing to read is as good as read: what there may be to read later is due a day later.
            self.memo.deep = Deep::At(self.now);
            return false;
        }
        if self.is_edited() {
            self.memo.deep = Deep::Owed;
        }
        let core = &self.engine.core;
        let is_due = match self.memo.deep {
            Deep::Owed => return true,
            Deep::Unknown => true,
            Deep::At(moment) => moment < earlier(self.now, core.settings.deep),
        };
        let interval = core.settings.drift;
        is_due && core.depths.take(account, depth, self.now, interval)
    }

    /// Whether the spec changed since the status was written.
    fn is_edited(&self) -> bool {
        self.subject.status.observed_generation != self.subject.meta.generation
    }

    fn unreadable(&self) -> Outcome {
        let error = self.subject.unreadable.as_deref().unwrap_or("unknown");
        let text = format!(
            "this object cannot be read: {error}; correct it with kubectl edit. Nothing is changed meanwhile"
        );
        Outcome::Refused(Reason::Undecodable, text)
    }

    async fn abandon(&mut self) -> Result<Outcome, Stop> {
        let place = self
            .subject
            .claim()
            .map(|(account, place)| format!("{place:?} of account {account}"));
        match self.disown().await {
            Ok(()) => {}
            Err(Trouble::Conflict) => return Err(Trouble::Conflict.into()),
            // This is the last way out: it must not be blocked by anything.
            Err(trouble) => tracing::warn!(error = %trouble, "the Secret may go with its owner"),
        }
        self.subject.remove_finalizer().await?;
        let keys = self.subject.status.keys.as_ref();
        let off = match keys.and_then(|ledger| ledger.parting) {
            Some(_) => "; its access keys may be switched off there",
            None => "",
        };
        let text = format!(
            "abandoned by annotation {ABANDON}; left at the cloud: {}{off}",
            place.unwrap_or_else(|| "nothing".into())
        );
        self.note(Note::warning(Reason::Abandoned, text));
        Ok(Outcome::Finished)
    }

    /// The remote stays, and its key with it: the Secret, which holds the only copy, must not be collected with this resource.
    async fn disown(&self) -> Result<(), Trouble> {
        let keys = self.subject.status.keys.as_ref();
        let Some(name) = keys.and_then(|ledger| ledger.secret_name.as_deref()) else {
            return Ok(());
        };
        let (secrets, namespace) = (&self.engine.core.secrets, &self.subject.target.namespace);
        let Found::Ours(mut secret) = secrets.read(namespace, name).await? else {
            return Ok(());
        };
        let owners = secret.metadata.owner_references.get_or_insert_default();
        let count = owners.len();
        owners.retain(|owner| owner.uid != self.subject.uid());
        if owners.len() < count {
            secrets.replace(namespace, &secret).await?;
        }
        Ok(())
    }

    /// The facts as they are known now.
    pub(super) fn facts(&self) -> K::Facts {
        self.learned
            .clone()
            .unwrap_or_else(|| self.subject.status.at_provider.clone())
    }

    /// Takes the facts that a remote shows.
    pub(super) fn learn(&mut self, want: Option<&K::Desired>, now: &K::Remote) {
        self.learned = Some(K::facts(want, now, &self.facts(), self.now));
    }

    /// How the remote came to be ours, as known now.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.claimed
            .as_ref()
            .map_or(self.subject.status.origin, |(_, _, origin)| *origin)
    }

    /// The next look is no later than this.
    pub(super) fn look_again_at(&mut self, moment: Timestamp) {
        self.retry = Some(self.retry.unwrap_or(moment).min(moment));
    }

    /// Sends an event about this resource.
    pub(super) fn note(&self, note: Note) {
        self.engine.core.events.send::<K>(&self.subject.meta, note);
    }

    /// Takes a place in the table of owners, or says who has it.
    pub(super) fn reserve(&self, account: &AccountKey, place: &K::Place) -> Result<(), Outcome> {
        let key = place_key::<K>(account, place);
        let owner = self.subject.owner();
        let other = match self.subject.claim() {
            Some((a, p)) if a == account && p == place => {
                self.engine.core.owners.claim(&key, &owner)
            }
            _ => self.engine.core.owners.reserve(&key, &owner),
        };
        match other {
            None => Ok(()),
            Some(other) => {
                let text = format!(
                    "{} stands for the same remote and was first; name another one here, or delete one of the two",
                    other.resource
                );
                Err(Outcome::Refused(Reason::AlreadyManaged, text))
            }
        }
    }

    /// Gives up a place that this resource cannot have: another one may be allowed to, such as one that adopts.
    pub(super) fn unreserve(&self, account: &AccountKey, place: &K::Place) {
        let core = &self.engine.core;
        let key = place_key::<K>(account, place);
        core.pass_on(&core.owners.release(&key, self.subject.uid()));
    }
}

/// Whether a CRD is being removed, from the answer to the question whether it is marked for deletion.
fn is_leaving(marked: Result<bool, Trouble>) -> Result<bool, Trouble> {
    match marked {
        Ok(is_marked) => Ok(is_marked),
        // It went with the last object.
        Err(Trouble::Gone) => Ok(true),
        // Who installs cooper without the right to read its CRDs is told that their removal then deletes as a user's delete does.
        Err(Trouble::Kube(kube::Error::Api(status))) if status.is_forbidden() => {
            tracing::info!(
                "without the right to read CRDs their removal cannot be told from a user's delete, and is taken for one"
            );
            Ok(false)
        }
        Err(trouble) => Err(trouble),
    }
}

/// A trouble with the API server, as conditions show it.
fn fault_of(trouble: &Trouble) -> Fault {
    match trouble {
        Trouble::Conflict | Trouble::Gone => {
            Fault::new(Class::Conflict, Reason::Conflict, trouble.to_string())
        }
        Trouble::Terminating => Fault::new(
            Class::Conflict,
            Reason::NamespaceTerminating,
            trouble.to_string(),
        ),
        Trouble::Timeout | Trouble::Kube(_) => {
            Fault::transient(Reason::KubernetesUnavailable, trouble.to_string())
        }
    }
}

/// Not even the status can be read: only the annotation to abandon helps such an object out.
async fn unreadable<K: External>(stored: &Guarded<K>, engine: &Engine<K>) {
    let meta = stored.meta();
    trace::came_to("refused", Some(Reason::Undecodable), true);
    tracing::warn!(object = %target_of::<K>(meta), "neither spec nor status can be read");
    let text = format!(
        "this object cannot be read, not even its status; correct it, or annotate it with {ABANDON}: \"true\" to let it be deleted"
    );
    engine
        .core
        .events
        .send::<K>(meta, Note::warning(Reason::Undecodable, text));
    if meta.deletion_timestamp.is_some() && super::intent::says(meta, ABANDON) {
        let finalizers = super::intent::finalizers_without_ours(meta);
        let object =
            super::object::Object::of::<K>(engine.core.kube.clone(), &target_of::<K>(meta));
        if let Err(trouble) = object
            .put_finalizers(
                meta.resource_version.as_deref().unwrap_or_default(),
                &finalizers,
            )
            .await
        {
            tracing::warn!(error = %trouble, "finalizer not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upcloud::iam_user::IamUser;

    type Given = (Arc<Guarded<IamUser>>, Arc<Engine<IamUser>>);
    type Running = &'static mut Pass<'static, IamUser>;

    fn refused(code: u16, reason: &str) -> Result<bool, Trouble> {
        let mut status = kube::core::Status::failure("refused", reason);
        status.code = code;
        Err(Trouble::of(kube::Error::Api(status.boxed())))
    }

    #[test]
    fn only_who_answers_says_that_a_deletion_is_a_users() {
        for (answer, leaving) in [
            (Ok(true), true),
            (Ok(false), false),
            (refused(404, "NotFound"), true),
            (refused(403, "Forbidden"), false),
        ] {
            assert_eq!(is_leaving(answer).ok(), Some(leaving));
        }
        // The last is what a proxy says, not the API server.
        for (code, reason) in [
            (401, "Unauthorized"),
            (409, "Conflict"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (503, "ServiceUnavailable"),
            (504, "Timeout"),
            (403, "Failed to parse error data"),
        ] {
            assert!(is_leaving(refused(code, reason)).is_err(), "{code}");
        }
        assert!(is_leaving(Err(Trouble::Timeout)).is_err());
    }

    fn size_of_answer<G, F>(_: impl FnOnce(G) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_pass_that_waits_is_small() {
        let at_the_gate = size_of_answer(|(stored, engine): Given| pass(stored, engine));
        assert!(at_the_gate < 1024, "{at_the_gate} B");
        let for_its_turn = size_of::<Pass<'_, IamUser>>()
            + size_of_answer(|pass: Running| pass.run())
            + size_of_answer(|pass: Running| pass.present());
        assert!(for_its_turn < 8192, "{for_its_turn} B");
    }
}

//! The loop: one pass over one resource.
//!
//! guard → resolve → observe → { diff → plan → act } a few turns → keys → publish. Create, attach and mint happen in one pass.
//! What is decided is decided by pure functions (`intent`, `plan`, `diff`, `next`, `tell`); here is only the order of effects.
//! A pass may die after any request: the claim is written before a create, the finalizer before the claim, and every step is safe to repeat.

mod keys;
mod parting;
mod present;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{Api, Resource};

use super::{
    account::{Link, Sessions},
    clock::{earlier, later},
    controller::Controlled,
    core::Core,
    delay,
    event::Note,
    external::{AccountKey, External, Ref, View},
    fault::{Class, Fault},
    guarded::Guarded,
    intent::{ABANDON, Intent},
    keyring::Keyring,
    memory::{Memo, Memory},
    object::{Trouble, answered},
    outcome::{Issue, Outcome, tell},
    reason::Reason,
    status::{Conditions, Kind, Origin},
    subject::{StatusOf, Subject, owner_of, place_key, target_of},
    wake::Wake,
};
use crate::engine::budget::Lane;

/// Everything a pass over kind `K` works with.
pub struct Engine<K: External> {
    /// What all controllers share.
    pub core: Arc<Core>,
    /// Sessions of the accounts that kind `K` lives in.
    pub sessions: Arc<Sessions<K::Account>>,
    /// What is remembered between passes.
    pub memory: Memory,
}

impl<K: External> Engine<K> {
    /// Of accounts that `sessions` reach.
    pub fn new(core: Arc<Core>, sessions: Arc<Sessions<K::Account>>) -> Self {
        Self {
            core,
            sessions,
            memory: Memory::default(),
        }
    }
}

impl<K: External> Controlled<K> for Engine<K> {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn refs(&self, stored: &Guarded<K>) -> Vec<Ref> {
        let spec = stored
            .last_whole()
            .map(|object| object.refs())
            .unwrap_or_default();
        let account = status_of(stored).and_then(|status| status.account);
        let account = account.map(|account| Ref::holding(Sessions::<K::Account>::target(&account)));
        spec.into_iter().chain(account).collect()
    }

    fn offer(&self, stored: &Guarded<K>) -> serde_json::Value {
        stored
            .last_whole()
            .map(|object| object.offer())
            .unwrap_or_default()
    }

    fn seen(&self, stored: &Guarded<K>) {
        let Some(StatusOf::<K> {
            account: Some(account),
            place: Some(place),
            origin: Some(_),
            ..
        }) = status_of(stored)
        else {
            return;
        };
        self.core.owners.claim(
            &place_key::<K>(&account, &place),
            &owner_of::<K>(stored.meta()),
        );
    }

    fn gone(&self, stored: &Guarded<K>) {
        let target = target_of::<K>(stored.meta());
        self.memory.forget(&target.namespace, &target.name);
        // Also what it only reserved: a refused resource has nothing in its status.
        let uid = stored.meta().uid.as_deref().unwrap_or_default();
        self.core.pass_on(&self.core.owners.forget(uid));
    }

    fn woken(&self, wake: &Wake) {
        self.memory.wake(&wake.namespace, &wake.name, wake.cause);
    }

    fn pass(self: Arc<Self>, stored: Arc<Guarded<K>>) -> BoxFuture<'static, ()> {
        Box::pin(pass(stored, self))
    }
}

fn status_of<K: External>(stored: &Guarded<K>) -> Option<StatusOf<K>> {
    match stored {
        Guarded::Whole(object) => object.status().cloned(),
        Guarded::Part(part) => serde_json::from_value(part.status.clone()).ok(),
    }
}

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
pub async fn pass<K: External>(stored: Arc<Guarded<K>>, engine: Arc<Engine<K>>) {
    engine.core.gate.pass().await;
    let target = target_of::<K>(stored.meta());
    let version = stored.meta().resource_version.as_deref();
    let (namespace, name) = (&target.namespace, &target.name);
    let Some(memo) = engine.memory.begin(namespace, name, version) else {
        return;
    };
    let Some(subject) = Subject::of(engine.core.kube.clone(), &stored) else {
        return unreadable(&stored, &engine).await;
    };
    let now = engine.core.clock.now();
    let mut pass = Pass {
        engine: &engine,
        subject,
        memo,
        now,
        issue: None,
        learned: None,
        claimed: None,
        made: None,
        minted: false,
        reached: None,
        retry: None,
    };
    let outcome = pass.run().await;
    pass.finish(outcome).await;
}

/// One pass in the making.
pub(super) struct Pass<'e, K: External> {
    pub(super) engine: &'e Engine<K>,
    pub(super) subject: Subject<K>,
    pub(super) memo: Memo,
    pub(super) now: Timestamp,
    /// What the Secret came to, for issuers.
    pub(super) issue: Option<Issue>,
    /// Facts learned in this pass, published whatever the outcome.
    pub(super) learned: Option<K::Facts>,
    /// Account, place and origin to publish at the end; what must be known before a create is written before it.
    pub(super) claimed: Option<(AccountKey, K::Place, Option<Origin>)>,
    /// The keys of a user that this pass made, as the answer to its create showed them.
    made: Option<keys::List>,
    /// The account whose session this pass works with.
    reached: Option<AccountKey>,
    /// Whether this pass made a key.
    minted: bool,
    /// When to look again, if something in the pass knows better than the outcome.
    pub(super) retry: Option<Duration>,
}

impl<K: External> Pass<'_, K> {
    async fn run(&mut self) -> Outcome {
        let done = match self.subject.intent(self.crd_leaving().await) {
            Intent::Ignore => Ok(Outcome::Finished),
            Intent::Abandon => self.abandon().await,
            Intent::Pause if self.subject.meta.deletion_timestamp.is_some() => {
                Ok(Self::deletion_paused())
            }
            Intent::Pause => Ok(Outcome::Paused),
            Intent::Unreadable => Ok(self.unreadable()),
            Intent::Observe => self.observe_only().await,
            Intent::Present => self.present().await,
            Intent::Gone => match tokio::time::timeout(parting::LIMIT, self.gone()).await {
                Ok(done) => done,
                Err(_) => Err(parting::too_slow().into()),
            },
            Intent::Released => self.release().await,
        };
        match done {
            Ok(outcome) => outcome,
            Err(Stop::Fault(fault)) => Outcome::Failed(fault),
            Err(Stop::Trouble(trouble)) => Outcome::Failed(fault_of(&trouble)),
        }
    }

    /// Removing a CRD marks every object for deletion; it is not a user's wish to delete what the objects stand for.
    async fn crd_leaving(&self) -> bool {
        if self.subject.meta.deletion_timestamp.is_none() {
            return false;
        }
        let api: Api<CustomResourceDefinition> = Api::all(self.engine.core.kube.clone());
        let name = format!("{}.{}", K::plural(&()), K::group(&()));
        // Without the right to read CRDs (a namespaced installation) this cannot be told apart.
        answered(api.get_metadata(&name))
            .await
            .is_ok_and(|crd| crd.metadata.deletion_timestamp.is_some())
    }

    /// The session of an account, or what to say without one.
    pub(super) fn session(
        &mut self,
        account: &AccountKey,
        view: View,
    ) -> Result<K::Cloud, Outcome> {
        use super::external::Cloud;
        match self.engine.sessions.link(account) {
            Link::Up(cloud) => {
                self.reached = Some(account.clone());
                Ok(cloud.pass(view))
            }
            Link::Down(why) => Err(Outcome::NoSession(why)),
        }
    }

    /// How fresh this pass needs to see the cloud.
    ///
    /// A warm listing is good enough to start from: a stale "absent" at worst leads to a refused create, which looks again. When the
    /// resource is due, its last look is out of date, so the listing must be newer than that; objects that are due together share one.
    pub(super) fn view(&self) -> View {
        let settings = &self.engine.core.settings;
        let is_drift = self.memo.due && self.memo.drift.is_none_or(|drift| drift <= self.now);
        let warm = earlier(self.now, settings.drift.mul_f64(1.2));
        let since = match self.memo.looked {
            Some(looked) if is_drift => looked.max(earlier(self.now, settings.drift / 2)),
            Some(_) if self.memo.due && !self.memo.woken => Timestamp::MIN,
            _ => warm,
        };
        let deep = self
            .memo
            .deep
            .is_none_or(|deep| deep < earlier(self.now, settings.deep))
            || self.is_edited();
        View {
            since,
            fresh: false,
            deep,
            parting: false,
            lane: if is_drift { Lane::Drift } else { Lane::Fresh },
        }
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
        self.subject.remove_finalizer().await?;
        let text = format!(
            "abandoned by annotation {ABANDON}; left at the cloud: {}",
            place.unwrap_or_else(|| "nothing".into())
        );
        self.note(Note::warning(Reason::Abandoned, text));
        Ok(Outcome::Finished)
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

    /// Sends an event about this resource.
    pub(super) fn note(&self, note: Note) {
        self.engine.core.events.send::<K>(&self.subject.meta, note);
    }

    /// Publishes what the pass came to, if it differs from what stands, and sets the next look.
    async fn finish(mut self, outcome: Outcome) {
        if let Outcome::Failed(fault) = &outcome
            && let (Class::Denied, Some(account)) = (fault.class, &self.reached)
        {
            self.engine.sessions.doubt(account);
        }
        let mut written = Ok(false);
        let before = self.subject.status.conditions.clone();
        // A conflict is decided anew at once; the next pass has something to say.
        let is_conflict =
            matches!(&outcome, Outcome::Failed(fault) if fault.class == Class::Conflict);
        if outcome != Outcome::Finished && !is_conflict {
            let status = self.status(&outcome);
            written = self.subject.put_status(status).await;
        }
        self.announce_issue(&before);
        let next = match &written {
            Err(trouble) => {
                tracing::debug!(target = %self.subject.target, error = %trouble, "status not written");
                Some(delay::after(
                    &fault_of(trouble),
                    self.memo.failures,
                    rand::random(),
                ))
            }
            Ok(_) => self.next(&outcome),
        };
        self.announce(&outcome, matches!(written, Ok(true)));
        self.remember(&outcome, next);
    }

    fn status(&mut self, outcome: &Outcome) -> StatusOf<K> {
        let mut status = self.subject.status.clone();
        let mut conditions = Conditions::new(
            std::mem::take(&mut status.conditions),
            self.subject.meta.generation,
            self.now,
        );
        tell(
            &mut conditions,
            outcome,
            self.issue.as_ref(),
            status.origin.is_some(),
        );
        if !K::Keys::ISSUES
            || self
                .subject
                .spec()
                .is_some_and(|spec| K::Keys::spec(spec).is_none())
        {
            conditions.clear(Kind::Issued);
        }
        status.conditions = conditions.finish();
        status.observed_generation = self.subject.meta.generation;
        status.deletion_policy = Some(self.subject.policy());
        if let Some(facts) = self.learned.take() {
            status.at_provider = facts;
        }
        if let Some((account, place, origin)) = self.claimed.take() {
            (status.account, status.place, status.origin) = (Some(account), Some(place), origin);
        }
        status
    }

    /// When to look again. `None`: nothing will change by itself.
    fn next(&mut self, outcome: &Outcome) -> Option<Duration> {
        use super::external::Phase;
        let dice = rand::random();
        let is_moving = matches!(
            outcome,
            Outcome::InSync(Phase::Settling(_) | Phase::Leaving(_), _)
                | Outcome::Observed(Phase::Settling(_), _)
                | Outcome::Leaving(_)
                | Outcome::Held(_)
        );
        self.memo.looks = if is_moving {
            self.memo.looks.saturating_add(1)
        } else {
            0
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        let failures = self.memo.failures;
        self.memo.failures = if failed {
            failures.saturating_add(1)
        } else {
            0
        };
        if failed {
            self.memo.sweeps = 0;
        }
        let own = match outcome {
            Outcome::Finished => return None,
            Outcome::Paused => delay::SLOW,
            Outcome::InSync(Phase::Settling(_) | Phase::Leaving(_), _)
            | Outcome::Observed(Phase::Settling(_), _)
            | Outcome::Leaving(_) => delay::settling(self.memo.looks - 1, dice),
            Outcome::InSync(..) | Outcome::Observed(..) | Outcome::NotThere => {
                delay::jittered(self.engine.core.settings.drift, dice)
            }
            Outcome::Waiting(..) | Outcome::NoSession(_) => delay::jittered(delay::WOKEN, dice),
            Outcome::Busy(..) => delay::held(0, dice),
            Outcome::Refused(..) => delay::jittered(delay::SLOW, dice),
            Outcome::Held(_) => delay::held(self.memo.looks - 1, dice),
            Outcome::Failed(fault) => delay::after(fault, failures, dice),
        };
        Some(self.retry.map_or(own, |retry| retry.min(own)))
    }

    /// Warns once when something is not as it should be; what a user did is told where it is done.
    fn announce(&self, outcome: &Outcome, is_news: bool) {
        let (reason, text) = match outcome {
            Outcome::Refused(reason, text) | Outcome::Waiting(reason, text) => {
                (*reason, text.clone())
            }
            Outcome::Held(text) => (Reason::DeletionHeld, text.clone()),
            Outcome::Failed(fault) if fault.class != Class::Conflict => {
                (fault.reason, fault.told())
            }
            _ => return,
        };
        if is_news {
            self.note(Note::warning(reason, text));
        }
    }

    /// Warns once when somebody has to act before the Secret can hold a key; the resource itself may be as wanted all the same.
    fn announce_issue(&self, before: &[Condition]) {
        let Some(issue) = &self.issue else { return };
        let was = before
            .iter()
            .find(|condition| condition.type_ == Kind::Issued.name());
        let is_news = was.is_none_or(|was| was.reason != issue.reason.to_string());
        let needs_somebody = matches!(
            issue.reason,
            Reason::SecretNotOurs | Reason::QuotaFull | Reason::LostKeys | Reason::AmbiguousKeys
        );
        if is_news && needs_somebody {
            self.note(Note::warning(issue.reason, issue.message.clone()));
        }
    }

    fn remember(mut self, outcome: &Outcome, next: Option<Duration>) {
        let (core, target) = (&self.engine.core, &self.subject.target);
        if *outcome == Outcome::Finished {
            core.wakes.at(target, None);
            return;
        }
        self.memo.past = std::mem::take(&mut self.subject.past);
        let drift = next.map(|next| later(core.clock.now(), next));
        let looks_at_secret = self.issue.is_some() && matches!(outcome, Outcome::InSync(..));
        let secret = looks_at_secret.then(|| {
            later(
                core.clock.now(),
                delay::jittered(core.settings.secret_check, rand::random()),
            )
        });
        // A light look at the Secret must not push the next look at the remote away.
        let is_light = self.memo.due
            && self.memo.drift.is_some_and(|drift| drift > self.now)
            && matches!(outcome, Outcome::InSync(..))
            && self.retry.is_none();
        if !is_light {
            self.memo.drift = drift;
        }
        self.memo.secret = secret;
        // An edit that came in between our own reads has not been acted on: its event must not look like an echo of our write.
        self.memo.wrote = (!self.subject.overtaken).then(|| self.subject.version.clone());
        let due = [self.memo.drift, self.memo.secret]
            .into_iter()
            .flatten()
            .min();
        core.wakes.at(target, due);
        self.engine
            .memory
            .end(&target.namespace, &target.name, self.memo);
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
    tracing::warn!(object = %target_of::<K>(meta), "neither spec nor status can be read");
    let text = format!(
        "this object cannot be read, not even its status; correct it, or annotate it with {ABANDON}: \"true\" to let it be deleted"
    );
    engine
        .core
        .events
        .send::<K>(meta, Note::warning(Reason::Undecodable, text));
    if meta.deletion_timestamp.is_some() && super::intent::says(meta, ABANDON) {
        let finalizers = meta
            .finalizers
            .iter()
            .flatten()
            .filter(|name| *name != super::object::FINALIZER)
            .cloned()
            .collect::<Vec<_>>();
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

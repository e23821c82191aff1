//! One pass over one account.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Resource, ResourceExt};

use super::{
    AccountStatus, Outside, Provider, Sessions,
    desk::{Desk, Outcome},
};
use crate::engine::{
    clock::{earlier, later},
    controller::Controlled,
    core::Core,
    delay,
    external::{AccountKey, Ref, Target},
    fault::{Class, Fault},
    guarded::Guarded,
    intent,
    metrics::Report,
    object::{Object, Trouble},
    reason::Reason,
    secret::{CONSENT, Found},
    subject::target_of,
    trace,
    wake::{Cause, Wake},
};

/// The accounts of one provider.
pub struct Accounts<A: Provider> {
    /// What all controllers share.
    pub core: Arc<Core>,
    /// The sessions they open.
    pub sessions: Arc<Sessions<A>>,
    /// What a session needs from outside.
    pub outside: Outside,
    opened: Mutex<HashMap<AccountKey, Opened>>,
}

/// From what a session was opened, and when it was last checked.
#[derive(Clone)]
struct Opened {
    digest: Vec<u8>,
    checked: Timestamp,
}

impl<A: Provider> Accounts<A> {
    /// No session yet.
    pub fn new(core: Arc<Core>, outside: Outside) -> Self {
        let sessions = Arc::new(Sessions::new(Arc::clone(&core.wakes)));
        Self {
            core,
            sessions,
            outside,
            opened: Mutex::default(),
        }
    }

    /// Nothing goes over this account any more.
    pub(super) fn close(&self, account: &AccountKey) {
        self.sessions.close(account);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.remove(account);
    }
}

impl<A: Provider> Controlled<A> for Accounts<A> {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn refs(&self, _: &Guarded<A>) -> Vec<Ref> {
        Vec::new()
    }

    fn offer(&self, stored: &Guarded<A>) -> serde_json::Value {
        stored
            .last_whole()
            .map(|account| account.offer())
            .unwrap_or_default()
    }

    fn seen(&self, stored: &Guarded<A>) {
        self.brake_seen(stored);
        // A resource that is made again may have been looked at before this came.
        for kept in stored
            .whole()
            .and_then(|account| account.status())
            .into_iter()
            .flat_map(|status| &status.kept)
        {
            let kind = kept.kind.clone();
            let target = Target::new(A::group(&()), kind, &*kept.namespace, &*kept.name);
            if self.core.references.knows(&target) {
                self.core.wakes.wake(&target, Cause::Woken);
            }
        }
    }

    fn gone(&self, stored: &Guarded<A>) {
        let target = target_of::<A>(stored.meta());
        self.core.brakes.forget(&target);
        self.close(&key_of(&target));
    }

    fn woken(&self, _: &Wake) {}

    fn absent(&self, target: &Target) {
        self.close(&key_of(target));
    }

    fn report(&self, stored: &Guarded<A>) -> Report {
        let status = match stored {
            Guarded::Whole(account) => account.status().cloned(),
            Guarded::Part(part) => serde_json::from_value(part.status.clone()).ok(),
        };
        Report {
            conditions: status
                .map(|status: AccountStatus| status.conditions)
                .unwrap_or_default(),
            deleted: stored.meta().deletion_timestamp.as_ref().map(|at| at.0),
            ..Report::default()
        }
    }

    fn remembered(&self) -> usize {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.len() + self.sessions.waiting()
    }

    fn oldest_look(&self) -> Option<Timestamp> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.values().map(|opened| opened.checked).min()
    }

    fn pass(self: Arc<Self>, stored: Arc<Guarded<A>>) -> BoxFuture<'static, ()> {
        Box::pin(pass(stored, self))
    }
}

/// Looks at one account: reads its credentials, opens or checks its session, tells.
pub async fn pass<A: Provider>(stored: Arc<Guarded<A>>, accounts: Arc<Accounts<A>>) {
    let target = target_of::<A>(stored.meta());
    let now = accounts.core.clock.now();
    let is_deleted = stored.meta().deletion_timestamp.is_some();
    accounts.core.wire.pass(&target, is_deleted);
    let desk = Desk {
        accounts: &accounts,
        meta: stored.meta(),
        key: key_of(&target),
        target: &target,
        now,
    };
    let done = match &*stored {
        Guarded::Whole(account) => Pass { desk, account }.run().await,
        Guarded::Part(part) => desk.unreadable(part).await,
    };
    let next = match done {
        Ok(next) => next,
        Err(trouble) if trouble.is_conflict() => Duration::from_millis(200),
        Err(trouble) => {
            tracing::warn!(%target, error = %trouble, "account not looked at");
            Duration::from_secs(5)
        }
    };
    accounts.core.wakes.at(
        &target,
        Some(later(now, delay::jittered(next, rand::random()))),
    );
}

fn key_of(target: &Target) -> AccountKey {
    AccountKey {
        namespace: target.namespace.clone(),
        name: target.name.clone(),
    }
}

struct Pass<'a, A: Provider> {
    desk: Desk<'a, A>,
    account: &'a A,
}

impl<'a, A: Provider> Deref for Pass<'a, A> {
    type Target = Desk<'a, A>;

    fn deref(&self) -> &Desk<'a, A> {
        &self.desk
    }
}

impl<A: Provider> Pass<'_, A> {
    async fn run(&self) -> Result<Duration, Trouble> {
        let users = self.accounts.core.references.holding(self.target);
        let meta = self.meta;
        if self.may_go(&users) {
            trace::came_to("finished", None, false);
            let names = [Some(self.account.credentials_secret()), self.marked()];
            self.let_go(&names.into_iter().flatten().collect()).await?;
            return Ok(delay::SLOW);
        }
        let outcome = match self.connect(!users.is_empty()).await {
            Ok(Outcome::Connected) if meta.deletion_timestamp.is_some() => {
                Outcome::InUse(named(&users))
            }
            Ok(outcome) => outcome,
            Err(trouble) if matches!(trouble, Trouble::Conflict | Trouble::Gone) => {
                return Err(trouble);
            }
            Err(trouble) => Outcome::Kept(Reason::KubernetesUnavailable, trouble.to_string()),
        };
        let next = self.next(&outcome);
        self.accounts
            .core
            .metrics
            .passed(&self.target.kind, outcome.word());
        trace::came_to(outcome.word(), Some(outcome.reason()), outcome.is_wrong());
        let mut status = self.account.status().cloned().unwrap_or_default();
        let before = status.clone();
        if !users.is_empty() && matches!(outcome, Outcome::Connected | Outcome::InUse(_)) {
            status.marked_secret = Some(self.account.credentials_secret().to_owned());
        }
        self.tell(before, status, outcome).await?;
        Ok(next)
    }

    /// Opens the session if the credentials are new, checks it if it is doubted or unchecked for long.
    async fn connect(&self, in_use: bool) -> Result<Outcome, Trouble> {
        let name = self.account.credentials_secret();
        let secret = match self
            .accounts
            .core
            .secrets
            .read(&self.key.namespace, name)
            .await?
        {
            Found::Ours(secret) => secret,
            Found::Absent => {
                return Ok(self.without(Reason::SecretNotFound, format!("Secret {name} does not exist; create it with the credentials and the label {CONSENT}: {}", A::CONSENT)));
            }
            Found::Foreign => return Ok(self.unlabelled(name)),
        };
        if secret.labels().get(CONSENT).map(String::as_str) != Some(A::CONSENT) {
            return Ok(self.unlabelled(name));
        }
        let digest = fingerprint(self.account, &secret);
        let known = self
            .accounts
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&self.key)
            .cloned();
        let is_new = known.as_ref().is_none_or(|known| known.digest != digest);
        let is_old = known.is_none_or(|known| known.checked < earlier(self.now, delay::DRIFT));
        let cloud = match self.accounts.sessions.cloud(&self.key) {
            Some(cloud) if !is_new => cloud,
            _ => match self.account.open(
                &secret.data.clone().unwrap_or_default(),
                &self.accounts.outside,
            ) {
                Ok(cloud) => cloud,
                Err(fault) => return Ok(self.refused(&fault)),
            },
        };
        let down = matches!(self.accounts.sessions.link(&self.key), super::Link::Down(_));
        if is_new || is_old || down || self.accounts.sessions.is_doubted(&self.key) {
            match A::identify(&cloud).await {
                Ok(identity) => {
                    if let Some(outcome) = self.pin(identity).await? {
                        return Ok(outcome);
                    }
                }
                Err(fault) => return Ok(self.refused(&fault)),
            }
            let opened = Opened {
                digest,
                checked: self.now,
            };
            self.accounts
                .opened
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(self.key.clone(), opened);
            if self.accounts.sessions.up(&self.key, cloud, is_new) {
                self.wake_users();
            }
        }
        if in_use {
            self.hold().await?;
            self.accounts
                .core
                .secrets
                .mark_in_use(&self.key.namespace, &secret, true)
                .await?;
            // The one named before is not needed any more.
            if let Some(former) = self.marked().filter(|former| *former != name) {
                self.give_back(former).await?;
            }
        }
        Ok(Outcome::Connected)
    }

    /// The Secret that carries the mark of use for this account.
    fn marked(&self) -> Option<&str> {
        self.account.status()?.marked_secret.as_deref()
    }

    /// Puts the finalizer back that somebody took off: nothing else keeps what uses the account from being stranded.
    async fn hold(&self) -> Result<(), Trouble> {
        let meta = self.meta;
        if intent::has_finalizer(meta)
            || meta.deletion_timestamp.is_some()
            || self
                .account
                .status()
                .is_none_or(|status| status.identity.is_none())
        {
            return Ok(());
        }
        let object = Object::of::<A>(self.accounts.core.kube.clone(), self.target);
        let version = meta.resource_version.clone().unwrap_or_default();
        let finalizers = intent::finalizers_with_ours(meta);
        object.put_finalizers(&version, &finalizers).await?;
        Ok(())
    }

    /// Pins the identity at first sight, before anything is done with the session; refuses another one later.
    async fn pin(&self, identity: String) -> Result<Option<Outcome>, Trouble> {
        let status = self.account.status().cloned().unwrap_or_default();
        match status.identity {
            Some(pinned) if pinned == identity => Ok(None),
            Some(pinned) => {
                let text = format!(
                    "the credentials belong to account {identity}, but this Account stands for {pinned}: nothing is done with them. \
                     Put the credentials of {pinned} into the Secret, or make another Account for {identity}"
                );
                Ok(Some(self.down(
                    Reason::AnotherAccount,
                    text,
                    Class::Terminal,
                )))
            }
            None => {
                let object = Object::of::<A>(self.accounts.core.kube.clone(), self.target);
                let meta = self.meta;
                let mut version = meta.resource_version.clone().unwrap_or_default();
                if !intent::has_finalizer(meta) {
                    let finalizers = intent::finalizers_with_ours(meta);
                    version = object.put_finalizers(&version, &finalizers).await?;
                }
                let mut status = AccountStatus {
                    identity: Some(identity),
                    ..status
                };
                self.conditions(&mut status, &Outcome::Connected);
                object.put_status(&version, &status).await?;
                Ok(None)
            }
        }
    }

    fn unlabelled(&self, name: &str) -> Outcome {
        let text = format!(
            "Secret {name} does not carry the label {CONSENT}: {value}, so cooper may not read it; \
             consent with: kubectl label secret -n {namespace} {name} {CONSENT}={value}",
            value = A::CONSENT,
            namespace = self.key.namespace,
        );
        self.without(Reason::SecretNotLabelled, text)
    }

    /// The Secret cannot be had: a session that is open goes on, so that what it made can still be deleted.
    fn without(&self, reason: Reason, text: String) -> Outcome {
        match self.accounts.sessions.link(&self.key) {
            super::Link::Up(_) => Outcome::Kept(
                reason,
                format!("{text}. The session opened before goes on until the operator restarts"),
            ),
            super::Link::Down(_) => self.down(reason, text, Class::Denied),
        }
    }

    fn refused(&self, fault: &Fault) -> Outcome {
        match fault.class {
            Class::Denied | Class::Terminal => {
                let mut text = fault.message.clone();
                if fault.reason == Reason::CredentialsRefused {
                    let name = self.account.credentials_secret();
                    text = format!("{text} ({}/{name})", self.key.namespace);
                }
                self.down(fault.reason, text, fault.class)
            }
            Class::Transient | Class::Throttled(_) | Class::Conflict => {
                Outcome::Kept(fault.reason, fault.message.clone())
            }
        }
    }

    fn down(&self, reason: Reason, text: String, class: Class) -> Outcome {
        let told = format!("Account {} does not work: {text}", self.key);
        if self.accounts.sessions.refuse(&self.key, told) {
            self.wake_users();
        }
        Outcome::Down(reason, text, class)
    }

    fn wake_users(&self) {
        let naming = self.accounts.core.references.naming(self.target);
        let waiting = self.accounts.sessions.take_waiting(&self.key);
        for user in naming.into_iter().chain(waiting).collect::<BTreeSet<_>>() {
            self.accounts.core.wakes.wake(&user, Cause::Woken);
        }
    }

    fn next(&self, outcome: &Outcome) -> Duration {
        let check = self.accounts.core.settings.secret_check;
        match outcome {
            Outcome::Connected => check,
            Outcome::Kept(..) | Outcome::InUse(_) => check.min(Duration::from_secs(20)),
            Outcome::Down(_, _, Class::Terminal) => check.min(Duration::from_mins(1)),
            Outcome::Down(..) => check.min(Duration::from_secs(10)),
        }
    }
}

/// The first few of many, for a message.
pub fn named(targets: &[Target]) -> String {
    let mut text = targets
        .iter()
        .take(5)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if targets.len() > 5 {
        text = format!("{text} and {} more", targets.len() - 5);
    }
    text
}

/// Changes when the credentials or what the session is built from change.
fn fingerprint<A: Provider>(account: &A, secret: &Secret) -> Vec<u8> {
    let mut text = format!("{:?}\n", account.meta().generation).into_bytes();
    for (name, value) in secret.data.iter().flatten() {
        text.extend(format!("{name}:{}:", value.0.len()).into_bytes());
        text.extend(&value.0);
    }
    digest(&SHA256, &text).as_ref().to_vec()
}

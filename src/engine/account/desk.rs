//! What can be done with an account even if its spec cannot be read: tell, and let go.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{AccountStatus, Accounts, Provider};
use crate::engine::{
    delay,
    event::Note,
    external::{AccountKey, Target},
    fault::Class,
    guarded::Part,
    intent::{self, ABANDON},
    object::{Object, Trouble},
    reason::Reason,
    secret::Found,
    status::{Conditions, Kind, Truth},
};

/// What a pass over an account came to.
pub(super) enum Outcome {
    Connected,
    /// The session goes on, but this must be mended before it can be opened again.
    Kept(Reason, String),
    Down(Reason, String, Class),
    InUse(String),
}

impl Outcome {
    /// The word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Connected => "in_sync",
            Self::Kept(..) => "transient",
            Self::Down(_, _, class) => class.word(),
            Self::InUse(_) => "held",
        }
    }

    /// Why, by the list that conditions have their reasons from.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Connected => Reason::Connected,
            Self::Kept(reason, _) | Self::Down(reason, ..) => *reason,
            Self::InUse(_) => Reason::InUse,
        }
    }

    /// Whether somebody should look at it.
    pub(super) fn is_wrong(&self) -> bool {
        matches!(self, Self::Kept(..) | Self::Down(..))
    }
}

/// One look at one account, as its metadata and status stand.
pub(super) struct Desk<'a, A: Provider> {
    pub(super) accounts: &'a Accounts<A>,
    pub(super) meta: &'a ObjectMeta,
    pub(super) key: AccountKey,
    pub(super) target: &'a Target,
    pub(super) now: Timestamp,
}

impl<A: Provider> Desk<'_, A> {
    /// Neither the spec nor, perhaps, the status can be read: an open session goes on, and a deletion still ends.
    pub(super) async fn unreadable(&self, part: &Part<A>) -> Result<Duration, Trouble> {
        let users = self.accounts.core.references.holding(self.target);
        if self.may_go(&users) {
            let marked = before(&part.status)
                .ok()
                .and_then(|status| status.marked_secret);
            let named = part.last.as_deref().map(Provider::credentials_secret);
            self.let_go(&named.into_iter().chain(marked.as_deref()).collect())
                .await?;
            return Ok(delay::SLOW);
        }
        let text = format!(
            "this Account cannot be read: {}; correct it with kubectl edit. A session opened before goes on until the operator restarts",
            part.error
        );
        let outcome = Outcome::Kept(Reason::Undecodable, text);
        match before(&part.status) {
            Ok(before) => self.tell(before.clone(), before, outcome).await?,
            Err(_) => self.warn(&outcome),
        }
        Ok(delay::SLOW)
    }

    pub(super) fn may_go(&self, users: &[Target]) -> bool {
        let is_deleted = self.meta.deletion_timestamp.is_some();
        is_deleted && (users.is_empty() || intent::says(self.meta, ABANDON))
    }

    /// Takes the mark off a credentials Secret, if it is still there and lent to cooper.
    pub(super) async fn give_back(&self, name: &str) -> Result<(), Trouble> {
        let (secrets, namespace) = (&self.accounts.core.secrets, &self.key.namespace);
        if let Found::Ours(secret) = secrets.read(namespace, name).await? {
            secrets.mark_in_use(namespace, &secret, false).await?;
        }
        Ok(())
    }

    /// Nothing uses it any more: gives its Secrets back and goes. There are two while another one is named and not yet used.
    pub(super) async fn let_go(&self, credentials: &BTreeSet<&str>) -> Result<(), Trouble> {
        if !intent::has_finalizer(self.meta) {
            return Ok(());
        }
        let core = &self.accounts.core;
        for name in credentials {
            self.give_back(name).await?;
        }
        if credentials.is_empty() {
            let text = "gone without being read: its credentials Secret is not known; take the finalizer cooper.dev/in-use off it by hand";
            core.events
                .send::<A>(self.meta, Note::warning(Reason::Undecodable, text));
        }
        let finalizers = intent::finalizers_without_ours(self.meta);
        let object = Object::of::<A>(core.kube.clone(), self.target);
        let version = self.meta.resource_version.clone().unwrap_or_default();
        object.put_finalizers(&version, &finalizers).await?;
        self.accounts.close(&self.key);
        Ok(())
    }

    /// Publishes `status` with the conditions of `outcome`, if it differs from what stood `before`.
    pub(super) async fn tell(
        &self,
        before: AccountStatus,
        mut status: AccountStatus,
        outcome: Outcome,
    ) -> Result<(), Trouble> {
        // Pinning wrote a newer status than the one in hand; its own watch event brings the next pass.
        self.conditions(&mut status, &outcome);
        let note = self.brake(&mut status);
        if status == before || (before.identity.is_none() && matches!(outcome, Outcome::Connected))
        {
            return Ok(());
        }
        let object = Object::of::<A>(self.accounts.core.kube.clone(), self.target);
        let version = self.meta.resource_version.as_deref().unwrap_or_default();
        object.put_status(version, &status).await?;
        self.warn(&outcome);
        let is_true = |status: &AccountStatus, kind: Kind| kind.is_true(&status.conditions);
        if [Kind::Ready, Kind::Synced]
            .into_iter()
            .any(|kind| !is_true(&before, kind) && is_true(&status, kind))
            && matches!(outcome, Outcome::Connected)
        {
            let text = "the credentials work again; what waited for them goes on";
            tracing::info!(resource = %self.target, "{text}");
            let events = &self.accounts.core.events;
            events.send::<A>(self.meta, Note::normal(Reason::Connected, text));
        }
        let core = &self.accounts.core;
        if let Some(note) = note {
            core.events.send::<A>(self.meta, note);
        }
        // Written first, so that no restart takes back what others have acted on.
        let limits = core.brakes.told(self.target, None).limits;
        self.accounts
            .brake_set(self.target, limits, &status.brake.unwrap_or_default());
        Ok(())
    }

    fn warn(&self, outcome: &Outcome) {
        if let Outcome::Down(reason, text, _) | Outcome::Kept(reason, text) = outcome {
            tracing::warn!(resource = %self.target, %reason, "{text}");
            let events = &self.accounts.core.events;
            events.send::<A>(self.meta, Note::warning(*reason, text.clone()));
        }
    }

    pub(super) fn conditions(&self, status: &mut AccountStatus, outcome: &Outcome) {
        let generation = self.meta.generation;
        let mut conditions =
            Conditions::new(std::mem::take(&mut status.conditions), generation, self.now);
        conditions.clear(Kind::Stalled);
        conditions.clear(Kind::Reconciling);
        match outcome {
            Outcome::Connected => {
                conditions.set(
                    Kind::Ready,
                    Truth::True,
                    Reason::Connected,
                    "the credentials work",
                );
                conditions.set(
                    Kind::Synced,
                    Truth::True,
                    Reason::InSync,
                    "the credentials are read and the session is open",
                );
            }
            Outcome::Kept(reason, text) => {
                conditions.set(Kind::Synced, Truth::False, *reason, text.clone());
                if !conditions.is_true(Kind::Ready) {
                    conditions.set(Kind::Ready, Truth::False, *reason, text.clone());
                }
            }
            Outcome::Down(reason, text, class) => {
                conditions.set(Kind::Ready, Truth::False, *reason, text.clone());
                conditions.set(Kind::Synced, Truth::False, *reason, text.clone());
                let kind = if *class == Class::Terminal {
                    Kind::Stalled
                } else {
                    Kind::Reconciling
                };
                conditions.set(kind, Truth::True, *reason, text.clone());
            }
            Outcome::InUse(by) => {
                let text = format!(
                    "the deletion waits: still used by {by}; delete these first, or annotate this Account with {ABANDON}: \"true\""
                );
                conditions.set(Kind::Synced, Truth::False, Reason::InUse, text.clone());
                conditions.set(Kind::Reconciling, Truth::True, Reason::InUse, text);
            }
        }
        status.observed_generation = generation;
        status.conditions = conditions.finish();
    }
}

/// The status of an account whose spec cannot be read.
fn before(status: &serde_json::Value) -> serde_json::Result<AccountStatus> {
    match status {
        serde_json::Value::Null => Ok(AccountStatus::default()),
        status => serde_json::from_value(status.clone()),
    }
}

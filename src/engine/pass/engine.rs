//! How a kind takes part in the loop: what the watch stream notes of it, and what a pass over it works with.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Resource;

use super::pass;
use crate::engine::{
    account::Sessions,
    brake::Part,
    controller::Controlled,
    core::Core,
    external::{External, Ref, Target},
    guarded::Guarded,
    intent::{self, Intent, RELEASE_BRAKE},
    memory::Memory,
    metrics::Report,
    standing,
    subject::{StatusOf, owner_of, place_key, status_of, target_of},
    wake::{Cause, Wake},
};

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

impl<K: External> Engine<K> {
    /// Notes what part the resource has in a wave of deletions.
    fn note_part(&self, stored: &Guarded<K>) {
        let meta = stored.meta();
        let status = status_of(stored);
        let claim = status.as_ref().and_then(standing::claimed);
        let account = claim.map(|(account, _)| Sessions::<K::Account>::target(account));
        let part = match &meta.deletion_timestamp {
            Some(_) if intent::says(meta, RELEASE_BRAKE) => Part::Released,
            Some(asked) if Self::will_go(stored, status.as_ref()) => Part::Deletion(asked.0),
            Some(_) | None => Part::None,
        };
        let (uid, now) = (
            meta.uid.as_deref().unwrap_or_default(),
            self.core.clock.now(),
        );
        let target = target_of::<K>(meta);
        self.core
            .brakes
            .note(account.as_ref(), uid, &target, part, now);
    }

    /// Whether what it asks for is a deletion at the cloud.
    fn will_go(stored: &Guarded<K>, status: Option<&StatusOf<K>>) -> bool {
        let common = stored.whole().map(|object| object.common());
        let origin = status.and_then(|status| status.origin);
        let last = status.and_then(|status| status.deletion_policy);
        let policy = intent::policy(common, origin, last);
        intent::intent(stored.meta(), common, policy, false) == Intent::Gone
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
        let status = status_of(stored);
        let has_claim = status
            .as_ref()
            .is_some_and(|status| status.origin.is_some());
        let own = stored.meta().namespace.as_deref().unwrap_or_default();
        let spec = spec.into_iter().map(|named| Ref {
            // Anybody can name what is in another namespace; only what was made with its owner's consent holds it.
            holds: named.holds && (has_claim || named.target.namespace == own),
            ..named
        });
        let account = status.and_then(|status| status.account);
        let account = account.map(|account| Ref::holding(Sessions::<K::Account>::target(&account)));
        spec.chain(account).collect()
    }

    fn offer(&self, stored: &Guarded<K>) -> serde_json::Value {
        stored
            .last_whole()
            .map(|object| object.offer())
            .unwrap_or_default()
    }

    fn seen(&self, stored: &Guarded<K>) {
        self.note_part(stored);
        let Some(StatusOf::<K> {
            account: Some(account),
            place: Some(place),
            origin: Some(_),
            ..
        }) = status_of(stored)
        else {
            return;
        };
        let meta = stored.meta();
        let target = self.core.references.known(&target_of::<K>(meta));
        self.core
            .owners
            .claim(&place_key::<K>(&account, &place), &owner_of(target, meta));
    }

    fn gone(&self, stored: &Guarded<K>) {
        let target = target_of::<K>(stored.meta());
        self.absent(&target);
        // Also what it only reserved: a refused resource has nothing in its status.
        let uid = stored.meta().uid.as_deref().unwrap_or_default();
        self.core.pass_on(&self.core.owners.forget(uid, &target));
        if let Some(account) = self.core.brakes.gone(uid) {
            self.core.wakes.wake(&account, Cause::Woken);
        }
    }

    fn woken(&self, wake: &Wake) {
        self.memory.wake(&wake.target, wake.cause);
    }

    fn absent(&self, target: &Target) {
        self.memory.forget(target);
        self.sessions.forget(target);
    }

    fn report(&self, stored: &Guarded<K>) -> Report {
        let status = status_of(stored);
        let deleted = stored.meta().deletion_timestamp.as_ref().map(|at| at.0);
        let Some(status) = status else {
            return Report {
                deleted,
                ..Report::default()
            };
        };
        Report {
            conditions: status.conditions,
            deleted,
            key: status.key,
            ledger: status.keys,
        }
    }

    fn remembered(&self) -> usize {
        self.memory.size()
    }

    fn oldest_look(&self) -> Option<Timestamp> {
        self.memory.oldest_look()
    }

    fn pass(self: Arc<Self>, stored: Arc<Guarded<K>>) -> BoxFuture<'static, ()> {
        Box::pin(pass(stored, self))
    }
}

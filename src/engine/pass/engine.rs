//! How a kind takes part in the loop: what the watch stream notes of it, and what a pass over it works with.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Resource;

use super::pass;
use crate::engine::{
    account::Sessions,
    controller::Controlled,
    core::Core,
    external::{External, Ref},
    guarded::Guarded,
    memory::Memory,
    metrics::Report,
    subject::{StatusOf, owner_of, place_key, status_of, target_of},
    wake::Wake,
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

    fn oldest_look(&self) -> Option<Timestamp> {
        self.memory.oldest_look()
    }

    fn pass(self: Arc<Self>, stored: Arc<Guarded<K>>) -> BoxFuture<'static, ()> {
        Box::pin(pass(stored, self))
    }
}

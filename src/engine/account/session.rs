//! Open sessions, by account.

use std::{
    collections::{BTreeSet, HashMap},
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::Provider;
use crate::engine::{
    external::{AccountKey, Target},
    wake::{Cause, Wakes},
};

/// What a resource finds when it looks for its account's session.
#[derive(Clone)]
pub enum Link<C> {
    /// A session that worked when it was last used.
    Up(C),
    /// None, or one that the cloud refuses; this is what to do.
    Down(String),
}

struct Session<C> {
    cloud: Option<C>,
    /// Why the cloud cannot be asked with it.
    refused: Option<String>,
    /// Somebody was refused with it; it is to be checked.
    doubted: bool,
}

/// The sessions of all accounts of one provider.
pub struct Sessions<A: Provider> {
    wakes: Arc<Wakes>,
    open: RwLock<HashMap<AccountKey, Session<A::Cloud>>>,
    /// Who found no session; not all of them name the account.
    waiting: Mutex<HashMap<AccountKey, BTreeSet<Target>>>,
    kind: PhantomData<fn() -> A>,
}

impl<A: Provider> Sessions<A> {
    /// None yet.
    pub fn new(wakes: Arc<Wakes>) -> Self {
        Self {
            wakes,
            open: RwLock::default(),
            waiting: Mutex::default(),
            kind: PhantomData,
        }
    }

    /// The account resource behind a key.
    pub fn target(account: &AccountKey) -> Target {
        Target::of::<A>(&account.namespace, &account.name)
    }

    /// The session of an account for `who`, which is woken when one comes up where there was none.
    pub fn link_for(&self, account: &AccountKey, who: &Target) -> Link<A::Cloud> {
        // Held until `who` is noted: a session that comes up in between waits for it, and then finds the note.
        let sessions = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let link = Self::found(&sessions, account);
        if matches!(link, Link::Down(_)) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting
                .entry(account.clone())
                .or_default()
                .insert(who.clone());
        }
        link
    }

    /// The session of an account.
    pub fn link(&self, account: &AccountKey) -> Link<A::Cloud> {
        Self::found(
            &self.open.read().unwrap_or_else(PoisonError::into_inner),
            account,
        )
    }

    /// Who waits for the account's session; each is named once.
    pub(super) fn take_waiting(&self, account: &AccountKey) -> BTreeSet<Target> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(account).unwrap_or_default()
    }

    /// Who is gone waits for nothing.
    pub fn forget(&self, who: &Target) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, waiting| {
            waiting.remove(who);
            !waiting.is_empty()
        });
    }

    /// How many wait for sessions, and for how many.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.len() + waiting.values().map(BTreeSet::len).sum::<usize>()
    }

    fn found(
        sessions: &HashMap<AccountKey, Session<A::Cloud>>,
        account: &AccountKey,
    ) -> Link<A::Cloud> {
        let none = || {
            Link::Down(format!(
                "Account {account} is not connected; see its conditions"
            ))
        };
        match sessions.get(account) {
            Some(Session {
                refused: Some(why), ..
            }) => Link::Down(why.clone()),
            Some(Session {
                cloud: Some(cloud), ..
            }) => Link::Up(cloud.clone()),
            Some(Session {
                cloud: None,
                refused: None,
                ..
            })
            | None => none(),
        }
    }

    /// The cloud refused somebody's request for lack of rights: let the account's own pass find out, once for all.
    pub fn doubt(&self, account: &AccountKey) {
        let mut sessions = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = sessions.get_mut(account) else {
            return;
        };
        if !session.doubted {
            session.doubted = true;
            self.wakes.wake(&Self::target(account), Cause::Woken);
        }
    }

    /// Whether somebody was refused since the last check.
    pub(super) fn is_doubted(&self, account: &AccountKey) -> bool {
        let sessions = self.open.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(account).is_some_and(|session| session.doubted)
    }

    /// The session as it is, even if refused.
    pub(super) fn cloud(&self, account: &AccountKey) -> Option<A::Cloud> {
        let sessions = self.open.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(account)?.cloud.clone()
    }

    /// The credentials were checked and work. Answers whether that is news.
    pub(super) fn up(&self, account: &AccountKey, cloud: A::Cloud, is_new: bool) -> bool {
        let mut sessions = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let before = sessions.insert(
            account.clone(),
            Session {
                cloud: Some(cloud),
                refused: None,
                doubted: false,
            },
        );
        is_new || before.is_none_or(|before| before.cloud.is_none() || before.refused.is_some())
    }

    /// The credentials do not work. Answers whether that is news.
    pub(super) fn refuse(&self, account: &AccountKey, why: String) -> bool {
        let mut sessions = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let entry = Session {
            cloud: None,
            refused: None,
            doubted: false,
        };
        let session = sessions.entry(account.clone()).or_insert(entry);
        session.doubted = false;
        session.refused.replace(why).is_none()
    }

    /// The account is gone.
    pub(super) fn close(&self, account: &AccountKey) {
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(account);
    }
}

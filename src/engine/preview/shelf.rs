//! The objects of one kind in a preview, behind one interface for all kinds.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::ApiResource,
    runtime::{reflector::store::Writer, watcher::Event},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Forecast, look::Look};
use crate::engine::{
    account::{Provider, Way},
    external::{AccountKey, External, Target},
    guarded::{Guarded, Watched},
    known::Known,
};

/// The objects of one kind.
pub trait Shelf: Send + Sync {
    /// Which kind.
    fn kind(&self) -> &ApiResource;

    /// Takes an object in, in place of one of its name; answers whom it names. The error says what is wrong with it.
    fn put(&self, object: Value) -> Result<Vec<Target>, String>;

    /// Takes in what stands for an object that nobody described, if there can be such a thing.
    fn stand_in(&self, target: &Target) {
        let _ = target;
    }

    /// Tells what would become of an object. `None` if its kind has nothing at the cloud.
    fn look<'a>(&'a self, target: &'a Target, known: &'a Known) -> BoxFuture<'a, Option<Forecast>>;
}

/// The shelves of all kinds while they are set up.
pub struct Shelves<'w> {
    known: Known,
    all: Vec<Box<dyn Shelf + 'w>>,
    way: &'w Way,
    common: Arc<Common>,
}

/// What all shelves share.
#[derive(Default)]
pub(super) struct Common {
    /// Resources whose remote is not there yet.
    pub(super) coming: Mutex<BTreeSet<Target>>,
    /// Who stands for which remote.
    pub(super) places: Mutex<HashMap<String, Target>>,
}

impl<'w> Shelves<'w> {
    pub(super) fn new(way: &'w Way) -> Self {
        Self {
            known: Known::default(),
            all: Vec::new(),
            way,
            common: Arc::default(),
        }
    }

    pub(super) fn finish(self) -> (Known, Vec<Box<dyn Shelf + 'w>>) {
        (self.known, self.all)
    }

    /// The accounts of a provider. Answers what its other kinds need.
    pub fn accounts<A: Provider>(&mut self) -> Arc<AccountShelf<'w, A>> {
        let accounts = Arc::new(AccountShelf {
            store: Stored::new(&self.known),
            way: self.way,
            sessions: Mutex::default(),
        });
        self.all.push(Box::new(Arc::clone(&accounts)));
        accounts
    }

    /// A kind that lives in these accounts.
    pub fn kind<K: External>(&mut self, accounts: &Arc<AccountShelf<'w, K::Account>>) {
        self.all.push(Box::new(Managed::<K> {
            store: Stored::new(&self.known),
            accounts: Arc::clone(accounts),
            common: Arc::clone(&self.common),
        }));
    }
}

/// A store that is filled by hand.
struct Stored<K: Watched> {
    kind: ApiResource,
    writer: Mutex<Writer<Guarded<K>>>,
}

impl<K: Watched> Stored<K> {
    fn new(known: &Known) -> Self {
        let writer = Writer::<Guarded<K>>::default();
        known.add::<K>(writer.as_reader());
        Self {
            kind: ApiResource::erase::<K>(&()),
            writer: Mutex::new(writer),
        }
    }

    fn put(&self, object: K) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.apply_watcher_event(&Event::Apply(Guarded::Whole(Arc::new(object))));
    }
}

/// The accounts of a provider, and the sessions opened for them.
pub struct AccountShelf<'w, A: Provider> {
    store: Stored<A>,
    way: &'w Way,
    sessions: Mutex<HashMap<AccountKey, Session<A>>>,
}

/// A session that is opened once, or why it cannot be.
type Session<A> = Arc<OnceCell<Result<<A as Provider>::Cloud, String>>>;

impl<A: Provider> AccountShelf<'_, A> {
    pub(super) async fn session(&self, key: &AccountKey) -> Result<A::Cloud, String> {
        let cell = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(key.clone()).or_default())
        };
        let open = async || {
            let opened = self.way.open_for::<A>(key).await;
            opened.map_err(|closed| closed.to_string())
        };
        cell.get_or_init(open).await.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.way.outside.clock.now()
    }
}

impl<A: Provider> Shelf for Arc<AccountShelf<'_, A>> {
    fn kind(&self) -> &ApiResource {
        &self.store.kind
    }

    fn put(&self, object: Value) -> Result<Vec<Target>, String> {
        self.store.put(decoded(object)?);
        Ok(Vec::new())
    }

    fn stand_in(&self, target: &Target) {
        if self.way.stands_in::<A>() {
            let account = A::stand_in(&target.namespace, &target.name, None);
            self.store.put(account);
        }
    }

    fn look<'a>(&'a self, _: &'a Target, _: &'a Known) -> BoxFuture<'a, Option<Forecast>> {
        Box::pin(async { None })
    }
}

struct Managed<'w, K: External> {
    store: Stored<K>,
    accounts: Arc<AccountShelf<'w, K::Account>>,
    common: Arc<Common>,
}

impl<K: External> Shelf for Managed<'_, K> {
    fn kind(&self) -> &ApiResource {
        &self.store.kind
    }

    fn put(&self, object: Value) -> Result<Vec<Target>, String> {
        let object: K = decoded(object)?;
        let names = object.refs().into_iter().map(|named| named.target);
        let names = names.collect();
        self.store.put(object);
        Ok(names)
    }

    fn look<'a>(&'a self, target: &'a Target, known: &'a Known) -> BoxFuture<'a, Option<Forecast>> {
        Box::pin(async move {
            let object = known.get::<K>(&target.namespace, &target.name)?;
            let look = Look::<K> {
                target,
                known,
                accounts: &self.accounts,
                common: &self.common,
            };
            let (forecast, status) = look.at(&object).await;
            if let Some(status) = status {
                let mut after = (*object).clone();
                *after.status_mut() = Some(status);
                self.store.put(after);
            }
            Some(forecast)
        })
    }
}

/// An object as its kind reads it. A file's own words are not repeated: they may hold anything.
fn decoded<K: Watched>(object: Value) -> Result<K, String> {
    let decoded: K = serde_json::from_value(object).map_err(|error| error.to_string())?;
    debug_assert!(!decoded.name_any().is_empty(), "the caller saw a name");
    Ok(decoded)
}

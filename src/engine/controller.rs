//! One controller a kind: watch → trim → note → store → queue → pass.
//!
//! It runs on a stream of our own rather than on kube's `Controller`: objects are trimmed before they are stored, deletes are seen, and one
//! in-process channel wakes resources across kinds without a watch for each pair of them. The queue is our own too ([`turns`](super::turns)),
//! since kube's keeps several copies of every name. There is no cap on passes at once: waiting passes are cheap, and the request budget's lanes decide who goes first. What they do at the API server is bounded by
//! [`hands`](super::hands).

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    channel::mpsc::UnboundedReceiver,
    future::{BoxFuture, Fuse},
    stream::{self, FuturesUnordered},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};

use tokio_util::task::AbortOnDropHandle;

use super::{
    core::Core,
    external::{Ref, Target},
    guarded::{Guarded, Watched},
    metrics::{Report, Survey},
    pulse::BEAT,
    subject::target_of,
    turns::Turns,
    wake::{Cause, Wake},
};

/// How one kind takes part in the loop.
pub trait Controlled<K: Watched>: Send + Sync + 'static {
    /// What all controllers share.
    fn core(&self) -> &Arc<Core>;

    /// Whom the resource names, its account included.
    fn refs(&self, stored: &Guarded<K>) -> Vec<Ref>;

    /// What others read of it; when it changes, they are woken.
    fn offer(&self, stored: &Guarded<K>) -> serde_json::Value;

    /// It was seen in the watch: claims are noted before its first pass.
    fn seen(&self, stored: &Guarded<K>);

    /// It is gone. Told once more if a pass over it ended later than that.
    fn gone(&self, stored: &Guarded<K>);

    /// A wake-up for it is about to be queued.
    fn woken(&self, wake: &Wake);

    /// A wake-up was for one that is not there: nothing of it need be remembered.
    fn absent(&self, target: &Target);

    /// What it shows, for metrics.
    fn report(&self, stored: &Guarded<K>) -> Report;

    /// How many resources something is remembered of between passes.
    fn remembered(&self) -> usize;

    /// When the remote was looked at that was looked at least recently.
    fn oldest_look(&self) -> Option<Timestamp>;

    /// One pass over it.
    fn pass(self: Arc<Self>, stored: Arc<Guarded<K>>) -> BoxFuture<'static, ()>;
}

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Cluster,
    /// One.
    Namespace(String),
}

/// Sets a controller up: its store is known to the others at once, and its future does the work until `stop` ends.
pub fn controller<K: Watched, C: Controlled<K>>(
    client: Client,
    scope: Scope,
    kind: Arc<C>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    let name = Target::of::<K>("", "");
    let core = Arc::clone(kind.core());
    let (store, writer) = reflector::store::<Guarded<K>>();
    core.known.add::<K>(store.clone());
    let in_flight = Arc::new(AtomicUsize::new(0));
    core.metrics
        .survey(surveyor(&kind, store.clone(), Arc::clone(&in_flight)));
    let hold = format!("{}.{}", K::plural(&()), K::group(&()));
    core.gate.shut(&hold);
    let wakes = core.wakes.listen(name.group.clone(), name.kind.clone());
    let api = match scope {
        Scope::Cluster => Api::<Guarded<K>>::all(client),
        Scope::Namespace(namespace) => Api::<Guarded<K>>::namespaced(client, &namespace),
    };
    let (beating, loop_name) = (Arc::clone(&core), hold.clone());
    let seen = Arc::new(Seen {
        kind: Arc::clone(&kind),
        core,
        hold,
        listing: Mutex::default(),
        offers: Mutex::default(),
    });
    let broken = Arc::clone(&seen);
    let watch = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify({
            let store = store.clone();
            move |stored| {
                trim(stored);
                remember_readable(stored, &store);
            }
        })
        .reflect(writer)
        .inspect_ok(move |event| seen.event(event))
        .touched_objects()
        .map_ok(|object| target_of::<K>(object.meta()))
        .inspect_err(move |error| broken.broke(error))
        .filter_map(|request| std::future::ready(request.ok()));
    let beats = beats(Arc::clone(&beating), loop_name.clone());
    let stop = async move {
        stop.await;
        beating.gate.close();
        beating.pulse.end(&loop_name);
    };
    let queue = stream::select(watch, woken(wakes, Arc::clone(&kind)));
    let queue = stream::select(queue, beats).take_until(Box::pin(stop));
    run(Box::pin(queue), store, kind, in_flight)
}

/// Runs a pass over each resource that is asked for, until the queue ends and the passes under way are through.
async fn run<K: Watched, C: Controlled<K>>(
    queue: impl Stream<Item = Target> + Send + Unpin + 'static,
    store: Store<Guarded<K>>,
    kind: Arc<C>,
    in_flight: Arc<AtomicUsize>,
) {
    // What is asked for several times at once is asked for once.
    let mut queue = queue.ready_chunks(BATCH).fuse();
    let mut filled = Box::pin(store.wait_until_ready()).fuse();
    let mut turns = Turns::default();
    let mut passes = FuturesUnordered::new();
    loop {
        let begin = futures::select_biased! {
            _ = filled => turns.open(),
            done = passes.select_next_some() => turns.done(&done).into_iter().collect(),
            asked = queue.next() => if let Some(asked) = asked {
                turns.ask(asked)
            } else {
                filled = Fuse::terminated();
                turns.close()
            },
            complete => break,
        };
        for target in begin {
            let flying = Flying::of(&in_flight);
            passes.push(one(Arc::clone(&kind), store.clone(), target, flying));
        }
    }
}

/// How many requests for passes are taken at once.
const BATCH: usize = 1024;

/// One pass, whose end is told by whom it was over.
async fn one<K: Watched, C: Controlled<K>>(
    kind: Arc<C>,
    store: Store<Guarded<K>>,
    target: Target,
    _flying: Flying,
) -> Target {
    if !kind.core().gate.pass().await {
        return target;
    }
    // Behind the gate of a standby it may have waited for days: what it is now counts, if it still is.
    let found = ObjectRef::new(&target.name).within(&target.namespace);
    let Some(stored) = store.get(&found) else {
        kind.absent(&target);
        return target;
    };
    // A task of its own: a bug that panics ends this pass, not the stream that all objects of the kind hang on.
    // Dropping the controller, as a crash does, ends it too.
    let core = Arc::clone(kind.core());
    let began = tokio::time::Instant::now();
    let pass = Arc::clone(&kind).pass(Arc::clone(&stored));
    let task = AbortOnDropHandle::new(tokio::spawn(core.traces.pass(&target, pass)));
    if let Err(error) = task.await {
        tracing::error!(%target, %error, "a pass ended by a bug; it is tried again in a minute");
        core.metrics.panicked(&target.kind);
        let again = super::clock::later(core.clock.now(), Duration::from_mins(1));
        core.wakes.at(&target, Some(again));
    }
    core.metrics.took(&target.kind, began.elapsed());
    let now = store.get(&found);
    if now.is_none_or(|now| now.meta().uid != stored.meta().uid) {
        // It went while the pass was under way: what that left behind would stay, a place that nobody else could have among it.
        core.wakes.at(&target, None);
        kind.gone(&stored);
    }
    target
}

/// A pass that is under way, counted until it is dropped.
struct Flying(Arc<AtomicUsize>);

impl Flying {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts the resources of a kind whenever it is asked to, for as long as there is a controller.
fn surveyor<K: Watched, C: Controlled<K>>(
    kind: &Arc<C>,
    store: Store<Guarded<K>>,
    in_flight: Arc<AtomicUsize>,
) -> impl Fn() -> Option<Survey> + Send + Sync + 'static {
    let kind = Arc::downgrade(kind);
    move || {
        let kind = kind.upgrade()?;
        let objects = store.state();
        Some(Survey {
            kind: K::kind(&()).into_owned(),
            reports: objects.iter().map(|object| kind.report(object)).collect(),
            remembered: kind.remembered(),
            oldest_look: kind.oldest_look(),
            in_flight: in_flight.load(Ordering::Relaxed),
        })
    }
}

/// What nobody reads is half of an object's size.
fn trim<K: Watched>(stored: &mut Guarded<K>) {
    let meta = stored.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            // An emptied map keeps room for eleven.
            meta.annotations = None;
        }
    }
}

/// An update that cannot be read must not look like a delete to those who name the object: the last readable version stays theirs.
fn remember_readable<K: Watched>(stored: &mut Guarded<K>, store: &Store<Guarded<K>>) {
    let Guarded::Part(part) = stored else { return };
    let target = target_of_meta(&part.metadata);
    let before = store.get(&ObjectRef::new(&target.1).within(&target.0));
    part.last = before
        .and_then(|before| before.last_whole().cloned())
        .filter(|last| last.meta().uid == part.metadata.uid);
}

fn target_of_meta(meta: &ObjectMeta) -> (String, String) {
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// Queue entries of the in-process wake-ups.
fn woken<K: Watched, C: Controlled<K>>(
    wakes: UnboundedReceiver<Wake>,
    kind: Arc<C>,
) -> impl Stream<Item = Target> {
    wakes.map(move |wake| {
        kind.woken(&wake);
        wake.target
    })
}

/// No entries at all, but a beat whenever the queue is asked for one.
fn beats(core: Arc<Core>, name: String) -> impl Stream<Item = Target> {
    let ticks = stream::unfold(tokio::time::interval(BEAT), |mut ticks| async move {
        ticks.tick().await;
        Some(((), ticks))
    });
    Box::pin(ticks.filter_map(move |()| {
        core.pulse.beat(&name);
        std::future::ready(None)
    }))
}

/// Why a kind cannot be watched, and what helps.
fn hindrance(name: &str, error: &watcher::Error) -> String {
    let refused = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(&**status),
        _ => None,
    };
    match refused {
        Some(status) if status.code == 404 => format!(
            "the CRD {name} is not installed; apply the folder crds/ of this version, or set crds.install in the chart. It is looked for every 30 s"
        ),
        Some(status) if status.code == 403 => format!(
            "the operator may not list it: {}; install the roles of this version",
            status.message
        ),
        _ => format!("it cannot be listed: {}", chain(error)),
    }
}

/// An error with its causes: the outermost alone seldom says what is wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = deeper.source();
    }
    text
}

/// What the watch has shown so far.
struct Seen<K: Watched, C> {
    kind: Arc<C>,
    core: Arc<Core>,
    hold: String,
    /// Objects in the listing that is being taken.
    listing: Mutex<HashSet<Target>>,
    /// Everything known, with a digest of what others read of it.
    offers: Mutex<HashMap<Target, (u64, Guarded<K>)>>,
}

impl<K: Watched, C: Controlled<K>> Seen<K, C> {
    fn event(&self, event: &watcher::Event<Guarded<K>>) {
        match event {
            watcher::Event::Init => self.listing().clear(),
            watcher::Event::InitApply(stored) => {
                self.listing().insert(target_of::<K>(stored.meta()));
                self.applied(stored);
            }
            watcher::Event::InitDone => {
                self.drop_unlisted();
                self.core.gate.open(&self.hold);
            }
            watcher::Event::Apply(stored) => self.applied(stored),
            watcher::Event::Delete(stored) => self.gone(stored),
        }
    }

    /// The watch broke, or never stood; it is taken up again by itself.
    fn broke(&self, error: &watcher::Error) {
        let why = hindrance(&self.hold, error);
        if self.core.gate.because(&self.hold, &why) {
            tracing::warn!(kind = %self.hold, "nothing is done until this kind is listed: {why}");
        } else if self.core.gate.shut_by().contains(&self.hold) {
            tracing::debug!(kind = %self.hold, "still not listed: {why}");
        } else {
            tracing::warn!(kind = %self.hold, "the watch broke and is taken up again: {why}");
        }
    }

    fn listing(&self) -> std::sync::MutexGuard<'_, HashSet<Target>> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn applied(&self, stored: &Guarded<K>) {
        let references = &self.core.references;
        let target = references.known(&target_of::<K>(stored.meta()));
        for old in references.set(&target, &self.kind.refs(stored)) {
            self.core.wakes.wake(&old, Cause::Woken);
        }
        self.kind.seen(stored);
        let offer = digest(&self.kind.offer(stored));
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = offers.insert(target.clone(), (offer, stored.clone()));
        drop(offers);
        if before.is_none_or(|(before, _)| before != offer) {
            self.wake_naming(&target);
        }
    }

    fn gone(&self, stored: &Guarded<K>) {
        let target = target_of::<K>(stored.meta());
        self.offers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&target);
        self.kind.gone(stored);
        self.core.wakes.at(&target, None);
        for named in self.core.references.remove(&target) {
            self.core.wakes.wake(&named, Cause::Woken);
        }
        self.wake_naming(&target);
    }

    fn wake_naming(&self, target: &Target) {
        for from in self.core.references.naming(target) {
            self.core.wakes.wake(&from, Cause::Woken);
        }
    }

    /// A new listing lacks what was deleted while the watch was broken.
    fn drop_unlisted(&self) {
        let listed = std::mem::take(&mut *self.listing());
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let lost: Vec<_> = offers
            .iter()
            .filter(|(target, _)| !listed.contains(*target))
            .map(|(_, (_, stored))| stored.clone())
            .collect();
        drop(offers);
        for stored in lost {
            self.gone(&stored);
        }
    }
}

fn digest(offer: &serde_json::Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    offer.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;

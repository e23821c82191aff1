//! What the operator did to which resource, in order: passes begun, finalizers taken off.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cooper::wire::{Side, Verdict, Wire};
use http::{Method, Uri};

use super::row::{Circumstance, Row, SET};
use crate::scene::resource;

/// Listens to an operator.
#[derive(Default)]
pub struct Recorder(Mutex<Record>);

#[derive(Default)]
struct Record {
    entries: Vec<Entry>,
    last: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A pass over a resource of this kind that is being deleted.
    Pass(String),
    /// The finalizer of a resource of this kind is taken off.
    Off(&'static str),
    /// A resource of this kind is gone.
    Gone(&'static str),
    /// Time was stepped to whatever is waited for.
    Stepped,
    /// From here on nothing outside holds anything.
    Free,
}

impl Recorder {
    /// Nothing heard yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From here on nothing outside holds anything.
    pub fn free(&self) {
        self.record().entries.push(Entry::Free);
    }

    /// A resource of this kind is gone.
    pub fn gone(&self, kind: &'static str) {
        self.record().entries.push(Entry::Gone(kind));
    }

    /// Time was stepped to whatever is waited for.
    pub fn stepped(&self) {
        self.record().entries.push(Entry::Stepped);
    }

    /// Whether nothing was asked of the API server, and no pass begun, for a while.
    pub fn is_quiet(&self, span: Duration) -> bool {
        self.record().last.is_none_or(|last| last.elapsed() > span)
    }

    /// The most passes that any resource took after the last that held it was gone; which one, and what was heard.
    pub fn most(&self, row: &Row) -> (usize, &'static str, String) {
        let record = self.record();
        let entries = &record.entries;
        let of = |(kind, _): (&'static str, &str)| {
            let end = entries
                .iter()
                .rposition(|entry| *entry == Entry::Off(kind))
                .unwrap_or(entries.len());
            let blockers = row.blockers(kind);
            let holds = |entry: &Entry| match entry {
                Entry::Free => true,
                // A pass of before the deletion may have begun to make anew what went with the service: that is waited for.
                Entry::Stepped => row.circumstance == Circumstance::ServiceGone,
                Entry::Gone(other) => blockers.contains(other),
                Entry::Pass(_) | Entry::Off(_) => false,
            };
            let begin = entries.iter().rposition(holds).map_or(0, |at| at + 1);
            let passes = entries.get(begin..end).unwrap_or_default();
            let own = |entry: &&Entry| **entry == Entry::Pass(kind.to_owned());
            (passes.iter().filter(own).count(), kind)
        };
        let (most, kind) = SET.map(of).into_iter().max().unwrap();
        (most, kind, format!("{entries:?}"))
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }
}

impl Wire for Recorder {
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
        let mut record = self.record();
        record.last = Some(Instant::now());
        if side == Side::Kube && method == Method::PATCH {
            let path = uri.path();
            let off = SET
                .into_iter()
                .find(|(kind, name)| path.ends_with(&format!("/{}/{name}", resource(kind).plural)));
            record.entries.extend(off.map(|(kind, _)| Entry::Off(kind)));
        }
        Verdict::Pass
    }

    fn pass(&self, resource: &dyn Display, is_deleted: bool) {
        let mut record = self.record();
        record.last = Some(Instant::now());
        if is_deleted {
            let named = resource.to_string();
            let kind = named.split(' ').next().unwrap_or_default();
            record.entries.push(Entry::Pass(kind.to_owned()));
        }
    }
}

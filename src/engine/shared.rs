//! One listing a collection, shared by all its objects and overlaid by our own writes.
//!
//! A thousand users of one service ask for one row each; the first that finds the listing too old fetches it for all. What we
//! wrote after a listing began is laid over it, so that our own create is never missed because a listing was on its way.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use jiff::Timestamp;

use super::clock::Clock;

/// Listings by collection key `C` (a service, an account), rows by name.
pub struct Listings<C, R> {
    clock: Clock,
    cells: Mutex<HashMap<C, Arc<Cell<R>>>>,
}

struct Cell<R> {
    flight: tokio::sync::Mutex<()>,
    table: RwLock<Table<R>>,
}

struct Table<R> {
    listing: Option<Listing>,
    rows: Rows<R>,
    wrote: HashMap<String, (Timestamp, Option<Arc<R>>)>,
}

/// The rows of a collection, by name.
pub type Rows<R> = HashMap<String, Arc<R>>;

/// When a listing was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listing {
    /// When its first request began, by our clock.
    pub began: Timestamp,
    /// The `Date` of its first answer, by the cloud's clock.
    pub at: Timestamp,
}

/// A listing as it was fetched.
pub struct Fetched<R> {
    /// The `Date` of its first answer.
    pub at: Timestamp,
    /// Its rows with their names.
    pub rows: Vec<(String, R)>,
}

impl<C: Eq + Hash + Clone, R: Clone> Listings<C, R> {
    /// No listing yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            cells: Mutex::default(),
        }
    }

    fn cell(&self, of: &C) -> Arc<Cell<R>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let table = Table {
                listing: None,
                rows: HashMap::new(),
                wrote: HashMap::new(),
            };
            Arc::new(Cell {
                flight: tokio::sync::Mutex::default(),
                table: RwLock::new(table),
            })
        };
        Arc::clone(cells.entry(of.clone()).or_insert_with(fresh))
    }

    /// One row, from a listing that began at or after `since`; callers share one fetch.
    pub async fn row<E, F>(
        &self,
        of: &C,
        name: &str,
        since: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<(Option<R>, Listing), E>
    where
        F: Future<Output = Result<Fetched<R>, E>>,
    {
        self.look(of, since, fetch, |rows| {
            rows.get(name).map(|row| R::clone(row))
        })
        .await
    }

    /// What `pick` finds among the rows of a listing that began at or after `since`.
    pub async fn look<E, F, T>(
        &self,
        of: &C,
        since: Timestamp,
        fetch: impl FnOnce() -> F,
        pick: impl Fn(&Rows<R>) -> T,
    ) -> Result<(T, Listing), E>
    where
        F: Future<Output = Result<Fetched<R>, E>>,
    {
        let cell = self.cell(of);
        if let Some(found) = cell.known(since, &pick) {
            return Ok(found);
        }
        let _flight = cell.flight.lock().await;
        if let Some(found) = cell.known(since, &pick) {
            return Ok(found);
        }
        let began = self.clock.now();
        // Apart: a thousand may wait for this one.
        let fetched = Box::pin(fetch()).await?;
        let listing = Listing {
            began,
            at: fetched.at,
        };
        let mut table = cell.table.write().unwrap_or_else(PoisonError::into_inner);
        table.take(listing, fetched.rows);
        Ok((pick(&table.rows), listing))
    }

    /// What a write of ours left behind: a row, or none after a delete.
    pub fn put(&self, of: &C, name: &str, row: Option<R>) {
        let cell = self.cell(of);
        let now = self.clock.now();
        let row = row.map(|row| packed(&row));
        let mut table = cell.table.write().unwrap_or_else(PoisonError::into_inner);
        table.rows.remove(name);
        if let Some(row) = &row {
            table.rows.insert(name.to_owned(), Arc::clone(row));
        }
        table.wrote.insert(name.to_owned(), (now, row));
    }

    /// Corrects one row in place, as after a change that answers nothing. Unknown rows stay unknown.
    pub fn edit(&self, of: &C, name: &str, change: impl FnOnce(&mut R)) {
        let cell = self.cell(of);
        let row = cell
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .rows
            .get(name)
            .cloned();
        if let Some(row) = row {
            let mut row = R::clone(&row);
            change(&mut row);
            self.put(of, name, Some(row));
        }
    }

    /// Forgets a collection, such as that of a deleted service.
    pub fn forget(&self, of: &C) {
        self.cells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(of);
    }
}

impl<R: Clone> Cell<R> {
    fn known<T>(&self, since: Timestamp, pick: impl Fn(&Rows<R>) -> T) -> Option<(T, Listing)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let listing = table.listing.filter(|listing| listing.began >= since)?;
        Some((pick(&table.rows), listing))
    }
}

impl<R: Clone> Table<R> {
    fn take(&mut self, listing: Listing, rows: Vec<(String, R)>) {
        let rows = rows.into_iter().map(|(name, row)| (name, packed(&row)));
        self.rows = rows.collect();
        self.listing = Some(listing);
        self.wrote.retain(|_, (at, _)| *at >= listing.began);
        self.wrote.shrink_to_fit();
        for (name, (_, row)) in &self.wrote {
            match row {
                Some(row) => self.rows.insert(name.clone(), row.clone()),
                None => self.rows.remove(name),
            };
        }
    }
}

/// A row as it is kept. A list that was read item by item has room for more of them; a clone has not.
fn packed<R: Clone>(row: &R) -> Arc<R> {
    Arc::new(row.clone())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    fn fetched(names: &[&str]) -> Fetched<u32> {
        Fetched {
            at: Timestamp::UNIX_EPOCH,
            rows: names.iter().map(|name| ((*name).to_owned(), 1)).collect(),
        }
    }

    #[tokio::test]
    async fn many_callers_share_one_listing() {
        let clock = Clock::system();
        let (lists, calls) = (
            Arc::new(Listings::new(clock.clone())),
            Arc::new(AtomicUsize::new(0)),
        );
        let since = clock.now();
        let asks = (0..50).map(|_| {
            let (lists, calls) = (lists.clone(), calls.clone());
            tokio::spawn(async move {
                let fetch = || async {
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(fetched(&["a"]))
                };
                lists.row(&"s", "a", since, fetch).await.unwrap().0
            })
        });
        for row in futures::future::join_all(asks).await {
            assert_eq!(row.unwrap(), Some(1));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn our_own_write_outlives_a_listing_that_began_before_it() {
        let clock = Clock::system();
        let lists = Listings::new(clock.clone());
        let fetch = || async {
            lists.put(&"s", "new", Some(7));
            lists.put(&"s", "a", None);
            Ok::<_, Infallible>(fetched(&["a"]))
        };
        assert_eq!(
            lists.row(&"s", "new", clock.now(), fetch).await.unwrap().0,
            Some(7)
        );
        let unused = || async { Ok::<_, Infallible>(fetched(&[])) };
        assert_eq!(
            lists
                .row(&"s", "a", Timestamp::MIN, unused)
                .await
                .unwrap()
                .0,
            None
        );
        clock.advance(Duration::from_secs(1));
        let later = || async { Ok::<_, Infallible>(fetched(&["a"])) };
        assert_eq!(
            lists.row(&"s", "a", clock.now(), later).await.unwrap().0,
            Some(1)
        );
    }
}

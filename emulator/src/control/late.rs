//! Requests that are applied after their caller has gone, by the emulator's clock.

use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;

type Work = BoxFuture<'static, ()>;

/// Work that is due at some time.
#[derive(Default)]
pub struct Late {
    queue: Mutex<Vec<(Timestamp, Work)>>,
    /// Held while due work is done, so that whoever asks for it finds it done.
    running: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Late {
    /// Adds work that is due at `due`.
    pub fn push(&self, due: Timestamp, work: Work) {
        self.queue.lock().push((due, work));
        self.changed.notify_one();
    }

    /// Does what is due, in order, and returns when it is done.
    pub async fn run_due(&self, now: Timestamp) {
        let _turn = self.running.lock().await;
        while let Some(work) = self.take(now) {
            work.await;
        }
    }

    fn take(&self, now: Timestamp) -> Option<Work> {
        let mut queue = self.queue.lock();
        let due = queue.iter().enumerate().filter(|(_, (due, _))| *due <= now);
        let (at, _) = due.min_by_key(|(_, (due, _))| *due)?;
        Some(queue.remove(at).1)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.queue.lock().iter().map(|(due, _)| *due).min()
    }

    /// Does work as it becomes due, for ever.
    pub async fn watch(&self, clock: &Clock) {
        loop {
            self.run_due(clock.now()).await;
            let wait = self.next_due().map(|due| due.duration_since(clock.now()));
            match wait {
                None => self.changed.notified().await,
                Some(wait) => {
                    let wait = wait.unsigned_abs().min(std::time::Duration::from_secs(1));
                    let _ = tokio::time::timeout(wait, self.changed.notified()).await;
                }
            }
        }
    }
}

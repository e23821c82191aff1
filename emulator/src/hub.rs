//! What the emulated servers and the control API share.

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::api::{self, Caller};
use crate::clock::Clock;
use crate::control::faults::Faults;
use crate::control::journal::Journal;
use crate::control::late::Late;
use crate::data::{Directory as _, Sessions, Store};
use crate::persist::Keeper;
use crate::state::{Dropped, World};

/// One emulator: its clock, its world, and what tests put between them and their callers.
#[derive(Default)]
pub struct Hub {
    pub clock: Clock,
    pub world: Mutex<World>,
    pub faults: Mutex<Faults>,
    pub journal: Mutex<Journal>,
    pub late: Late,
    /// Objects; the world has only their counts.
    pub store: Store,
    /// Sessions of roles.
    pub sessions: Sessions,
    /// Held while the state is written: one writer at a time.
    pub saving: Mutex<Keeper>,
    /// Told when the world may have changed, for whoever saves it.
    pub changed: Notify,
}

impl Hub {
    /// The emulator's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Answers a request to the API.
    pub fn respond(&self, request: &api::Request, caller: Caller<'_>) -> api::Response {
        let now = self.now();
        let response = {
            let mut world = self.world.lock();
            let response = api::respond(&mut world, now, request, caller);
            self.forget(&mut world);
            response
        };
        if request.method != "GET" {
            self.changed.notify_one();
        }
        response
    }

    /// Carries out the lifecycle rules of all buckets.
    pub fn expire(&self) {
        for (service, bucket, delta) in self.store.expire(self.now()) {
            self.count(&service, &bucket, delta.objects, delta.bytes);
        }
        self.changed.notify_one();
    }

    /// Drops the objects of buckets and services that are gone.
    pub fn forget(&self, world: &mut World) {
        for dropped in world.dropped.drain(..) {
            match dropped {
                Dropped::Service(service) => self.store.drop_service(&service),
                Dropped::Bucket(service, bucket) => self.store.drop_bucket(&service, &bucket),
            }
        }
    }
}

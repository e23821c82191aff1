//! What the emulated servers and the control API share.

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::api::{self, Caller};
use crate::clock::Clock;
use crate::control::faults::Faults;
use crate::control::journal::Journal;
use crate::control::late::Late;
use crate::state::World;

/// One emulator: its clock, its world, and what tests put between them and their callers.
#[derive(Default)]
pub struct Hub {
    pub clock: Clock,
    pub world: Mutex<World>,
    pub faults: Mutex<Faults>,
    pub journal: Mutex<Journal>,
    pub late: Late,
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
        let response = api::respond(&mut self.world.lock(), now, request, caller);
        if request.method != "GET" {
            self.changed.notify_one();
        }
        response
    }
}

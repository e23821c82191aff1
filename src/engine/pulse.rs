//! Whether the engine still turns: each of its loops leaves a beat, and a loop that has left none for long hangs.
//!
//! A process that answers HTTP is not yet an operator that works. The loops that everything hangs on (one a kind, and the timer) beat
//! every few seconds, whether or not there is anything to do.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two beats of a loop that turns.
pub const BEAT: Duration = Duration::from_secs(5);
/// Without a beat for so long, a loop hangs. A busy machine is late by seconds, not by a minute.
pub const HANGS: Duration = Duration::from_mins(1);

/// The last beat of each loop.
#[derive(Default)]
pub struct Pulse(Mutex<BTreeMap<String, Instant>>);

impl Pulse {
    /// The loop of this name turns.
    pub fn beat(&self, name: &str) {
        let mut beats = self.lock();
        match beats.get_mut(name) {
            Some(at) => *at = Instant::now(),
            None => drop(beats.insert(name.to_owned(), Instant::now())),
        }
    }

    /// The loop of this name ends on purpose.
    pub fn end(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Loops that hang, and for how long.
    pub fn hanging(&self) -> Vec<(String, Duration)> {
        let beats = self.lock();
        let since = beats.iter().map(|(name, at)| (name.clone(), at.elapsed()));
        since.filter(|(_, since)| *since >= HANGS).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_hangs_when_its_beat_is_missing_and_not_when_it_has_ended() {
        let pulse = Pulse::default();
        for name in ["turning", "hanging", "ended"] {
            pulse.beat(name);
        }
        pulse.end("ended");
        tokio::time::advance(HANGS).await;
        pulse.beat("turning");
        let hanging: Vec<_> = pulse.hanging().into_iter().map(|(name, _)| name).collect();
        assert_eq!(hanging, ["hanging"]);
    }
}

//! How fast one account's cloud is asked, and who goes first.
//!
//! A token is one request. All work on an account draws from one bucket through three lanes: a write that
//! brings a resource nearer to its spec goes before a fresh read, a fresh read before a drift round.
//! Drift has a smaller bucket of its own besides, and never takes the common one below half, so that a
//! write which comes in the middle of a round finds tokens. A lane that was passed over for long gets
//! one turn: nothing starves behind a thousand writes.
//!
//! A 429 halves the rate and stops everything for as long as the cloud asks; the rate then grows back
//! linearly. Waiters stand in queues and are woken one by one, in order, by one pump task that the budget
//! owns: ten thousand of them cost memory, not wake-ups.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Who asks. In order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Changes the cloud, or belongs to a change (the list before a mint).
    Write,
    /// A read that somebody waits for.
    Fresh,
    /// A read that keeps watch.
    Drift,
}

impl Lane {
    /// All lanes, first things first.
    pub const ALL: [Self; 3] = [Self::Write, Self::Fresh, Self::Drift];

    /// The word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Fresh => "fresh",
            Self::Drift => "drift",
        }
    }

    /// Grants to others after which a waiting lane gets its turn.
    const fn patience(self) -> u32 {
        match self {
            Self::Write => u32::MAX,
            Self::Fresh => 8,
            Self::Drift => 16,
        }
    }
}

/// Requests a second when nobody complains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// All lanes together; at least 1.
    pub all: f64,
    /// The drift lane's own bound; never more than half of the current rate.
    pub drift: f64,
}

impl Default for Rates {
    /// 50 and 10 a second: no limit of UpCloud's is documented; this makes a thousand users in a minute.
    fn default() -> Self {
        Self {
            all: 50.0,
            drift: 10.0,
        }
    }
}

impl Rates {
    /// `requestsPerSecond` of an account; drift gets a fifth of it.
    pub fn per_second(all: u32) -> Self {
        let all = f64::from(all.max(1));
        Self {
            all,
            drift: all / 5.0,
        }
    }
}

/// The slowest the budget gets, in requests a second.
const FLOOR: f64 = 1.0;
/// Seconds without a complaint after which the full rate is back, whatever it fell to.
const RECOVERY: f64 = 60.0;
/// Pause after a 429 that names no delay.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause that is believed: a date in the far future must not stop an account for good.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The request budget of one account. Dropping it stops its pump.
pub struct Budget {
    shared: Arc<Shared>,
    pump: JoinHandle<()>,
}

/// Tokens taken and not spent yet; what is left when it is dropped goes back.
#[must_use = "a permit that is dropped gives its tokens back"]
pub struct Permit {
    shared: Arc<Shared>,
    lane: Lane,
    left: AtomicU32,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    rates: Rates,
    rate: f64,
    tokens: f64,
    drift: f64,
    /// Up to when tokens were counted.
    at: Instant,
    /// The latest time seen.
    now: Instant,
    paused: Option<Instant>,
    queues: [VecDeque<Waiter>; 3],
    passed: [u32; 3],
}

struct Waiter {
    tokens: u32,
    granted: oneshot::Sender<Permit>,
}

enum Next {
    Grant(Waiter, Lane),
    Sleep(Duration),
    Idle,
}

impl Budget {
    /// A full budget. Spawns its pump, so it needs a Tokio runtime.
    pub fn new(rates: Rates) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(rates, Instant::now())),
            arrived: Notify::new(),
        });
        let pump = tokio::spawn(pump(Arc::clone(&shared)));
        Self { shared, pump }
    }

    /// Waits for `tokens` tokens, all at once; the order within a lane is that of the calls.
    ///
    /// More than a second's worth is granted when the bucket is full and paid off afterwards. Dropping the
    /// future gives up the place.
    pub async fn take(&self, lane: Lane, tokens: u32) -> Permit {
        let waiting = {
            let mut state = self.shared.lock();
            if state.take_now(lane, tokens, Instant::now()) {
                return Permit::new(&self.shared, lane, tokens);
            }
            let (granted, waiting) = oneshot::channel();
            state.queue(lane).push_back(Waiter { tokens, granted });
            waiting
        };
        self.shared.arrived.notify_one();
        match waiting.await {
            Ok(permit) => permit,
            // The pump ends only with the budget or the runtime; then nobody polls this again.
            Err(_) => std::future::pending().await,
        }
    }

    /// The cloud said 429: halves the rate and grants nothing for `delay` (1 s if it named none).
    ///
    /// Answers to requests that were already under way when the pause began do not halve it again.
    pub fn throttled(&self, delay: Option<Duration>) {
        self.shared
            .lock()
            .throttle(delay.unwrap_or(PAUSE).min(LONGEST_PAUSE), Instant::now());
        self.shared.arrived.notify_one();
    }

    /// Requests a second right now.
    pub fn rate(&self) -> f64 {
        let mut state = self.shared.lock();
        state.refill(Instant::now());
        state.rate
    }

    /// Requests a second when nobody complains.
    pub fn limit(&self) -> f64 {
        self.shared.lock().rates.all
    }

    /// Whether nothing is granted because the cloud said so.
    pub fn is_paused(&self) -> bool {
        let mut state = self.shared.lock();
        state.refill(Instant::now());
        state.paused.is_some()
    }

    /// Waiters in a lane.
    pub fn waiting(&self, lane: Lane) -> usize {
        self.shared.lock().queue(lane).len()
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Permit {
    fn new(shared: &Arc<Shared>, lane: Lane, tokens: u32) -> Self {
        Self {
            shared: Arc::clone(shared),
            lane,
            left: AtomicU32::new(tokens),
        }
    }

    /// Uses one token; false if none is left.
    pub fn spend(&self) -> bool {
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let left = *self.left.get_mut();
        if left > 0 {
            self.shared.lock().give_back(self.lane, left);
            self.shared.arrived.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain numbers and queues, whole after every line; a panic elsewhere cannot tear it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pump(shared: Arc<Shared>) {
    loop {
        let next = shared.lock().next(Instant::now());
        match next {
            Next::Grant(waiter, lane) => {
                // Outside the lock: a waiter that left gives its tokens back through the lock.
                let permit = Permit::new(&shared, lane, waiter.tokens);
                drop(waiter.granted.send(permit));
            }
            Next::Sleep(delay) => {
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = shared.arrived.notified() => {}
                }
            }
            Next::Idle => shared.arrived.notified().await,
        }
    }
}

impl State {
    fn new(rates: Rates, now: Instant) -> Self {
        let all = rates.all.max(FLOOR);
        let rates = Rates {
            all,
            drift: rates.drift,
        };
        let mut state = Self {
            rates,
            rate: all,
            tokens: 0.0,
            drift: 0.0,
            at: now,
            now,
            paused: None,
            queues: Default::default(),
            passed: [0; 3],
        };
        state.tokens = state.capacity();
        state.drift = state.drift_capacity();
        state
    }

    /// A second's worth, and two at least: a pair must fit.
    fn capacity(&self) -> f64 {
        self.rate.max(2.0)
    }

    fn drift_rate(&self) -> f64 {
        self.rates.drift.min(self.rate / 2.0).max(FLOOR / 4.0)
    }

    fn drift_capacity(&self) -> f64 {
        self.drift_rate().max(1.0)
    }

    fn queue(&mut self, lane: Lane) -> &mut VecDeque<Waiter> {
        let [write, fresh, drift] = &mut self.queues;
        match lane {
            Lane::Write => write,
            Lane::Fresh => fresh,
            Lane::Drift => drift,
        }
    }

    fn passed(&mut self, lane: Lane) -> &mut u32 {
        let [write, fresh, drift] = &mut self.passed;
        match lane {
            Lane::Write => write,
            Lane::Fresh => fresh,
            Lane::Drift => drift,
        }
    }

    fn refill(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if let Some(until) = self.paused {
            if now < until {
                return;
            }
            self.paused = None;
            self.at = self.at.max(until);
        }
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.rate = (self.rate + self.rates.all / RECOVERY * seconds).min(self.rates.all);
        self.tokens = (self.tokens + self.rate * seconds).min(self.capacity());
        self.drift = (self.drift + self.drift_rate() * seconds).min(self.drift_capacity());
    }

    fn throttle(&mut self, delay: Duration, now: Instant) {
        self.refill(now);
        let until = now + delay;
        if self.paused.is_none() {
            self.rate = (self.rate / 2.0).max(FLOOR);
            self.tokens = self.tokens.min(0.0);
            self.drift = self.drift.min(0.0);
        }
        self.paused = Some(self.paused.map_or(until, |earlier| earlier.max(until)));
    }

    fn give_back(&mut self, lane: Lane, tokens: u32) {
        let tokens = f64::from(tokens);
        self.tokens = (self.tokens + tokens).min(self.capacity());
        if lane == Lane::Drift {
            self.drift = (self.drift + tokens).min(self.drift_capacity());
        }
    }

    /// Grants without a queue if nobody stands in one, drift aside.
    ///
    /// Not even a write overtakes a queued read here: reads that want two tokens would never see them gather.
    fn take_now(&mut self, lane: Lane, tokens: u32, now: Instant) -> bool {
        self.refill(now);
        let ahead = |other: Lane| other <= lane.max(Lane::Fresh);
        let queued = Lane::ALL
            .into_iter()
            .any(|other| ahead(other) && !self.queue(other).is_empty());
        if queued || self.wait(lane, tokens, false).is_some() {
            return false;
        }
        self.pay(lane, tokens);
        true
    }

    fn pay(&mut self, lane: Lane, tokens: u32) {
        self.tokens -= f64::from(tokens);
        if lane == Lane::Drift {
            self.drift -= f64::from(tokens);
        }
        for other in Lane::ALL {
            let waits = other != lane && !self.queue(other).is_empty();
            let passed = self.passed(other);
            *passed = if waits { passed.saturating_add(1) } else { 0 };
        }
    }

    /// How long this many tokens take to gather; `None` if they are there.
    ///
    /// `overdue` lets drift go below half of the common bucket, which steady writes never fill.
    fn wait(&self, lane: Lane, tokens: u32, overdue: bool) -> Option<Duration> {
        let tokens = f64::from(tokens);
        let mut seconds = match lane {
            Lane::Write | Lane::Fresh => (tokens.min(self.capacity()) - self.tokens) / self.rate,
            Lane::Drift => {
                let half = self.capacity() / 2.0;
                let floor = if overdue { 0.0 } else { half };
                let common = (tokens.min(half) + floor - self.tokens) / self.rate;
                let own = (tokens.min(self.drift_capacity()) - self.drift) / self.drift_rate();
                common.max(own)
            }
        };
        // Half a millionth of a token is rounding, not debt.
        seconds = if seconds < 5e-7 { 0.0 } else { seconds };
        let pause = self.paused.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(self.now)
        });
        if seconds <= 0.0 && pause.is_zero() {
            return None;
        }
        Some(pause + Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)) + Duration::from_millis(1))
    }

    fn next(&mut self, now: Instant) -> Next {
        self.refill(now);
        for queue in &mut self.queues {
            while queue
                .front()
                .is_some_and(|waiter| waiter.granted.is_closed())
            {
                queue.pop_front();
            }
        }
        let mut sleep: Option<Duration> = None;
        for (lane, overdue) in self.order() {
            let Some(tokens) = self.queue(lane).front().map(|waiter| waiter.tokens) else {
                continue;
            };
            match self.wait(lane, tokens, overdue) {
                None => return self.grant(lane, tokens),
                Some(delay) => sleep = Some(sleep.map_or(delay, |shorter| shorter.min(delay))),
            }
            // Whoever waits for the common bucket is not overtaken; drift waiting for its own is no obstacle.
            if lane != Lane::Drift {
                break;
            }
        }
        sleep.map_or(Next::Idle, Next::Sleep)
    }

    /// Lanes in the order they are looked at: those whose patience is over first.
    fn order(&mut self) -> Vec<(Lane, bool)> {
        let mut order: Vec<_> = Lane::ALL
            .into_iter()
            .map(|lane| (lane, *self.passed(lane) >= lane.patience()))
            .collect();
        order.sort_by_key(|(lane, overdue)| (!overdue, *lane));
        order
    }

    fn grant(&mut self, lane: Lane, tokens: u32) -> Next {
        let Some(waiter) = self.queue(lane).pop_front() else {
            return Next::Idle;
        };
        self.pay(lane, tokens);
        Next::Grant(waiter, lane)
    }
}

#[cfg(test)]
mod tests;

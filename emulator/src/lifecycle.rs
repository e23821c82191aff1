//! The life of a service as a pure function of time.
//!
//! A change of a service starts a [`Course`]: the states it will pass and when it set out. What
//! state it is in is computed from the clock when somebody asks; no timer runs. Changing the pace
//! (or unsticking) rewrites the courses under way, so that nothing jumps back.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// `operational_state` of a service, in the order of the API description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Pending,
    SetupService,
    SetupNetwork,
    SetupTls,
    SetupPublicEndpoint,
    SetupPrivateEndpoint,
    SetupDns,
    CleanupDeletedBuckets,
    SetupIam,
    SetupCheckup,
    Running,
    Stopped,
    DeletePrivateEndpoint,
    DeletePublicEndpoint,
    DeleteBuckets,
    DeleteIam,
    DeleteNamespace,
    DeleteDns,
    DeleteTls,
    DeleteNetwork,
    DeleteService,
    /// Not on the wire: the service answers 404.
    Gone,
}

impl State {
    /// The wire value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::SetupService => "setup-service",
            Self::SetupNetwork => "setup-network",
            Self::SetupTls => "setup-tls",
            Self::SetupPublicEndpoint => "setup-public-endpoint",
            Self::SetupPrivateEndpoint => "setup-private-endpoint",
            Self::SetupDns => "setup-dns",
            Self::CleanupDeletedBuckets => "cleanup-deleted-buckets",
            Self::SetupIam => "setup-iam",
            Self::SetupCheckup => "setup-checkup",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::DeletePrivateEndpoint => "delete-private-endpoint",
            Self::DeletePublicEndpoint => "delete-public-endpoint",
            Self::DeleteBuckets => "delete-buckets",
            Self::DeleteIam => "delete-iam",
            Self::DeleteNamespace => "delete-namespace",
            Self::DeleteDns => "delete-dns",
            Self::DeleteTls => "delete-tls",
            Self::DeleteNetwork => "delete-network",
            Self::DeleteService => "delete-service",
            Self::Gone => "gone",
        }
    }
}

/// How fast states follow one another, and where they stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Length of one state in milliseconds; 0 settles at the next look.
    pub step_ms: i64,
    /// How long a deleted bucket stays listed, in milliseconds; 0 shows it once.
    pub purge_ms: i64,
    /// A state that no service gets past.
    pub stuck: Option<State>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            step_ms: 1000,
            purge_ms: 3000,
            stuck: None,
        }
    }
}

/// The states that a service passes, from the moment it set out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    states: Vec<State>,
    since: Timestamp,
}

/// A state and when it was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub state: State,
    pub since: Timestamp,
    /// Time alone would have brought it further.
    pub held: bool,
}

impl Course {
    /// Sets out at `since`; the last state is where it settles.
    pub fn new(since: Timestamp, states: Vec<State>) -> Self {
        Self { states, since }
    }

    /// Where the course is at `now`. `hold` stops it as the pace's own `stuck` does.
    pub fn at(&self, now: Timestamp, pace: &Pace, hold: Option<State>) -> Seen {
        let free = Pace {
            stuck: None,
            ..*pace
        };
        let index = self.index(now, pace, hold);
        // Without a step the states are a microsecond apart: each one moves `updated_at`.
        let step = if pace.step_ms > 0 {
            pace.step_ms.saturating_mul(1000)
        } else {
            1
        };
        let entered = i64::try_from(index)
            .unwrap_or(i64::MAX)
            .saturating_mul(step);
        Seen {
            held: index < self.index(now, &free, None),
            state: self.states.get(index).copied().unwrap_or(State::Running),
            since: self
                .since
                .saturating_add(SignedDuration::from_micros(entered))
                .unwrap_or(self.since),
        }
    }

    fn index(&self, now: Timestamp, pace: &Pace, hold: Option<State>) -> usize {
        let last = self.states.len().saturating_sub(1);
        let elapsed = now.duration_since(self.since).as_millis().max(0);
        let reached = if pace.step_ms <= 0 {
            last
        } else {
            usize::try_from(elapsed / i128::from(pace.step_ms)).map_or(last, |n| n.min(last))
        };
        let barrier = |wall: Option<State>| {
            let wall = wall?;
            self.states.iter().position(|state| *state == wall)
        };
        [barrier(pace.stuck), barrier(hold)]
            .into_iter()
            .flatten()
            .fold(reached, usize::min)
    }

    /// The rest of the course from where it is, for a pace that changes at `now`.
    #[must_use]
    pub fn rebased(&self, now: Timestamp, pace: &Pace, hold: Option<State>) -> Self {
        let index = self.index(now, pace, hold);
        let seen = self.at(now, pace, hold);
        let rest: Vec<State> = self.states.iter().skip(index).copied().collect();
        let since = if rest.len() == 1 { seen.since } else { now };
        Self::new(since, rest)
    }
}

/// What of a service decides its course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `configured_status` is `started`.
    pub started: bool,
    /// It has a public network.
    pub public: bool,
    /// It has a private network.
    pub private: bool,
}

/// What a modification touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Networks, or the start of a stopped service.
    pub networks: bool,
    /// Custom domains or websites.
    pub domains: bool,
}

/// States after creation.
pub fn creation(shape: Shape) -> Vec<State> {
    if !shape.started {
        return vec![State::Pending, State::SetupService, State::Stopped];
    }
    let mut states = vec![
        State::Pending,
        State::SetupService,
        State::SetupNetwork,
        State::SetupTls,
    ];
    push_endpoints(&mut states, shape);
    states.extend([
        State::SetupDns,
        State::SetupIam,
        State::SetupCheckup,
        State::Running,
    ]);
    states
}

/// States after a modification.
pub fn modification(shape: Shape, touched: Touched) -> Vec<State> {
    let mut states = vec![State::Pending];
    if shape.started && touched.networks {
        states.push(State::SetupNetwork);
    }
    if shape.started && (touched.networks || touched.domains) {
        states.push(State::SetupTls);
        push_endpoints(&mut states, shape);
        states.push(State::SetupDns);
    }
    states.push(State::SetupCheckup);
    states.push(if shape.started {
        State::Running
    } else {
        State::Stopped
    });
    states
}

/// States after deletion, from the state that the service was in.
pub fn deletion(current: State, shape: Shape) -> Vec<State> {
    let mut states = vec![current];
    if shape.private {
        states.push(State::DeletePrivateEndpoint);
    }
    if shape.public {
        states.push(State::DeletePublicEndpoint);
    }
    states.extend([
        State::DeleteBuckets,
        State::DeleteIam,
        State::DeleteNamespace,
        State::DeleteDns,
        State::DeleteTls,
        State::DeleteNetwork,
        State::DeleteService,
        State::Gone,
    ]);
    states
}

fn push_endpoints(states: &mut Vec<State>, shape: Shape) {
    if shape.public {
        states.push(State::SetupPublicEndpoint);
    }
    if shape.private {
        states.push(State::SetupPrivateEndpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        started: true,
        public: true,
        private: false,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + seconds).unwrap()
    }

    fn state(course: &Course, seconds: i64, pace: Pace) -> State {
        course.at(at(seconds), &pace, None).state
    }

    #[test]
    fn a_service_walks_to_running_one_state_a_step() {
        let course = Course::new(at(0), creation(SHAPE));
        let pace = Pace::default();
        assert_eq!(state(&course, 0, pace), State::Pending);
        assert_eq!(state(&course, 1, pace), State::SetupService);
        assert_eq!(state(&course, 4, pace), State::SetupPublicEndpoint);
        assert_eq!(state(&course, 600, pace), State::Running);
        assert_eq!(course.at(at(600), &pace, None).since, at(8));
    }

    #[test]
    fn a_step_of_nothing_settles_at_once() {
        let pace = Pace {
            step_ms: 0,
            ..Pace::default()
        };
        let course = Course::new(at(0), deletion(State::Running, SHAPE));
        assert_eq!(state(&course, 0, pace), State::Gone);
    }

    #[test]
    fn a_stuck_service_goes_on_from_there_when_it_is_freed() {
        let pace = Pace {
            stuck: Some(State::SetupTls),
            ..Pace::default()
        };
        let course = Course::new(at(0), creation(SHAPE));
        assert_eq!(state(&course, 600, pace), State::SetupTls);
        let freed = course.rebased(at(600), &pace, None);
        assert_eq!(state(&freed, 600, Pace::default()), State::SetupTls);
        assert_eq!(
            state(&freed, 601, Pace::default()),
            State::SetupPublicEndpoint
        );
    }

    #[test]
    fn a_settled_service_stays_settled_when_the_pace_slows() {
        let slow = Pace {
            step_ms: 1_000_000,
            ..Pace::default()
        };
        let course = Course::new(at(0), creation(SHAPE)).rebased(at(600), &Pace::default(), None);
        assert_eq!(state(&course, 600, slow), State::Running);
        assert_eq!(course.at(at(600), &slow, None).since, at(8));
    }

    #[test]
    fn private_endpoints_are_passed_only_with_a_private_network() {
        let with = Shape {
            private: true,
            ..SHAPE
        };
        assert!(creation(with).contains(&State::SetupPrivateEndpoint));
        assert!(!creation(SHAPE).contains(&State::SetupPrivateEndpoint));
        assert!(deletion(State::Running, with).contains(&State::DeletePrivateEndpoint));
        assert_eq!(
            modification(SHAPE, Touched::default()),
            [State::Pending, State::SetupCheckup, State::Running]
        );
    }
}

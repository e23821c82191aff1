//! The brake: a wave of deletions stops and asks.
//!
//! A namespace deleted by mistake, a chart rendered empty, a pruned folder: each is a wish of Kubernetes' own that cooper cannot tell from a
//! real one, except by its size. So a deletion that is one of more than so many, and of more than such a share of all that the account
//! has, within a set time, waits until somebody says that it is meant.
//!
//! A wave is made of moments in which deletions were asked for. They stand in the objects (`deletionTimestamp`, the API server's time),
//! so a restart forgets nothing, two operators see the same, and no clock of ours judges. Only deletions that have ended are no objects
//! any more: those are counted in the account's status. A wave does not pass by waiting: it is held until it is released.

mod table;

use std::time::Duration;

use jiff::Timestamp;

pub use table::{Answer, Brakes, Part, Told};

/// A deletion begins this long after it was first seen, where there are enough things for a wave: of one that is just coming in, none goes
/// before its size shows.
pub const SETTLE: Duration = Duration::from_secs(3);

/// When a wave of deletions stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A wave is more than this share of the account's things, in percent.
    pub percent: u32,
    /// And more than this many.
    pub more_than: u32,
    /// Asked for within this time.
    pub within: Duration,
}

impl Default for Limits {
    /// More than 30 % and more than 10 within 10 min.
    fn default() -> Self {
        Self {
            percent: 30,
            more_than: 10,
            within: Duration::from_mins(10),
        }
    }
}

impl Limits {
    /// Whether so many deletions of so many things are a wave.
    pub fn is_wave(&self, deletions: usize, things: usize) -> bool {
        let share = deletions.saturating_mul(100);
        deletions > self.most() && share > things.saturating_mul(self.percent as usize)
    }

    /// As many things may always go.
    pub fn most(&self) -> usize {
        self.more_than as usize
    }
}

/// Which of these moments, in order, belong to a wave: there is a span of `within` that holds them and enough others. `things`: how many
/// there were before the first.
pub fn waves(limits: &Limits, things: usize, moments: &[Timestamp]) -> Vec<bool> {
    let mut marks = vec![false; moments.len()];
    let (mut end, mut marked) = (0, 0);
    for (first, from) in moments.iter().enumerate() {
        let last = super::clock::later(*from, limits.within);
        while moments.get(end).is_some_and(|moment| *moment <= last) {
            end += 1;
        }
        if limits.is_wave(end - first, things) {
            let begin = marked.max(first);
            marks
                .iter_mut()
                .take(end)
                .skip(begin)
                .for_each(|mark| *mark = true);
            marked = end;
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// `#` for each of `moments` that is held, `.` for each that is not.
    fn marks(things: usize, moments: impl IntoIterator<Item = i64>) -> String {
        let moments: Vec<_> = moments.into_iter().map(at).collect();
        let marks = waves(&Limits::default(), things, &moments);
        marks
            .iter()
            .map(|mark| if *mark { '#' } else { '.' })
            .collect()
    }

    #[test]
    fn a_wave_is_both_many_and_a_large_share() {
        for (deletions, things, is_wave) in [
            (10, 10, false),
            (11, 11, true),
            (11, 36, true),
            (11, 37, false),
            (30, 100, false),
            (31, 100, true),
            (300, 1000, false),
            (301, 1000, true),
            (3, 3, false),
            (0, 0, false),
        ] {
            assert_eq!(
                Limits::default().is_wave(deletions, things),
                is_wave,
                "{deletions} of {things}"
            );
        }
    }

    #[test]
    fn limits_say_what_a_wave_is() {
        let limits = |percent, more_than| Limits {
            percent,
            more_than,
            ..Limits::default()
        };
        assert!(limits(1, 0).is_wave(1, 99));
        assert!(!limits(100, 0).is_wave(50, 50), "all is not more than all");
        assert!(limits(99, 1).is_wave(2, 2));
    }

    #[test]
    fn deletions_count_together_if_one_span_holds_them() {
        assert_eq!(marks(20, 0..11), "###########");
        assert_eq!(marks(20, 0..10), "..........");
        // Ten in each of two spans, and none of eleven.
        let slow = (0..20).map(|n| n * 61);
        assert_eq!(marks(20, slow), "....................");
        // The span is ten minutes, both ends included.
        assert_eq!(marks(20, (0..10).chain([600])), "###########");
        assert_eq!(marks(20, (0..10).chain([601])), "...........");
    }

    #[test]
    fn what_came_before_and_after_a_wave_is_not_held_with_it() {
        let moments = [-700].into_iter().chain(0..11).chain([1300, 1301]);
        assert_eq!(marks(20, moments), ".###########..");
        // One that comes while the wave is held joins it.
        assert_eq!(marks(20, (0..11).chain([500])), "############");
    }

    #[test]
    fn two_waves_are_told_apart() {
        let moments = (0..12).chain(5000..5012).chain([9000]);
        assert_eq!(marks(24, moments), "########################.");
    }
}

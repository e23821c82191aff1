//! How long to wait before the next look. Pure; the caller brings the randomness.

use std::time::Duration;

use super::fault::{Class, Fault};

/// Between two looks at a remote that is as wanted.
pub const DRIFT: Duration = Duration::from_mins(10);
/// Between two looks at what only an edit or a person can mend.
pub const SLOW: Duration = Duration::from_mins(5);
/// Between two looks at what a wake-up will announce anyway.
pub const WOKEN: Duration = Duration::from_mins(2);

/// What looking at Secrets may cost the API server.
const SECRETS_A_SECOND: u32 = 20;

/// Longest delay that a cloud may ask for; one that asks for a year is broken.
const LONGEST: Duration = Duration::from_mins(10);
const FIRST: Duration = Duration::from_secs(1);
const SETTLING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Delay after a fault: doubles from 1 s to 5 min with the number of faults in a row; a throttled answer's own delay wins, up to 10 min.
///
/// `dice` in 0..1 spreads the delay over its upper half, so that a thousand resources do not come back at once.
pub fn after(fault: &Fault, failures: u32, dice: f64) -> Duration {
    match fault.class {
        Class::Conflict => spread(Duration::from_millis(200), dice),
        Class::Throttled(wait) => wait.min(LONGEST) + spread(FIRST, dice),
        Class::Transient => spread(doubled(FIRST, failures, SLOW), dice),
        Class::Denied => spread(doubled(FIRST * 10, failures, SLOW), dice),
        Class::Terminal => spread(SLOW, dice),
    }
}

/// Delay while the cloud is at work: 2 s, growing to 30 s.
pub fn settling(looks: u32, dice: f64) -> Duration {
    spread(doubled(SETTLING.0, looks, SETTLING.1), dice)
}

/// Delay while a deletion is held by something that nobody announces: 5 s, growing to 1 min.
pub fn held(looks: u32, dice: f64) -> Duration {
    spread(
        doubled(Duration::from_secs(5), looks, Duration::from_mins(1)),
        dice,
    )
}

/// Delay until a resource's part of the next drift round, `age` after the operator began.
///
/// Rounds are common to all resources, so that those of one collection go on sharing one listing however long the operator runs: with an
/// interval of its own each would drift away from the others, and two listings would be needed where one is. `dice` in 0..1 spreads the
/// resources over the first tenth of the round.
pub fn until_round(age: Duration, interval: Duration, dice: f64) -> Duration {
    let into = age.as_nanos().checked_rem(interval.as_nanos());
    let into = Duration::from_nanos(u64::try_from(into.unwrap_or_default()).unwrap_or_default());
    interval.saturating_sub(into) + interval.mul_f64(0.1 * dice.clamp(0.0, 1.0))
}

/// Time between two looks at a Secret, with `issuers` of them: the least, and more than that once they were 20 a second.
pub fn secret_check(least: Duration, issuers: usize) -> Duration {
    let issuers = u32::try_from(issuers).unwrap_or(u32::MAX);
    least.max(Duration::from_secs(1) * issuers / SECRETS_A_SECOND)
}

/// An even interval, moved by up to a tenth either way.
pub fn jittered(interval: Duration, dice: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * dice.clamp(0.0, 1.0))
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(times.min(16)))
        .min(most)
}

fn spread(delay: Duration, dice: f64) -> Duration {
    delay.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::reason::Reason;

    fn fault(class: Class) -> Fault {
        Fault::new(class, Reason::Refused, "no")
    }

    #[test]
    fn delays_grow_to_their_bound() {
        let seconds = |class, failures| after(&fault(class), failures, 1.0).as_secs();
        assert_eq!(
            [0, 1, 2, 30].map(|n| seconds(Class::Transient, n)),
            [1, 2, 4, 300]
        );
        assert_eq!(seconds(Class::Throttled(Duration::from_secs(7)), 9), 8);
        assert_eq!(seconds(Class::Throttled(Duration::MAX), 0), 601);
        assert_eq!([0, 5].map(|n| settling(n, 1.0).as_secs()), [2, 30]);
    }

    #[test]
    fn the_parts_of_one_round_lie_together_whenever_their_resources_were_looked_at_before() {
        let interval = Duration::from_mins(10);
        for (age, dice, due) in [
            (0, 0.0, 600),
            (1, 0.0, 600),
            (599, 1.0, 660),
            (600, 0.0, 1200),
            (630, 0.5, 1230),
            (660, 1.0, 1260),
        ] {
            let age = Duration::from_secs(age);
            let at = age + until_round(age, interval, dice);
            assert_eq!(at.as_secs(), due, "{age:?} {dice}");
        }
    }

    #[test]
    fn many_secrets_are_looked_at_less_often() {
        let seconds = |issuers| secret_check(Duration::from_mins(1), issuers).as_secs();
        assert_eq!([0, 1200, 2000, 10_000].map(seconds), [60, 60, 100, 500]);
    }

    #[test]
    fn the_dice_moves_a_delay_only_within_its_upper_half() {
        let delay = |dice| after(&fault(Class::Transient), 3, dice);
        assert!(delay(0.0) == Duration::from_secs(4) && delay(1.0) == Duration::from_secs(8));
        assert_eq!(
            jittered(Duration::from_secs(100), 0.5),
            Duration::from_secs(100)
        );
    }
}

//! Which rotation a key has to serve, as one number: the unix second of the schedule point or of the request by annotation.
//!
//! A key is due for replacement at its age: the ids and times the cloud lists are the clock, so nothing is lost with a status or a
//! process, and a key that was made anew for another reason starts afresh. The number stays the same until the next point, so that a
//! rotation that dies halfway is gone on with, not begun again. A request by annotation is any text that was not seen before; it is
//! written into the ledger with the moment it was seen before anything is done about it.

use super::ledger::Asked;
use super::{KeyWant, Ledger, Listed, Moment, Want};

/// The rotation that the key in the Secret must serve; one with a smaller number is replaced. 0: any key will do.
pub fn serial(ledger: Option<&Ledger>, listed: &Listed, want: &KeyWant) -> i64 {
    let asked = ledger.and_then(|ledger| ledger.asked.as_ref());
    let asked = asked.map_or(0, |asked| asked.serial);
    asked.max(point(ledger, listed, want).unwrap_or(0))
}

/// The latest schedule point, if the current key is from before it.
fn point(ledger: Option<&Ledger>, listed: &Listed, want: &KeyWant) -> Option<i64> {
    let every = want.every?.as_secs();
    let base = base(ledger?, listed)?;
    let periods = (listed.at.as_second() - base).checked_div_euclid(every)?;
    (periods > 0).then(|| base.saturating_add(periods.saturating_mul(every)))
}

/// When the current key is replaced by schedule; `None` without one.
pub fn next_rotation(ledger: Option<&Ledger>, listed: &Listed, want: &KeyWant) -> Option<Moment> {
    let base = base(ledger?, listed)?;
    let base = jiff::Timestamp::from_second(base).ok()?;
    Some(Moment::of(base).plus(want.every?))
}

/// From when the age of the current key counts: its making, or the point it serves if the cloud does not say that or it is later.
fn base(ledger: &Ledger, listed: &Listed) -> Option<i64> {
    let current = ledger.current.as_ref()?;
    let made = listed.key(&current.id)?.created_at.as_second();
    // A key of unknown age is listed as from the beginning of time.
    let base = made.max(current.serial);
    (base > 0).then_some(base)
}

/// The ledger with a request by annotation in it that it does not know yet; `None` if there is none.
///
/// A text that is gone is forgotten: the same text asks anew if it comes back. What it asked for still happens.
pub fn noticed(ledger: Option<&Ledger>, listed: &Listed, want: &KeyWant) -> Option<Ledger> {
    let ledger = ledger.filter(|_| want.want == Want::Present)?;
    let before = ledger.asked.clone().unwrap_or_default();
    let text = want.asked.clone().unwrap_or_default();
    if text == before.text {
        return None;
    }
    let serial = if text.is_empty() {
        before.serial
    } else {
        // Later than whatever was served, also within the same second.
        let current = ledger.current.as_ref().map_or(0, |current| current.serial);
        let now = listed.at.as_second();
        now.max(current.saturating_add(1))
            .max(before.serial.saturating_add(1))
    };
    Some(Ledger {
        asked: Some(Asked { text, serial }),
        ..ledger.clone()
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::fixture::*;
    use super::super::*;
    use super::*;

    const DAY: i64 = 86_400;

    /// A current key made so many days ago, of that serial, to be replaced every ten days.
    fn aged(days: i64, serial: i64) -> Case {
        case()
            .listed_key("A", true, NOW - days * DAY, None)
            .current("A")
            .target("A")
            .ledger(|l| l.current.as_mut().unwrap().serial = serial)
            .wants(|w| w.every = Some(SignedDuration::from_hours(240)))
    }

    fn serial_of(case: &Case) -> i64 {
        serial(case.stored.ledger.as_ref(), &case.listed, &case.want)
    }

    #[test]
    fn a_key_is_due_at_its_age_and_the_number_stays_until_the_next_point() {
        let made = |days: i64| NOW - days * DAY;
        let rows = [
            (aged(9, 0), 0),
            (aged(10, 0), made(10) + 10 * DAY),
            (aged(13, 0), made(13) + 10 * DAY),
            (aged(25, 0), made(25) + 20 * DAY),
            // It serves a point that is younger than itself.
            (aged(13, NOW - 3 * DAY), 0),
            (aged(13, NOW - 12 * DAY), NOW - 2 * DAY),
            (aged(13, 0).wants(|w| w.every = None), 0),
            (case(), 0),
        ];
        for (case, expected) in rows {
            assert_eq!(serial_of(&case), expected, "{:?}", case.stored.ledger);
        }
    }

    #[test]
    fn a_key_of_unknown_age_is_not_replaced_again_and_again() {
        let unknown = |serial| {
            let mut case = aged(0, serial);
            case.listed.keys[0].created_at = jiff::Timestamp::MIN;
            case
        };
        assert_eq!(serial_of(&unknown(0)), 0);
        assert_eq!(serial_of(&unknown(NOW - 9 * DAY)), 0);
        assert_eq!(serial_of(&unknown(NOW - 10 * DAY)), NOW);
    }

    #[test]
    fn a_due_key_is_minted_for_its_point_and_then_at_rest() {
        let due = aged(13, 0);
        let point = serial_of(&due);
        let minting = due.clone().wants(|w| w.serial = point);
        let KeyStep::Mint { reservation, .. } = minting.next() else {
            panic!("{:?}", minting.next());
        };
        assert_eq!(reservation.serial, point);
        let done = due
            .listed_key("B", true, NOW - 5, None)
            .current("B")
            .ledger(|l| l.current.as_mut().unwrap().serial = point);
        assert_eq!(serial_of(&done), 0);
    }

    #[test]
    fn the_next_rotation_is_the_age_of_the_key_away() {
        let next =
            |case: &Case| next_rotation(case.stored.ledger.as_ref(), &case.listed, &case.want);
        assert_eq!(next(&aged(3, 0)), Some(at(NOW + 7 * DAY)));
        assert_eq!(next(&aged(3, 0).wants(|w| w.every = None)), None);
        assert_eq!(next(&case()), None);
    }

    fn asks(case: Case, text: &str) -> Case {
        case.wants(|w| w.asked = Some(text.into()))
    }

    fn noticed_by(case: &Case) -> Option<Asked> {
        noticed(case.stored.ledger.as_ref(), &case.listed, &case.want)?.asked
    }

    fn knows(case: Case, text: &str, serial: i64) -> Case {
        let text = text.to_owned();
        case.ledger(|l| l.asked = Some(Asked { text, serial }))
    }

    #[test]
    fn any_new_text_asks_once() {
        let first = asks(healthy(), "a");
        assert_eq!(noticed_by(&first).unwrap().serial, NOW);
        let known = knows(asks(healthy(), "a"), "a", NOW - 9);
        assert_eq!(noticed_by(&known), None);
        assert_eq!(serial_of(&known), NOW - 9);
        let other = knows(asks(healthy(), "b"), "a", NOW - 9);
        assert_eq!(noticed_by(&other).unwrap().serial, NOW);
        assert_eq!(noticed_by(&healthy()), None);
    }

    #[test]
    fn two_requests_in_one_second_are_two() {
        let served = knows(asks(healthy(), "b"), "a", NOW);
        let served = served.ledger(|l| l.current.as_mut().unwrap().serial = NOW);
        assert_eq!(noticed_by(&served).unwrap().serial, NOW + 1);
    }

    #[test]
    fn a_text_that_is_gone_is_forgotten_but_not_what_it_asked_for() {
        let gone = knows(healthy(), "a", NOW - 9);
        let forgotten = Asked {
            text: String::new(),
            serial: NOW - 9,
        };
        assert_eq!(noticed_by(&gone), Some(forgotten));
        let back = knows(asks(healthy(), "a"), "", NOW - 9);
        assert_eq!(noticed_by(&back).unwrap().serial, NOW);
    }

    #[test]
    fn an_ending_notices_nothing() {
        assert_eq!(noticed_by(&asks(healthy(), "a").want(Want::NoKey)), None);
    }

    #[test]
    fn a_ledger_that_is_begun_takes_the_annotation_as_served() {
        let lost = asks(healthy().no_ledger(), "a").recorded();
        let asked = lost.asked.unwrap();
        assert_eq!((asked.text.as_str(), asked.serial), ("a", 0));
        let new = asks(case(), "a");
        let KeyStep::Mint { reservation, .. } = new.next() else {
            panic!("{:?}", new.next());
        };
        let begun = reserve(&new.stored, &new.want, &Nonce::new("n1"), &reservation);
        assert_eq!(begun.asked.unwrap().serial, 0);
    }
}

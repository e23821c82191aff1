//! How much of what no list shows is read of one account, so that a drift round stays cheap however many objects there are.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{clock::earlier, external::AccountKey};

/// Requests for deep reads of one account in one drift interval.
///
/// With what lists cost, a round over a thousand users and as many buckets and policies stays within 25 requests. At a round every ten
/// minutes it is 1,152 requests a day: where the objects of an account want more than that, each is read deep less often than daily.
pub const MOST: u32 = 8;

/// Deep reads of each account in the last drift interval.
#[derive(Default)]
pub struct Depths(Mutex<HashMap<AccountKey, VecDeque<(Timestamp, u32)>>>);

impl Depths {
    /// Takes `requests` of an account's share, or says that it is used up for now.
    ///
    /// Who wants more than the whole share gets it when nobody else has taken of it.
    pub fn take(
        &self,
        account: &AccountKey,
        requests: u32,
        now: Timestamp,
        interval: Duration,
    ) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(account.clone()).or_default();
        let since = earlier(now, interval);
        while taken.front().is_some_and(|(at, _)| *at <= since) {
            taken.pop_front();
        }
        let sum: u32 = taken.iter().map(|(_, requests)| requests).sum();
        let is_enough = sum > 0 && sum.saturating_add(requests) > MOST;
        if !is_enough {
            taken.push_back((now, requests));
        }
        !is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_mins(10);

    fn account(name: &str) -> AccountKey {
        AccountKey {
            namespace: "infra".into(),
            name: name.into(),
        }
    }

    /// How many of a thousand objects are read deep at this second, at two requests each.
    fn served(depths: &Depths, second: i64) -> usize {
        let now = Timestamp::from_second(second).unwrap();
        (0..1000)
            .filter(|_| depths.take(&account("default"), 2, now, ROUND))
            .count()
    }

    #[test]
    fn a_thousand_objects_share_eight_requests_a_round() {
        let depths = Depths::default();
        assert_eq!(
            [0, 599, 600, 700, 1200].map(|second| served(&depths, second)),
            [4, 0, 4, 0, 4]
        );
    }

    #[test]
    fn accounts_have_a_share_each() {
        let depths = Depths::default();
        served(&depths, 0);
        let now = Timestamp::from_second(0).unwrap();
        assert!(depths.take(&account("other"), 2, now, ROUND));
    }

    #[test]
    fn who_wants_more_than_the_share_gets_it_alone() {
        let depths = Depths::default();
        let now = Timestamp::from_second(0).unwrap();
        let take = |requests| depths.take(&account("default"), requests, now, ROUND);
        assert_eq!([12, 1].map(take), [true, false]);
    }
}

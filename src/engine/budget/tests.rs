use std::sync::atomic::AtomicUsize;

use futures::future::join_all;
use tokio::time::{advance, sleep};

use super::*;

fn budget(all: f64, drift: f64) -> Budget {
    Budget::new(Rates { all, drift })
}

/// Takes and spends this many tokens one by one; seconds it took.
async fn spend(budget: &Budget, lane: Lane, requests: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..requests {
        budget.take(lane, 1).await.spend();
    }
    start.elapsed().as_secs_f64()
}

/// Uses up what a full budget holds.
async fn drain(budget: &Budget) {
    let permit = budget.take(Lane::Write, 50).await;
    while permit.spend() {}
}

#[tokio::test(start_paused = true)]
async fn a_full_budget_grants_a_second_at_once_and_then_keeps_the_rate() {
    let budget = budget(50.0, 10.0);
    assert!(spend(&budget, Lane::Write, 50).await < 0.01);
    let seconds = spend(&budget, Lane::Write, 500).await;
    assert!((9.9..11.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiters_are_served_in_order_and_at_rate() {
    let budget = Arc::new(budget(50.0, 10.0));
    let start = Instant::now();
    let served = Arc::new(Mutex::new(Vec::new()));
    let waiters = (0..10_000).map(|index| {
        let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
        async move {
            budget.take(Lane::Write, 1).await.spend();
            served.lock().unwrap().push(index);
        }
    });
    join_all(waiters).await;
    let seconds = start.elapsed().as_secs_f64();
    assert!((198.0..205.0).contains(&seconds), "{seconds}");
    assert!(served.lock().unwrap().is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_before_reads_that_came_earlier() {
    let budget = Arc::new(budget(50.0, 10.0));
    drain(&budget).await;
    let served = Arc::new(Mutex::new(Vec::new()));
    let take = |lane: Lane| {
        let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
        tokio::spawn(async move {
            budget.take(lane, 1).await.spend();
            served.lock().unwrap().push(lane);
        })
    };
    let mut tasks = Vec::new();
    for lane in [
        Lane::Drift,
        Lane::Fresh,
        Lane::Write,
        Lane::Fresh,
        Lane::Write,
    ] {
        tasks.push(take(lane));
        tokio::task::yield_now().await;
    }
    join_all(tasks).await;
    let expected = [
        Lane::Write,
        Lane::Write,
        Lane::Fresh,
        Lane::Fresh,
        Lane::Drift,
    ];
    assert_eq!(*served.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_starves_behind_steady_writes() {
    let budget = Arc::new(budget(50.0, 10.0));
    let writes = {
        let budget = Arc::clone(&budget);
        tokio::spawn(
            async move { join_all((0..5_000).map(|_| spend(&budget, Lane::Write, 1))).await },
        )
    };
    tokio::task::yield_now().await;
    let fresh = spend(&budget, Lane::Fresh, 10).await;
    assert!(fresh < 5.0, "{fresh}");
    let drift = spend(&budget, Lane::Drift, 10).await;
    assert!(drift < 10.0, "{drift}");
    writes.abort();
}

#[tokio::test(start_paused = true)]
async fn drift_has_a_rate_of_its_own() {
    let budget = budget(50.0, 10.0);
    let seconds = spend(&budget, Lane::Drift, 110).await;
    assert!((9.9..11.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn drift_leaves_half_of_the_tokens_to_others() {
    let budget = budget(50.0, 1000.0);
    sleep(Duration::from_secs(1)).await;
    let drifting = budget.take(Lane::Drift, 25).await;
    while drifting.spend() {}
    let start = Instant::now();
    let write = budget.take(Lane::Write, 25).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    while write.spend() {}
    budget.take(Lane::Drift, 1).await.spend();
    assert!(
        start.elapsed() > Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn several_tokens_come_all_at_once() {
    let budget = Arc::new(budget(50.0, 10.0));
    drain(&budget).await;
    let start = Instant::now();
    let permit = budget.take(Lane::Write, 2).await;
    assert!(start.elapsed() >= Duration::from_millis(40));
    assert!(permit.spend() && permit.spend() && !permit.spend());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_second_holds_is_granted_and_paid_off() {
    let budget = budget(10.0, 2.0);
    let permit = budget.take(Lane::Write, 30).await;
    while permit.spend() {}
    let start = Instant::now();
    budget.take(Lane::Write, 1).await.spend();
    let seconds = start.elapsed().as_secs_f64();
    assert!((2.0..2.3).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn tokens_not_spent_go_back() {
    let budget = budget(50.0, 10.0);
    drain(&budget).await;
    sleep(Duration::from_secs(1)).await;
    for _ in 0..1_000 {
        drop(budget.take(Lane::Write, 50).await);
    }
    assert!(spend(&budget, Lane::Write, 50).await < 1e-6);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_costs_nothing() {
    let budget = Arc::new(budget(50.0, 10.0));
    drain(&budget).await;
    for _ in 0..1_000 {
        let gone =
            tokio::time::timeout(Duration::from_micros(1), budget.take(Lane::Write, 50)).await;
        assert!(gone.is_err());
    }
    let seconds = spend(&budget, Lane::Write, 1).await;
    assert!(seconds < 0.05, "{seconds}");
    assert_eq!(budget.waiting(Lane::Write), 0);
}

#[tokio::test(start_paused = true)]
async fn a_429_halves_the_rate_once_and_pauses_everybody() {
    let budget = Arc::new(budget(50.0, 10.0));
    for _ in 0..20 {
        budget.throttled(Some(Duration::from_secs(7)));
    }
    assert!((budget.rate() - 25.0).abs() < 0.1, "{}", budget.rate());
    let start = Instant::now();
    budget.take(Lane::Write, 1).await.spend();
    assert!(
        start.elapsed() >= Duration::from_secs(7),
        "{:?}",
        start.elapsed()
    );
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_rate_comes_back_in_a_minute_and_never_falls_below_one() {
    let budget = budget(50.0, 10.0);
    for _ in 0..20 {
        budget.throttled(None);
        advance(Duration::from_millis(1_001)).await;
    }
    assert!(budget.rate() < 3.0, "{}", budget.rate());
    advance(Duration::from_secs(62)).await;
    assert!(
        (budget.rate() - 50.0).abs() < f64::EPSILON,
        "{}",
        budget.rate()
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_years_is_not_believed() {
    let budget = budget(50.0, 10.0);
    budget.throttled(Some(Duration::from_secs(u64::MAX / 4)));
    let seconds = spend(&budget, Lane::Write, 1).await;
    assert!(seconds < 601.0, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn the_slowest_rate_still_serves_pairs_and_drift() {
    let budget = budget(0.0, 0.0);
    for lane in Lane::ALL {
        let start = Instant::now();
        let permit = budget.take(lane, 2).await;
        while permit.spend() {}
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{lane:?}: {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_wakes_nobody_but_the_next() {
    let budget = Arc::new(budget(50.0, 10.0));
    drain(&budget).await;
    let polls = Arc::new(AtomicUsize::new(0));
    let tasks = (0..1_000).map(|_| {
        let (budget, polls) = (Arc::clone(&budget), Arc::clone(&polls));
        tokio::spawn(async move {
            let mut taking = Box::pin(budget.take(Lane::Write, 1));
            let counted = std::future::poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                taking.as_mut().poll(cx)
            });
            counted.await.spend();
        })
    });
    join_all(tasks.collect::<Vec<_>>()).await;
    assert!(
        polls.load(Ordering::Relaxed) <= 2_000,
        "{}",
        polls.load(Ordering::Relaxed)
    );
}

#[tokio::test]
async fn dropping_the_budget_ends_its_pump() {
    let budget = budget(50.0, 10.0);
    let pump = budget.pump.abort_handle();
    drop(budget);
    while !pump.is_finished() {
        tokio::task::yield_now().await;
    }
}

//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// Asks until the answer is `Ok` and returns it. After `limit` it fails the test
/// with `what` was awaited and the last reason why it was not so.
///
/// Asking begins after 10 ms again and slows down to 250 ms.
pub async fn eventually<T>(
    limit: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        let reason = match tokio::time::timeout(limit, ask()).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(reason)) => reason,
            Err(_) => "the question itself got no answer".to_owned(),
        };
        assert!(
            begin.elapsed() < limit,
            "not so within {limit:?}: {what}; at last: {reason}"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
}

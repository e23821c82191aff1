//! Whatever is deleted, in whatever order and way, and whatever else goes on: it ends, and as docs/deletion.md promises.
//!
//! [`row`] is the table, and what each of its rows comes to. [`play`] plays one against a real API server and the emulated cloud.
//!
//! `make test` plays a share of the rows, the same at every run. `COOPER_PROOF=full` plays all, `COOPER_ONLY` those whose name begins so,
//! as in `random/foreground/filled`, and `COOPER_LANES` says how many at once.

mod play;
mod recorder;
mod removal;
mod row;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt};

use crate::ground::{Ground, Need};
use row::Row;

/// One row of so many is played by `make test`.
const SHARE: usize = 9;

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn rows() -> Vec<Row> {
    let all = Row::all();
    if let Some(only) = given("COOPER_ONLY") {
        let is_asked = |row: &Row| row.to_string().starts_with(&only);
        return all.into_iter().filter(is_asked).collect();
    }
    if given("COOPER_PROOF").is_some_and(|value| value == "full") {
        return all;
    }
    // A stride that has no common divisor with the table's sides takes of every order, way and circumstance.
    let count = all.len() / SHARE;
    let stride = 11;
    let share = (0..count).map(|number| all[number * stride % all.len()]);
    share.collect()
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

#[test]
fn the_table_has_at_least_120_rows_and_no_two_alike() {
    let mut names: Vec<String> = Row::all().iter().map(ToString::to_string).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 120, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deletion_ends_as_promised() {
    if Ground::get().await.lacks(&[Need::Controllers]) {
        return;
    }
    let lanes = given("COOPER_LANES").map_or(4, |lanes| lanes.parse().unwrap());
    let rows = rows();
    let count = rows.len();
    assert!(count > 0, "no row has such a name");
    let played = futures::stream::iter(rows).map(async |row: Row| {
        let end = AssertUnwindSafe(Box::pin(play::play(row)))
            .catch_unwind()
            .await;
        end.map_err(|panic| format!("{row}: {}", said(panic.as_ref())))
    });
    let ends: Vec<Result<usize, String>> = played.buffer_unordered(lanes).collect().await;
    let most = ends.iter().flatten().max().copied().unwrap_or_default();
    let wrong: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
    println!(
        "deletion orders: {count} played, {} wrong, at most {most} passes after the last blocker",
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{}\n\nplay one again with COOPER_ONLY=<its name> cargo test --test it every_deletion_ends",
        wrong.join("\n\n")
    );
}

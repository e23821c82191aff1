//! The proof: nothing is lost, nothing foreign is touched, whatever fails and whenever.
//!
//! [`schedules`] cut the operator's connections at every single request, [`storms`] let everything fail at random, [`hostile`] has a
//! cloud that answers with rubbish, [`manifests`] are what users should not write, [`canary`] looks for secrets where none may be. What must
//! hold at the end of the first is one list, [`world`].
//!
//! `make test` plays a share of it, `make proof` all of it. The environment says what:
//!
//! | Variable | Does |
//! |---|---|
//! | `COOPER_PROOF` | `full`: everything. Not set: a share, the same at every run |
//! | `COOPER_SHARE` | Of everything a part: `3/10` is the third tenth. Ten runs with all tenths are one run of all |
//! | `COOPER_SEED` | Another share of the schedules, other manifests, and with `COOPER_ONLY=storm` the one storm of this seed |
//! | `COOPER_ONLY` | Only schedules or manifests whose name begins so, as in `adopt/late/overlap/17`, `types/Bucket/7`; only storms: `storm` |
//! | `COOPER_LANES` | How many are played at once. Default: twice the processors, at least 4 |
//!
//! What fails prints the command that plays it again.

mod canary;
mod hostile;
mod manifests;
mod scenario;
mod schedules;
mod stage;
mod storms;
mod view;
mod world;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// How much is played.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Everything, not a share.
    pub is_full: bool,
    /// Which part of everything, counted from 0, of how many.
    pub part: (usize, usize),
    /// The seed that was given.
    pub seed: Option<u64>,
    /// What is played, by the beginning of its name.
    pub only: Option<String>,
    /// How many are played at once.
    pub lanes: usize,
}

impl Bound {
    /// What the environment asks for.
    pub fn get() -> Self {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let number = |name: &str| given(name).map(|value| value.parse::<u64>().unwrap());
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            is_full: given("COOPER_PROOF").is_some_and(|value| value == "full"),
            part: given("COOPER_SHARE").map_or((0, 1), |share| part(&share)),
            seed: number("COOPER_SEED"),
            only: given("COOPER_ONLY"),
            lanes: number("COOPER_LANES").map_or((2 * processors).max(4), |lanes| {
                usize::try_from(lanes).unwrap()
            }),
        }
    }

    /// Those of everything that are in the part that is played: spread over all of it.
    pub fn part_of<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let (part, of) = self.part;
        all.into_iter().skip(part).step_by(of).collect()
    }
}

/// `3/10` is part 2 of 10, counted from 0.
fn part(share: &str) -> (usize, usize) {
    let (part, of) = share.split_once('/').unwrap();
    let (part, of): (usize, usize) = (part.parse().unwrap(), of.parse().unwrap());
    assert!(0 < part && part <= of, "no part: {share}");
    (part - 1, of)
}

/// Chance, the same at every run with this seed.
pub fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// What a play comes to; its panic is an error too, so that the others go on.
pub async fn caught<T>(play: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    AssertUnwindSafe(play)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(said(panic.as_ref())))
}

fn said(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

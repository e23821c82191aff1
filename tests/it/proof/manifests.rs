//! Manifests that nobody should write: each is refused at admission or explained in a condition, and harms nobody else.
//!
//! They are made from `deploy/samples` by chance ([`generate`]): a [`Class`] of mistakes or of malice for every kind. A batch of them is
//! played at once on a [`stage`] where the samples themselves, all kinds, are Ready and watched: not one of them may stop being so. In
//! the end all manifests can be deleted, and what the operator remembers, what stands at the cloud and which Secrets there are is as
//! before; an edit of each sample is acted upon, a timer rings, no pass has panicked.
//!
//! `make test` plays a share in which every class and every kind is, `make proof PART=manifests` more than a thousand. `COOPER_SEED` makes
//! others; `COOPER_ONLY=types/Bucket/7` plays one, `COOPER_ONLY=types` a class.

mod around;
mod documents;
mod draft;
mod generate;
mod judge;
mod play;
mod relations;
mod shapes;
mod stage;
mod weak;
mod words;

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{StreamExt, stream};
use rand::seq::SliceRandom;

use super::{Bound, caught, dice};
use crate::ground::{Ground, Need};
use draft::{Class, Manifest, Name};
use judge::End;
use play::Played;

/// At least so many are a share, and at least so many all.
const SHARE: usize = 100;
const ALL: usize = 1000;
/// Of each class and kind so many are played in all.
const EACH: usize = 13;
/// So many are played at once on one stage.
const BATCH: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_nobody_should_write_is_refused_or_explained_and_harms_nobody() {
    let bound = Bound::get();
    let seed = bound.seed.unwrap_or(0);
    let chosen = choose(&bound, seed);
    if chosen.is_empty() {
        return;
    }
    let begin = Instant::now();
    let batches = batches(chosen, seed);
    let playing = batches.iter().map(|batch| async move {
        let played = Box::pin(caught(async { Ok(on_its_ground(batch).await) }));
        (batch, played.await)
    });
    let played: Vec<_> = stream::iter(playing)
        .buffer_unordered(bound.lanes.min(4))
        .collect()
        .await;
    let mut told = Told::default();
    for (batch, played) in &played {
        told.add(seed, batch, played);
    }
    println!("{} in {} s", told.words(), begin.elapsed().as_secs());
    assert!(
        told.failed.is_empty(),
        "{} wrong:\n{}",
        told.failed.len(),
        told.failed.join("\n")
    );
    assert!(
        bound.only.is_some()
            || bound.part.1 > 1
            || told.count >= if bound.is_full { ALL } else { SHARE }
    );
}

/// All of a name; so many of each class and kind, or the part of them that is asked for; or a share with one of each, and some more.
fn choose(bound: &Bound, seed: u64) -> Vec<Manifest> {
    if let Some(only) = &bound.only {
        return generate::manifests(seed, |name| is_asked(only, name));
    }
    if bound.is_full {
        return bound.part_of(generate::manifests(seed, |name| name.number < EACH));
    }
    let (mut share, mut more): (Vec<_>, Vec<_>) = generate::manifests(seed, |name| name.number < 2)
        .into_iter()
        .partition(|manifest| manifest.name.number == 0);
    more.shuffle(&mut dice(seed));
    more.truncate(SHARE.saturating_sub(share.len()));
    share.extend(more);
    share
}

/// 1 must not bring 10 along.
fn is_asked(only: &str, name: &Name) -> bool {
    let name = name.to_string();
    name == only || (name.starts_with(only) && !only.ends_with(|c: char| c.is_ascii_digit()))
}

/// What is played together: all sorts, but those that need another schema by themselves.
fn batches(mut all: Vec<Manifest>, seed: u64) -> Vec<Vec<Manifest>> {
    all.shuffle(&mut dice(seed));
    let (stored, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|manifest| manifest.name.class == Class::Stored);
    let in_parts = |all: Vec<Manifest>, size: usize| {
        let parts: Vec<_> = all.chunks(size).map(<[Manifest]>::to_vec).collect();
        parts
    };
    // Those with a control plane of their own begin first.
    let mut batches = in_parts(stored, 2 * BATCH);
    batches.extend(in_parts(others, BATCH));
    batches
}

async fn on_its_ground(batch: &[Manifest]) -> Option<Played> {
    if batch
        .iter()
        .all(|manifest| manifest.name.class != Class::Stored)
    {
        return Some(play::play(Ground::get().await, batch, None).await);
    }
    if Ground::get().await.lacks(&[Need::Own]) {
        return None;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::own().await));
    let crds = weak::Crds::of(ground).await;
    Some(play::play(ground, batch, Some(&crds)).await)
}

/// What came of all of them.
#[derive(Default)]
struct Told {
    count: usize,
    refused: usize,
    harmless: usize,
    abandoned: usize,
    reasons: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Told {
    fn add(&mut self, seed: u64, batch: &[Manifest], played: &Result<Option<Played>, String>) {
        self.count += batch.len();
        let names = || {
            let names: Vec<_> = batch
                .iter()
                .map(|manifest| manifest.name.to_string())
                .collect();
            names.join(" ")
        };
        let played = match played {
            Ok(Some(played)) => played,
            Ok(None) => return,
            Err(why) => {
                return self.failed.push(format!(
                    "{why}\n  in a batch with seed {seed} of {}",
                    names()
                ));
            }
        };
        self.abandoned += played.abandoned;
        if !played.wrongs.is_empty() {
            let wrongs = played.wrongs.join("\n  ");
            self.failed.push(format!(
                "{wrongs}\n  after a batch with seed {seed} of {}",
                names()
            ));
        }
        for ((name, end), manifest) in played.ends.iter().zip(batch) {
            match end {
                Ok(End::Refused) => self.refused += 1,
                Ok(End::Harmless) => self.harmless += 1,
                Ok(End::Explained(reason)) => *self.reasons.entry(reason.clone()).or_default() += 1,
                Err(why) => self.failed.push(failure(seed, name, &manifest.about, why)),
            }
        }
    }

    fn words(&self) -> String {
        let explained: usize = self.reasons.values().sum();
        format!(
            "{} manifests: {} refused, {explained} explained {:?}, {} harmless; {} went only when abandoned",
            self.count, self.refused, self.reasons, self.harmless, self.abandoned
        )
    }
}

fn failure(seed: u64, name: &Name, about: &str, why: &str) -> String {
    let about: String = about.chars().take(200).collect();
    format!(
        "{name}: {about}: {why}\n  again: COOPER_ONLY={name} COOPER_SEED={seed} cargo test --workspace --test it -- --nocapture proof::manifests"
    )
}

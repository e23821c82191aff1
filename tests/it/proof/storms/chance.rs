//! What comes by chance: what users want, and how calls fail.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::{GROUP, PERCENT, STEP};
use crate::ground::{Fault, Mishap};
use crate::proof::dice;
use crate::scene::document;

/// An empty bucket goes at once.
pub fn bucket_spec() -> Value {
    json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"})
}

fn policies(dice: &mut StdRng) -> Vec<Value> {
    let mut policies = Vec::new();
    if dice.random() {
        policies.push(json!({"policyRef": {"name": "logs-rw"}}));
    }
    if dice.random() {
        policies.push(json!({"systemPolicy": "ECSS3ReadOnlyAccess"}));
    }
    policies
}

/// What is granted to a group or a role: policies, and one of its own.
pub fn granted(dice: &mut StdRng) -> Value {
    let mut spec = json!({"serviceRef": {"name": "media"}, "policies": policies(dice)});
    if dice.random() {
        let action = ["s3:ListAllMyBuckets", "s3:PutObject"]
            .choose(dice)
            .unwrap();
        spec["inlinePolicies"] = json!({"own": document(action)});
    }
    spec
}

/// A role that anybody in the service may assume.
pub fn role_spec(dice: &mut StdRng) -> Value {
    let mut spec = granted(dice);
    spec["trust"] = json!({"document": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "sts:AssumeRole"},
    ]}});
    spec
}

/// A user with some rights, and most of them with a key.
pub fn user_spec(dice: &mut StdRng, name: &str) -> Value {
    let mut spec = json!({"serviceRef": {"name": "media"}, "policies": policies(dice)});
    if dice.random() {
        spec["groups"] = json!([{"name": GROUP}]);
    }
    if dice.random_ratio(4, 5) {
        spec["accessKey"] = json!({"secretName": format!("{name}-s3")});
    }
    spec
}

/// One of the ways in which the emulator fails. A lie is not among them: who is told by the cloud itself that a thing is not there must
/// believe it.
pub fn fault(dice: &mut StdRng) -> Fault {
    match dice.random_range(0..12) {
        0 => Fault::lost(),
        1 => Fault::cut(),
        2 => Fault::late(dice.random_range(1..STEP)),
        3 => Fault::latency(Duration::from_millis(dice.random_range(1..100))),
        4 => Fault::of(json!({"truncate": {"bytes": dice.random_range(0..40)}})),
        5 => Fault::of(json!({"html": {}})),
        6 => Fault::of(json!({"drip": {"ms_per_byte": 1}})),
        7 => Fault::of(json!({"redirect": {"to": "http://127.0.0.1:9/"}})),
        8 => Fault::of(json!({"status": {"code": 429, "retry_after": 1}})),
        _ => Fault::status(
            *[400, 401, 403, 408, 409, 429, 500, 502, 503, 504]
                .choose(dice)
                .unwrap(),
        ),
    }
}

/// What becomes of requests to the API server.
pub fn mood(seed: u64) -> impl FnMut(&http::Method, &http::Uri) -> Mishap + Send + 'static {
    let mut dice = dice(seed);
    move |_, _| {
        if !dice.random_ratio(PERCENT, 100) {
            return Mishap::None;
        }
        *[
            Mishap::Refused(409),
            Mishap::Refused(410),
            Mishap::Refused(429),
            Mishap::Refused(500),
            Mishap::Cut,
            Mishap::Lost,
        ]
        .choose(&mut dice)
        .unwrap()
    }
}

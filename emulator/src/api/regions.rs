//! Regions: operations 7 and 8, as recorded at the end of 2025.

use serde_json::{Value, json};

use super::Context;
use super::call::{Answer, Call, Reply};
use crate::problem::Problem;

const EUROPE: &[&str] = &[
    "de-fra1", "es-mad1", "fi-hel1", "fi-hel2", "nl-ams1", "pl-waw1", "se-sto1", "uk-lon1",
    "dk-cph1",
];

/// Name, primary zone, zones whose private networks can attach; in order of name.
const REGIONS: [(&str, &str, &[&str]); 5] = [
    ("apac-1", "sg-sin1", &["sg-sin1", "au-syd1"]),
    ("europe-1", "fi-hel2", EUROPE),
    ("europe-2", "de-fra1", EUROPE),
    ("europe-3", "se-sto1", EUROPE),
    ("us-1", "us-chi1", &["us-chi1", "us-sjo1", "us-nyc1"]),
];

/// Whether there is a region of this name.
pub fn exists(name: &str) -> bool {
    REGIONS.iter().any(|region| region.0 == name)
}

pub fn list(_: &mut Context<'_>, _: &Call) -> Reply {
    Ok(Answer::ok(REGIONS.iter().map(view).collect()))
}

pub fn get(_: &mut Context<'_>, call: &Call) -> Reply {
    let found = REGIONS.iter().find(|region| region.0 == call.arg(0));
    found
        .map(|region| Answer::ok(view(region)))
        .ok_or_else(Problem::not_found)
}

fn view((name, primary, zones): &(&str, &str, &[&str])) -> Value {
    let zones: Vec<Value> = zones.iter().map(|zone| json!({"name": zone})).collect();
    json!({"allow_new": true, "name": name, "primary_zone": primary, "zones": zones})
}

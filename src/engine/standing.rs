//! How a resource stands to the remote at its place: whose that is, whether it was lost, whether the spec now means another one.
//!
//! Pure: a pass acts on these answers, `cooper plan` only tells them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::{
    external::{AccountKey, Adoption, Common, Diff, External, Phase},
    intent::{self, RECREATE},
    plan::{Claim, Seen},
    status::{Origin, Status},
    subject::StatusOf,
};

/// The claim in a status: account and place of a remote that the resource made, makes or adopted.
pub fn claimed<P, F>(status: &Status<P, F>) -> Option<(&AccountKey, &P)> {
    status.origin?;
    Some((status.account.as_ref()?, status.place.as_ref()?))
}

/// Whose a remote at this place is, should there be one. `common` is absent if the spec cannot be read.
pub fn claim<P: PartialEq, F>(
    status: &Status<P, F>,
    common: Option<&Common>,
    account: &AccountKey,
    place: &P,
) -> Claim {
    let adopts = common.is_some_and(|common| common.adoption == Adoption::IfExists);
    match claimed(status) {
        Some(ours) if ours == (account, place) => Claim::Ours,
        Some(_) | None if adopts => Claim::Adoptable,
        Some(_) | None => Claim::Foreign,
    }
}

/// What was seen, in the words of the decision table.
pub fn seen<K: External>(now: Option<&K::Remote>, diff: Option<&Diff<K::Change>>) -> Seen {
    match (now, diff) {
        (None, _) => Seen::Absent,
        (Some(remote), _) if matches!(K::phase(remote), Phase::Leaving(_)) => Seen::Leaving,
        (Some(_), Some(diff)) if !diff.fixed.is_empty() => Seen::Fixed,
        (Some(_), Some(diff)) if !diff.changes.is_empty() => Seen::Differs,
        (Some(_), _) => Seen::Same,
    }
}

/// Why the spec, which now leads to this place, cannot be followed: the resource stands for another remote, which nobody asked it to
/// leave behind.
pub fn moved<K: External>(
    meta: &ObjectMeta,
    status: &StatusOf<K>,
    account: &AccountKey,
    place: &K::Place,
) -> Option<String> {
    let (was_account, was_place) = claimed(status)?;
    let stays = was_account == account && was_place == place;
    if stays || intent::says(meta, RECREATE) {
        return None;
    }
    Some(format!(
        "this resource stands for {was_place:?} of account {was_account}, but its spec now leads to {place:?} of account {account}; \
         to leave the old one behind and go on with the new one, annotate it with {RECREATE}: \"true\""
    ))
}

/// Why an absent remote is not made: it once existed, its contents went with it, and nobody asked to make it anew.
pub fn lost<K: External>(
    meta: &ObjectMeta,
    status: &StatusOf<K>,
    place: &K::Place,
) -> Option<String> {
    let existed = matches!(
        status.origin,
        Some(Origin::Created | Origin::Adopted | Origin::Restored)
    );
    if K::REMAKE || !existed || intent::says(meta, RECREATE) {
        return None;
    }
    Some(format!(
        "{} is gone from the cloud, and what it held with it; to make it anew, empty, annotate this resource with {RECREATE}: \"true\"",
        place_text(place)
    ))
}

/// What to say of a foreign remote at the place of a resource.
pub fn taken<P: Serialize>(place: &P) -> String {
    format!(
        "{} exists at the cloud and was not made by this resource; choose another name, or take it over with spec.adoption: IfExists",
        place_text(place)
    )
}

/// What to say of a remote that is on its way out.
pub fn leaving<K: External>(remote: &K::Remote) -> String {
    match K::phase(remote) {
        Phase::Leaving(text) => text,
        Phase::Ready | Phase::Changing(_) | Phase::Settling(_) | Phase::Broken(_) => {
            "it is being removed".into()
        }
    }
}

/// A place for messages, without the noise of JSON: `app of service 12ab…`.
pub fn place_text<P: Serialize>(place: &P) -> String {
    match serde_json::to_value(place) {
        Ok(serde_json::Value::Object(members)) => {
            let text = |value: &serde_json::Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let mut around: Vec<String> = Vec::new();
            let mut name = None;
            for (member, value) in &members {
                if member == "name" {
                    name = Some(text(value));
                } else {
                    around.push(format!("{member} {}", text(value)));
                }
            }
            match (name, around.is_empty()) {
                (Some(name), true) => name,
                (Some(name), false) => format!("{name} of {}", around.join(", ")),
                (None, _) => around.join(", "),
            }
        }
        Ok(other) => other.to_string(),
        Err(_) => "it".into(),
    }
}

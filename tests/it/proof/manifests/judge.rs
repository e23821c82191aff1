//! What came of a manifest, and whether it may. Pure.

use std::collections::BTreeSet;

use cooper::engine::reason::Reason;
use serde_json::Value;

use super::draft::Expect;
use crate::scene::TOKEN;

/// What came of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The API server refused it.
    Refused,
    /// Taken, and a condition or an event says what is wrong, for this reason.
    Explained(String),
    /// Taken, and Ready.
    Harmless,
}

/// An answer of the API server.
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

/// Shorter messages say nothing, longer ones nobody reads.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=2000;

/// What the API server made of it: nothing more to see if it was refused.
pub fn answered(answer: &Answer, expect: &Expect) -> Result<Option<End>, String> {
    let message = answer.body["message"].as_str().unwrap_or_default();
    let short: String = message.chars().take(300).collect();
    match (answer.code, expect) {
        (200..300, Expect::Refused(_)) => Err("it was let through".to_owned()),
        (200..300, _) => Ok(None),
        (400 | 413 | 422, Expect::Harmless) => Err(format!("it was refused: {short}")),
        (400 | 413 | 422, _) if message.is_empty() => {
            Err("it was refused without a word".to_owned())
        }
        (400 | 413 | 422, Expect::Refused(words)) => {
            let is_named = words.is_empty() || words.iter().any(|word| message.contains(word));
            let wrong = || format!("it was refused, but without a word of {words:?}: {short}");
            is_named.then_some(Some(End::Refused)).ok_or_else(wrong)
        }
        (400 | 413 | 422, Expect::Explained | Expect::Any) => Ok(Some(End::Refused)),
        (code, _) => Err(format!("the API server answered {code}: {short}")),
    }
}

/// What its conditions say. An error while they do not say it all.
pub fn told(object: &Value) -> Result<End, String> {
    let generation = &object["metadata"]["generation"];
    let conditions = object["status"]["conditions"].as_array();
    let conditions: Vec<_> = conditions.into_iter().flatten().collect();
    let says = |kind: &str| {
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
    };
    let Some(ready) = says("Ready") else {
        return Err(format!("it has no condition Ready: {conditions:?}"));
    };
    if ready["observedGeneration"] != *generation {
        return Err(format!(
            "Ready is about another generation than {generation}: {ready}"
        ));
    }
    let is =
        |kind: &str, status: &str| says(kind).filter(|condition| condition["status"] == status);
    let is_synced = says("Synced").is_none_or(|synced| synced["status"] == "True");
    if ready["status"] == "True" && is_synced {
        return Ok(End::Harmless);
    }
    let why = is("Stalled", "True")
        .or_else(|| is("Ready", "False"))
        .or_else(|| is("Synced", "False"))
        .or_else(|| is("Synced", "Unknown"));
    let Some(why) = why else {
        return Err(format!(
            "it does not say why it is not Ready: {conditions:?}"
        ));
    };
    explained(&why["reason"], &why["message"])
}

/// A reason that has a page in the docs, and a message that a person can read.
pub fn explained(reason: &Value, message: &Value) -> Result<End, String> {
    let reasons: BTreeSet<_> = Reason::of_conditions()
        .map(|reason| reason.to_string())
        .collect();
    let (reason, message) = (
        reason.as_str().unwrap_or_default(),
        message.as_str().unwrap_or_default(),
    );
    let wrong = match () {
        () if !reasons.contains(reason) => "a reason that no page is about",
        () if !LENGTH.contains(&message.len()) => "a message of such a length",
        () if message.contains(|letter: char| letter.is_control() && letter != '\n') => {
            "a message that is no text"
        }
        () if message.contains('\u{202e}') => "a message that reads backwards",
        () if message.contains(TOKEN) => "a message with credentials",
        () => return Ok(End::Explained(reason.to_owned())),
    };
    let short: String = message.chars().take(400).collect();
    Err(format!(
        "{wrong}, {} bytes: {reason}: {short:?}",
        message.len()
    ))
}

/// Whether this may come of it.
pub fn fits(end: &End, expect: &Expect) -> Result<(), String> {
    match (end, expect) {
        (End::Explained(reason), Expect::Harmless) => Err(format!("it is not Ready, for {reason}")),
        (End::Harmless, Expect::Explained) => Err("it became Ready".to_owned()),
        (End::Refused, Expect::Harmless) => Err("it was refused".to_owned()),
        (End::Explained(_) | End::Harmless, Expect::Refused(_)) => {
            Err("it was let through".to_owned())
        }
        (End::Refused | End::Explained(_) | End::Harmless, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, message: &str) -> Answer {
        Answer {
            code,
            body: json!({"message": message}),
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_is_no_fault_of_the_server() {
        let field = Expect::Refused(vec!["emptyFor".to_owned()]);
        for (code, message, expect, fits) in [
            (422, "spec.emptyFor: Invalid value", &field, true),
            (422, "spec.name: Invalid value", &field, false),
            (422, "", &Expect::Any, false),
            (413, "too large", &Expect::Any, true),
            (500, "spec.emptyFor", &field, false),
            (409, "exists", &Expect::Any, false),
            (201, "", &field, false),
            (201, "", &Expect::Any, true),
            (422, "no", &Expect::Harmless, false),
        ] {
            let judged = answered(&answer(code, message), expect);
            assert_eq!(judged.is_ok(), fits, "{code} {message}: {judged:?}");
        }
    }

    /// An object of generation 2 with conditions: type, status, reason, message.
    fn object(generation: i64, conditions: &[(&str, &str, &str, &str)]) -> Value {
        let conditions = conditions.iter().map(|(kind, status, reason, message)| {
            json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation})
        });
        json!({"metadata": {"generation": 2}, "status": {"conditions": conditions.collect::<Vec<_>>()}})
    }

    #[test]
    fn conditions_say_all_or_it_is_wrong() {
        let long = "x".repeat(3000);
        let text = "Effect must be Allow or Deny";
        let refused = Ok(End::Explained("InvalidSpec".to_owned()));
        for (object, end) in [
            (
                object(2, &[("Ready", "True", "Available", "usable")]),
                Ok(End::Harmless),
            ),
            (
                object(1, &[("Ready", "True", "Available", "usable")]),
                Err(()),
            ),
            (object(2, &[]), Err(())),
            (
                object(2, &[("Ready", "False", "InvalidSpec", text)]),
                refused.clone(),
            ),
            (object(2, &[("Ready", "False", "Because", text)]), Err(())),
            (
                object(2, &[("Ready", "False", "InvalidSpec", "no")]),
                Err(()),
            ),
            (
                object(2, &[("Ready", "False", "InvalidSpec", &long)]),
                Err(()),
            ),
            (
                object(
                    2,
                    &[("Ready", "False", "InvalidSpec", "a bell \u{7} rings here")],
                ),
                Err(()),
            ),
            (
                object(
                    2,
                    &[
                        ("Ready", "True", "Available", "usable"),
                        ("Synced", "False", "InvalidSpec", text),
                    ],
                ),
                refused,
            ),
            (
                object(2, &[("Ready", "Unknown", "Available", text)]),
                Err(()),
            ),
        ] {
            assert_eq!(told(&object).map_err(drop), end, "{object}");
        }
    }
}

//! Every bound of every field, from the CRDs themselves: the nearest value that passes and the nearest that does not, sent to the API
//! server. A keyword of a schema that is not known here fails the test, so nothing goes untried.

use futures::{StreamExt, stream};
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};

use super::desk::Desk;
use super::rows::{Row, Try, rows};
use super::schema::{self, Kind, Node, Step, least};
use crate::ground::Ground;
use crate::scene::resource;

/// How many requests are under way at a time.
const AT_ONCE: usize = 16;

/// What else the samples could say: a value that a rule forbids beside the sample's may pass beside these.
fn alternatives(kind: &str) -> Vec<Value> {
    let network = "03f0a1b2-0000-4000-8000-000000000001";
    match kind {
        "Account" => Vec::new(),
        "ObjectStorageService" => vec![
            json!({"adoption": "IfExists"}),
            json!({"networks": [{"name": "back", "type": "Private", "uuid": network}]}),
        ],
        "StaticWebsite" => {
            vec![json!({"errorPages": [{"from": 400, "to": 599, "document": "error.html"}]})]
        }
        "IamUser" => vec![
            json!({"adoption": "IfExists"}),
            json!({"accessKey": {"rotation": {"overlap": "1m"}}}),
        ],
        _ => vec![json!({"adoption": "IfExists"})],
    }
}

impl Desk {
    /// What is wrong with the answer to this row, if something is.
    async fn judge(&self, bases: &[Value], schema: &Value, row: &Row) -> Option<String> {
        let mut last = Vec::new();
        for base in bases {
            let (object, field) = row.put(base, schema);
            match (self.send(&object).await, row.refused) {
                (Ok(made), None) => return wrong_default(row, &field, &made),
                (Ok(_), Some(words)) => {
                    return Some(format!("let through, not refused with {words:?}"));
                }
                (Err(said), None) => last = said,
                (Err(said), Some(words)) => {
                    let surplus = format!("{field}.surplus");
                    let is_beside =
                        |message: &str, field: &str| message.contains(&format!("\"{field}\""));
                    let is_named = said.iter().any(|(place, message)| {
                        // Some messages name the field, whole or from the place on, where others have it beside them.
                        let inner = field.strip_prefix(&format!("{place}."));
                        message.contains(words)
                            && if row.try_it == Try::Surplus {
                                message.contains(surplus.trim_matches('.'))
                            } else {
                                *place == field
                                    || is_beside(message, &field)
                                    || inner.is_some_and(|inner| is_beside(message, inner))
                            }
                    });
                    return (!is_named)
                        .then(|| format!("refused, but not with {words:?} at {field}: {said:?}"));
                }
            }
        }
        Some(format!("refused: {last:?}"))
    }

    /// Sends all rows; the complaints.
    async fn judge_all(&self, bases: &[Value], kind: &Kind, rows: &[Row]) -> Vec<String> {
        stream::iter(rows)
            .map(async |row| {
                let wrong = self.judge(bases, &kind.schema, row).await?;
                Some(format!("{}: {wrong}", row.about(&kind.kind)))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(async |wrong| wrong)
            .collect()
            .await
    }
}

/// What the server made of a field that was left out, if that is not its default.
fn wrong_default(row: &Row, field: &str, made: &Value) -> Option<String> {
    let Try::Default(_, default) = &row.try_it else {
        return None;
    };
    let pointer = field.replace(['.', '['], "/").replace(']', "");
    let found = made.pointer(&format!("/{pointer}"));
    (found != Some(default)).then(|| format!("{found:?} in place of {default}"))
}

/// The rows of the part of a kind that begins with this field.
fn rows_of(kind: &Kind, part: &str) -> Vec<Row> {
    let is_in_part = |node: &Node| match node.steps.first() {
        None => part == "spec",
        Some(step) => *step == Step::Field(part.to_owned()),
    };
    let nodes = schema::nodes(&kind.schema);
    nodes
        .iter()
        .filter(|node| is_in_part(node))
        .filter(|node| !is_ruled(&kind.kind, node))
        .flat_map(rows)
        .collect()
}

/// Lengths of time that a rule bounds more closely than their text is: `rules` has rows for them.
const RULED: [(&str, &str); 2] = [
    ("Account", ".spec.brake.within"),
    ("IamUser", ".spec.undoWindow"),
];

fn is_ruled(kind: &str, node: &Node) -> bool {
    RULED.contains(&(kind, node.path().as_str()))
}

/// The sample of a kind and what else it could be.
fn bases(kind: &str, sample: &Value) -> Vec<Value> {
    let others = alternatives(kind).into_iter();
    let others = others.map(|patch| super::merged(sample, &json!({"spec": patch})));
    std::iter::once(sample.clone()).chain(others).collect()
}

#[tokio::test]
async fn every_bound_of_a_spec_lets_through_what_just_fits_and_nothing_beyond() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let samples = schema::samples();
    let mut wrong = Vec::new();
    for kind in schema::kinds() {
        let sample = samples
            .get(&kind.kind)
            .unwrap_or_else(|| panic!("no sample of {}", kind.kind));
        let desk = Desk::new(ground.admin(), "POST", &kind.kind, &namespace, "");
        let rows = rows_of(&kind, "spec");
        eprintln!("{}: {} rows", kind.kind, rows.len());
        wrong.extend(
            desk.judge_all(&bases(&kind.kind, sample), &kind, &rows)
                .await,
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What cooper itself may write: a listing that is larger than anybody thought must not make an object too large to store.
#[tokio::test]
async fn every_bound_of_a_status_lets_through_what_just_fits_and_nothing_beyond() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let operator = kube::Client::try_from(ground.operator_config().await).unwrap();
    let samples = schema::samples();
    let mut wrong = Vec::new();
    for kind in schema::kinds() {
        let made: DynamicObject = serde_json::from_value(samples[&kind.kind].clone()).unwrap();
        let objects: Api<DynamicObject> =
            Api::namespaced_with(ground.admin(), &namespace, &resource(&kind.kind));
        let stored = objects.create(&PostParams::default(), &made).await.unwrap();
        let name = stored.metadata.name.clone().unwrap();
        let mut base = serde_json::to_value(&stored).unwrap();
        base["status"] = least(&kind.schema["properties"]["status"]);
        let desk = Desk::new(
            operator.clone(),
            "PUT",
            &kind.kind,
            &namespace,
            &format!("/{name}/status"),
        );
        let rows = rows_of(&kind, "status");
        eprintln!("{}: {} rows", kind.kind, rows.len());
        wrong.extend(desk.judge_all(&[base], &kind, &rows).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! The schemas of the CRDs, and objects made after them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::text;

/// A kind as its CRD describes it.
pub struct Kind {
    pub kind: String,
    pub schema: Value,
}

/// All kinds, as they are installed.
pub fn kinds() -> Vec<Kind> {
    let definitions = cooper::kinds::crds().unwrap().into_iter();
    let kinds = definitions.map(|(_, yaml)| {
        let crd: Value = serde_saphyr::from_str(&yaml).unwrap();
        Kind {
            kind: crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(),
            schema: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone(),
        }
    });
    kinds.collect()
}

/// One step down into an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A field of an object.
    Field(String),
    /// The items of a list.
    Item,
    /// The members of a map.
    Member,
}

/// A place in a schema.
#[derive(Clone)]
pub struct Node {
    pub steps: Vec<Step>,
    pub schema: Value,
}

impl Node {
    /// Such as `.spec.networks[].name`.
    pub fn path(&self) -> String {
        let step = |step: &Step| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Item | Step::Member => "[]".to_owned(),
        };
        self.steps.iter().map(step).collect()
    }
}

/// The schema and all below it.
pub fn nodes(schema: &Value) -> Vec<Node> {
    let mut all = Vec::new();
    descend(&mut Vec::new(), schema, &mut all);
    all
}

fn descend(steps: &mut Vec<Step>, schema: &Value, all: &mut Vec<Node>) {
    all.push(Node {
        steps: steps.clone(),
        schema: schema.clone(),
    });
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, below)| (Step::Field(name.clone()), below));
    let rest = [
        (Step::Item, &schema["items"]),
        (Step::Member, &schema["additionalProperties"]),
    ];
    for (step, below) in fields.chain(rest).filter(|(_, below)| below.is_object()) {
        steps.push(step);
        descend(steps, below, all);
        steps.pop();
    }
}

/// The least that a schema asks for.
pub fn least(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") if schema["format"] == "date-time" => json!("2026-01-01T00:00:00Z"),
        Some("string") => json!(text::fit(pattern(schema), shortest(schema))),
        Some("integer") => json!(whole(&schema["minimum"]).unwrap_or(1)),
        Some("boolean") => json!(true),
        Some("array") => list(schema, None, size(schema, "minItems")),
        Some("object") => {
            let mut object = members(schema, size(schema, "minProperties"));
            let first = schema["oneOf"][0]["required"].as_array();
            for name in schema["required"]
                .as_array()
                .into_iter()
                .chain(first)
                .flatten()
            {
                let name = name.as_str().unwrap();
                object.insert(name.to_owned(), least(&schema["properties"][name]));
            }
            object.into()
        }
        other => panic!("a value of type {other:?}"),
    }
}

/// A list of so many different items: like this one, or else the least.
pub fn list(schema: &Value, like: Option<&Value>, length: usize) -> Value {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let is_set = schema["x-kubernetes-list-type"] == "set";
    let items = (0..length).map(|number| {
        let mut item = like.cloned().unwrap_or_else(|| least(&schema["items"]));
        for key in keys.into_iter().flatten() {
            let key = key.as_str().unwrap();
            item[key] = numbered(&schema["items"]["properties"][key], number);
        }
        if is_set {
            numbered(&schema["items"], number)
        } else {
            item
        }
    });
    items.collect()
}

/// A map of so many members.
pub fn members(schema: &Value, length: usize) -> Map<String, Value> {
    let below = &schema["additionalProperties"];
    let value = if below.is_object() {
        least(below)
    } else {
        json!("x")
    };
    (0..length)
        .map(|number| (format!("key-{number}"), value.clone()))
        .collect()
}

fn numbered(schema: &Value, number: usize) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[number].clone();
    }
    let most = schema["maxLength"].as_u64().map_or(8, |most| most.min(8));
    let length = shortest(schema).max(usize::try_from(most).unwrap());
    json!(text::numbered(pattern(schema), length, number))
}

/// A bound of whole numbers, which a schema may write as 1.0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounds are small whole numbers"
)]
pub fn whole(bound: &Value) -> Option<i64> {
    bound.as_f64().map(|number| number as i64)
}

/// The pattern of a text.
pub fn pattern(schema: &Value) -> Option<&str> {
    schema["pattern"].as_str()
}

/// How short a text can be, and at least one character where the schema does not say.
pub fn shortest(schema: &Value) -> usize {
    let fits = pattern(schema).map_or(0, text::least);
    let said = schema["minLength"].as_u64().unwrap_or(1);
    fits.max(usize::try_from(said).unwrap())
}

/// A bound that counts; zero if it is not there.
pub fn size(schema: &Value, bound: &str) -> usize {
    usize::try_from(schema[bound].as_u64().unwrap_or(0)).unwrap()
}

/// Changes what is at these steps, making what leads there; answers its path as the API server writes it.
pub fn change(
    object: &mut Value,
    schema: &Value,
    steps: &[Step],
    how: &dyn Fn(&mut Value),
) -> String {
    let Some((step, rest)) = steps.split_first() else {
        how(object);
        return String::new();
    };
    match step {
        Step::Field(name) => {
            let below = &schema["properties"][name];
            let fields = object.as_object_mut().unwrap();
            for other in excluded(schema, name) {
                fields.remove(&other);
            }
            let value = fields.entry(name).or_insert_with(|| least(below));
            format!(".{name}{}", change(value, below, rest, how))
        }
        Step::Item => {
            let items = object.as_array_mut().unwrap();
            if items.is_empty() {
                items.push(least(&schema["items"]));
            }
            format!("[0]{}", change(&mut items[0], &schema["items"], rest, how))
        }
        Step::Member => {
            let below = &schema["additionalProperties"];
            let fields = object.as_object_mut().unwrap();
            if fields.is_empty() {
                fields.insert("key-0".to_owned(), least(below));
            }
            let (name, value) = fields.iter_mut().next().unwrap();
            format!(".{name}{}", change(value, below, rest, how))
        }
    }
}

/// The fields that cannot stand beside this one.
fn excluded(schema: &Value, name: &str) -> Vec<String> {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let needed = choices.map(|choice| {
        let names = choice["required"].as_array().into_iter().flatten();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    });
    let (with, without): (Vec<_>, Vec<_>) =
        needed.partition(|names| names.iter().any(|other| other == name));
    if with.is_empty() {
        Vec::new()
    } else {
        without.concat()
    }
}

/// The first sample of every kind.
pub fn samples() -> BTreeMap<String, Value> {
    let mut samples = BTreeMap::new();
    for object in crate::samples::objects() {
        let kind = object["kind"].as_str().unwrap().to_owned();
        samples.entry(kind).or_insert(object);
    }
    samples
}

/// A text of exactly so many characters, which fits the pattern if one can.
pub fn cut(schema: &Value, length: usize) -> String {
    text::cut(pattern(schema), length)
}

/// A text that fits the pattern, of so many characters or as near as one can be.
pub fn fit(schema: &Value, length: usize) -> String {
    text::fit(pattern(schema), length)
}

//! What the bounds of a field let through and what not.

use serde_json::{Value, json};

use super::schema::{self, Node, cut, fit, least, list, members, pattern, size};
use super::text;

/// A value for one place, and what is said of it.
pub struct Row {
    node: Node,
    keyword: String,
    pub try_it: Try,
    /// Words of the refusal; none if it is let through.
    pub refused: Option<&'static str>,
}

#[derive(PartialEq)]
pub enum Try {
    /// This value in its place.
    Value(Value),
    /// So many items, all different.
    Items(usize),
    /// The first item twice.
    Twice,
    /// The object there without this field.
    Without(String),
    /// The same, which then has this value.
    Default(String, Value),
    /// The object there with a field that the schema does not know.
    Surplus,
}

impl Row {
    fn of(node: &Node, keyword: &str, try_it: Try, refused: Option<&'static str>) -> Self {
        Self {
            node: node.clone(),
            keyword: keyword.to_owned(),
            try_it,
            refused,
        }
    }

    /// The object with this value in it, and the field that a refusal names.
    pub fn put(&self, base: &Value, schema: &Value) -> (Value, String) {
        let mut object = base.clone();
        let path = schema::change(&mut object, schema, &self.node.steps, &|place| {
            self.change(place);
        });
        let field = match &self.try_it {
            Try::Without(name) | Try::Default(name, _) => format!("{path}.{name}"),
            // The second of two equal items is to blame.
            Try::Twice => format!("{path}[1]"),
            Try::Value(_) | Try::Items(_) | Try::Surplus => path,
        };
        (object, field.trim_start_matches('.').to_owned())
    }

    fn change(&self, place: &mut Value) {
        match &self.try_it {
            Try::Value(value) => *place = value.clone(),
            Try::Items(length) => *place = list(&self.node.schema, place.get(0), *length),
            Try::Twice => {
                let items = list(&self.node.schema, place.get(0), 1);
                *place = json!([items[0], items[0]]);
            }
            Try::Without(name) | Try::Default(name, _) => {
                place.as_object_mut().unwrap().remove(name);
            }
            Try::Surplus => place["surplus"] = json!("x"),
        }
    }

    /// The row in words.
    pub fn about(&self, kind: &str) -> String {
        let value = match &self.try_it {
            Try::Value(value) => value.to_string(),
            Try::Items(length) => format!("{length} items"),
            Try::Twice => "an item twice".to_owned(),
            Try::Without(name) | Try::Default(name, _) => format!("without {name}"),
            Try::Surplus => "with a surplus field".to_owned(),
        };
        let short: String = value.chars().take(80).collect();
        format!("{kind} {} {}: {short}", self.node.path(), self.keyword)
    }
}

/// What a field lets through and what not.
pub fn rows(node: &Node) -> Vec<Row> {
    let keywords = node.schema.as_object().into_iter().flatten();
    keywords
        .flat_map(|(keyword, bound)| bound_rows(node, keyword, bound))
        .collect()
}

fn bound_rows(node: &Node, keyword: &str, bound: &Value) -> Vec<Row> {
    let schema = &node.schema;
    let passes = |value: Value| Row::of(node, keyword, Try::Value(value), None);
    let fails = |value: Value, words| Row::of(node, keyword, Try::Value(value), Some(words));
    let number = || schema::whole(bound).unwrap_or_else(|| panic!("{}: {keyword}", node.path()));
    let count = size(schema, keyword);
    let items = |length, refused| Row::of(node, keyword, Try::Items(length), refused);
    let text = |length| json!(cut(schema, length));
    match keyword {
        // Told to people, or how the fields below are found: those have rows of their own. CEL has its table.
        // A default is tried with the object that it is in.
        "default"
        | "description"
        | "title"
        | "properties"
        | "items"
        | "additionalProperties"
        | "x-kubernetes-preserve-unknown-fields"
        | "x-kubernetes-list-map-keys"
        | "x-kubernetes-validations" => Vec::new(),
        "type" => kinds_of_values(node, bound.as_str().unwrap()),
        "minLength" if count == 0 => vec![passes(json!(""))],
        "minLength" => vec![
            passes(text(schema::shortest(schema))),
            fails(text(count - 1), "should be at least"),
        ],
        "maxLength" => vec![
            passes(json!(fit(schema, count))),
            fails(text(count + 1), "may not be more than"),
        ],
        "pattern" => {
            let fitting = fit(schema, schema::shortest(schema).max(1));
            let misfit = text::misfit(pattern(schema).unwrap(), &fitting);
            vec![passes(json!(fitting)), fails(json!(misfit), "should match")]
        }
        "minimum" => vec![
            passes(json!(number())),
            fails(json!(number() - 1), "greater than or equal to"),
        ],
        "maximum" => vec![
            passes(json!(number())),
            fails(json!(number() + 1), "less than or equal to"),
        ],
        "minItems" => vec![
            items(count, None),
            items(count - 1, Some("should have at least")),
        ],
        "maxItems" => vec![
            items(count, None),
            items(count + 1, Some("must have at most")),
        ],
        "minProperties" => vec![
            passes(members(schema, count).into()),
            fails(members(schema, count - 1).into(), "should have at least"),
        ],
        "maxProperties" => vec![
            passes(members(schema, count).into()),
            fails(members(schema, count + 1).into(), "must have at most"),
        ],
        "enum" => {
            let values = bound.as_array().unwrap();
            let near = values[0].as_str().map(|first| format!("{first}x"));
            let mut rows: Vec<_> = values.iter().cloned().map(passes).collect();
            rows.push(fails(json!(near), "supported values"));
            rows
        }
        "required" => {
            let names = bound.as_array().unwrap().iter();
            let names = names.map(|name| name.as_str().unwrap().to_owned());
            names
                .map(|name| Row::of(node, keyword, Try::Without(name), Some("Required value")))
                .collect()
        }
        "oneOf" => choices(node, bound.as_array().unwrap()),
        "format" => formats(node, bound.as_str().unwrap()),
        "x-kubernetes-list-type" => match bound.as_str() {
            Some("map" | "set") => {
                let twice = Row::of(node, keyword, Try::Twice, Some("Duplicate value"));
                vec![items(2, None), twice]
            }
            Some("atomic") => Vec::new(),
            other => panic!("{}: lists of type {other:?}", node.path()),
        },
        other => panic!(
            "{}: the keyword {other} is new, it needs rows here",
            node.path()
        ),
    }
}

/// A value of another type; for objects a field that nobody knows, too.
fn kinds_of_values(node: &Node, name: &str) -> Vec<Row> {
    let other = match name {
        "string" => json!(7),
        "integer" | "boolean" | "array" | "object" => json!("seven"),
        other => panic!("{}: the type {other}", node.path()),
    };
    // The API server reads what is not an object at all in other words.
    if node.steps.len() < 2 && name == "object" {
        return defaults(node).chain([surplus(node)]).collect();
    }
    let mut rows = vec![Row::of(
        node,
        "type",
        Try::Value(other),
        Some("must be of type"),
    )];
    rows.extend(defaults(node));
    let is_closed = node.schema["x-kubernetes-preserve-unknown-fields"] != true;
    if node.schema["properties"].is_object() && is_closed {
        rows.push(surplus(node));
    }
    rows
}

/// A field that is left out has its default.
fn defaults(node: &Node) -> impl Iterator<Item = Row> {
    let fields = node.schema["properties"].as_object().into_iter().flatten();
    let with_default = fields.filter(|(_, field)| !field["default"].is_null());
    with_default.map(|(name, field)| {
        let omitted = Try::Default(name.clone(), field["default"].clone());
        Row::of(node, "default", omitted, None)
    })
}

fn surplus(node: &Node) -> Row {
    Row::of(node, "properties", Try::Surplus, Some("unknown field"))
}

/// Each choice by itself; none of them; and two at once.
fn choices(node: &Node, choices: &[Value]) -> Vec<Row> {
    let object = |chosen: &[&Value]| {
        let names = chosen
            .iter()
            .flat_map(|choice| choice["required"].as_array().unwrap());
        let fields = names.map(|name| {
            let name = name.as_str().unwrap();
            (name.to_owned(), least(&node.schema["properties"][name]))
        });
        Value::Object(fields.collect())
    };
    let row =
        |chosen: &[&Value], refused| Row::of(node, "oneOf", Try::Value(object(chosen)), refused);
    let refused = Some("must validate one and only one schema (oneOf)");
    let mut rows = vec![row(&[], refused)];
    for (number, choice) in choices.iter().enumerate() {
        rows.push(row(&[choice], None));
        rows.extend(
            choices[number + 1..]
                .iter()
                .map(|other| row(&[choice, other], refused)),
        );
    }
    rows
}

fn formats(node: &Node, format: &str) -> Vec<Row> {
    let row = |value, refused| Row::of(node, "format", Try::Value(value), refused);
    match format {
        // Texts such as 2026-02-30 are refused too, so this is more than a pattern.
        "date-time" => vec![
            row(json!("2026-02-28T23:59:59Z"), None),
            row(
                json!("2026-02-30T23:59:59Z"),
                Some("must be of type date-time"),
            ),
        ],
        // Numbers have a minimum and a maximum; where they have none, the type's own are far away.
        "int32" | "uint32" | "int64" | "uint16" => Vec::new(),
        other => panic!("{}: the format {other}", node.path()),
    }
}

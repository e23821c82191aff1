//! The fields of a schema as a table.

use std::fmt::Write as _;

use serde_json::Value;

/// What a field's description says of its default, up to the end of the sentence.
const DEFAULT: &str = "Default: ";

/// A table of all fields below a schema, with their defaults. Items of a list and members of a map stand with the list or map.
pub(super) fn with_defaults(schema: &Value) -> String {
    let mut table = "| Field | Type | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    rows(schema, "", &mut |field| {
        let default = match (field.is_required, &field.default) {
            (true, _) => "**required**",
            (false, default) => default,
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            field.path,
            cell(&field.kind),
            cell(default),
            cell(&field.meaning)
        );
    });
    table
}

/// The same for what nobody fills in.
pub(super) fn plain(schema: &Value) -> String {
    let mut table = "| Field | Type | Meaning |\n|---|---|---|\n".to_owned();
    rows(schema, "", &mut |field| {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} |",
            field.path,
            cell(&field.kind),
            cell(&field.meaning)
        );
    });
    table
}

/// A field as it is told.
struct Field {
    path: String,
    kind: String,
    is_required: bool,
    default: String,
    meaning: String,
}

/// All fields below a schema, those that are required first.
fn rows(schema: &Value, path: &str, tell: &mut impl FnMut(&Field)) {
    let required = names(&schema["required"]);
    let fields = schema["properties"].as_object().into_iter().flatten();
    let (first, then): (Vec<_>, Vec<_>) =
        fields.partition(|(name, _)| required.contains(&name.as_str()));
    for (name, field) in first.iter().chain(&then) {
        let (meaning, default) = parts(field["description"].as_str().unwrap_or_default());
        tell(&Field {
            path: format!("{path}{name}"),
            kind: kind(field),
            is_required: required.contains(&name.as_str()),
            default: default.unwrap_or_else(|| value(&field["default"])),
            meaning,
        });
        // What a condition consists of is known from every other resource.
        if *name != "conditions" {
            below(field, &format!("{path}{name}"), tell);
        }
    }
}

fn below(field: &Value, path: &str, tell: &mut impl FnMut(&Field)) {
    rows(field, &format!("{path}."), tell);
    for inner in ["items", "additionalProperties"] {
        if field[inner].is_object() {
            below(&field[inner], &format!("{path}[]"), tell);
        }
    }
}

/// A description without what it says of the default, and that.
fn parts(description: &str) -> (String, Option<String>) {
    let Some((before, after)) = description.split_once(DEFAULT) else {
        return (description.to_owned(), None);
    };
    let (default, rest) = after
        .split_once(". ")
        .unwrap_or((after.trim_end_matches('.'), ""));
    let meaning = format!("{before}{rest}");
    (meaning.trim().to_owned(), Some(default.to_owned()))
}

/// A default of the schema; a description that says it is the better one.
fn value(default: &Value) -> String {
    match default {
        Value::Null => String::new(),
        Value::Object(members) if members.is_empty() => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// What a field holds and how much of it.
fn kind(schema: &Value) -> String {
    let several = |of: &str, inner: &Value, bounds: &str| {
        let about = match inner["type"].as_str() {
            Some("object") => "objects".to_owned(),
            _ => match kind(inner).split_once(", ") {
                Some((kind, bounds)) => format!("{kind} ({bounds})"),
                None => kind(inner),
            },
        };
        format!("{of} of {about}{bounds}")
    };
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(value).collect();
        return values.join(", ");
    }
    match schema["type"].as_str().unwrap_or_default() {
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" => string(schema),
        "integer" => format!("whole number{}", range(schema, "minimum", "maximum", "")),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => {
            let mut bounds = range(schema, "minItems", "maxItems", "items");
            let keys = names(&schema["x-kubernetes-list-map-keys"]);
            if !keys.is_empty() {
                let _ = write!(bounds, ", no two of the same `{}`", keys.join("`, `"));
            }
            several("list", &schema["items"], &bounds)
        }
        "object" if schema["oneOf"].is_array() => "object with one of these".to_owned(),
        "object" if schema["properties"].is_object() => "object".to_owned(),
        "object" if !schema["additionalProperties"].is_object() => {
            let bounds = range(schema, "minProperties", "maxProperties", "members");
            format!("any object{bounds}")
        }
        "object" => {
            let bounds = range(schema, "minProperties", "maxProperties", "members");
            several("map", &schema["additionalProperties"], &bounds)
        }
        other => other.to_owned(),
    }
}

/// Text: what Kubernetes calls a name, or any other.
fn string(schema: &Value) -> String {
    match schema["pattern"].as_str() {
        Some(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$") => "name of an object".to_owned(),
        Some(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$") => "name of a namespace".to_owned(),
        pattern => {
            let bounds = range(schema, "minLength", "maxLength", "characters");
            let pattern = pattern.map_or(String::new(), |pattern| format!(", `{pattern}`"));
            format!("text{bounds}{pattern}")
        }
    }
}

/// Such as `, 1 to 63 characters`.
fn range(schema: &Value, least: &str, most: &str, of: &str) -> String {
    let of = if of.is_empty() {
        String::new()
    } else {
        format!(" {of}")
    };
    match (number(&schema[least]), number(&schema[most])) {
        (Some(least), Some(most)) if least == most => format!(", {least}{of}"),
        (Some(least), Some(most)) => format!(", {least} to {most}{of}"),
        (None, Some(most)) => format!(", up to {most}{of}"),
        (Some(least), None) => format!(", at least {least}{of}"),
        (None, None) => String::new(),
    }
}

/// A whole number, also where the schema writes 1.0.
fn number(value: &Value) -> Option<String> {
    value.as_f64().map(|number| number.to_string())
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Text that stays in its cell.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_gives_its_default_away() {
        for (description, meaning, default) in [
            ("How long. Default: 5m.", "How long.", Some("5m")),
            (
                "Its name. Default: metadata.name. Cannot be changed.",
                "Its name. Cannot be changed.",
                Some("metadata.name"),
            ),
            ("What it is.", "What it is.", None),
        ] {
            assert_eq!(
                parts(description),
                (meaning.to_owned(), default.map(str::to_owned))
            );
        }
    }

    #[test]
    fn bounds_are_told_in_words() {
        for (schema, words) in [
            (
                json!({"type": "string", "minLength": 1, "maxLength": 63}),
                "text, 1 to 63 characters",
            ),
            (
                json!({"type": "integer", "minimum": 1.0, "maximum": 5.0}),
                "whole number, 1 to 5",
            ),
            (json!({"type": "string", "enum": ["A", "B"]}), "`A`, `B`"),
            (
                json!({"type": "array", "maxItems": 8, "items": {"type": "object", "properties": {}}}),
                "list of objects, up to 8 items",
            ),
            (
                json!({"type": "object", "maxProperties": 4, "additionalProperties": {"type": "string", "maxLength": 9}}),
                "map of text (up to 9 characters), up to 4 members",
            ),
        ] {
            assert_eq!(kind(&schema), words);
        }
    }
}

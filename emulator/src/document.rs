//! Policy documents: both request encodings, the normal form, and the answer's encoding.

use serde_json::Value;

/// Reads a document in either form (raw JSON, or percent-encoded JSON) and returns its normal
/// form: minified, key order kept, a single `Action` made a list. Nothing if it is no JSON object.
///
/// `plus_is_space` decides what a `+` in an encoded document means.
pub fn normalise(sent: &str, plus_is_space: bool) -> Option<String> {
    let mut document = parse(sent, plus_is_space)?;
    wrap_actions(&mut document);
    Some(document.to_string())
}

/// Reads a document in either form and returns it minified, otherwise as it was sent.
pub fn minified(sent: &str, plus_is_space: bool) -> Option<String> {
    Some(parse(sent, plus_is_space)?.to_string())
}

fn parse(sent: &str, plus_is_space: bool) -> Option<Value> {
    let text = if sent.trim_start().starts_with('{') {
        sent.to_owned()
    } else {
        let spaced = if plus_is_space {
            sent.replace('+', " ")
        } else {
            sent.to_owned()
        };
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .ok()?
            .into_owned()
    };
    let document: Value = serde_json::from_str(&text).ok()?;
    document.is_object().then_some(document)
}

fn wrap_actions(document: &mut Value) {
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(items)) => items.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for statement in statements {
        for key in ["Action", "NotAction"] {
            if let Some(action) = statement.get_mut(key)
                && action.is_string()
            {
                *action = Value::Array(vec![action.take()]);
            }
        }
    }
}

/// The answer's encoding of a managed policy's document.
pub fn encode(document: &str) -> String {
    form_urlencoded::byte_serialize(document.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_request_forms_have_one_normal_form() {
        let raw = r#"{"Version": "2012-10-17",  "Statement": [{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let encoded =
            percent_encoding::utf8_percent_encode(raw, percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        let normal = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}"#;
        assert_eq!(normalise(raw, true).unwrap(), normal);
        assert_eq!(normalise(&encoded, true).unwrap(), normal);
    }

    #[test]
    fn answers_leave_star_and_hyphen_alone() {
        assert_eq!(
            encode(r#"{"Version":"2012-10-17","a":["*"]}"#),
            "%7B%22Version%22%3A%222012-10-17%22%2C%22a%22%3A%5B%22*%22%5D%7D"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["", "[]", "7", "%7B", "{", "%FF%FE", "null"] {
            assert_eq!(normalise(bad, true), None, "{bad}");
        }
    }
}

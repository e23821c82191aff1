//! Spans as OTLP wants them over HTTP, in JSON: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.
//!
//! ```json
//! {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cooper"}}]},
//!   "scopeSpans": [{"scope": {"name": "cooper"}, "spans": [{"traceId": "5b8e…", "spanId": "eee1…", "parentSpanId": "eee0…",
//!     "name": "GET secrets", "kind": 3, "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
//!     "attributes": [{"key": "http.response.status_code", "value": {"intValue": "200"}}], "status": {}}]}]}]}
//! ```
//!
//! Ids are hexadecimal and 64-bit numbers are texts, as the specification says of this encoding.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::engine::trace::{Span, Value};

/// `SPAN_KIND_INTERNAL` and `SPAN_KIND_CLIENT`.
const KINDS: (u8, u8) = (1, 3);
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The body of a request that hands these spans on, made by whom `resource` says.
pub fn body(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let resource: Vec<_> = resource
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    let spans: Vec<_> = spans.iter().map(span).collect();
    let scope = json!({"name": "cooper", "version": env!("CARGO_PKG_VERSION")});
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }]})
    .to_string()
    .into_bytes()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<_> = span.attributes.iter().map(attribute).collect();
    let mut json = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": if span.is_request { KINDS.1 } else { KINDS.0 },
        "startTimeUnixNano": nanoseconds(span.began),
        "endTimeUnixNano": nanoseconds(span.began + span.took),
        "attributes": attributes,
        "status": match &span.error {
            Some(what) => json!({"code": ERROR, "message": what}),
            None => json!({}),
        },
    });
    if let (Some(parent), Some(members)) = (span.parent, json.as_object_mut()) {
        members.insert("parentSpanId".into(), format!("{parent:016x}").into());
    }
    json
}

fn attribute((key, value): &(&'static str, Value)) -> Json {
    match value {
        Value::Text(text) => json!({"key": key, "value": {"stringValue": text}}),
        Value::Number(number) => json!({"key": key, "value": {"intValue": number.to_string()}}),
    }
}

fn nanoseconds(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn spans_are_written_as_the_specification_says() {
        let root = Span {
            trace: 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c,
            id: 0xeee1_9b7e_c3c1_b174,
            parent: None,
            name: "pass Bucket".into(),
            is_request: false,
            began: UNIX_EPOCH + Duration::from_millis(1_544_712_660_250),
            took: Duration::from_millis(1_500),
            attributes: vec![("cooper.name", "logs".into())],
            error: Some("NameTaken".into()),
        };
        let child = Span {
            id: 7,
            parent: Some(root.id),
            name: "GET secrets".into(),
            is_request: true,
            attributes: vec![("http.response.status_code", 200.into())],
            error: None,
            ..root.clone()
        };
        let resource = [("service.name".to_owned(), "cooper".to_owned())];
        let written: Json = serde_json::from_slice(&body(&resource, &[root, child])).unwrap();
        let expected = json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cooper"}}]},
            "scopeSpans": [{
                "scope": {"name": "cooper", "version": env!("CARGO_PKG_VERSION")},
                "spans": [{
                    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "pass Bucket", "kind": 1,
                    "startTimeUnixNano": "1544712660250000000", "endTimeUnixNano": "1544712661750000000",
                    "attributes": [{"key": "cooper.name", "value": {"stringValue": "logs"}}],
                    "status": {"code": 2, "message": "NameTaken"},
                }, {
                    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "0000000000000007", "parentSpanId": "eee19b7ec3c1b174",
                    "name": "GET secrets", "kind": 3,
                    "startTimeUnixNano": "1544712660250000000", "endTimeUnixNano": "1544712661750000000",
                    "attributes": [{"key": "http.response.status_code", "value": {"intValue": "200"}}],
                    "status": {},
                }],
            }],
        }]});
        assert_eq!(written, expected);
    }
}

//! Errors as the API answers them.
//!
//! Two envelopes exist. The product answers `application/problem+json`
//! (`type, title, [invalid_params,] correlation_id, status`, and a newline at the end); the older
//! APIs around it (account, network, router) answer `{"error": {"error_code", "error_message"}}`.

use serde_json::{Value, json};

/// One complaint about one member of a request body, by its dotted path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidParam {
    /// `networks.0.uuid`, or `(root)` where no single member is at fault.
    pub name: String,
    /// English sentence.
    pub reason: String,
}

/// An error answer before it is put into an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Short code, e.g. `INVALID_REQUEST`.
    pub code: &'static str,
    /// English sentence.
    pub title: String,
    /// Complaints; empty unless this is a validation error.
    pub params: Vec<InvalidParam>,
}

impl Problem {
    /// An error of any status, without complaints.
    pub fn new(status: u16, code: &'static str, title: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title: title.into(),
            params: Vec::new(),
        }
    }

    /// 404 of an unknown service or sub-resource.
    pub fn not_found() -> Self {
        Self::of_status(404)
    }

    /// 400 with complaints.
    pub fn invalid(params: Vec<InvalidParam>) -> Self {
        Self {
            params,
            ..Self::of_status(400)
        }
    }

    /// 400 about one member.
    pub fn refused(name: &str, reason: impl Into<String>) -> Self {
        Self::invalid(vec![InvalidParam {
            name: name.to_owned(),
            reason: reason.into(),
        }])
    }

    /// 400 about no single member.
    pub fn refused_root(reason: impl Into<String>) -> Self {
        Self::refused("(root)", reason)
    }

    /// The usual error of a status; injected faults have nothing but that.
    pub fn of_status(status: u16) -> Self {
        let (code, title) = match status {
            401 => (
                "AUTHENTICATION_FAILED",
                "Authentication failed using the given username and password.",
            ),
            402 => (
                "INSUFFICIENT_CREDITS",
                "Your account has insufficient credits.",
            ),
            403 => ("FORBIDDEN", "The operation is not allowed."),
            404 => (
                "RESOURCE_NOT_FOUND",
                "The resource you requested does not exist.",
            ),
            405 => (
                "METHOD_NOT_ALLOWED",
                "The method is not allowed for the resource.",
            ),
            409 => ("RESOURCE_ALREADY_EXISTS", "The resource already exists."),
            429 => ("TOO_MANY_REQUESTS", "Too many requests."),
            502 => ("BAD_GATEWAY", "Bad gateway."),
            503 => ("SERVICE_UNAVAILABLE", "The service is unavailable."),
            504 => ("GATEWAY_TIMEOUT", "Gateway timeout."),
            500..=599 => (
                "GENERAL_FAILURE",
                "Your request could not be fulfilled due to a technical issue.",
            ),
            _ => ("INVALID_REQUEST", "Validation error."),
        };
        Self::new(status, code, title)
    }

    /// The body of the problem form, with its newline.
    pub fn to_problem_json(&self, correlation_id: &str) -> String {
        let mut body = serde_json::Map::new();
        let link = format!(
            "https://developers.upcloud.com/1.3/errors#ERROR_{}",
            self.code
        );
        body.insert("type".to_owned(), link.into());
        body.insert("title".to_owned(), self.title.clone().into());
        if !self.params.is_empty() {
            let params: Vec<Value> = self
                .params
                .iter()
                .map(|param| json!({"name": param.name, "reason": param.reason}))
                .collect();
            body.insert("invalid_params".to_owned(), params.into());
        }
        body.insert("correlation_id".to_owned(), correlation_id.into());
        body.insert("status".to_owned(), self.status.into());
        format!("{}\n", Value::Object(body))
    }

    /// The body of the older form.
    pub fn to_legacy_json(&self) -> String {
        let message = self
            .params
            .first()
            .map_or(&self.title, |param| &param.reason);
        json!({"error": {"error_code": self.code, "error_message": message}}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_recorded_member_order_and_a_newline() {
        let problem = Problem::refused("name", "Value is required.");
        assert_eq!(
            problem.to_problem_json("01KDN7A0B1C2D3E4F5G6H7J8K9"),
            concat!(
                r#"{"type":"https://developers.upcloud.com/1.3/errors#ERROR_INVALID_REQUEST","#,
                r#""title":"Validation error.","#,
                r#""invalid_params":[{"name":"name","reason":"Value is required."}],"#,
                r#""correlation_id":"01KDN7A0B1C2D3E4F5G6H7J8K9","status":400}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_missing_thing_has_no_complaints() {
        assert!(
            !Problem::not_found()
                .to_problem_json("x")
                .contains("invalid_params")
        );
    }
}

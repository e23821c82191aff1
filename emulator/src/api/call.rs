//! A request that found its operation, and what a handler answers.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::state::Account;
use crate::state::iam::Owner;
use crate::state::service::Service;
use crate::validate::{Check, Text};

/// What a handler gives back.
pub type Reply = Result<Answer, Problem>;

/// A request that found its operation.
#[derive(Debug)]
pub struct Call {
    /// Decoded values of the path's placeholders, in order.
    pub args: Vec<String>,
    /// Decoded query, in order.
    pub query: Vec<(String, String)>,
    /// Whole body.
    pub body: Bytes,
    /// Whose sub-resource this is: `users`, `groups` or `roles` in the path.
    pub owner: Owner,
}

/// A success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Option<String>,
    /// Value of `Upcloud-Total-Count`.
    pub total: Option<usize>,
}

impl Answer {
    /// 200 with a body; members are put in alphabetical order.
    pub fn ok(body: Value) -> Self {
        Self::of(200, body)
    }

    /// 201 with a body; members are put in alphabetical order.
    pub fn created(body: Value) -> Self {
        Self::of(201, body)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self {
            status: 204,
            body: None,
            total: None,
        }
    }

    /// 200 with a body whose members keep their order.
    pub fn ok_as_is(body: &Value) -> Self {
        Self {
            status: 200,
            body: Some(body.to_string()),
            total: None,
        }
    }

    /// Adds the total count of a paged list.
    #[must_use]
    pub fn with_total(self, total: Option<usize>) -> Self {
        Self { total, ..self }
    }

    fn of(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(sorted(body).to_string()),
            total: None,
        }
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|one, two| one.0.cmp(&two.0));
            Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

impl Call {
    /// Value of the path's placeholder number `at`; empty if there are fewer.
    pub fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    /// Last value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Problem> {
        serde_json::from_slice(&self.body).map_err(|_| Problem::refused_root("Invalid JSON."))
    }

    /// The body as a JSON object.
    pub fn json_object(&self) -> Result<Map<String, Value>, Problem> {
        match self.json()? {
            Value::Object(members) => Ok(members),
            _ => Err(Problem::refused_root("Invalid JSON.")),
        }
    }

    /// The service that the path names.
    pub fn service<'a>(&self, account: &'a mut Account) -> Result<&'a mut Service, Problem> {
        let uuid = self.arg(0).to_lowercase();
        account
            .services
            .get_mut(&uuid)
            .ok_or_else(Problem::not_found)
    }

    /// A body of one string member, in a closed object.
    pub fn single(&self, member: &str, rule: &Text) -> Result<String, Problem> {
        let members = self.json_object()?;
        let body = crate::validate::Object::root(&members);
        let mut check = Check::default();
        check.closed(&body, &[member]);
        let value = check.required(&body, member, rule);
        check.done()?;
        Ok(value)
    }

    /// `limit` and `offset` of a paged list: 0 to 100, default 10; from 0, default 0.
    pub fn page(&self, check: &mut Check) -> (usize, usize) {
        let limit = self.number(check, "limit", 10, 100);
        let offset = self.number(check, "offset", 0, i64::MAX);
        (limit, offset)
    }

    fn number(&self, check: &mut Check, name: &str, default: usize, most: i64) -> usize {
        let Some(text) = self.param(name) else {
            return default;
        };
        match text.parse::<i64>() {
            Ok(number) if (0..=most).contains(&number) => {
                usize::try_from(number).unwrap_or(default)
            }
            Ok(_) if most < i64::MAX => {
                check.note(name, format!("Value must be from 0 to {most}."));
                default
            }
            Ok(_) => {
                check.note(name, "Value must be at least 0.");
                default
            }
            Err(_) => {
                check.note(name, "Value must be an integer.");
                default
            }
        }
    }

    /// A boolean query parameter, false by default.
    pub fn flag(&self, check: &mut Check, name: &str) -> bool {
        match self.param(name) {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => {
                check.note(name, "Value must be a boolean.");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn success_bodies_are_alphabetical_at_every_level() {
        let answer = Answer::ok(json!([{"b": {"d": 1, "c": 2}, "a": []}]));
        assert_eq!(answer.body.unwrap(), r#"[{"a":[],"b":{"c":2,"d":1}}]"#);
    }
}

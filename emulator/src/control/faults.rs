//! Faults to inject: which requests, and what befalls them.

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which of the emulated servers a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Api,
    S3,
    Web,
}

/// What befalls a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Kind {
    /// Answered with a status; not applied.
    Status {
        code: u16,
        /// Seconds for `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// In place of the usual error of the status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// Applied; the connection is cut without an answer.
    Lost {},
    /// The connection is cut; not applied.
    Cut {},
    /// The connection is cut; applied later, by the emulator's clock.
    Late { seconds: u64 },
    /// Applied after a real delay.
    Latency { ms: u64 },
    /// Applied; the answer breaks off after some bytes of its body.
    Truncate { bytes: usize },
    /// Answered with a web page and status 200; not applied.
    Html {},
    /// Applied; the body of the answer comes byte by byte.
    Drip { ms_per_byte: u64 },
    /// Answered with a 307 to another place; not applied.
    Redirect { to: String },
}

/// Which requests a fault is for; what is not given matches all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    side: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Regular expression, searched for in the encoded path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// A fault as it is ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    #[serde(default)]
    r#match: Match,
    /// The first matching request that it befalls, counted from 1.
    #[serde(default = "one")]
    nth: u64,
    /// How many requests it befalls; 0 means all that follow.
    #[serde(default = "one")]
    times: u64,
    kind: Kind,
}

fn one() -> u64 {
    1
}

struct Fault {
    id: u64,
    order: Order,
    path: Option<Regex>,
    seen: u64,
    fired: u64,
}

/// The faults in force.
#[derive(Default)]
pub struct Faults {
    faults: Vec<Fault>,
    next: u64,
}

impl Faults {
    /// Puts a fault in force and returns its id. The error says what is wrong with the order.
    pub fn add(&mut self, order: Order) -> Result<u64, String> {
        let path = match &order.r#match.path {
            Some(text) => Some(Regex::new(text).map_err(|error| error.to_string())?),
            None => None,
        };
        if let Kind::Status { code, .. } = order.kind
            && !(200..=599).contains(&code)
        {
            return Err("status.code must be from 200 to 599".to_owned());
        }
        self.next += 1;
        self.faults.push(Fault {
            id: self.next,
            order,
            path,
            seen: 0,
            fired: 0,
        });
        Ok(self.next)
    }

    /// Counts a request for every fault that it matches and returns what befalls it, if anything:
    /// of several due faults the oldest.
    pub fn befall(&mut self, side: Side, method: &str, path: &str) -> Option<Kind> {
        let mut found = None;
        for fault in self
            .faults
            .iter_mut()
            .filter(|fault| fault.matches(side, method, path))
        {
            fault.seen += 1;
            let order = &fault.order;
            let due = fault.seen >= order.nth && (order.times == 0 || fault.fired < order.times);
            if due && found.is_none() {
                fault.fired += 1;
                found = Some(fault.order.kind.clone());
            }
        }
        found
    }

    /// Takes a fault back; false if there is none of this id.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.faults.len();
        self.faults.retain(|fault| fault.id != id);
        self.faults.len() < before
    }

    /// Takes all faults back.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// The faults in force, spent ones too.
    pub fn list(&self) -> Vec<Value> {
        let faults = self.faults.iter();
        faults
            .map(|fault| {
                json!({
                    "id": fault.id,
                    "match": fault.order.r#match,
                    "nth": fault.order.nth,
                    "times": fault.order.times,
                    "kind": fault.order.kind,
                    "seen": fault.seen,
                    "fired": fault.fired,
                })
            })
            .collect()
    }
}

impl Fault {
    fn matches(&self, side: Side, method: &str, path: &str) -> bool {
        let want = &self.order.r#match;
        want.side.is_none_or(|wanted| wanted == side)
            && want
                .method
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .path
                .as_ref()
                .is_none_or(|wanted| wanted.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Order {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_befalls_the_nth_request_and_as_many_as_ordered() {
        let mut faults = Faults::default();
        let text =
            r#"{"match":{"method":"post","path":"/users$"},"nth":2,"times":2,"kind":{"lost":{}}}"#;
        faults.add(order(text)).unwrap();
        let fired: Vec<bool> = (0..5)
            .map(|_| faults.befall(Side::Api, "POST", "/x/users").is_some())
            .collect();
        assert_eq!(fired, [false, true, true, false, false]);
        assert_eq!(faults.befall(Side::Api, "GET", "/x/users"), None);
        assert_eq!(faults.list()[0]["fired"], 2);
    }

    #[test]
    fn a_side_keeps_a_fault_from_the_others() {
        let mut faults = Faults::default();
        let id = faults
            .add(order(
                r#"{"match":{"side":"s3"},"times":0,"kind":{"status":{"code":503}}}"#,
            ))
            .unwrap();
        assert_eq!(faults.befall(Side::Api, "GET", "/"), None);
        assert!(faults.befall(Side::S3, "GET", "/").is_some());
        assert!(faults.remove(id) && !faults.remove(id));
        assert_eq!(faults.befall(Side::S3, "GET", "/"), None);
    }

    #[test]
    fn a_bad_order_is_refused() {
        let mut faults = Faults::default();
        assert!(
            faults
                .add(order(r#"{"match":{"path":"("},"kind":{"cut":{}}}"#))
                .is_err()
        );
        assert!(
            faults
                .add(order(r#"{"kind":{"status":{"code":99}}}"#))
                .is_err()
        );
        assert!(serde_json::from_str::<Order>(r#"{"kind":{"bang":{}}}"#).is_err());
    }
}

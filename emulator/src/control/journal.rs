//! The journal: every request to the emulated servers, without secrets.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::faults::Side;

/// Entries kept; the oldest go first.
const MOST: usize = 200_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It got an answer, perhaps an injected one.
    Answered,
    /// It was applied, but the answer did not arrive.
    Lost,
    /// The connection was cut before it was applied.
    Cut,
    /// The connection was cut; it was or will be applied later.
    Late,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Counts up from 1.
    pub seq: u64,
    /// When it came in.
    pub at: Timestamp,
    pub side: Side,
    pub method: String,
    pub path: String,
    /// Without signatures and session tokens.
    pub query: String,
    /// Status of the answer, or of the answer that was kept back; null until there is one.
    pub status: Option<u16>,
    /// Account that the credentials belong to.
    pub account: Option<String>,
    pub user_agent: Option<String>,
    /// JSON body of an API request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    pub outcome: Outcome,
    /// Made through the control API in somebody else's name.
    pub foreign: bool,
}

/// All requests so far.
#[derive(Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Journal {
    /// Adds an entry and returns its number.
    pub fn begin(&mut self, entry: Entry) -> u64 {
        self.last += 1;
        if self.entries.len() >= MOST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            seq: self.last,
            ..entry
        });
        self.last
    }

    /// Notes the status of a request that has been applied or answered.
    pub fn note(&mut self, seq: u64, status: u16) {
        if let Some(entry) = self.entry(seq) {
            entry.status = Some(status);
        }
    }

    /// Notes that a request did not end with an answer.
    pub fn outcome(&mut self, seq: u64, outcome: Outcome) {
        if let Some(entry) = self.entry(seq) {
            entry.outcome = outcome;
        }
    }

    fn entry(&mut self, seq: u64) -> Option<&mut Entry> {
        let first = self.entries.front()?.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.entries.get_mut(at).filter(|entry| entry.seq == seq)
    }

    /// Entries from number `since` on, and the number after the last one.
    pub fn since(&self, since: u64) -> (Vec<&Entry>, u64) {
        let entries = self.entries.iter().filter(|entry| entry.seq >= since);
        (entries.collect(), self.last + 1)
    }

    /// Forgets all entries; numbers go on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// A query without what would sign a request again.
pub fn redacted(query: &str) -> String {
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["x-amz-signature", "x-amz-security-token", "signature"].contains(&name.as_str())
    };
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if secret(name) => format!("{name}=***"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            seq: 0,
            at: Timestamp::UNIX_EPOCH,
            side: Side::Api,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            status: None,
            account: None,
            user_agent: None,
            request: None,
            outcome: Outcome::Answered,
            foreign: false,
        }
    }

    #[test]
    fn numbers_go_on_after_the_journal_was_emptied() {
        let mut journal = Journal::default();
        assert_eq!((journal.begin(entry()), journal.begin(entry())), (1, 2));
        journal.note(2, 204);
        let (entries, next) = journal.since(2);
        assert_eq!((entries.len(), entries[0].status, next), (1, Some(204), 3));
        journal.clear();
        assert_eq!(journal.begin(entry()), 3);
        journal.note(1, 200);
        assert_eq!(journal.since(0).0.len(), 1);
    }

    #[test]
    fn signatures_are_not_kept() {
        assert_eq!(
            redacted("X-Amz-Date=1&X-Amz-Signature=abc&x=y"),
            "X-Amz-Date=1&X-Amz-Signature=***&x=y"
        );
    }
}

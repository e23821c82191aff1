//! What a resource shows: conditions, claim, facts. Built purely; written elsewhere, and only when it changed.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{
    external::{AccountKey, DeletionPolicy},
    key::{KeyId, Ledger, Listed, Moment},
    reason::Reason,
};

/// The status of every managed kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[serde(bound(
    serialize = "P: Serialize, F: Serialize",
    deserialize = "P: DeserializeOwned, F: DeserializeOwned + Default"
))]
#[schemars(bound = "P: JsonSchema, F: JsonSchema + Default + Serialize")]
pub struct Status<P, F> {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready (usable now), Synced (the last pass did what the spec says), Resolved (references found), Issued (Secrets hold live keys);
    /// Reconciling and Stalled appear only while they are true.
    #[serde(
        default,
        deserialize_with = "conditions",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The account whose credentials reach the remote. Together with `place` it is the claim; only cooper writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountKey>,
    /// Where the remote is. Written before anything is made: whoever stands here first owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<P>,
    /// How the remote came to be ours: Claimed means that its create was or is being sent, Created that cooper made it, Adopted that it
    /// existed and was taken over, Restored that it was kept when the deletion of the former resource was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The deletion policy in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What the cloud shows.
    #[serde(default)]
    pub at_provider: F,
    /// The access key in the Secret, as the cloud shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IssuedKey>,
    /// Access keys: what was decided and which ids are ours. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Ledger>,
}

/// Reads conditions as they are stored: all of them, or none if one is wrong.
///
/// A list of conditions without types, or with one twice, is one that the API server cannot compare with another: it refuses every change
/// of the object then, even that of a finalizer, until the status is put right. All that stands there is what was said last, so nothing is
/// lost by saying it anew; what was not read differs from it and is written over by the next pass.
pub fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Condition>, D::Error> {
    let stored = serde_json::Value::deserialize(deserializer)?;
    let read: Vec<Condition> = serde_json::from_value(stored).unwrap_or_default();
    let mut types = HashSet::new();
    let is_right = read.iter().all(|one| types.insert(one.type_.as_str()));
    Ok(if is_right { read } else { Vec::new() })
}

// Not derived: a place has no default.
impl<P, F: Default> Default for Status<P, F> {
    fn default() -> Self {
        Self {
            observed_generation: None,
            conditions: Vec::new(),
            account: None,
            place: None,
            origin: None,
            deletion_policy: None,
            at_provider: F::default(),
            key: None,
            keys: None,
        }
    }
}

impl<P, F> Status<P, F> {
    /// Whether a condition stands and is true.
    pub fn is_true(&self, kind: Kind) -> bool {
        kind.is_true(&self.conditions)
    }
}

/// The access key in the Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedKey {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<KeyId>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it is replaced by schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotates_at: Option<Time>,
}

impl IssuedKey {
    /// The current key of a ledger, as it is listed.
    pub fn of(ledger: Option<&Ledger>, listed: &Listed, rotates_at: Option<Moment>) -> Self {
        let current = ledger.and_then(|ledger| ledger.current.as_ref());
        let key = current.and_then(|current| listed.key(&current.id));
        // One of unknown age is listed as from the beginning of time.
        let made = key.map(|key| key.created_at);
        let made = made.filter(|made| *made > Timestamp::MIN);
        Self {
            id: key.map(|key| key.id.clone()),
            created_at: made.map(|made| Time(whole_seconds(made))),
            rotates_at: rotates_at.map(|at| Time(at.timestamp())),
        }
    }
}

/// How a remote came to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = super::external::undescribed)]
pub enum Origin {
    /// The place is claimed and a create was or is being sent; whether it arrived is not known yet.
    Claimed,
    /// cooper made it.
    Created,
    /// It existed and was taken over under `adoption: IfExists`.
    Adopted,
    /// cooper made it for a former resource of this name, whose deletion was undone.
    Restored,
}

/// The condition types that cooper sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The remote can be used now.
    Ready,
    /// The last pass did what the spec says.
    Synced,
    /// All references were found.
    Resolved,
    /// The Secret holds a live key.
    Issued,
    /// Work is under way; present only while true.
    Reconciling,
    /// Work cannot go on until somebody acts; present only while true.
    Stalled,
    /// The brake of an account holds deletions; present only while true.
    Braked,
    /// A type of one kind alone, by its name: see [`Remark`](super::external::Remark).
    Own(&'static str),
}

impl Kind {
    /// All types, the most asked for first.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Synced,
        Self::Resolved,
        Self::Issued,
        Self::Reconciling,
        Self::Stalled,
        Self::Braked,
    ];

    /// The type as it stands in the condition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::Resolved => "Resolved",
            Self::Issued => "Issued",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Braked => "Braked",
            Self::Own(name) => name,
        }
    }

    /// The condition of this type.
    pub fn among(self, conditions: &[Condition]) -> Option<&Condition> {
        conditions
            .iter()
            .find(|condition| condition.type_ == self.name())
    }

    /// Whether it stands among these and is true.
    pub fn is_true(self, conditions: &[Condition]) -> bool {
        self.among(conditions)
            .is_some_and(|condition| condition.status == Truth::True.name())
    }
}

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl Truth {
    fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The API server refuses longer condition messages.
const MESSAGE_BYTES: usize = 4096;

/// The conditions of one resource while a pass builds them.
#[derive(Clone, Debug)]
pub struct Conditions {
    list: Vec<Condition>,
    /// What was taken away, and where it stood: said again, it goes on as it was.
    cleared: Vec<(usize, Condition)>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Conditions {
    /// Starts from what stands in the status; `generation` is that of the object this pass read.
    pub fn new(before: Vec<Condition>, generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            list: before,
            cleared: Vec::new(),
            generation,
            now,
        }
    }

    /// Sets one condition. The transition time moves only with the status.
    pub fn set(&mut self, kind: Kind, truth: Truth, reason: Reason, message: impl Into<String>) {
        let mut message: String = message.into();
        if message.len() > MESSAGE_BYTES {
            let end = (0..=MESSAGE_BYTES)
                .rev()
                .find(|end| message.is_char_boundary(*end))
                .unwrap_or(0);
            message.truncate(end);
        }
        let before = take(&mut self.list, kind).or_else(|| {
            let is_it = |(_, cleared): &(usize, Condition)| cleared.type_ == kind.name();
            let at = self.cleared.iter().position(is_it)?;
            Some(self.cleared.remove(at))
        });
        let at = before
            .as_ref()
            .map_or(self.list.len(), |(at, _)| self.list.len().min(*at));
        let since = before
            .map(|(_, before)| before)
            .filter(|before| before.status == truth.name())
            .map(|before| before.last_transition_time);
        let condition = Condition {
            type_: kind.name().into(),
            status: truth.name().into(),
            reason: reason.to_string(),
            message,
            observed_generation: self.generation,
            last_transition_time: since.unwrap_or_else(|| Time(whole_seconds(self.now))),
        };
        self.list.insert(at, condition);
    }

    /// Takes a condition away, for those that are present only while true. Set again before the pass ends, it is the one that stood: its
    /// transition time and its place in the list are kept, so that a pass that says the same again has nothing to write.
    pub fn clear(&mut self, kind: Kind) {
        self.cleared.extend(take(&mut self.list, kind));
    }

    /// Whether a condition stands and is true.
    pub fn is_true(&self, kind: Kind) -> bool {
        kind.is_true(&self.list)
    }

    /// The finished list.
    pub fn finish(self) -> Vec<Condition> {
        self.list
    }
}

/// Takes a condition out of the list, with the place where it stood.
fn take(list: &mut Vec<Condition>, kind: Kind) -> Option<(usize, Condition)> {
    let at = list
        .iter()
        .position(|condition| condition.type_ == kind.name())?;
    Some((at, list.remove(at)))
}

/// Times in a status have whole seconds.
pub fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut first = Conditions::new(Vec::new(), Some(1), at(10));
        first.set(Kind::Ready, Truth::False, Reason::SettingUp, "being made");
        let mut second = Conditions::new(first.finish(), Some(2), at(20));
        second.set(
            Kind::Ready,
            Truth::False,
            Reason::Progressing,
            "still being made",
        );
        let list = second.clone().finish();
        assert_eq!(list[0].last_transition_time.0, at(10));
        assert_eq!(list[0].observed_generation, Some(2));
        second.set(Kind::Ready, Truth::True, Reason::Available, "usable");
        assert_eq!(second.finish()[0].last_transition_time.0, at(20));
    }

    #[test]
    fn conditions_are_read_whole_or_not_at_all() {
        let right = |kind: &str| json!({"type": kind, "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2026-02-03T09:10:11Z"});
        for (stored, read) in [
            (json!([right("Ready"), right("Synced")]), 2),
            (json!([]), 0),
            (json!([right("Ready"), right("Synced"), right("Ready")]), 0),
            (json!([right("Ready"), {"status": "True"}]), 0),
            (json!([right("Ready"), {"type": 7}]), 0),
            (json!(["Ready"]), 0),
            (json!({"Ready": true}), 0),
        ] {
            let status: Status<(), ()> =
                serde_json::from_value(json!({"conditions": stored, "atProvider": null})).unwrap();
            assert_eq!(status.conditions.len(), read, "{stored}");
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut conditions = Conditions::new(Vec::new(), None, at(0));
        conditions.set(
            Kind::Synced,
            Truth::False,
            Reason::Refused,
            "ä".repeat(4096),
        );
        let message = conditions.finish().remove(0).message;
        assert_eq!(message.len(), 4096);
        assert!(message.chars().all(|c| c == 'ä'));
    }
}

//! Access keys (being built: types only).
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
/// Placeholder.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {}
/// Id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(pub String);
/// Secret.
pub struct SecretText(pub String);
/// Listed key.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedKey {
    /// id
    pub id: KeyId,
    /// active
    pub active: bool,
    /// made
    pub created_at: jiff::Timestamp,
    /// used
    pub last_used_at: Option<jiff::Timestamp>,
}

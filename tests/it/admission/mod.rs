//! What the API server lets through, for every kind, with the field named in the answer.
//!
//! [`bounds`] walks the schemas of the CRDs and tries every bound at its edge. [`rules`] has rows for every CEL rule and fails where
//! one has none. [`meanings`] says of texts what no bound says: that a pattern means what its author wanted. A new kind or field needs
//! rows for its CEL rules only.

mod bounds;
mod desk;
mod meanings;
pub mod rows;
mod rules;
pub mod schema;
mod text;

use serde_json::{Value, json};

/// A merge patch: null removes.
pub fn merged(base: &Value, patch: &Value) -> Value {
    let (Value::Object(base), Value::Object(patch)) = (base, patch) else {
        return patch.clone();
    };
    let mut all = base.clone();
    for (name, value) in patch {
        if value.is_null() {
            all.remove(name);
        } else {
            let below = all.get(name).cloned().unwrap_or_else(|| json!({}));
            all.insert(name.clone(), merged(&below, value));
        }
    }
    Value::Object(all)
}

//! Text that must not be seen.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret text: wiped from memory when dropped, and without `Debug`, `Display`, `Clone` or `Serialize`,
/// so that it cannot reach a log, a status or a second owner by accident.
pub struct Confidential(Zeroizing<String>);

impl Confidential {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Confidential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

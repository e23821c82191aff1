//! Names of things, and the one type that holds a secret.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, max $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(min = 1, max = $max))] String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Id of an access key, chosen by the cloud at random; not secret.
    KeyId,
    max 128
);
name!(
    /// Random name of one attempt to mint a key.
    Nonce,
    max 64
);
name!(
    /// `metadata.uid` of a Kubernetes object.
    Uid,
    max 64
);

/// A secret access key: wiped from memory when dropped, and without `Debug`, `Clone` and `Serialize`, so that it
/// cannot end up in a log or a status by accident.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Only for signing a request and for the data of a Secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

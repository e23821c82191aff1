//! The credentials of an account.

use ::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::TransportError;
use super::route::Bad;
use crate::confidential::Confidential;

/// An `Authorization` header, kept wiped and unprintable.
pub struct Auth(Confidential);

impl Auth {
    /// `Authorization: Bearer <token>`. White space around the token is dropped: files end with a newline.
    pub fn bearer(token: &Confidential) -> Self {
        Self(Confidential::new(format!(
            "Bearer {}",
            token.expose().trim()
        )))
    }

    /// `Authorization: Basic base64(user:password)`.
    pub fn basic(user: &str, password: &Confidential) -> Self {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Self(Confidential::new(format!("Basic {}", encoded.as_str())))
    }

    pub(super) fn header(&self) -> Result<HeaderValue, TransportError> {
        let mut value = HeaderValue::from_str(self.0.expose())
            .map_err(|_| TransportError::Invalid(Bad::Credentials))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

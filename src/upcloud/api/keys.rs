//! Access keys: operations 39, 41 and 42. Read from the user.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shape::{lenient_time, open_enum};
use super::{Api, ApiError, Dated, KeyId, Query, Removed, ServiceId, decode, routes};
use crate::confidential::Confidential;
use crate::engine::budget::Lane;

/// A key without its secret.
///
/// ```json
/// {"access_key_id": "AKIA0F1E2D3C4B5A6978", "created_at": "2026-02-03T09:20:00Z",
///  "last_used_at": "0001-01-01T00:00:00Z", "status": "Active"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccessKey {
    /// The id.
    #[serde(rename = "access_key_id")]
    pub id: KeyId,
    /// Whether it works.
    #[serde(default)]
    pub status: Option<KeyStatus>,
    /// Creation; whole seconds.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last use; see [`AccessKey::is_never_used`]. `None` means that the answer does not say.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
}

impl AccessKey {
    /// True if the answer says that nobody has used the key: the zero time (in the creation's answer) or the
    /// time of creation (afterwards). False if it does not say.
    pub fn is_never_used(&self) -> bool {
        match self.last_used_at {
            None => false,
            Some(used) => used == ZERO || Some(used) == self.created_at,
        }
    }
}

/// `0001-01-01T00:00:00Z`, the API's word for "never".
pub const ZERO: Timestamp = Timestamp::constant(-62_135_596_800, 0);

open_enum! {
    /// Whether a key works.
    KeyStatus {
        /// It works.
        Active = "Active",
        /// It does not.
        Inactive = "Inactive",
    }
}

/// A key just created. Holds the secret, which no later answer shows; hence without `Debug` and `Clone`.
#[derive(Deserialize)]
pub struct CreatedKey {
    /// The id.
    #[serde(rename = "access_key_id")]
    pub id: KeyId,
    /// The secret.
    #[serde(rename = "secret_access_key")]
    pub secret: Confidential,
    /// Whether it works.
    #[serde(default)]
    pub status: Option<KeyStatus>,
    /// Creation; an unreadable time is `None`: the secret matters more.
    #[serde(default, deserialize_with = "lenient_time")]
    pub created_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a KeyStatus,
}

#[derive(Serialize)]
struct Empty {}

impl Api {
    /// Creates a key: each call that is carried out makes another one. Sent once, never repeated.
    ///
    /// An answer without a `Date` is dated by the key's creation, and failing that by the year 1: a key in
    /// hand is not thrown away, and nothing expires by such a clock.
    pub async fn create_key(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
    ) -> Result<Dated<CreatedKey>, ApiError> {
        let route = routes::CREATE_KEY;
        let answer = self
            .call(
                lane,
                route,
                &[service.as_str(), user],
                Query::new(),
                Some(&Empty {}),
            )
            .await?;
        let value: CreatedKey = decode(route, &answer)?;
        if value.secret.expose().is_empty() {
            return Err(ApiError::no_secret(route, &answer));
        }
        let at = answer.date.or(value.created_at).unwrap_or(ZERO);
        Ok(Dated { value, at })
    }

    /// Switches a key on or off.
    pub async fn modify_key(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        key: &KeyId,
        status: &KeyStatus,
    ) -> Result<AccessKey, ApiError> {
        let names = [service.as_str(), user, key.as_str()];
        self.write(lane, routes::MODIFY_KEY, &names, &Status { status })
            .await
    }

    /// Deletes a key, in whatever status.
    pub async fn delete_key(
        &self,
        lane: Lane,
        service: &ServiceId,
        user: &str,
        key: &KeyId,
    ) -> Result<Removed, ApiError> {
        self.remove(
            lane,
            routes::DELETE_KEY,
            &[service.as_str(), user, key.as_str()],
            Query::new(),
        )
        .await
    }
}

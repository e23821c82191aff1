//! The account behind the credentials: `GET /1.3/account`, outside the product.
//!
//! ```json
//! {"account": {"credits": "9972.23", "username": "media", "resource_limits": {"managed_object_storages": 20}}}
//! ```

use serde::Deserialize;

use super::{Api, ApiError, routes};
use crate::engine::budget::Lane;

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The account's name: what tells one account from another.
    pub username: String,
    /// Limits, as far as the API names them.
    #[serde(default)]
    pub resource_limits: Option<ResourceLimits>,
}

/// Limits of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ResourceLimits {
    /// Object storage services.
    #[serde(default)]
    pub managed_object_storages: Option<i64>,
}

#[derive(Deserialize)]
struct Envelope {
    account: Account,
}

impl Api {
    /// Checks the credentials and says whose they are.
    pub async fn get_account(&self, lane: Lane) -> Result<Account, ApiError> {
        self.read::<Envelope>(lane, routes::GET_ACCOUNT, &[])
            .await
            .map(|envelope| envelope.account)
    }
}

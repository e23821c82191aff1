//! What the key protocol asks of a kind that issues access keys.

use std::{collections::BTreeMap, future::Future, time::Duration};

use jiff::Timestamp;

use super::{
    external::{AccountKey, External, Spec},
    fault::Fault,
    key::{KeyId, ListedKey, Place, TestOutcome},
};
use crate::confidential::Confidential;

/// The calls behind `accessKey` of a kind, or [`NoKeys`].
///
/// Times are the cloud's (`Date` of the answer): they order what happened to keys, whatever our own clock says.
pub trait Keyring<K: External>: Send + Sync + 'static {
    /// Whether the kind issues keys at all; false keeps `status.keys` out of its CRD.
    const ISSUES: bool;
    /// Keys that a user of the cloud may have at once; `None` if unknown.
    const QUOTA: Option<usize>;

    /// What the spec says about the key; `None` if it wants none.
    fn spec(spec: &Spec<K>) -> Option<KeySpec>;

    /// How long the keys of a resource that is deleted are switched off before anything is deleted; zero: not a moment.
    fn undo_window(spec: &Spec<K>) -> Duration;

    /// The cloud user, as the mark on its Secret names it.
    fn place(account: &AccountKey, at: &K::Place) -> Place;

    /// The keys in a remote as it was observed, if the remote shows them.
    fn seen(now: &K::Remote) -> Option<Keys>;

    /// The entries of the Secret, from a key and what the spec resolved to. Pure; the same input gives the same bytes.
    fn render(
        want: &K::Desired,
        at: &K::Place,
        id: &KeyId,
        secret: &Confidential,
    ) -> BTreeMap<String, Vec<u8>>;

    /// Id and secret out of the entries that `render` made, to render them anew without a new key.
    fn extract(data: &BTreeMap<String, Vec<u8>>) -> Option<(KeyId, Confidential)>;

    /// Reads the user's keys by themselves, now. `None`: the user does not exist.
    fn list(
        cloud: &K::Cloud,
        at: &K::Place,
    ) -> impl Future<Output = Result<Option<Keys>, Fault>> + Send;

    /// Makes a key by exactly one request that is never repeated.
    fn mint(
        cloud: &K::Cloud,
        at: &K::Place,
    ) -> impl Future<Output = Result<Minted, NotMinted>> + Send;

    /// Why a new key cannot be tested yet. Pure; what it waits for wakes the resource.
    fn untestable(want: &K::Desired) -> Option<String>;

    /// Signs one harmless request with a new key and says what came of it. Never logs the secret, never follows a redirect.
    fn test(
        cloud: &K::Cloud,
        want: &K::Desired,
        id: &KeyId,
        secret: &Confidential,
    ) -> impl Future<Output = Tested> + Send;

    /// Sets a key Active or Inactive; `Ok` also if it is gone.
    fn set_active(
        cloud: &K::Cloud,
        at: &K::Place,
        id: &KeyId,
        active: bool,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Deletes a key; `Ok` also if it is gone.
    fn revoke(
        cloud: &K::Cloud,
        at: &K::Place,
        id: &KeyId,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What the spec says about an access key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySpec {
    /// Name of the Secret.
    pub secret_name: String,
    /// Labels to put on the Secret beside ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations to put on the Secret beside ours.
    pub annotations: BTreeMap<String, String>,
    /// Keys that cooper did not make are its to revoke.
    pub exclusive: bool,
    /// How long the old key stays usable beside a new one.
    pub overlap: Duration,
    /// Keep the old key, set it Active again.
    pub hold: bool,
    /// Age at which the key is replaced by a new one; `None`: never by itself.
    pub every: Option<Duration>,
    /// A new key is tested with one signed request before it is published.
    pub test: bool,
}

impl KeySpec {
    /// What stands in for a spec that wants no key any more.
    pub fn nothing() -> Self {
        Self {
            secret_name: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            exclusive: false,
            overlap: Duration::ZERO,
            hold: false,
            every: None,
            test: false,
        }
    }
}

/// The keys of a user as one answer showed them.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The `Date` of the answer.
    pub at: Timestamp,
    /// When, by our clock, the request began.
    pub began: Timestamp,
    /// The keys.
    pub keys: Vec<ListedKey>,
}

/// A new key. Its secret exists nowhere else.
pub struct Minted {
    /// Its id.
    pub id: KeyId,
    /// Its secret.
    pub secret: Confidential,
    /// Its `created_at`.
    pub created_at: Timestamp,
    /// The `Date` of the answer.
    pub at: Timestamp,
}

/// Why there is no new key in hand.
#[derive(Debug)]
pub enum NotMinted {
    /// No key was made, for certain.
    Refused(Fault),
    /// Nobody knows whether a key was made.
    Unknown(Fault),
}

/// What one signed request with a new key showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Whether the key is accepted.
    pub outcome: TestOutcome,
    /// What the data plane said, or why it said nothing.
    pub why: String,
}

/// For kinds without keys.
pub struct NoKeys;

impl<K: External> Keyring<K> for NoKeys {
    const ISSUES: bool = false;
    const QUOTA: Option<usize> = None;

    fn spec(_: &Spec<K>) -> Option<KeySpec> {
        None
    }

    fn undo_window(_: &Spec<K>) -> Duration {
        Duration::ZERO
    }

    fn place(account: &AccountKey, _: &K::Place) -> Place {
        Place {
            account: account.to_string(),
            service: String::new(),
            user: String::new(),
        }
    }

    fn seen(_: &K::Remote) -> Option<Keys> {
        None
    }

    fn render(
        _: &K::Desired,
        _: &K::Place,
        _: &KeyId,
        _: &Confidential,
    ) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::new()
    }

    fn extract(_: &BTreeMap<String, Vec<u8>>) -> Option<(KeyId, Confidential)> {
        None
    }

    async fn list(_: &K::Cloud, _: &K::Place) -> Result<Option<Keys>, Fault> {
        Ok(None)
    }

    async fn mint(_: &K::Cloud, _: &K::Place) -> Result<Minted, NotMinted> {
        use super::reason::Reason;
        Err(NotMinted::Refused(Fault::terminal(
            Reason::CannotCreate,
            "this kind has no access keys",
        )))
    }

    fn untestable(_: &K::Desired) -> Option<String> {
        None
    }

    async fn test(_: &K::Cloud, _: &K::Desired, _: &KeyId, _: &Confidential) -> Tested {
        Tested {
            outcome: TestOutcome::Unreachable,
            why: "this kind has no access keys".into(),
        }
    }

    async fn set_active(_: &K::Cloud, _: &K::Place, _: &KeyId, _: bool) -> Result<(), Fault> {
        Ok(())
    }

    async fn revoke(_: &K::Cloud, _: &K::Place, _: &KeyId) -> Result<(), Fault> {
        Ok(())
    }
}

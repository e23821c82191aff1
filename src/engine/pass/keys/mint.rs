//! The mint: the one step with several writes, in one process and in this order.
//!
//! staging → ledger → POST → staging Filled. A death at any point leaves something that the next pass recognises: an Empty staging and an
//! Open attempt mean "the answer may be lost", a Filled staging means "the key is safe and not published yet".

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::{Desk, List, Stop};
use crate::engine::{
    event::Note,
    external::External,
    fault::Fault,
    key::{self, Minting, Nonce, Reservation, Staging, StagingState, Stored, staging},
    keyring::{Keyring, Minted, NotMinted},
    object::Trouble,
    reason::Reason,
    secret::Found,
};

/// A POST starts within this time of the answer that listed the keys.
const START: Duration = Duration::from_secs(10);
/// Between two tries to commit a key.
const RETRY: Duration = Duration::from_millis(500);

/// A mint that was decided on.
pub(super) struct Mint {
    pub(super) slot: usize,
    pub(super) reservation: Reservation,
    pub(super) list: List,
}

impl<K: External> Desk<'_, '_, K> {
    /// Mints and commits one key. `None`: there is none, and the next pass decides anew.
    pub(super) async fn mint(
        &mut self,
        stored: &Stored,
        mint: Mint,
    ) -> Result<Option<(Minting, List)>, Stop> {
        let nonce = Nonce::new(format!("{:032x}", rand::random::<u128>()));
        let (namespace, secrets) = (
            self.namespace().to_owned(),
            self.pass.engine.core.secrets.clone(),
        );
        let empty = staging::empty(&self.owner(), mint.slot, &nonce, &mint.reservation);
        let created = secrets.create(&namespace, &empty).await;
        let staged = match created {
            Ok(staged) => staged,
            Err(trouble) => {
                return Err(self
                    .created(Err(trouble))
                    .err()
                    .unwrap_or(Trouble::Conflict)
                    .into());
            }
        };
        let ledger = key::reserve(stored, &self.want, &nonce, &mint.reservation);
        match self.record(ledger.clone()).await {
            Ok(()) => {}
            Err(trouble) if trouble.is_conflict() => {
                secrets.delete(&namespace, &staged).await?;
                return Err(trouble.into());
            }
            // Unknown: the attempt is judged later, with its staging as evidence.
            Err(trouble) => return Err(trouble.into()),
        }
        if mint.list.came.elapsed() > START || self.check_limit().is_err() {
            secrets.delete(&namespace, &staged).await?;
            self.record(ledger.without(&nonce)).await?;
            return Ok(None);
        }
        let cloud = self.paid.take().unwrap_or_else(|| self.site.cloud());
        match K::Keys::mint(&cloud, &self.site.place).await {
            Ok(minted) => self.commit(staged, &mint, nonce, minted).await,
            Err(NotMinted::Refused(fault)) => {
                secrets.delete(&namespace, &staged).await?;
                self.record(key::refused(&ledger, &nonce, &self.want, &mint.list.listed))
                    .await?;
                self.refused(fault)
            }
            Err(NotMinted::Unknown(fault)) => {
                let text = format!(
                    "{}; whether a key was made shows in {} s",
                    fault.told(),
                    key::LATE.as_secs()
                );
                self.pass
                    .note(Note::warning(Reason::AwaitingLostMint, text));
                Err(fault.into())
            }
        }
    }

    /// The quota is the decision table's business: it makes room or says who is in the way.
    fn refused(&mut self, fault: Fault) -> Result<Option<(Minting, List)>, Stop> {
        let is_full = self
            .pass
            .subject
            .status
            .keys
            .as_ref()
            .is_some_and(|ledger| ledger.full);
        if is_full { Ok(None) } else { Err(fault.into()) }
    }

    /// Puts the new key into its staging. From here on nobody can lose it.
    async fn commit(
        &mut self,
        staged: Secret,
        mint: &Mint,
        nonce: Nonce,
        minted: Minted,
    ) -> Result<Option<(Minting, List)>, Stop> {
        let Minted {
            id,
            secret,
            created_at,
            at,
        } = minted;
        let came = Instant::now();
        let mut filled = staging::fill(staged, &id, &secret);
        loop {
            match self.try_commit(&filled, &nonce, &id).await {
                Committed::Done => break,
                Committed::Again(staging) => {
                    filled = staging::fill(*staging, &id, &secret);
                }
                Committed::Unknown => {}
                Committed::Never => {
                    // Somebody judged the attempt: nobody may publish this key any more, and only this process knows it.
                    K::Keys::revoke(&self.site.cloud(), &self.site.place, &id).await?;
                    return Ok(None);
                }
            }
            if left(mint.reservation.until.timestamp(), at, came).is_zero() {
                return Err(Fault::transient(
                    Reason::KubernetesUnavailable,
                    "a new key could not be kept; it is cleaned up and made anew",
                )
                .into());
            }
            tokio::time::sleep(RETRY).await;
        }
        self.pass.minted = true;
        let listed = key::chain_list(&mint.list.listed, &id, created_at, at);
        Ok(Some((Minting { nonce, key: id }, List { listed, came })))
    }

    /// One try. On any error the staging is read: it alone tells what became of the write.
    async fn try_commit(&self, filled: &Secret, nonce: &Nonce, id: &key::KeyId) -> Committed {
        let secrets = &self.pass.engine.core.secrets;
        if secrets.replace(self.namespace(), filled).await.is_ok() {
            return Committed::Done;
        }
        let name = filled.metadata.name.as_deref().unwrap_or_default();
        let Ok(found) = secrets.read(self.namespace(), name).await else {
            return Committed::Unknown;
        };
        let Found::Ours(secret) = found else {
            return Committed::Never;
        };
        match staging::decode(&secret, &self.uid()) {
            key::Slot::Own(Staging {
                nonce: found,
                state: StagingState::Filled(key),
                ..
            }) if found == *nonce && key == *id => Committed::Done,
            key::Slot::Own(Staging {
                nonce: found,
                state: StagingState::Empty,
                ..
            }) if found == *nonce => Committed::Again(secret),
            _ => Committed::Never,
        }
    }
}

/// What became of a try to commit.
enum Committed {
    /// The key is in its staging.
    Done,
    /// The staging is still Empty, as read here.
    Again(Box<Secret>),
    /// Nobody can tell yet.
    Unknown,
    /// The staging is Void, gone or another's: it will never hold this key.
    Never,
}

/// Left of a deadline given in cloud time, counted from the answer that named it.
fn left(until: Timestamp, at: Timestamp, since: Instant) -> Duration {
    let span = Duration::try_from(until.duration_since(at)).unwrap_or_default();
    span.saturating_sub(since.elapsed())
}

//! Undoing a deletion, and taking back what was kept.
//!
//! A Terminating object cannot be revived. So the deletion ends as if it let go: access keys are switched on again, the owner reference of
//! the Secret and the finalizer go, the remote stays. What was kept is written into the status of the account first, where only cooper
//! writes; by that the same resource, made again, takes remote and Secret back without being granted adoption.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, core::object::HasStatus};

use super::{Pass, Stop, keys::Tended, present::Site};
use crate::engine::{
    account::{Kept, Sessions},
    clock::earlier,
    event::Note,
    external::{AccountKey, External, Phase},
    intent::UNDO,
    key,
    keyring::Keyring,
    object::{Object, Trouble},
    outcome::Outcome,
    reason::Reason,
    standing::place_text,
    status::{Origin, whole_seconds},
    subject::place_key,
};

/// How long what was kept may be taken back without adoption.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How much is remembered for one account; what is older is only to be had by adoption.
const MOST_KEPT: usize = 256;
/// Others write the status of the account as well; a wave that is undone writes it many times at once.
const TRIES: usize = 8;
/// In which the watch hears of what another wrote.
const HEARING: Duration = Duration::from_millis(250);

impl<K: External> Pass<'_, K> {
    /// Ends a deletion without deleting, unless the remote is gone already.
    pub(super) async fn undo(&mut self) -> Result<Outcome, Stop> {
        let Some(site) = (match self.site() {
            Ok(site) => site,
            Err(outcome) => return Ok(outcome),
        }) else {
            return Box::pin(self.gone_in_time()).await;
        };
        self.take_hand(&site.account).await;
        let now = self.last_look(&site).await?;
        let Some(remote) = now.filter(|now| !matches!(K::phase(now), Phase::Leaving(_))) else {
            let text = format!(
                "too late for {UNDO}: {} is deleted already, and the deletion goes on; apply the resource again to have a new one",
                place_text(&site.place)
            );
            self.note(Note::warning(Reason::UndoTooLate, text));
            return Box::pin(self.gone_in_time()).await;
        };
        if K::Keys::ISSUES && self.subject.status.keys.is_some() {
            let desired = self.resolved().ok().map(|resolved| resolved.desired);
            let want = key::Want::Released;
            match self
                .tend(&site, desired.as_ref(), Some(&remote), want)
                .await?
            {
                Tended::Settled | Tended::UserGoes | Tended::Window(_) => {}
                Tended::Waiting(text) => {
                    let text =
                        format!("the deletion is being undone, and nothing is deleted: {text}");
                    return Ok(Outcome::Parting(Reason::Undoing, text));
                }
            }
        }
        self.keep(&site).await?;
        let text = format!(
            "the deletion is undone: {} stays; apply the resource again to take it back",
            place_text(&site.place)
        );
        self.end(Reason::Undone, &text).await
    }

    /// Whether what is at this place was kept for a resource of this name, and how it had come to be ours.
    pub(super) fn kept(&self, site: &Site<K>) -> Option<Origin> {
        let place = place_key::<K>(&site.account, &site.place);
        let oldest = earlier(self.now, KEPT);
        self.all_kept(&site.account)
            .into_iter()
            .find(|kept| self.is_mine(kept) && kept.place == place && kept.at.0 >= oldest)
            .map(|kept| kept.origin)
    }

    /// Claims what was kept.
    pub(super) async fn take_back(
        &mut self,
        site: &Site<K>,
        desired: &K::Desired,
        origin: Origin,
    ) -> Result<(), Stop> {
        self.write_claim(site, desired, origin).await?;
        let text = format!(
            "took back {}, kept when its deletion was undone",
            place_text(&site.place)
        );
        self.note(Note::normal(Reason::Restored, text));
        self.forget_kept().await
    }

    /// Nothing is kept for this resource any more: what has its name next time may be somebody else's.
    pub(super) async fn forget_kept(&self) -> Result<(), Stop> {
        let claimed = self.subject.claim();
        let Some(account) = claimed.map(|(account, _)| account.clone()) else {
            return Ok(());
        };
        if self
            .all_kept(&account)
            .iter()
            .any(|kept| self.is_mine(kept))
        {
            let forget = |all: &mut Vec<Kept>| all.retain(|kept| !self.is_mine(kept));
            self.edit_kept(&account, forget).await?;
        }
        Ok(())
    }

    /// Remembers what stays. Before the finalizer goes: afterwards nobody knows whose it was.
    async fn keep(&self, site: &Site<K>) -> Result<(), Stop> {
        let origin = match self.origin() {
            Some(Origin::Adopted) => Origin::Adopted,
            Some(Origin::Created | Origin::Restored | Origin::Claimed) | None => Origin::Restored,
        };
        let target = &self.subject.target;
        let kept = Kept {
            kind: K::kind(&()).into_owned(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            place: place_key::<K>(&site.account, &site.place),
            origin,
            at: Time(whole_seconds(self.now)),
        };
        let oldest = earlier(self.now, KEPT);
        let add = |all: &mut Vec<Kept>| {
            all.retain(|other| !self.is_mine(other) && other.at.0 >= oldest);
            all.push(kept.clone());
            all.drain(..all.len().saturating_sub(MOST_KEPT));
        };
        self.edit_kept(&site.account, add).await
    }

    fn is_mine(&self, kept: &Kept) -> bool {
        let target = &self.subject.target;
        kept.kind == target.kind && kept.namespace == target.namespace && kept.name == target.name
    }

    fn all_kept(&self, account: &AccountKey) -> Vec<Kept> {
        let known = &self.engine.core.known;
        let account = known.get::<K::Account>(&account.namespace, &account.name);
        let status = account.as_deref().and_then(HasStatus::status);
        status.map(|status| status.kept.clone()).unwrap_or_default()
    }

    /// By compare-and-set on the account's status as it stands.
    async fn edit_kept(
        &self,
        account: &AccountKey,
        change: impl Fn(&mut Vec<Kept>),
    ) -> Result<(), Stop> {
        let core = &self.engine.core;
        let target = Sessions::<K::Account>::target(account);
        let object = Object::of::<K::Account>(core.kube.clone(), &target);
        for _ in 0..TRIES {
            // As the watch has it: the operator has no right to ask for one Account, and needs none.
            let now = core
                .known
                .get::<K::Account>(&account.namespace, &account.name);
            let Some(now) = now else {
                return Err(Trouble::Gone.into());
            };
            let mut status = now.status().cloned().unwrap_or_default();
            change(&mut status.kept);
            let version = now.resource_version().unwrap_or_default();
            match object.put_status(&version, &status).await {
                Ok(_) => return Ok(()),
                Err(Trouble::Conflict) => tokio::time::sleep(HEARING).await,
                Err(trouble) => return Err(trouble.into()),
            }
        }
        Err(Trouble::Conflict.into())
    }
}

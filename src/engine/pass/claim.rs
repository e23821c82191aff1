//! Claiming a place, and what follows from it: making the remote, taking it over, or leaving it alone.

use super::{
    Pass, Stop,
    keys::List,
    present::{Site, Turn},
};
use crate::engine::{
    event::Note,
    external::{Cloud, External},
    fault::{Class, Fault},
    keyring::Keyring,
    outcome::Outcome,
    plan::Claim,
    reason::Reason,
    standing::{self, place_text},
    status::Origin,
    subject::Subject,
};

impl<K: External> Pass<'_, K> {
    /// Claims the place, then makes the remote.
    pub(super) async fn create(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Turn, Stop> {
        if let Some(outcome) = self.lost(site) {
            if site.view.fresh {
                return Ok(Turn::End(outcome));
            }
            // A warm listing may be wrong about what is gone; a loss is told only after a look of its own.
            return self.look_afresh(site, desired, now).await;
        }
        let is_new_claim = self.claim(site) != Claim::Ours;
        self.write_claim(site, Origin::Claimed).await?;
        let cost = K::cost(desired);
        if cost > 1 {
            // Create, changes and key follow each other without queueing anew: a key list gets too old to mint from in a queue.
            site.session = site.session.reserve(cost).await;
        }
        match K::create(&site.cloud(), &site.place, desired).await {
            Ok(remote) => {
                self.made = K::Keys::seen(&remote).map(List::from);
                *now = Some(remote);
                self.claimed = Some((
                    site.account.clone(),
                    site.place.clone(),
                    Some(Origin::Created),
                ));
                self.note(Note::normal(
                    Reason::Created,
                    format!("made {}", place_text(&site.place)),
                ));
                Ok(Turn::Again)
            }
            Err(fault) if matches!(fault.class, Class::Terminal | Class::Conflict) => {
                self.create_refused(site, desired, now, fault, is_new_claim)
                    .await
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// 400 or 409, and which of them means "exists" is not told: look. What is there although our claim is new was made by somebody else.
    pub(super) async fn create_refused(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
        fault: Fault,
        is_new_claim: bool,
    ) -> Result<Turn, Stop> {
        self.look_afresh(site, desired, now).await?;
        if now.is_none() {
            return Err(fault.into());
        }
        if is_new_claim {
            self.retract_claim().await?;
        }
        Ok(Turn::Again)
    }

    pub(super) async fn adopt(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Turn, Stop> {
        if !site.view.fresh {
            return self.look_afresh(site, desired, now).await;
        }
        self.write_claim(site, Origin::Adopted).await?;
        self.note(Note::normal(
            Reason::Adopted,
            format!("took over {}", place_text(&site.place)),
        ));
        Ok(Turn::Again)
    }

    /// Seeing what we claimed proves that its create arrived.
    pub(super) fn confirm(&mut self, site: &Site<K>) {
        if self.origin() == Some(Origin::Claimed) {
            self.claimed = Some((
                site.account.clone(),
                site.place.clone(),
                Some(Origin::Created),
            ));
        }
    }

    pub(super) fn claim(&self, site: &Site<K>) -> Claim {
        let Subject { status, .. } = &self.subject;
        standing::claim(status, self.subject.common(), &site.account, &site.place)
    }

    /// A remote that once existed, whose contents went with it, and which nobody asked to make anew.
    pub(super) fn lost(&self, site: &Site<K>) -> Option<Outcome> {
        let Subject { meta, status, .. } = &self.subject;
        standing::lost::<K>(meta, status, &site.place)
            .map(|text| Outcome::Refused(Reason::RemoteLost, text))
    }

    pub(super) fn taken(site: &Site<K>) -> Outcome {
        Outcome::Refused(Reason::NameTaken, standing::taken(&site.place))
    }

    /// Finalizer, then claim, each by compare-and-set: from here on this resource answers for the place.
    pub(super) async fn write_claim(&mut self, site: &Site<K>, origin: Origin) -> Result<(), Stop> {
        self.subject.add_finalizer().await?;
        let mut status = self.subject.status.clone();
        if origin == Origin::Claimed {
            if self.claim(site) == Claim::Ours && status.origin == Some(Origin::Claimed) {
                return Ok(());
            }
            // What is known is known of one that is gone: by its id, the one that is made now would not be found again.
            status.at_provider = K::Facts::default();
            self.learned = None;
        }
        status.account = Some(site.account.clone());
        status.place = Some(site.place.clone());
        status.origin = Some(origin);
        self.subject.put_status(status).await?;
        Ok(())
    }

    /// The place stays reserved until the end of the pass.
    pub(super) async fn retract_claim(&mut self) -> Result<(), Stop> {
        let mut status = self.subject.status.clone();
        (status.account, status.place, status.origin) = (None, None, None);
        self.subject.put_status(status).await?;
        self.claimed = None;
        Ok(())
    }
}

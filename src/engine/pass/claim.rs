//! Claiming a place, and what follows from it: making the remote, taking it over, or leaving it alone.

use std::time::Duration;

use super::{
    Pass, Stop,
    keys::List,
    present::{Site, Turn},
};
use crate::engine::{
    clock::later,
    event::Note,
    external::{Cloud, External, Sending},
    fault::{Class, Fault},
    keyring::Keyring,
    memory::Claiming,
    outcome::Outcome,
    plan::Claim,
    reason::Reason,
    standing::{self, place_text},
    status::Origin,
    subject::Subject,
};

/// How long a claim is left to the process that wrote it: its create and the look after a refusal take 30 s each at most, and the
/// write of what came of it 20 s.
const ANOTHER: Duration = Duration::from_secs(90);

impl<K: External> Pass<'_, K> {
    /// Waits for its requests, claims the place, then makes the remote.
    pub(super) async fn create(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Turn, Stop> {
        let was_there = self.claim(site) == Claim::Ours && self.origin() != Some(Origin::Claimed);
        if was_there && !site.view.fresh {
            // A warm listing may be from before another operator made it: neither is a loss told nor is it made anew by that.
            return self.look_afresh(site, desired, now).await;
        }
        if let Some(outcome) = self.lost(site) {
            return Ok(Turn::End(outcome));
        }
        // Create, changes and key follow each other without queueing anew: a key list gets too old to mint from in a queue. The claim comes
        // after it: a process that ends in the queue has nothing behind it that another one would have to wait for.
        let paid = site.session.reserve(K::cost(desired));
        site.session = self.unless_stopped(paid).await;
        self.write_claim(site, desired, Origin::Claimed).await?;
        match K::create(&site.cloud(), &site.place, desired).await {
            Ok(remote) => {
                self.memo.claiming = Claiming::Tried;
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
                self.create_refused(site, desired, now, fault).await
            }
            Err(fault) => {
                // What was denied or put off was not carried out.
                if fault.class == Class::Transient {
                    self.memo.claiming = Claiming::Tried;
                }
                Err(fault.into())
            }
        }
    }

    /// A claim that another process has just written is that one's to act on, dead or alive: were both to create, the one that comes
    /// second would take the remote for somebody else's, and the claim back.
    pub(super) fn left_to_another(&mut self, site: &Site<K>) -> Option<Outcome> {
        if self.claim(site) != Claim::Ours || self.origin() != Some(Origin::Claimed) {
            self.memo.claiming = Claiming::Unknown;
            return None;
        }
        let since = match self.memo.claiming {
            Claiming::New | Claiming::Tried => return None,
            Claiming::Theirs(since) => since,
            Claiming::Unknown => self.now,
        };
        if self.now >= later(since, ANOTHER) {
            self.memo.claiming = Claiming::Tried;
            return None;
        }
        self.memo.claiming = Claiming::Theirs(since);
        self.silent = true;
        Some(Outcome::Busy(
            Reason::Progressing,
            "its creation was begun by another operator, or before this one started".into(),
        ))
    }

    /// A claim of which nothing can have come, and yet something is there.
    pub(super) fn is_made_by_others(&self, site: &Site<K>) -> bool {
        self.claim(site) == Claim::Ours
            && self.origin() == Some(Origin::Claimed)
            && self.memo.claiming == Claiming::New
    }

    /// 400 or 409, and which of them means "exists" is not told: look. What is there although our claim is new was made by somebody else.
    pub(super) async fn create_refused(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
        fault: Fault,
    ) -> Result<Turn, Stop> {
        self.look_afresh(site, desired, now).await?;
        if now.is_none() {
            return Err(fault.into());
        }
        if self.is_made_by_others(site) {
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
        self.write_claim(site, desired, Origin::Adopted).await?;
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
    pub(super) async fn write_claim(
        &mut self,
        site: &Site<K>,
        desired: &K::Desired,
        origin: Origin,
    ) -> Result<(), Stop> {
        self.subject.add_finalizer().await?;
        let mut status = self.subject.status.clone();
        if origin == Origin::Claimed {
            if self.claim(site) == Claim::Ours && status.origin == Some(Origin::Claimed) {
                return Ok(());
            }
            // What is known is known of one that is gone: by its id, the one that is made now would not be found again.
            let sending = Sending {
                at: self.now,
                is_answered: true,
            };
            status.at_provider = K::intends(desired, &K::Facts::default(), sending);
            self.noted = true;
            self.learned = None;
        }
        status.account = Some(site.account.clone());
        status.place = Some(site.place.clone());
        status.origin = Some(origin);
        self.subject.put_status(status).await?;
        if origin == Origin::Claimed {
            self.memo.claiming = Claiming::New;
        }
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

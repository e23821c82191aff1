//! Making it so, and only looking.

use super::{Pass, Stop};
use crate::engine::{
    event::Note,
    external::{AccountKey, Cloud, External, Resolved, Sending, Unresolved, View},
    fault::Fault,
    keyring::Keyring,
    memory::Deep,
    outcome::Outcome,
    plan::{Claim, Step, Want, plan},
    reason::Reason,
    standing::{self, leaving, seen},
    status::Origin,
};

/// Create or adopt, change, see that it is as wanted: a pass that needs more is looking at something that somebody else changes too.
const TURNS: usize = 6;

/// One remote as a pass works on it.
pub(super) struct Site<K: External> {
    pub(super) account: AccountKey,
    pub(super) place: K::Place,
    /// The session, without a view.
    pub(super) session: K::Cloud,
    pub(super) view: View,
}

impl<K: External> Site<K> {
    /// The session with this pass's view.
    pub(super) fn cloud(&self) -> K::Cloud {
        self.session.pass(self.view)
    }
}

/// Why something stands half done for the moment.
pub(super) const RELIEVED: &str =
    "the operator that worked on it was stopped; the next one goes on";

/// What a pass comes to that leaves the rest to the next operator.
pub(super) fn left_over() -> Outcome {
    Outcome::Busy(Reason::Progressing, RELIEVED.into())
}

/// What a turn came to.
pub(super) enum Turn {
    /// Look at it again from the start.
    Again,
    /// That is it.
    End(Outcome),
}

impl<K: External> Pass<'_, K> {
    pub(super) async fn present(&mut self) -> Result<Outcome, Stop> {
        let resolved = match self.resolved() {
            Ok(resolved) => resolved,
            Err(outcome) => return Ok(outcome),
        };
        let Resolved {
            account,
            place,
            desired,
        } = resolved;
        if let Some(outcome) = self.moved(&account, &place) {
            return Ok(outcome);
        }
        let session = match self.session(&account) {
            Ok(session) => session,
            Err(outcome) => return Ok(outcome),
        };
        if let Err(outcome) = self.reserve(&account, &place) {
            return Ok(outcome);
        }
        let view = self.view(&account, &desired);
        let mut site = Site::<K> {
            account,
            place,
            session,
            view,
        };
        let mut now = None;
        let done = Box::pin(self.converge(&mut site, &desired, &mut now)).await;
        if let (Some(remote), Some(_)) = (&now, self.origin()) {
            self.learn(Some(&desired), remote);
        }
        let outcome = done?;
        if let (Some(remote), Outcome::InSync(..)) = (&now, &outcome) {
            self.remarks = Some(K::remarks(&desired, remote));
        }
        if matches!(outcome, Outcome::Refused(..)) && self.origin().is_none() {
            self.unreserve(&site.account, &site.place);
        }
        match (&now, &outcome) {
            (Some(remote), Outcome::InSync(..)) if K::Keys::ISSUES => {
                Box::pin(self.issue(&site, &desired, remote, outcome)).await
            }
            _ => Ok(outcome),
        }
    }

    /// Looks, compares and reports; writes nothing at the cloud, and claims nothing.
    pub(super) async fn observe_only(&mut self) -> Result<Outcome, Stop> {
        let Resolved {
            account,
            place,
            desired,
        } = match self.resolved() {
            Ok(resolved) => resolved,
            Err(outcome) => return Ok(outcome),
        };
        let session = match self.session(&account) {
            Ok(session) => session,
            Err(outcome) => return Ok(outcome),
        };
        let view = self.view(&account, &desired);
        let site = Site::<K> {
            account,
            place,
            session,
            view,
        };
        let now = self.look(&site, Some(&desired)).await?;
        self.memo.looked = Some(self.now);
        self.looked_deep(&site);
        let Site { account, place, .. } = site;
        let is_only_seen = self.subject.status.origin.is_none();
        if is_only_seen {
            self.claimed = Some((account, place, None));
        }
        let Some(now) = now else {
            if is_only_seen {
                // What was known of it, an id above all, must not stand in the way of another one of this name.
                self.learned = Some(K::Facts::default());
            }
            return Ok(Outcome::NotThere);
        };
        self.learn(Some(&desired), &now);
        self.remarks = Some(K::remarks(&desired, &now));
        let diff = K::diff(&desired, &now, &self.subject.status.at_provider);
        let seen = diff.changes.iter().filter(|change| !K::unseen(change));
        let differences = seen.map(ToString::to_string).chain(diff.fixed).collect();
        Ok(Outcome::Observed(K::phase(&now), differences))
    }

    pub(super) fn resolved(&self) -> Result<Resolved<K>, Outcome> {
        let Some(object) = &self.subject.object else {
            return Err(self.unreadable());
        };
        object
            .resolve(&self.engine.core.known)
            .map_err(|unresolved| match unresolved {
                Unresolved::Waiting { reason, message } => Outcome::Waiting(reason, message),
                Unresolved::Refused { reason, message } => Outcome::Refused(reason, message),
            })
    }

    /// The spec now means another remote than the one this resource stands for: nothing is made or dropped on the quiet.
    fn moved(&mut self, account: &AccountKey, place: &K::Place) -> Option<Outcome> {
        let subject = &self.subject;
        if let Some(text) = standing::moved::<K>(&subject.meta, &subject.status, account, place) {
            return Some(Outcome::Refused(Reason::PlaceChanged, text));
        }
        let (was_account, was_place) = subject.claim()?;
        if was_account != account || was_place != place {
            let key = crate::engine::subject::place_key::<K>(was_account, was_place);
            let core = &self.engine.core;
            core.pass_on(&core.owners.release(&key, subject.uid()));
            self.subject.status.origin = None;
        }
        None
    }

    /// Observes and acts until the remote is as wanted, at most [`TURNS`] times.
    async fn converge(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Outcome, Stop> {
        if self.claim(site) == Claim::Ours {
            // Should somebody have taken it off: without it a deletion would leave the remote behind.
            self.subject.add_finalizer().await?;
        }
        if let Some(outcome) = self.left_to_another(site) {
            return Ok(outcome);
        }
        *now = Box::pin(self.look_at_ours(site, desired)).await?;
        self.memo.looked = Some(self.now);
        if now.is_some() && self.is_made_by_others(site) {
            self.retract_claim().await?;
        }
        for turn in 0..TURNS {
            if turn > 0 && self.is_relieved() {
                return Ok(left_over());
            }
            match Box::pin(self.turn(site, desired, now)).await? {
                Turn::Again => {}
                Turn::End(outcome) => {
                    if matches!(outcome, Outcome::InSync(..)) {
                        self.looked_deep(site);
                    }
                    return Ok(outcome);
                }
            }
        }
        Ok(Outcome::Busy(
            Reason::Progressing,
            "it still differs after several changes; does somebody else change it too?".into(),
        ))
    }

    async fn turn(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Turn, Stop> {
        if now.is_some() && self.claim(site) != Claim::Ours {
            if let Some(origin) = self.kept(site) {
                Box::pin(self.take_back(site, desired, origin)).await?;
            } else if K::Keys::ISSUES && Box::pin(self.is_marked(site)).await? {
                Box::pin(self.write_claim(site, desired, Origin::Created)).await?;
            }
        }
        let claim = self.claim(site);
        let diff = now.as_ref().map(|remote| {
            // What a foreign remote shows is nothing of ours: remembered, it would be taken for ours later.
            if claim != Claim::Foreign {
                self.learn(Some(desired), remote);
            }
            K::diff(desired, remote, &self.facts())
        });
        let step = plan(Want::Present, claim, seen::<K>(now.as_ref(), diff.as_ref()));
        match (step, now.as_mut(), diff) {
            (Step::Create, ..) => {
                self.take_hand(&site.account).await;
                Box::pin(self.create(site, desired, now)).await
            }
            (Step::Adopt, Some(_), _) => Box::pin(self.adopt(site, desired, now)).await,
            (Step::Update, Some(remote), Some(diff)) => {
                if !site.view.fresh && diff.changes.iter().any(K::narrows) {
                    return Box::pin(self.look_afresh(site, desired, now)).await;
                }
                self.note_intent(desired).await?;
                Box::pin(self.update(site, remote, &diff.changes)).await?;
                Ok(Turn::Again)
            }
            (Step::Keep, Some(remote), _) => {
                self.confirm(site);
                Ok(Turn::End(Outcome::InSync(
                    K::phase(remote),
                    K::hint(desired, remote),
                )))
            }
            (Step::Wait, Some(remote), _) => Ok(Turn::End(Outcome::Busy(
                Reason::Removing,
                leaving::<K>(remote),
            ))),
            (Step::Refuse, Some(_), Some(diff)) if claim != Claim::Foreign => Ok(Turn::End(
                Outcome::Refused(Reason::ImmutableField, diff.fixed.join("; ")),
            )),
            // What is left never comes out of `plan` for a resource that is wanted.
            (
                Step::Refuse
                | Step::Adopt
                | Step::Update
                | Step::Keep
                | Step::Wait
                | Step::Delete
                | Step::Done,
                ..,
            ) => Ok(Turn::End(Self::taken(site))),
        }
    }

    pub(super) async fn look_afresh(
        &mut self,
        site: &mut Site<K>,
        desired: &K::Desired,
        now: &mut Option<K::Remote>,
    ) -> Result<Turn, Stop> {
        site.view = View {
            since: self.engine.core.clock.now(),
            fresh: true,
            ..site.view
        };
        *now = self.look_at_ours(site, desired).await?;
        Ok(Turn::Again)
    }

    /// The remote, unless somebody else has taken it over.
    async fn look_at_ours(
        &self,
        site: &Site<K>,
        desired: &K::Desired,
    ) -> Result<Option<K::Remote>, Fault> {
        let now = self.look(site, Some(desired)).await?;
        if let Some(remote) = &now {
            K::not_taken_over(remote, &self.facts())?;
        }
        Ok(now)
    }

    /// The remote as this pass wants to see it, with what no list shows if it is to.
    pub(super) async fn look(
        &self,
        site: &Site<K>,
        want: Option<&K::Desired>,
    ) -> Result<Option<K::Remote>, Fault> {
        let (cloud, facts) = (site.cloud(), self.facts());
        let mut now = K::observe(&cloud, &site.place, &facts).await?;
        if let Some(now) = now.as_mut().filter(|_| site.view.deep) {
            K::deepen(&cloud, &site.place, now, want, &facts).await?;
        }
        Ok(now)
    }

    fn looked_deep(&mut self, site: &Site<K>) {
        if site.view.deep {
            self.memo.deep = Deep::At(self.now);
        }
    }

    /// Stores what is about to be given.
    async fn note_intent(&mut self, desired: &K::Desired) -> Result<(), Stop> {
        let sending = Sending {
            at: self.now,
            is_answered: self.noted,
        };
        self.noted = true;
        let before = &self.subject.status.at_provider;
        let noted = K::intends(desired, before, sending);
        if noted != *before {
            let mut status = self.subject.status.clone();
            status.at_provider = noted;
            self.subject.put_status(status).await?;
        }
        // Published also if a change fails.
        self.learned = Some(K::intends(desired, &self.facts(), sending));
        Ok(())
    }

    async fn update(
        &mut self,
        site: &Site<K>,
        remote: &mut K::Remote,
        changes: &[K::Change],
    ) -> Result<(), Stop> {
        for (done, change) in changes.iter().enumerate() {
            if done > 0 && self.is_relieved() {
                break;
            }
            K::apply(&site.cloud(), &site.place, remote, change).await?;
            tracing::info!(target = %self.subject.target, %change, "changed");
            if !K::unseen(change) {
                self.note(Note::normal(Reason::Updated, change.to_string()));
            }
        }
        Ok(())
    }
}

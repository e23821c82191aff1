//! Deleting, and letting go.
//!
//! Order at the end of a resource: keys → remote → Secrets → finalizer. All that is needed stands in status, so it does not matter what
//! else is already gone. What holds a deletion is named in a condition, with the way out.

use std::{fmt::Display, time::Duration};

use kube::Resource;

use super::{Pass, Stop, keys::Tended, present::Site};
use crate::engine::budget::Lane;
use crate::engine::{
    account::{Sessions, named},
    brake::{Answer, Limits},
    clock::later,
    event::Note,
    external::{DeletionPolicy, External, Phase, Target, View},
    fault::{Class, Fault},
    intent::{ABANDON, PAUSED, RELEASE_BRAKE, UNDO, has_finalizer},
    key::{self, Moment},
    keyring::Keyring,
    memory::Claiming,
    outcome::Outcome,
    plan::{Claim, Step, Want, plan},
    reason::Reason,
    standing::{place_text, seen},
    status::{Kind, Origin},
    subject::place_key,
    wake::Cause,
};

impl<K: External> Pass<'_, K> {
    pub(super) async fn gone(&mut self) -> Result<Outcome, Stop> {
        let force = self.subject.policy() == DeletionPolicy::Delete;
        let Some(mut site) = (match self.site() {
            Ok(site) => site,
            Err(outcome) => return Ok(outcome),
        }) else {
            let text = "it never stood for anything at the cloud";
            return self.end(Reason::Deleted, text).await;
        };
        let in_use = self.in_use(&site).filter(|_| !force);
        // Only what may never have been made is looked for first: a refused create leaves nothing that anybody could use.
        let may_be_nothing = self.origin() == Some(Origin::Claimed);
        if let Some(text) = in_use.clone().filter(|_| !may_be_nothing) {
            return Ok(Outcome::Held(text));
        }
        let now = self.last_look(&site).await?;
        self.memo.looked = Some(self.now);
        if let Some(remote) = &now {
            K::not_taken_over(remote, &self.facts())?;
            if let Some(text) = in_use {
                return Ok(Outcome::Held(text));
            }
            self.learn(None, remote);
        }
        let mut held = self.held(now.as_ref(), force);
        if K::Keys::ISSUES {
            let user_goes = now.is_some() && held.is_none();
            match self
                .tend(&site, None, now.as_ref(), key::Want::Gone { user_goes })
                .await?
            {
                // Ours are revoked, and still the user may not go: what is left is somebody else's.
                Tended::Settled if user_goes && !force => held = self.foreign_keys(&site).await?,
                Tended::UserGoes | Tended::Settled => {}
                Tended::Waiting(text) => return Ok(Outcome::Leaving(text)),
                Tended::Window(until) => return Ok(self.undoable(until)),
            }
        }
        if let Some(why) = held {
            return Ok(Outcome::Held(format!(
                "the deletion waits: {why}. Or annotate this resource with {ABANDON}: \"true\" to leave it at the cloud"
            )));
        }
        let was_there = now.is_some();
        match plan(Want::Gone, Claim::Ours, seen::<K>(now.as_ref(), None)) {
            Step::Wait => {
                return Ok(Outcome::Leaving(
                    now.as_ref().map(leaving::<K>).unwrap_or_default(),
                ));
            }
            Step::Delete => {
                if let Some(outcome) = self.delete(&mut site, now, force).await? {
                    return Ok(outcome);
                }
            }
            Step::Done | Step::Create | Step::Adopt | Step::Update | Step::Keep | Step::Refuse => {}
        }
        if K::Keys::ISSUES {
            // The user is gone, and its keys with it; what is left are the Secrets.
            match self
                .tend(&site, None, None, key::Want::Gone { user_goes: false })
                .await?
            {
                Tended::Settled | Tended::UserGoes | Tended::Window(_) => {}
                Tended::Waiting(text) => return Ok(Outcome::Leaving(text)),
            }
        }
        if let Some(outcome) = self.may_still_arrive().filter(|_| !was_there) {
            return Ok(outcome);
        }
        let text = format!("deleted {}", place_text(&site.place));
        self.end(Reason::Deleted, &text).await
    }

    /// Before anything is taken away: whether this deletion is one of too many.
    pub(super) fn braked(&mut self) -> Option<Outcome> {
        let account = Sessions::<K::Account>::target(self.subject.claim()?.0);
        let core = &self.engine.core;
        let conditions = &self.subject.status.conditions;
        let begun = conditions.iter().any(|condition| {
            condition.type_ == Kind::Ready.name()
                && condition.reason == Reason::Removing.to_string()
        });
        match core
            .brakes
            .ask(&account, self.subject.uid(), begun, core.clock.now())
        {
            Answer::Free => None,
            Answer::Soon(left) => {
                self.retry = Some(later(core.clock.now(), left));
                Some(Outcome::Soon)
            }
            Answer::Held { limits, is_news } => {
                if is_news {
                    core.wakes.wake(&account, Cause::Woken);
                }
                Some(Outcome::Braked(self.braked_text(&account, limits)))
            }
        }
    }

    /// The same for the whole wave, however it grows; the numbers stand on the account.
    fn braked_text(&self, account: &Target, limits: Limits) -> String {
        let this = named_for_kubectl(&self.subject.target, K::plural(&()));
        let that = named_for_kubectl(account, K::Account::plural(&()));
        format!(
            "this deletion is one of so many (more than {} and more than {} % of the account within {} min) that the brake of {account} \
             holds it: nothing is taken away until somebody says so. How many, and the command that releases them all: kubectl describe {that}. \
             This one alone: kubectl annotate {this} {RELEASE_BRAKE}=true. To keep it: kubectl annotate {this} {UNDO}=true, \
             and apply it again once it is gone",
            limits.more_than,
            limits.percent,
            limits.within.as_secs() / 60,
        )
    }

    /// A look before the end. A collection that is gone took the remote with it.
    pub(super) async fn last_look(&self, site: &Site<K>) -> Result<Option<K::Remote>, Fault> {
        let mut now = match self.look(site, None).await {
            Err(fault) if fault.reason == Reason::NotFound => None,
            seen => seen?,
        };
        if let Some(remote) = &mut now {
            K::recognise(remote, self.subject.uid());
        }
        Ok(now)
    }

    /// A create of which nobody knows what became of it may be carried out late: were the finalizer off by then, nobody would delete
    /// what it makes.
    fn may_still_arrive(&mut self) -> Option<Outcome> {
        if self.origin() != Some(Origin::Claimed) || self.memo.claiming == Claiming::New {
            return None;
        }
        let deleted = self.subject.meta.deletion_timestamp.as_ref()?;
        let until = later(deleted.0, ARRIVES);
        if until <= self.now {
            return None;
        }
        self.retry = Some(until);
        Some(Outcome::Leaving(format!(
            "whether its creation was carried out is not known; what it may still make is looked for until {until}"
        )))
    }

    fn in_use(&self, site: &Site<K>) -> Option<String> {
        let users = self.engine.core.references.holding(&self.subject.target);
        (!users.is_empty()).then(|| format!(
            "the deletion waits: still used by {}; delete or change these first, or annotate this resource with {ABANDON}: \"true\" to leave {} at the cloud",
            named(&users),
            place_text(&site.place)
        ))
    }

    async fn foreign_keys(&self, site: &Site<K>) -> Result<Option<String>, Stop> {
        let keys = K::Keys::list(&site.cloud(), &site.place)
            .await?
            .map(|keys| keys.keys)
            .unwrap_or_default();
        if keys.is_empty() {
            return Ok(None);
        }
        let ids = keys
            .iter()
            .map(|key| key.id.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        Ok(Some(format!(
            "access keys that cooper did not make would go with it: {ids}; delete them at the cloud, or set spec.deletionPolicy: Delete or spec.exclusive: true"
        )))
    }

    /// Unlocks, deletes, and looks whether it is gone. `None`: it is.
    async fn delete(
        &mut self,
        site: &mut Site<K>,
        now: Option<K::Remote>,
        force: bool,
    ) -> Result<Option<Outcome>, Stop> {
        let Some(mut now) = now else { return Ok(None) };
        for change in K::unlock(self.subject.spec(), &now) {
            K::apply(&site.cloud(), &site.place, &mut now, &change).await?;
            self.note(Note::normal(Reason::Updated, change.to_string()));
        }
        if let Err(fault) = K::delete(&site.cloud(), &site.place, &now, force).await {
            return match fault.reason {
                Reason::StillAttached | Reason::NotEmpty | Reason::TerminationProtected => {
                    Ok(Some(Outcome::Held(format!(
                        "the deletion waits: {}",
                        fault.message
                    ))))
                }
                _ => Err(fault.into()),
            };
        }
        if !K::AWAIT_GONE {
            return Ok(None);
        }
        site.view = View {
            since: self.engine.core.clock.now(),
            fresh: true,
            parting: false,
            ..site.view
        };
        let after = K::observe(&site.cloud(), &site.place, &self.facts()).await?;
        Ok(after.map(|after| Outcome::Leaving(leaving::<K>(&after))))
    }

    fn held(&mut self, now: Option<&K::Remote>, force: bool) -> Option<String> {
        if force {
            return None;
        }
        let held = K::held(self.subject.spec(), now?, &self.facts(), self.now)?;
        self.retry = held.until;
        Some(held.why)
    }

    pub(super) async fn release(&mut self) -> Result<Outcome, Stop> {
        let Some(site) = (match self.site() {
            Ok(site) => site,
            // Nothing at the cloud depends on us any more unless there are keys to settle.
            Err(_) if self.subject.status.keys.is_none() => None,
            Err(outcome) => return Ok(outcome),
        }) else {
            let text = "let go; nothing at the cloud was ours";
            return self.end(Reason::Released, text).await;
        };
        if K::Keys::ISSUES && self.subject.status.keys.is_some() {
            let now = self.last_look(&site).await?;
            // A committed key is still published, if what it needs can be resolved.
            let desired = self.resolved().ok().map(|resolved| resolved.desired);
            match self
                .tend(&site, desired.as_ref(), now.as_ref(), key::Want::Released)
                .await?
            {
                Tended::Settled | Tended::UserGoes | Tended::Window(_) => {}
                Tended::Waiting(text) => return Ok(Outcome::Leaving(text)),
            }
        }
        let text = format!(
            "let go of {}; it stays at the cloud",
            place_text(&site.place)
        );
        self.end(Reason::Released, &text).await
    }

    /// A deletion while the resource is paused.
    pub(super) fn deletion_paused(&self) -> Outcome {
        let what = if self.subject.says(UNDO) {
            "deletion and undo wait"
        } else {
            "the deletion waits"
        };
        Outcome::Held(format!(
            "{what}: paused by the annotation {PAUSED}; remove it to go on"
        ))
    }

    /// The keys are off, everything else is there.
    fn undoable(&self, until: Moment) -> Outcome {
        let ledger = self.subject.status.keys.as_ref();
        let current = ledger.and_then(|ledger| ledger.current.as_ref());
        let keys = current.map_or_else(String::new, |key| {
            format!("access key {} is switched off; ", key.id)
        });
        let text = format!(
            "{keys}all is deleted at {until}. To keep it: kubectl annotate {} {UNDO}=true, and apply it again once it is gone",
            named_for_kubectl(&self.subject.target, K::plural(&()))
        );
        Outcome::Parting(Reason::UndoWindow, text)
    }

    /// What this resource claimed, with a session to reach it. `None`: it claimed nothing.
    pub(super) fn site(&mut self) -> Result<Option<Site<K>>, Outcome> {
        let Some((account, place)) = self.subject.claim().map(|(a, p)| (a.clone(), p.clone()))
        else {
            return Ok(None);
        };
        let view = View {
            since: self.now,
            fresh: true,
            deep: true,
            parting: true,
            lane: Lane::Fresh,
        };
        let session = self.session(&account)?;
        Ok(Some(Site {
            account,
            place,
            session,
            view,
        }))
    }

    /// Takes the finalizer off; from here on the resource is gone.
    pub(super) async fn end(&mut self, reason: Reason, told: &str) -> Result<Outcome, Stop> {
        let core = &self.engine.core;
        if reason == Reason::Deleted {
            self.forget_kept().await?;
        } else {
            core.brakes.exempt(self.subject.uid());
        }
        if has_finalizer(&self.subject.meta) {
            self.subject.remove_finalizer().await?;
            self.note(Note::normal(reason, told));
        }
        if let Some((account, place)) = self.subject.claim() {
            let core = &self.engine.core;
            let key = place_key::<K>(account, place);
            core.pass_on(&core.owners.release(&key, self.subject.uid()));
        }
        Ok(Outcome::Finished)
    }
}

/// A resource as `kubectl` takes it, whatever other operator has a kind of that name.
pub(super) fn named_for_kubectl(target: &Target, plural: impl Display) -> String {
    format!(
        "-n {} {plural}.{} {}",
        target.namespace, target.group, target.name
    )
}

/// A request is carried out within this time after it was sent, or never.
const ARRIVES: Duration = Duration::from_mins(3);

fn leaving<K: External>(remote: &K::Remote) -> String {
    match K::phase(remote) {
        Phase::Leaving(text) => text,
        Phase::Ready | Phase::Changing(_) | Phase::Settling(_) | Phase::Broken(_) => {
            "the cloud accepted the deletion and has not finished it".into()
        }
    }
}

/// A pass over a deleted resource must not outlive it: a delete goes by name, and a new resource may soon have that name.
pub(super) const LIMIT: Duration = Duration::from_mins(2);

/// What a deletion that ran out of its time says.
pub(super) fn too_slow() -> Fault {
    Fault::new(
        Class::Transient,
        Reason::CloudUnavailable,
        "the deletion took too long and starts again",
    )
}

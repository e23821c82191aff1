//! One resource of a preview: what the next pass over it would do.

use std::sync::PoisonError;

use jiff::Timestamp;

use super::{
    Action, Forecast,
    shelf::{AccountShelf, Common},
};
use crate::engine::{
    budget::Lane,
    external::{Cloud, Diff, External, Resolved, Target, Unresolved, View},
    fault::Fault,
    intent::{self, Intent},
    keyring::Keyring,
    known::Known,
    plan::{Claim, Step, Want, plan},
    reason::Reason,
    standing::{claim, leaving, lost, moved, place_text, seen, taken},
    status::Origin,
    subject::{StatusOf, place_key},
};

/// What one look works with.
pub(super) struct Look<'a, K: External> {
    pub(super) target: &'a Target,
    pub(super) known: &'a Known,
    pub(super) accounts: &'a AccountShelf<'a, K::Account>,
    pub(super) common: &'a Common,
}

/// What would become of a resource, and the status that it would then have, if that can be told.
type Told<K> = (Forecast, Option<StatusOf<K>>);

impl<K: External> Look<'_, K> {
    /// Tells what would become of this object.
    pub(super) async fn at(&self, object: &K) -> Told<K> {
        let meta = object.meta();
        let status = object.status().cloned().unwrap_or_default();
        let common = object.common();
        let policy = intent::policy(Some(common), status.origin, status.deletion_policy);
        let observes = match intent::intent(meta, Some(common), policy, false) {
            Intent::Present | Intent::Unreadable => false,
            Intent::Observe => true,
            Intent::Pause => {
                let text = "paused: nothing is done until the annotation is removed";
                return (self.says(Action::Keep, text), None);
            }
            Intent::Ignore | Intent::Abandon | Intent::Undo | Intent::Gone | Intent::Released => {
                let text =
                    "it is being deleted in the cluster; apply the file again once it is gone";
                return (self.says(Action::Wait, text), None);
            }
        };
        let resolved = match object.resolve(self.known) {
            Ok(resolved) => resolved,
            Err(unresolved) => return (self.unresolved(object, unresolved), None),
        };
        if let Some(text) = moved::<K>(meta, &status, &resolved.account, &resolved.place) {
            return (self.says(Action::Refuse, text), None);
        }
        if let Some(other) = self.reserve(&resolved) {
            let text =
                format!("{other} stands for the same remote; name another one in one of the two");
            return (self.says(Action::Refuse, text), None);
        }
        let now = self.accounts.now();
        let cloud = match self.accounts.session(&resolved.account).await {
            Ok(cloud) => cloud.pass(view()),
            Err(closed) => return (self.says(Action::Fail, closed), None),
        };
        match observe::<K>(&cloud, &resolved, &status).await {
            Err(fault) => (self.says(Action::Fail, fault.told()), None),
            Ok(remote) if observes => self.observed(&resolved, remote.as_ref(), status, now),
            Ok(remote) => self.decided(object, &resolved, remote.as_ref(), status, now),
        }
    }

    fn says(&self, action: Action, message: impl Into<String>) -> Forecast {
        Forecast::saying(self.target, action, message)
    }

    /// Something it names is not there. If that would be made, so would this, afterwards.
    fn unresolved(&self, object: &K, unresolved: Unresolved) -> Forecast {
        let (reason, message) = match unresolved {
            Unresolved::Waiting { reason, message } => (reason, message),
            Unresolved::Refused { message, .. } => return self.says(Action::Refuse, message),
        };
        let coming = &self.common.coming;
        let mut coming = coming.lock().unwrap_or_else(PoisonError::into_inner);
        let named = object.refs().into_iter().map(|named| named.target);
        let first = named.into_iter().find(|named| coming.contains(named));
        match first {
            Some(first) if reason == Reason::ReferenceNotReady => {
                coming.insert(self.target.clone());
                self.says(Action::Create, format!("after {first}"))
            }
            Some(_) | None => self.says(Action::Refuse, message),
        }
    }

    /// Takes the place, or says who has it.
    fn reserve(&self, resolved: &Resolved<K>) -> Option<Target> {
        let key = place_key::<K>(&resolved.account, &resolved.place);
        let places = &self.common.places;
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = places.entry(key).or_insert_with(|| self.target.clone());
        (owner != self.target).then(|| owner.clone())
    }

    fn observed(
        &self,
        resolved: &Resolved<K>,
        remote: Option<&K::Remote>,
        mut status: StatusOf<K>,
        now: Timestamp,
    ) -> Told<K> {
        let Some(remote) = remote else {
            let text =
                "only observed (managementPolicy: Observe), and it does not exist at the cloud";
            return (self.says(Action::Keep, text), None);
        };
        let desired = &resolved.desired;
        let facts = K::facts(Some(desired), remote, &status.at_provider, now);
        let differs = told::<K>(&K::diff(desired, remote, &facts));
        let text = if differs.is_empty() {
            "only observed (managementPolicy: Observe)".to_owned()
        } else {
            format!(
                "only observed (managementPolicy: Observe); would otherwise: {}",
                differs.join("; ")
            )
        };
        status.account = Some(resolved.account.clone());
        status.place = Some(resolved.place.clone());
        status.at_provider = facts;
        (self.says(Action::Keep, text), Some(status))
    }

    fn decided(
        &self,
        object: &K,
        resolved: &Resolved<K>,
        remote: Option<&K::Remote>,
        mut status: StatusOf<K>,
        now: Timestamp,
    ) -> Told<K> {
        let Resolved {
            account,
            place,
            desired,
        } = resolved;
        let whose = claim(&status, Some(object.common()), account, place);
        if let (Some(remote), Claim::Ours | Claim::Adoptable) = (remote, whose) {
            status.at_provider = K::facts(Some(desired), remote, &status.at_provider, now);
        }
        let diff = remote.map(|remote| K::diff(desired, remote, &status.at_provider));
        let step = plan(Want::Present, whose, seen::<K>(remote, diff.as_ref()));
        let diff = diff.unwrap_or_default();
        let mut forecast = match (step, remote) {
            (Step::Create, _) => {
                if let Some(text) = lost::<K>(object.meta(), &status, place) {
                    return (self.says(Action::Refuse, text), None);
                }
                self.coming();
                status.at_provider = K::Facts::default();
                status.origin = Some(Origin::Created);
                self.says(Action::Create, place_text(place))
            }
            (Step::Adopt, _) => {
                status.origin = Some(Origin::Adopted);
                Forecast::new(self.target, Action::Adopt)
            }
            (Step::Update, _) => Forecast::new(self.target, Action::Update),
            (Step::Keep, _) => Forecast::new(self.target, Action::Keep),
            (Step::Wait, Some(remote)) => {
                return (self.says(Action::Wait, leaving::<K>(remote)), None);
            }
            (Step::Refuse, _) if whose != Claim::Foreign => {
                return (self.says(Action::Refuse, diff.fixed.join("; ")), None);
            }
            // What is left never comes out of `plan` for a resource that is wanted.
            (Step::Refuse | Step::Wait | Step::Delete | Step::Done, _) => {
                return (self.says(Action::Refuse, taken(place)), None);
            }
        };
        forecast.changes = told::<K>(&diff);
        forecast.changes.extend(key::<K>(object, &status));
        if let Action::Keep | Action::Update = forecast.action {
            forecast.action = if forecast.changes.is_empty() {
                Action::Keep
            } else {
                Action::Update
            };
        }
        status.account = Some(account.clone());
        status.place = Some(place.clone());
        (forecast, Some(status))
    }

    /// Notes that the remote of this resource would be made.
    fn coming(&self) {
        let coming = &self.common.coming;
        let mut coming = coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming.insert(self.target.clone());
    }
}

/// The remote, with what no list shows.
async fn observe<K: External>(
    cloud: &K::Cloud,
    resolved: &Resolved<K>,
    status: &StatusOf<K>,
) -> Result<Option<K::Remote>, Fault> {
    let (place, facts) = (&resolved.place, &status.at_provider);
    let mut now = K::observe(cloud, place, facts).await?;
    if let Some(now) = &mut now {
        K::deepen(cloud, place, now, Some(&resolved.desired), facts).await?;
    }
    Ok(now)
}

/// What differs, but for what is only asserted since nothing shows it.
fn told<K: External>(diff: &Diff<K::Change>) -> Vec<String> {
    let seen = diff.changes.iter().filter(|change| !K::unseen(change));
    let changes = seen.map(ToString::to_string);
    changes.chain(diff.fixed.iter().cloned()).collect()
}

/// What would become of the access key.
fn key<K: External>(object: &K, status: &StatusOf<K>) -> Option<String> {
    let ledger = status.keys.as_ref();
    let has_key = ledger.is_some_and(|ledger| ledger.current.is_some());
    match K::Keys::spec(object.spec()) {
        Some(key) if !has_key => Some(format!("make an access key, in Secret {}", key.secret_name)),
        None if ledger.is_some_and(|ledger| !ledger.is_empty()) => {
            Some("revoke its access key and delete the Secret".into())
        }
        Some(_) | None => None,
    }
}

/// Everything, also what no list shows. Nothing was listed before a preview began, so each collection is listed once.
fn view() -> View {
    View {
        since: Timestamp::MIN,
        fresh: false,
        deep: true,
        parting: false,
        lane: Lane::Fresh,
    }
}

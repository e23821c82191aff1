//! The end of a pass: what it came to is published if it differs from what stands, and the next look is set.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Pass, digest, fault_of};
use crate::engine::{
    clock::later,
    delay,
    event::Note,
    external::{External, Phase, Remark, Topic},
    fault::{Class, Fault},
    keyring::Keyring,
    outcome::{Outcome, tell},
    reason::Reason,
    status::{Conditions, IssuedKey, Kind},
    subject::StatusOf,
    trace,
};

/// Sets the conditions of a kind's own, and takes away those that are not said any more.
fn set_own(conditions: &mut Conditions, all: &[Topic], remarks: Vec<Remark>) {
    for Topic { name, .. } in all {
        if !remarks.iter().any(|remark| remark.about == *name) {
            conditions.clear(Kind::Own(name));
        }
    }
    for remark in remarks {
        conditions.set(
            Kind::Own(remark.about),
            remark.truth,
            remark.reason,
            remark.message,
        );
    }
}

impl<K: External> Pass<'_, K> {
    /// Publishes what the pass came to, if it differs from what stands, and sets the next look.
    pub(super) async fn finish(mut self: Box<Self>, outcome: Outcome) {
        if let Outcome::Failed(fault) = &outcome
            && let (Class::Denied, Some(account)) = (fault.class, &self.reached)
        {
            self.engine.sessions.doubt(account);
        }
        let mut written = Ok(false);
        let before = self.subject.status.conditions.clone();
        let is_told = !matches!(outcome, Outcome::Finished | Outcome::Soon);
        if is_told && !outcome.is_conflict() && !self.silent {
            let status = self.status(&outcome);
            written = self.subject.put_status(status).await;
        }
        self.measure(&outcome, &before);
        self.announce_issue(&before);
        let next = match &written {
            Err(trouble) => {
                tracing::debug!(target = %self.subject.target, error = %trouble, "status not written");
                Some(self.after(&fault_of(trouble)))
            }
            Ok(_) => self
                .next(&outcome)
                .map(|own| self.retry.unwrap_or(own).min(own)),
        };
        self.announce(&outcome, matches!(written, Ok(true)));
        self.remember(&outcome, next);
    }

    fn measure(&self, outcome: &Outcome, before: &[Condition]) {
        let (metrics, kind) = (&self.engine.core.metrics, &self.subject.target.kind);
        metrics.passed(kind, outcome.word());
        let reason = outcome.reason(self.issue.as_ref());
        trace::came_to(outcome.word(), reason, outcome.is_wrong());
        let ready = |conditions: &[Condition]| {
            let found = conditions.iter().find(|c| c.type_ == Kind::Ready.name());
            found.map(|c| (c.status == "True", c.last_transition_time.0))
        };
        let Some((true, now)) = ready(&self.subject.status.conditions) else {
            return;
        };
        let created = self.subject.meta.creation_timestamp.as_ref();
        let created = created.map_or(now, |created| created.0);
        let since = match ready(before) {
            Some((true, _)) => return,
            // The first False is told moments after a resource was made; what came before counts too.
            Some((false, at)) if at > later(created, Duration::from_mins(2)) => at,
            Some((false, _)) | None => created,
        };
        let span = Duration::try_from(self.engine.core.clock.now().duration_since(since));
        metrics.ready_after(kind, span.unwrap_or_default());
    }

    fn status(&mut self, outcome: &Outcome) -> StatusOf<K> {
        let mut status = self.subject.status.clone();
        let mut conditions = Conditions::new(
            std::mem::take(&mut status.conditions),
            self.subject.meta.generation,
            self.now,
        );
        tell(
            &mut conditions,
            outcome,
            self.issue.as_ref(),
            status.origin.is_some(),
        );
        if !K::Keys::ISSUES
            || self
                .subject
                .spec()
                .is_some_and(|spec| K::Keys::spec(spec).is_none())
        {
            conditions.clear(Kind::Issued);
            status.key = None;
        }
        if let Some(key) = self.key.take() {
            status.key = Some(key).filter(|key| *key != IssuedKey::default());
        }
        if let Some(remarks) = self.remarks.take() {
            set_own(&mut conditions, K::REMARKS, remarks);
        }
        status.conditions = conditions.finish();
        status.observed_generation = self.subject.meta.generation;
        status.deletion_policy = Some(self.subject.policy());
        if let Some(facts) = self.learned.take() {
            status.at_provider = facts;
        }
        if let Some((account, place, origin)) = self.claimed.take() {
            (status.account, status.place, status.origin) = (Some(account), Some(place), origin);
        }
        status
    }

    /// The end of the wait after a fault, which grows with the number of faults in a row.
    fn after(&mut self, fault: &Fault) -> Timestamp {
        let delay = delay::after(fault, self.memo.failures, rand::random());
        self.memo.failures = self.memo.failures.saturating_add(1);
        later(self.engine.core.clock.now(), delay)
    }

    /// When to look again, by what the pass came to. `None`: nothing will change by itself.
    fn next(&mut self, outcome: &Outcome) -> Option<Timestamp> {
        let dice = rand::random();
        let is_moving = matches!(
            outcome,
            Outcome::InSync(
                Phase::Changing(_) | Phase::Settling(_) | Phase::Leaving(_),
                _
            ) | Outcome::Observed(Phase::Changing(_) | Phase::Settling(_), _)
                | Outcome::Leaving(_)
                | Outcome::Held(_)
        );
        self.memo.looks = if is_moving {
            self.memo.looks.saturating_add(1)
        } else {
            0
        };
        if let Outcome::Failed(fault) = outcome {
            self.memo.sweeps = 0;
            return Some(self.after(fault));
        }
        self.memo.failures = 0;
        let core = &self.engine.core;
        let mut from = core.clock.now();
        let own = match outcome {
            Outcome::Finished | Outcome::Failed(_) => return None,
            // `retry` says when it is soon.
            Outcome::Paused | Outcome::Soon => delay::SLOW,
            Outcome::InSync(Phase::Changing(_) | Phase::Settling(_) | Phase::Leaving(_), _)
            | Outcome::Observed(Phase::Changing(_) | Phase::Settling(_), _)
            | Outcome::Leaving(_) => delay::settling(self.memo.looks - 1, dice),
            Outcome::InSync(..) | Outcome::Observed(..) | Outcome::NotThere => {
                // A round that began during this pass is not this pass's.
                from = self.now;
                let age = Duration::try_from(from.duration_since(core.began));
                delay::until_round(age.unwrap_or_default(), core.settings.drift, dice)
            }
            Outcome::Waiting(..) | Outcome::NoSession(_) => delay::jittered(delay::WOKEN, dice),
            Outcome::Busy(..) => delay::held(0, dice),
            // What ends them wakes them.
            Outcome::Refused(..) | Outcome::Braked(_) | Outcome::Parting(..) => {
                delay::jittered(delay::SLOW, dice)
            }
            Outcome::Held(_) => delay::held(self.memo.looks - 1, dice),
        };
        Some(later(from, own))
    }

    /// Warns once when something is not as it should be; what a user did is told where it is done.
    fn announce(&self, outcome: &Outcome, is_news: bool) {
        let (reason, text) = match outcome {
            Outcome::Refused(reason, text) | Outcome::Waiting(reason, text) => {
                (*reason, text.clone())
            }
            Outcome::Held(text) => (Reason::DeletionHeld, text.clone()),
            Outcome::Braked(text) => (Reason::Braked, text.clone()),
            Outcome::Parting(Reason::UndoWindow, text) => (Reason::UndoWindow, text.clone()),
            // A refused key is told where its test is.
            Outcome::Failed(fault)
                if fault.class != Class::Conflict && fault.reason != Reason::NewKeyNotAccepted =>
            {
                (fault.reason, fault.message.clone())
            }
            _ => return,
        };
        if is_news {
            let request_id = match outcome {
                Outcome::Failed(fault) => fault.correlation.clone(),
                _ => None,
            };
            let trace_id = trace::id_for_logs();
            tracing::warn!(resource = %self.subject.target, %reason, request_id, trace_id, "{text}");
            self.note(Note::warning(reason, text).quoting(request_id));
        }
    }

    /// Warns once when somebody has to act before the Secret can hold a key; the resource itself may be as wanted all the same.
    fn announce_issue(&self, before: &[Condition]) {
        let Some(issue) = &self.issue else { return };
        let was = Kind::Issued.among(before);
        let is_news = was.is_none_or(|was| was.reason != issue.reason.to_string());
        let needs_somebody = matches!(
            issue.reason,
            Reason::SecretNotOurs | Reason::QuotaFull | Reason::LostKeys | Reason::AmbiguousKeys
        );
        if is_news && needs_somebody {
            tracing::warn!(resource = %self.subject.target, reason = %issue.reason, "{}", issue.message);
            self.note(Note::warning(issue.reason, issue.message.clone()));
        }
    }

    fn remember(mut self, outcome: &Outcome, drift: Option<Timestamp>) {
        let (core, target) = (&self.engine.core, &self.subject.target);
        if *outcome == Outcome::Finished {
            core.wakes.at(target, None);
            return;
        }
        self.memo.past = std::mem::take(&mut self.subject.past);
        if !outcome.is_conflict() {
            self.memo.left = Some(digest(&self.subject.status));
        }
        let looks_at_secret = self.issue.is_some() && matches!(outcome, Outcome::InSync(..));
        let secret = looks_at_secret.then(|| {
            let issuers = self.engine.memory.issuers();
            let wait = delay::secret_check(core.settings.secret_check, issuers);
            later(core.clock.now(), delay::jittered(wait, rand::random()))
        });
        // A light look at the Secret must not push the next look at the remote away.
        let is_light = self.memo.due
            && self.memo.drift.is_some_and(|drift| drift > self.now)
            && matches!(outcome, Outcome::InSync(..))
            && self.retry.is_none();
        // What was lost to somebody else's write is decided anew at once, from what is known: it is no reason to list everything.
        let is_conflict = outcome.is_conflict();
        if !is_light && !is_conflict {
            self.memo.drift = drift;
        }
        self.memo.secret = secret;
        // An edit that came in between our own reads has not been acted on: its event must not look like an echo of our write.
        self.memo.wrote = (!self.subject.overtaken).then(|| self.subject.version.clone());
        let again = drift.filter(|_| is_conflict);
        let due = [self.memo.drift, self.memo.secret, again]
            .into_iter()
            .flatten()
            .min();
        core.wakes.at(target, due);
        self.engine.memory.end(target, self.memo);
    }
}

//! What an account tells of its brake, and how it is released.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;

use super::{AccountStatus, Accounts, BrakeStatus, Ended, Provider, desk::Desk, pass::named};
use crate::engine::{
    brake::{Limits, Told},
    event::Note,
    external::Target,
    guarded::Guarded,
    intent::{RELEASE_BRAKE, UNDO},
    reason::Reason,
    status::{Conditions, Kind, Truth},
    subject::target_of,
    wake::Cause,
};

/// The annotation is remembered up to this length; a longer one is no instant anyway.
const ANSWERED: usize = 64;

impl<A: Provider> Accounts<A> {
    /// Takes limits and what has ended from an account as it was seen, and wakes those who may go on by it.
    pub(super) fn brake_seen(&self, stored: &Guarded<A>) {
        let target = target_of::<A>(stored.meta());
        let status = stored.whole().and_then(|account| account.status().cloned());
        // What cannot be read keeps the limits it had; before it could be read once, the usual ones stand.
        let limits = stored
            .last_whole()
            .map_or_else(|| Some(Limits::default()), |account| account.brake());
        let brake = status.and_then(|status| status.brake).unwrap_or_default();
        self.brake_set(&target, limits, &brake);
    }

    pub(super) fn brake_set(&self, target: &Target, limits: Option<Limits>, brake: &BrakeStatus) {
        let ended = brake.recent.iter().map(|ended| {
            let count = u32::try_from(ended.count).unwrap_or_default();
            (ended.at.0, count)
        });
        let released = brake.released.as_ref().map(|released| released.0);
        for held in self.core.brakes.set(target, limits, released, ended) {
            self.core.wakes.wake(&held, Cause::Woken);
        }
    }
}

impl<A: Provider> Desk<'_, A> {
    /// Answers the annotation, and says who is held. The note, if any, is for when the status is written.
    pub(super) fn brake(&self, status: &mut AccountStatus) -> Option<Note> {
        let brakes = &self.accounts.core.brakes;
        let mut brake = status.brake.take().unwrap_or_default();
        let was_held = brake.held > 0;
        let before = brakes.told(self.target, brake.released.as_ref().map(|time| time.0));
        let answer = self.answer(&mut brake, before.last);
        let told = brakes.told(self.target, brake.released.as_ref().map(|time| time.0));
        brake.held = i32::try_from(told.held.len()).unwrap_or(i32::MAX);
        brake.recent = told.ended.iter().map(ended).collect();
        let mut conditions = Conditions::new(
            std::mem::take(&mut status.conditions),
            self.meta.generation,
            self.now,
        );
        let note = if let (Some(limits), Some(last)) = (told.limits, told.last) {
            let mut text = self.held_text(&limits, &told, last);
            if let Err(asked) = answer {
                text =
                    format!("{text}. The annotation says {asked:?}, which is not such an instant");
            }
            conditions.set(Kind::Braked, Truth::True, Reason::Braked, text.clone());
            (!was_held).then(|| Note::warning(Reason::Braked, text))
        } else {
            conditions.clear(Kind::Braked);
            was_held.then(|| {
                Note::normal(
                    Reason::BrakeReleased,
                    "no deletion is held by the brake any more",
                )
            })
        };
        status.conditions = conditions.finish();
        status.brake = Some(brake).filter(|brake| *brake != BrakeStatus::default());
        note
    }

    /// Each text of the annotation is answered once: one that stays releases nothing that comes later. `last`: when the last of the held
    /// deletions was asked for. `Err`: a text that says nothing.
    fn answer(&self, brake: &mut BrakeStatus, last: Option<Timestamp>) -> Result<(), String> {
        let annotations = self.meta.annotations.as_ref();
        let asked = annotations.and_then(|all| all.get(RELEASE_BRAKE));
        let Some(asked) = asked.map(|asked| asked.chars().take(ANSWERED).collect::<String>())
        else {
            brake.answered = None;
            return Ok(());
        };
        let Ok(instant) = asked.parse::<Timestamp>() else {
            return Err(asked);
        };
        if brake.answered.as_ref() != Some(&asked) {
            let released = brake.released.as_ref().map(|released| released.0);
            let until = last.map(|last| instant.min(last));
            brake.released = until.max(released).map(Time);
            brake.answered = Some(asked);
        }
        Ok(())
    }

    fn held_text(&self, limits: &Limits, told: &Told, last: Timestamp) -> String {
        format!(
            "{deletions} of {things} things were deleted within {minutes} min, which is more than {more_than} and more than {percent} %: \
             {held} of these deletions are held, and nothing is taken away from {names}. \
             If all of them are meant: kubectl annotate --overwrite -n {namespace} {plural}.{group} {name} {RELEASE_BRAKE}={last}. \
             If one is meant: {RELEASE_BRAKE}=true on that resource. To keep one: {UNDO}=true on it, and apply it again once it is gone. \
             spec.brake has the limits",
            deletions = told.deletions,
            things = told.things,
            minutes = limits.within.as_secs() / 60,
            more_than = limits.more_than,
            percent = limits.percent,
            held = told.held.len(),
            names = named(&told.held),
            namespace = self.key.namespace,
            plural = A::plural(&()),
            group = A::group(&()),
            name = self.key.name,
        )
    }
}

fn ended((at, count): &(Timestamp, u32)) -> Ended {
    Ended {
        at: Time(*at),
        count: i32::try_from(*count).unwrap_or(i32::MAX),
    }
}

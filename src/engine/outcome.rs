//! What a pass came to, and the conditions that say so. Pure.

use super::{
    external::Phase,
    fault::{Class, Fault},
    reason::Reason,
    status::{Conditions, Kind, Truth},
};

/// What a pass came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The remote is ours and as wanted, in this phase of its life; and what to know beyond that.
    InSync(Phase, Option<String>),
    /// Only observed: in this phase, with these differences from the spec.
    Observed(Phase, Vec<String>),
    /// Only observed, and there is nothing.
    NotThere,
    /// Something that the spec names is not there yet.
    Waiting(Reason, String),
    /// Somebody must act first.
    Refused(Reason, String),
    /// The account's session does not work; nothing was asked of the cloud.
    NoSession(String),
    /// Work goes on by itself; this is why it is not done.
    Busy(Reason, String),
    /// Something went wrong.
    Failed(Fault),
    /// Nothing is done until it is resumed.
    Paused,
    /// The deletion waits until this is released.
    Held(String),
    /// The deletion is part of a wave that the account's brake stopped.
    Braked(String),
    /// Its deletion can still be undone, or is being undone.
    Parting(Reason, String),
    /// The cloud is removing it.
    Leaving(String),
    /// It is looked at again in a moment; until then there is nothing to tell.
    Soon,
    /// The finalizer is off; there is no status to write any more.
    Finished,
}

impl Outcome {
    /// The word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InSync(..) => "in_sync",
            Self::Observed(..) => "observed",
            Self::NotThere => "not_there",
            Self::Waiting(..) => "waiting",
            Self::Refused(..) => "refused",
            Self::NoSession(_) => "no_session",
            Self::Busy(..) => "busy",
            Self::Failed(fault) => fault.class.word(),
            Self::Paused => "paused",
            Self::Held(_) => "held",
            Self::Braked(_) => "braked",
            Self::Parting(..) => "parting",
            Self::Soon => "soon",
            Self::Leaving(_) => "leaving",
            Self::Finished => "finished",
        }
    }

    /// Why, by the list that conditions have their reasons from; `issue` is what the Secret came to. `None`: there is nothing to tell.
    pub fn reason(&self, issue: Option<&Issue>) -> Option<Reason> {
        if let Self::InSync(phase, _) = self
            && let Some(issue) = lacking(phase, issue)
        {
            return Some(issue.reason);
        }
        match self {
            Self::InSync(Phase::Ready, _) => Some(Reason::Available),
            Self::InSync(Phase::Changing(_), _) => Some(Reason::Progressing),
            Self::InSync(Phase::Settling(_), _) => Some(Reason::SettingUp),
            Self::InSync(Phase::Broken(_), _) => Some(Reason::RemoteBroken),
            Self::Observed(..) => Some(Reason::Observed),
            Self::NotThere => Some(Reason::NotThere),
            Self::Waiting(reason, _)
            | Self::Refused(reason, _)
            | Self::Busy(reason, _)
            | Self::Parting(reason, _) => Some(*reason),
            Self::NoSession(_) => Some(Reason::AccountNotReady),
            Self::Failed(fault) => Some(fault.reason),
            Self::Paused => Some(Reason::Paused),
            Self::Held(_) => Some(Reason::DeletionHeld),
            Self::Braked(_) => Some(Reason::Braked),
            Self::InSync(Phase::Leaving(_), _) | Self::Leaving(_) => Some(Reason::Removing),
            Self::Soon | Self::Finished => None,
        }
    }

    /// Whether somebody should look at it: something failed, or cannot go on as it is. A conflict is everyday's work.
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::InSync(Phase::Broken(_), _) | Self::Refused(..) | Self::Braked(_) => true,
            Self::Failed(_) => !self.is_conflict(),
            Self::InSync(..)
            | Self::Observed(..)
            | Self::NotThere
            | Self::Waiting(..)
            | Self::NoSession(_)
            | Self::Busy(..)
            | Self::Paused
            | Self::Held(_)
            | Self::Parting(..)
            | Self::Leaving(_)
            | Self::Soon
            | Self::Finished => false,
        }
    }

    /// Somebody else wrote first: the next pass decides anew, and has something to say.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Failed(fault) if fault.class == Class::Conflict)
    }
}

/// What the Secret of an issuer came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// Whether the Secret holds a live key.
    pub truth: Truth,
    /// Why.
    pub reason: Reason,
    /// What to know or do.
    pub message: String,
}

/// Sets the conditions of every kind.
///
/// `ours`: the remote was made or adopted before. A fault that may pass, or a spec that cannot be acted on, does not make a working
/// remote unusable, so Ready stays True through it; what takes the remote itself away makes it False.
pub fn tell(conditions: &mut Conditions, outcome: &Outcome, issue: Option<&Issue>, ours: bool) {
    // A pass that did not get to the keys leaves what was said of them.
    if let Some(issue) = issue {
        conditions.set(
            Kind::Issued,
            issue.truth,
            issue.reason,
            issue.message.clone(),
        );
    }
    conditions.clear(Kind::Reconciling);
    conditions.clear(Kind::Stalled);
    let was_ready = ours && conditions.is_true(Kind::Ready);
    match outcome {
        Outcome::InSync(phase, hint) => in_sync(conditions, phase, hint.as_deref(), issue),
        Outcome::Observed(phase, differences) => observed(conditions, phase, differences),
        Outcome::NotThere => {
            let text = "nothing of this name exists at the cloud, and managementPolicy is Observe";
            conditions.set(Kind::Synced, Truth::False, Reason::NotThere, text);
            conditions.set(Kind::Ready, Truth::False, Reason::NotThere, text);
        }
        Outcome::Waiting(reason, text) => {
            conditions.set(Kind::Resolved, Truth::False, *reason, text.clone());
            waiting(conditions, *reason, text, was_ready);
        }
        Outcome::Refused(reason, text) => refused(conditions, *reason, text, was_ready),
        Outcome::NoSession(text) => {
            conditions.set(
                Kind::Synced,
                Truth::Unknown,
                Reason::AccountNotReady,
                text.clone(),
            );
            if !was_ready {
                conditions.set(
                    Kind::Ready,
                    Truth::False,
                    Reason::AccountNotReady,
                    text.clone(),
                );
            }
            conditions.set(
                Kind::Reconciling,
                Truth::True,
                Reason::AccountNotReady,
                text.clone(),
            );
        }
        Outcome::Busy(reason, text) => waiting(conditions, *reason, text, was_ready),
        Outcome::Failed(fault) => failed(conditions, fault, was_ready),
        Outcome::Paused => {
            let text = "paused by the annotation cooper.dev/paused; remove it to go on";
            conditions.set(Kind::Synced, Truth::False, Reason::Paused, text);
            if !was_ready {
                conditions.set(Kind::Ready, Truth::False, Reason::Paused, text);
            }
        }
        Outcome::Held(text) => deleting(conditions, Reason::DeletionHeld, text),
        Outcome::Braked(text) => {
            deleting(conditions, Reason::Braked, text);
            conditions.clear(Kind::Reconciling);
            conditions.set(Kind::Stalled, Truth::True, Reason::Braked, text.clone());
        }
        Outcome::Parting(reason, text) => deleting(conditions, *reason, text),
        Outcome::Leaving(text) => deleting(conditions, Reason::Removing, text),
        Outcome::Soon | Outcome::Finished => {}
    }
}

fn in_sync(conditions: &mut Conditions, phase: &Phase, hint: Option<&str>, issue: Option<&Issue>) {
    conditions.set(
        Kind::Resolved,
        Truth::True,
        Reason::Found,
        "all references were found",
    );
    conditions.set(
        Kind::Synced,
        Truth::True,
        Reason::InSync,
        "the cloud is as the spec says",
    );
    if let Some(issue) = lacking(phase, issue) {
        let text = || issue.message.clone();
        conditions.set(Kind::Ready, Truth::False, issue.reason, text());
        let kind = match issue.reason {
            // A name that is taken and a full user stay so until somebody makes room.
            Reason::SecretNotOurs | Reason::QuotaFull | Reason::AmbiguousKeys => Kind::Stalled,
            _ => Kind::Reconciling,
        };
        conditions.set(kind, Truth::True, issue.reason, text());
        return;
    }
    let (truth, reason, text) = usable(phase, hint);
    conditions.set(Kind::Ready, truth, reason, text.clone());
    let (kind, reason) = match phase {
        Phase::Ready => return,
        Phase::Changing(_) => (Kind::Reconciling, Reason::Progressing),
        Phase::Settling(_) | Phase::Leaving(_) => (Kind::Reconciling, reason),
        Phase::Broken(_) => (Kind::Stalled, reason),
    };
    conditions.set(kind, Truth::True, reason, text);
}

/// Whether a remote in this phase can be used, and what to know of that.
fn usable(phase: &Phase, hint: Option<&str>) -> (Truth, Reason, String) {
    match phase {
        Phase::Ready => {
            let text = hint.map_or_else(|| "usable".to_owned(), |hint| format!("usable; {hint}"));
            (Truth::True, Reason::Available, text)
        }
        Phase::Changing(step) => {
            let text = format!("usable; the cloud is working on a change ({step})");
            (Truth::True, Reason::Available, text)
        }
        Phase::Settling(text) => (Truth::False, Reason::SettingUp, text.clone()),
        Phase::Leaving(text) => (Truth::False, Reason::Removing, text.clone()),
        Phase::Broken(text) => (Truth::False, Reason::RemoteBroken, text.clone()),
    }
}

/// What keeps a remote that can be used from being of use: a Secret without a live key.
fn lacking<'i>(phase: &Phase, issue: Option<&'i Issue>) -> Option<&'i Issue> {
    let is_usable = matches!(phase, Phase::Ready | Phase::Changing(_));
    issue.filter(|issue| is_usable && issue.truth != Truth::True)
}

fn observed(conditions: &mut Conditions, phase: &Phase, differences: &[String]) {
    conditions.set(
        Kind::Resolved,
        Truth::True,
        Reason::Found,
        "all references were found",
    );
    if differences.is_empty() {
        conditions.set(
            Kind::Synced,
            Truth::True,
            Reason::Observed,
            "the cloud is as the spec says; nothing is written (managementPolicy: Observe)",
        );
    } else {
        let text = format!(
            "would change, were managementPolicy not Observe: {}",
            differences.join("; ")
        );
        conditions.set(Kind::Synced, Truth::False, Reason::Drifted, text);
    }
    let (truth, reason, text) = usable(phase, None);
    conditions.set(Kind::Ready, truth, reason, text);
}

fn waiting(conditions: &mut Conditions, reason: Reason, text: &str, was_ready: bool) {
    conditions.set(Kind::Synced, Truth::False, reason, text);
    if !was_ready {
        conditions.set(Kind::Ready, Truth::False, reason, text);
    }
    conditions.set(Kind::Reconciling, Truth::True, reason, text);
}

fn refused(conditions: &mut Conditions, reason: Reason, text: &str, was_ready: bool) {
    let spec_only = matches!(
        reason,
        Reason::InvalidSpec | Reason::ImmutableField | Reason::Undecodable | Reason::PlaceChanged
    );
    match reason {
        Reason::InvalidSpec | Reason::PlaceChanged => {
            conditions.set(Kind::Resolved, Truth::False, reason, text);
        }
        _ => {}
    }
    conditions.set(Kind::Synced, Truth::False, reason, text);
    if !(was_ready && spec_only) {
        conditions.set(Kind::Ready, Truth::False, reason, text);
    }
    conditions.set(Kind::Stalled, Truth::True, reason, text);
}

fn failed(conditions: &mut Conditions, fault: &Fault, was_ready: bool) {
    let text = fault.message.clone();
    conditions.set(Kind::Synced, Truth::False, fault.reason, text.clone());
    if !was_ready {
        conditions.set(Kind::Ready, Truth::False, fault.reason, text.clone());
    }
    match fault.class {
        Class::Terminal => conditions.set(Kind::Stalled, Truth::True, fault.reason, text),
        Class::Transient | Class::Throttled(_) | Class::Denied | Class::Conflict => {
            conditions.set(Kind::Reconciling, Truth::True, fault.reason, text);
        }
    }
}

fn deleting(conditions: &mut Conditions, reason: Reason, text: &str) {
    conditions.set(Kind::Ready, Truth::False, reason, text);
    conditions.set(Kind::Synced, Truth::False, reason, text);
    conditions.set(Kind::Reconciling, Truth::True, reason, text);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// `Ready Synced Resolved Reconciling Stalled` as T, F, U or - after `outcome` on a resource that was Ready or new.
    fn told(outcome: &Outcome, issue: Option<&Issue>, was_ready: bool) -> String {
        let mut conditions = Conditions::new(Vec::new(), Some(1), Timestamp::UNIX_EPOCH);
        if was_ready {
            tell(
                &mut conditions,
                &Outcome::InSync(Phase::Ready, None),
                None,
                true,
            );
        }
        tell(&mut conditions, outcome, issue, was_ready);
        let list = conditions.finish();
        let letter = |kind: Kind| {
            let found = list.iter().find(|condition| condition.type_ == kind.name());
            found.map_or('-', |condition| {
                condition.status.chars().next().unwrap_or('?')
            })
        };
        [
            Kind::Ready,
            Kind::Synced,
            Kind::Resolved,
            Kind::Reconciling,
            Kind::Stalled,
        ]
        .map(letter)
        .iter()
        .collect()
    }

    #[test]
    fn each_outcome_tells_its_conditions() {
        let fault =
            |class| Outcome::Failed(Fault::new(class, Reason::CloudUnavailable, "no answer"));
        let text = || "because".to_owned();
        let rows = [
            (Outcome::InSync(Phase::Ready, None), false, "TTT--"),
            (
                Outcome::InSync(Phase::Settling(text()), None),
                true,
                "FTTT-",
            ),
            (
                Outcome::InSync(Phase::Changing(text()), None),
                true,
                "TTTT-",
            ),
            (Outcome::InSync(Phase::Broken(text()), None), true, "FTT-T"),
            (Outcome::Observed(Phase::Ready, vec![]), false, "TTT--"),
            (
                Outcome::Observed(Phase::Changing(text()), vec![]),
                false,
                "TTT--",
            ),
            (
                Outcome::Observed(Phase::Ready, vec![text()]),
                false,
                "TFT--",
            ),
            (Outcome::NotThere, false, "FF---"),
            (
                Outcome::Waiting(Reason::ReferenceNotReady, text()),
                false,
                "FFFT-",
            ),
            (
                Outcome::Waiting(Reason::ReferenceNotReady, text()),
                true,
                "TFFT-",
            ),
            (Outcome::Refused(Reason::NameTaken, text()), false, "FF--T"),
            (Outcome::Refused(Reason::RemoteLost, text()), true, "FFT-T"),
            (Outcome::Refused(Reason::InvalidSpec, text()), true, "TFF-T"),
            (Outcome::NoSession(text()), true, "TUTT-"),
            (Outcome::NoSession(text()), false, "FU-T-"),
            (fault(Class::Transient), true, "TFTT-"),
            (fault(Class::Terminal), false, "FF--T"),
            (Outcome::Paused, true, "TFT--"),
            (Outcome::Held(text()), true, "FFTT-"),
            (Outcome::Braked(text()), true, "FFT-T"),
            (Outcome::Parting(Reason::UndoWindow, text()), true, "FFTT-"),
        ];
        for (outcome, was_ready, letters) in rows {
            assert_eq!(
                told(&outcome, None, was_ready),
                letters,
                "{outcome:?} was_ready={was_ready}"
            );
        }
    }

    #[test]
    fn the_same_outcome_again_leaves_nothing_to_write() {
        let fault = |class| Outcome::Failed(Fault::new(class, Reason::CloudUnavailable, "down"));
        let text = || "because".to_owned();
        for outcome in [
            fault(Class::Transient),
            fault(Class::Terminal),
            Outcome::Waiting(Reason::ReferenceNotReady, text()),
            Outcome::Refused(Reason::NameTaken, text()),
            Outcome::NoSession(text()),
            Outcome::Held(text()),
            Outcome::Braked(text()),
            Outcome::InSync(Phase::Settling(text()), None),
        ] {
            let again = |before, second| {
                let now = Timestamp::from_second(second).unwrap();
                let mut conditions = Conditions::new(before, Some(1), now);
                tell(&mut conditions, &outcome, None, true);
                conditions.finish()
            };
            let first = again(Vec::new(), 10);
            assert_eq!(again(first.clone(), 20), first, "{outcome:?}");
        }
    }

    #[test]
    fn an_issuer_is_ready_only_with_a_live_key_in_its_secret() {
        for (reason, letters) in [
            (Reason::Minting, "FTTT-"),
            (Reason::LostKeys, "FTTT-"),
            (Reason::SecretNotOurs, "FTT-T"),
            (Reason::QuotaFull, "FTT-T"),
            (Reason::AmbiguousKeys, "FTT-T"),
        ] {
            let issue = Issue {
                truth: Truth::False,
                reason,
                message: "because".into(),
            };
            let outcome = Outcome::InSync(Phase::Ready, None);
            assert_eq!(told(&outcome, Some(&issue), true), letters, "{reason}");
        }
    }
}

//! Tending the keys of an issuer: read, decide, do one step, read again.
//!
//! The executor of the key protocol. What to do is decided by [`key::next`]; here is only the order of effects: how things are read
//! (`look`), how a single write is done (`act`), and the mint, the one step with several writes (`mint`). Nothing is written on the word
//! of a cache or of an older list: those may only say "settled".

mod act;
mod look;
mod mint;
mod probe;

use std::time::{Duration, Instant};

use futures::{FutureExt, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};

use super::{
    Pass, Stop,
    present::{RELIEVED, Site, left_over},
};
use crate::engine::{
    clock::later,
    external::{Adoption, Cloud, DeletionPolicy, External, View},
    fault::{Class, Fault},
    intent::ROTATE,
    key::{
        self, BlockedBy, KeyStep, KeyWant, Ledger, Listed, Minting, Moment, Stored, Uid, WaitFor,
    },
    keyring::{KeySpec, Keyring, Keys},
    outcome::Outcome,
    reason::Reason,
    secret::Found,
    status::{IssuedKey, Origin},
};
use mint::Mint;

/// More steps than any chain of them needs: a pass that gets there is going round in circles.
const STEPS: usize = 48;
/// A tending ends within this time of its first read, by a clock that cannot be set; checked before every cloud write.
const LIMIT: Duration = Duration::from_mins(2);
const SECOND: Duration = Duration::from_secs(1);
/// A fresh read of the keys, and the request for a new one: paid together, so that the second does not queue while the first ages.
const PAID: u32 = 2;

/// What tending the keys came to.
pub(super) enum Tended {
    /// Nothing is left to do.
    Settled,
    /// The user may be deleted now, its keys go with it.
    UserGoes,
    /// Something has to pass first.
    Waiting(String),
    /// The keys are switched off, and until this moment the deletion can be undone.
    Window(Moment),
}

/// A key list, and when its answer came by our own clock.
#[derive(Clone)]
pub(super) struct List {
    listed: Listed,
    came: Instant,
}

impl From<Keys> for List {
    fn from(keys: Keys) -> Self {
        Self {
            listed: Listed {
                at: keys.at,
                keys: keys.keys,
            },
            came: Instant::now(),
        }
    }
}

/// One tending of one issuer's keys.
struct Desk<'p, 'e, K: External> {
    pass: &'p mut Pass<'e, K>,
    site: &'p Site<K>,
    desired: Option<&'p K::Desired>,
    want: KeyWant,
    /// When the first read began; set once the request budget has let it through.
    began: Instant,
    /// The account with the next requests already paid.
    paid: Option<K::Cloud>,
    /// Why the data plane does not accept the key that this pass made.
    rejected: Option<String>,
}

impl<K: External> Pass<'_, K> {
    /// The keys of a resource that is wanted: its Ready waits for them.
    pub(super) async fn issue(
        &mut self,
        site: &Site<K>,
        desired: &K::Desired,
        now: &K::Remote,
        outcome: Outcome,
    ) -> Result<Outcome, Stop> {
        if self.is_relieved() {
            return Ok(left_over());
        }
        let tended = self
            .tend(site, Some(desired), Some(now), key::Want::Present)
            .await?;
        let is_relieved = matches!(&tended, Tended::Waiting(why) if why == RELIEVED);
        if self.minted {
            // Our own writes lie over the shared list: this asks nobody.
            let view = View {
                since: Timestamp::MIN,
                fresh: false,
                deep: false,
                ..site.view
            };
            let now = K::observe(&site.session.pass(view), &site.place, &self.facts()).await;
            if let Ok(Some(now)) = now {
                self.learn(Some(desired), &now);
            }
        }
        Ok(if is_relieved && self.issue.is_none() {
            left_over()
        } else {
            outcome
        })
    }

    /// Brings the keys to what is wanted, as far as it goes now.
    ///
    /// No `async fn`: the state machine of one keeps what it never awaits, and for the kinds without keys that is a third of a megabyte.
    pub(super) fn tend<'t>(
        &'t mut self,
        site: &'t Site<K>,
        desired: Option<&'t K::Desired>,
        now: Option<&'t K::Remote>,
        want: key::Want,
    ) -> BoxFuture<'t, Result<Tended, Stop>> {
        if K::Keys::ISSUES {
            self.tend_keys(site, desired, now, want).boxed()
        } else {
            std::future::ready(Ok(Tended::Settled)).boxed()
        }
    }

    async fn tend_keys(
        &mut self,
        site: &Site<K>,
        desired: Option<&K::Desired>,
        now: Option<&K::Remote>,
        want: key::Want,
    ) -> Result<Tended, Stop> {
        let spec = self.subject.spec().and_then(K::Keys::spec);
        let want = match want {
            key::Want::Present if spec.is_none() && self.subject.status.keys.is_none() => {
                return Ok(Tended::Settled);
            }
            key::Want::Present if spec.is_none() => key::Want::NoKey,
            want => want,
        };
        let mut want = self.key_want(site, spec, want);
        if let (key::Want::Gone { .. }, Some(_)) = (want.want, now) {
            want.undo = self.undo_window();
        }
        let made = self.made.take();
        // An ending reads the stagings too before it says that nothing is left; once it has, there is nothing to read.
        let is_over = want.want == key::Want::NoKey
            && self
                .subject
                .status
                .keys
                .as_ref()
                .is_some_and(Ledger::is_empty);
        let may_be_settled = made.is_none() && (want.want == key::Want::Present || is_over);
        let mut desk = Desk {
            pass: self,
            site,
            desired,
            want,
            began: Instant::now(),
            paid: None,
            rejected: None,
        };
        if let Some(keys) = now.and_then(K::Keys::seen).filter(|_| may_be_settled)
            && Box::pin(desk.is_settled(&keys)).await?
        {
            return Ok(Tended::Settled);
        }
        desk.pass.take_hand(&desk.site.account).await;
        Box::pin(desk.tend(now.is_some(), made)).await
    }

    /// Whether the Secret of this resource carries our mark of this place: the claim of a resource whose status is lost.
    ///
    /// Owner or label alone prove that the Secret is ours, the mark that it was made for this very user.
    pub(super) async fn is_marked(&self, site: &Site<K>) -> Result<bool, Stop> {
        let Some(spec) = self.subject.spec().and_then(K::Keys::spec) else {
            return Ok(false);
        };
        let (namespace, name) = (&self.subject.target.namespace, spec.secret_name.clone());
        let Found::Ours(secret) = self.engine.core.secrets.read(namespace, &name).await? else {
            return Ok(false);
        };
        let want = KeyWant {
            adopt: false,
            ..self.key_want(site, Some(spec), key::Want::Present)
        };
        let target = key::decode_target(&secret, &Uid::new(self.subject.uid()), &want);
        Ok(matches!(target, key::Target::Ours(own) if own.mark.is_some()))
    }

    /// How long the keys are switched off before the deletion. `None`: they are not.
    fn undo_window(&self) -> Option<SignedDuration> {
        let spec = self.subject.spec();
        let window = spec.map_or(Duration::ZERO, K::Keys::undo_window);
        let is_forced = self.subject.policy() == DeletionPolicy::Delete;
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        (is_forced || !window.is_zero()).then_some(window)
    }

    fn key_want(&self, site: &Site<K>, spec: Option<KeySpec>, want: key::Want) -> KeyWant {
        let common = self.subject.common();
        let spec = spec.unwrap_or_else(KeySpec::nothing);
        KeyWant {
            want,
            // Known once the keys are listed.
            serial: 0,
            every: spec.every.and_then(|every| every.try_into().ok()),
            asked: self.subject.annotation(ROTATE).map(key::text_digest),
            exclusive: spec.exclusive,
            hold: spec.hold,
            overlap: SignedDuration::try_from(spec.overlap).unwrap_or(SignedDuration::MAX),
            test: spec.test,
            undo: None,
            quota: K::Keys::QUOTA,
            place: K::Keys::place(&site.account, &site.place),
            secret_name: Some(spec.secret_name).filter(|name| !name.is_empty()),
            adopt: common.is_some_and(|common| common.adoption == Adoption::IfExists)
                || self.origin() == Some(Origin::Restored),
            labels: spec.labels,
            annotations: spec.annotations,
        }
    }
}

/// What one turn of the loop came to.
enum Turn {
    /// Read again and decide anew.
    Again,
    /// The same, with a list of its own: what happened ends the chain.
    Afresh,
    /// Go on with the key that was minted just now.
    Chain(Minting, List),
    /// That is it.
    End(Tended),
}

impl<K: External> Desk<'_, '_, K> {
    /// Steps until nothing is left to do or something has to pass first.
    async fn tend(&mut self, user_exists: bool, mut made: Option<List>) -> Result<Tended, Stop> {
        let mut chain: Option<(Minting, List)> = None;
        let mut is_first = true;
        for _ in 0..STEPS {
            if self.pass.is_relieved() {
                return Ok(Tended::Waiting(RELIEVED.into()));
            }
            if chain.is_none() && made.is_none() && user_exists {
                self.paid = Some(self.site.cloud().reserve(PAID).await);
            }
            if std::mem::take(&mut is_first) {
                self.began = Instant::now();
            }
            let sight = self.look().await?;
            let list = match (&chain, made.take()) {
                (Some((_, list)), _) => list.clone(),
                // The answer to our own create began after the resource was read, and nothing else of ours exists yet.
                (None, Some(list)) if sight.is_bare() => list,
                (None, _) => self.list(user_exists).await?,
            };
            let ledger = sight.stored.ledger.as_ref();
            if chain.is_none()
                && let Some(noticed) = key::noticed(ledger, &list.listed, &self.want)
            {
                self.record(noticed).await?;
                continue;
            }
            self.want.serial = key::serial(ledger, &list.listed, &self.want);
            let step = match &chain {
                None => key::next(&sight.stored, &list.listed, &self.want),
                Some((own, _)) => {
                    let step = key::chain_next(&sight.stored, &list.listed, &self.want, own);
                    let Some(step) = step else {
                        // The chain's list knows too little for what comes next: start over with one of its own.
                        chain = None;
                        continue;
                    };
                    step
                }
            };
            if let (Some(fault), KeyStep::Mint { .. }) = (self.rejection(), &step) {
                return Err(fault.into());
            }
            match self.turn(sight, list, step).await? {
                Turn::Again => {}
                Turn::Afresh => chain = None,
                Turn::Chain(minting, list) => chain = Some((minting, list)),
                Turn::End(tended) => return Ok(tended),
            }
        }
        let text = "the access key needs more steps than expected; it is looked at again";
        Err(Fault::transient(Reason::InternalError, text).into())
    }

    /// Does the step, tells what it means.
    async fn turn(&mut self, sight: look::Sight, list: List, step: KeyStep) -> Result<Turn, Stop> {
        tracing::debug!(target = %self.pass.subject.target, ?step, "keys");
        self.tell(&sight.stored, &list.listed, &step);
        let events = key::events(&sight.stored, &list.listed, &self.want, &step);
        let turn = match step {
            KeyStep::Settled => {
                self.swept();
                Turn::End(Tended::Settled)
            }
            KeyStep::UserGoes => Turn::End(Tended::UserGoes),
            KeyStep::Wait(waiting) => Turn::End(self.wait(&waiting)),
            KeyStep::Blocked(by) => Turn::End(Tended::Waiting(self.blocked(by))),
            KeyStep::Mint { slot, reservation } => {
                let mint = Mint {
                    slot,
                    reservation: *reservation,
                    list,
                };
                match self.mint(&sight.stored, mint).await? {
                    Some((minting, list)) => Turn::Chain(minting, list),
                    None => Turn::End(self.soon()),
                }
            }
            KeyStep::Test { attempt, slot, .. } => self.test(sight, &list, &attempt, slot).await?,
            step => {
                self.act(sight, step).await?;
                Turn::Again
            }
        };
        for note in events {
            self.pass.note(note);
        }
        Ok(turn)
    }

    /// Says what the Secret came to; only a resource that is wanted has anything to issue.
    fn tell(&mut self, stored: &Stored, listed: &Listed, step: &KeyStep) {
        if self.want.want == key::Want::Present {
            let mut issue = key::issued(stored, listed, &self.want, step);
            if let Some(fault) = self.rejection() {
                (issue.reason, issue.message) = (fault.reason, fault.message);
            }
            self.pass.issue = Some(issue);
            let rotates_at = key::next_rotation(stored.ledger.as_ref(), listed, &self.want);
            self.look_again_at(listed, rotates_at);
            self.pass.key = Some(IssuedKey::of(stored.ledger.as_ref(), listed, rotates_at));
        }
    }

    /// A rotation that comes before the next look is not slept over.
    fn look_again_at(&mut self, listed: &Listed, moment: Option<key::Moment>) {
        let round = later(listed.at, self.pass.engine.core.settings.drift);
        if let Some(moment) = moment.filter(|moment| moment.timestamp() < round) {
            self.soon_after(moment);
        }
    }

    /// A look just after a moment, and not at once: what it waits for has to be over, whoever's clock tells it.
    fn soon_after(&mut self, moment: key::Moment) {
        let now = self.pass.engine.core.clock.now();
        self.pass
            .look_again_at(later(moment.timestamp().max(now), SECOND));
    }

    fn uid(&self) -> Uid {
        Uid::new(self.pass.subject.uid())
    }

    fn namespace(&self) -> &str {
        &self.pass.subject.target.namespace
    }

    fn owner(&self) -> key::Owner {
        key::Owner {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            name: self.pass.subject.target.name.clone(),
            uid: self.uid(),
        }
    }

    /// A pass that took too long acts on what is no longer true.
    fn check_limit(&self) -> Result<(), Stop> {
        if self.began.elapsed() < LIMIT {
            return Ok(());
        }
        let text = "tending the access key took too long; it starts again";
        Err(Fault::new(Class::Transient, Reason::CloudUnavailable, text).into())
    }

    fn soon(&mut self) -> Tended {
        self.pass.retry = Some(later(self.pass.engine.core.clock.now(), SECOND));
        Tended::Waiting("a key is being made".into())
    }

    fn wait(&mut self, waiting: &key::Waiting) -> Tended {
        let Some(until) = waiting.until else {
            return Tended::Waiting(why(waiting.why).into());
        };
        self.soon_after(until);
        if waiting.why == WaitFor::UndoWindow {
            return Tended::Window(until);
        }
        Tended::Waiting(format!("{} (until {until})", why(waiting.why)))
    }

    fn blocked(&self, by: BlockedBy) -> String {
        let issue = self.pass.issue.as_ref().map(|issue| issue.message.clone());
        issue.unwrap_or_else(|| format!("the access key is blocked: {by:?}"))
    }
}

fn why(why: WaitFor) -> &'static str {
    match why {
        WaitFor::OpenMint => "whether a lost request for a key made one shows later",
        WaitFor::Suspect => "a key that may be a lost one is watched before it is deleted",
        WaitFor::OldKey => "the replaced key is kept for those who still use it",
        WaitFor::Held => "the replaced key is held; there is no room for a rotation",
        WaitFor::Release => "another replica may still have to see the release",
        WaitFor::UndoWindow => "its undo window is not over",
        WaitFor::Undo => "its keys are switched on; another replica may still have to see that",
        WaitFor::LostAnswers => "several answers were lost; the next request for a key waits",
        WaitFor::Test => "the storage endpoint could not be reached to test the new key",
    }
}

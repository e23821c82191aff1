//! Tending the keys of an issuer: read, decide, do one step, read again.
//!
//! The executor of the key protocol. What to do is decided by [`key::next`]; here is only the order of reading (resource, then Secrets, then
//! the key list) and how each step is done. Nothing is written on the word of a cache or of an older list: those may only say "settled".

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{Pass, Stop, mint::Mint, present::Site};
use crate::engine::{
    budget::Lane,
    external::{Cloud, External, View},
    fault::{Class, Fault},
    key::{
        self, BlockedBy, KeyStep, KeyWant, Ledger, Listed, Mark, Minting, Owner, Slot, Stored,
        Target, Uid, WaitFor, Waiting, staging, target,
    },
    keyring::{KeySpec, Keyring, Keys},
    object::Trouble,
    outcome::{Issue, Outcome},
    reason::Reason,
    secret::Found,
    status::Truth,
};

/// More steps than any chain of them needs: a pass that gets there is going round in circles.
const STEPS: usize = 48;
/// A pass ends within this time of its first look, by a clock that cannot be set; checked before every cloud write.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// What tending the keys came to.
pub(super) enum Tended {
    /// Nothing is left to do.
    Settled,
    /// The user may be deleted now, its keys go with it.
    UserGoes,
    /// Something has to pass first.
    Waiting(String),
}

/// Everything that one look at Kubernetes showed.
pub(super) struct Sight {
    pub(super) stored: Stored,
    pub(super) target: Option<Secret>,
    pub(super) stagings: [Option<Secret>; key::SLOTS],
}

/// A key list, and when its answer came by our own clock.
#[derive(Clone)]
pub(super) struct List {
    pub(super) listed: Listed,
    pub(super) came: Instant,
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
pub(super) struct Desk<'p, 'e, K: External> {
    pub(super) pass: &'p mut Pass<'e, K>,
    pub(super) site: &'p Site<K>,
    pub(super) desired: Option<&'p K::Desired>,
    pub(super) want: KeyWant,
    pub(super) began: Instant,
    /// The account with the request for a key already paid.
    pub(super) paid: Option<K::Cloud>,
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
        self.tend(site, Some(desired), Some(now), key::Want::Present)
            .await?;
        if self.minted {
            // Our own writes lie over the shared list: this asks nobody.
            let view = View {
                since: Timestamp::MIN,
                fresh: false,
                deep: false,
                ..site.view
            };
            if let Ok(Some(now)) =
                K::observe(&site.session.pass(view), &site.place, &self.facts()).await
            {
                self.learn(Some(desired), &now);
            }
        }
        Ok(outcome)
    }

    /// Brings the keys to what is wanted, as far as it goes now.
    pub(super) async fn tend(
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
        let want = self.key_want(site, spec, want);
        let made = self.made.take();
        // An ending reads the stagings too before it says that nothing is left.
        let may_be_settled =
            made.is_none() && matches!(want.want, key::Want::Present | key::Want::NoKey);
        let mut desk = Desk {
            pass: self,
            site,
            desired,
            want,
            began: Instant::now(),
            paid: None,
        };
        if let Some(keys) = now.and_then(K::Keys::seen).filter(|_| may_be_settled) {
            if desk.is_settled(&keys).await? {
                return Ok(Tended::Settled);
            }
        }
        desk.tend(now.is_some(), made).await
    }

    fn key_want(&self, site: &Site<K>, spec: Option<KeySpec>, want: key::Want) -> KeyWant {
        let adopts = self
            .subject
            .common()
            .is_some_and(|common| common.adoption == crate::engine::external::Adoption::IfExists);
        let spec = spec.unwrap_or_else(|| KeySpec::nothing());
        KeyWant {
            want,
            serial: 0,
            exclusive: spec.exclusive,
            hold: spec.hold,
            overlap: SignedDuration::try_from(spec.overlap).unwrap_or(SignedDuration::MAX),
            test: false,
            quota: K::Keys::QUOTA,
            place: K::Keys::place(&site.account, &site.place),
            secret_name: Some(spec.secret_name).filter(|name| !name.is_empty()),
            adopt: adopts,
            labels: spec.labels,
            annotations: spec.annotations,
        }
    }
}

impl<K: External> Desk<'_, '_, K> {
    fn owner(&self) -> Owner {
        Owner {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            name: self.pass.subject.target.name.clone(),
            uid: self.uid(),
        }
    }

    fn uid(&self) -> Uid {
        Uid::new(self.pass.subject.uid())
    }

    pub(super) fn namespace(&self) -> &str {
        &self.pass.subject.target.namespace
    }

    /// The light look: with the ledger in hand, a list that may be older, and one read of the target, is there nothing to do?
    ///
    /// A staging that a dead process left beside a finished ledger shows in neither of them, so now and then it reads these too.
    async fn is_settled(&mut self, keys: &Keys) -> Result<bool, Stop> {
        let Some(ledger) = self
            .pass
            .subject
            .status
            .keys
            .clone()
            .filter(|ledger| ledger.attempts.is_empty())
        else {
            return Ok(false);
        };
        let target = self.read_target(Some(&ledger)).await?;
        let slots = match self.is_swept() {
            true => Default::default(),
            false => self.read_stagings().await?.1,
        };
        let stored = self.stored(Some(ledger), &target, slots);
        let listed = Listed {
            at: keys.at,
            keys: keys.keys.clone(),
        };
        let is_settled = key::next(&stored, &listed, &self.want) == KeyStep::Settled;
        if is_settled {
            self.settled(&stored);
        }
        Ok(is_settled)
    }

    /// Whether the stagings were looked at often enough: once since this process knows the resource or something went wrong, and once
    /// more a drift round later, when whatever was on its way from a dead process has arrived; after that with each deep read.
    fn is_swept(&self) -> bool {
        let needed = match self.site.view.lane {
            Lane::Drift => 2,
            Lane::Fresh | Lane::Write => 1,
        };
        self.pass.memo.sweeps >= needed && !self.site.view.deep
    }

    /// Nothing is left to do, and no staging was in the way of saying so.
    fn settled(&mut self, stored: &Stored) {
        if !self.is_swept() {
            self.pass.memo.sweeps = self.pass.memo.sweeps.saturating_add(1);
        }
        self.tell_issued(stored);
    }

    /// Steps until nothing is left to do or something has to pass first.
    async fn tend(&mut self, user_exists: bool, made: Option<List>) -> Result<Tended, Stop> {
        let mut made = made;
        let mut chain: Option<(Minting, List)> = None;
        for _ in 0..STEPS {
            let sight = self.look().await?;
            let list = match (&chain, made.take()) {
                (Some((_, list)), _) => list.clone(),
                // The answer to our own create began after the resource was read, and nothing else of ours exists yet.
                (None, Some(list)) if sight.is_bare() => list,
                (None, _) => match self.list(user_exists).await? {
                    Some(list) => list,
                    None => return Err(gone_meanwhile().into()),
                },
            };
            let step = match &chain {
                None => key::next(&sight.stored, &list.listed, &self.want),
                Some((minting, _)) => {
                    match key::chain_next(&sight.stored, &list.listed, &self.want, minting) {
                        Some(step) => step,
                        // The chain's list knows too little for what comes next: start over with one of its own.
                        None => {
                            chain = None;
                            continue;
                        }
                    }
                }
            };
            tracing::debug!(target = %self.pass.subject.target, ?step, "keys");
            match step {
                KeyStep::Settled => {
                    self.settled(&sight.stored);
                    return Ok(Tended::Settled);
                }
                KeyStep::UserGoes => return Ok(Tended::UserGoes),
                KeyStep::Wait(waiting) => {
                    return Ok(self.wait(&sight.stored, &list.listed, &waiting));
                }
                KeyStep::Blocked(by) => return Ok(self.blocked(&sight.stored, by)),
                KeyStep::Mint { slot, reservation } => {
                    let mint = Mint {
                        slot,
                        reservation: *reservation,
                        list,
                    };
                    match self.mint(&sight, mint).await? {
                        Some(link) => chain = Some(link),
                        None => return Ok(self.again()),
                    }
                }
                step => self.act(sight, step).await?,
            }
        }
        Err(Fault::transient(
            Reason::InternalError,
            "the access key needs more steps than expected; it is looked at again",
        )
        .into())
    }

    /// Resource first, then target and stagings, each by name.
    async fn look(&mut self) -> Result<Sight, Stop> {
        self.pass.subject.refresh().await?;
        let ledger = self.pass.subject.status.keys.clone();
        let (target, stagings) =
            futures::future::join(self.read_target(ledger.as_ref()), self.read_stagings()).await;
        let (target, (stagings, states)) = (target?, stagings?);
        let stored = self.stored(ledger, &target, states);
        let target = match target {
            Found::Ours(secret) => Some(*secret),
            Found::Absent | Found::Foreign => None,
        };
        Ok(Sight {
            stored,
            target,
            stagings,
        })
    }

    async fn read_stagings(
        &self,
    ) -> Result<([Option<Secret>; key::SLOTS], [Slot; key::SLOTS]), Trouble> {
        let (namespace, uid) = (self.namespace(), self.uid());
        let secrets = &self.pass.engine.core.secrets;
        let names: [String; key::SLOTS] = std::array::from_fn(|slot| key::staging_name(&uid, slot));
        let reads = names.iter().map(|name| secrets.read(namespace, name));
        let mut stagings: [Option<Secret>; key::SLOTS] = Default::default();
        let mut states: [Slot; key::SLOTS] = Default::default();
        let found = futures::future::join_all(reads).await;
        for ((staging, state), read) in stagings.iter_mut().zip(&mut states).zip(found) {
            match read? {
                Found::Absent => {}
                Found::Foreign => *state = Slot::Taken,
                Found::Ours(secret) => {
                    *state = staging::decode(&secret, &uid);
                    *staging = Some(*secret);
                }
            }
        }
        Ok((stagings, states))
    }

    async fn read_target(&self, ledger: Option<&Ledger>) -> Result<Found, Trouble> {
        match key::target_name(ledger, &self.want) {
            Some(name) => {
                self.pass
                    .engine
                    .core
                    .secrets
                    .read(self.namespace(), name)
                    .await
            }
            None => Ok(Found::Absent),
        }
    }

    fn stored(&self, ledger: Option<Ledger>, target: &Found, slots: [Slot; key::SLOTS]) -> Stored {
        let target = match target {
            Found::Absent => Target::Absent,
            Found::Foreign => Target::Foreign,
            Found::Ours(secret) => match key::decode_target(secret, &self.uid(), &self.want) {
                Target::Ours(mut own) => {
                    own.stale = self.is_stale(secret);
                    Target::Ours(own)
                }
                other => other,
            },
        };
        Stored {
            uid: self.uid(),
            finalizer: crate::engine::intent::has_finalizer(&self.pass.subject.meta),
            ledger,
            target,
            slots,
            creates_refused: self.pass.memo.creates_refused,
            resource_version: self.pass.subject.version.clone(),
        }
    }

    /// Whether rendering the target anew from its own id and secret would change it.
    fn is_stale(&self, secret: &Secret) -> bool {
        let Some(rendered) = self.render_again(secret) else {
            return false;
        };
        let has = |have: Option<&BTreeMap<String, String>>, want: &BTreeMap<String, String>| {
            want.iter()
                .all(|(name, value)| have.and_then(|have| have.get(name)) == Some(value))
        };
        secret.data.as_ref() != Some(&rendered)
            || !has(secret.metadata.labels.as_ref(), &self.want.labels)
            || !has(secret.metadata.annotations.as_ref(), &self.want.annotations)
    }

    fn render_again(&self, secret: &Secret) -> Option<BTreeMap<String, ByteString>> {
        let plain = secret
            .data
            .iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect();
        let (id, secret) = K::Keys::extract(&plain)?;
        Some(bytes(K::Keys::render(
            self.desired?,
            &self.site.place,
            &id,
            &secret,
        )))
    }

    /// The user's keys, read by themselves now, with the request for a key already paid: it must not queue behind others.
    async fn list(&mut self, user_exists: bool) -> Result<Option<List>, Stop> {
        if !user_exists {
            // No user, no keys; and what never was cannot come to life any more.
            let listed = Listed {
                at: self.pass.engine.core.clock.now(),
                keys: Vec::new(),
            };
            return Ok(Some(List {
                listed,
                came: Instant::now(),
            }));
        }
        self.check_limit()?;
        let paid = self.site.cloud().reserve(2).await;
        let keys = K::Keys::list(&paid, &self.site.place).await?;
        self.paid = Some(paid);
        Ok(keys.map(List::from))
    }

    /// A pass that took too long acts on what is no longer true.
    pub(super) fn check_limit(&self) -> Result<(), Stop> {
        if self.began.elapsed() < LIMIT {
            return Ok(());
        }
        Err(Fault::transient(
            Reason::CloudUnavailable,
            "tending the access key took too long; it starts again",
        )
        .into())
    }

    /// Does one step that is a single write.
    async fn act(&mut self, sight: Sight, step: KeyStep) -> Result<(), Stop> {
        let cloud = self.site.cloud();
        let namespace = self.namespace().to_owned();
        let secrets = self.pass.engine.core.secrets.clone();
        match step {
            KeyStep::Record { ledger, note } => {
                let _ = note;
                self.record(*ledger).await?;
            }
            KeyStep::Publish { slot, mark, .. } => self.publish(sight, slot, &mark).await?,
            KeyStep::DropStaging { slot } => {
                if let Some(staging) = sight.stagings.into_iter().nth(slot).flatten() {
                    secrets.delete(&namespace, &staging).await?;
                }
            }
            KeyStep::Fence { slot } => {
                if let Some(staging) = sight.stagings.into_iter().nth(slot).flatten() {
                    secrets.replace(&namespace, &staging::void(staging)).await?;
                }
            }
            KeyStep::Delete { key } => {
                self.check_limit()?;
                K::Keys::revoke(&cloud, &self.site.place, &key).await?;
            }
            KeyStep::SetStatus { key, active } => {
                self.check_limit()?;
                K::Keys::set_active(&cloud, &self.site.place, &key, active).await?;
            }
            KeyStep::Own { mark } => {
                let owner = self.owner();
                self.rewrite(sight, |secret| Some(target::owned(secret, &owner, &mark)))
                    .await?;
            }
            KeyStep::LetGo { mark } => {
                let uid = self.uid();
                self.rewrite(sight, |secret| {
                    Some(target::let_go(secret, &uid, mark.as_deref()))
                })
                .await?;
            }
            KeyStep::Rerender { mark } => self.rerender(sight, &mark).await?,
            KeyStep::DropSecret => {
                if let Some(target) = &sight.target {
                    secrets.delete(&namespace, target).await?;
                }
            }
            KeyStep::Test { .. }
            | KeyStep::Mint { .. }
            | KeyStep::UserGoes
            | KeyStep::Wait(_)
            | KeyStep::Blocked(_)
            | KeyStep::Settled => {}
        }
        Ok(())
    }

    /// The ledger, by compare-and-set on the resource as it was read.
    pub(super) async fn record(&mut self, ledger: Ledger) -> Result<(), Trouble> {
        let mut status = self.pass.subject.status.clone();
        status.keys = Some(ledger);
        self.pass.subject.put_status(status).await.map(drop)
    }

    /// The key of a staging goes into the target.
    async fn publish(&mut self, sight: Sight, slot: usize, mark: &Mark) -> Result<(), Stop> {
        let committed = sight
            .stagings
            .get(slot)
            .and_then(|staging| staging.as_ref())
            .and_then(staging::committed);
        let (Some((id, secret)), Some(desired)) = (committed, self.desired) else {
            return Err(unrendered().into());
        };
        let data = bytes(K::Keys::render(desired, &self.site.place, &id, &secret));
        let ledger = self.pass.subject.status.keys.clone();
        let Some(name) = key::target_name(ledger.as_ref(), &self.want) else {
            return Ok(());
        };
        let is_new = sight.target.is_none();
        let encoded = key::encode_target(sight.target, name, &self.owner(), mark, data, &self.want);
        let namespace = self.namespace().to_owned();
        let secrets = &self.pass.engine.core.secrets;
        let written = match is_new {
            true => secrets.create(&namespace, &encoded).await,
            false => secrets.replace(&namespace, &encoded).await,
        };
        self.created(written.map(drop)).map_err(Stop::from)
    }

    async fn rerender(&mut self, sight: Sight, mark: &Mark) -> Result<(), Stop> {
        let data = sight
            .target
            .as_ref()
            .and_then(|secret| self.render_again(secret));
        let (owner, want) = (self.owner(), self.want.clone());
        self.rewrite(sight, |secret| {
            let name = secret.metadata.name.clone()?;
            Some(key::encode_target(
                Some(secret),
                &name,
                &owner,
                mark,
                data?,
                &want,
            ))
        })
        .await
    }

    async fn rewrite(
        &mut self,
        sight: Sight,
        change: impl FnOnce(Secret) -> Option<Secret>,
    ) -> Result<(), Stop> {
        if let Some(changed) = sight.target.and_then(change) {
            self.pass
                .engine
                .core
                .secrets
                .replace(self.namespace(), &changed)
                .await?;
        }
        Ok(())
    }

    /// A create refused because the namespace is on its way out is remembered: nothing is minted any more.
    pub(super) fn created(&mut self, written: Result<(), Trouble>) -> Result<(), Trouble> {
        if matches!(written, Err(Trouble::Terminating)) {
            self.pass.memo.creates_refused = true;
        }
        written
    }

    fn again(&mut self) -> Tended {
        self.pass.retry = Some(Duration::from_secs(1));
        self.pass.issue.get_or_insert_with(|| Issue {
            truth: Truth::False,
            reason: Reason::Minting,
            message: "a key is being made".into(),
        });
        Tended::Waiting("a key is being made".into())
    }

    fn wait(&mut self, stored: &Stored, listed: &Listed, waiting: &Waiting) -> Tended {
        let text = match waiting.until {
            Some(until) => format!("{} (until {until})", why(waiting.why)),
            None => why(waiting.why).to_owned(),
        };
        if let Some(until) = waiting.until {
            let left = until.timestamp().duration_since(listed.at);
            let left = Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1);
            self.pass.retry = Some(self.pass.retry.map_or(left, |retry| retry.min(left)));
        }
        self.tell(stored, Reason::AwaitingLostMint, &text);
        Tended::Waiting(text)
    }

    fn blocked(&mut self, stored: &Stored, by: BlockedBy) -> Tended {
        let name = self.want.secret_name.as_deref().unwrap_or_default();
        let (reason, text) = match by {
            BlockedBy::SecretNotOurs => (
                Reason::SecretNotOurs,
                format!("Secret {name} exists and was not made by this resource; rename or remove it, or choose another spec.accessKey.secretName"),
            ),
            BlockedBy::StagingNotOurs => (Reason::SecretNotOurs, "Secrets named cooper-mint-… that cooper did not make stand in the way; remove them".into()),
            BlockedBy::QuotaFull => (
                Reason::QuotaFull,
                "the user has as many access keys as the cloud allows, and none of them is cooper's to delete; delete one of them at the cloud, or set spec.exclusive: true to let cooper do it".into(),
            ),
            BlockedBy::LostKeys => (Reason::LostKeys, "the answers to three requests for a key were lost; their keys are being cleaned up first".into()),
            BlockedBy::NamespaceTerminating => (Reason::NamespaceTerminating, "the namespace is being deleted; no Secret can be made in it".into()),
        };
        self.tell(stored, reason, &text);
        Tended::Waiting(text)
    }

    fn tell_issued(&mut self, stored: &Stored) {
        self.tell(stored, Reason::Issued, "the Secret holds a live key");
    }

    /// Issued stays True while the target holds a live key, whatever else goes on.
    fn tell(&mut self, stored: &Stored, reason: Reason, text: &str) {
        if self.want.want != key::Want::Present {
            return;
        }
        let current = stored
            .ledger
            .as_ref()
            .and_then(|ledger| ledger.current.as_ref());
        let is_live = matches!(&stored.target, Target::Ours(own) if own.intact && own.mark.as_ref().map(|mark| &mark.id) == current.map(|current| &current.id));
        let truth = if current.is_some() && is_live {
            Truth::True
        } else {
            Truth::False
        };
        self.pass.issue = Some(Issue {
            truth,
            reason,
            message: text.to_owned(),
        });
    }
}

impl Sight {
    /// No Secret of ours, no ledger entry: nothing but a new user.
    fn is_bare(&self) -> bool {
        let nothing = self.stored.ledger.as_ref().is_none_or(Ledger::is_empty);
        nothing && self.target.is_none() && self.stored.slots.iter().all(|slot| *slot == Slot::Free)
    }
}

fn why(why: WaitFor) -> &'static str {
    match why {
        WaitFor::OpenMint => {
            "the answer to a request for a key was lost; whether a key was made shows later"
        }
        WaitFor::Suspect => {
            "a key may be the one whose answer was lost; it is watched before it is deleted"
        }
        WaitFor::OldKey => "the replaced key is kept for those who still use it",
        WaitFor::Held => "the replaced key is held; there is no room for a rotation",
        WaitFor::Release => "another replica may still have to see the release",
        WaitFor::LostAnswers => "several answers were lost; the next request for a key waits",
        WaitFor::Test => "the storage endpoint could not be reached to test the new key",
    }
}

pub(super) fn bytes(data: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, ByteString> {
    data.into_iter()
        .map(|(name, value)| (name, ByteString(value)))
        .collect()
}

fn gone_meanwhile() -> Fault {
    Fault::new(
        Class::Conflict,
        Reason::NotFound,
        "the user went away at the cloud in the meantime",
    )
}

fn unrendered() -> Fault {
    Fault::transient(
        Reason::ReferenceNotReady,
        "a committed key cannot be written into the Secret before all references are found again",
    )
}

/// Left of a deadline given in cloud time, counted from the list that named it.
pub(super) fn left(until: Timestamp, at: Timestamp, since: Instant) -> Duration {
    Duration::try_from(until.duration_since(at))
        .unwrap_or_default()
        .saturating_sub(since.elapsed())
}

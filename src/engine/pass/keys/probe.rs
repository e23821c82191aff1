//! The test of a new key: one signed request, after its commit and after its id stands in the ledger.

use std::time::Duration;

use super::{Desk, List, Stop, Tended, Turn, look::Sight};
use crate::engine::{
    clock::later,
    external::External,
    fault::Fault,
    key::{self, KeyStep, Nonce, TestOutcome, staging},
    keyring::{Keyring, Tested},
    reason::Reason,
};

/// Between two tests of a key while the data plane cannot be reached.
const RETRY: Duration = Duration::from_secs(15);

impl<K: External> Desk<'_, '_, K> {
    /// Tests the committed key of that slot and records what came of it.
    pub(super) async fn test(
        &mut self,
        sight: Sight,
        list: &List,
        nonce: &Nonce,
        slot: usize,
    ) -> Result<Turn, Stop> {
        let staged = sight.stagings.get(slot).and_then(Option::as_ref);
        let committed = staged.and_then(staging::committed);
        // Without what it refers to, an ending decides by itself; nothing else is tested.
        let (Some((id, secret)), Some(desired)) = (committed, self.desired) else {
            return Ok(Turn::End(self.soon()));
        };
        if let Some(why) = K::Keys::untestable(desired) {
            return Ok(Turn::End(self.untested(why)));
        }
        self.check_limit()?;
        let Tested { outcome, why } =
            K::Keys::test(&self.site.cloud(), desired, &id, &secret).await;
        drop(secret);
        let target = &self.pass.subject.target;
        tracing::info!(%target, key = %id, ?outcome, why, "signed with a new key");
        let (stored, listed) = (&sight.stored, &list.listed);
        let step = key::after_test(stored, listed, &self.want, nonce, outcome);
        if outcome == TestOutcome::NotAccepted {
            self.rejected = Some(why.clone());
        }
        self.tell(stored, listed, &step);
        let events = key::events(stored, listed, &self.want, &step);
        let turn = match step {
            KeyStep::Record { ledger, .. } => {
                self.record(*ledger).await?;
                match outcome {
                    TestOutcome::Accepted => Turn::Again,
                    TestOutcome::NotAccepted | TestOutcome::Unreachable => Turn::Afresh,
                }
            }
            KeyStep::Wait(waiting) => {
                let tended = self.wait(&waiting);
                self.pass
                    .look_again_at(later(self.pass.engine.core.clock.now(), RETRY));
                self.add(&why);
                Turn::End(tended)
            }
            _ => Turn::Afresh,
        };
        for note in events {
            self.pass.note(note);
        }
        Ok(turn)
    }

    /// What a pass that made a key which is not accepted ends with, in place of making another one at once.
    pub(super) fn rejection(&self) -> Option<Fault> {
        let why = self.rejected.as_ref()?;
        let text = format!(
            "the storage endpoint does not accept the new key ({why}); it is deleted, and another one is made later"
        );
        Some(Fault::transient(Reason::NewKeyNotAccepted, text))
    }

    fn untested(&mut self, why: String) -> Tended {
        self.add(&why);
        Tended::Waiting(why)
    }

    /// Adds to what is told of the Secret.
    fn add(&mut self, why: &str) {
        if let Some(issue) = &mut self.pass.issue {
            issue.message = format!("{}; the new key is not tested yet: {why}", issue.message);
        }
    }
}

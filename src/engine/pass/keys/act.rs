//! The steps that are a single write each.

use k8s_openapi::api::core::v1::Secret;

use super::{
    Desk, Stop,
    look::{Sight, bytes},
};
use crate::engine::{
    external::External,
    key::{self, KeyStep, Ledger, Mark, staging, target},
    keyring::Keyring,
    object::Trouble,
};

impl<K: External> Desk<'_, '_, K> {
    /// Does one step, by compare-and-set on what was read.
    pub(super) async fn act(&mut self, sight: Sight, step: KeyStep) -> Result<(), Stop> {
        let cloud = self.site.cloud();
        match step {
            KeyStep::Record { ledger, .. } => self.record(*ledger).await?,
            KeyStep::Publish { slot, mark, .. } => self.publish(sight, slot, &mark).await?,
            KeyStep::DropStaging { slot } => self.drop_staging(sight, slot).await?,
            KeyStep::Fence { slot } => self.fence(sight, slot).await?,
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
                    self.pass
                        .engine
                        .core
                        .secrets
                        .delete(self.namespace(), target)
                        .await?;
                }
            }
            // Answered before a step gets here.
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
        let staged = sight
            .stagings
            .get(slot)
            .and_then(Option::as_ref)
            .and_then(staging::committed);
        let (Some((id, secret)), Some(ledger)) = (staged, self.pass.subject.status.keys.clone())
        else {
            return Ok(());
        };
        let Some(desired) = self.desired else {
            // Let go of while what it refers to is gone: what cannot be rendered cannot be published, and an unpublished key must not stay.
            self.record(ledger.without(&mark.nonce).revoke([&id]))
                .await?;
            return Ok(());
        };
        let data = bytes(K::Keys::render(desired, &self.site.place, &id, &secret));
        let Some(name) = key::target_name(Some(&ledger), &self.want) else {
            return Ok(());
        };
        let is_new = sight.target.is_none();
        let encoded = key::encode_target(sight.target, name, &self.owner(), mark, data, &self.want);
        let secrets = &self.pass.engine.core.secrets;
        let written = if is_new {
            secrets.create(self.namespace(), &encoded).await
        } else {
            secrets.replace(self.namespace(), &encoded).await
        };
        Ok(self.created(written.map(drop))?)
    }

    async fn drop_staging(&self, sight: Sight, slot: usize) -> Result<(), Trouble> {
        match sight.stagings.into_iter().nth(slot).flatten() {
            Some(staging) => {
                self.pass
                    .engine
                    .core
                    .secrets
                    .delete(self.namespace(), &staging)
                    .await
            }
            None => Ok(()),
        }
    }

    async fn fence(&self, sight: Sight, slot: usize) -> Result<(), Trouble> {
        let Some(staging) = sight.stagings.into_iter().nth(slot).flatten() else {
            return Ok(());
        };
        let void = staging::void(staging);
        self.pass
            .engine
            .core
            .secrets
            .replace(self.namespace(), &void)
            .await
            .map(drop)
    }

    async fn rerender(&mut self, sight: Sight, mark: &Mark) -> Result<(), Trouble> {
        let data = sight
            .target
            .as_ref()
            .and_then(|secret| self.render_again(secret));
        let (owner, want) = (self.owner(), self.want.clone());
        let change = |secret: Secret| {
            let name = secret.metadata.name.clone()?;
            Some(key::encode_target(
                Some(secret),
                &name,
                &owner,
                mark,
                data?,
                &want,
            ))
        };
        self.rewrite(sight, change).await
    }

    async fn rewrite(
        &self,
        sight: Sight,
        change: impl FnOnce(Secret) -> Option<Secret>,
    ) -> Result<(), Trouble> {
        let Some(changed) = sight.target.and_then(change) else {
            return Ok(());
        };
        self.pass
            .engine
            .core
            .secrets
            .replace(self.namespace(), &changed)
            .await
            .map(drop)
    }

    /// A create refused because the namespace is on its way out is remembered: nothing is minted any more.
    pub(super) fn created(&mut self, written: Result<(), Trouble>) -> Result<(), Trouble> {
        if matches!(written, Err(Trouble::Terminating)) {
            self.pass.memo.creates_refused = true;
        }
        written
    }
}

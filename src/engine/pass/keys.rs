//! The keys of an issuer, within a pass.

use super::{Pass, Stop, present::Site};
use crate::engine::{external::External, key, outcome::Outcome};

/// What tending the keys came to.
pub(super) enum Tended {
    /// Nothing is left to do.
    Settled,
    /// The user may be deleted now, its keys go with it.
    UserGoes,
    /// Something has to pass first.
    Waiting(String),
}

impl<K: External> Pass<'_, K> {
    pub(super) async fn issue(
        &mut self,
        site: &Site<K>,
        desired: &K::Desired,
        now: &K::Remote,
        outcome: Outcome,
    ) -> Result<Outcome, Stop> {
        let _ = self
            .tend(site, Some(desired), Some(now), key::Want::Present)
            .await?;
        Ok(outcome)
    }

    pub(super) async fn tend(
        &mut self,
        _site: &Site<K>,
        _desired: Option<&K::Desired>,
        _now: Option<&K::Remote>,
        _want: key::Want,
    ) -> Result<Tended, Stop> {
        Ok(Tended::Settled)
    }
}

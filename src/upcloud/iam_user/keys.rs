//! The access key of a user, as the key protocol wants it, and the Secret that holds it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{AccessKeySpec, Desired, IamUser, KeyTest, Remote, UserPlace, UserSpec};
use crate::{
    confidential::Confidential,
    engine::{
        external::{AccountKey, Unresolved},
        fault::Fault,
        key::{self, KeyId, ListedKey, TestOutcome},
        keyring::{KeySpec, Keyring, Keys, Minted, NotMinted, Tested},
        known::Known,
        reason::Reason,
    },
    upcloud::{
        api::{AccessKey, KeyStatus, ServiceId, User},
        bucket::Bucket,
        cloud::{Seen, UpCloud},
        s3::Probe,
        secret::{self, Surroundings},
        service::{Parent, S3Endpoint},
        shape::{Local, Span},
    },
};

/// How long an old key stays usable beside the one that replaces it, if the spec does not say.
const OVERLAP: Duration = Duration::from_hours(24);

impl IamUser {
    /// What stands beside the key in the Secret; waits until the buckets and the endpoint exist.
    pub(super) fn surroundings(
        &self,
        key: &AccessKeySpec,
        username: &str,
        parent: &Parent,
        known: &Known,
    ) -> Result<Surroundings, Unresolved> {
        let mut buckets = key
            .bucket_refs
            .iter()
            .map(|local| self.bucket(local, &parent.id, known))
            .collect::<Result<Vec<_>, _>>()?;
        let bucket = if buckets.len() == 1 {
            buckets.pop()
        } else {
            None
        };
        let facts = parent.service.known();
        let endpoint: &S3Endpoint =
            facts
                .and_then(|facts| facts.endpoint.as_ref())
                .ok_or_else(|| Unresolved::Waiting {
                    reason: Reason::ReferenceNotReady,
                    message: format!(
                        "service {} has no S3 endpoint yet; the access key is made once it has one",
                        self.spec.service_ref.name
                    ),
                })?;
        let surroundings = Surroundings {
            region: parent.service.spec.region.clone(),
            endpoint: endpoint.url.clone(),
            host: endpoint.host.clone(),
            path_style: endpoint.path_style,
            bucket,
            username: username.to_owned(),
            template: key.template.clone(),
            usable: parent.service.is_usable(),
        };
        surroundings.check().map_err(|wrong| Unresolved::Refused {
            reason: Reason::InvalidSpec,
            message: format!("spec.accessKey.template: {wrong}"),
        })?;
        Ok(surroundings)
    }

    fn bucket(
        &self,
        local: &Local,
        service: &ServiceId,
        known: &Known,
    ) -> Result<String, Unresolved> {
        let bucket: Arc<Bucket> = known.named(self, &local.reference())?;
        local.at_cloud(&*bucket, service)
    }
}

fn keys_of(user: &User, seen: Seen) -> Keys {
    Keys {
        at: seen.at,
        began: seen.began,
        keys: user.access_keys.iter().map(listed).collect(),
    }
}

/// A key as the key protocol reads it. One of unknown status counts as usable, one of unknown age as of the beginning of time: it is
/// then never taken for one whose answer was lost.
fn listed(key: &AccessKey) -> ListedKey {
    ListedKey {
        id: KeyId::new(key.id.as_str()),
        active: key.status != Some(KeyStatus::Inactive),
        created_at: key.created_at.unwrap_or(Timestamp::MIN),
        last_used_at: key.last_used_at,
    }
}

/// The access keys of users.
pub struct AccessKeys;

impl Keyring<IamUser> for AccessKeys {
    const ISSUES: bool = true;
    /// Recorded to work; a third party says that it is the most, as at AWS and Dell ECS.
    const QUOTA: Option<usize> = Some(2);

    fn spec(spec: &UserSpec) -> Option<KeySpec> {
        let key = spec.access_key.as_ref()?;
        let rotation = key.rotation.clone().unwrap_or_default();
        Some(KeySpec {
            secret_name: key.secret_name.clone(),
            labels: key.labels.clone(),
            annotations: key.annotations.clone(),
            exclusive: spec.grants.exclusive,
            overlap: rotation.overlap.as_ref().map_or(OVERLAP, Span::duration),
            hold: rotation.hold,
            every: rotation.every.as_ref().map(Span::duration),
            test: key.test == KeyTest::Signed,
        })
    }

    fn undo_window(spec: &UserSpec) -> Duration {
        spec.undo_window
            .as_ref()
            .map_or(Duration::ZERO, Span::duration)
    }

    fn place(account: &AccountKey, at: &UserPlace) -> key::Place {
        key::Place {
            account: account.to_string(),
            service: at.service.to_string(),
            user: at.name.clone(),
        }
    }

    fn seen(now: &Remote) -> Option<Keys> {
        Some(keys_of(&now.user, now.seen))
    }

    fn render(
        want: &Desired,
        _: &UserPlace,
        id: &KeyId,
        secret: &Confidential,
    ) -> BTreeMap<String, Vec<u8>> {
        let surroundings = want.surroundings.as_ref();
        surroundings.map_or_else(BTreeMap::new, |around| around.render(id, secret))
    }

    fn extract(data: &BTreeMap<String, Vec<u8>>) -> Option<(KeyId, Confidential)> {
        secret::extract(data)
    }

    async fn list(cloud: &UpCloud, at: &UserPlace) -> Result<Option<Keys>, Fault> {
        let found = cloud.user_alone(&at.service, &at.name).await?;
        Ok(found.map(|(user, seen)| keys_of(&user, seen)))
    }

    async fn mint(cloud: &UpCloud, at: &UserPlace) -> Result<Minted, NotMinted> {
        let made = cloud.create_key(&at.service, &at.name).await?;
        Ok(Minted {
            id: KeyId::new(made.value.id.as_str()),
            secret: made.value.secret,
            created_at: made.value.created_at.unwrap_or(made.at),
            at: made.at,
        })
    }

    fn untestable(want: &Desired) -> Option<String> {
        let usable = want.surroundings.as_ref().is_none_or(|it| it.usable);
        (!usable).then(|| "it waits until the service is Ready".into())
    }

    async fn test(cloud: &UpCloud, want: &Desired, id: &KeyId, secret: &Confidential) -> Tested {
        let Some(around) = &want.surroundings else {
            return Tested {
                outcome: TestOutcome::Unreachable,
                why: "the spec names no service".into(),
            };
        };
        let probe = Probe {
            endpoint: &around.endpoint,
            region: &around.region,
            id,
            secret,
        };
        cloud.probe(&probe).await
    }

    async fn set_active(
        cloud: &UpCloud,
        at: &UserPlace,
        id: &KeyId,
        active: bool,
    ) -> Result<(), Fault> {
        cloud
            .set_key_active(&at.service, &at.name, id.as_str(), active)
            .await
    }

    async fn revoke(cloud: &UpCloud, at: &UserPlace, id: &KeyId) -> Result<(), Fault> {
        cloud.delete_key(&at.service, &at.name, id.as_str()).await
    }
}

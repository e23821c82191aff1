//! Users of a service, their groups, and their access keys, which stand in a user's row.

use super::{Seen, UpCloud};
use crate::{
    engine::{
        budget::Lane,
        fault::Fault,
        keyring::{NotMinted, Tested},
        shared::Fetched,
    },
    upcloud::{
        api::{AccessKey, ApiError, CreatedKey, Dated, KeyId, KeyStatus, ServiceId, User},
        s3::Probe,
    },
};

impl UpCloud {
    /// A user, from the shared list if that will do.
    pub async fn user(&self, of: &ServiceId, name: &str) -> Result<Option<(User, Seen)>, Fault> {
        if self.view.fresh {
            return self.user_alone(of, name).await;
        }
        let fetch = || async {
            let Dated { value, at } = self.api().list_users(self.view.lane, of).await?;
            let rows = value.into_iter().map(|user| (user.username.clone(), user));
            Ok::<_, Fault>(Fetched {
                at,
                rows: rows.collect(),
            })
        };
        let users = &self.shared.users;
        let (user, listing) = users.row(of, name, self.view.since, fetch).await?;
        let seen = Seen {
            at: listing.at,
            began: listing.began,
        };
        Ok(user.map(|user| (user, seen)))
    }

    /// A user, read by itself, now.
    pub async fn user_alone(
        &self,
        of: &ServiceId,
        name: &str,
    ) -> Result<Option<(User, Seen)>, Fault> {
        let began = self.shared.clock.now();
        let found = self.api().get_user(self.view.lane, of, name).await?;
        let user = found.as_ref().map(|found| found.value.clone());
        self.shared.users.put(of, name, user);
        Ok(found.map(|Dated { value, at }| (value, Seen { at, began })))
    }

    /// Makes a user.
    pub async fn create_user(&self, of: &ServiceId, name: &str) -> Result<(User, Seen), Fault> {
        let began = self.shared.clock.now();
        let Dated { value, at } = self.api().create_user(Lane::Write, of, name).await?;
        self.shared.users.put(of, name, Some(value.clone()));
        Ok((value, Seen { at, began }))
    }

    /// Puts a user into a group, which nothing shows; one that is in it is as good.
    pub async fn join(&self, of: &ServiceId, group: &str, user: &str) -> Result<(), Fault> {
        let api = self.api();
        Ok(api.add_member(Lane::Write, of, group, user).await?)
    }

    /// Takes a user out of a group; one that is not in it is as good.
    pub async fn leave(&self, of: &ServiceId, group: &str, user: &str) -> Result<(), Fault> {
        self.api()
            .remove_member(Lane::Write, of, group, user)
            .await?;
        Ok(())
    }

    /// Names of all users, read now.
    pub async fn user_names(&self, of: &ServiceId) -> Result<Vec<String>, Fault> {
        let users = self.api().list_users(self.view.lane, of).await?.value;
        Ok(users.into_iter().map(|user| user.username).collect())
    }

    /// Deletes a user and its keys.
    pub async fn delete_user(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_user(Lane::Write, of, name).await?;
        self.shared.users.put(of, name, None);
        Ok(())
    }

    /// Makes an access key: one request, never repeated.
    pub async fn create_key(
        &self,
        of: &ServiceId,
        user: &str,
    ) -> Result<Dated<CreatedKey>, NotMinted> {
        let made = self
            .api()
            .create_key(Lane::Write, of, user)
            .await
            .map_err(not_minted)?;
        let key = AccessKey {
            id: made.value.id.clone(),
            status: made.value.status.clone(),
            created_at: made.value.created_at,
            last_used_at: made.value.created_at,
        };
        self.shared
            .users
            .edit(of, user, |row| row.access_keys.push(key));
        Ok(made)
    }

    /// Tries a key at the service's S3 address.
    pub async fn probe(&self, probe: &Probe<'_>) -> Tested {
        probe
            .send(self.api().transport(), self.shared.clock.now())
            .await
    }

    /// Sets a key Active or Inactive; one that is gone is as good.
    pub async fn set_key_active(
        &self,
        of: &ServiceId,
        user: &str,
        id: &str,
        active: bool,
    ) -> Result<(), Fault> {
        let status = if active {
            KeyStatus::Active
        } else {
            KeyStatus::Inactive
        };
        let key = KeyId::from(id);
        match self
            .api()
            .modify_key(Lane::Write, of, user, &key, &status)
            .await
        {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        self.shared.users.edit(of, user, |row| {
            let keys = row.access_keys.iter_mut();
            for changed in keys.filter(|listed| listed.id == key) {
                changed.status = Some(status.clone());
            }
        });
        Ok(())
    }

    /// Deletes a key; one that is gone is as good.
    pub async fn delete_key(&self, of: &ServiceId, user: &str, id: &str) -> Result<(), Fault> {
        let key = KeyId::from(id);
        self.api().delete_key(Lane::Write, of, user, &key).await?;
        self.shared.users.edit(of, user, |row| {
            row.access_keys.retain(|kept| kept.id != key);
        });
        Ok(())
    }
}

/// Whether a key may have been made although none is in hand.
fn not_minted(error: ApiError) -> NotMinted {
    if error.certain_refusal() {
        NotMinted::Refused(error.into())
    } else {
        NotMinted::Unknown(error.into())
    }
}

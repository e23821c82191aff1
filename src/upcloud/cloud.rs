//! One UpCloud account as one pass sees it: the API, and lists that all passes share.
//!
//! Reads come from a shared list as old as the [`View`] allows, or from the API where it wants them fresh. Every write is laid over
//! the lists, so that our own create or change is never missed. Reads are paid from the view's lane, writes from their own.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    api::{
        Api, ApiError, Attachment, Bucket, CreatedKey, Dated, KeyId, KeyStatus, Network, NewPolicy,
        NewService, NewWebsite, Policy, PolicyVersion, Service, ServiceId, ServicePatch,
        StaticWebsite, User, VersionId, WebsitePatch,
    },
    document,
    service::Contents,
};
use crate::engine::{
    budget::Lane,
    clock::Clock,
    external::{Cloud, View},
    fault::Fault,
    keyring::NotMinted,
    shared::{Fetched, Listings},
};

/// The session of an account. Cheap to clone; clones share lists and budget.
#[derive(Clone)]
pub struct UpCloud {
    api: Api,
    shared: Arc<Lists>,
    view: View,
}

struct Lists {
    clock: Clock,
    services: Listings<(), Service>,
    buckets: Listings<ServiceId, Bucket>,
    users: Listings<ServiceId, User>,
    policies: Listings<ServiceId, Policy>,
}

/// When an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// By the cloud's clock: its `Date`.
    pub at: Timestamp,
    /// When, by our clock, the request began.
    pub began: Timestamp,
}

impl Cloud for UpCloud {
    fn pass(&self, view: View) -> Self {
        Self {
            view,
            ..self.clone()
        }
    }

    async fn reserve(&self, requests: u32) -> Self {
        let permit = self
            .api
            .transport()
            .budget()
            .take(Lane::Write, requests)
            .await;
        Self {
            api: self.api.prepaid(permit),
            ..self.clone()
        }
    }
}

impl UpCloud {
    /// A session over this API.
    pub fn new(api: Api, clock: Clock) -> Self {
        let view = View {
            since: clock.now(),
            fresh: false,
            deep: false,
            parting: false,
            lane: Lane::Fresh,
        };
        let shared = Lists {
            services: Listings::new(clock.clone()),
            buckets: Listings::new(clock.clone()),
            users: Listings::new(clock.clone()),
            policies: Listings::new(clock.clone()),
            clock,
        };
        Self {
            api,
            shared: Arc::new(shared),
            view,
        }
    }

    /// The API itself.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// How fresh this pass wants to see the cloud.
    pub fn view(&self) -> View {
        self.view
    }

    /// The oldest list that will do. Where the API cannot be asked for one thing, fresh means a list that begins now.
    fn since(&self) -> Timestamp {
        if self.view.fresh {
            self.shared.clock.now()
        } else {
            self.view.since
        }
    }

    /// Lists carry no date where nobody needs one; ours stands in.
    fn undated<R>(&self, rows: Vec<R>, name: impl Fn(&R) -> String) -> Fetched<R> {
        Fetched {
            at: self.shared.clock.now(),
            rows: rows.into_iter().map(|row| (name(&row), row)).collect(),
        }
    }

    // --- services

    /// The service of this id, or of this name if the id is not known. Without its users.
    pub async fn service(
        &self,
        id: Option<&ServiceId>,
        name: &str,
    ) -> Result<Option<Service>, Fault> {
        if let Some(id) = id.filter(|_| self.view.fresh) {
            let found = self.api().get_service(self.view.lane, id).await?;
            let found = found.map(|service| Service {
                users: None,
                ..service
            });
            self.shared.services.put(&(), id.as_str(), found.clone());
            return Ok(found);
        }
        let (found, _) = self
            .shared
            .services
            .look(
                &(),
                self.since(),
                || self.fetch_services(),
                |rows| match id {
                    Some(id) => rows.get(id.as_str()).cloned(),
                    None => named(rows.values(), name),
                },
            )
            .await?;
        Ok(found)
    }

    async fn fetch_services(&self) -> Result<Fetched<Service>, Fault> {
        let services = self.api().list_services(self.view.lane).await?;
        Ok(self.undated(services, |service| service.uuid.to_string()))
    }

    /// What is in a service, read now.
    pub async fn contents(&self, id: &ServiceId) -> Result<Contents, Fault> {
        let lane = self.view.lane;
        let buckets = self.api().list_buckets(lane, id).await?;
        let users = self.api().list_users(lane, id).await?.value;
        let policies = self.api().list_policies(lane, id).await?;
        let groups = self.api().list_groups(lane, id).await?;
        let roles = self.api().list_roles(lane, id).await?;
        Ok(Contents {
            buckets: buckets
                .into_iter()
                .filter(|bucket| !bucket.deleted)
                .map(|bucket| bucket.name)
                .collect(),
            users: users.into_iter().map(|user| user.username).collect(),
            policies: policies
                .into_iter()
                .filter(|policy| !policy.system)
                .map(|policy| policy.name)
                .collect(),
            groups: groups.into_iter().map(|group| group.name).collect(),
            roles: roles.into_iter().map(|role| role.name).collect(),
        })
    }

    /// Makes a service.
    pub async fn create_service(&self, new: &NewService) -> Result<Service, Fault> {
        let made = self.api().create_service(Lane::Write, new).await?;
        self.saw_service(&made);
        Ok(made)
    }

    /// Changes a service's settings.
    pub async fn modify_service(
        &self,
        id: &ServiceId,
        patch: &ServicePatch,
    ) -> Result<Service, Fault> {
        let changed = self.api().modify_service(Lane::Write, id, patch).await?;
        let changed = Service {
            users: None,
            ..changed
        };
        self.saw_service(&changed);
        Ok(changed)
    }

    /// Attaches a network.
    pub async fn attach_network(&self, id: &ServiceId, net: &Network) -> Result<Network, Fault> {
        Ok(self.api().create_network(Lane::Write, id, net).await?)
    }

    /// Detaches a network.
    pub async fn detach_network(&self, id: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_network(Lane::Write, id, name).await?;
        Ok(())
    }

    /// Begins a deletion. The service stays listed until it is gone.
    pub async fn delete_service(&self, id: &ServiceId, force: bool) -> Result<(), Fault> {
        self.api().delete_service(Lane::Write, id, force).await?;
        self.shared.buckets.forget(id);
        self.shared.users.forget(id);
        self.shared.policies.forget(id);
        Ok(())
    }

    /// Lays what a write has left over the shared list.
    pub fn saw_service(&self, service: &Service) {
        let services = &self.shared.services;
        services.put(&(), service.uuid.as_str(), Some(service.clone()));
    }

    // --- buckets

    /// A bucket.
    pub async fn bucket(&self, of: &ServiceId, name: &str) -> Result<Option<Bucket>, Fault> {
        let fetch = || async {
            let buckets = self.api().list_buckets(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(buckets, |bucket| bucket.name.clone()))
        };
        let buckets = &self.shared.buckets;
        Ok(buckets.row(of, name, self.since(), fetch).await?.0)
    }

    /// Makes a bucket.
    pub async fn create_bucket(&self, of: &ServiceId, name: &str) -> Result<Bucket, Fault> {
        let made = self.api().create_bucket(Lane::Write, of, name).await?;
        self.shared.buckets.put(of, name, Some(made.clone()));
        Ok(made)
    }

    /// Deletes a bucket with all it holds. It stays listed as deleted while it is purged.
    pub async fn delete_bucket(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_bucket(Lane::Write, of, name).await?;
        self.shared
            .buckets
            .edit(of, name, |bucket| bucket.deleted = true);
        Ok(())
    }

    // --- users and keys

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

    /// Deletes a user and its keys.
    pub async fn delete_user(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_user(Lane::Write, of, name).await?;
        self.shared.users.put(of, name, None);
        Ok(())
    }

    /// Attaches a policy to a user.
    pub async fn attach(&self, of: &ServiceId, user: &str, policy: &str) -> Result<(), Fault> {
        let api = self.api();
        api.attach_user_policy(Lane::Write, of, user, policy)
            .await?;
        self.shared.users.edit(of, user, |row| {
            row.policies.retain(|attached| attached.name != policy);
            row.policies.push(Attachment {
                name: policy.to_owned(),
                arn: None,
            });
        });
        self.count_attachment(of, policy, 1);
        Ok(())
    }

    /// Detaches a policy from a user.
    pub async fn detach(&self, of: &ServiceId, user: &str, policy: &str) -> Result<(), Fault> {
        let api = self.api();
        api.detach_user_policy(Lane::Write, of, user, policy)
            .await?;
        self.shared.users.edit(of, user, |row| {
            row.policies.retain(|attached| attached.name != policy);
        });
        self.count_attachment(of, policy, -1);
        Ok(())
    }

    fn count_attachment(&self, of: &ServiceId, policy: &str, by: i64) {
        self.shared.policies.edit(of, policy, |row| {
            if let Some(count) = &mut row.attachment_count {
                *count = count.saturating_add(by).max(0);
            }
        });
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
        let key = super::api::AccessKey {
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

    // --- policies

    /// A policy; with its document if it was read by itself.
    pub async fn policy(&self, of: &ServiceId, name: &str) -> Result<Option<Policy>, Fault> {
        let policies = &self.shared.policies;
        if self.view.fresh {
            let found = self.api().get_policy(self.view.lane, of, name).await?;
            let row = found.clone().map(|policy| Policy {
                document: None,
                ..policy
            });
            policies.put(of, name, row);
            return Ok(found);
        }
        let fetch = || async {
            let rows = self.api().list_policies(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(rows, |policy| policy.name.clone()))
        };
        Ok(policies.row(of, name, self.view.since, fetch).await?.0)
    }

    /// Makes a policy.
    pub async fn create_policy(
        &self,
        of: &ServiceId,
        name: &str,
        document: &serde_json::Value,
        description: Option<String>,
    ) -> Result<Policy, Fault> {
        let new = NewPolicy {
            name: name.to_owned(),
            document: document::encode(document),
            description,
        };
        let made = self.api().create_policy(Lane::Write, of, &new).await?;
        self.saw_policy(of, &made);
        Ok(made)
    }

    /// Deletes a policy.
    pub async fn delete_policy(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        self.api().delete_policy(Lane::Write, of, name).await?;
        self.shared.policies.put(of, name, None);
        Ok(())
    }

    /// All versions of a policy with their documents, newest first, read now.
    pub async fn versions(&self, of: &ServiceId, name: &str) -> Result<Vec<PolicyVersion>, Fault> {
        Ok(self.api().list_versions(self.view.lane, of, name).await?)
    }

    /// Puts a version in force that is there already.
    pub async fn reinstate(
        &self,
        of: &ServiceId,
        name: &str,
        version: &VersionId,
    ) -> Result<Policy, Fault> {
        let api = self.api();
        Ok(api
            .set_default_version(Lane::Write, of, name, version)
            .await?)
    }

    /// Makes a version and puts it in force.
    pub async fn renew(
        &self,
        of: &ServiceId,
        name: &str,
        document: &serde_json::Value,
    ) -> Result<PolicyVersion, Fault> {
        let document = document::encode(document);
        let api = self.api();
        Ok(api
            .create_version(Lane::Write, of, name, &document, true)
            .await?)
    }

    /// Deletes a version that is not in force.
    pub async fn delete_version(
        &self,
        of: &ServiceId,
        name: &str,
        version: &VersionId,
    ) -> Result<(), Fault> {
        self.api()
            .delete_version(Lane::Write, of, name, version)
            .await?;
        Ok(())
    }

    /// Lays what a write has left over the shared list, whose rows have no documents.
    pub fn saw_policy(&self, of: &ServiceId, policy: &Policy) {
        let row = Policy {
            document: None,
            ..policy.clone()
        };
        self.shared.policies.put(of, &policy.name, Some(row));
    }

    // --- websites

    /// The website on a domain: from the list of services, where that has websites, or else by itself.
    pub async fn website(
        &self,
        of: &ServiceId,
        domain: &str,
    ) -> Result<Option<StaticWebsite>, Fault> {
        if !self.view.fresh {
            let service = self.service(Some(of), "").await?;
            if let Some(listed) = service.and_then(|service| service.static_websites) {
                return Ok(listed.into_iter().find(|site| site.domain_name == domain));
            }
        }
        Ok(self.api().get_website(self.view.lane, of, domain).await?)
    }

    /// Makes a website.
    pub async fn create_website(
        &self,
        of: &ServiceId,
        new: &NewWebsite,
    ) -> Result<StaticWebsite, Fault> {
        let made = self.api().create_website(Lane::Write, of, new).await?;
        self.saw_website(of, &made.domain_name, Some(made.clone()));
        Ok(made)
    }

    /// Changes a website.
    pub async fn modify_website(
        &self,
        of: &ServiceId,
        domain: &str,
        patch: &WebsitePatch,
    ) -> Result<StaticWebsite, Fault> {
        let api = self.api();
        let changed = api.modify_website(Lane::Write, of, domain, patch).await?;
        self.saw_website(of, domain, Some(changed.clone()));
        Ok(changed)
    }

    /// Deletes a website.
    pub async fn delete_website(&self, of: &ServiceId, domain: &str) -> Result<(), Fault> {
        self.api().delete_website(Lane::Write, of, domain).await?;
        self.saw_website(of, domain, None);
        Ok(())
    }

    /// Corrects the website in its service's row, if that shows websites.
    fn saw_website(&self, of: &ServiceId, domain: &str, site: Option<StaticWebsite>) {
        self.shared.services.edit(&(), of.as_str(), |service| {
            if let Some(sites) = &mut service.static_websites {
                sites.retain(|listed| listed.domain_name != domain);
                sites.extend(site);
            }
        });
    }
}

/// The one of this name that is not on its way out, or else one that is: names are unique but for services under deletion.
fn named<'a>(services: impl Iterator<Item = &'a Service>, name: &str) -> Option<Service> {
    let going = |service: &&Service| {
        let state = service.operational_state.as_ref();
        state.is_some_and(super::api::OperationalState::is_leaving)
    };
    services
        .filter(|service| service.name == name)
        .min_by_key(going)
        .cloned()
}

/// Whether a key may have been made although none is in hand.
fn not_minted(error: ApiError) -> NotMinted {
    if error.certain_refusal() {
        NotMinted::Refused(error.into())
    } else {
        NotMinted::Unknown(error.into())
    }
}

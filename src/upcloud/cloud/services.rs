//! Services and their networks: reads from the list of services, writes laid over it.

use std::sync::Arc;

use super::UpCloud;
use crate::{
    engine::{
        budget::Lane,
        fault::Fault,
        shared::{Fetched, Rows},
    },
    upcloud::{
        api::{Network, NewService, OperationalState, Service, ServiceId, ServicePatch},
        service::Contents,
    },
};

impl UpCloud {
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
                    Some(id) => rows.get(id.as_str()).map(|row| Service::clone(row)),
                    None => named(rows.values().map(Arc::as_ref), name),
                },
            )
            .await?;
        Ok(found)
    }

    /// All services, by name.
    pub async fn services(&self) -> Result<Vec<Service>, Fault> {
        let fetch = || self.fetch_services();
        let all = |rows: &Rows<Service>| {
            let rows = rows.values().map(|row| Service::clone(row));
            rows.collect::<Vec<_>>()
        };
        let services = &self.shared.services;
        let (mut services, _) = services.look(&(), self.since(), fetch, all).await?;
        services.sort_by(|one, other| one.name.cmp(&other.name).then(one.uuid.cmp(&other.uuid)));
        Ok(services)
    }

    pub(super) async fn fetch_services(&self) -> Result<Fetched<Service>, Fault> {
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
        self.shared.groups.forget(id);
        self.shared.roles.forget(id);
        self.shared.domains.forget(id);
        Ok(())
    }

    /// Lays what a write has left over the shared list.
    pub fn saw_service(&self, service: &Service) {
        let services = &self.shared.services;
        services.put(&(), service.uuid.as_str(), Some(service.clone()));
    }
}

/// The one of this name that is not on its way out, or else one that is: names are unique but for services under deletion.
fn named<'a>(services: impl Iterator<Item = &'a Service>, name: &str) -> Option<Service> {
    let going = |service: &&Service| {
        let state = service.operational_state.as_ref();
        state.is_some_and(OperationalState::is_leaving)
    };
    services
        .filter(|service| service.name == name)
        .min_by_key(going)
        .cloned()
}

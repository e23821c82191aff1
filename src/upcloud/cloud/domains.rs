//! Custom domains: that they are attached stands in their service's row, whether they answer in a list of their own.

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::api::{
        CustomDomain, OperationalState, Service, ServiceDomain, ServiceDomainType, ServiceId,
    },
};

impl UpCloud {
    /// A custom domain, from the list of services or, where the view wants it fresh, by itself.
    pub async fn custom_domain(
        &self,
        of: &ServiceId,
        name: &str,
    ) -> Result<Option<CustomDomain>, Fault> {
        if !self.view.fresh
            && let Some(service) = self.service_row(of).await?
        {
            let mut domains = service.custom_domains.into_iter();
            return Ok(domains.find(|domain| domain.is(name)));
        }
        let api = self.api();
        Ok(api.get_custom_domain(self.view.lane, of, name).await?)
    }

    /// Whether a domain answers: its certificate is there. Listed once a service.
    pub async fn is_active(&self, of: &ServiceId, name: &str) -> Result<bool, Fault> {
        let fetch = || async {
            let domains = self.api().list_service_domains(self.view.lane, of).await?;
            Ok::<_, Fault>(self.undated(domains, |row| row.domain.to_ascii_lowercase()))
        };
        let (row, _) = self
            .shared
            .domains
            .row(of, name, self.since(), fetch)
            .await?;
        Ok(row.is_some_and(|row| row.active == Some(true)))
    }

    /// The row of a service in the list, without its users; also where the view wants things fresh.
    pub async fn service_row(&self, of: &ServiceId) -> Result<Option<Service>, Fault> {
        let (row, _) = self
            .shared
            .services
            .row(&(), of.as_str(), self.view.since, || self.fetch_services())
            .await?;
        Ok(row)
    }

    /// Attaches a domain. The service goes through its states again.
    pub async fn create_custom_domain(
        &self,
        of: &ServiceId,
        new: &CustomDomain,
    ) -> Result<CustomDomain, Fault> {
        let api = self.api();
        let made = api.create_custom_domain(Lane::Write, of, new).await?;
        let row = ServiceDomain {
            domain: new.domain_name.clone(),
            kind: Some(ServiceDomainType::Custom),
            active: Some(false),
            static_website_configured: None,
        };
        self.saw_domain(of, &new.domain_name, Some((made.clone(), row)));
        Ok(made)
    }

    /// Detaches a domain.
    pub async fn delete_custom_domain(&self, of: &ServiceId, name: &str) -> Result<(), Fault> {
        let api = self.api();
        api.delete_custom_domain(Lane::Write, of, name).await?;
        self.saw_domain(of, name, None);
        Ok(())
    }

    /// Lays a write over both lists.
    fn saw_domain(&self, of: &ServiceId, name: &str, now: Option<(CustomDomain, ServiceDomain)>) {
        let (domain, row) = now.unzip();
        self.shared.services.edit(&(), of.as_str(), |service| {
            service.custom_domains.retain(|listed| !listed.is(name));
            service.custom_domains.extend(domain);
            service.operational_state = Some(OperationalState::Pending);
        });
        self.shared.domains.put(of, name, row);
    }
}

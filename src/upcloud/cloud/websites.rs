//! Static websites. They have no list of their own: the row of their service shows them.

use super::UpCloud;
use crate::{
    engine::{budget::Lane, fault::Fault},
    upcloud::api::{NewWebsite, ServiceId, StaticWebsite, WebsitePatch},
};

impl UpCloud {
    /// The website on a domain: from the list of services, where that has websites, or else by itself.
    pub async fn website(
        &self,
        of: &ServiceId,
        domain: &str,
    ) -> Result<Option<StaticWebsite>, Fault> {
        if !self.view.fresh {
            let service = self.service(Some(of), "").await?;
            if let Some(listed) = service.and_then(|service| service.static_websites) {
                return Ok(listed
                    .into_iter()
                    .find(|site| site.domain_name.eq_ignore_ascii_case(domain)));
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

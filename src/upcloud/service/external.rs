//! A service at the cloud: the steps of the loop.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::{
    ObjectStorageService, ServiceFacts, ServicePlace, ServiceSpec, at_home,
    seen::{Remote, hosts, marked, messages, serves, step, taken_over, unknown, waits_for_domains},
    wanted::{Change, Desired},
};
use crate::{
    engine::{
        external::{
            Adoption, Common, Diff, External, Held, ManagementPolicy, Phase, Ref, Resolved,
            Sending, Unresolved,
        },
        fault::{Class, Fault},
        inventory::Asked,
        keyring::NoKeys,
        known::Known,
        reason::Reason,
        status::Kind,
    },
    upcloud::{
        account::Account,
        api::{ConfiguredStatus, OperationalState},
        cloud::UpCloud,
        iam_policy::IamPolicy,
        inventory,
        mark::Mark,
        shape::quiet,
    },
};

impl External for ObjectStorageService {
    type Cloud = UpCloud;
    type Account = Account;
    type Place = ServicePlace;
    type Desired = Desired;
    type Remote = Remote;
    type Change = Change;
    type Facts = ServiceFacts;
    type Keys = NoKeys;

    const REMAKE: bool = false;

    fn common(&self) -> &Common {
        &self.spec.common
    }

    fn refs(&self) -> Vec<Ref> {
        let own = self.namespace().unwrap_or_default();
        let account = self.spec.account_ref.target::<Account>(&own);
        let tenants = self.spec.allowed_namespaces.iter();
        // The policies name the service as well; of two that are deleted together one has to let go first.
        let is_going = self.metadata.deletion_timestamp.is_some();
        let bounds = tenants.filter_map(|tenant| tenant.permissions_boundary_ref.as_ref());
        let bounds = bounds.filter(|_| !is_going);
        let bounds = bounds.map(|policy| policy.reference().target::<IamPolicy>(&own));
        [account]
            .into_iter()
            .chain(bounds)
            .map(Ref::holding)
            .collect()
    }

    fn resolve(&self, known: &Known) -> Result<Resolved<Self>, Unresolved> {
        let spec = &self.spec;
        let account: Arc<Account> = known.named(self, &spec.account_ref)?;
        if account.namespace() != self.namespace() {
            at_home(self, "account")?;
        }
        let name = spec.name.clone().unwrap_or_else(|| self.name_any());
        let common = &spec.common;
        let desired = Desired {
            mark: Mark::of(self.uid(), common),
            accept: common.adoption == Adoption::IfExists
                || common.management_policy == ManagementPolicy::Observe,
            name: name.clone(),
            region: spec.region.clone(),
            state: spec.state,
            networks: spec.networks.clone(),
            labels: spec.labels.clone(),
            protection: spec.termination_protection,
            cors_origin: spec.cors_origin.clone(),
            data_plane: account.spec.data_plane.clone(),
            boundaries: self.boundaries(known),
        };
        Ok(Resolved {
            account: self.account(),
            place: ServicePlace { name },
            desired,
        })
    }

    async fn observe(
        cloud: &UpCloud,
        at: &ServicePlace,
        facts: &ServiceFacts,
    ) -> Result<Option<Remote>, Fault> {
        let Some(row) = cloud.service(facts.id.as_ref(), &at.name).await? else {
            return Ok(None);
        };
        let going = row.operational_state.as_ref();
        let going = going.is_some_and(OperationalState::is_leaving);
        let contents = if cloud.view().parting && !going {
            Some(cloud.contents(&row.uuid).await?)
        } else {
            None
        };
        let known = facts.id.as_ref() == Some(&row.uuid);
        Ok(Some(Remote {
            known,
            ran: known && facts.ran,
            serving: serves(&row, known && facts.serving),
            row,
            contents,
            cors_sent: None,
        }))
    }

    async fn create(cloud: &UpCloud, _: &ServicePlace, want: &Desired) -> Result<Remote, Fault> {
        let new = cloud.create_service(&want.first_spec()).await;
        let row = new.map_err(|fault| with_region(fault, &want.region))?;
        Ok(Remote {
            row,
            contents: None,
            cors_sent: want.cors_origin.clone(),
            known: true,
            ran: false,
            serving: false,
        })
    }

    async fn apply(
        cloud: &UpCloud,
        _: &ServicePlace,
        now: &mut Remote,
        change: &Change,
    ) -> Result<(), Fault> {
        let id = now.row.uuid.clone();
        match change {
            Change::Detach(name) => {
                cloud.detach_network(&id, name).await?;
                now.row.networks.retain(|network| network.name != *name);
                // The answer shows no state; it is pending now, and additions wait for it to settle.
                now.row.operational_state = Some(OperationalState::Pending);
                now.row.state_messages.clear();
            }
            Change::Attach(network) => {
                let attached = cloud.attach_network(&id, &network.wire()).await?;
                now.row.networks.push(attached);
                now.row.operational_state = Some(OperationalState::Pending);
                now.row.state_messages.clear();
            }
            Change::Protect(_) | Change::Set { .. } => {
                now.row = cloud.modify_service(&id, &change.patch()).await?;
                if let Change::Protect(on) = change {
                    // Answers of older recordings lack the member.
                    now.row.termination_protection.get_or_insert(*on);
                }
                if let Change::Set { cors_origin, .. } = change {
                    now.cors_sent = cors_origin.clone().or(now.cors_sent.take());
                }
            }
        }
        cloud.saw_service(&now.row);
        Ok(())
    }

    async fn delete(
        cloud: &UpCloud,
        _: &ServicePlace,
        now: &Remote,
        force: bool,
    ) -> Result<(), Fault> {
        if !now.known {
            return Err(unknown(&now.row));
        }
        cloud.delete_service(&now.row.uuid, force).await
    }

    /// Protection goes off first, for it refuses a stop, and on last.
    fn diff(want: &Desired, now: &Remote, facts: &ServiceFacts) -> Diff<Change> {
        let row = &now.row;
        if !want.may_have(row, facts) {
            return Diff {
                changes: Vec::new(),
                fixed: vec![format!(
                    "name: a service named {} exists that this resource did not make; set adoption: IfExists to take it over, or use another spec.name",
                    want.name
                )],
            };
        }
        let protected = row.termination_protection.unwrap_or(false);
        let protect = want.protection.filter(|on| *on != protected);
        let mut changes = Vec::new();
        changes.extend(protect.filter(|on| !on).map(Change::Protect));
        changes.extend(want.settings(now, facts));
        changes.extend(want.network_changes(now));
        changes.extend(protect.filter(|on| *on).map(Change::Protect));
        Diff {
            changes,
            fixed: want.fixed(row),
        }
    }

    fn facts(
        want: Option<&Desired>,
        now: &Remote,
        before: &ServiceFacts,
        _: Timestamp,
    ) -> ServiceFacts {
        let row = &now.row;
        if want.is_some_and(|want| !want.may_have(row, before)) {
            return before.clone();
        }
        let hosts = hosts(row);
        let known = before.endpoint.as_ref().map(|endpoint| &endpoint.host);
        let host = hosts.s3().or(known).cloned();
        let endpoint = host.and_then(|host| match want {
            Some(want) => Some(want.endpoint(host)),
            None => before.endpoint.clone(),
        });
        let usage = row.usage.as_ref();
        let ours: BTreeSet<_> = before.labels.iter().collect();
        let wanted = |key: &String| want.is_some_and(|want| want.labels.contains_key(key));
        let mut labels: Vec<_> = row.labels.iter().map(|label| label.key.clone()).collect();
        labels.retain(|key| ours.contains(key) || wanted(key));
        labels.sort();
        let owner = match want {
            Some(want) if want.takes_over(row, before) => None,
            Some(_) => marked(row)
                .map(str::to_owned)
                .or_else(|| before.owner.clone()),
            None => before.owner.clone(),
        };
        ServiceFacts {
            owner,
            // A name alone proves nothing once nobody wants the service any more.
            id: match want {
                Some(_) => Some(row.uuid.clone()),
                None => before.id.clone(),
            },
            region: row.region.clone(),
            state: row.operational_state.as_ref().map(ToString::to_string),
            endpoint,
            website_domain: hosts.website.or_else(|| before.website_domain.clone()),
            ran: now.ran || Self::phase(now) == Phase::Ready,
            serving: serves(row, now.serving),
            objects: quiet(usage.and_then(|usage| usage.total_objects), before.objects),
            bytes: quiet(usage.and_then(|usage| usage.total_size_bytes), before.bytes),
            boundaries: want
                .map_or_else(|| before.boundaries.clone(), |want| want.boundaries.clone()),
            labels,
            cors_origin: now.cors_sent.clone().or_else(|| before.cors_origin.clone()),
        }
    }

    /// The labels: were nobody to know that one is ours, it would stay when it is wanted no more.
    fn intends(want: &Desired, facts: &ServiceFacts, _: Sending) -> ServiceFacts {
        let noted: BTreeSet<_> = facts.labels.iter().chain(want.labels.keys()).collect();
        ServiceFacts {
            labels: noted.into_iter().cloned().collect(),
            ..facts.clone()
        }
    }

    fn phase(now: &Remote) -> Phase {
        let row = &now.row;
        let goal = match row.configured_status {
            Some(ConfiguredStatus::Stopped) => OperationalState::Stopped,
            _ => OperationalState::Running,
        };
        match &row.operational_state {
            Some(state) if state.is_leaving() => Phase::Leaving(step(row)),
            Some(state) if *state == goal => Phase::Ready,
            Some(_) if waits_for_domains(row, now.ran) => Phase::Ready,
            Some(_) if serves(row, now.serving) => Phase::Changing(step(row)),
            _ => Phase::Settling(step(row)),
        }
    }

    fn not_taken_over(now: &Remote, facts: &ServiceFacts) -> Result<(), Fault> {
        taken_over(&now.row, facts.owner.as_deref())
    }

    fn recognise(now: &mut Remote, uid: &str) {
        now.known |= marked(&now.row) == Some(uid);
    }

    fn hint(_: &Desired, now: &Remote) -> Option<String> {
        messages(&now.row).map(|messages| format!("the cloud says: {messages}"))
    }

    fn unlock(spec: Option<&ServiceSpec>, now: &Remote) -> Vec<Change> {
        if now.is_protected() && may_unlock(spec) {
            vec![Change::Protect(false)]
        } else {
            Vec::new()
        }
    }

    fn held(
        spec: Option<&ServiceSpec>,
        now: &Remote,
        _: &ServiceFacts,
        _: Timestamp,
    ) -> Option<Held> {
        let why = if !now.known {
            unknown(&now.row).message
        } else if now.is_protected() && !may_unlock(spec) {
            "termination protection is on; set spec.terminationProtection: false to let the service be deleted".into()
        } else {
            match &now.contents {
                None => "what is in the service was not read yet".into(),
                Some(contents) => contents.told()?,
            }
        };
        Some(Held { why, until: None })
    }

    fn narrows(change: &Change) -> bool {
        matches!(change, Change::Detach(_))
    }

    fn offer(&self) -> serde_json::Value {
        let facts = self.known();
        json!({
            "account": self.account(),
            "id": facts.and_then(|facts| facts.id.as_ref()),
            "region": facts.and_then(|facts| facts.region.as_ref()),
            "endpoint": facts.and_then(|facts| facts.endpoint.as_ref()),
            "usable": self.is_usable(),
            "websiteDomain": facts.and_then(|facts| facts.website_domain.as_ref()),
            "allowedNamespaces": self.spec.allowed_namespaces,
            "boundaries": facts.map(|facts| &facts.boundaries),
            // Consent to use the account is its children's as well.
            "isRefused": self.says(Kind::Resolved, Reason::ReferenceNotAllowed),
            "isLost": self.says(Kind::Ready, Reason::RemoteLost),
        })
    }

    async fn inventory(cloud: &UpCloud, asked: &Asked) -> Result<Vec<Self>, Fault> {
        inventory::services(cloud, asked).await
    }
}

fn may_unlock(spec: Option<&ServiceSpec>) -> bool {
    spec.is_some_and(|spec| spec.termination_protection == Some(false))
}

/// A region cannot be corrected in place, so the refusal of one says the way.
fn with_region(fault: Fault, region: &str) -> Fault {
    if fault.class != Class::Terminal || !fault.message.contains("region") {
        return fault;
    }
    let message = format!(
        "{}; is {region} a region of UpCloud's object storage? A region cannot be changed: delete this resource and make it anew with another",
        fault.message
    );
    Fault { message, ..fault }
}

//! What a service shall be, and the requests that make it so.

use std::{collections::BTreeMap, fmt};

use super::{
    Bound, Network, S3Endpoint, ServiceFacts, State,
    seen::{Remote, marked},
};
use crate::upcloud::{
    account::DataPlane,
    api::{self, Label, NewService, Patch, Properties, ServicePatch},
    mark::{MARK, Mark},
};

/// What a service shall be.
#[derive(Clone, Debug)]
pub struct Desired {
    pub(super) mark: Mark,
    /// One that this resource did not make is good as well.
    pub(super) accept: bool,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) state: State,
    pub(super) networks: Option<Vec<Network>>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) protection: Option<bool>,
    pub(super) cors_origin: Option<String>,
    pub(super) data_plane: DataPlane,
    pub(super) boundaries: Vec<Bound>,
}

/// One request that changes a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Termination protection on or off.
    Protect(bool),
    /// Settings in one PATCH.
    Set {
        /// Whether it runs.
        state: Option<State>,
        /// All labels that shall be there, foreign ones included.
        labels: Option<Vec<Label>>,
        /// The CORS origin.
        cors_origin: Option<String>,
    },
    /// A network off.
    Detach(String),
    /// A network on.
    Attach(Network),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protect(true) => f.write_str("switch termination protection on"),
            Self::Protect(false) => f.write_str("switch termination protection off"),
            Self::Set {
                state,
                labels,
                cors_origin,
            } => {
                let state = state.map(|state| format!("state {state:?}"));
                let labels = labels.as_ref().map(|_| "labels".to_owned());
                let cors = cors_origin.as_ref().map(|_| "CORS origin".to_owned());
                let parts: Vec<_> = [state, labels, cors].into_iter().flatten().collect();
                write!(f, "set {}", parts.join(", "))
            }
            Self::Detach(name) => write!(f, "detach network {name}"),
            Self::Attach(network) => write!(f, "attach network {}", network.name),
        }
    }
}

impl Desired {
    pub(super) fn first_spec(&self) -> NewService {
        let mark = Label {
            key: MARK.into(),
            value: self.mark.uid.clone(),
        };
        let labels = self.labels.iter().map(|(key, value)| Label {
            key: key.clone(),
            value: value.clone(),
        });
        let networks = match &self.networks {
            Some(networks) => networks.iter().map(Network::wire).collect(),
            None => vec![api::Network::public("public")],
        };
        NewService {
            name: self.name.clone(),
            region: self.region.clone(),
            configured_status: self.state.wire(),
            networks,
            labels: labels.chain([mark]).collect(),
            properties: self.cors_origin.clone().map(cors),
            termination_protection: self.protection,
        }
    }

    /// Whether this resource made it, has had it before, or may have any.
    pub(super) fn may_have(&self, row: &api::Service, facts: &ServiceFacts) -> bool {
        self.accept || marked(row) == Some(&self.mark.uid) || facts.id.as_ref() == Some(&row.uuid)
    }

    /// Whether it becomes ours now: from our mark its former owner, and who adopts it at the same time, see that it is so.
    pub(super) fn takes_over(&self, row: &api::Service, facts: &ServiceFacts) -> bool {
        self.mark.takes_over(marked(row), facts.owner.as_deref())
    }

    pub(super) fn fixed(&self, row: &api::Service) -> Vec<String> {
        let mut fixed = Vec::new();
        if row.name != self.name && !row.name.is_empty() {
            fixed.push(format!(
                "name: it is called {} at the cloud; rename it back to {} there",
                row.name, self.name
            ));
        }
        if let Some(region) = row.region.as_ref().filter(|region| **region != self.region) {
            fixed.push(format!(
                "region: the service is in {region} and cannot move; make a resource with region: {region}"
            ));
        }
        fixed
    }

    pub(super) fn settings(&self, now: &Remote, facts: &ServiceFacts) -> Option<Change> {
        let row = &now.row;
        let state = (row.configured_status != Some(self.state.wire())).then_some(self.state);
        let sent = now.cors_sent.as_ref().or(facts.cors_origin.as_ref());
        let cors_origin = self
            .cors_origin
            .clone()
            .filter(|origin| sent != Some(origin));
        let labels = self.label_change(row, facts);
        let any = state.is_some() || labels.is_some() || cors_origin.is_some();
        any.then_some(Change::Set {
            state,
            labels,
            cors_origin,
        })
    }

    /// All labels that shall be there, if something is missing, wrong or no longer wanted. The PATCH replaces them all, so foreign
    /// ones go along; UpCloud's own are left out, for the API refuses their keys.
    fn label_change(&self, row: &api::Service, facts: &ServiceFacts) -> Option<Vec<Label>> {
        let now: BTreeMap<_, _> = row
            .labels
            .iter()
            .filter(|label| !label.key.starts_with('_'))
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect();
        let mut next = now.clone();
        next.retain(|key, _| !facts.labels.contains(key));
        next.extend(self.labels.clone());
        if self.takes_over(row, facts) {
            next.insert(MARK.into(), self.mark.uid.clone());
        }
        (next != now).then(|| {
            next.into_iter()
                .map(|(key, value)| Label { key, value })
                .collect()
        })
    }

    /// Removals first; additions once the service has settled, for one request that swaps two networks makes the API fail.
    pub(super) fn network_changes(&self, now: &Remote) -> Vec<Change> {
        let row = &now.row;
        let Some(wanted) = &self.networks else {
            return Vec::new();
        };
        let extra = row
            .networks
            .iter()
            .filter(|wire| !wanted.iter().any(|want| want.is(wire)));
        let removals: Vec<_> = extra
            .map(|wire| Change::Detach(wire.name.clone()))
            .collect();
        if !removals.is_empty() || !now.is_settled() {
            return removals;
        }
        wanted
            .iter()
            .filter(|want| !row.networks.iter().any(|wire| want.is(wire)))
            .cloned()
            .map(Change::Attach)
            .collect()
    }

    pub(super) fn endpoint(&self, host: String) -> S3Endpoint {
        S3Endpoint {
            url: self.data_plane.url(&host),
            host,
            path_style: self.data_plane.host_override.is_some(),
        }
    }
}

impl Change {
    pub(super) fn patch(&self) -> ServicePatch {
        match self {
            Self::Protect(on) => ServicePatch {
                termination_protection: Some(*on),
                ..ServicePatch::default()
            },
            Self::Set {
                state,
                labels,
                cors_origin,
            } => ServicePatch {
                configured_status: state.map(State::wire),
                labels: labels.clone().map_or(Patch::Keep, Patch::Set),
                properties: cors_origin.clone().map(cors),
                ..ServicePatch::default()
            },
            Self::Detach(_) | Self::Attach(_) => ServicePatch::default(),
        }
    }
}

fn cors(origin: String) -> Properties {
    Properties {
        access_control_origin_override: Some(origin),
    }
}

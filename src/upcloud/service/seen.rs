//! A service as the cloud shows it: whose it is, what it is doing, what is in it.

use crate::{
    engine::{fault::Fault, reason::Reason},
    upcloud::api::{self, OperationalState},
};

/// Label by which a service made by a resource is found again; its value is the resource's uid.
pub(super) const MARK: &str = "cooper-uid";

/// A service as the cloud shows it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its row in the list.
    pub row: api::Service,
    /// What is in it; read only before it is deleted.
    pub contents: Option<Contents>,
    /// The CORS origin that this pass has sent.
    pub cors_sent: Option<String>,
    /// It is the one whose id stands in the facts, or was made by this pass.
    pub known: bool,
}

impl Remote {
    pub(super) fn is_protected(&self) -> bool {
        self.row.termination_protection == Some(true)
    }
}

/// Names of what is in a service and would be lost with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Buckets that are not being purged.
    pub buckets: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Policies that are not UpCloud's own.
    pub policies: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
}

impl Contents {
    /// What would be lost, in words; `None` if nothing.
    pub(super) fn told(&self) -> Option<String> {
        let groups = [
            ("bucket", &self.buckets),
            ("user", &self.users),
            ("policy", &self.policies),
            ("group", &self.groups),
            ("role", &self.roles),
        ];
        let parts: Vec<_> = groups
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| some_of(what, names))
            .collect();
        (!parts.is_empty()).then(|| {
            format!(
                "the service is not empty: {}; delete them, or set spec.deletionPolicy: Delete to delete the service with all it holds",
                parts.join(", ")
            )
        })
    }
}

fn some_of(what: &str, names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{what} {}{more}", shown.join(", "))
}

/// A service that only the name connects with a resource whose create was not answered: nothing tells here whether it arrived.
pub(super) fn unknown(row: &api::Service) -> Fault {
    let mark = row.labels.iter().find(|label| label.key == MARK);
    let made_by = match mark {
        Some(mark) => format!("made by the resource with uid {}", mark.value),
        None => "not made by cooper".into(),
    };
    Fault::terminal(
        Reason::NameTaken,
        format!(
            "a service named {} exists, {made_by}; if that is not this resource (see metadata.uid), leave it behind",
            row.name
        ),
    )
}

/// Hosts of S3 and of the service's own website: never the first entry blindly, for custom domains stand in the same list.
pub(super) fn hosts(row: &api::Service) -> (Option<String>, Option<String>) {
    let custom = |host: &str| {
        row.custom_domains
            .iter()
            .any(|domain| domain.domain_name == host)
    };
    let own = || row.endpoints.iter().filter(|end| !custom(&end.domain_name));
    let public = |end: &&api::Endpoint| end.kind == Some(api::EndpointType::Public);
    let s3 = own()
        .filter(|end| end.is_api())
        .find(public)
        .or_else(|| own().find(|end| end.is_api()));
    let website = own().find(|end| end.mode == Some(api::EndpointMode::StaticWebsite));
    let host = |end: Option<&api::Endpoint>| end.map(|end| end.domain_name.clone());
    (host(s3), host(website))
}

/// What the cloud is doing, with its own words on delays.
pub(super) fn step(row: &api::Service) -> String {
    let state = row.operational_state.as_ref();
    let state = state.map_or("unknown state", OperationalState::as_str);
    let messages: Vec<_> = row
        .state_messages
        .iter()
        .map(|message| message.message.trim_end_matches('.'))
        .filter(|message| !message.is_empty())
        .collect();
    if messages.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {}", messages.join("; "))
    }
}

//! A service as the cloud shows it: whose it is, what it is doing, what is in it.

use crate::{
    engine::{fault::Fault, reason::Reason},
    upcloud::{
        api::{self, ConfiguredStatus, OperationalState},
        mark::{self, MARK},
    },
};

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
    /// It has been seen settled since it was made.
    pub ran: bool,
    /// It has been seen running since it was last started.
    pub serving: bool,
}

impl Remote {
    /// Whether it can be used, and changed in the ways that it must be settled for.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.row.operational_state.as_ref();
        state.is_some_and(OperationalState::is_settled) || waits_for_domains(&self.row, self.ran)
    }

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

/// The uid that a service is marked with.
pub(super) fn marked(row: &api::Service) -> Option<&str> {
    let mark = row.labels.iter().find(|label| label.key == MARK)?;
    Some(mark.value.as_str()).filter(|uid| !uid.is_empty())
}

/// A service that was ours, and that a resource of another cluster has taken over since.
pub(super) fn taken_over(row: &api::Service, owner: Option<&str>) -> Result<(), Fault> {
    let what = format!("service {}", row.name);
    mark::taken_over((&what, "label"), marked(row), owner)
}

/// A service that only the name connects with a resource whose create was not answered: nothing tells here whether it arrived.
pub(super) fn unknown(row: &api::Service) -> Fault {
    let made_by = match marked(row) {
        Some(mark) => format!("made by the resource with uid {mark}"),
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

/// The service's own hosts: custom domains stand in the same list and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Where S3 answers on the internet.
    pub public: Option<String>,
    /// Where S3 answers in an attached network.
    pub private: Option<String>,
    /// Where the service's own website answers.
    pub website: Option<String>,
}

impl Hosts {
    /// The host that S3 clients are given.
    pub fn s3(&self) -> Option<&String> {
        self.public.as_ref().or(self.private.as_ref())
    }
}

/// Reads the hosts of a service out of its endpoints.
pub fn hosts(row: &api::Service) -> Hosts {
    let is_custom = |host: &str| row.custom_domains.iter().any(|domain| domain.is(host));
    let own = || {
        row.endpoints
            .iter()
            .filter(|end| !is_custom(&end.domain_name))
    };
    let is_public = |end: &&api::Endpoint| end.kind == Some(api::EndpointType::Public);
    let host = |end: Option<&api::Endpoint>| end.map(|end| end.domain_name.clone());
    let mut s3 = own().filter(|end| end.is_api());
    let mut others = own().filter(|end| end.is_api() && !is_public(end));
    let mut websites = own().filter(|end| end.mode == Some(api::EndpointMode::StaticWebsite));
    Hosts {
        public: host(s3.find(is_public)),
        private: host(others.next()),
        website: host(websites.next()),
    }
}

/// What the cloud says of domains of the service that it has no certificate for yet.
pub fn told_of_domains(row: &api::Service) -> Vec<String> {
    let messages = row.state_messages.iter();
    messages
        .filter(|message| is_of_domain(&message.code))
        .map(|message| message.message.trim_end_matches('.').to_owned())
        .collect()
}

/// Codes by which a service says that it waits for the certificate of a domain.
fn is_of_domain(code: &str) -> bool {
    matches!(
        code,
        "waiting_certificate_issuing"
            | "failed_domain_verification"
            | "failed_custom_domain_verification"
    )
}

/// Whether nothing but custom domains keeps a service from its goal. Then it can be used: what is wrong with a domain is told by the
/// domain's own resource. `ran`: it has been at its goal before, so that the certificate in question is not the service's own.
pub(super) fn waits_for_domains(row: &api::Service, ran: bool) -> bool {
    let is_up = row.operational_state == Some(OperationalState::SetupCheckup);
    let failed = |message: &api::StateMessage| message.code == "failed_custom_domain_verification";
    let messages = &row.state_messages;
    !row.custom_domains.is_empty()
        && !messages.is_empty()
        && messages.iter().all(|message| is_of_domain(&message.code))
        && (ran || (is_up && messages.iter().all(failed)))
}

/// Whether a service serves: it runs, or it did before a change that the cloud is working on. `before`: what was known of that.
pub(super) fn serves(row: &api::Service, before: bool) -> bool {
    match &row.operational_state {
        Some(OperationalState::Running) => true,
        // A word that nobody knows may mean anything.
        Some(OperationalState::Stopped | OperationalState::Other(_)) | None => false,
        Some(state) if state.is_leaving() => false,
        Some(_) => {
            before
                && row.configured_status != Some(ConfiguredStatus::Stopped)
                && hosts(row).s3().is_some()
        }
    }
}

/// What the cloud is doing, with its own words on delays.
pub(super) fn step(row: &api::Service) -> String {
    let state = row.operational_state.as_ref();
    let state = state.map_or("unknown state", OperationalState::as_str);
    match messages(row) {
        Some(messages) => format!("{state}: {messages}"),
        None => state.to_owned(),
    }
}

/// The cloud's words on troubles and delays.
pub(super) fn messages(row: &api::Service) -> Option<String> {
    let messages: Vec<_> = row
        .state_messages
        .iter()
        .map(|message| message.message.trim_end_matches('.'))
        .filter(|message| !message.is_empty())
        .collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}

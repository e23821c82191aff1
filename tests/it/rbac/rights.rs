//! The rights of a ServiceAccount, each with each, and which of them nothing was done with.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject,
};
use kube::api::{Api, ListParams};

use crate::ground::{ACCOUNT, Ground, Request, SYSTEM};

/// The ServiceAccount of the Job that lets go before the chart is uninstalled.
pub const JOB: &str = "cooper-release";

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Where; `None`: everywhere.
    pub namespace: Option<String>,
    pub group: String,
    pub resource: String,
    /// On which object; empty: on each.
    pub name: String,
    pub verb: String,
}

impl Right {
    /// Whether this request took it.
    fn covers(&self, request: &Request) -> bool {
        let is_there = self
            .namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == request.namespace);
        is_there
            && self.group == request.group
            && self.resource == request.resource
            && self.verb == request.verb
            && (self.name.is_empty() || self.name == request.name)
    }
}

/// All rights of a ServiceAccount in [`SYSTEM`].
pub async fn of(ground: &Ground, account: &str) -> Vec<Right> {
    let admin = ground.admin();
    let all = ListParams::default();
    let is_its = |subjects: Option<Vec<Subject>>| {
        subjects.into_iter().flatten().any(|subject| {
            (subject.kind.as_str(), subject.name.as_str()) == ("ServiceAccount", account)
                && subject.namespace.as_deref() == Some(SYSTEM)
        })
    };
    let cluster_roles: Api<ClusterRole> = Api::all(admin.clone());
    let mut rights = Vec::new();
    let everywhere: Api<ClusterRoleBinding> = Api::all(admin.clone());
    for binding in everywhere.list(&all).await.unwrap() {
        if is_its(binding.subjects) {
            let role = cluster_roles.get(&binding.role_ref.name).await.unwrap();
            add(&mut rights, None, role.rules);
        }
    }
    let here: Api<RoleBinding> = Api::all(admin.clone());
    for binding in here.list(&all).await.unwrap() {
        if is_its(binding.subjects) {
            assert_eq!(binding.role_ref.kind, "Role");
            let namespace = binding.metadata.namespace.unwrap();
            let roles: Api<Role> = Api::namespaced(admin.clone(), &namespace);
            let role = roles.get(&binding.role_ref.name).await.unwrap();
            add(&mut rights, Some(&namespace), role.rules);
        }
    }
    assert!(!rights.is_empty(), "{account} has no rights");
    rights
}

fn add(rights: &mut Vec<Right>, namespace: Option<&str>, rules: Option<Vec<PolicyRule>>) {
    for rule in rules.into_iter().flatten() {
        let names = rule.resource_names.unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for name in &names {
                    rights.extend(rule.verbs.iter().map(|verb| Right {
                        namespace: namespace.map(str::to_owned),
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                        verb: verb.clone(),
                    }));
                }
            }
        }
    }
}

/// Those of an account that no request with an answer below 400 took, and that are not excused.
pub fn unused(account: &str, rights: Vec<Right>, requests: &[Request]) -> Vec<Right> {
    let is_unused = |right: &Right| {
        let mut takes = requests.iter().filter(|request| right.covers(request));
        !takes.any(|request| request.code < 400) && excuse(account, right, requests).is_none()
    };
    rights.into_iter().filter(is_unused).collect()
}

/// Why a right is needed although no request with it succeeds here.
fn excuse(account: &str, right: &Right, requests: &[Request]) -> Option<&'static str> {
    if account == JOB && right.group == "upcloud.cooper.dev" && right.verb == "get" {
        return Some("a resource that somebody wrote between the list and the patch is read again");
    }
    if right.resource.ends_with("/finalizers") {
        return Some(
            "the admission plugin OwnerReferencesPermissionEnforcement, where it is on, asks for it when a Secret gets an owner",
        );
    }
    let is_check = right.namespace.as_deref() == Some(SYSTEM)
        && (right.resource.as_str(), right.verb.as_str()) == ("secrets", "create");
    let is_refused = |request: &Request| right.covers(request) && request.code == 422;
    if is_check && requests.iter().any(is_refused) {
        return Some("the operator tries it to see that the fence refuses");
    }
    None
}

/// What was asked for, with each answer and how often, for whoever reads why a test failed.
pub fn shown(requests: &[Request]) -> String {
    let mut counts = BTreeMap::new();
    for request in requests {
        let Request {
            verb,
            group,
            resource,
            code,
            ..
        } = request;
        *counts
            .entry(format!("{code} {verb} {resource}.{group}"))
            .or_insert(0) += 1;
    }
    let line = |(what, count)| format!("{count:5} {what}\n");
    counts.into_iter().map(line).collect()
}

#[test]
fn a_refused_request_does_not_count_as_use() {
    let right = |verb: &str| Right {
        namespace: None,
        group: String::new(),
        resource: "secrets".to_owned(),
        name: String::new(),
        verb: verb.to_owned(),
    };
    let request = |verb: &str, code| Request {
        verb: verb.to_owned(),
        group: String::new(),
        resource: "secrets".to_owned(),
        namespace: "a".to_owned(),
        name: "b".to_owned(),
        code,
    };
    let requests = [
        request("list", 403),
        request("watch", 200),
        request("create", 422),
    ];
    let all = vec![right("list"), right("watch"), right("create")];
    assert_eq!(
        unused(ACCOUNT, all, &requests),
        [right("list"), right("create")]
    );
}

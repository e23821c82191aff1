//! What users, groups and roles share: the rights they carry.
//!
//! Rights come as managed policies, attached by name, and as inline policies, which belong to one principal alone; a permissions
//! boundary cuts off what they may add up to. Here are the fields of the specs, what they resolve to, and, in [`rights`], how what a
//! principal has differs from what it shall have.
//!
//! An inline policy is named by its content, `<key>-<8 hexadecimal digits>`. The API has no update of one, so a changed document is
//! another name: it is made first, then the former one is deleted, without a gap and harmless when repeated; and drift shows by name
//! alone, however the cloud writes documents down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::{
    ResourceExt,
    core::{Message, Rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    access,
    api::ServiceId,
    document,
    iam_policy::IamPolicy,
    mark::Mark,
    service::{ObjectStorageService, Parent},
    shape::{Local, PolicyDocument},
};
use crate::engine::{
    external::{External, Ref, Unresolved, undescribed},
    known::{Known, Reference},
    reason::Reason,
};

pub mod begun;
pub mod rights;

pub use rights::{Bounds, Change, Grants, Has, Rights, Steps};

/// A policy to attach: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum PolicySource {
    /// An IamPolicy of the same service.
    PolicyRef(Local),
    /// A policy that UpCloud provides, such as ECSS3ReadOnlyAccess or ECSS3FullAccess.
    SystemPolicy(
        #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9_-]+$"))] String,
    ),
}

/// What a principal may do, as users write it. Part of the specs of users, groups and roles.
#[allow(
    clippy::doc_markdown,
    reason = "these lines are what `kubectl explain` prints"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantSpec {
    /// Policies to attach, each named by policyRef or systemPolicy; without any policy, nothing is allowed. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub policies: Vec<PolicySource>,
    /// Policies that belong to this resource alone: name → policy document as of AWS IAM, 6144 characters at most as it is sent. At the
    /// cloud a name is followed by 8 digits that stand for the document. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub inline_policies: BTreeMap<String, PolicyDocument>,
    /// Whether policies, attached and inline, that cooper did not put there are taken away; of a user also keys that cooper did not
    /// make. Default: false.
    #[serde(default)]
    pub exclusive: bool,
}

/// What limits and marks a principal. Part of the specs of users and roles; groups have none of it.
#[allow(
    clippy::doc_markdown,
    reason = "these lines are what `kubectl explain` prints"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundSpec {
    /// A policy, named by policyRef or systemPolicy, that nothing goes beyond: allowed is what both this and the other policies allow. It grants nothing by itself. Default:
    /// none; one that somebody else set stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<PolicySource>,
    /// Tags at the cloud. Tags that others set there stay. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50, "additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub tags: BTreeMap<String, String>,
}

/// Most characters of an inline policy's name in a spec: at the cloud it gets a dash and eight digits, and 63 is the most that is safe.
const KEY: usize = 54;

/// Names of inline policies fit the paths of the API with their digits behind them.
pub fn inline_names() -> Rule {
    let most = KEY - 2;
    Rule::new(format!(
        "!has(self.inlinePolicies) || self.inlinePolicies.all(k, k.matches('^[a-z0-9]([a-z0-9-]{{0,{most}}}[a-z0-9])?$'))"
    ))
    .message(Message::Message(format!(
        "names in inlinePolicies must be 1 to {KEY} of a-z, 0-9 and -, beginning and ending with a letter or digit"
    )))
}

/// Keys of tags fit the paths of the API.
pub fn tag_keys() -> Rule {
    Rule::new("!has(self.tags) || self.tags.all(k, k.matches('^[a-zA-Z0-9_.:=+@-]{1,128}$') && k != 'cooper-uid')")
        .message("keys in tags must be 1 to 128 of letters, digits and _.:=+@-; cooper-uid is cooper's own")
}

/// A managed policy as it is named at the cloud.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Name at the cloud.
    pub name: String,
    /// The resource that stands for it, and has its document; `None` for one of UpCloud's own.
    pub policy: Option<Arc<IamPolicy>>,
}

impl Managed {
    /// What it says, as far as cooper knows.
    pub fn document(&self) -> Option<Value> {
        match &self.policy {
            Some(policy) => policy.enforced(),
            None => access::system(&self.name),
        }
    }
}

impl PolicySource {
    fn reference(&self) -> Option<Reference> {
        match self {
            Self::PolicyRef(local) => Some(local.reference()),
            Self::SystemPolicy(_) => None,
        }
    }

    /// The policy that `child` means by this; waits until it exists at the cloud.
    pub fn managed(
        &self,
        child: &impl External,
        service: &ServiceId,
        known: &Known,
    ) -> Result<Managed, Unresolved> {
        let local = match self {
            Self::SystemPolicy(name) => {
                return Ok(Managed {
                    name: name.clone(),
                    policy: None,
                });
            }
            Self::PolicyRef(local) => local,
        };
        let policy: Arc<IamPolicy> = known.named(child, &local.reference())?;
        Ok(Managed {
            name: local.at_cloud(&*policy, service)?,
            policy: Some(policy),
        })
    }
}

/// What a principal names: its service, and the policies that it has and is bounded by.
pub fn refs(
    namespace: &str,
    service: &Reference,
    grants: &GrantSpec,
    bounds: Option<&BoundSpec>,
) -> Vec<Ref> {
    let boundary = bounds.and_then(|bounds| bounds.permissions_boundary.as_ref());
    let policies = grants
        .policies
        .iter()
        .chain(boundary)
        .filter_map(PolicySource::reference)
        .map(|policy| policy.target::<IamPolicy>(namespace))
        // One that is named twice, as policy and as boundary, is one reference.
        .collect::<BTreeSet<_>>();
    [service.target::<ObjectStorageService>(namespace)]
        .into_iter()
        .chain(policies)
        .map(Ref::holding)
        .collect()
}

/// What the rights in a spec lead to.
pub struct Given {
    /// What they stand for at the cloud.
    pub rights: Rights,
    /// The managed policies among them, the boundary included.
    managed: Vec<Managed>,
}

impl Given {
    /// What the managed policies say, by their names at the cloud. What is not known is left out.
    pub fn documents(&self) -> BTreeMap<String, Value> {
        let managed = self.managed.iter();
        managed
            .filter_map(|managed| Some((managed.name.clone(), managed.document()?)))
            .collect()
    }
}

/// What the rights in a spec lead to; waits for policies that do not exist at the cloud yet.
///
/// There is room for one boundary. Where the owner of the service bounds the namespace, it is the owner's, whatever the spec says.
pub fn resolve(
    child: &impl External,
    parent: &Parent,
    grants: &GrantSpec,
    bounds: Option<&BoundSpec>,
    known: &Known,
) -> Result<Given, Unresolved> {
    let named = |source: &PolicySource| source.managed(child, &parent.id, known);
    let attached = grants
        .policies
        .iter()
        .map(named)
        .collect::<Result<Vec<_>, _>>()?;
    let inline = grants
        .inline_policies
        .iter()
        .map(|(key, document)| inline(key, document))
        .collect::<Result<_, _>>()?;
    let forced = bounds.map_or(Ok(None), |_| forced(child, parent, known))?;
    let own = bounds.and_then(|bounds| bounds.permissions_boundary.as_ref());
    let overruled = own.is_some() && forced.is_some();
    let boundary = match forced {
        Some(policy) => Some(policy),
        None => own.map(named).transpose()?,
    };
    let rights = Rights {
        policies: attached.iter().map(|policy| policy.name.clone()).collect(),
        inline,
        overruled,
        boundary: boundary.as_ref().map(|policy| policy.name.clone()),
        tags: bounds.map(|bounds| bounds.tags.clone()).unwrap_or_default(),
        mark: bounds.map_or_else(Mark::default, |_| Mark::of(child.uid(), child.common())),
        exclusive: grants.exclusive,
    };
    let managed = attached.into_iter().chain(boundary).collect();
    Ok(Given { rights, managed })
}

/// The owner's boundary for users and roles of the child's namespace.
fn forced(
    child: &impl External,
    parent: &Parent,
    known: &Known,
) -> Result<Option<Managed>, Unresolved> {
    let namespace = child.namespace().unwrap_or_default();
    let policy = parent.boundary(&namespace, known)?;
    Ok(policy.and_then(|policy| {
        let name = policy.made()?.name.clone();
        Some(Managed {
            name,
            policy: Some(policy),
        })
    }))
}

fn inline(key: &str, document: &PolicyDocument) -> Result<(String, Value), Unresolved> {
    let document = Value::Object(document.0.clone());
    document::validate_inline(&document).map_err(|wrong| Unresolved::Refused {
        reason: Reason::InvalidSpec,
        message: format!("spec.inlinePolicies.{key}: {wrong}"),
    })?;
    Ok((rights::inline_name(key, &document), document))
}

//! Managed policies: operations 55 to 59.

use super::call::{Answer, Call, Reply};
use super::users::holds;
use super::view::Counts;
use super::{Context, is_listed, missing, quota, rules, settle, view};
use crate::choices::{Choice, Choices};
use crate::clock::whole_second;
use crate::document;
use crate::problem::Problem;
use crate::state::iam::Policy;
use crate::validate::{Check, Object};

/// Without documents.
pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let policies = service.iam.policies_in_order();
    let policies = policies.filter(|(_, policy)| is_listed(choices, now, policy.created_at));
    let counts = Counts { choices, now };
    Ok(Answer::ok(
        policies
            .map(|(name, policy)| view::policy(service, name, policy, false, counts))
            .collect(),
    ))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let members = call.json_object()?;
    let body = Object::root(&members);
    let mut check = Check::default();
    check.closed(&body, &["name", "document", "description"]);
    let name = check.required(&body, "name", &rules::POLICY_NAME);
    let document = read_document(&mut check, &body, choices);
    let description = check.optional(&body, "description", &rules::DESCRIPTION);
    let taken = holds(service.iam.policies.keys(), &name, choices);
    let taken = taken.then(|| ("(root)", format!("Policy {name} already exists.")));
    settle(check, choices, taken)?;
    let customers = service
        .iam
        .policies
        .values()
        .filter(|policy| !policy.system)
        .count();
    quota(choices, Choice::QuotaPolicies, customers)?;
    let policy = Policy::new(document, description, false, whole_second(now));
    service.iam.policies.insert(name.clone(), policy);
    show(cx, call, &name).map(|answer| Answer {
        status: 201,
        ..answer
    })
}

/// Reads the document of a policy or version and returns its normal form.
pub fn read_document(check: &mut Check, body: &Object<'_>, choices: &Choices) -> String {
    let sent = check.required(body, "document", &rules::DOCUMENT);
    let plus = choices.is(Choice::DocumentPlus, "space");
    let normal = document::normalise(&sent, plus);
    if normal.is_none() && !sent.is_empty() {
        check.note("document", "Value must be a policy document.");
    }
    normal.unwrap_or_default()
}

fn show(cx: &mut Context<'_>, call: &Call, name: &str) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let policy = service
        .iam
        .policies
        .get(name)
        .ok_or_else(Problem::not_found)?;
    let counts = Counts { choices, now };
    Ok(Answer::ok(view::policy(
        service, name, policy, true, counts,
    )))
}

pub fn get(cx: &mut Context<'_>, call: &Call) -> Reply {
    show(cx, call, call.arg(1))
}

/// PATCH sets the default version and can do nothing else. The object is open.
pub fn set_default(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let policy = customer_policy(cx, call)?;
    let members = call.json_object()?;
    let mut check = Check::default();
    let version = check.required(&Object::root(&members), "version_id", &rules::ANY);
    check.done()?;
    let number = version_number(&version).filter(|number| policy.version(*number).is_some());
    let number = number.ok_or_else(Problem::not_found)?;
    if number == policy.default && choices.is(Choice::SameDefault, "400") {
        return Err(Problem::refused(
            "version_id",
            "Value is the default version.",
        ));
    }
    policy.default = number;
    policy.updated_at = whole_second(now);
    show(cx, call, call.arg(1))
}

/// The policy that the path names, unless it is a system policy.
pub fn customer_policy<'a>(
    cx: &'a mut Context<'_>,
    call: &Call,
) -> Result<&'a mut Policy, Problem> {
    let name = call.arg(1);
    let service = call.service(cx.account)?;
    let policy = service
        .iam
        .policies
        .get_mut(name)
        .ok_or_else(Problem::not_found)?;
    if policy.system {
        return Err(Problem::refused_root(format!(
            "System policy {name} cannot be modified."
        )));
    }
    Ok(policy)
}

/// 3 of `v3`.
pub fn version_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix('v')?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The refusal of an attached policy is quoted from a client's bug report.
pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let choices = cx.choices;
    let name = call.arg(1);
    if !call.service(cx.account)?.iam.policies.contains_key(name) {
        return missing(choices);
    }
    let versions = customer_policy(cx, call)?.versions.len();
    let service = call.service(cx.account)?;
    if service.iam.is_in_use(name) {
        let namespace = service.namespace();
        return Err(Problem::refused_root(format!(
            "Iam managed policy {name} has attached subordinate entities in namespace {namespace}."
        )));
    }
    if versions > 1 && choices.is(Choice::PolicyVersions, "blocked") {
        let reason = "Cannot delete a policy with more than one version.";
        return Err(Problem::refused_root(reason));
    }
    service.iam.policies.remove(name);
    Ok(Answer::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_are_read_strictly() {
        assert_eq!(version_number("v12"), Some(12));
        for bad in ["12", "v", "v01", "v-1", "v+1", "V1", "v99999999999"] {
            assert_eq!(version_number(bad), None, "{bad}");
        }
    }
}

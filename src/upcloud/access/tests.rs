use super::*;

#[allow(
    clippy::needless_pass_by_value,
    reason = "the values are written where they are passed"
)]
fn policy(name: &'static str, statements: Value) -> Policy<'static> {
    let mut document = json!({ "Version": "2012-10-17" });
    document["Statement"] = statements;
    Policy {
        name,
        document: Some(Cow::Owned(document)),
    }
}

fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

fn deny(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Deny", "Action": [action], "Resource": [resource] })
}

fn reason(policies: Vec<Policy>, boundary: Option<Policy>) -> Option<Reason> {
    let powers = Powers { policies, boundary };
    powers.nothing().map(|nothing| nothing.reason)
}

#[test]
fn without_an_allow_there_is_no_policy() {
    assert_eq!(reason(vec![], None), Some(Reason::NoPolicy));
    let denies = policy("none", json!([deny("*", "*")]));
    assert_eq!(reason(vec![denies], None), Some(Reason::NoPolicy));
    let told = Powers::default().nothing().map(|nothing| nothing.message);
    assert!(told.is_some_and(|told| told.contains("spec.policies")));
}

#[test]
fn what_nobody_has_read_may_grant() {
    let unread = Policy {
        name: "theirs",
        document: None,
    };
    assert_eq!(reason(vec![unread.clone()], None), None);
    let broken = policy("odd", json!([{ "Effect": "Perhaps" }]));
    assert_eq!(reason(vec![broken], None), None);
    let all = || policy("all", json!([allow("s3:*", "*")]));
    assert_eq!(reason(vec![all()], Some(unread)), None);
}

#[test]
fn a_deny_voids_an_allow_if_it_covers_all_of_it() {
    let logs = "arn:aws:s3:::logs/*";
    let condition = json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } });
    let mut conditional = deny("*", "*");
    conditional["Condition"] = condition.clone();
    let mut sometimes = allow("s3:*", "*");
    sometimes["Condition"] = condition;
    let not_action = json!({ "Effect": "Deny", "NotAction": "iam:*", "Resource": "*" });
    let not_resource =
        json!({ "Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::site/*" });
    let allow_rest = json!({ "Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*" });
    let own = allow("s3:*", "arn:aws:s3:::home/${aws:username}/*");
    let own_denied = deny("s3:*", "arn:aws:s3:::home/${aws:username}/*");
    let rows = [
        (allow("s3:GetObject", logs), deny("s3:*", "*"), true),
        (allow("S3:getobject", logs), deny("s3:Get*", logs), true),
        (allow("s3:*", logs), deny("s3:GetObject", "*"), false),
        (allow("s3:*", "*"), deny("s3:*", logs), false),
        (allow("s3:Get*", logs), conditional, false),
        (sometimes, deny("s3:*", "*"), true),
        (allow("s3:GetObject", "*"), not_action.clone(), true),
        (allow("*", "*"), not_action, false),
        (allow("s3:*", logs), not_resource.clone(), true),
        (allow("s3:*", "arn:aws:s3:::s*"), not_resource, false),
        (allow_rest.clone(), deny("s3:*", "*"), false),
        (allow_rest, deny("*", "*"), true),
        (own.clone(), deny("*", "arn:aws:s3:::home/*"), true),
        (own, own_denied, false),
        (allow("s3:*", "a?"), deny("s3:*", "a*"), true),
        (allow("s3:*", "a*"), deny("s3:*", "a?"), false),
    ];
    for (allow, deny, void) in rows {
        let shown = format!("{allow} {deny}");
        let both = vec![
            policy("grants", json!([allow])),
            policy("denies", json!([deny])),
        ];
        let expected = void.then_some(Reason::ExplicitDeny);
        assert_eq!(reason(both, None), expected, "{shown}");
    }
}

#[test]
fn a_boundary_voids_what_lies_outside_it() {
    let limit =
        |action: &str, resource: &str| Some(policy("limit", json!([allow(action, resource)])));
    let (logs, site) = ("arn:aws:s3:::logs/*", "arn:aws:s3:::site/*");
    let not_action = json!([{ "Effect": "Allow", "NotAction": "s3:*", "Resource": "*" }]);
    let rows = [
        (allow("s3:*", "*"), limit("s3:GetObject", logs), false),
        (allow("s3:GetObject", logs), limit("s3:*", "*"), false),
        (allow("s3:*", logs), limit("s3:*", site), true),
        (allow("s3:*", "*"), limit("iam:*", "*"), true),
        (
            allow("s3:*", "*"),
            Some(policy("limit", json!([deny("*", "*")]))),
            true,
        ),
        (allow("s3:*", "*"), Some(policy("limit", not_action)), true),
        (
            allow("s3:*", "*"),
            Some(policy(
                "limit",
                json!([allow("s3:Get*", "*"), deny("s3:*", "*")]),
            )),
            true,
        ),
        (
            allow("s3:Get*", "*"),
            Some(policy(
                "limit",
                json!([allow("s3:*", logs), deny("s3:Get*", "arn:*")]),
            )),
            true,
        ),
        (
            allow("s3:Get*", "*"),
            Some(policy(
                "limit",
                json!([allow("s3:*", logs), deny("s3:Put*", "*")]),
            )),
            false,
        ),
    ];
    for (allow, boundary, void) in rows {
        let shown = format!("{allow} {boundary:?}");
        let expected = void.then_some(Reason::Boundary);
        let said = reason(vec![policy("grants", json!([allow]))], boundary);
        assert_eq!(said, expected, "{shown}");
    }
}

#[test]
fn the_message_names_the_policies() {
    let powers = Powers {
        policies: vec![
            policy("readers", json!([allow("s3:Get*", "*")])),
            policy("freeze", json!([deny("s3:*", "*")])),
        ],
        boundary: None,
    };
    let told = powers.nothing().unwrap().message;
    assert!(
        told.contains("all that is allowed by readers is denied by freeze"),
        "{told}"
    );
}

#[test]
fn policies_of_the_cloud_are_known_by_name() {
    let named = |name: &'static str| Policy {
        name,
        document: system(name).map(Cow::Owned),
    };
    let all = || named("ECSS3FullAccess");
    assert_eq!(
        reason(vec![named("ECSDenyAll")], None),
        Some(Reason::NoPolicy)
    );
    assert_eq!(
        reason(vec![named("ECSDenyAll"), all()], None),
        Some(Reason::ExplicitDeny)
    );
    assert_eq!(reason(vec![named("SomethingNew")], None), None);
    assert_eq!(reason(vec![all()], None), None);
}

#[test]
fn patterns_cover_and_overlap() {
    for (wide, pattern, covered) in [
        ("*", "", true),
        ("a*", "a", true),
        ("a*c", "abc", true),
        ("a*c", "a*bc", true),
        ("a*c", "ab*", false),
        ("*b*", "abc*", true),
        ("?", "*", false),
        ("?", "?", true),
        ("a", "?", false),
        ("**", "*", true),
    ] {
        assert_eq!(covers(wide, pattern), covered, "{wide} covers {pattern}");
    }
    for (one, other, common) in [
        ("a*", "*b", true),
        ("a*", "b*", false),
        ("a?c", "ab*", true),
        ("", "*", true),
        ("", "a", false),
        ("*x*", "abc", false),
        ("s3:Get*", "s3:*Object", true),
    ] {
        assert_eq!(overlap(one, other), common, "{one} and {other}");
        assert_eq!(overlap(other, one), common, "{other} and {one}");
    }
}

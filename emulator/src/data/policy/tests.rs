//! Rows of who may do what.

use serde_json::{Value, json};

use super::*;

const SERVICE: &str = "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061";

fn user(name: &str) -> Caller {
    Caller::User {
        service: SERVICE.into(),
        name: name.into(),
    }
}

fn context() -> Context {
    Context {
        source_ip: Some("192.0.2.10".parse().unwrap()),
        secure: false,
        now: "2026-02-03T10:00:00Z".parse().unwrap(),
        facts: vec![
            ("s3:prefix", "home/ann/x".into()),
            ("s3:max-keys", "100".into()),
        ],
    }
}

fn ask(caller: &Caller, action: &str, resource: &str, documents: Documents<'_>) -> Decision {
    let request = Request {
        caller,
        action,
        resource,
        context: &context(),
    };
    decide(&request, documents)
}

fn set(documents: &[Value]) -> PolicySet {
    PolicySet {
        identity: documents
            .iter()
            .map(|d| ("p".to_owned(), d.clone()))
            .collect(),
        boundary: None,
    }
}

fn statement(effect: &str, action: &Value, resource: &Value) -> Value {
    json!({"Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]})
}

#[test]
fn actions_and_resources_match_with_wildcards() {
    let object = "arn:aws:s3:::logs/2026/a.txt";
    for (action, resource, want) in [
        (json!("s3:GetObject"), json!("arn:aws:s3:::logs/*"), true),
        (json!("S3:getobject"), json!("arn:aws:s3:::logs/*"), true),
        (json!("s3:Get*"), json!("arn:aws:s3:::logs/*"), true),
        (json!("s3:Get?bject"), json!("*"), true),
        (json!("*"), json!("*"), true),
        (
            json!(["s3:PutObject", "s3:GetObject"]),
            json!(["arn:aws:s3:::x", "arn:aws:s3:::l*"]),
            true,
        ),
        (json!("s3:PutObject"), json!("*"), false),
        (json!("iam:*"), json!("*"), false),
        (json!("s3:GetObject"), json!("arn:aws:s3:::logs"), false),
        (json!("s3:GetObject"), json!("arn:aws:s3:::LOGS/*"), false),
        (
            json!("s3:GetObject"),
            json!("arn:aws:s3:::logs/*.txt"),
            true,
        ),
        (
            json!("s3:GetObject"),
            json!("arn:aws:s3:::logs/????/a.txt"),
            true,
        ),
        (json!("s3:GetObject"), json!("urn:ecs:s3:::logs/*"), true),
        (json!([]), json!("*"), false),
        (json!("s3:GetObject"), json!([]), false),
        (
            json!("s3:GetObject"),
            json!("arn:aws:s3:::${aws:username}/*"),
            false,
        ),
    ] {
        let policies = set(&[statement("Allow", &action, &resource)]);
        let documents = Documents {
            identity: Some(&policies),
            ..Documents::default()
        };
        let got = ask(&user("ann"), "s3:GetObject", object, documents);
        assert_eq!(got.allowed, want, "{action} {resource}");
        assert_eq!(got.doubt, None);
    }
}

#[test]
fn negated_members_match_the_rest() {
    for (members, action, resource, want) in [
        (
            json!({"NotAction": "iam:*", "Resource": "*"}),
            "s3:GetObject",
            "arn:aws:s3:::a/b",
            true,
        ),
        (
            json!({"NotAction": "s3:Get*", "Resource": "*"}),
            "s3:GetObject",
            "arn:aws:s3:::a/b",
            false,
        ),
        (
            json!({"Action": "*", "NotResource": "arn:aws:s3:::a/*"}),
            "s3:GetObject",
            "arn:aws:s3:::a/b",
            false,
        ),
        (
            json!({"Action": "*", "NotResource": ["arn:aws:s3:::a/*", "arn:aws:s3:::c"]}),
            "s3:GetObject",
            "arn:aws:s3:::b/b",
            true,
        ),
    ] {
        let mut statement = members.clone();
        statement["Effect"] = json!("Allow");
        let policies = set(&[json!({"Statement": statement})]);
        let documents = Documents {
            identity: Some(&policies),
            ..Documents::default()
        };
        assert_eq!(
            ask(&user("ann"), action, resource, documents).allowed,
            want,
            "{members}"
        );
    }
}

/// Identity policies, boundary, session policy, bucket policy, and what decides.
type Row<'a> = (
    &'a [Value],
    Option<&'a Value>,
    Option<&'a Value>,
    Option<&'a Value>,
    Reason,
);

#[test]
fn a_deny_wins_and_a_boundary_bounds() {
    let allow = statement("Allow", &json!("s3:*"), &json!("*"));
    let deny = statement(
        "Deny",
        &json!("s3:PutObject"),
        &json!("arn:aws:s3:::logs/*"),
    );
    let reads = statement("Allow", &json!("s3:Get*"), &json!("*"));
    let nothing = json!({"Statement": []});
    let open = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::logs/*"}});
    let closed = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::logs/*"}});
    let rows: [Row<'_>; 13] = [
        (&[], None, None, None, Reason::NoAllow),
        (
            std::slice::from_ref(&allow),
            None,
            None,
            None,
            Reason::IdentityPolicy,
        ),
        (
            std::slice::from_ref(&reads),
            None,
            None,
            None,
            Reason::NoAllow,
        ),
        (
            &[allow.clone(), deny.clone()],
            None,
            None,
            None,
            Reason::ExplicitDeny,
        ),
        (
            &[deny.clone(), allow.clone()],
            None,
            None,
            None,
            Reason::ExplicitDeny,
        ),
        (
            std::slice::from_ref(&allow),
            Some(&reads),
            None,
            None,
            Reason::Boundary,
        ),
        (
            std::slice::from_ref(&allow),
            Some(&nothing),
            None,
            None,
            Reason::Boundary,
        ),
        (
            std::slice::from_ref(&allow),
            Some(&allow),
            None,
            None,
            Reason::IdentityPolicy,
        ),
        (
            std::slice::from_ref(&reads),
            Some(&allow),
            None,
            None,
            Reason::NoAllow,
        ),
        (
            std::slice::from_ref(&allow),
            None,
            Some(&reads),
            None,
            Reason::Boundary,
        ),
        (&[], None, None, Some(&open), Reason::BucketPolicy),
        (
            std::slice::from_ref(&deny),
            None,
            None,
            Some(&open),
            Reason::ExplicitDeny,
        ),
        (
            std::slice::from_ref(&allow),
            None,
            None,
            Some(&closed),
            Reason::ExplicitDeny,
        ),
    ];
    for (at, (identity, boundary, session, bucket, want)) in rows.into_iter().enumerate() {
        let mut policies = set(identity);
        policies.boundary = boundary.cloned();
        let documents = Documents {
            identity: Some(&policies),
            session: session.map(std::slice::from_ref).unwrap_or_default(),
            bucket,
        };
        let got = ask(
            &user("ann"),
            "s3:PutObject",
            "arn:aws:s3:::logs/k",
            documents,
        );
        assert_eq!(got.reason, want, "row {at}");
        let allowed = matches!(want, Reason::BucketPolicy | Reason::IdentityPolicy);
        assert_eq!(got.allowed, allowed, "row {at}");
    }
}

#[test]
fn conditions_hold_or_do_not_or_cannot_be_told() {
    // (condition, an allow with it allows, a deny with it denies, doubt)
    for (condition, allows, denies, doubt) in [
        (json!({}), true, true, false),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            true,
            true,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.10"]}}),
            true,
            true,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/28"}}),
            true,
            true,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/29"}}),
            false,
            false,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
            true,
            true,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "::/0"}}),
            false,
            false,
            false,
        ),
        (
            json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            false,
            false,
            false,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/33"}}),
            false,
            true,
            true,
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "not an address"}}),
            false,
            true,
            true,
        ),
        (
            json!({"StringEquals": {"s3:prefix": "home/ann/x"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringEquals": {"S3:Prefix": ["a", "home/ann/x"]}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringEquals": {"s3:prefix": "home/*"}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringLike": {"s3:prefix": "home/*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringLike": {"s3:prefix": "home/${aws:username}/*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringLike": {"s3:prefix": "home/bob/*"}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringNotLike": {"s3:prefix": "home/bob/*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringNotEquals": {"s3:prefix": ["home/ann/x", "b"]}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringEqualsIgnoreCase": {"aws:username": "ANN"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringEquals": {"s3:delimiter": "/"}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringEqualsIfExists": {"s3:delimiter": "/"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringNotEquals": {"s3:delimiter": "/"}}),
            true,
            true,
            false,
        ),
        (json!({"Null": {"s3:delimiter": "true"}}), true, true, false),
        (
            json!({"Null": {"s3:delimiter": false}}),
            false,
            false,
            false,
        ),
        (json!({"Null": {"s3:prefix": "false"}}), true, true, false),
        (
            json!({"NumericLessThanEquals": {"s3:max-keys": "100"}}),
            true,
            true,
            false,
        ),
        (
            json!({"NumericLessThanEquals": {"s3:max-keys": 99}}),
            false,
            false,
            false,
        ),
        (
            json!({"NumericEquals": {"s3:max-keys": [1, 100]}}),
            true,
            true,
            false,
        ),
        (
            json!({"NumericEquals": {"s3:max-keys": "many"}}),
            false,
            true,
            true,
        ),
        (
            json!({"Bool": {"aws:SecureTransport": "false"}}),
            true,
            true,
            false,
        ),
        (
            json!({"Bool": {"aws:SecureTransport": true}}),
            false,
            false,
            false,
        ),
        (
            json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01T00:00:00Z"}}),
            true,
            true,
            false,
        ),
        (
            json!({"DateLessThan": {"aws:CurrentTime": "2026-02-03"}}),
            false,
            false,
            false,
        ),
        (
            json!({"DateGreaterThan": {"aws:EpochTime": "1700000000"}}),
            true,
            true,
            false,
        ),
        (
            json!({"DateGreaterThan": {"aws:CurrentTime": "soon"}}),
            false,
            true,
            true,
        ),
        (
            json!({"StringEquals": {"aws:PrincipalType": "User"}}),
            true,
            true,
            false,
        ),
        (
            json!({"ArnLike": {"aws:PrincipalArn": "urn:ecs:iam::*:user/a*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringEquals": {"aws:RequestTag/team": "x"}}),
            false,
            true,
            true,
        ),
        (
            json!({"StringSounds": {"s3:prefix": "x"}}),
            false,
            true,
            true,
        ),
        (
            json!({"ForAnyValue:StringLike": {"s3:prefix": "home/*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"ForAnyValue:StringNotEquals": {"s3:delimiter": "x"}}),
            false,
            false,
            false,
        ),
        (
            json!({"ForAllValues:StringEquals": {"s3:delimiter": "x"}}),
            true,
            true,
            false,
        ),
        (
            json!({"ForSomeValues:StringEquals": {"s3:prefix": "x"}}),
            false,
            true,
            true,
        ),
        (
            json!({"StringEquals": {"aws:PrincipalAccount": "12ab34cd56784e9f8a0b1c2d3e4f5061"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringLike": {"s3:prefix": "home/${aws:username}/*"}}),
            true,
            true,
            false,
        ),
        (
            json!({"StringLike": {"s3:prefix": "home/${s3:delimiter, 'ann'}/*"}}),
            true,
            true,
            false,
        ),
        (json!({"StringEquals": "x"}), false, true, true),
        (json!("x"), false, true, true),
        // All must hold; one that fails settles it, whatever cannot be told beside it.
        (
            json!({"StringLike": {"s3:prefix": "home/*"}, "Bool": {"aws:SecureTransport": "true"}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringSounds": {"s3:prefix": "x"}, "Bool": {"aws:SecureTransport": "true"}}),
            false,
            false,
            false,
        ),
        (
            json!({"StringSounds": {"s3:prefix": "x"}, "Bool": {"aws:SecureTransport": "false"}}),
            false,
            true,
            true,
        ),
    ] {
        let with = |effect: &str| json!({"Statement": [{"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}]});
        let everything = statement("Allow", &json!("*"), &json!("*"));
        let (one, two) = (set(&[with("Allow")]), set(&[everything, with("Deny")]));
        let under = |policies| Documents {
            identity: Some(policies),
            ..Documents::default()
        };
        let allowed = ask(&user("ann"), "s3:ListBucket", "arn:aws:s3:::b", under(&one));
        let denied = ask(&user("ann"), "s3:ListBucket", "arn:aws:s3:::b", under(&two));
        assert_eq!(allowed.allowed, allows, "allow {condition}");
        assert_eq!(!denied.allowed, denies, "deny {condition}");
        assert_eq!(allowed.doubt.is_some(), doubt, "doubt {condition}");
    }
}

#[test]
fn a_bucket_policy_names_its_principals() {
    let ann = "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/ann";
    let stranger = Caller::User {
        service: "12000000-0000-4000-8000-000000000000".into(),
        name: "ann".into(),
    };
    let session = Caller::Session {
        service: SERVICE.into(),
        role: "uploader".into(),
        session: "s1".into(),
    };
    // (principal, ann, bob, ann of another service, a session of uploader, anonymous)
    for (principal, want) in [
        (json!({"Principal": "*"}), [true, true, true, true, true]),
        (
            json!({"Principal": {"AWS": "*"}}),
            [true, true, true, true, true],
        ),
        (
            json!({"Principal": {"AWS": ["*"]}}),
            [true, true, true, true, true],
        ),
        (
            json!({"Principal": {"AWS": ann}}),
            [true, false, false, false, false],
        ),
        (
            json!({"Principal": {"AWS": ["x", ann]}}),
            [true, false, false, false, false],
        ),
        (
            json!({"Principal": {"AWS": "arn:aws:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/ann"}}),
            [true, false, false, false, false],
        ),
        (
            json!({"Principal": {"AWS": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:role/uploader"}}),
            [false, false, false, true, false],
        ),
        (
            json!({"Principal": {"AWS": "urn:ecs:sts::12ab34cd56784e9f8a0b1c2d3e4f5061:assumed-role/uploader/s1"}}),
            [false, false, false, true, false],
        ),
        (
            json!({"Principal": {"AWS": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:root"}}),
            [false, false, false, false, false],
        ),
        (
            json!({"Principal": {"CanonicalUser": "*"}}),
            [false, false, false, false, false],
        ),
        (
            json!({"Principal": "ann"}),
            [false, false, false, false, false],
        ),
        (
            json!({"Principal": {"AWS": "urn:ecs:iam::*:user/ann"}}),
            [false, false, false, false, false],
        ),
        (
            json!({"NotPrincipal": {"AWS": ann}}),
            [false, true, true, true, true],
        ),
        (json!({}), [false, false, false, false, false]),
    ] {
        let mut statement = principal.clone();
        statement["Effect"] = json!("Allow");
        statement["Action"] = json!("s3:GetObject");
        statement["Resource"] = json!("arn:aws:s3:::b/*");
        let document = json!({"Statement": [statement]});
        let callers = [
            user("ann"),
            user("bob"),
            stranger.clone(),
            session.clone(),
            Caller::Anonymous,
        ];
        for (caller, want) in callers.iter().zip(want) {
            let documents = Documents {
                bucket: Some(&document),
                ..Documents::default()
            };
            let got = ask(caller, "s3:GetObject", "arn:aws:s3:::b/k", documents).allowed;
            assert_eq!(got, want, "{principal} {caller:?}");
        }
    }
}

#[test]
fn a_session_gets_from_a_bucket_policy_only_what_its_session_policies_have_room_for() {
    let session = Caller::Session {
        service: SERVICE.into(),
        role: "uploader".into(),
        session: "s1".into(),
    };
    let narrow = [
        statement("Allow", &json!("s3:PutObject"), &json!("*")),
        statement("Allow", &json!("s3:ListBucket"), &json!("*")),
    ];
    for (principal, action, policies, want) in [
        (json!("*"), "s3:GetObject", &narrow[..], false),
        (json!("*"), "s3:PutObject", &narrow[..], true),
        (json!("*"), "s3:ListBucket", &narrow[..], true),
        (json!("*"), "s3:GetObject", &[], true),
        (
            json!({"AWS": "urn:ecs:sts::12ab34cd56784e9f8a0b1c2d3e4f5061:assumed-role/uploader/s1"}),
            "s3:GetObject",
            &narrow[..],
            true,
        ),
    ] {
        let document = json!({"Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": principal}]});
        let documents = Documents {
            identity: None,
            session: policies,
            bucket: Some(&document),
        };
        let got = ask(&session, action, "arn:aws:s3:::b/k", documents);
        assert_eq!(got.allowed, want, "{principal} {action}");
    }
}

#[test]
fn a_deny_to_the_account_denies_its_users() {
    let document = json!({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
        "Principal": {"AWS": "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:root"}}]});
    let all = set(&[statement("Allow", &json!("*"), &json!("*"))]);
    let documents = Documents {
        identity: Some(&all),
        bucket: Some(&document),
        session: &[],
    };
    let got = ask(&user("ann"), "s3:GetObject", "arn:aws:s3:::b/k", documents);
    assert_eq!(got.reason, Reason::ExplicitDeny);
}

#[test]
fn a_malformed_statement_never_opens_a_door() {
    for (statement, denies) in [
        (json!("x"), false),
        (json!({"Action": "*", "Resource": "*"}), false),
        (
            json!({"Effect": "allow", "Action": "*", "Resource": "*"}),
            false,
        ),
        (json!({"Effect": "Allow", "Resource": "*"}), false),
        (json!({"Effect": "Allow", "Action": "*"}), false),
        (
            json!({"Effect": "Allow", "Action": 1, "Resource": "*"}),
            false,
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}),
            false,
        ),
        (json!({"Effect": "Deny", "Resource": "*"}), true),
        (
            json!({"Effect": "Deny", "Action": {"x": 1}, "Resource": "*"}),
            true,
        ),
    ] {
        let alone = set(&[json!({"Statement": [statement]})]);
        let everything = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let beside = set(&[json!({"Statement": [everything, statement]})]);
        let under = |policies| Documents {
            identity: Some(policies),
            ..Documents::default()
        };
        let got = ask(
            &user("ann"),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            under(&alone),
        );
        assert!(!got.allowed && got.doubt.is_some(), "{statement}");
        let got = ask(
            &user("ann"),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            under(&beside),
        );
        assert_eq!(!got.allowed, denies, "{statement}");
    }
}

#[test]
fn bucket_policies_are_checked_before_they_are_kept() {
    let good = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    let with = |key: &str, value: Value| {
        let mut out = good.clone();
        out[key] = value;
        out
    };
    for (statement, want) in [
        (good.clone(), true),
        (
            with("Resource", json!(["arn:aws:s3:::b", "arn:aws:s3:::b/x/*"])),
            true,
        ),
        (with("Resource", json!("arn:aws:s3:::*")), true),
        (with("Principal", json!({"AWS": ["a", "b"]})), true),
        (with("Resource", json!("arn:aws:s3:::other/*")), false),
        (with("Resource", json!("*")), false),
        (with("Resource", json!(1)), false),
        (with("Principal", json!("ann")), false),
        (with("Principal", json!({})), false),
        (with("Principal", json!({"Who": "x"})), false),
        (with("Effect", json!("Maybe")), false),
        (with("NotAction", json!("x")), false),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}),
            false,
        ),
    ] {
        let document = json!({"Statement": [statement]});
        assert_eq!(
            validate_bucket_policy(&document, "b").is_ok(),
            want,
            "{statement}"
        );
    }
    assert!(validate_bucket_policy(&json!({"Statement": []}), "b").is_err());
    assert!(validate_bucket_policy(&json!([]), "b").is_err());
}

#[test]
fn a_bucket_is_public_without_conditions_only() {
    let open = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]});
    assert!(is_public(&open));
    let mut narrowed = open;
    narrowed["Statement"][0]["Condition"] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    assert!(!is_public(&narrowed));
}

#[test]
fn a_trust_policy_names_users_or_leaves_it_to_the_account() {
    let account = "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061";
    // (principal, caller, whether its own policies allow, whether it may)
    for (principal, caller, delegated, want) in [
        (format!("{account}:user/ci"), user("ci"), false, true),
        (format!("{account}:user/ci"), user("ann"), true, false),
        (format!("{account}:user/ci"), Caller::Anonymous, true, false),
        (format!("{account}:root"), user("ann"), true, true),
        (format!("{account}:root"), user("ann"), false, false),
    ] {
        let trust = json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": [principal]}}]});
        let request = Request {
            caller: &caller,
            action: "sts:AssumeRole",
            resource: "",
            context: &context(),
        };
        let got = trusts(&trust, &request, delegated);
        assert_eq!(got, want, "{principal} {caller:?} {delegated}");
    }
}

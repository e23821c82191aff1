use serde_json::json;

use super::*;

fn allow(action: &Value, resource: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
}

#[test]
fn every_form_of_an_answer_is_read() {
    let plain = allow(&json!("s3:*"), &json!("*"));
    for text in [
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
        "  {\n \"Version\": \"2012-10-17\",  \"Statement\": [{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}\n",
        "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D",
        "%7b%0A++++%22Version%22%3A+%222012-10-17%22%2C%0A++++%22Statement%22%3A%20%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D",
    ] {
        assert_eq!(decode(text).unwrap(), plain, "{text}");
    }
}

#[test]
fn a_plus_in_a_plain_document_stays_a_plus() {
    let document = allow(&json!("s3:GetObject"), &json!("arn:aws:s3:::a+b/*"));
    assert_eq!(decode(&text(&document)).unwrap(), document);
    assert_eq!(decode(&encode(&document)).unwrap(), document);
}

#[test]
fn what_is_no_document_is_an_error() {
    for text in ["", "not JSON", "{", "%7B", "%FF%FE", "%7B%22a%22%3A%ZZ%7D"] {
        assert_eq!(decode(text), Err(Undecodable), "{text}");
    }
}

#[test]
fn encoding_is_minified_and_leaves_only_unreserved_characters() {
    let document = json!({"Version": "2012-10-17", "Id": "a b+c~d_e.f-g*é"});
    assert_eq!(
        encode(&document),
        "%7B%22Version%22%3A%222012-10-17%22%2C%22Id%22%3A%22a%20b%2Bc~d_e.f-g%2A%C3%A9%22%7D"
    );
    assert_eq!(decode(&encode(&document)).unwrap(), document);
}

#[test]
fn documents_of_one_meaning_are_the_same() {
    let cases = [
        (
            "a string is a list of one",
            allow(&json!("s3:*"), &json!("*")),
            allow(&json!(["s3:*"]), &json!(["*"])),
        ),
        (
            "actions are a set",
            allow(&json!(["b", "a"]), &json!("*")),
            allow(&json!(["a", "b", "a"]), &json!("*")),
        ),
        (
            "resources are a set",
            allow(&json!("a"), &json!(["y", "x"])),
            allow(&json!("a"), &json!(["x", "y"])),
        ),
        (
            "keys have no order",
            json!({"Statement": [{"Resource": "*", "Action": "a", "Effect": "Deny"}], "Version": "2012-10-17"}),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "a", "Resource": "*"}]}),
        ),
        (
            "one statement is a list of one",
            json!({"Statement": {"Effect": "Allow"}}),
            json!({"Statement": [{"Effect": "Allow"}]}),
        ),
        (
            "statements have no order",
            json!({"Statement": [{"Effect": "Allow", "Action": "a"}, {"Effect": "Deny", "Action": ["b"]}]}),
            json!({"Statement": [{"Action": "b", "Effect": "Deny"}, {"Effect": "Allow", "Action": ["a"]}]}),
        ),
        (
            "condition values are sets of texts",
            json!({"Statement": [{"Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLess": {"k": [2, 1]}}}]}),
            json!({"Statement": [{"Condition": {"NumericLess": {"k": ["1", "2"]}, "Bool": {"aws:SecureTransport": ["true"]}}}]}),
        ),
        (
            "principals are sets",
            json!({"Statement": [{"Principal": {"AWS": "u"}, "NotPrincipal": "*"}]}),
            json!({"Statement": [{"NotPrincipal": "*", "Principal": {"AWS": ["u", "u"]}}]}),
        ),
    ];
    for (what, one, other) in cases {
        assert!(same(&one, &other), "{what}");
        assert_eq!(fingerprint(&one), fingerprint(&other), "{what}");
    }
}

#[test]
fn documents_of_different_meaning_are_not_the_same() {
    let base = || allow(&json!(["a", "b"]), &json!("*"));
    for (what, other) in [
        ("another action", allow(&json!(["a", "c"]), &json!("*"))),
        ("one action less", allow(&json!("a"), &json!("*"))),
        ("another resource", allow(&json!(["a", "b"]), &json!("x"))),
        ("another case", allow(&json!(["A", "b"]), &json!("*"))),
        (
            "another effect",
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["a", "b"], "Resource": "*"}]}),
        ),
        (
            "another version",
            json!({"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Action": ["a", "b"], "Resource": "*"}]}),
        ),
        (
            "a condition",
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["a", "b"], "Resource": "*", "Condition": {}}]}),
        ),
        (
            "a negation",
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": ["a", "b"], "Resource": "*"}]}),
        ),
        ("no object", json!(["a", "b"])),
    ] {
        assert!(!same(&base(), &other), "{what}");
        assert_ne!(fingerprint(&base()), fingerprint(&other), "{what}");
    }
}

#[test]
fn a_fingerprint_is_eight_hexadecimal_digits() {
    let name = fingerprint(&allow(&json!("s3:*"), &json!("*")));
    assert!(
        name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{name}"
    );
}

#[test]
fn good_documents_pass() {
    let good = [
        allow(&json!("s3:*"), &json!("*")),
        allow(
            &json!(["s3:Get*", "s3:List*"]),
            &json!(["arn:aws:s3:::a", "arn:aws:s3:::a/*"]),
        ),
        json!({"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "s", "Effect": "Deny", "NotAction": "a", "NotResource": "b",
               "Condition": {"StringEquals": {"k": "v"}, "Bool": {"b": true}, "NumericLessThan": {"n": [1, "2"]}}}}),
    ];
    for document in good {
        assert_eq!(validate(&document), Ok(()), "{document}");
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["u"]}}]});
    assert_eq!(validate_trust(&trust), Ok(()));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let with = |member: &str, value: Value| {
        let mut document = allow(&json!("a"), &json!("*"));
        document["Statement"][0][member] = value;
        document
    };
    let without = |member: &str| {
        let mut document = allow(&json!("a"), &json!("*"));
        document["Statement"][0]
            .as_object_mut()
            .unwrap()
            .remove(member);
        document
    };
    for (document, words) in [
        (json!("text"), "must be an object"),
        (json!({"Statement": []}), "Version is missing"),
        (
            json!({"Version": "2012-10-18", "Statement": []}),
            "Version must be \"2012-10-17\"",
        ),
        (json!({"Version": "2012-10-17"}), "Statement is missing"),
        (
            json!({"Version": "2012-10-17", "Statement": []}),
            "Statement must not be empty",
        ),
        (
            json!({"Version": "2012-10-17", "Statement": ["x"]}),
            "Statement[0] must be an object",
        ),
        (
            json!({"Version": "2012-10-17", "statement": []}),
            "unknown member \"statement\"",
        ),
        (
            with("Effect", json!("allow")),
            "Statement[0].Effect must be \"Allow\" or \"Deny\"",
        ),
        (without("Effect"), "Statement[0].Effect is missing"),
        (without("Action"), "Statement[0].Action is missing"),
        (without("Resource"), "Statement[0].Resource is missing"),
        (
            with("Action", json!([])),
            "Statement[0].Action must be text or a list of texts",
        ),
        (
            with("Action", json!(["a", 1])),
            "Statement[0].Action must be text",
        ),
        (
            with("NotAction", json!("b")),
            "has both Action and NotAction",
        ),
        (
            with("Actions", json!("b")),
            "Statement[0] has an unknown member \"Actions\"",
        ),
        (
            with("Principal", json!("*")),
            "unknown member \"Principal\"",
        ),
        (
            with("Condition", json!({"Bool": true})),
            "Statement[0].Condition must be an object",
        ),
        (
            with("Condition", json!({"StringEquals": {"k": {"k": "v"}}})),
            "then a value or a list of values",
        ),
        (
            with("Condition", json!({"StringEquals": {"k": [["v"]]}})),
            "then a value or a list of values",
        ),
        (with("Sid", json!(1)), "Statement[0].Sid must be text"),
        (with("Action", json!("a".repeat(6200))), "at most 6144"),
    ] {
        let complaint = validate(&document).unwrap_err();
        assert!(complaint.contains(words), "{words:?} in {complaint:?}");
    }
}

#[test]
fn a_message_about_a_long_name_still_says_what_is_allowed() {
    let mut document = allow(&json!("a"), &json!("*"));
    document["n".repeat(300_000)] = json!(1);
    let complaint = validate(&document).unwrap_err();
    assert!(complaint.ends_with("allowed are Version, Id, Statement"));
    assert!(complaint.len() < 300, "{} bytes", complaint.len());
}

#[test]
fn a_trust_policy_names_a_principal_and_no_resource() {
    let trust = |members: Value| {
        let mut document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]});
        let statement = document["Statement"][0].as_object_mut().unwrap();
        statement.extend(members.as_object().unwrap().clone());
        document
    };
    for (members, words) in [
        (json!({}), "Principal is missing"),
        (
            json!({"Principal": "somebody"}),
            "Principal must be \"*\" or an object",
        ),
        (json!({"Principal": {}}), "Principal must be"),
        (
            json!({"Principal": {"AWS": {"AWS": "*"}}}),
            "Principal must be",
        ),
        (
            json!({"Principal": "*", "Resource": "*"}),
            "unknown member \"Resource\"",
        ),
    ] {
        let complaint = validate_trust(&trust(members)).unwrap_err();
        assert!(complaint.contains(words), "{words:?} in {complaint:?}");
    }
}

#[test]
fn the_limit_counts_what_is_sent() {
    let sized = |size: usize| allow(&json!("a"), &json!("x".repeat(size)));
    let overhead = encode(&sized(0)).len();
    assert!(validate(&sized(LIMIT - overhead)).is_ok() || overhead == 0);
    assert!(validate(&sized(LIMIT - overhead + 1)).is_err());
}

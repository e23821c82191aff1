//! Policy documents: the one place where a spec may hold any JSON.

use serde_json::{Value, json};

use super::draft::{Case, Draft, Expect, RAW};
use super::words::nested;
use crate::admission::schema::{Node, Step};

/// What makes the document a bad one, where the document stands.
struct Bad {
    about: String,
    document: Value,
    /// What stands at [`RAW`].
    raw: Vec<u8>,
    expect: Expect,
}

/// Places of the kind that take a document.
fn places(case: &Case) -> Vec<Node> {
    let all = case.places("spec").into_iter();
    all.filter(|node| node.schema["x-kubernetes-preserve-unknown-fields"] == true)
        .collect()
}

pub fn documents(case: &Case) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for node in places(case) {
        let is_trust = node.steps.contains(&Step::Field("trust".to_owned()));
        for bad in shapes(is_trust)
            .into_iter()
            .chain(depths(is_trust))
            .chain(sizes())
        {
            let about = format!("{} {}", node.path(), bad.about);
            let object = case.with(&node.steps, &bad.document);
            drafts.push(Draft::raw(about, &object, &bad.raw, bad.expect));
        }
    }
    drafts
}

/// One that has to be explained.
fn bad(about: &str, document: Value) -> Bad {
    Bad {
        about: about.to_owned(),
        document,
        raw: b"null".to_vec(),
        expect: Expect::Explained,
    }
}

/// The good one of its sort.
fn good(is_trust: bool) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]});
    if is_trust {
        statement =
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["*"]}});
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn shapes(is_trust: bool) -> Vec<Bad> {
    let whole = |field: &str, value: Value| {
        let mut document = good(is_trust);
        document[field] = value;
        document
    };
    let mut all = vec![
        bad("lacks everything", json!({"a": 1})),
        bad(
            "has a version that is a number",
            whole("Version", json!(20_121_017)),
        ),
        bad(
            "has a version of the future",
            whole("Version", json!("2099-01-01")),
        ),
        bad(
            "has no version",
            json!({"Statement": good(is_trust)["Statement"]}),
        ),
        bad("has no statement", json!({"Version": "2012-10-17"})),
        bad(
            "has statements that are text",
            whole("Statement", json!("Allow")),
        ),
        bad("has no statements", whole("Statement", json!([]))),
        bad(
            "has a statement that is null",
            whole("Statement", json!([null])),
        ),
        bad(
            "has a list of statements in a list",
            whole("Statement", json!([[good(is_trust)]])),
        ),
        bad("is null within", whole("Statement", json!(RAW))),
        bad(
            "has a member of JavaScript",
            whole("__proto__", json!({"Effect": "Allow"})),
        ),
    ];
    all.extend(statements(is_trust));
    all
}

fn statements(is_trust: bool) -> Vec<Bad> {
    let within = |field: &str, value: Value| {
        let mut document = good(is_trust);
        document["Statement"][0][field] = value;
        document
    };
    let mut all = vec![
        bad(
            "has an effect in lower case",
            within("Effect", json!("allow")),
        ),
        bad(
            "has an effect with a blank",
            within("Effect", json!("Allow ")),
        ),
        bad(
            "has an effect with a homoglyph",
            within("Effect", json!("\u{410}llow")),
        ),
        bad(
            "has both effects",
            within("Effect", json!(["Allow", "Deny"])),
        ),
        bad("has an action that is a number", within("Action", json!(7))),
        bad("has no actions", within("Action", json!([]))),
        bad("has an empty action", within("Action", json!([""]))),
        bad(
            "has actions in actions",
            within("Action", json!([["s3:*"]])),
        ),
        bad(
            "says both what and what not",
            within("NotAction", json!("s3:*")),
        ),
        bad(
            "has conditions that are a list",
            within("Condition", json!([])),
        ),
        bad(
            "has an operator that is text",
            within("Condition", json!({"StringEquals": "x"})),
        ),
        bad(
            "has a condition within a condition",
            within("Condition", json!({"Bool": {"a": {"b": "c"}}})),
        ),
        bad("has a member of nobody", within("Effekt", json!("Deny"))),
    ];
    all.push(if is_trust {
        bad(
            "has a resource where none may be",
            within("Resource", json!("*")),
        )
    } else {
        bad(
            "has a principal where none may be",
            within("Principal", json!("*")),
        )
    });
    if is_trust {
        all.push(bad(
            "has nobody as principal",
            within("Principal", json!({})),
        ));
        all.push(bad(
            "has a principal within a principal",
            within("Principal", json!({"AWS": {"AWS": "*"}})),
        ));
    }
    all
}

/// Documents within documents: a reader has to stop somewhere.
fn depths(is_trust: bool) -> Vec<Bad> {
    let mut all = Vec::new();
    for levels in [20, 100, 119, 125, 130, 300, 5000] {
        for (place, open, close) in [
            ("Statement", "[", "]"),
            ("Condition", "{\"a\":", "}"),
            ("Action", "[", "]"),
        ] {
            let mut document = good(is_trust);
            if place == "Statement" {
                document[place] = json!(RAW);
            } else {
                document["Statement"][0][place] = json!(RAW);
            }
            all.push(Bad {
                about: format!("has {levels} levels in its {place}"),
                document,
                raw: nested(levels, open, close),
                expect: Expect::Explained,
            });
        }
    }
    all
}

fn sizes() -> Vec<Bad> {
    let many = |count: usize, letters: usize| {
        let statement = json!({"Sid": "a".repeat(letters), "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": vec![statement; count]})
    };
    let mut keys = json!({"Version": "2012-10-17"});
    for n in 0..17 {
        keys[format!("k{n}")] = json!(1);
    }
    vec![
        bad("has 6000 statements", many(6000, 10)),
        bad("has a name of 900 kB", many(1, 900_000)),
        bad("has more members than may be", keys),
        bad("has a member of 300 kB", json!({"a".repeat(300_000): 1})),
        bad(
            "has a member of control characters",
            json!({"\u{7}\u{202e}\n\u{0}": 1}),
        ),
    ]
}

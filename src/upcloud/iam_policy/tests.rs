use super::*;

fn document(action: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }],
    })
}

fn wanted(action: &str) -> Desired {
    Desired {
        description: None,
        document: document(action),
        keep: 2,
    }
}

fn version(number: u32, action: &str, is_default: bool) -> PolicyVersion {
    serde_json::from_value(json!({
        "version_id": format!("v{number}"),
        "is_default": is_default,
        "document": document::encode(&document(action)),
        "created_at": "2026-02-03T09:31:00Z",
    }))
    .unwrap()
}

/// A row of the list, which has no document.
fn listed(version: &str) -> Remote {
    Remote {
        row: serde_json::from_value(json!({
            "name": "readers",
            "default_version_id": version,
            "attachment_count": 0,
            "created_at": "2026-02-03T09:30:00Z",
        }))
        .unwrap(),
        document: None,
        versions: None,
    }
}

impl Remote {
    fn with(mut self, versions: Vec<PolicyVersion>) -> Self {
        self.take(versions);
        self
    }

    fn attached(mut self, count: i64) -> Self {
        self.row.attachment_count = Some(count);
        self
    }
}

fn facts(now: &Remote, before: &PolicyFacts) -> PolicyFacts {
    IamPolicy::facts(None, now, before, Timestamp::UNIX_EPOCH)
}

fn changes(want: &Desired, now: &Remote, facts: &PolicyFacts) -> Vec<String> {
    let diff = IamPolicy::diff(want, now, facts);
    diff.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_document_of_the_same_meaning_needs_nothing() {
    let mut now = listed("v1");
    now.document = Some(json!({
        "Statement": { "Resource": ["*"], "Action": ["s3:GetObject"], "Effect": "Allow" },
        "Version": "2012-10-17",
    }));
    assert!(changes(&wanted("s3:GetObject"), &now, &PolicyFacts::default()).is_empty());
}

#[test]
fn a_listed_version_that_is_known_need_not_be_read() {
    let read = listed("v1").with(vec![version(1, "s3:GetObject", true)]);
    let known = facts(&read, &PolicyFacts::default());
    assert!(known.know(&listed("v1").row));
    assert!(changes(&wanted("s3:GetObject"), &listed("v1"), &known).is_empty());
    assert_eq!(facts(&listed("v1"), &known), known);
}

#[test]
fn a_listed_version_that_is_not_known_must_be_read() {
    let read = listed("v1").with(vec![version(1, "s3:GetObject", true)]);
    let known = facts(&read, &PolicyFacts::default());
    assert!(!known.know(&listed("v2").row));
    let mut remade = listed("v1");
    remade.row.created_at = Some(Timestamp::UNIX_EPOCH);
    assert!(!known.know(&remade.row));
    assert_eq!(facts(&listed("v2"), &known).meaning, None);
}

#[test]
fn another_document_is_looked_for_among_the_versions_first() {
    let read = listed("v1").with(vec![version(1, "s3:GetObject", true)]);
    let known = facts(&read, &PolicyFacts::default());
    assert_eq!(
        changes(&wanted("s3:PutObject"), &listed("v1"), &known),
        ["look for a version that says the same"]
    );
}

#[test]
fn an_older_version_that_says_the_same_is_put_in_force_again() {
    let now = listed("v2").with(vec![
        version(2, "s3:*", true),
        version(1, "s3:GetObject", false),
    ]);
    let nothing = PolicyFacts::default();
    assert_eq!(
        changes(&wanted("s3:GetObject"), &now, &nothing),
        ["put version v1 in force again"]
    );
}

#[test]
fn a_new_version_is_made_when_none_says_the_same() {
    let now = listed("v1").with(vec![version(1, "s3:GetObject", true)]);
    let nothing = PolicyFacts::default();
    assert_eq!(
        changes(&wanted("s3:PutObject"), &now, &nothing),
        ["put a new version in force"]
    );
}

#[test]
fn the_oldest_version_makes_room_for_a_sixth() {
    let now = listed("v9").with(vec![
        version(11, "s3:a", false),
        version(10, "s3:b", false),
        version(9, "s3:c", true),
        version(8, "s3:d", false),
        version(2, "s3:e", false),
    ]);
    let nothing = PolicyFacts::default();
    assert_eq!(
        changes(&wanted("s3:PutObject"), &now, &nothing),
        ["delete version v2", "put a new version in force"]
    );
}

#[test]
fn versions_beyond_those_to_keep_are_deleted_oldest_first_but_never_the_one_in_force() {
    let now = listed("v2").with(vec![
        version(10, "s3:a", false),
        version(3, "s3:b", false),
        version(2, "s3:GetObject", true),
    ]);
    let nothing = PolicyFacts::default();
    assert_eq!(
        changes(&wanted("s3:GetObject"), &now, &nothing),
        ["delete version v3"]
    );
}

#[test]
fn a_document_that_cannot_be_read_counts_as_another() {
    let mut garbled = version(1, "s3:GetObject", true);
    garbled.document = Some("%7Bnot json".into());
    let now = listed("v1").with(vec![garbled]);
    let nothing = PolicyFacts::default();
    assert_eq!(
        changes(&wanted("s3:GetObject"), &now, &nothing),
        ["put a new version in force"]
    );
}

#[test]
fn a_policy_of_upcloud_is_never_touched() {
    let mut now = listed("v1").with(vec![version(1, "s3:*", true)]);
    now.row.system = true;
    let diff = IamPolicy::diff(&wanted("s3:GetObject"), &now, &PolicyFacts::default());
    assert!(diff.changes.is_empty() && diff.fixed.len() == 1);
}

#[test]
fn a_description_stays_as_it_was_made() {
    let mut want = wanted("s3:*");
    want.description = Some("all".into());
    let now = listed("v1").with(vec![version(1, "s3:*", true)]);
    let diff = IamPolicy::diff(&want, &now, &PolicyFacts::default());
    assert!(
        diff.fixed[0].starts_with("description:"),
        "{:?}",
        diff.fixed
    );
}

#[test]
fn an_attached_policy_holds_its_deletion() {
    let held = |now: &Remote| {
        let nothing = PolicyFacts::default();
        IamPolicy::held(None, now, &nothing, Timestamp::UNIX_EPOCH)
    };
    assert_eq!(held(&listed("v1")), None);
    assert!(
        held(&listed("v1").attached(3))
            .unwrap()
            .why
            .contains("3 users")
    );
}

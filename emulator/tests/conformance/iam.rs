//! Users, keys, policies, groups and roles beyond the table of operations.

use serde_json::{Value, json};

use crate::ground::{DOCUMENT, Ground};

#[test]
fn a_secret_is_shown_once_and_a_new_key_was_never_used() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "ci"}),
    );
    let keys = format!("{path}/users/ci/access-keys");
    let made = ground.expect(201, "POST", &keys, &json!({})).json();
    assert_eq!(made["last_used_at"], "0001-01-01T00:00:00Z");
    assert_eq!(made["secret_access_key"].as_str().unwrap().len(), 40);
    let one = format!("{keys}/{}", made["access_key_id"].as_str().unwrap());
    let read = ground.get(&one).json();
    assert_eq!(read["last_used_at"], made["created_at"]);
    assert!(read.get("secret_access_key").is_none());
    let changed = ground.expect(200, "PATCH", &one, &json!({"status": "Inactive"}));
    let order: Vec<String> = changed
        .json()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        order,
        ["access_key_id", "status", "last_used_at", "created_at"]
    );
    let (_, state) = ground.steer("GET", "/state", &Value::Null);
    let shown = format!("{state}{:?}", ground.journal());
    assert!(!shown.contains(made["secret_access_key"].as_str().unwrap()));
}

#[test]
fn a_third_key_is_refused() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let keys = format!("{path}/users/ci/access-keys");
    ground.expect(201, "POST", &keys, &json!({}));
    let answer = ground.expect(400, "POST", &keys, &json!({}));
    assert_eq!(
        answer.problem().1[0].1,
        "Cannot exceed quota for AccessKeysPerUser: 2"
    );
}

#[test]
fn both_document_encodings_have_one_answer() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let raw = r#"{"Version": "2012-10-17",  "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#;
    let encoded: String = raw.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let want = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B%22s3%3A*%22%5D%2C%22Resource%22%3A%22*%22%7D%5D%7D";
    for (name, document) in [("raw", raw), ("encoded", encoded.as_str())] {
        let body = json!({"name": name, "document": document});
        let made = ground
            .expect(201, "POST", &format!("{path}/policies"), &body)
            .json();
        assert_eq!(made["document"], want);
        assert_eq!(made["default_version_id"], "v1");
        assert!(made.get("description").is_none());
    }
}

#[test]
fn five_system_policies_lead_the_list_and_cannot_be_changed() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let list = ground.get(&format!("{path}/policies")).json();
    let list = list.as_array().unwrap();
    let system: Vec<&str> = list[..5]
        .iter()
        .map(|policy| policy["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        system,
        [
            "ECSDenyAll",
            "ECSS3FullAccess",
            "ECSS3ReadOnlyAccess",
            "IAMFullAccess",
            "IAMReadOnlyAccess"
        ]
    );
    assert_eq!(list[1]["arn"], "urn:ecs:iam:::policy/ECSS3FullAccess");
    assert!(list.iter().all(|policy| policy.get("document").is_none()));
    let one = format!("{path}/policies/ECSS3FullAccess");
    assert_eq!(ground.delete(&one).status, 400);
    ground.expect(
        400,
        "POST",
        &format!("{one}/versions"),
        &json!({"document": DOCUMENT}),
    );
    ground.expect(400, "PATCH", &one, &json!({"version_id": "v1"}));
    let taken = json!({"name": "ECSDenyAll", "document": DOCUMENT});
    ground.expect(400, "POST", &format!("{path}/policies"), &taken);
}

#[test]
fn an_attached_policy_is_refused_deletion_in_the_quoted_words() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let namespace = path.trim_start_matches('/').replace('-', "");
    ground.expect(
        201,
        "POST",
        &format!("{path}/policies"),
        &json!({"name": "p", "document": DOCUMENT}),
    );
    ground.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "ci"}),
    );
    ground.expect(
        204,
        "POST",
        &format!("{path}/users/ci/policies"),
        &json!({"name": "p"}),
    );
    assert_eq!(
        ground.get(&format!("{path}/policies/p")).json()["attachment_count"],
        1
    );
    let answer = ground.delete(&format!("{path}/policies/p"));
    let reason =
        format!("Iam managed policy p has attached subordinate entities in namespace {namespace}.");
    assert_eq!(answer.problem().1, [("(root)".to_owned(), reason)]);
    assert_eq!(ground.delete(&format!("{path}/users/ci")).status, 204);
    assert_eq!(ground.delete(&format!("{path}/policies/p")).status, 204);
}

#[test]
fn versions_count_up_are_newest_first_and_stop_at_five() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.expect(
        201,
        "POST",
        &format!("{path}/policies"),
        &json!({"name": "p", "document": DOCUMENT}),
    );
    let versions = format!("{path}/policies/p/versions");
    for number in 2..=5 {
        let made = ground.expect(
            201,
            "POST",
            &versions,
            &json!({"document": DOCUMENT, "is_default": number == 3}),
        );
        assert_eq!(made.json()["version_id"], format!("v{number}"));
    }
    ground.expect(400, "POST", &versions, &json!({"document": DOCUMENT}));
    let ids: Vec<Value> = ground
        .get(&versions)
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version_id"].clone())
        .collect();
    assert_eq!(ids, ["v5", "v4", "v3", "v2", "v1"]);
    assert_eq!(ground.delete(&format!("{versions}/v3")).status, 400);
    assert_eq!(ground.delete(&format!("{versions}/v5")).status, 204);
    let made = ground
        .expect(201, "POST", &versions, &json!({"document": DOCUMENT}))
        .json();
    assert_eq!(made["version_id"], "v6");
    assert_eq!(
        ground.get(&format!("{path}/policies/p")).json()["default_version_id"],
        "v3"
    );
}

#[test]
fn a_group_or_role_in_use_is_not_deleted() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    for owner in ["groups/team", "roles/uploader"] {
        assert_eq!(
            ground.delete(&format!("{path}/{owner}")).status,
            400,
            "{owner}"
        );
    }
    ground.choose("group-in-use", "delete");
    ground.choose("role-in-use", "delete");
    for owner in ["groups/team", "roles/uploader"] {
        assert_eq!(
            ground.delete(&format!("{path}/{owner}")).status,
            204,
            "{owner}"
        );
    }
}

#[test]
fn names_that_paths_would_not_allow_are_found_when_encoded() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.expect(
        201,
        "POST",
        &format!("{path}/users"),
        &json!({"username": "a+b@c.d"}),
    );
    assert_eq!(ground.get(&format!("{path}/users/a%2Bb%40c.d")).status, 200);
    assert_eq!(ground.get(&format!("{path}/users/a+b@c.d")).status, 200);
    ground.choose("path-names", "strict");
    assert_eq!(ground.get(&format!("{path}/users/a+b@c.d")).status, 400);
}

#[test]
fn an_inline_policy_is_overwritten_and_a_boundary_is_a_bare_string() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let other = DOCUMENT.replace("s3:GetObject", "s3:PutObject");
    let inline = format!("{path}/users/ci/inline-policies");
    ground.expect(
        201,
        "POST",
        &inline,
        &json!({"name": "inline", "document": other}),
    );
    assert_eq!(
        ground.get(&format!("{inline}/inline")).json()["document"],
        other
    );
    let answer = ground.expect(
        200,
        "PUT",
        &format!("{path}/roles/uploader/permissions-boundary"),
        &json!({"policy_name": "spare"}),
    );
    assert_eq!(answer.text(), "\"spare\"");
    assert_eq!(
        ground.get(&format!("{path}/roles/uploader")).json()["permissions_boundary"],
        "spare"
    );
    let answer = ground.delete(&format!("{path}/policies/spare"));
    assert_eq!(answer.status, 400);
}

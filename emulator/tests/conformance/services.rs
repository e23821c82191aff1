//! Configuration of services: defaults, merge patch, replacement, uniqueness, blockers, paging.

use serde_json::{Value, json};

use crate::ground::{Ground, private_network, public_network, service};

#[test]
fn a_created_service_has_its_endpoints_and_defaults_at_once() {
    let ground = Ground::quick();
    let body = ground.expect(201, "POST", "", &service("media")).json();
    assert_eq!(body["operational_state"], "pending");
    assert_eq!(body["created_at"], body["updated_at"]);
    let endpoints = body["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 2);
    let host = endpoints[0]["domain_name"].as_str().unwrap();
    assert!(host.ends_with(".upcloudobjects.com"));
    assert_eq!(endpoints[0]["iam_url"], format!("https://{host}:4443/iam"));
    assert_eq!(endpoints[1]["mode"], "static-website");
    assert!(endpoints[1].get("iam_url").is_none());
    assert_eq!(body["networks"], json!([public_network("public")]));
    for empty in [
        "labels",
        "custom_domains",
        "state_messages",
        "static_websites",
        "users",
    ] {
        assert_eq!(body[empty], json!([]), "{empty}");
    }
    assert_eq!(
        body["usage"],
        json!({"total_objects": 0, "total_size_bytes": 0})
    );
    assert_eq!(body["termination_protection"], false);
    assert!(body["uuid"].as_str().unwrap().starts_with("12"));
}

#[test]
fn all_violations_of_a_body_are_named_at_once() {
    let ground = Ground::quick();
    let answer = ground.call(
        "POST",
        "",
        &json!({
            "name": "no spaces",
            "configured_status": "paused",
            "region": "mars",
            "networks": [public_network("a"), public_network("a"), {"name": "b", "type": "public", "family": "IPv4", "uuid": ""}],
            "labels": [{"key": "ab", "value": "x"}, {"key": "ab", "value": "y"}],
            "properties": {"other": 1},
            "termination_protection": "yes",
            "static_websites": [],
        }),
    );
    assert_eq!(answer.status, 400);
    let (_, params) = answer.problem();
    let uuid = params
        .iter()
        .find(|(name, _)| name == "networks.2.uuid")
        .unwrap();
    assert_eq!(uuid.1, "'' is not valid 'uuid'.");
    let status = params
        .iter()
        .find(|(name, _)| name == "configured_status")
        .unwrap();
    assert_eq!(status.1, "Value must be one of \"started\", \"stopped\".");
    for name in [
        "static_websites",
        "name",
        "region",
        "networks.1.name",
        "networks",
        "labels.1.key",
        "properties.other",
        "termination_protection",
    ] {
        assert!(
            params.iter().any(|(seen, _)| seen == name),
            "{name}: {params:?}"
        );
    }
}

#[test]
fn a_patch_replaces_arrays_whole_and_leaves_the_rest() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let labels = json!([{"key": "aa", "value": "1"}, {"key": "bb", "value": "2"}]);
    ground.expect(200, "PATCH", &path, &json!({"labels": labels}));
    let body = ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"labels": [{"key": "cc", "value": "3"}]}),
    );
    let body = body.json();
    assert_eq!(body["labels"], json!([{"key": "cc", "value": "3"}]));
    assert_eq!(body["networks"], json!([public_network("public")]));
    assert_eq!(body["operational_state"], "pending");
    let body = ground
        .expect(200, "PATCH", &path, &json!({"labels": null}))
        .json();
    assert_eq!(body["labels"], json!([]));
    let answer = ground.call("PATCH", &path, &json!({"name": null, "region": "europe-1"}));
    assert_eq!(
        (answer.status, answer.complaints()),
        (400, vec!["region".to_owned(), "name".to_owned()])
    );
}

#[test]
fn a_put_resets_what_it_does_not_mention() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let body = json!({"name": "renamed", "configured_status": "started", "networks": [public_network("other")]});
    let body = ground.expect(200, "PUT", &path, &body).json();
    assert_eq!(body["labels"], json!([]));
    assert_eq!(body["custom_domains"], json!([]));
    assert_eq!(body["static_websites"], json!([]));
    assert_eq!(body["networks"], json!([public_network("other")]));
    assert_eq!(body["users"].as_array().unwrap().len(), 1);
}

#[test]
fn a_null_array_is_refused_on_create_unless_chosen() {
    let ground = Ground::quick();
    let mut body = service("media");
    body["networks"] = Value::Null;
    let answer = ground.call("POST", "", &body);
    assert_eq!(
        (answer.status, answer.complaints()),
        (400, vec!["networks".to_owned()])
    );
    ground.choose("null-arrays", "accept");
    ground.expect(201, "POST", "", &body);
}

#[test]
fn stopping_empties_the_endpoints_at_once_and_keeps_the_networks() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let body = ground
        .expect(
            200,
            "PATCH",
            &path,
            &json!({"configured_status": "stopped"}),
        )
        .json();
    assert_eq!(body["endpoints"], json!([]));
    assert_eq!(body["networks"], json!([public_network("public")]));
    assert_eq!(ground.get(&path).json()["operational_state"], "stopped");
}

#[test]
fn a_swap_of_private_networks_fails_and_changes_nothing() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let with = |name: &str| json!({"networks": [public_network("public"), private_network(name)]});
    ground.expect(200, "PATCH", &path, &with("one"));
    let answer = ground.expect(500, "PATCH", &path, &with("two"));
    assert_eq!(answer.problem().0, "GENERAL_FAILURE");
    assert_eq!(
        ground.get(&format!("{path}/networks")).json()[1]["name"],
        "one"
    );
    ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"networks": [public_network("public")]}),
    );
    ground.expect(200, "PATCH", &path, &with("two"));
    let endpoints = ground.get(&path).json()["endpoints"].clone();
    assert!(
        endpoints
            .as_array()
            .unwrap()
            .iter()
            .any(|endpoint| endpoint["type"] == "private")
    );
}

#[test]
fn a_name_is_free_as_soon_as_its_service_is_being_deleted() {
    let ground = Ground::paced(1000, 0);
    let path = ground.service("media");
    let answer = ground.expect(400, "POST", "", &service("media"));
    assert_eq!(
        answer.problem().1,
        [("name".to_owned(), "Name must be unique.".to_owned())]
    );
    assert_eq!(ground.delete(&path).status, 204);
    ground.expect(201, "POST", "", &service("media"));
    assert_eq!(ground.get("").json().as_array().unwrap().len(), 2);
}

#[test]
fn a_service_with_anything_in_it_is_deleted_only_by_force() {
    let ground = Ground::quick();
    for (number, (below, body)) in [
        ("/buckets", json!({"name": "b"})),
        ("/users", json!({"username": "u"})),
        ("/policies", json!({"name": "p", "document": "{}"})),
        ("/groups", json!({"name": "g"})),
        (
            "/roles",
            json!({"name": "r", "assume_role_policy_document": "{}"}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = ground.service(&format!("s{number}"));
        ground.expect(201, "POST", &format!("{path}{below}"), &body);
        let answer = ground.delete(&path);
        assert_eq!(answer.status, 400, "{below}");
        assert_eq!(answer.problem().1[0].1, "Service is not empty.");
        assert_eq!(ground.delete(&format!("{path}?force=true")).status, 204);
        assert_eq!(ground.get(&path).status, 404);
    }
}

#[test]
fn termination_protection_refuses_deletion_and_stop() {
    let ground = Ground::quick();
    let path = ground.service("media");
    ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"termination_protection": true}),
    );
    let answer = ground.delete(&format!("{path}?force=true"));
    assert_eq!(
        (answer.status, answer.complaints()),
        (400, vec!["termination_protection".to_owned()])
    );
    let answer = ground.call("PATCH", &path, &json!({"configured_status": "stopped"}));
    assert_eq!(
        (answer.status, answer.complaints()),
        (400, vec!["configured_status".to_owned()])
    );
    ground.expect(
        200,
        "PATCH",
        &path,
        &json!({"termination_protection": false}),
    );
    assert_eq!(ground.delete(&path).status, 204);
}

#[test]
fn lists_of_services_and_buckets_come_in_pages_of_ten() {
    let ground = Ground::quick();
    let path = ground.service("s00");
    for number in 1..12 {
        ground.service(&format!("s{number:02}"));
        let bucket = json!({"name": format!("b{number:02}")});
        ground.expect(201, "POST", &format!("{path}/buckets"), &bucket);
    }
    for list in ["", &format!("{path}/buckets")] {
        let answer = ground.get(list);
        assert_eq!(answer.json().as_array().unwrap().len(), 10);
        let total: usize = answer
            .header("upcloud-total-count")
            .unwrap()
            .parse()
            .unwrap();
        let rest = ground.get(&format!("{list}?limit=100&offset=10")).json();
        assert_eq!(rest.as_array().unwrap().len(), total - 10);
        assert_eq!(ground.get(&format!("{list}?offset=1000")).json(), json!([]));
        assert_eq!(ground.get(&format!("{list}?limit=0")).json(), json!([]));
        for bad in [
            "limit=101",
            "limit=-1",
            "limit=x",
            "offset=-1",
            "offset=99999999999999999999",
        ] {
            let answer = ground.get(&format!("{list}?{bad}"));
            assert_eq!(answer.status, 400, "{bad}");
            assert_eq!(answer.complaints(), [bad.split('=').next().unwrap()]);
        }
    }
    let names = |sort: &str| -> Vec<String> {
        let list = ground.get(&format!("?limit=2&sort={sort}")).json();
        let name = |service: &Value| service["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names("service_name"), ["s00", "s01"]);
    assert_eq!(names("-service_name"), ["s11", "s10"]);
    assert_eq!(names("created_at"), ["s00", "s01"]);
    assert_eq!(ground.get("?sort=size").status, 400);
    assert!(ground.get("").json()[0].get("users").is_none());
}

#[test]
fn custom_domains_show_in_the_service_and_are_unique_everywhere() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let domain = json!({"type": "public", "domain_name": "files.example.org"});
    ground.expect(201, "POST", &format!("{path}/custom-domains"), &domain);
    let body = ground.get(&path).json();
    assert_eq!(body["custom_domains"][0]["mode"], "api");
    let endpoints = body["endpoints"].as_array().unwrap();
    assert_eq!(
        endpoints.last().unwrap()["iam_url"],
        "https://files.example.org:4443/iam"
    );
    let other = ground.as_token("ucat_other");
    let theirs = other.service("media");
    other.expect(400, "POST", &format!("{theirs}/custom-domains"), &domain);
    let moved = json!({"domain_name": "data.example.org"});
    ground.expect(
        200,
        "PATCH",
        &format!("{path}/custom-domains/files.example.org"),
        &moved,
    );
    assert_eq!(
        ground
            .get(&format!("{path}/custom-domains/files.example.org"))
            .status,
        404
    );
    other.expect(201, "POST", &format!("{theirs}/custom-domains"), &domain);
    for number in 0..4 {
        let domain = json!({"type": "public", "domain_name": format!("d{number}.example.org")});
        ground.expect(201, "POST", &format!("{path}/custom-domains"), &domain);
    }
    let sixth = json!({"type": "public", "domain_name": "d6.example.org"});
    ground.expect(400, "POST", &format!("{path}/custom-domains"), &sixth);
}

#[test]
fn a_website_without_a_domain_takes_the_static_one_and_goes_with_its_domain() {
    let ground = Ground::quick();
    let (path, _) = ground.furnished("media");
    let sites = format!("{path}/static-websites");
    let site = ground
        .expect(201, "POST", &sites, &json!({"bucket_name": "web"}))
        .json();
    assert!(
        site["domain_name"]
            .as_str()
            .unwrap()
            .ends_with("-static.upcloudobjects.com")
    );
    assert_eq!(site["index_document"], "index.html");
    assert_eq!(
        ground.get(&path).json()["static_websites"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        ground
            .delete(&format!("{path}/custom-domains/www.media.org"))
            .status,
        204
    );
    assert_eq!(
        ground.get(&sites).json()["static_websites"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for bad in [
        json!([{"error_document": "x"}]),
        json!([{"error_document": "x", "status_code": 404, "status_range": {"start": 400, "end": 499}}]),
        json!([{"error_document": "/x", "status_code": 404}]),
        json!([{"error_document": "x", "status_code": 200}]),
        json!([{"error_document": "x", "status_range": {"start": 500, "end": 400}}]),
    ] {
        let host = site["domain_name"].as_str().unwrap();
        ground.expect(
            400,
            "PATCH",
            &format!("{sites}/{host}"),
            &json!({"error_pages": bad}),
        );
    }
}

#[test]
fn label_keys_are_percent_encoded_in_paths() {
    let ground = Ground::quick();
    let path = ground.service("media");
    let label = json!({"key": "a b/c?d%e#f", "value": "x"});
    ground.expect(201, "POST", &format!("{path}/labels"), &label);
    let encoded = format!("{path}/labels/a%20b%2Fc%3Fd%25e%23f");
    assert_eq!(ground.get(&encoded).json(), label);
    assert_eq!(ground.delete(&encoded).status, 204);
}

//! Every operation once: what is sent, and that the answer is read.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::upcloud::document;

struct Exchange {
    operation: u16,
    method: String,
    target: String,
    body: Option<Value>,
    status: u16,
    answer: String,
}

fn exchanges() -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in include_str!("exchanges.txt")
        .lines()
        .skip_while(|line| !line.is_empty())
        .skip(1)
    {
        let (first, rest) = line.split_once(' ').unwrap();
        match (first, exchanges.last_mut()) {
            (">", Some(last)) => last.body = Some(serde_json::from_str(rest).unwrap()),
            ("=", Some(last)) => last.status = rest.parse().unwrap(),
            ("<", Some(last)) => rest.clone_into(&mut last.answer),
            (number, _) => {
                let (method, target) = rest.split_once(' ').unwrap();
                exchanges.push(Exchange {
                    operation: number.parse().unwrap(),
                    method: method.to_owned(),
                    target: target.replace("/S", &format!("/{}", service())),
                    body: None,
                    status: 0,
                    answer: String::new(),
                });
            }
        }
    }
    exchanges
}

#[tokio::test]
async fn every_operation_is_sent_as_described_and_its_answer_read() {
    let mut done = BTreeSet::new();
    for exchange in exchanges() {
        let operation = exchange.operation;
        let script = Script::new([Reply::json(exchange.status, &exchange.answer)]).await;
        perform(&api(&script), operation)
            .await
            .unwrap_or_else(|error| panic!("operation {operation}: {error}"));
        let [seen] = script.seen().try_into().unwrap();
        let (method, target) = seen
            .line
            .strip_suffix(" HTTP/1.1")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert_eq!(method, exchange.method, "operation {operation}");
        assert_eq!(
            parts(target),
            parts(&format!("{PRODUCT}{}", exchange.target)),
            "operation {operation}"
        );
        let body =
            (!seen.body.is_empty()).then(|| serde_json::from_str::<Value>(&seen.body).unwrap());
        assert_eq!(body, exchange.body, "operation {operation}");
        done.insert(operation);
    }
    let routes: BTreeSet<u16> = routes::ROUTES
        .iter()
        .map(|route| route.operation)
        .filter(|number| *number != 0)
        .collect();
    assert_eq!(done, routes);
}

/// The path, without the slash that stands for the product's root, and the parameters in any order.
fn parts(target: &str) -> (String, BTreeSet<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    (path.trim_end_matches('/').to_owned(), query)
}

fn actions(actions: &[&str]) -> String {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
    });
    document::text(&document)
}

fn encoded(list: &[&str]) -> String {
    document::encode(&serde_json::from_str(&actions(list)).unwrap())
}

fn trust() -> String {
    let user = "urn:ecs:iam::12ab34cd56784e9f8a0b1c2d3e4f5061:user/ci";
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": [user]}}]
    });
    document::text(&document)
}

fn tag() -> Tag {
    Tag {
        key: "env".to_owned(),
        value: "prod".to_owned(),
    }
}

fn new_service() -> NewService {
    NewService {
        name: "media-store".to_owned(),
        region: "europe-2".to_owned(),
        configured_status: ConfiguredStatus::Started,
        networks: vec![Network::public("public-net")],
        labels: vec![Label {
            key: "team".to_owned(),
            value: "media".to_owned(),
        }],
        properties: None,
        termination_protection: None,
    }
}

fn new_website() -> NewWebsite {
    NewWebsite {
        domain_name: None,
        bucket_name: "website".to_owned(),
        bucket_prefix: None,
        index_document: None,
        spa_mode: None,
        enabled: None,
        error_pages: vec![ErrorPage::one(404, "404.html")],
    }
}

fn new_role() -> NewRole {
    NewRole {
        name: "uploader".to_owned(),
        assume_role_policy_document: trust(),
        description: Some("CI uploads".to_owned()),
        max_session_duration: Some(3600),
        permissions_boundary: None,
        tags: vec![tag()],
    }
}

async fn perform(api: &Api, operation: u16) -> Result<(), ApiError> {
    match operation {
        1..=29 => perform_on_services(api, operation).await,
        30..=33 => perform_on_websites(api, operation).await,
        34..=54 => perform_on_users(api, operation).await,
        55..=76 => perform_on_policies_and_groups(api, operation).await,
        _ => perform_on_roles(api, operation).await,
    }
}

async fn perform_on_services(api: &Api, operation: u16) -> Result<(), ApiError> {
    let s = &service();
    match operation {
        1 => api
            .list_services(LANE)
            .await
            .map(|found| assert_eq!(found.len(), 1)),
        2 => api
            .create_service(LANE, &new_service())
            .await
            .map(|made| assert_eq!(made.uuid, *s)),
        3 => api
            .get_service(LANE, s)
            .await
            .map(|found| assert_eq!(found.unwrap().users, Some(vec![]))),
        5 => {
            let patch = ServicePatch {
                configured_status: Some(ConfiguredStatus::Stopped),
                labels: Patch::Clear,
                ..ServicePatch::default()
            };
            api.modify_service(LANE, s, &patch)
                .await
                .map(|now| assert!(now.endpoints.is_empty()))
        }
        6 => api
            .delete_service(LANE, s, true)
            .await
            .map(|gone| assert_eq!(gone, Removed::Done)),
        7 => api
            .list_regions(LANE)
            .await
            .map(|regions| assert_eq!(regions[0].zones.len(), 2)),
        10 => {
            let network = Network::private("backend-net", "03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1");
            api.create_network(LANE, s, &network)
                .await
                .map(|made| assert_eq!(made, network))
        }
        12 => api.delete_network(LANE, s, "backend-net").await.map(drop),
        14 => {
            let (domain_name, kind) = ("files.example.org".to_owned(), CustomDomainType::Public);
            let domain = CustomDomain {
                domain_name,
                kind,
                mode: None,
            };
            let made = api.create_custom_domain(LANE, s, &domain).await?;
            assert_eq!(made.mode, Some(DomainMode::Api));
            Ok(())
        }
        15 => api
            .get_custom_domain(LANE, s, "files.example.org")
            .await
            .map(|found| assert!(found.is_some())),
        17 => api
            .delete_custom_domain(LANE, s, "data.example.org")
            .await
            .map(drop),
        18 => api
            .list_service_domains(LANE, s)
            .await
            .map(|all| assert_eq!(all[1].active, Some(false))),
        20 => {
            let at = |text: &str| Some(text.parse().unwrap());
            let (from, to) = (at("2026-02-03T10:00:00Z"), at("2026-02-03T11:00:00Z"));
            let query = SeriesQuery {
                from,
                to,
                interval: Some("1h".to_owned()),
            };
            api.list_series(LANE, s, &query)
                .await
                .map(|all| assert_eq!(all[0].bytes_total, Some(8192)))
        }
        21 => api
            .list_buckets(LANE, s)
            .await
            .map(|all| assert!(all[1].deleted)),
        22 => api
            .create_bucket(LANE, s, "invoices")
            .await
            .map(|made| assert_eq!(made.total_objects, Some(0))),
        23 => api.delete_bucket(LANE, s, "invoices").await.map(drop),
        other => panic!("operation {other} has no test"),
    }
}

async fn perform_on_websites(api: &Api, operation: u16) -> Result<(), ApiError> {
    let s = &service();
    match operation {
        30 => api
            .create_website(LANE, s, &new_website())
            .await
            .map(|made| assert_eq!(made.enabled, Some(true))),
        31 => api
            .get_website(LANE, s, "q7x2m-static.upcloudobjects.com")
            .await
            .map(|found| assert!(found.is_some())),
        32 => {
            let patch = WebsitePatch {
                spa_mode: Patch::Set(true),
                ..WebsitePatch::default()
            };
            let now = api
                .modify_website(LANE, s, "q7x2m-static.upcloudobjects.com", &patch)
                .await?;
            assert!(now.spa_mode);
            Ok(())
        }
        33 => api
            .delete_website(LANE, s, "q7x2m-static.upcloudobjects.com")
            .await
            .map(drop),
        other => panic!("operation {other} has no test"),
    }
}

async fn perform_on_users(api: &Api, operation: u16) -> Result<(), ApiError> {
    let s = &service();
    let key: KeyId = "AKIA0F1E2D3C4B5A6978".into();
    let ci = Owner::User("ci");
    match operation {
        34 => api
            .list_users(LANE, s)
            .await
            .map(|all| assert_eq!(all.value[0].access_keys[0].id, key)),
        35 => api
            .create_user(LANE, s, "ci")
            .await
            .map(|made| assert!(made.value.access_keys.is_empty())),
        36 => api
            .get_user(LANE, s, "ci")
            .await
            .map(|found| assert_eq!(found.unwrap().value.policies.len(), 1)),
        37 => api.delete_user(LANE, s, "ci").await.map(drop),
        39 => api
            .create_key(LANE, s, "ci")
            .await
            .map(|made| assert_eq!(made.value.id, key)),
        41 => {
            let now = api
                .modify_key(LANE, s, "ci", &key, &KeyStatus::Inactive)
                .await?;
            assert_eq!(now.status, Some(KeyStatus::Inactive));
            Ok(())
        }
        42 => api.delete_key(LANE, s, "ci", &key).await.map(drop),
        44 => {
            api.attach_user_policy(LANE, s, "ci", "ECSS3FullAccess")
                .await
        }
        45 => api
            .detach_user_policy(LANE, s, "ci", "ECSS3FullAccess")
            .await
            .map(drop),
        46 => api
            .list_user_inline(LANE, s, "ci")
            .await
            .map(|all| assert!(all[0].document.is_some())),
        47 => api
            .create_inline(LANE, s, ci, "put-only", &actions(&["s3:PutObject"]))
            .await
            .map(drop),
        49 => api.delete_inline(LANE, s, ci, "put-only").await.map(drop),
        50 => api
            .list_user_tags(LANE, s, "ci")
            .await
            .map(|tags| assert_eq!(tags, [tag()])),
        51 => api
            .replace_user_tags(LANE, s, "ci", &[tag()])
            .await
            .map(|tags| assert_eq!(tags, [tag()])),
        52 => api.delete_user_tag(LANE, s, "ci", "env").await.map(drop),
        53 => {
            let now = api.set_user_boundary(LANE, s, "ci", "invoices-ro").await?;
            assert_eq!(now.as_deref(), Some("invoices-ro"));
            Ok(())
        }
        54 => api.delete_user_boundary(LANE, s, "ci").await.map(drop),
        other => panic!("operation {other} has no test"),
    }
}

async fn perform_on_policies_and_groups(api: &Api, operation: u16) -> Result<(), ApiError> {
    let s = &service();
    let (policy, readers) = ("invoices-ro", Owner::Group("readers"));
    match operation {
        55 => api
            .list_policies(LANE, s)
            .await
            .map(|all| assert!(all[0].system && !all[5].system)),
        56 => {
            let (name, description) = (policy.to_owned(), Some("Read invoices".to_owned()));
            let new = NewPolicy {
                name,
                document: encoded(&["s3:GetObject"]),
                description,
            };
            let made = api.create_policy(LANE, s, &new).await?;
            let sent = document::decode(&new.document).unwrap();
            assert!(document::same(
                &document::decode(&made.document.unwrap()).unwrap(),
                &sent
            ));
            Ok(())
        }
        57 => api
            .get_policy(LANE, s, policy)
            .await
            .map(|found| assert!(found.unwrap().document.is_some())),
        58 => {
            let now = api
                .set_default_version(LANE, s, policy, &"v2".into())
                .await?;
            assert_eq!(now.default_version_id, Some("v2".into()));
            Ok(())
        }
        59 => api.delete_policy(LANE, s, policy).await.map(drop),
        60 => api
            .list_versions(LANE, s, policy)
            .await
            .map(|all| assert!(all[0].is_default && !all[1].is_default)),
        61 => {
            let made = api
                .create_version(LANE, s, policy, &encoded(&["s3:Get*", "s3:List*"]), true)
                .await?;
            assert!(made.is_default && made.created_at.is_some());
            Ok(())
        }
        63 => api
            .delete_version(LANE, s, policy, &"v1".into())
            .await
            .map(drop),
        64 => api
            .list_groups(LANE, s)
            .await
            .map(|all| assert_eq!(all[0].name, "readers")),
        65 => api
            .create_group(LANE, s, "readers")
            .await
            .map(|made| assert!(made.arn.is_some())),
        66 => api
            .get_group(LANE, s, "readers")
            .await
            .map(|found| assert!(found.is_some())),
        67 => api.delete_group(LANE, s, "readers").await.map(drop),
        68 => api.add_member(LANE, s, "readers", "ci").await,
        69 => api.remove_member(LANE, s, "readers", "ci").await.map(drop),
        70 => api
            .list_group_policies(LANE, s, "readers")
            .await
            .map(|all| assert_eq!(all[0].name, policy)),
        71 => api.attach_group_policy(LANE, s, "readers", policy).await,
        72 => api
            .detach_group_policy(LANE, s, "readers", policy)
            .await
            .map(drop),
        73 => api
            .list_group_inline(LANE, s, "readers")
            .await
            .map(|all| assert_eq!(all[0].name, "put-only")),
        74 => api
            .create_inline(LANE, s, readers, "put-only", &actions(&["s3:PutObject"]))
            .await
            .map(drop),
        76 => api
            .delete_inline(LANE, s, readers, "put-only")
            .await
            .map(drop),
        other => panic!("operation {other} has no test"),
    }
}

async fn perform_on_roles(api: &Api, operation: u16) -> Result<(), ApiError> {
    let s = &service();
    let (role, owner) = ("uploader", Owner::Role("uploader"));
    match operation {
        77 => api
            .list_roles(LANE, s)
            .await
            .map(|all| assert_eq!(all[0].tags, Some(vec![tag()]))),
        78 => api
            .create_role(LANE, s, &new_role())
            .await
            .map(|made| assert_eq!(made.name, role)),
        79 => api
            .get_role(LANE, s, role)
            .await
            .map(|found| assert!(found.is_some())),
        80 => {
            let patch = RolePatch {
                max_session_duration: Some(7200),
                description: None,
            };
            api.modify_role(LANE, s, role, &patch)
                .await
                .map(|now| assert_eq!(now.max_session_duration, Some(7200)))
        }
        81 => api.delete_role(LANE, s, role).await.map(drop),
        82 => api
            .set_trust(LANE, s, role, &trust())
            .await
            .map(|now| assert_eq!(now, Some(trust()))),
        84 => api.attach_role_policy(LANE, s, role, "invoices-ro").await,
        85 => api
            .detach_role_policy(LANE, s, role, "invoices-ro")
            .await
            .map(drop),
        87 => api
            .create_inline(LANE, s, owner, "put-only", &actions(&["s3:PutObject"]))
            .await
            .map(drop),
        89 => api
            .delete_inline(LANE, s, owner, "put-only")
            .await
            .map(drop),
        90 => {
            let now = api.set_role_boundary(LANE, s, role, "invoices-ro").await?;
            assert_eq!(now.as_deref(), Some("invoices-ro"));
            Ok(())
        }
        91 => api.delete_role_boundary(LANE, s, role).await.map(drop),
        93 => api
            .replace_role_tags(LANE, s, role, &[tag()])
            .await
            .map(|tags| assert_eq!(tags, [tag()])),
        94 => api.delete_role_tag(LANE, s, role, "env").await.map(drop),
        other => panic!("operation {other} has no test"),
    }
}

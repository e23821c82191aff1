//! One walk through every operation.

use cooper::upcloud::api::{
    AccessKey, Api, ApiError, CustomDomain, CustomDomainType, DomainMode, ErrorPage, KeyStatus,
    Network, NewPolicy, NewRole, NewWebsite, Owner, Patch, Removed, RolePatch, SeriesQuery,
    ServiceId, ServicePatch, Tag, WebsitePatch,
};
use cooper::upcloud::document;
use serde_json::{Value, json};

use super::{LANE, service};

fn reading() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::a b+c/*"]}
    ]})
}

fn trust() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ["urn:ecs:iam::x:user/ci"]}}
    ]})
}

fn tag() -> Tag {
    Tag {
        key: "env".to_owned(),
        value: "prod".to_owned(),
    }
}

fn means(text: Option<&String>, document: &Value) -> bool {
    document::same(&document::decode(text.unwrap()).unwrap(), document)
}

async fn use_service(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    assert!(
        api.list_regions(LANE)
            .await?
            .iter()
            .any(|region| region.name == "europe-2")
    );
    let backend = Network::private("backend-net", "03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1");
    assert_eq!(api.create_network(LANE, s, &backend).await?, backend);
    assert_eq!(
        api.delete_network(LANE, s, "backend-net").await?,
        Removed::Done
    );
    let patch = ServicePatch {
        labels: Patch::Clear,
        termination_protection: Some(true),
        ..ServicePatch::default()
    };
    assert!(api.modify_service(LANE, s, &patch).await?.labels.is_empty());
    let refused = api.delete_service(LANE, s, true).await.unwrap_err();
    assert!(refused.certain_refusal(), "{refused}");
    let patch = ServicePatch {
        termination_protection: Some(false),
        ..ServicePatch::default()
    };
    api.modify_service(LANE, s, &patch).await?;
    let found = api.get_service(LANE, s).await?.unwrap();
    assert_eq!(found.name, "media");
    assert!(
        found
            .endpoints
            .iter()
            .any(|endpoint| endpoint.is_api() && endpoint.iam_url.is_some())
    );
    let listed = api.list_services(LANE).await?;
    assert_eq!(listed[0].uuid, *s);
    assert!(listed[0].users.is_none());
    api.list_series(LANE, s, &SeriesQuery::default())
        .await
        .map(drop)
}

async fn use_domains_and_websites(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    let domain = CustomDomain {
        domain_name: "www.example.org".to_owned(),
        kind: CustomDomainType::Public,
        mode: Some(DomainMode::StaticWebsite),
    };
    api.create_custom_domain(LANE, s, &domain).await?;
    assert!(
        api.get_custom_domain(LANE, s, "www.example.org")
            .await?
            .is_some()
    );
    let domains = api.list_service_domains(LANE, s).await?;
    assert!(
        domains
            .iter()
            .any(|found| found.domain == "www.example.org")
    );
    let made = api.create_bucket(LANE, s, "site").await?;
    assert!(!made.deleted && made.total_objects == Some(0));
    let website = NewWebsite {
        domain_name: Some("www.example.org".to_owned()),
        bucket_name: "site".to_owned(),
        bucket_prefix: Some("dist/".to_owned()),
        index_document: None,
        spa_mode: None,
        enabled: None,
        error_pages: vec![
            ErrorPage::one(404, "404.html"),
            ErrorPage::range(500, 599, "5xx.html"),
        ],
    };
    let made = api.create_website(LANE, s, &website).await?;
    assert_eq!(made.error_pages, website.error_pages);
    let patch = WebsitePatch {
        spa_mode: Patch::Set(true),
        enabled: Some(false),
        ..WebsitePatch::default()
    };
    let now = api
        .modify_website(LANE, s, "www.example.org", &patch)
        .await?;
    assert!(now.spa_mode && now.enabled == Some(false) && now.bucket_prefix == "dist/");
    assert_eq!(
        api.get_website(LANE, s, "www.example.org").await?,
        Some(now)
    );
    assert_eq!(
        api.delete_website(LANE, s, "www.example.org").await?,
        Removed::Done
    );
    assert_eq!(
        api.delete_custom_domain(LANE, s, "www.example.org").await?,
        Removed::Done
    );
    assert!(
        api.get_custom_domain(LANE, s, "www.example.org")
            .await?
            .is_none()
    );
    assert_eq!(api.delete_bucket(LANE, s, "site").await?, Removed::Done);
    let lingering = api.list_buckets(LANE, s).await?;
    assert!(lingering.iter().all(|bucket| bucket.deleted));
    Ok(())
}

async fn use_policies(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    let new = NewPolicy {
        name: "readers".to_owned(),
        document: document::encode(&reading()),
        description: Some("Read".to_owned()),
    };
    let made = api.create_policy(LANE, s, &new).await?;
    assert!(means(made.document.as_ref(), &reading()), "{made:?}");
    let mut wider = reading();
    wider["Statement"][0]["Action"] = json!(["s3:GetObject", "s3:ListBucket"]);
    let version = api
        .create_version(LANE, s, "readers", &document::encode(&wider), true)
        .await?;
    assert!(version.is_default && version.created_at.is_some());
    let versions = api.list_versions(LANE, s, "readers").await?;
    let old = versions.iter().find(|version| !version.is_default).unwrap();
    assert!(means(old.document.as_ref(), &reading()));
    let back = api
        .set_default_version(LANE, s, "readers", &old.version_id)
        .await?;
    assert_eq!(back.default_version_id.as_ref(), Some(&old.version_id));
    assert_eq!(
        api.delete_version(LANE, s, "readers", &version.version_id)
            .await?,
        Removed::Done
    );
    let found = api.get_policy(LANE, s, "readers").await?.unwrap();
    assert!(means(found.document.as_ref(), &reading()));
    let listed = api.list_policies(LANE, s).await?;
    assert_eq!(listed.iter().filter(|policy| policy.system).count(), 5);
    assert!(listed.iter().all(|policy| policy.document.is_none()));
    Ok(())
}

async fn use_users(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    let made = api.create_user(LANE, s, "ci").await?;
    assert!(made.value.access_keys.is_empty());
    api.attach_user_policy(LANE, s, "ci", "readers").await?;
    let attached = api.delete_policy(LANE, s, "readers").await.unwrap_err();
    assert!(attached.is_attached(), "{attached}");
    api.set_user_boundary(LANE, s, "ci", "readers").await?;
    assert_eq!(
        api.replace_user_tags(LANE, s, "ci", &[tag()]).await?,
        [tag()]
    );
    assert_eq!(api.list_user_tags(LANE, s, "ci").await?, [tag()]);
    assert_eq!(
        api.delete_user_tag(LANE, s, "ci", "env").await?,
        Removed::Done
    );
    let ci = Owner::User("ci");
    api.create_inline(LANE, s, ci, "put-only", &document::text(&reading()))
        .await?;
    let inline = api.list_user_inline(LANE, s, "ci").await?;
    assert!(means(inline[0].document.as_ref(), &reading()));
    assert_eq!(
        api.delete_inline(LANE, s, ci, "put-only").await?,
        Removed::Done
    );
    let user = &api.list_users(LANE, s).await?.value[0];
    assert_eq!(user.policies[0].name, "readers");
    assert_eq!(
        api.delete_user_boundary(LANE, s, "ci").await?,
        Removed::Done
    );
    assert_eq!(
        api.detach_user_policy(LANE, s, "ci", "readers").await?,
        Removed::Done
    );
    assert!(
        api.get_user(LANE, s, "ci")
            .await?
            .unwrap()
            .value
            .policies
            .is_empty()
    );
    use_keys(api, s).await
}

async fn use_keys(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    let first = api.create_key(LANE, s, "ci").await?;
    assert!(first.value.secret.expose().len() >= 40);
    let skew = first
        .at
        .duration_since(first.value.created_at.unwrap())
        .as_secs()
        .abs();
    assert!(skew <= 1, "{skew}");
    api.create_key(LANE, s, "ci").await?;
    let full = api.create_key(LANE, s, "ci").await.err().unwrap();
    assert!(full.is_quota() && full.certain_refusal(), "{full}");
    let listed = api.get_user(LANE, s, "ci").await?.unwrap();
    assert_eq!(listed.value.access_keys.len(), 2);
    assert!(
        listed
            .value
            .access_keys
            .iter()
            .all(AccessKey::is_never_used)
    );
    let id = &first.value.id;
    let now = api
        .modify_key(LANE, s, "ci", id, &KeyStatus::Inactive)
        .await?;
    assert_eq!(now.status, Some(KeyStatus::Inactive));
    assert_eq!(api.delete_key(LANE, s, "ci", id).await?, Removed::Done);
    assert_eq!(api.delete_key(LANE, s, "ci", id).await?, Removed::WasAbsent);
    Ok(())
}

async fn use_groups(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    api.create_group(LANE, s, "ops").await?;
    assert!(api.get_group(LANE, s, "ops").await?.is_some());
    assert_eq!(api.list_groups(LANE, s).await?.len(), 1);
    api.add_member(LANE, s, "ops", "ci").await?;
    api.add_member(LANE, s, "ops", "ci").await?;
    api.attach_group_policy(LANE, s, "ops", "readers").await?;
    assert_eq!(
        api.list_group_policies(LANE, s, "ops").await?[0].name,
        "readers"
    );
    let ops = Owner::Group("ops");
    api.create_inline(LANE, s, ops, "extra", &document::text(&reading()))
        .await?;
    assert_eq!(api.list_group_inline(LANE, s, "ops").await?.len(), 1);
    assert_eq!(
        api.delete_inline(LANE, s, ops, "extra").await?,
        Removed::Done
    );
    assert_eq!(
        api.detach_group_policy(LANE, s, "ops", "readers").await?,
        Removed::Done
    );
    assert_eq!(
        api.remove_member(LANE, s, "ops", "ci").await?,
        Removed::Done
    );
    assert_eq!(api.delete_group(LANE, s, "ops").await?, Removed::Done);
    assert!(api.get_group(LANE, s, "ops").await?.is_none());
    Ok(())
}

async fn use_roles(api: &Api, s: &ServiceId) -> Result<(), ApiError> {
    let new = NewRole {
        name: "uploader".to_owned(),
        assume_role_policy_document: document::text(&trust()),
        description: Some("CI".to_owned()),
        max_session_duration: Some(7200),
        permissions_boundary: Some("readers".to_owned()),
        tags: vec![tag()],
    };
    let made = api.create_role(LANE, s, &new).await?;
    assert!(means(made.assume_role_policy_document.as_ref(), &trust()));
    let patch = RolePatch {
        description: Some("other".to_owned()),
        max_session_duration: None,
    };
    assert_eq!(
        api.modify_role(LANE, s, "uploader", &patch)
            .await?
            .max_session_duration,
        Some(7200)
    );
    let now = api
        .set_trust(LANE, s, "uploader", &document::text(&trust()))
        .await?;
    assert!(means(now.as_ref(), &trust()));
    api.attach_role_policy(LANE, s, "uploader", "readers")
        .await?;
    let uploader = Owner::Role("uploader");
    api.create_inline(LANE, s, uploader, "extra", &document::text(&reading()))
        .await?;
    api.set_role_boundary(LANE, s, "uploader", "readers")
        .await?;
    api.replace_role_tags(LANE, s, "uploader", &[tag()]).await?;
    let listed = &api.list_roles(LANE, s).await?[0];
    assert_eq!(
        (listed.policies.len(), listed.inline_policies.len()),
        (1, 1)
    );
    assert_eq!(
        api.delete_role_tag(LANE, s, "uploader", "env").await?,
        Removed::Done
    );
    assert_eq!(
        api.delete_role_boundary(LANE, s, "uploader").await?,
        Removed::Done
    );
    assert_eq!(
        api.delete_inline(LANE, s, uploader, "extra").await?,
        Removed::Done
    );
    assert_eq!(
        api.detach_role_policy(LANE, s, "uploader", "readers")
            .await?,
        Removed::Done
    );
    assert!(
        api.get_role(LANE, s, "uploader")
            .await?
            .unwrap()
            .policies
            .is_empty()
    );
    assert_eq!(api.delete_role(LANE, s, "uploader").await?, Removed::Done);
    Ok(())
}

/// Every operation of the client at least once, from an empty account to an empty one.
pub async fn use_everything(api: &Api) -> Result<(), ApiError> {
    api.get_account(LANE).await?;
    let s = &service(api).await;
    use_service(api, s).await?;
    use_domains_and_websites(api, s).await?;
    use_policies(api, s).await?;
    use_users(api, s).await?;
    use_groups(api, s).await?;
    use_roles(api, s).await?;
    let refused = api.delete_service(LANE, s, false).await.unwrap_err();
    assert!(refused.certain_refusal(), "{refused}");
    assert_eq!(api.delete_user(LANE, s, "ci").await?, Removed::Done);
    assert_eq!(api.delete_user(LANE, s, "ci").await?, Removed::WasAbsent);
    assert_eq!(api.delete_policy(LANE, s, "readers").await?, Removed::Done);
    assert_eq!(api.delete_service(LANE, s, true).await?, Removed::Done);
    Ok(())
}

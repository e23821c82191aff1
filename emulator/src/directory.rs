//! The world as the data plane sees it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::policy_arn;
use crate::choices::Choice;
use crate::data::Directory;
use crate::data::directory::{
    Bucket, BucketFault, ErrorPage, HostKind, KeyOwner, PolicySet, Role, Site,
};
use crate::hub::Hub;
use crate::state::World;
use crate::state::iam::{AccessKey, Grants, Iam};
use crate::state::service::{self, Service, Website};

/// Longest session of a role, if the number kept does not fit.
const LONGEST_SESSION: u32 = 43_200;

/// A service that answers on its endpoints.
fn open<'a>(world: &'a World, uuid: &str) -> Option<&'a Service> {
    world.service(uuid).filter(|service| is_open(service))
}

fn is_open(service: &Service) -> bool {
    service.config.started && !service.deleting
}

/// Whether a delay, in seconds, is over for what began at `from`.
fn is_over(world: &World, delay: Choice, from: Timestamp, now: Timestamp) -> bool {
    let delay = i64::from(world.choices.number(delay));
    delay == 0 || now.as_second() - from.as_second() >= delay
}

fn find_key<'a>(
    world: &'a World,
    id: &str,
    now: Timestamp,
) -> Option<(&'a Service, &'a str, &'a AccessKey)> {
    let (uuid, user) = world.key_owners.get(id)?;
    let service = open(world, uuid)?;
    let (name, user) = service.iam.users.get_key_value(user)?;
    let key = user.keys.iter().find(|key| key.id == id)?;
    let known = is_over(world, Choice::KeyDelay, key.created_at, now);
    known.then_some((service, name, key))
}

/// Documents of one holder of grants: attached policies in their default version, then inline ones.
fn documents(world: &World, now: Timestamp, iam: &Iam, grants: &Grants) -> Vec<(String, Value)> {
    let counts = |at: &Timestamp| is_over(world, Choice::PolicyDelay, *at, now);
    let attached = grants.attached.iter().filter(|(_, at)| counts(at));
    let attached = attached.filter_map(|(name, _)| {
        let policy = iam.policies.get(name)?;
        Some((name.clone(), parse(policy.document())))
    });
    let inline = grants
        .inline
        .iter()
        .map(|(name, text)| (name.clone(), parse(text)));
    attached.chain(inline).collect()
}

fn parse(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_default()
}

/// A boundary whose policy is gone allows nothing.
fn boundary(iam: &Iam, grants: &Grants) -> Option<Value> {
    let name = grants.boundary.as_ref()?;
    let policy = iam.policies.get(name);
    Some(policy.map_or_else(
        || json!({"Statement": []}),
        |policy| parse(policy.document()),
    ))
}

fn bucket(name: &str, bucket: &service::Bucket) -> Bucket {
    Bucket {
        name: name.to_owned(),
        created_at: bucket.created_at,
    }
}

fn site(service: &Service, site: &Website) -> Site {
    let page = |page: &service::ErrorPage| {
        Some(ErrorPage {
            first: u16::try_from(page.range.0).ok()?,
            last: u16::try_from(page.range.1).ok()?,
            document: page.error_document.clone(),
        })
    };
    Site {
        service: service.uuid.clone(),
        domain: site.domain_name.clone(),
        bucket: site.bucket_name.clone(),
        prefix: site.bucket_prefix.clone(),
        index_document: site.index_document.clone(),
        error_pages: site.error_pages.iter().filter_map(page).collect(),
        spa_mode: site.spa_mode,
        enabled: site.enabled,
    }
}

fn sites(world: &World) -> impl Iterator<Item = (&Service, &Website)> {
    let services = world.services().filter(|service| is_open(service));
    services.flat_map(|service| {
        service
            .config
            .websites
            .iter()
            .map(move |site| (service, site))
    })
}

/// What answers at a host of one service.
fn host_of(service: &Service, host: &str) -> Option<HostKind> {
    let uuid = || service.uuid.clone();
    let is = |name: &str| name.eq_ignore_ascii_case(host);
    if is(&service.public_host()) || is(&service.private_host()) {
        return Some(HostKind::Api { service: uuid() });
    }
    let website = |domain: &str| HostKind::Website {
        service: uuid(),
        domain: domain.to_owned(),
    };
    if is(&service.static_host()) {
        return Some(website(&service.static_host()));
    }
    let mut domains = service.config.custom_domains.iter();
    let domain = domains.find(|domain| is(&domain.domain_name))?;
    Some(if domain.website {
        website(&domain.domain_name)
    } else {
        HostKind::Api { service: uuid() }
    })
}

impl Directory for Hub {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn key(&self, id: &str) -> Option<KeyOwner> {
        let world = self.world.lock();
        let (service, user, key) = find_key(&world, id, self.clock.now())?;
        Some(KeyOwner {
            secret: key.secret.clone(),
            service: service.uuid.clone(),
            user: user.to_owned(),
            active: key.active,
        })
    }

    fn used(&self, id: &str) {
        let now = self.clock.now();
        let mut world = self.world.lock();
        let Some((uuid, user)) = world.key_owners.get(id).cloned() else {
            return;
        };
        let user = world
            .service_mut(&uuid)
            .and_then(|service| service.iam.users.get_mut(&user));
        let key = user.and_then(|user| user.keys.iter_mut().find(|key| key.id == id));
        if let Some(key) = key {
            // Shown in whole seconds, so not worth a write to the file more often.
            let shown = key.last_used_at.map(jiff::Timestamp::as_second);
            key.last_used_at = Some(now);
            if shown != Some(now.as_second()) {
                self.changed.notify_one();
            }
        }
    }

    fn policies(&self, service: &str, user: &str) -> PolicySet {
        let now = self.clock.now();
        let world = self.world.lock();
        let Some(iam) = open(&world, service).map(|service| &service.iam) else {
            return PolicySet::default();
        };
        let Some(grants) = iam.users.get(user).map(|user| &user.grants) else {
            return PolicySet::default();
        };
        let groups = iam
            .groups
            .values()
            .filter(|group| group.members.contains(user));
        let inherited = groups.flat_map(|group| documents(&world, now, iam, &group.grants));
        PolicySet {
            identity: documents(&world, now, iam, grants)
                .into_iter()
                .chain(inherited)
                .collect(),
            boundary: boundary(iam, grants),
        }
    }

    fn role(&self, service: &str, name: &str) -> Option<Role> {
        let now = self.clock.now();
        let world = self.world.lock();
        let iam = &open(&world, service)?.iam;
        let role = iam.roles.get(name)?;
        Some(Role {
            trust: parse(&role.trust),
            max_session_seconds: u32::try_from(role.max_session_seconds).unwrap_or(LONGEST_SESSION),
            policies: PolicySet {
                identity: documents(&world, now, iam, &role.grants),
                boundary: boundary(iam, &role.grants),
            },
        })
    }

    fn managed_policy(&self, service: &str, arn: &str) -> Option<Value> {
        let world = self.world.lock();
        let service = open(&world, service)?;
        let mut policies = service.iam.policies.iter();
        let (_, policy) = policies.find(|(name, _)| policy_arn(service, name) == arn)?;
        Some(parse(policy.document()))
    }

    fn cors_origin(&self, service: &str) -> Option<String> {
        let world = self.world.lock();
        if world.choices.is(Choice::CorsOverride, "ignore") {
            return None;
        }
        let origin = open(&world, service)?.config.cors_origin.clone();
        origin.filter(|origin| !origin.is_empty())
    }

    fn service_of_host(&self, host: &str) -> Option<HostKind> {
        let world = self.world.lock();
        let mut open = world.services().filter(|service| is_open(service));
        open.find_map(|service| host_of(service, host))
    }

    fn bucket(&self, service: &str, name: &str) -> Option<Bucket> {
        let world = self.world.lock();
        let found = open(&world, service)?.buckets.get(name)?;
        found.deleted_at.is_none().then(|| bucket(name, found))
    }

    fn buckets(&self, service: &str) -> Vec<Bucket> {
        let world = self.world.lock();
        let Some(service) = open(&world, service) else {
            return Vec::new();
        };
        let live = service
            .buckets
            .iter()
            .filter(|(_, bucket)| bucket.deleted_at.is_none());
        live.map(|(name, found)| bucket(name, found)).collect()
    }

    fn find_bucket(&self, name: &str) -> Vec<String> {
        let world = self.world.lock();
        let holds = |service: &&Service| {
            let found = service.buckets.get(name);
            is_open(service) && found.is_some_and(|bucket| bucket.deleted_at.is_none())
        };
        world
            .services()
            .filter(holds)
            .map(|service| service.uuid.clone())
            .collect()
    }

    fn create_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault> {
        let now = self.clock.now();
        let mut world = self.world.lock();
        world.settle(now);
        let service = world
            .service_mut(service)
            .filter(|service| is_open(service));
        let service = service.ok_or(BucketFault::Unavailable)?;
        match service.buckets.get(name) {
            Some(bucket) if bucket.deleted_at.is_some() => Err(BucketFault::Purging),
            Some(_) => Err(BucketFault::Exists),
            None => {
                service
                    .buckets
                    .insert(name.to_owned(), service::Bucket::new(now));
                self.changed.notify_one();
                Ok(())
            }
        }
    }

    /// The bucket is empty, so nothing is left to purge.
    fn delete_bucket(&self, service: &str, name: &str) -> Result<(), BucketFault> {
        let mut world = self.world.lock();
        let service = world
            .service_mut(service)
            .filter(|service| is_open(service));
        let service = service.ok_or(BucketFault::Unavailable)?;
        let live = service
            .buckets
            .get(name)
            .is_some_and(|bucket| bucket.deleted_at.is_none());
        if !live {
            return Err(BucketFault::Missing);
        }
        service.buckets.remove(name);
        self.store.drop_bucket(&service.uuid, name);
        self.changed.notify_one();
        Ok(())
    }

    fn count(&self, service: &str, bucket: &str, objects: i64, bytes: i64) {
        let minute = self.clock.now().as_second().div_euclid(60);
        let mut world = self.world.lock();
        let Some(service) = world.service_mut(service) else {
            return;
        };
        let Some(bucket) = service.buckets.get_mut(bucket) else {
            return;
        };
        bucket.objects = bucket.objects.saturating_add(objects).max(0);
        bucket.bytes = bucket.bytes.saturating_add(bytes).max(0);
        let traffic = service.traffic.entry(minute).or_default();
        traffic.objects_created += objects.max(0);
        traffic.objects_deleted += (-objects).max(0);
        traffic.bytes_created += bytes.max(0);
        traffic.bytes_deleted += (-bytes).max(0);
        self.changed.notify_one();
    }

    fn website(&self, domain: &str) -> Option<Site> {
        let world = self.world.lock();
        let mut all = sites(&world);
        let found = all.find(|(_, site)| site.domain_name.eq_ignore_ascii_case(domain));
        found.map(|(service, found)| site(service, found))
    }

    fn websites(&self) -> Vec<Site> {
        let world = self.world.lock();
        sites(&world)
            .map(|(service, found)| site(service, found))
            .collect()
    }
}

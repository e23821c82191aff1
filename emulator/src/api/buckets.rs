//! Buckets: operations 21 to 23.

use super::call::{Answer, Call, Reply};
use super::services::{check_limit, total_count};
use super::{Context, duplicate, is_listed, missing, quota, rules, view};
use crate::choices::Choice;
use crate::problem::Problem;
use crate::state::Dropped;
use crate::state::service::{Bucket, Website};
use crate::validate::Check;

/// The answer to a name that is taken.
const EXISTS: &str = "Bucket already exists";

/// Lists deleted buckets too, until they are purged; a listed one counts as seen.
pub fn list(cx: &mut Context<'_>, call: &Call) -> Reply {
    let mut check = Check::default();
    let (limit, offset) = call.page(&mut check);
    check_limit(&mut check, call, cx.choices);
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    check.done()?;
    let mut listed: Vec<(&String, &mut Bucket)> = service
        .buckets
        .iter_mut()
        .filter(|(_, bucket)| is_listed(choices, now, bucket.created_at))
        .collect();
    if choices.is(Choice::ListOrder, "created_at") {
        listed.sort_by_key(|(_, bucket)| bucket.created_at);
    }
    let total = listed.len();
    let page = listed
        .iter_mut()
        .skip(offset)
        .take(limit)
        .map(|(name, bucket)| {
            bucket.seen_deleted |= bucket.deleted_at.is_some();
            view::bucket(name, bucket)
        });
    let page = page.collect();
    Ok(Answer::ok(page).with_total(total_count(choices, total)))
}

pub fn create(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let name = call.single("name", &rules::BUCKET)?;
    let free = choices.is(Choice::DeletedBucketName, "free");
    let held = service
        .buckets
        .get(&name)
        .is_some_and(|bucket| bucket.deleted_at.is_none() || !free);
    if held {
        return Err(duplicate(choices, "name", EXISTS));
    }
    quota(choices, Choice::QuotaBuckets, service.buckets.len())?;
    let bucket = Bucket::new(now);
    let answer = view::bucket(&name, &bucket);
    service.buckets.insert(name, bucket);
    Ok(Answer::created(answer))
}

/// Deleting a bucket that is already deleted succeeds until it is purged.
pub fn delete(cx: &mut Context<'_>, call: &Call) -> Reply {
    let (now, choices) = (cx.now, cx.choices);
    let service = call.service(cx.account)?;
    let serves = |site: &Website| site.bucket_name == call.arg(1);
    let mut config = service.config.clone();
    config.websites.retain(|site| !serves(site));
    let shown = config.websites.len() < service.config.websites.len();
    if shown && choices.is(Choice::BucketWithWebsite, "blocked") {
        let reason = "A static website is configured on the bucket.";
        return Err(Problem::refused_root(reason));
    }
    if shown && choices.is(Choice::BucketWithWebsite, "remove") {
        service.modify(config, now);
    }
    match service.buckets.get_mut(call.arg(1)) {
        Some(bucket) => {
            bucket.deleted_at.get_or_insert(now);
            let name = call.arg(1).to_owned();
            cx.dropped.push(Dropped::Bucket(service.uuid.clone(), name));
            Ok(Answer::no_content())
        }
        None => missing(choices),
    }
}

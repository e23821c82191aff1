//! `cooper usage`: what is stored, and how that went.

use anyhow::bail;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    End,
    output::{Format, Table, bytes, count, print},
    reach::{Cluster, Credentials},
};
use crate::{
    engine::budget::Lane,
    upcloud::{
        account::Account,
        api::{Api, SeriesPoint, SeriesQuery, Service},
        shape::Span,
    },
};

/// Show what services and buckets hold, as the cloud counts it.
///
/// The cloud's counts lag behind by some minutes. With --over, shows instead how each service went in that time, step by step.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cooper usage --account default\n  cooper usage --account default --service media --over 7d --every 1d"
)]
pub struct Usage {
    /// Only the service of this name.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Show how it went in the time up to now, such as 24h or 7d.
    #[arg(long, value_name = "TIME", value_parser = span)]
    over: Option<Span>,
    /// Length of a step of --over. Default: 1h, or 1d if --over is longer than two days.
    #[arg(long, value_name = "TIME", value_parser = interval, requires = "over")]
    every: Option<String>,
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cluster: Cluster,
}

/// A service as it is told.
#[derive(Serialize)]
struct Stored {
    service: String,
    id: String,
    region: Option<String>,
    state: Option<String>,
    objects: Option<i64>,
    bytes: Option<i64>,
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    name: String,
    objects: Option<i64>,
    bytes: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    purging: bool,
}

/// How a service went.
#[derive(Serialize)]
struct Course {
    service: String,
    id: String,
    steps: Vec<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    objects: Option<i64>,
    bytes: Option<i64>,
    objects_created: Option<i64>,
    objects_deleted: Option<i64>,
    bytes_created: Option<i64>,
    bytes_deleted: Option<i64>,
    bytes_received: Option<i64>,
    bytes_transmitted: Option<i64>,
}

impl Usage {
    /// Shows it.
    pub async fn run(self) -> anyhow::Result<End> {
        let way = self.credentials.way_in(&self.cluster).await?;
        let cloud = way.open::<Account>().await?;
        let mut services = cloud.services().await?;
        if let Some(name) = &self.service {
            services.retain(|service| service.name == *name);
            if services.is_empty() {
                bail!("the account has no service named {name}");
            }
        }
        match &self.over {
            None => {
                let stored = stored(cloud.api(), services).await?;
                print(self.output, &stored, |stored| stored_table(stored))?;
            }
            Some(over) => {
                let query = self.series(over, way.outside.clock.now());
                let courses = courses(cloud.api(), services, &query).await?;
                print(self.output, &courses, |courses| course_table(courses))?;
            }
        }
        Ok(End::Done)
    }

    fn series(&self, over: &Span, now: Timestamp) -> SeriesQuery {
        let length = SignedDuration::try_from(over.duration()).unwrap_or_default();
        let every = self.every.clone();
        let usual = if length > SignedDuration::from_hours(48) {
            "1d"
        } else {
            "1h"
        };
        SeriesQuery {
            from: whole(now.checked_sub(length).unwrap_or(now)),
            to: whole(now),
            interval: every.or_else(|| Some(usual.to_owned())),
        }
    }
}

fn whole(moment: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(moment.as_second()).ok()
}

async fn stored(api: &Api, services: Vec<Service>) -> anyhow::Result<Vec<Stored>> {
    let mut all = Vec::new();
    for service in services {
        let mut buckets = api.list_buckets(Lane::Fresh, &service.uuid).await?;
        buckets.sort_by(|one, other| one.name.cmp(&other.name));
        let buckets = buckets.into_iter().map(|bucket| Bucket {
            name: bucket.name,
            objects: bucket.total_objects,
            bytes: bucket.total_size_bytes,
            purging: bucket.deleted,
        });
        all.push(Stored {
            service: service.name,
            id: service.uuid.to_string(),
            region: service.region,
            state: service.operational_state.map(|state| state.to_string()),
            objects: service.usage.and_then(|usage| usage.total_objects),
            bytes: service.usage.and_then(|usage| usage.total_size_bytes),
            buckets: buckets.collect(),
        });
    }
    Ok(all)
}

async fn courses(
    api: &Api,
    services: Vec<Service>,
    query: &SeriesQuery,
) -> anyhow::Result<Vec<Course>> {
    let mut all = Vec::new();
    for service in services {
        let series = api.list_series(Lane::Fresh, &service.uuid, query).await?;
        all.push(Course {
            service: service.name,
            id: service.uuid.to_string(),
            steps: series.into_iter().map(Step::from).collect(),
        });
    }
    Ok(all)
}

impl From<SeriesPoint> for Step {
    fn from(point: SeriesPoint) -> Self {
        Self {
            from: point.start_at,
            to: point.end_at,
            objects: point.objects_total,
            bytes: point.bytes_total,
            objects_created: point.objects_created,
            objects_deleted: point.objects_deleted,
            bytes_created: point.bytes_created,
            bytes_deleted: point.bytes_deleted,
            bytes_received: point.bytes_received,
            bytes_transmitted: point.bytes_transmitted,
        }
    }
}

fn stored_table(services: &[Stored]) -> String {
    let mut table = Table::new(["SERVICE", "BUCKET", "OBJECTS", "SIZE", "REGION", "STATE"]);
    for service in services {
        table.row([
            service.service.clone(),
            "(all)".into(),
            count(service.objects),
            bytes(service.bytes),
            service.region.clone().unwrap_or_default(),
            service.state.clone().unwrap_or_default(),
        ]);
        for bucket in &service.buckets {
            table.row([
                service.service.clone(),
                bucket.name.clone(),
                count(bucket.objects),
                bytes(bucket.bytes),
                service.region.clone().unwrap_or_default(),
                if bucket.purging { "purging" } else { "" }.into(),
            ]);
        }
    }
    table.finish()
}

fn course_table(courses: &[Course]) -> String {
    let mut table = Table::new([
        "SERVICE", "FROM", "OBJECTS", "SIZE", "CREATED", "DELETED", "RECEIVED", "SENT",
    ]);
    for course in courses {
        for step in &course.steps {
            table.row([
                course.service.clone(),
                step.from.map(|from| from.to_string()).unwrap_or_default(),
                count(step.objects),
                bytes(step.bytes),
                bytes(step.bytes_created),
                bytes(step.bytes_deleted),
                bytes(step.bytes_received),
                bytes(step.bytes_transmitted),
            ]);
        }
    }
    table.finish()
}

/// A length of time on the command line, at most ten years: the API takes no more steps than one can read.
fn span(text: &str) -> Result<Span, String> {
    let span = Span::new(text);
    let longest = std::time::Duration::from_hours(24 * 3660);
    let length = span.duration();
    let plain = text.len() <= 5 && text.is_ascii();
    if plain && !length.is_zero() && length <= longest {
        Ok(span)
    } else {
        Err("a number and one of s, m, h and d, such as 24h".into())
    }
}

/// A step as the API takes it; which steps it takes, its answer says.
fn interval(text: &str) -> Result<String, String> {
    let mut digits = text.chars();
    let unit = digits.next_back();
    let digits = digits.as_str();
    let number = !digits.is_empty() && digits.chars().all(|letter| letter.is_ascii_digit());
    if number && matches!(unit, Some('m' | 'h' | 'd' | 'w')) {
        Ok(text.to_owned())
    } else {
        Err("a number and one of m, h, d and w, such as 1h".into())
    }
}

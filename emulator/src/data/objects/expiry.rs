//! Lifecycle rules, and what of a bucket they end, by the emulator's clock.
//!
//! A rule counts in whole days from a write, and what is due is over at the midnight (UTC) after that
//! (S3 user guide, "Lifecycle configuration elements"). Nothing happens by itself: somebody who moves
//! the clock calls [`Store::expire`]. A long step is walked as many short ones would have been: a
//! marker that hides an expired object bears the time at which it was due, so the version under it
//! grows old from then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Contents, Delta, Object, Store, Version};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Name, unique in the bucket.
    pub id: String,
    /// Disabled rules are kept and do nothing.
    pub enabled: bool,
    /// What it is about.
    pub filter: Filter,
    /// End of current versions.
    pub expiration: Option<Expiration>,
    /// End of versions that are no longer current.
    pub noncurrent: Option<Noncurrent>,
    /// Days after which an upload in progress is aborted.
    pub abort_days: Option<i32>,
}

/// What a rule is about: all of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Beginning of the key.
    pub prefix: Option<String>,
    /// Tags the object has.
    pub tags: Vec<(String, String)>,
    /// Size it exceeds, in bytes.
    pub above: Option<i64>,
    /// Size it stays below, in bytes.
    pub below: Option<i64>,
    /// How the client wrote it, to give it back so.
    pub form: Form,
}

/// How a filter was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// A prefix on the rule itself, as before 2016.
    Prefix,
    /// One criterion, or none.
    #[default]
    One,
    /// Several, in `And`.
    And,
}

/// When a current version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// So many days after it was written.
    Days(i32),
    /// At a midnight.
    Date(Timestamp),
    /// Not objects, but delete markers that hide nothing any more.
    Markers,
}

/// When a version ends that is no longer current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noncurrent {
    /// Days after it was replaced.
    pub days: i32,
    /// As many of the newest are kept in any case.
    pub keep: i32,
}

impl Filter {
    fn takes_key(&self, key: &str) -> bool {
        self.prefix
            .as_deref()
            .is_none_or(|prefix| key.starts_with(prefix))
    }

    fn takes(&self, key: &str, version: &Version) -> bool {
        let plain = self.tags.is_empty() && self.above.is_none() && self.below.is_none();
        self.takes_key(key)
            && match version {
                Version::Marker { .. } => plain,
                Version::Object(object) => {
                    let size = i64::try_from(object.body.len()).unwrap_or(i64::MAX);
                    self.tags.iter().all(|tag| object.tags.contains(tag))
                        && self.above.is_none_or(|above| size > above)
                        && self.below.is_none_or(|below| size < below)
                }
            }
    }
}

/// The midnight at which something that began at `from` is over after so many days.
fn due(from: Timestamp, days: i32) -> Timestamp {
    let over = from.as_second().saturating_add(i64::from(days) * DAY);
    let days = over.div_euclid(DAY) + i64::from(over.rem_euclid(DAY) > 0);
    Timestamp::from_second(days.saturating_mul(DAY)).unwrap_or(Timestamp::MAX)
}

/// The first rule to end an object, and when.
fn fate<'a>(rules: &'a [Rule], key: &str, object: &Version) -> Option<(Timestamp, &'a Rule)> {
    let ends = rules.iter().filter_map(|rule| {
        let at = match rule.expiration? {
            Expiration::Days(days) => due(object.modified(), days),
            Expiration::Date(at) => at,
            Expiration::Markers => return None,
        };
        (rule.enabled && rule.filter.takes(key, object)).then_some((at, rule))
    });
    ends.min_by_key(|(at, _)| *at)
}

impl Store {
    /// Ends what is over by `now` in all buckets; tells what changed, by service and bucket.
    pub fn expire(&self, now: Timestamp) -> Vec<(String, String, Delta)> {
        let mut all = self.0.write();
        let changed = all
            .iter_mut()
            .filter(|(_, contents)| !contents.settings.lifecycle.is_empty())
            .map(|((service, bucket), contents)| {
                (service.clone(), bucket.clone(), contents.expire(now))
            });
        changed
            .filter(|(_, _, delta)| *delta != Delta::default())
            .collect()
    }

    /// When an object will end and by the rule of what name; `None` if no rule is about it.
    pub fn fate(
        &self,
        service: &str,
        bucket: &str,
        key: &str,
        object: &std::sync::Arc<Object>,
    ) -> Option<(Timestamp, String)> {
        self.read(service, bucket, |contents| {
            let version = Version::Object(std::sync::Arc::clone(object));
            let (at, rule) = fate(&contents.settings.lifecycle, key, &version)?;
            Some((at, rule.id.clone()))
        })
    }
}

impl Contents {
    fn expire(&mut self, now: Timestamp) -> Delta {
        let rules = std::mem::take(&mut self.settings.lifecycle);
        let aborting = rules.iter().filter(|rule| rule.enabled);
        let aborting: Vec<(&Filter, i32)> = aborting
            .filter_map(|rule| Some((&rule.filter, rule.abort_days?)))
            .collect();
        self.uploads.retain(|(key, _), upload| {
            let over = |(filter, days): &(&Filter, i32)| {
                filter.takes_key(key) && due(upload.initiated, *days) <= now
            };
            !aborting.iter().any(over)
        });
        let keys: Vec<String> = self.keys.keys().cloned().collect();
        let mut delta = Delta::default();
        for key in keys {
            while let Some(change) = self.expire_once(&rules, &key, now) {
                delta = delta + change;
            }
        }
        self.settings.lifecycle = rules;
        delta
    }

    /// One step of what is over for a key; nothing if nothing is.
    fn expire_once(&mut self, rules: &[Rule], key: &str, now: Timestamp) -> Option<Delta> {
        let versions = self.keys.get(key)?;
        let current = versions.last()?;
        if let Some(id) = outlived(rules, key, versions, now) {
            return Some(self.delete_version(key, &id).delta);
        }
        if let Version::Marker { id, modified } = current {
            let alone = versions.len() == 1;
            let gone = |rule: &Rule| match rule.expiration {
                Some(Expiration::Markers) => true,
                Some(Expiration::Days(days)) => due(*modified, days) <= now,
                Some(Expiration::Date(at)) => at <= now,
                None => false,
            };
            let over = rules
                .iter()
                .any(|rule| rule.enabled && rule.filter.takes(key, current) && gone(rule));
            let id = id.clone();
            return (alone && over).then(|| self.delete_version(key, &id).delta);
        }
        let (at, _) = fate(rules, key, current).filter(|(at, _)| *at <= now)?;
        Some(self.delete(key, at).delta)
    }
}

/// Id of a version that is no longer current and over.
fn outlived(rules: &[Rule], key: &str, versions: &[Version], now: Timestamp) -> Option<String> {
    let pairs = versions.iter().zip(versions.iter().skip(1)).enumerate();
    for (at, (version, successor)) in pairs {
        let newer = versions.len().saturating_sub(2 + at);
        let over = |rule: &Rule| {
            rule.noncurrent.is_some_and(|ends| {
                due(successor.modified(), ends.days) <= now
                    && newer >= usize::try_from(ends.keep).unwrap_or(0)
            })
        };
        if rules
            .iter()
            .any(|rule| rule.enabled && rule.filter.takes(key, version) && over(rule))
        {
            return Some(version.id().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Expect, NewObject};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn rule(filter: Filter, expiration: Option<Expiration>) -> Rule {
        Rule {
            id: "r".to_owned(),
            enabled: true,
            filter,
            expiration,
            ..Rule::default()
        }
    }

    fn prefix(text: &str) -> Filter {
        Filter {
            prefix: Some(text.to_owned()),
            ..Filter::default()
        }
    }

    fn put(store: &Store, key: &str, tags: &[(&str, &str)], when: &str) {
        let tags = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let new = NewObject {
            body: Bytes::from_static(b"12345").into(),
            tags: tags.collect(),
            ..NewObject::default()
        };
        let _ = store
            .put("s", "b", key, new, &Expect::Anything, at(when))
            .unwrap();
    }

    fn count(store: &Store, now: &str) -> i64 {
        let _ = store.expire(at(now));
        store.usage("s", "b").objects
    }

    #[test]
    fn an_object_ends_at_the_midnight_after_its_days() {
        let store = Store::default();
        store.set("s", "b", |settings| {
            settings.lifecycle = vec![rule(prefix("log/"), Some(Expiration::Days(3)))];
        });
        put(&store, "log/1", &[], "2026-01-15T10:30:00Z");
        put(&store, "other", &[], "2026-01-15T10:30:00Z");
        assert_eq!(count(&store, "2026-01-18T23:59:59Z"), 2);
        let changed = store.expire(at("2026-01-19T00:00:00Z"));
        let gone = Delta {
            objects: -1,
            bytes: -5,
        };
        assert_eq!(changed, [("s".to_owned(), "b".to_owned(), gone)]);
    }

    #[test]
    fn only_what_all_of_a_filter_takes_ends() {
        let tagged = Filter {
            tags: vec![("keep".to_owned(), "no".to_owned())],
            above: Some(4),
            below: Some(6),
            ..prefix("a")
        };
        for (filter, enabled, left) in [
            (Filter::default(), true, 0),
            (Filter::default(), false, 3),
            (tagged.clone(), true, 2),
            (
                Filter {
                    above: Some(5),
                    ..tagged
                },
                true,
                3,
            ),
        ] {
            let store = Store::default();
            let ends = Rule {
                enabled,
                ..rule(filter, Some(Expiration::Date(at("2026-02-01T00:00:00Z"))))
            };
            store.set("s", "b", |settings| {
                settings.lifecycle = vec![ends.clone()];
            });
            put(&store, "a1", &[("keep", "no")], "2026-01-01T00:00:00Z");
            put(&store, "a2", &[("keep", "yes")], "2026-01-01T00:00:00Z");
            put(&store, "b1", &[("keep", "no")], "2026-01-01T00:00:00Z");
            assert_eq!(count(&store, "2026-02-01T00:00:00Z"), left, "{ends:?}");
        }
    }

    #[test]
    fn one_long_step_does_what_many_short_ones_would() {
        let whole = Rule {
            noncurrent: Some(Noncurrent { days: 2, keep: 0 }),
            ..rule(Filter::default(), Some(Expiration::Days(1)))
        };
        let markers = rule(Filter::default(), Some(Expiration::Markers));
        let run = |steps: &[&str]| {
            let store = Store::default();
            store.set("s", "b", |settings| {
                settings.versioning = Some(true);
                settings.lifecycle = vec![whole.clone(), markers.clone()];
            });
            put(&store, "k", &[], "2026-01-01T12:00:00Z");
            put(&store, "k", &[], "2026-01-01T13:00:00Z");
            for step in steps {
                let _ = store.expire(at(step));
            }
            (store.usage("s", "b").objects, store.is_empty("s", "b"))
        };
        // Hidden on the 3rd; the older version is over on the 4th, the newer one on the 5th.
        assert_eq!(run(&["2026-01-03T00:00:00Z"]), (2, false));
        assert_eq!(run(&["2026-01-04T00:00:00Z"]), (1, false));
        assert_eq!(run(&["2026-01-05T00:00:00Z"]), (0, true));
        let short = [
            "2026-01-02T00:00:00Z",
            "2026-01-03T00:00:00Z",
            "2026-01-04T00:00:00Z",
            "2026-01-05T00:00:00Z",
        ];
        assert_eq!(run(&short), (0, true));
    }

    #[test]
    fn the_newest_of_the_old_versions_are_kept() {
        let store = Store::default();
        let ends = Rule {
            noncurrent: Some(Noncurrent { days: 1, keep: 2 }),
            ..rule(Filter::default(), None)
        };
        store.set("s", "b", |settings| {
            settings.versioning = Some(true);
            settings.lifecycle = vec![ends];
        });
        for hour in 10..15 {
            put(&store, "k", &[], &format!("2026-01-01T{hour}:00:00Z"));
        }
        assert_eq!(count(&store, "2026-02-01T00:00:00Z"), 3);
    }
}

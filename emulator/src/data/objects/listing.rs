//! Listing keys and versions, with prefix, delimiter and pages.

use std::ops::Bound;
use std::sync::Arc;

use super::{Contents, Object, Store, Version};

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Keys that begin with this.
    pub prefix: String,
    /// Roll up keys that have this after the prefix; empty rolls up nothing.
    pub delimiter: String,
    /// Only what sorts after this key or rolled-up prefix.
    pub after: Option<String>,
    /// Most entries, keys and rolled-up prefixes together.
    pub limit: usize,
}

/// A key in a listing.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its newest version.
    pub object: Arc<Object>,
}

/// A page of keys.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Keys in order of their bytes.
    pub entries: Vec<Entry>,
    /// Rolled-up prefixes, each with the delimiter at its end.
    pub prefixes: Vec<String>,
    /// Last key or prefix of the page when more follow.
    pub next: Option<String>,
}

/// A version in a listing.
#[derive(Clone, Debug)]
pub struct VersionEntry {
    /// The key.
    pub key: String,
    /// The version.
    pub version: Version,
    /// Whether it is the newest of its key.
    pub latest: bool,
}

/// A page of versions.
#[derive(Clone, Debug, Default)]
pub struct VersionPage {
    /// By key, the newest version of a key first.
    pub entries: Vec<VersionEntry>,
    /// Rolled-up prefixes.
    pub prefixes: Vec<String>,
    /// Last key (or prefix) and version id of the page when more follow.
    pub next: Option<(String, Option<String>)>,
}

/// What comes next in order.
pub(super) enum Found<'a> {
    Key(&'a str, &'a [Version]),
    Prefix(String),
}

/// Walks keys in order from after a point, rolling up at the delimiter.
pub(super) fn walk<'a>(
    range: impl Iterator<Item = (&'a str, &'a [Version])>,
    listing: &'a Listing,
) -> impl Iterator<Item = Found<'a>> {
    let mut last: Option<String> = None;
    range
        .take_while(|(key, _)| key.starts_with(&listing.prefix))
        .filter_map(move |(key, value)| {
            if !listing.delimiter.is_empty()
                && let Some(rest) = key.get(listing.prefix.len()..)
                && let Some((head, _)) = rest.split_once(&listing.delimiter)
            {
                let rolled = format!("{}{head}{}", listing.prefix, listing.delimiter);
                // A page that ended with this prefix, or a start within it, is past all its keys.
                let passed = listing
                    .after
                    .as_deref()
                    .is_some_and(|after| after.starts_with(&rolled) || after > rolled.as_str());
                if passed || last.as_deref() == Some(&rolled) {
                    return None;
                }
                last = Some(rolled.clone());
                return Some(Found::Prefix(rolled));
            }
            Some(Found::Key(key, value))
        })
}

/// Where a listing starts.
pub(super) fn start(listing: &Listing) -> Bound<String> {
    match &listing.after {
        Some(after) if *after >= listing.prefix => Bound::Excluded(after.clone()),
        _ => Bound::Included(listing.prefix.clone()),
    }
}

impl Store {
    /// Lists keys whose newest version is an object.
    pub fn list(&self, service: &str, bucket: &str, listing: &Listing) -> Page {
        self.read(service, bucket, |c| c.list(listing))
    }

    /// Lists all versions. `after_version` continues within the key `listing.after`.
    pub fn list_versions(
        &self,
        service: &str,
        bucket: &str,
        listing: &Listing,
        after_version: Option<&str>,
    ) -> VersionPage {
        self.read(service, bucket, |c| c.list_versions(listing, after_version))
    }
}

impl Contents {
    fn list(&self, listing: &Listing) -> Page {
        let range = self
            .keys
            .range((start(listing), Bound::Unbounded))
            .filter(|(_, versions)| matches!(versions.last(), Some(Version::Object(_))))
            .map(|(key, versions)| (key.as_str(), versions.as_slice()));
        let mut page = Page::default();
        let mut last = None;
        for found in walk(range, listing) {
            if page.entries.len() + page.prefixes.len() >= listing.limit {
                page.next = last;
                break;
            }
            match found {
                Found::Prefix(prefix) => {
                    last = Some(prefix.clone());
                    page.prefixes.push(prefix);
                }
                Found::Key(key, versions) => {
                    last = Some(key.to_owned());
                    if let Some(Version::Object(object)) = versions.last() {
                        page.entries.push(Entry {
                            key: key.to_owned(),
                            object: Arc::clone(object),
                        });
                    }
                }
            }
        }
        page
    }

    fn list_versions(&self, listing: &Listing, after_version: Option<&str>) -> VersionPage {
        let mut page = VersionPage::default();
        let mut last: Option<(String, Option<String>)> = None;
        // Within a key that an earlier page broke off, the range must begin with the key itself.
        let begin = match (&listing.after, after_version) {
            (Some(after), Some(_)) => Bound::Included(after.clone()),
            _ => start(listing),
        };
        let range = self
            .keys
            .range((begin, Bound::Unbounded))
            .map(|(key, versions)| (key.as_str(), versions.as_slice()));
        'keys: for found in walk(range, listing) {
            match found {
                Found::Prefix(prefix) => {
                    if page.entries.len() + page.prefixes.len() >= listing.limit {
                        page.next = last;
                        break;
                    }
                    last = Some((prefix.clone(), None));
                    page.prefixes.push(prefix);
                }
                Found::Key(key, versions) => {
                    // A marker that was deleted meanwhile hides nothing.
                    let mut skip = after_version.filter(|id| {
                        listing.after.as_deref() == Some(key)
                            && versions.iter().any(|v| v.id() == *id)
                    });
                    for (age, version) in versions.iter().rev().enumerate() {
                        if let Some(until) = skip {
                            if version.id() == until {
                                skip = None;
                            }
                            continue;
                        }
                        if page.entries.len() + page.prefixes.len() >= listing.limit {
                            page.next = last;
                            break 'keys;
                        }
                        last = Some((key.to_owned(), Some(version.id().to_owned())));
                        page.entries.push(VersionEntry {
                            key: key.to_owned(),
                            version: version.clone(),
                            latest: age == 0,
                        });
                    }
                }
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn filled(keys: &[&str]) -> Store {
        let store = Store::default();
        for key in keys {
            let _ = store.put_object("s", "b", key, Bytes::from_static(b"x"));
        }
        store
    }

    fn pages(store: &Store, prefix: &str, delimiter: &str, limit: usize) -> Vec<Vec<String>> {
        let mut listing = Listing {
            prefix: prefix.into(),
            delimiter: delimiter.into(),
            after: None,
            limit,
        };
        let mut out = Vec::new();
        loop {
            let page = store.list("s", "b", &listing);
            let mut names: Vec<String> = page.entries.into_iter().map(|e| e.key).collect();
            names.extend(page.prefixes);
            names.sort();
            out.push(names);
            match page.next {
                Some(next) => listing.after = Some(next),
                None => return out,
            }
        }
    }

    #[test]
    fn pages_of_any_size_show_every_name_once() {
        let store = filled(&["a", "a/1", "a/2", "a0", "b/x/1", "b/x/2", "b/y", "c", "é/1"]);
        for (prefix, delimiter, want) in [
            ("", "", "a,a/1,a/2,a0,b/x/1,b/x/2,b/y,c,é/1"),
            ("", "/", "a,a/,a0,b/,c,é/"),
            ("a", "/", "a,a/,a0"),
            ("a/", "/", "a/1,a/2"),
            ("b/", "/", "b/x/,b/y"),
            ("b/x", "", "b/x/1,b/x/2"),
            ("z", "/", ""),
        ] {
            for limit in 1..10 {
                let names: Vec<_> = pages(&store, prefix, delimiter, limit).concat();
                assert_eq!(names.join(","), want, "{prefix:?} {delimiter:?} {limit}");
            }
        }
    }

    #[test]
    fn versions_page_within_a_key() {
        let store = Store::default();
        store.set("s", "b", |settings| settings.versioning = Some(true));
        for key in ["k", "k", "k", "l"] {
            let _ = store.put_object("s", "b", key, Bytes::new());
        }
        let mut seen = Vec::new();
        let (mut after, mut version) = (None, None);
        loop {
            let listing = Listing {
                after: after.clone(),
                limit: 2,
                ..Listing::default()
            };
            let page = store.list_versions("s", "b", &listing, version.as_deref());
            seen.extend(page.entries.iter().map(|e| (e.key.clone(), e.latest)));
            match page.next {
                Some((key, id)) => (after, version) = (Some(key), id),
                None => break,
            }
        }
        let latest: Vec<_> = seen.iter().map(|(k, l)| (k.as_str(), *l)).collect();
        assert_eq!(
            latest,
            [("k", true), ("k", false), ("k", false), ("l", true)]
        );
    }
}

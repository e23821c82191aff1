//! What an object as it stands asks of us, before anything is looked at. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    external::{Common, DeletionPolicy, ManagementPolicy},
    object::FINALIZER,
    status::Origin,
};

/// `"true"`: no writes to the cloud or to Secrets until it is removed.
pub const PAUSED: &str = "cooper.dev/paused";
/// `"true"`: let a deletion end although something holds it; the remote stays.
pub const ABANDON: &str = "cooper.dev/abandon";
/// `"true"` on a resource that is being deleted, before its remote is: keep the remote and its Secret, and let the resource go. The same
/// resource takes both back when it is made again.
pub const UNDO: &str = "cooper.dev/undo";
/// On an account, the instant that its condition `Braked` shows: the deletions asked for until then go on. `"true"` on a resource: its
/// own deletion is no part of a wave.
pub const RELEASE_BRAKE: &str = "cooper.dev/release-brake";
/// Replaces the access key now: any text that was not there before.
pub const ROTATE: &str = "cooper.dev/rotate";
/// `"true"`: make a lost bucket or service anew, empty; or follow a reference to another place.
pub const RECREATE: &str = "cooper.dev/recreate";

/// What an object asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nothing of ours is left in it.
    Ignore,
    /// Take the finalizer off, leave everything else.
    Abandon,
    /// Do nothing until it is resumed.
    Pause,
    /// Its spec cannot be read.
    Unreadable,
    /// Look, compare, report.
    Observe,
    /// Make it so.
    Present,
    /// Keep the remote, let the resource go, and remember whose it was.
    Undo,
    /// Delete it.
    Gone,
    /// Let go of it.
    Released,
}

/// What the object asks for. `common` is absent if its spec cannot be read; `crd_leaving`: its CRD is being removed, which is not a
/// user's delete.
pub fn intent(
    meta: &ObjectMeta,
    common: Option<&Common>,
    policy: DeletionPolicy,
    crd_leaving: bool,
) -> Intent {
    let deleting = meta.deletion_timestamp.is_some();
    let observe =
        common.is_some_and(|common| common.management_policy == ManagementPolicy::Observe);
    match () {
        () if deleting && !has_finalizer(meta) => Intent::Ignore,
        () if deleting && says(meta, ABANDON) => Intent::Abandon,
        () if deleting && crd_leaving => Intent::Released,
        () if says(meta, PAUSED) => Intent::Pause,
        () if deleting && (observe || policy == DeletionPolicy::Orphan) => Intent::Released,
        () if deleting && says(meta, UNDO) => Intent::Undo,
        () if deleting => Intent::Gone,
        () if common.is_none() => Intent::Unreadable,
        () if observe => Intent::Observe,
        () => Intent::Present,
    }
}

/// The deletion policy in effect: the spec's, else that of the last pass, else the careful one for where the remote came from.
pub fn policy(
    common: Option<&Common>,
    origin: Option<Origin>,
    last: Option<DeletionPolicy>,
) -> DeletionPolicy {
    let careful = || match origin {
        Some(Origin::Adopted) => DeletionPolicy::Orphan,
        Some(Origin::Created | Origin::Restored | Origin::Claimed) | None => {
            DeletionPolicy::DeleteIfEmpty
        }
    };
    match common {
        Some(common) => common.deletion_policy.unwrap_or_else(careful),
        None => last.unwrap_or_else(careful),
    }
}

/// Whether an annotation says `"true"`.
pub fn says(meta: &ObjectMeta, annotation: &str) -> bool {
    meta.annotations
        .as_ref()
        .and_then(|all| all.get(annotation))
        .is_some_and(|value| value == "true")
}

/// The finalizers of an object, ours among them.
pub fn finalizers_with_ours(meta: &ObjectMeta) -> Vec<String> {
    let mut finalizers = finalizers_without_ours(meta);
    finalizers.push(FINALIZER.into());
    finalizers
}

/// The finalizers of an object that are not ours.
pub fn finalizers_without_ours(meta: &ObjectMeta) -> Vec<String> {
    let all = meta.finalizers.iter().flatten();
    all.filter(|finalizer| *finalizer != FINALIZER)
        .cloned()
        .collect()
}

/// Whether our finalizer is on.
pub fn has_finalizer(meta: &ObjectMeta) -> bool {
    meta.finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn meta(words: &str) -> ObjectMeta {
        let has = |word| words.contains(word);
        let note = |key: &str| (key.to_owned(), "true".to_owned());
        let mut annotations = BTreeMap::new();
        annotations.extend(has("paused").then(|| note(PAUSED)));
        annotations.extend(has("abandon").then(|| note(ABANDON)));
        annotations.extend(has("undo").then(|| note(UNDO)));
        ObjectMeta {
            deletion_timestamp: has("deleting").then_some(Time(jiff::Timestamp::UNIX_EPOCH)),
            finalizers: has("finalizer").then(|| vec!["other.example/x".into(), FINALIZER.into()]),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }
    }

    /// What an object of these words asks for: which annotations and marks it has, its policies, and whether its CRD is leaving.
    fn asks(words: &str) -> Intent {
        let has = |word| words.contains(word);
        let management_policy = if has("observe") {
            ManagementPolicy::Observe
        } else {
            ManagementPolicy::Full
        };
        let common = Common {
            management_policy,
            ..Common::default()
        };
        let policy = match () {
            () if has("orphan") => DeletionPolicy::Orphan,
            () if has("force") => DeletionPolicy::Delete,
            () => DeletionPolicy::DeleteIfEmpty,
        };
        intent(
            &meta(words),
            (!has("unreadable")).then_some(&common),
            policy,
            has("crd"),
        )
    }

    #[test]
    fn a_living_object_is_wanted_unless_it_says_otherwise() {
        for (words, expected) in [
            ("", Intent::Present),
            ("finalizer orphan", Intent::Present),
            ("finalizer abandon", Intent::Present),
            ("finalizer undo", Intent::Present),
            ("finalizer paused", Intent::Pause),
            ("observe", Intent::Observe),
            ("unreadable", Intent::Unreadable),
        ] {
            assert_eq!(asks(words), expected, "{words}");
        }
    }

    #[test]
    fn a_deleted_object_goes_unless_it_is_kept_or_let_go() {
        for (words, expected) in [
            ("deleting", Intent::Ignore),
            ("deleting finalizer", Intent::Gone),
            ("deleting finalizer force", Intent::Gone),
            ("deleting finalizer unreadable", Intent::Gone),
            ("deleting finalizer undo force", Intent::Undo),
            ("deleting finalizer undo unreadable", Intent::Undo),
            ("deleting finalizer undo paused", Intent::Pause),
            ("deleting finalizer undo abandon", Intent::Abandon),
            ("deleting finalizer undo orphan", Intent::Released),
            ("deleting finalizer undo crd", Intent::Released),
            ("deleting undo", Intent::Ignore),
            ("deleting finalizer orphan", Intent::Released),
            ("deleting finalizer observe force", Intent::Released),
            ("deleting finalizer crd force", Intent::Released),
            ("deleting finalizer paused force", Intent::Pause),
            ("deleting finalizer paused crd", Intent::Released),
            ("deleting finalizer paused abandon", Intent::Abandon),
        ] {
            assert_eq!(asks(words), expected, "{words}");
        }
    }

    #[test]
    fn what_was_adopted_is_orphaned_unless_the_spec_says_otherwise() {
        let silent = Common::default();
        let strict = Common {
            deletion_policy: Some(DeletionPolicy::Delete),
            ..Common::default()
        };
        assert_eq!(
            policy(Some(&silent), Some(Origin::Adopted), None),
            DeletionPolicy::Orphan
        );
        assert_eq!(
            policy(
                Some(&silent),
                Some(Origin::Created),
                Some(DeletionPolicy::Delete)
            ),
            DeletionPolicy::DeleteIfEmpty
        );
        assert_eq!(
            policy(Some(&strict), Some(Origin::Adopted), None),
            DeletionPolicy::Delete
        );
        assert_eq!(
            policy(None, Some(Origin::Adopted), Some(DeletionPolicy::Delete)),
            DeletionPolicy::Delete
        );
    }
}

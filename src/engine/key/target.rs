//! The target as a Kubernetes object: read into words, written from them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::mark::{DIGEST_ANNOTATION, MARK_ANNOTATION, is_intact};
use super::{ISSUER_LABEL, KeyWant, Ledger, Mark, OwnTarget, Revision, Target, Uid};

/// Value of the issuer label on a Secret that belongs to no resource any more.
const RELEASED_LABEL: &str = "released";

/// The resource, as the controller of its Secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: Uid,
}

impl Owner {
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            uid: self.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

impl Revision {
    pub fn of(secret: &Secret) -> Self {
        Self {
            uid: secret.metadata.uid.clone().unwrap_or_default(),
            resource_version: secret.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

/// Name of the Secret to read as target: the one the keys of the ledger belong to, else the one the spec names.
pub fn target_name<'a>(ledger: Option<&'a Ledger>, want: &'a KeyWant) -> Option<&'a str> {
    ledger
        .and_then(|l| l.secret_name.as_deref())
        .or(want.secret_name.as_deref())
}

/// What a Secret found under the target's name is. `stale` is left false: telling it takes the provider's rendering.
///
/// Ours: owner or issuer label is our uid; or adoption is granted and the mark names this place.
pub fn decode_target(secret: &Secret, uid: &Uid, want: &KeyWant) -> Target {
    let nothing = BTreeMap::new();
    let labels = secret.metadata.labels.as_ref();
    let annotations = secret.metadata.annotations.as_ref().unwrap_or(&nothing);
    let owned = secret
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(|o| o.uid == uid.as_str());
    let labelled = labels
        .and_then(|l| l.get(ISSUER_LABEL))
        .is_some_and(|l| l == uid.as_str());
    let mark = Mark::read(annotations).filter(|m| m.place == want.place);
    if !(owned || labelled || want.adopt && mark.is_some()) {
        return Target::Foreign;
    }
    let intact = match &secret.data {
        Some(data) => is_intact(annotations, data),
        None => is_intact(annotations, &BTreeMap::new()),
    };
    Target::Ours(OwnTarget {
        revision: Revision::of(secret),
        owned,
        labelled,
        mark,
        intact,
        stale: false,
    })
}

/// The target with that mark and data. `before`: the object as it was read; what others wrote in its metadata stays.
pub fn encode_target(
    before: Option<Secret>,
    name: &str,
    owner: &Owner,
    mark: &Mark,
    data: BTreeMap<String, ByteString>,
    want: &KeyWant,
) -> Secret {
    let mut secret = before.unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    });
    let meta = &mut secret.metadata;
    meta.labels
        .get_or_insert_default()
        .extend(want.labels.clone());
    meta.annotations
        .get_or_insert_default()
        .extend(want.annotations.clone());
    // Last, so that the spec cannot overwrite them.
    own(meta, owner);
    meta.annotations
        .get_or_insert_default()
        .extend(mark.annotations(&data));
    secret.data = Some(data);
    secret
}

/// The target as it was read, owned by the resource again, with that mark.
pub(in crate::engine) fn owned(mut secret: Secret, owner: &Owner, mark: &Mark) -> Secret {
    own(&mut secret.metadata, owner);
    remark(&mut secret, mark);
    secret
}

/// The target as it was read, let go with that mark, or with nothing of ours in its metadata.
pub(in crate::engine) fn let_go(mut secret: Secret, uid: &Uid, mark: Option<&Mark>) -> Secret {
    if let Some(owners) = &mut secret.metadata.owner_references {
        owners.retain(|o| o.uid != uid.as_str());
    }
    if let Some(mark) = mark {
        remark(&mut secret, mark);
        return secret;
    }
    // The fence lets us write no Secret without the label; a word that is nobody's uid makes it nobody's.
    secret
        .metadata
        .labels
        .get_or_insert_default()
        .insert(ISSUER_LABEL.to_owned(), RELEASED_LABEL.to_owned());
    if let Some(annotations) = &mut secret.metadata.annotations {
        annotations.remove(MARK_ANNOTATION);
        annotations.remove(DIGEST_ANNOTATION);
    }
    secret
}

/// Label and owner reference. An object has at most one controller, so that of a former issuer goes.
fn own(meta: &mut ObjectMeta, owner: &Owner) {
    meta.labels
        .get_or_insert_default()
        .insert(ISSUER_LABEL.to_owned(), owner.uid.to_string());
    let owners = meta.owner_references.get_or_insert_default();
    owners.retain(|o| o.controller != Some(true) && o.uid != owner.uid.as_str());
    owners.push(owner.reference());
}

/// Writes the mark anew and keeps the digest of the data as it stood: edited data must not look intact.
fn remark(secret: &mut Secret, mark: &Mark) {
    let nothing = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&nothing);
    let annotations = secret.metadata.annotations.get_or_insert_default();
    let was_intact = is_intact(annotations, data);
    let [(key, text), (digest_key, digest)] = mark.annotations(data);
    annotations.insert(key, text);
    let digest = if was_intact {
        digest
    } else {
        format!("mark={}", mark.digest())
    };
    annotations.insert(digest_key, digest);
}

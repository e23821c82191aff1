//! The mark: what the Secret that pods read says about its key, sealed by a digest.
//!
//! ```yaml
//! metadata:
//!   labels: {cooper.dev/issuer: 5f0c…}
//!   annotations:
//!     cooper.dev/key: '{"id":"AKIA…","nonce":"9f…","serial":0,"place":{"account":"main","service":"…","user":"ci"}}'
//!     cooper.dev/digest: 'mark=<sha-256>,data=<sha-256>'
//! ```
//!
//! The digest proves nothing about who wrote it; it tells an edited mark or edited data from ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};

use super::{KeyId, Moment, Nonce};

/// Annotation that holds the mark as JSON.
pub const MARK_ANNOTATION: &str = "cooper.dev/key";
/// Annotation that holds both digests.
pub const DIGEST_ANNOTATION: &str = "cooper.dev/digest";

/// What the target says about its key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Id of the key in the data.
    pub id: KeyId,
    /// The attempt that minted it.
    pub nonce: Nonce,
    /// Unix second of the rotation it serves.
    pub serial: i64,
    /// Ids of ours that lived when it was published; each fact stands twice.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub replaces: BTreeSet<KeyId>,
    /// Whose key it is.
    pub place: Place,
    /// When cooper let go of this Secret; cloud time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Moment>,
}

/// The cloud user a key belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    pub account: String,
    /// Id of the service the user is in.
    pub service: String,
    pub user: String,
}

impl Mark {
    /// SHA-256 over the mark's fields, as hex.
    pub fn digest(&self) -> String {
        let replaces: Vec<&str> = self.replaces.iter().map(KeyId::as_str).collect();
        let count = replaces.len().to_string();
        let released = self.released.map(|r| r.to_string()).unwrap_or_default();
        let serial = self.serial.to_string();
        // Sorted by field name.
        let mut fields = vec!["account", &self.place.account, "id", self.id.as_str()];
        fields.extend([
            "nonce",
            self.nonce.as_str(),
            "released",
            &released,
            "replaces",
            &count,
        ]);
        fields.extend(replaces);
        fields.extend([
            "serial",
            &serial,
            "service",
            &self.place.service,
            "user",
            &self.place.user,
        ]);
        sha256(fields.into_iter().map(str::as_bytes))
    }

    /// The two annotations that carry this mark beside `data`.
    pub fn annotations(&self, data: &BTreeMap<String, ByteString>) -> [(String, String); 2] {
        // Strings, numbers and lists of strings: serialization cannot fail.
        let mark = serde_json::to_string(self).unwrap_or_default();
        let digest = format!("mark={},data={}", self.digest(), data_digest(data));
        [
            (MARK_ANNOTATION.to_owned(), mark),
            (DIGEST_ANNOTATION.to_owned(), digest),
        ]
    }

    /// The mark in `annotations`, if it stands as it was written.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let mark: Self = serde_json::from_str(annotations.get(MARK_ANNOTATION)?).ok()?;
        (digest_field(annotations, "mark=")? == mark.digest()).then_some(mark)
    }
}

/// SHA-256 over the data of a Secret, as hex.
pub fn data_digest(data: &BTreeMap<String, ByteString>) -> String {
    sha256(
        data.iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.0.as_slice()]),
    )
}

/// SHA-256 of a text, as hex.
pub fn text_digest(text: &str) -> String {
    sha256(std::iter::once(text.as_bytes()))
}

/// The data is the one its digest was made of.
pub(super) fn is_intact(
    annotations: &BTreeMap<String, String>,
    data: &BTreeMap<String, ByteString>,
) -> bool {
    digest_field(annotations, "data=").is_some_and(|digest| digest == data_digest(data))
}

fn digest_field<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    annotations
        .get(DIGEST_ANNOTATION)?
        .split(',')
        .find_map(|part| part.strip_prefix(name))
}

/// Each field is preceded by its length, so that no two lists of fields give the same bytes.
fn sha256<'a>(fields: impl Iterator<Item = &'a [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    context
        .finish()
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            id: KeyId::new("AK1"),
            nonce: Nonce::new("n1"),
            serial: 7,
            replaces: BTreeSet::from([KeyId::new("AK0")]),
            place: Place {
                account: "main".into(),
                service: "s".into(),
                user: "ci".into(),
            },
            released: None,
        }
    }

    fn data() -> BTreeMap<String, ByteString> {
        BTreeMap::from([("a".to_owned(), ByteString(b"bc".to_vec()))])
    }

    #[test]
    fn a_mark_survives_the_annotation() {
        let annotations = BTreeMap::from(mark().annotations(&data()));
        assert_eq!(Mark::read(&annotations), Some(mark()));
        assert!(is_intact(&annotations, &data()));
    }

    #[test]
    fn an_edited_mark_proves_nothing() {
        let mut annotations = BTreeMap::from(mark().annotations(&data()));
        for (from, to) in [
            ("AK1", "AK9"),
            ("AK0", "AK9"),
            ("ci", "root"),
            ("\"serial\":7", "\"serial\":8"),
        ] {
            let text = annotations[MARK_ANNOTATION].clone();
            annotations.insert(MARK_ANNOTATION.to_owned(), text.replace(from, to));
            assert_eq!(Mark::read(&annotations), None, "{from} became {to}");
            annotations.insert(MARK_ANNOTATION.to_owned(), text);
        }
        annotations.remove(DIGEST_ANNOTATION);
        assert_eq!(Mark::read(&annotations), None);
    }

    #[test]
    fn bytes_moved_between_fields_change_the_digest() {
        let moved = BTreeMap::from([("ab".to_owned(), ByteString(b"c".to_vec()))]);
        assert_ne!(data_digest(&data()), data_digest(&moved));
    }

    #[test]
    fn edited_data_leaves_the_word_of_the_mark_good() {
        let annotations = BTreeMap::from(mark().annotations(&data()));
        assert!(!is_intact(&annotations, &BTreeMap::new()));
        assert!(Mark::read(&annotations).is_some());
    }
}

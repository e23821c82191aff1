//! MD5 and the checksums of S3, as they are computed, stored and compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{self, Checksum as _};
use serde::{Deserialize, Serialize};

use super::objects::Body;

/// A checksum algorithm of the S3 API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The header that carries a value, in requests, trailers and answers.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The name in `ChecksumAlgorithm`, compared without regard to case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The name in `ChecksumAlgorithm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Length of a value, in bytes.
    const fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether a text is a value of this algorithm in base64.
    pub fn accepts(self, value: &str) -> bool {
        STANDARD
            .decode(value)
            .is_ok_and(|bytes| bytes.len() == self.width())
    }
}

/// How the checksum of a multipart object is formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Over all bytes of the object.
    #[default]
    Full,
    /// Over the checksums of the parts, with `-<number of parts>` after it.
    Composite,
}

/// Checksum values of one object or part, in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    values: Vec<(Algorithm, String)>,
    /// How the values were formed.
    pub kind: Kind,
}

impl Checksums {
    /// The checksum of a body.
    pub fn of(algorithm: Algorithm, body: &Body) -> Self {
        let mut hasher = Hasher::new(algorithm);
        for piece in body.pieces() {
            hasher.update(piece);
        }
        let mut out = Self::default();
        out.set(algorithm, hasher.finish());
        out
    }

    /// The value of an algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.values
            .iter()
            .find(|(a, _)| *a == algorithm)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a value.
    pub fn set(&mut self, algorithm: Algorithm, value: String) {
        self.values.retain(|(a, _)| *a != algorithm);
        self.values.push((algorithm, value));
    }

    /// The algorithms there are values for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.values.iter().map(|(a, _)| *a)
    }

    /// Whether every value stated here is the one there; a value the other side never computed
    /// does not agree.
    pub fn agree(&self, other: &Self) -> bool {
        self.values
            .iter()
            .all(|(a, value)| other.get(*a) == Some(value))
    }
}

/// A running checksum.
pub struct Hasher(Running);

enum Running {
    Crc32(crypto::Crc32),
    Crc32c(crypto::Crc32c),
    Crc64Nvme(crypto::Crc64Nvme),
    Sha1(crypto::Sha1),
    Sha256(crypto::Sha256),
}

impl Hasher {
    /// Starts a checksum.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Crc32 => Running::Crc32(crypto::Crc32::new()),
            Algorithm::Crc32c => Running::Crc32c(crypto::Crc32c::new()),
            Algorithm::Crc64Nvme => Running::Crc64Nvme(crypto::Crc64Nvme::new()),
            Algorithm::Sha1 => Running::Sha1(crypto::Sha1::new()),
            Algorithm::Sha256 => Running::Sha256(crypto::Sha256::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Running::Crc32(h) => h.update(bytes),
            Running::Crc32c(h) => h.update(bytes),
            Running::Crc64Nvme(h) => h.update(bytes),
            Running::Sha1(h) => h.update(bytes),
            Running::Sha256(h) => h.update(bytes),
        }
    }

    /// The value in base64.
    pub fn finish(self) -> String {
        match self.0 {
            Running::Crc32(h) => STANDARD.encode(h.finalize()),
            Running::Crc32c(h) => STANDARD.encode(h.finalize()),
            Running::Crc64Nvme(h) => STANDARD.encode(h.finalize()),
            Running::Sha1(h) => STANDARD.encode(h.finalize()),
            Running::Sha256(h) => STANDARD.encode(h.finalize()),
        }
    }
}

/// The checksum of a multipart object from those of its parts; `None` when a part has none.
pub fn composite<'a>(
    algorithm: Algorithm,
    parts: impl Iterator<Item = &'a Checksums>,
) -> Option<Checksums> {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0;
    for part in parts {
        hasher.update(&STANDARD.decode(part.get(algorithm)?).ok()?);
        count += 1;
    }
    let mut out = Checksums {
        kind: Kind::Composite,
        ..Checksums::default()
    };
    out.set(algorithm, format!("{}-{count}", hasher.finish()));
    Some(out)
}

/// An MD5 digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Md5([u8; 16]);

impl Md5 {
    /// The digest as an entity tag has it: lower-case hexadecimal.
    pub fn hex(&self) -> String {
        super::hex(&self.0)
    }

    /// Reads `Content-MD5`: base64 of 16 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The digest of some digests in a row, for the tag of a multipart object.
    pub fn of_all(digests: &[&Self]) -> Self {
        let mut hasher = Md5Hasher::default();
        for digest in digests {
            hasher.update(&digest.0);
        }
        hasher.finish()
    }
}

/// A running MD5.
#[derive(Default)]
pub struct Md5Hasher(crypto::Md5);

impl Md5Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> Md5 {
        Md5(self.0.finalize())
    }
}

/// MD5 of some bytes in hexadecimal.
pub fn md5_hex(bytes: &[u8]) -> String {
    Md5(crypto::Md5::checksum(bytes)).hex()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn values_are_those_of_the_published_check_input() {
        // "123456789" is the check input of the catalogue of parametrised CRC algorithms.
        let body = Body::from(Bytes::from_static(b"123456789"));
        for (algorithm, want) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Algorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ] {
            let sums = Checksums::of(algorithm, &body);
            assert_eq!(sums.get(algorithm), Some(want), "{algorithm:?}");
            assert!(algorithm.accepts(want));
            assert!(!algorithm.accepts("AAAA"));
        }
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn a_value_never_computed_does_not_agree() {
        let body = Body::from(Bytes::from_static(b"x"));
        let crc = Checksums::of(Algorithm::Crc32, &body);
        let sha = Checksums::of(Algorithm::Sha1, &body);
        assert!(crc.agree(&crc));
        assert!(Checksums::default().agree(&crc));
        assert!(!sha.agree(&crc));
    }
}

//! Reading a request body and holding it against everything the client said about it.

use futures::StreamExt as _;
use http::{HeaderMap, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3Result, StdError, TrailingHeaders, s3_error};

use super::convert::custom;
use crate::data::checksum::{Algorithm, Checksums, Hasher, Md5, Md5Hasher};
use crate::data::objects::{Body, BodyBuilder};

/// What the client says about a body.
pub(super) struct Declared {
    length: Option<u64>,
    md5: Option<Md5>,
    sums: Checksums,
    /// Checksums announced for the trailer.
    trailing: Vec<Algorithm>,
    /// Checksum to compute even if no value is stated.
    wanted: Option<Algorithm>,
}

/// A body that is what the client said it is.
pub(super) struct Received {
    pub(super) body: Body,
    pub(super) md5: Md5,
    pub(super) checksums: Checksums,
}

impl Declared {
    /// Reads the headers. `length` is that of the payload, after any chunk framing is taken off.
    pub(super) fn of(headers: &HeaderMap, length: Option<i64>) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let md5 = match headers.get("content-md5") {
            None => None,
            Some(value) => Some(value.to_str().ok().and_then(Md5::from_base64).ok_or_else(
                || s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."),
            )?),
        };
        let mut sums = Checksums::default();
        for algorithm in Algorithm::ALL {
            if let Some(value) = text(algorithm.header()) {
                check_form(algorithm, value)?;
                sums.set(algorithm, value.to_owned());
            }
        }
        let trailing: Vec<Algorithm> = text("x-amz-trailer")
            .into_iter()
            .flat_map(|names| names.split(','))
            .filter_map(|name| {
                let name = name.trim().to_ascii_lowercase();
                Algorithm::ALL.into_iter().find(|a| a.header() == name)
            })
            .collect();
        if sums.algorithms().count() + trailing.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        Ok(Self {
            length: length.and_then(|n| u64::try_from(n).ok()),
            md5,
            sums,
            trailing,
            wanted: None,
        })
    }

    /// Nothing is said about the body.
    pub(super) fn nothing() -> Self {
        Self {
            length: None,
            md5: None,
            sums: Checksums::default(),
            trailing: Vec::new(),
            wanted: None,
        }
    }

    /// Also computes this checksum.
    pub(super) fn wanting(mut self, algorithm: Option<Algorithm>) -> Self {
        self.wanted = algorithm;
        self
    }

    /// Whether the payload's length is known.
    pub(super) fn has_length(&self) -> bool {
        self.length.is_some()
    }

    /// Reads a body to its end and checks it. Nothing is stored of a body that fails.
    pub(super) async fn receive(
        self,
        stream: Option<StreamingBlob>,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<Received> {
        let mut algorithms: Vec<Algorithm> = self
            .sums
            .algorithms()
            .chain(self.trailing.iter().copied())
            .chain(self.wanted)
            .collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        if algorithms.is_empty() {
            // As S3 does since 2024-12 for uploads without a checksum.
            algorithms.push(Algorithm::Crc64Nvme);
        }
        let mut hashers: Vec<_> = algorithms.iter().map(|a| (*a, Hasher::new(*a))).collect();
        let mut md5 = Md5Hasher::default();
        let mut body = BodyBuilder::new(self.length);
        if let Some(mut stream) = stream {
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(broken)?;
                md5.update(&piece);
                for (_, hasher) in &mut hashers {
                    hasher.update(&piece);
                }
                body.push(&piece);
                if self.length.is_some_and(|length| body.len() > length) {
                    return Err(incomplete());
                }
            }
        }
        if self.length.is_some_and(|length| body.len() != length) {
            return Err(incomplete());
        }
        let md5 = md5.finish();
        let mut checksums = Checksums::default();
        for (algorithm, hasher) in hashers {
            checksums.set(algorithm, hasher.finish());
        }
        self.compare(md5, &checksums, trailers)?;
        Ok(Received {
            body: body.finish(),
            md5,
            checksums,
        })
    }

    /// Checks a small body that is in memory already: the XML documents.
    pub(super) fn verify(&self, bytes: &[u8]) -> S3Result<()> {
        let mut md5 = Md5Hasher::default();
        md5.update(bytes);
        let mut checksums = Checksums::default();
        for algorithm in self.sums.algorithms() {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(bytes);
            checksums.set(algorithm, hasher.finish());
        }
        self.compare(md5.finish(), &checksums, None)
    }

    fn compare(
        &self,
        md5: Md5,
        computed: &Checksums,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<()> {
        if self.md5.is_some_and(|declared| declared != md5) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let mut stated = self.sums.clone();
        for algorithm in &self.trailing {
            let value = trailers
                .and_then(|t| t.read(|map| map.get(algorithm.header()).cloned()))
                .flatten();
            let value = value
                .as_ref()
                .and_then(|v| v.to_str().ok())
                .ok_or_else(missing_trailer)?;
            check_form(*algorithm, value)?;
            stated.set(*algorithm, value.to_owned());
        }
        for algorithm in stated.algorithms() {
            if stated.get(algorithm) != computed.get(algorithm) {
                return Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ));
            }
        }
        Ok(())
    }
}

fn check_form(algorithm: Algorithm, value: &str) -> S3Result<()> {
    if algorithm.accepts(value) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidRequest,
        "Value for {} header is invalid.",
        algorithm.header()
    ))
}

fn incomplete() -> S3Error {
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header."
    )
}

fn missing_trailer() -> S3Error {
    custom(
        "MalformedTrailerError",
        StatusCode::BAD_REQUEST,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}

/// A body that broke off or failed a check of its framing. The types of these errors are private to
/// s3s; their texts name the variant.
fn broken(source: StdError) -> S3Error {
    let text = source.to_string();
    let mut fault = if text.contains("SignatureMismatch") {
        s3_error!(
            SignatureDoesNotMatch,
            "A chunk signature does not match the signature you provided."
        )
    } else if text.contains("Sha256Mismatch") {
        custom(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else {
        incomplete()
    };
    fault.set_source(source);
    fault
}

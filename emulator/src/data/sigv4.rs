//! Verification of AWS signature version 4 in the `Authorization` header, for services other than S3.
//!
//! S3 has its own in s3s, which knows no other scope. Source: "Authenticating Requests: AWS Signature
//! Version 4", steps 1 to 4; the text is hashed and signed again and the results compared.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::hex;

/// Greatest difference between the time of signing and ours, in seconds (AWS: 15 minutes).
const LARGEST_SKEW: i64 = 900;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no signature.
    #[error("the request is not signed")]
    Unsigned,
    /// The header cannot be taken apart, or lacks what must be signed.
    #[error("the signature is incomplete")]
    Incomplete,
    /// Signed for another service.
    #[error("the credential is scoped to another service")]
    OtherScope,
    /// Signed too long ago, or ahead of time.
    #[error("the signature is expired or not yet current")]
    Skewed,
    /// Not signed with this secret, or changed since.
    #[error("the signature does not match")]
    Mismatch,
}

/// A signature that has been read but not verified.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    /// Access key id.
    pub(super) key: &'a str,
    scope: &'a str,
    date: &'a str,
    signed: Vec<&'a str>,
    proof: &'a str,
}

impl<'a> Signature<'a> {
    /// Reads the header. `service` is the last part of the scope but one.
    pub(super) fn read(parts: &'a Parts, service: &str) -> Result<Self, Fault> {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let rest = text("authorization")
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256"))
            .ok_or(Fault::Unsigned)?;
        let part = |name: &str| {
            rest.split(',')
                .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or(Fault::Incomplete)
        };
        let (key, scope) = part("Credential")?
            .split_once('/')
            .ok_or(Fault::Incomplete)?;
        let date = text("x-amz-date").ok_or(Fault::Incomplete)?;
        let signed: Vec<&str> = part("SignedHeaders")?.split(';').collect();
        if !signed.contains(&"host") || !signed.contains(&"x-amz-date") {
            return Err(Fault::Incomplete);
        }
        let mut scoped = scope.split('/');
        if scoped.next() != date.get(..8) {
            return Err(Fault::Incomplete);
        }
        if scoped.nth(1) != Some(service) {
            return Err(Fault::OtherScope);
        }
        Ok(Self {
            key,
            scope,
            date,
            signed,
            proof: part("Signature")?,
        })
    }

    /// Verifies the signature over a request and its body.
    pub(super) fn verify(&self, parts: &Parts, body: &[u8], secret: &str) -> Result<(), Fault> {
        let age = self.signed_at()?.as_second()
            - Timestamp::try_from(SystemTime::now())
                .map_err(|_| Fault::Skewed)?
                .as_second();
        if age.abs() > LARGEST_SKEW {
            return Err(Fault::Skewed);
        }
        let hash = hex(&Sha256::digest(body));
        if let Some(stated) = parts.headers.get("x-amz-content-sha256")
            && stated.as_bytes() != hash.as_bytes()
        {
            return Err(Fault::Mismatch);
        }
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{}\n{hash}",
            parts.method,
            parts.uri.path(),
            query(parts),
            self.headers(parts)?,
            self.signed.join(";"),
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            self.date,
            self.scope,
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in self.scope.split('/') {
            key = keyed(&key, part)?.finalize().into_bytes().to_vec();
        }
        let signature = unhex(self.proof).ok_or(Fault::Mismatch)?;
        keyed(&key, &text)?
            .verify_slice(&signature)
            .map_err(|_| Fault::Mismatch)
    }

    fn signed_at(&self) -> Result<Timestamp, Fault> {
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", self.date)
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|at| at.timestamp())
            .map_err(|_| Fault::Incomplete)
    }

    fn headers(&self, parts: &Parts) -> Result<String, Fault> {
        let mut out = String::new();
        for name in &self.signed {
            let mut values = Vec::new();
            for value in parts.headers.get_all(*name) {
                let value = value.to_str().map_err(|_| Fault::Incomplete)?;
                values.push(value.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            if values.is_empty() {
                return Err(Fault::Incomplete);
            }
            out.extend([name, ":", &values.join(","), "\n"]);
        }
        Ok(out)
    }
}

fn query(parts: &Parts) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<String> = form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes())
        .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn keyed(key: &[u8], text: &str) -> Result<Hmac<Sha256>, Fault> {
    // A key of any length is accepted; the type cannot say so.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Fault::Mismatch)?;
    mac.update(text.as_bytes());
    Ok(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

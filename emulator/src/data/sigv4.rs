//! Verification of AWS signature version 4, in the `Authorization` header or in the query, for
//! services other than S3.
//!
//! S3 has its own in s3s, which knows no other scope. Source: "Authenticating Requests: AWS Signature
//! Version 4", steps 1 to 4; the text is hashed and signed again and the results compared.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{hex, skew};

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
pub(super) struct Signature {
    /// Access key id.
    pub(super) key: String,
    scope: String,
    date: String,
    signed: Vec<String>,
    proof: String,
    /// Life of a signature in the query, in seconds.
    expires: Option<i64>,
}

/// Query parameter that holds the proof and is not itself signed.
const PROOF: &str = "X-Amz-Signature";

impl Signature {
    /// Reads the signature, from the header or from the query. `service` is the last part of the
    /// scope but one.
    pub(super) fn read(parts: &Parts, service: &str) -> Result<Self, Fault> {
        let signature = if params(parts).any(|(name, _)| name == PROOF) {
            Self::of_query(parts)?
        } else {
            Self::of_header(parts)?
        };
        let mut scoped = signature.scope.split('/');
        if !signature.signed.iter().any(|name| name == "host")
            || scoped.next() != signature.date.get(..8)
        {
            return Err(Fault::Incomplete);
        }
        if scoped.nth(1) != Some(service) {
            return Err(Fault::OtherScope);
        }
        Ok(signature)
    }

    fn of_header(parts: &Parts) -> Result<Self, Fault> {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let rest = text("authorization")
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256"))
            .ok_or(Fault::Unsigned)?;
        let part = |name: &str| {
            rest.split(',')
                .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or(Fault::Incomplete)
        };
        let signed = names(part("SignedHeaders")?);
        if !signed.iter().any(|name| name == "x-amz-date") {
            return Err(Fault::Incomplete);
        }
        let date = text("x-amz-date").ok_or(Fault::Incomplete)?;
        Self::of(part("Credential")?, date, signed, part("Signature")?)
    }

    fn of_query(parts: &Parts) -> Result<Self, Fault> {
        let param = |wanted: &str| {
            params(parts)
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value)
                .ok_or(Fault::Incomplete)
        };
        let expires = param("X-Amz-Expires")?.parse::<i64>();
        let mut out = Self::of(
            &param("X-Amz-Credential")?,
            &param("X-Amz-Date")?,
            names(&param("X-Amz-SignedHeaders")?),
            &param(PROOF)?,
        )?;
        out.expires = Some(expires.map_err(|_| Fault::Incomplete)?);
        Ok(out)
    }

    fn of(credential: &str, date: &str, signed: Vec<String>, proof: &str) -> Result<Self, Fault> {
        let (key, scope) = credential.split_once('/').ok_or(Fault::Incomplete)?;
        Ok(Self {
            key: key.to_owned(),
            scope: scope.to_owned(),
            date: date.to_owned(),
            signed,
            proof: proof.to_owned(),
            expires: None,
        })
    }

    /// Verifies the signature over a request and its body at `now` by the emulator's clock.
    pub(super) fn verify(
        &self,
        parts: &Parts,
        body: &[u8],
        secret: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let signed_at = skew::parse(&self.date).ok_or(Fault::Incomplete)?;
        let fresh = match self.expires {
            None => skew::is_fresh(signed_at, now),
            Some(seconds) => skew::is_alive(signed_at, seconds, now),
        };
        if !fresh {
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
        let signature = unhex(&self.proof).ok_or(Fault::Mismatch)?;
        keyed(&key, &text)?
            .verify_slice(&signature)
            .map_err(|_| Fault::Mismatch)
    }

    fn headers(&self, parts: &Parts) -> Result<String, Fault> {
        let mut out = String::new();
        for name in &self.signed {
            let mut values = Vec::new();
            for value in parts.headers.get_all(name.as_str()) {
                let value = value.to_str().map_err(|_| Fault::Incomplete)?;
                values.push(value.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            if values.is_empty() {
                return Err(Fault::Incomplete);
            }
            out.extend([name.as_str(), ":", &values.join(","), "\n"]);
        }
        Ok(out)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(';').map(str::to_ascii_lowercase).collect()
}

fn params(parts: &Parts) -> impl Iterator<Item = (String, String)> + '_ {
    form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned()
}

fn query(parts: &Parts) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = params(parts)
        .filter(|(name, _)| name != PROOF)
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    // By name, then by value: not by the text with the equals sign between them.
    pairs.sort();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
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

//! One signed request to a service's S3 address: does it accept this access key?
//!
//! The request is `GET /` (`ListBuckets`), which every S3 service has, names no bucket and changes nothing. What the user may do does not
//! matter: whoever is refused by a policy has been recognised. Signature version 4 is some forty lines over the HMAC that is here
//! anyway; the smallest crate for it brings a dozen others.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use http::{HeaderValue, Request, header};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    confidential::Confidential,
    engine::{
        key::{KeyId, TestOutcome},
        keyring::Tested,
    },
    http::{Answer, Transport, TransportError},
};

/// The whole request, in all: a pass has other things to do.
const LIMIT: Duration = Duration::from_secs(10);
/// Its name in metrics.
const ROUTE: &str = "s3 /";
/// SHA-256 of nothing: the request has no body.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// A key and where it is to be used.
pub struct Probe<'a> {
    /// Address for S3 clients, as it stands in the Secret.
    pub endpoint: &'a str,
    /// Region of the service.
    pub region: &'a str,
    /// The key.
    pub id: &'a KeyId,
    /// Its secret.
    pub secret: &'a Confidential,
}

impl Probe<'_> {
    /// Sends the request, dated `now`; once more by the server's own clock if it says that ours is wrong.
    pub async fn send(&self, transport: &Transport, now: Timestamp) -> Tested {
        let first = self.ask(transport, now).await;
        let said = match first {
            (Said::Skewed, Some(theirs)) => self.ask(transport, theirs).await.0,
            (said, _) => said,
        };
        said.tested()
    }

    async fn ask(&self, transport: &Transport, at: Timestamp) -> (Said, Option<Timestamp>) {
        let Some(request) = self.request(at) else {
            return (Said::Unclear("its address is none".into()), None);
        };
        match transport.elsewhere(ROUTE, request, LIMIT).await {
            Ok(answer) => (Said::by(&answer), answer.date),
            Err(error) => (Said::unanswered(&error), None),
        }
    }

    /// `None`: the endpoint is no URL.
    fn request(&self, at: Timestamp) -> Option<Request<Vec<u8>>> {
        let url: reqwest::Url = self.endpoint.parse().ok()?;
        // The usual port of the scheme is left out here as it is in the Host header.
        let host = match (url.host_str()?, url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let authorization = self.sign(&host, "", &date);
        let mut authorization = HeaderValue::try_from(authorization).ok()?;
        authorization.set_sensitive(true);
        Request::get(format!("{}://{host}/", url.scheme()))
            .header("x-amz-content-sha256", EMPTY)
            .header("x-amz-date", &date)
            .header(header::AUTHORIZATION, authorization)
            .body(Vec::new())
            .ok()
    }

    /// The `Authorization` header of `GET /?query` to that host, dated as `20130524T000000Z`.
    fn sign(&self, host: &str, query: &str, date: &str) -> String {
        let day = date.split('T').next().unwrap_or_default();
        let canonical = format!(
            "GET\n/\n{query}\nhost:{host}\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{date}\n\n{SIGNED}\n{EMPTY}"
        );
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let start = Zeroizing::new(format!("AWS4{}", self.secret.expose()).into_bytes());
        let signature = [day, self.region, "s3", "aws4_request", &text]
            .into_iter()
            .fold(start, |key, text| mac(&key, text));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={SIGNED},Signature={}",
            self.id,
            hex(&signature)
        )
    }
}

fn mac(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Zeroizing::new(hmac::sign(&key, text.as_bytes()).as_ref().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What S3 said to a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It knows the key and its signature.
    Accepted(String),
    /// It does not know the key, or not this secret.
    NotAccepted(String),
    /// The clock that dated the request is wrong.
    Skewed,
    /// Nothing about the key.
    Unclear(String),
}

impl Said {
    fn by(answer: &Answer) -> Self {
        let body = if answer.torn {
            String::new()
        } else {
            String::from_utf8_lossy(&answer.body).into_owned()
        };
        Self::of(answer.status.as_u16(), &body)
    }

    /// The codes are those of the S3 API's list of error responses; a service that does not say one has not looked at the key.
    fn of(status: u16, body: &str) -> Self {
        let code = between(body, "<Code>", "</Code>").unwrap_or_default();
        match (status, code) {
            (200..=299, _) if body.contains("<ListAllMyBucketsResult") => {
                Self::Accepted("it listed the buckets".into())
            }
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => Self::NotAccepted(code.into()),
            (_, "RequestTimeTooSkewed") => Self::Skewed,
            // Refused for what the user may do, which is asked after who it is.
            (403, "AccessDenied") => Self::Accepted(code.into()),
            (_, "") => Self::Unclear(format!("status {status}, and not in the words of S3")),
            (status, code) => Self::Unclear(format!("status {status} {}", plain(code))),
        }
    }

    fn unanswered(error: &TransportError) -> Self {
        Self::Unclear(error.to_string())
    }

    fn tested(self) -> Tested {
        let (outcome, why) = match self {
            Self::Accepted(why) => (TestOutcome::Accepted, why),
            Self::NotAccepted(why) => (TestOutcome::NotAccepted, why),
            Self::Skewed => (
                TestOutcome::Unreachable,
                "it finds the time of the request wrong, by its own clock too".into(),
            ),
            Self::Unclear(why) => (TestOutcome::Unreachable, why),
        };
        Tested { outcome, why }
    }
}

/// A code that is told to users: letters and digits, as all codes are, and not too many.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.take(64).collect()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed as the S3 API's documentation does ("Authenticating Requests: Using the Authorization Header", example "GET Bucket
    /// Lifecycle").
    #[test]
    fn the_signature_is_the_documented_one() {
        let secret = Confidential::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let probe = Probe {
            endpoint: "https://examplebucket.s3.amazonaws.com",
            region: "us-east-1",
            id: &KeyId::new("AKIAIOSFODNN7EXAMPLE"),
            secret: &secret,
        };
        let host = "examplebucket.s3.amazonaws.com";
        assert_eq!(
            probe.sign(host, "lifecycle=", "20130524T000000Z"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
             Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
    }

    #[test]
    fn the_signed_host_is_the_one_that_is_asked() {
        let secret = Confidential::new("s");
        for (endpoint, uri) in [
            (
                "https://q7x2m.upcloudobjects.com",
                Some("https://q7x2m.upcloudobjects.com/"),
            ),
            ("https://s3.example:443", Some("https://s3.example/")),
            ("http://127.0.0.1:9000", Some("http://127.0.0.1:9000/")),
            ("nowhere", None),
        ] {
            let probe = Probe {
                endpoint,
                region: "europe-2",
                id: &KeyId::new("AKIA1"),
                secret: &secret,
            };
            let request = probe.request(Timestamp::UNIX_EPOCH);
            assert_eq!(
                request.map(|request| request.uri().to_string()).as_deref(),
                uri
            );
        }
    }

    #[test]
    fn each_answer_says_whether_the_key_is_accepted() {
        let error =
            |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        let listed = "<ListAllMyBucketsResult xmlns=\"…\"></ListAllMyBucketsResult>".to_owned();
        let rows = [
            (200, listed, TestOutcome::Accepted),
            (403, error("AccessDenied"), TestOutcome::Accepted),
            (403, error("InvalidAccessKeyId"), TestOutcome::NotAccepted),
            (
                403,
                error("SignatureDoesNotMatch"),
                TestOutcome::NotAccepted,
            ),
            (403, error("RequestTimeTooSkewed"), TestOutcome::Unreachable),
            (
                403,
                error("AuthorizationHeaderMalformed"),
                TestOutcome::Unreachable,
            ),
            (403, String::new(), TestOutcome::Unreachable),
            (404, "nothing here".into(), TestOutcome::Unreachable),
            (307, String::new(), TestOutcome::Unreachable),
            (500, error("InternalError"), TestOutcome::Unreachable),
            (503, error("SlowDown"), TestOutcome::Unreachable),
            (200, "<html>sign in</html>".into(), TestOutcome::Unreachable),
        ];
        for (status, body, outcome) in rows {
            let tested = Said::of(status, &body).tested();
            assert_eq!(tested.outcome, outcome, "{status} {body}: {}", tested.why);
        }
    }

    #[test]
    fn what_is_told_of_an_answer_is_a_code_and_no_more() {
        let said = Said::of(500, "<Code>Bad\nThing <a>é</Code>");
        assert_eq!(said, Said::Unclear("status 500 BadThinga".into()));
    }
}

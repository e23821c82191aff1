//! As much of an S3 client as tests need: signed requests with what stands in a Secret, and nothing else.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use reqwest::{Method, StatusCode};

/// A client that knows nothing but a Secret of ours.
pub struct S3 {
    id: String,
    secret: String,
    region: String,
    endpoint: String,
    http: reqwest::Client,
}

impl S3 {
    /// Over the entries of a Secret.
    pub fn of(secret: &BTreeMap<String, String>) -> Self {
        Self {
            id: secret["AWS_ACCESS_KEY_ID"].clone(),
            secret: secret["AWS_SECRET_ACCESS_KEY"].clone(),
            region: secret["AWS_REGION"].clone(),
            endpoint: secret["AWS_ENDPOINT_URL_S3"].clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// Puts an object.
    pub async fn put(&self, bucket: &str, key: &str, body: &str) -> StatusCode {
        let path = format!("/{bucket}/{key}");
        self.send(Method::PUT, &path, "", body).await
    }

    /// Reads an object.
    pub async fn get(&self, bucket: &str, key: &str) -> StatusCode {
        let path = format!("/{bucket}/{key}");
        self.send(Method::GET, &path, "", "").await
    }

    /// Deletes an object.
    pub async fn delete(&self, bucket: &str, key: &str) -> StatusCode {
        let path = format!("/{bucket}/{key}");
        self.send(Method::DELETE, &path, "", "").await
    }

    /// Lets everybody read the objects of a bucket.
    pub async fn publish(&self, bucket: &str) -> StatusCode {
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [format!("arn:aws:s3:::{bucket}/*")],
        }]});
        let path = format!("/{bucket}");
        self.send(Method::PUT, &path, "policy=", &policy.to_string())
            .await
    }

    /// Signature version 4 over the headers host, x-amz-content-sha256 and x-amz-date.
    async fn send(&self, method: Method, path: &str, query: &str, body: &str) -> StatusCode {
        let date = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let day = &date[..8];
        let host = self.endpoint.trim_start_matches("http://");
        let hash = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{date}\n\n{signed}\n{hash}"
        );
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let first = format!("AWS4{}", self.secret).into_bytes();
        let key = [day, &self.region, "s3", "aws4_request", &text]
            .iter()
            .fold(first, |key, text| mac(&key, text));
        let header = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            self.id,
            hex(&key)
        );
        let url = match query {
            "" => format!("{}{path}", self.endpoint),
            query => format!("{}{path}?{query}", self.endpoint),
        };
        self.http
            .request(method, url)
            .header("x-amz-content-sha256", &hash)
            .header("x-amz-date", &date)
            .header("authorization", header)
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
            .status()
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

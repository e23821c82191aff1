//! The S3 endpoint over HTTP, with requests signed as the protocol says.

mod data_support;

use data_support::Key;
use data_support::{ADMIN, MEDIA, NOBODY, READER, RESTING, STRANGER, Server, Side};

async fn server() -> Server {
    Server::start(Side::S3).await
}

async fn put(server: &Server, key: &str, body: &str) {
    let answer = server
        .call("PUT", &format!("/logs/{key}"))
        .body(body)
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn public(bucket: &str) -> String {
    format!(
        r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    )
}

#[tokio::test]
async fn only_active_keys_with_their_secret_are_accepted() {
    let server = server().await;
    for (key, status, code) in [
        (ADMIN, 200, ""),
        (RESTING, 403, "InvalidAccessKeyId"),
        (Key("AKIAUNKNOWN", "x"), 403, "InvalidAccessKeyId"),
        (Key(ADMIN.0, "wrong"), 403, "SignatureDoesNotMatch"),
        (NOBODY, 403, "AccessDenied"),
    ] {
        let header = server.call("GET", "/").signed(key).await;
        assert_eq!((header.status, header.code()), (status, code), "{}", key.0);
        let query = server.call("GET", "/").presigned(key, 60).await;
        assert_eq!((query.status, query.code()), (status, code), "{}", key.0);
    }
    assert_eq!(server.call("GET", "/").anonymous().await.status, 403);
    let used = server.fake.0.lock().used.clone();
    assert!(used.contains(&ADMIN.0.to_owned()));
    assert!(!used.contains(&RESTING.0.to_owned()));
}

#[tokio::test]
async fn a_key_counts_from_the_moment_it_is_changed() {
    let server = server().await;
    assert_eq!(server.call("GET", "/").signed(ADMIN).await.status, 200);
    server.fake.0.lock().keys.get_mut(ADMIN.0).unwrap().1 = false;
    let answer = server.call("GET", "/").signed(ADMIN).await;
    assert_eq!(answer.code(), "InvalidAccessKeyId");
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let server = server().await;
    for key in ["a", "a b+c%41é", "x//y", "a..b", "😀"] {
        let target = format!("/logs/{key}");
        let answer = server
            .call("PUT", &target)
            .header("content-type", "text/plain")
            .header("x-amz-meta-colour", "green")
            .body("hello")
            .signed(ADMIN)
            .await;
        assert_eq!(answer.status, 200, "{key} {answer:?}");
        assert_eq!(
            answer.header("etag"),
            "\"5d41402abc4b2a76b9719d911017c592\""
        );
        let answer = server.call("GET", &target).signed(ADMIN).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "hello"),
            "{key}"
        );
        assert_eq!(answer.header("content-type"), "text/plain");
        assert_eq!(answer.header("x-amz-meta-colour"), "green");
        assert_ne!(answer.header("x-amz-request-id"), "");
    }
    let name = (MEDIA.to_owned(), "logs".to_owned());
    assert_eq!(server.fake.0.lock().buckets[&name], (5, 25));
}

#[tokio::test]
async fn overwriting_and_deleting_are_counted() {
    let server = server().await;
    put(&server, "k", "12345").await;
    put(&server, "k", "1").await;
    let name = (MEDIA.to_owned(), "logs".to_owned());
    assert_eq!(server.fake.0.lock().buckets[&name], (1, 1));
    for _ in 0..2 {
        let answer = server.call("DELETE", "/logs/k").signed(ADMIN).await;
        assert_eq!(answer.status, 204);
    }
    assert_eq!(server.fake.0.lock().buckets[&name], (0, 0));
}

#[tokio::test]
async fn ranges_and_conditions_choose_what_is_sent() {
    let server = server().await;
    put(&server, "k", "0123456789").await;
    let tag = "\"781e5e245d69b566979b86e28d23f2c7\"";
    for (name, value, status, body) in [
        ("range", "bytes=2-4", 206, "234"),
        ("range", "bytes=-2", 206, "89"),
        ("if-match", tag, 200, "0123456789"),
        ("if-none-match", tag, 304, ""),
        ("if-none-match", "\"x\"", 200, "0123456789"),
        (
            "if-modified-since",
            "Fri, 01 Jan 2100 00:00:00 GMT",
            304,
            "",
        ),
        (
            "if-unmodified-since",
            "Fri, 01 Jan 2100 00:00:00 GMT",
            200,
            "0123456789",
        ),
    ] {
        let answer = server
            .call("GET", "/logs/k")
            .header(name, value)
            .signed(ADMIN)
            .await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{name}: {value}"
        );
    }
    for (name, value, code) in [
        ("range", "bytes=10-", "InvalidRange"),
        ("if-match", "\"x\"", "PreconditionFailed"),
        (
            "if-unmodified-since",
            "Mon, 01 Jan 2001 00:00:00 GMT",
            "PreconditionFailed",
        ),
    ] {
        let answer = server
            .call("GET", "/logs/k")
            .header(name, value)
            .signed(ADMIN)
            .await;
        assert_eq!(answer.code(), code, "{name}: {value}");
    }
    for (name, value, status) in [
        ("if-none-match", "*", 412),
        ("if-match", "\"x\"", 412),
        ("if-match", tag, 200),
    ] {
        let answer = server
            .call("PUT", "/logs/k")
            .header(name, value)
            .body("0123456789")
            .signed(ADMIN)
            .await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_was_said_is_refused_and_not_kept() {
    let server = server().await;
    let other = data_support::sha256_hex(b"other");
    for (name, value, code) in [
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "BadDigest"),
        ("content-md5", "short", "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
        (
            "x-amz-checksum-sha1",
            "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "BadDigest",
        ),
        ("x-amz-checksum-sha256", "AAAA", "InvalidRequest"),
    ] {
        let answer = server
            .call("PUT", "/logs/k")
            .header(name, value)
            .body("body")
            .signed(ADMIN)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, code),
            "{name}: {value}"
        );
    }
    let answer = server
        .call("PUT", "/logs/k")
        .payload_hash(&other)
        .body("body")
        .signed(ADMIN)
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "XAmzContentSHA256Mismatch")
    );
    let answer = server
        .call("PUT", "/logs?cors")
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")
        .body("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")
        .signed(ADMIN)
        .await;
    assert_eq!((answer.status, answer.code()), (400, "BadDigest"));
    assert_eq!(
        server.call("GET", "/logs/k").signed(ADMIN).await.status,
        404
    );
}

#[tokio::test]
async fn a_chunked_upload_needs_its_trailer_to_be_right() {
    let server = server().await;
    // CRC32 of "hello" is 0x3610a686.
    for (trailer, status, code) in [
        ("x-amz-checksum-crc32:NhCmhg==\r\n", 200, ""),
        ("x-amz-checksum-crc32:AAAAAA==\r\n", 400, "BadDigest"),
        ("", 400, "MalformedTrailerError"),
    ] {
        let answer = server
            .call("PUT", "/logs/k")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .payload_hash("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .body(format!("5\r\nhello\r\n0\r\n{trailer}\r\n"))
            .signed(ADMIN)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{trailer:?} {answer:?}"
        );
    }
    let answer = server.call("GET", "/logs/k").signed(ADMIN).await;
    assert_eq!(answer.body, "hello");
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test]
async fn a_presigned_put_cannot_be_turned_into_a_copy() {
    let server = server().await;
    put(&server, "secret", "secret").await;
    let answer = server
        .call("PUT", "/logs/open")
        .unsigned_header("x-amz-copy-source", "logs/secret")
        .presigned(ADMIN, 60)
        .await;
    assert_eq!((answer.status, answer.code()), (403, "AccessDenied"));
    assert_eq!(
        server.call("GET", "/logs/open").signed(ADMIN).await.status,
        404
    );
}

#[tokio::test]
async fn an_unknown_subresource_is_not_the_plain_operation() {
    let server = server().await;
    put(&server, "k", "kept").await;
    for (method, target) in [
        ("PUT", "/logs/k?renameObject"),
        ("PUT", "/logs/k?acl"),
        ("GET", "/logs?abac"),
        ("GET", "/logs?metadataConfiguration"),
        ("GET", "/logs?acl"),
        ("DELETE", "/logs?website"),
    ] {
        let answer = server.call(method, target).signed(ADMIN).await;
        assert_eq!(
            (answer.status, answer.code()),
            (501, "NotImplemented"),
            "{method} {target}"
        );
    }
    assert_eq!(
        server.call("GET", "/logs/k").signed(ADMIN).await.body,
        "kept"
    );
}

#[tokio::test]
async fn a_url_lives_a_week_at_most() {
    let server = server().await;
    let answer = server.call("GET", "/logs").presigned(ADMIN, 604_801).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "AuthorizationQueryParametersError")
    );
    assert_eq!(answer.element("Resource"), "/logs");
    assert_eq!(
        answer.element("RequestId"),
        answer.header("x-amz-request-id")
    );
}

#[tokio::test]
async fn policies_decide_for_each_object() {
    let server = server().await;
    put(&server, "k", "v").await;
    for (method, target, key, status) in [
        ("GET", "/logs/k", READER, 200),
        ("GET", "/logs/missing", READER, 404),
        ("GET", "/logs?list-type=2", READER, 200),
        ("PUT", "/logs/k", READER, 403),
        ("DELETE", "/logs/k", READER, 403),
        ("GET", "/site?list-type=2", READER, 403),
        ("GET", "/logs/k", NOBODY, 403),
        ("GET", "/logs/missing", NOBODY, 403),
        ("GET", "/nowhere/k", NOBODY, 404),
        ("GET", "/logs/k", STRANGER, 404),
    ] {
        let answer = server.call(method, target).signed(key).await;
        assert_eq!(answer.status, status, "{method} {target} {}", key.0);
    }
    let answer = server
        .call("PUT", "/logs/copy")
        .header("x-amz-copy-source", "logs/k")
        .signed(READER)
        .await;
    assert_eq!(answer.status, 403);
    let answer = server
        .call("POST", "/logs?delete")
        .body("<Delete><Object><Key>k</Key></Object></Delete>")
        .signed(READER)
        .await;
    assert_eq!((answer.status, answer.code()), (200, "AccessDenied"));
    assert_eq!(server.call("GET", "/logs/k").signed(ADMIN).await.body, "v");
}

#[tokio::test]
async fn a_bucket_policy_opens_a_bucket_to_everybody() {
    let server = server().await;
    let answer = server
        .call("PUT", "/site/index.html")
        .body("<p>")
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        server
            .call("GET", "/site/index.html")
            .anonymous()
            .await
            .status,
        403
    );
    let answer = server
        .call("PUT", "/site?policy")
        .body(public("site"))
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        server
            .call("GET", "/site/index.html")
            .anonymous()
            .await
            .body,
        "<p>"
    );
    assert_eq!(
        server
            .call("GET", "/site?list-type=2")
            .anonymous()
            .await
            .status,
        403
    );
    let status = server.call("GET", "/site?policyStatus").signed(ADMIN).await;
    assert_eq!(status.element("IsPublic"), "true");
    let answer = server.call("GET", "/site?policy").signed(ADMIN).await;
    assert_eq!(answer.body, public("site"));
    for bad in ["{", "[]", &public("logs")] {
        let answer = server
            .call("PUT", "/site?policy")
            .body(bad)
            .signed(ADMIN)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "MalformedPolicy"),
            "{bad}"
        );
    }
    let answer = server.call("DELETE", "/site?policy").signed(ADMIN).await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        server
            .call("GET", "/site/index.html")
            .anonymous()
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn the_host_chooses_the_service() {
    let server = server().await;
    put(&server, "k", "v").await;
    for (host, target, key, status, code) in [
        ("q7x2m.upcloudobjects.com", "/logs/k", ADMIN, 200, ""),
        ("Q7X2M.UpCloudObjects.com:443", "/logs/k", ADMIN, 200, ""),
        ("logs.q7x2m.upcloudobjects.com", "/k", ADMIN, 200, ""),
        ("localhost", "/logs/k", ADMIN, 200, ""),
        ("[::1]:9000", "/logs/k", ADMIN, 200, ""),
        (
            "zzzzz.upcloudobjects.com",
            "/logs/k",
            ADMIN,
            403,
            "InvalidAccessKeyId",
        ),
        (
            "zzzzz.upcloudobjects.com",
            "/logs/k",
            STRANGER,
            404,
            "NoSuchKey",
        ),
    ] {
        let answer = server.call("GET", target).host(host).signed(key).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{host}");
    }
    // Two services have a bucket of this name: without a host nobody can say which is meant.
    assert_eq!(
        server.call("GET", "/logs/k").anonymous().await.code(),
        "AccessDenied"
    );
    assert_eq!(
        server.call("GET", "/none/k").anonymous().await.code(),
        "NoSuchBucket"
    );
}

#[tokio::test]
async fn buckets_are_made_and_removed_in_the_directory() {
    let server = server().await;
    assert_eq!(server.call("PUT", "/fresh").signed(ADMIN).await.status, 200);
    assert_eq!(
        server.call("PUT", "/fresh").signed(ADMIN).await.code(),
        "BucketAlreadyOwnedByYou"
    );
    assert_eq!(
        server.call("PUT", "/other").signed(READER).await.code(),
        "AccessDenied"
    );
    assert_eq!(
        server.call("HEAD", "/fresh").signed(ADMIN).await.status,
        200
    );
    assert_eq!(
        server
            .call("PUT", "/fresh/k")
            .body("v")
            .signed(ADMIN)
            .await
            .status,
        200
    );
    assert_eq!(
        server.call("DELETE", "/fresh").signed(ADMIN).await.code(),
        "BucketNotEmpty"
    );
    assert_eq!(
        server.call("DELETE", "/fresh/k").signed(ADMIN).await.status,
        204
    );
    assert_eq!(
        server.call("DELETE", "/fresh").signed(ADMIN).await.status,
        204
    );
    assert_eq!(
        server.call("HEAD", "/fresh").signed(ADMIN).await.status,
        404
    );
}

#[tokio::test]
async fn a_dropped_bucket_holds_nothing_when_it_is_made_again() {
    let server = server().await;
    put(&server, "k", "v").await;
    server.store.drop_bucket(MEDIA, "logs");
    assert_eq!(
        server.call("GET", "/logs/k").signed(ADMIN).await.status,
        404
    );
}

#[tokio::test]
async fn a_multipart_upload_becomes_one_object() {
    let server = server().await;
    let started = server.call("POST", "/logs/big?uploads").signed(ADMIN).await;
    let id = started.element("UploadId").to_owned();
    assert_ne!(id, "");
    let first = vec![b'a'; 5 << 20];
    let mut parts = String::new();
    for (number, body) in [(1, first), (2, b"tail".to_vec())] {
        let target = format!("/logs/big?partNumber={number}&uploadId={id}");
        let answer = server.call("PUT", &target).body(body).signed(ADMIN).await;
        let tag = answer.header("etag");
        parts = format!("{parts}<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    let listed = server
        .call("GET", &format!("/logs/big?uploadId={id}"))
        .signed(ADMIN)
        .await;
    assert_eq!(listed.body.matches("<Part>").count(), 2);
    let complete = |body: String| {
        server
            .call("POST", &format!("/logs/big?uploadId={id}"))
            .body(format!(
                "<CompleteMultipartUpload>{body}</CompleteMultipartUpload>"
            ))
            .signed(ADMIN)
    };
    let wrong = "<Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part>".to_owned();
    assert_eq!(complete(wrong).await.code(), "InvalidPart");
    let answer = complete(parts.clone()).await;
    assert!(answer.element("ETag").contains("-2"), "{answer:?}");
    let head = server.call("HEAD", "/logs/big").signed(ADMIN).await;
    assert_eq!(head.header("content-length"), ((5 << 20) + 4).to_string());
    let answer = server
        .call("GET", "/logs/big")
        .header("range", "bytes=5242879-")
        .signed(ADMIN)
        .await;
    assert_eq!(answer.body, "atail");
    assert_eq!(complete(parts).await.code(), "NoSuchUpload");
}

#[tokio::test]
async fn old_versions_stay_until_they_are_deleted_by_id() {
    let server = server().await;
    put(&server, "k", "before").await;
    let answer = server
        .call("PUT", "/logs?versioning")
        .body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 200);
    let second = server
        .call("PUT", "/logs/k")
        .body("after")
        .signed(ADMIN)
        .await;
    let id = second.header("x-amz-version-id").to_owned();
    let marker = server.call("DELETE", "/logs/k").signed(ADMIN).await;
    assert_eq!(marker.header("x-amz-delete-marker"), "true");
    let gone = server.call("GET", "/logs/k").signed(ADMIN).await;
    assert_eq!(
        (gone.status, gone.header("x-amz-delete-marker")),
        (404, "true")
    );
    for (version, body) in [(id.as_str(), "after"), ("null", "before")] {
        let target = format!("/logs/k?versionId={version}");
        assert_eq!(server.call("GET", &target).signed(ADMIN).await.body, body);
    }
    let target = format!("/logs/k?versionId={}", marker.header("x-amz-version-id"));
    assert_eq!(
        server.call("DELETE", &target).signed(ADMIN).await.status,
        204
    );
    assert_eq!(
        server.call("GET", "/logs/k").signed(ADMIN).await.body,
        "after"
    );
}

#[tokio::test]
async fn a_browser_may_do_what_the_rules_say() {
    let server = server().await;
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-*</AllowedHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    let answer = server
        .call("PUT", "/site?cors")
        .body(rules)
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 200);
    for (origin, method, header, status) in [
        ("https://a.example", "PUT", "x-one", 200),
        ("https://a.example", "GET", "x-one", 403),
        ("https://a.example", "PUT", "authorization", 403),
        ("https://evil.test", "PUT", "x-one", 403),
    ] {
        let answer = server
            .call("OPTIONS", "/site/k")
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", header)
            .anonymous()
            .await;
        assert_eq!(answer.status, status, "{origin} {method} {header}");
    }
    let answer = server
        .call("PUT", "/site/k")
        .header("origin", "https://a.example")
        .signed(ADMIN)
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://a.example"
    );
}

#[tokio::test]
async fn names_that_xml_cannot_carry_are_encoded_on_demand() {
    let server = server().await;
    put(&server, "a\u{1}b", "v").await;
    let target = "/logs?list-type=2&encoding-type=url";
    let answer = server.call("GET", target).signed(ADMIN).await;
    assert_eq!(answer.element("Key"), "a%01b");
    assert_eq!(answer.element("EncodingType"), "url");
}

/// Every operation of the S3 API that is not served, as clients send it.
const ABSENT: [(&str, &str, &str); 49] = [
    (
        "CreateBucketMetadataConfiguration",
        "POST",
        "/logs?metadataConfiguration",
    ),
    (
        "CreateBucketMetadataTableConfiguration",
        "POST",
        "/logs?metadataTable",
    ),
    ("CreateSession", "GET", "/logs?session"),
    (
        "DeleteBucketAnalyticsConfiguration",
        "DELETE",
        "/logs?analytics&id=x",
    ),
    ("DeleteBucketEncryption", "DELETE", "/logs?encryption"),
    (
        "DeleteBucketIntelligentTieringConfiguration",
        "DELETE",
        "/logs?intelligent-tiering&id=x",
    ),
    (
        "DeleteBucketInventoryConfiguration",
        "DELETE",
        "/logs?inventory&id=x",
    ),
    (
        "DeleteBucketMetricsConfiguration",
        "DELETE",
        "/logs?metrics&id=x",
    ),
    (
        "DeleteBucketOwnershipControls",
        "DELETE",
        "/logs?ownershipControls",
    ),
    ("DeleteBucketReplication", "DELETE", "/logs?replication"),
    ("DeleteBucketWebsite", "DELETE", "/logs?website"),
    (
        "DeletePublicAccessBlock",
        "DELETE",
        "/logs?publicAccessBlock",
    ),
    (
        "GetBucketAccelerateConfiguration",
        "GET",
        "/logs?accelerate",
    ),
    ("GetBucketAcl", "GET", "/logs?acl"),
    (
        "GetBucketAnalyticsConfiguration",
        "GET",
        "/logs?analytics&id=x",
    ),
    ("GetBucketEncryption", "GET", "/logs?encryption"),
    (
        "GetBucketIntelligentTieringConfiguration",
        "GET",
        "/logs?intelligent-tiering&id=x",
    ),
    (
        "GetBucketInventoryConfiguration",
        "GET",
        "/logs?inventory&id=x",
    ),
    ("GetBucketLogging", "GET", "/logs?logging"),
    ("GetBucketMetricsConfiguration", "GET", "/logs?metrics&id=x"),
    (
        "GetBucketNotificationConfiguration",
        "GET",
        "/logs?notification",
    ),
    (
        "GetBucketOwnershipControls",
        "GET",
        "/logs?ownershipControls",
    ),
    ("GetBucketReplication", "GET", "/logs?replication"),
    ("GetBucketRequestPayment", "GET", "/logs?requestPayment"),
    ("GetBucketWebsite", "GET", "/logs?website"),
    ("GetObjectAcl", "GET", "/logs/k?acl"),
    ("GetObjectAttributes", "GET", "/logs/k?attributes"),
    ("GetObjectLegalHold", "GET", "/logs/k?legal-hold"),
    ("GetObjectLockConfiguration", "GET", "/logs?object-lock"),
    ("GetObjectRetention", "GET", "/logs/k?retention"),
    ("GetObjectTorrent", "GET", "/logs/k?torrent"),
    ("GetPublicAccessBlock", "GET", "/logs?publicAccessBlock"),
    (
        "ListBucketAnalyticsConfigurations",
        "GET",
        "/logs?analytics",
    ),
    (
        "PutBucketAccelerateConfiguration",
        "PUT",
        "/logs?accelerate",
    ),
    ("PutBucketAcl", "PUT", "/logs?acl"),
    ("PutBucketEncryption", "PUT", "/logs?encryption"),
    ("PutBucketLogging", "PUT", "/logs?logging"),
    (
        "PutBucketNotificationConfiguration",
        "PUT",
        "/logs?notification",
    ),
    (
        "PutBucketOwnershipControls",
        "PUT",
        "/logs?ownershipControls",
    ),
    ("PutBucketReplication", "PUT", "/logs?replication"),
    ("PutBucketRequestPayment", "PUT", "/logs?requestPayment"),
    ("PutBucketWebsite", "PUT", "/logs?website"),
    ("PutObjectAcl", "PUT", "/logs/k?acl"),
    ("PutObjectLegalHold", "PUT", "/logs/k?legal-hold"),
    ("PutObjectLockConfiguration", "PUT", "/logs?object-lock"),
    ("PutObjectRetention", "PUT", "/logs/k?retention"),
    ("PutPublicAccessBlock", "PUT", "/logs?publicAccessBlock"),
    ("RestoreObject", "POST", "/logs/k?restore"),
    (
        "SelectObjectContent",
        "POST",
        "/logs/k?select&select-type=2",
    ),
];

#[tokio::test]
async fn what_is_not_served_says_so_and_changes_nothing() {
    let server = server().await;
    put(&server, "k", "v").await;
    let xml = "<X xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Y>z</Y></X>";
    for (operation, method, target) in ABSENT {
        let body = if method == "GET" || method == "DELETE" {
            ""
        } else {
            xml
        };
        let call = server.call(method, target).body(body);
        let answer = call.signed(ADMIN).await;
        let got = (answer.status, answer.code());
        assert_eq!(got, (501, "NotImplemented"), "{operation}: {answer:?}");
    }
    let answer = server
        .call("PUT", "/logs/k?renameObject")
        .body("w")
        .signed(ADMIN)
        .await;
    assert_eq!(answer.status, 501);
    assert_eq!(server.call("GET", "/logs/k").signed(ADMIN).await.body, "v");
}

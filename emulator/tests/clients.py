"""What boto3, awscli and rclone do to the emulator in earnest. Usage: clients.py EMULATOR AWS RCLONE"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from emulated import Checks, Emulator, service

MIB = 1024 * 1024


class Story:
    def __init__(self, emulator, checks):
        self.emulator, self.checks, self.claim = emulator, checks, checks.claim
        self.service = emulator.api("POST", "", service("media"))["uuid"]
        self.namespace = self.service.replace("-", "")
        self.key = emulator.user(self.service, "ci")
        self.endpoint = emulator.at["s3"]

    def client(self, kind, key=None, token=None, **config):
        key = key or self.key
        return boto3.client(
            kind,
            endpoint_url=self.endpoint,
            region_name="europe-2",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            aws_session_token=token,
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **config),
        )

    def refused(self, text, code, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
            self.claim(text, False, "it was not refused")
        except ClientError as error:
            got = error.response["Error"]["Code"]
            self.claim(text, got == code, f"{got}, not {code}: {error}")


def objects(story):
    s3, claim = story.client("s3"), story.claim
    s3.create_bucket(Bucket="logs")
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
        try:
            s3.put_object(Bucket="logs", Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
        except Exception as error:  # some need an optional package of the client
            print(f"      {algorithm}: not by this client ({type(error).__name__})")
            continue
        got = s3.get_object(Bucket="logs", Key=algorithm, ChecksumMode="ENABLED")
        claim(f"boto3 puts and gets with {algorithm}", got["Body"].read() == b"hello" and f"Checksum{algorithm}" in got)
    tag = s3.put_object(Bucket="logs", Key="a/1", Body=b"0123456789", Metadata={"Colour": "green"}, Tagging="a=b&c=")["ETag"]
    got = s3.get_object(Bucket="logs", Key="a/1", Range="bytes=2-4")
    claim("a range", got["Body"].read() == b"234" and got["ContentRange"] == "bytes 2-4/10", got)
    head = s3.head_object(Bucket="logs", Key="a/1")
    claim("metadata", head["Metadata"] == {"colour": "green"}, head)
    tags = s3.get_object_tagging(Bucket="logs", Key="a/1")["TagSet"]
    claim("tags", tags == [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}], tags)
    story.refused("an unchanged object is 304", "304", s3.get_object, Bucket="logs", Key="a/1", IfNoneMatch=tag)
    story.refused("a create that must not replace", "PreconditionFailed", s3.put_object, Bucket="logs", Key="a/1", IfNoneMatch="*")
    story.refused("a missing key", "NoSuchKey", s3.get_object, Bucket="logs", Key="absent")
    story.refused("a missing bucket", "NoSuchBucket", s3.list_objects_v2, Bucket="absent")
    s3.copy_object(Bucket="logs", Key="b/1", CopySource="logs/a/1", MetadataDirective="REPLACE", Metadata={"x": "y"})
    claim("a copy", s3.head_object(Bucket="logs", Key="b/1")["Metadata"] == {"x": "y"})
    odd = ["odd/ä +%41&<>", "odd//x", "odd/\x01", "odd/😀"]
    for key in odd:
        s3.put_object(Bucket="logs", Key=key, Body=b"x")
    for paginator in ["list_objects", "list_objects_v2"]:
        pages = s3.get_paginator(paginator).paginate(Bucket="logs", Prefix="odd/", PaginationConfig={"PageSize": 1})
        names = [item["Key"] for page in pages for item in page.get("Contents", [])]
        claim(f"{paginator} in pages of one", sorted(names) == sorted(odd), names)
    folders = s3.list_objects_v2(Bucket="logs", Delimiter="/")["CommonPrefixes"]
    claim("folders", [f["Prefix"] for f in folders] == ["a/", "b/", "odd/"], folders)
    # XML cannot say a control character.
    s3.delete_object(Bucket="logs", Key=odd.pop(2))
    gone = s3.delete_objects(Bucket="logs", Delete={"Objects": [{"Key": key} for key in odd]})
    claim("many deletes", len(gone["Deleted"]) == len(odd) and "Errors" not in gone, gone)
    for body, method in [(b"by url", "put_object"), (None, "get_object")]:
        url = s3.generate_presigned_url(method, Params={"Bucket": "logs", "Key": "url"}, ExpiresIn=60)
        request = urllib.request.Request(url, data=body, method="PUT" if body else "GET")
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
    claim("presigned URLs", text == b"by url", text)
    story.refused("an ACL is not served", "NotImplemented", s3.get_bucket_acl, Bucket="logs")


def multipart(story, folder):
    s3, claim = story.client("s3"), story.claim
    path = os.path.join(folder, "large")
    data = os.urandom(MIB) * 12
    with open(path, "wb") as file:
        file.write(data)
    parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(path, "logs", "large", Config=parts)
    s3.download_file("logs", "large", path + "-2", Config=parts)
    with open(path + "-2", "rb") as file:
        claim("boto3 uploads and downloads in parts", file.read() == data)
    upload = s3.create_multipart_upload(Bucket="logs", Key="part")["UploadId"]
    at = {"Bucket": "logs", "Key": "part", "UploadId": upload}
    first = s3.upload_part_copy(**at, PartNumber=1, CopySource="logs/large", CopySourceRange=f"bytes=0-{5 * MIB - 1}")
    second = s3.upload_part(**at, PartNumber=2, Body=b"end")
    listed = s3.list_parts(**at, MaxParts=1)
    claim("parts are listed in pages", listed["IsTruncated"] and listed["NextPartNumberMarker"] == 1, listed)
    tags = [first["CopyPartResult"]["ETag"], second["ETag"]]
    finished = [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(tags)]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": finished})
    claim("an upload with a copied part", s3.head_object(Bucket="logs", Key="part")["ContentLength"] == 5 * MIB + 3)
    story.refused("it is complete", "NoSuchUpload", s3.abort_multipart_upload, **at)


def documents(story):
    s3, claim = story.client("s3"), story.claim
    s3.create_bucket(Bucket="docs")
    s3.put_bucket_versioning(Bucket="docs", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="docs", Key="k", Body=b"%d" % n)["VersionId"] for n in range(2)]
    s3.delete_object(Bucket="docs", Key="k")
    old = s3.get_object(Bucket="docs", Key="k", VersionId=ids[0])["Body"].read()
    pages = s3.get_paginator("list_object_versions").paginate(Bucket="docs", PaginationConfig={"PageSize": 1})
    kinds = [kind for page in pages for kind in ("Versions", "DeleteMarkers") for _ in page.get(kind, [])]
    claim("versions and markers", old == b"0" and sorted(kinds) == ["DeleteMarkers", "Versions", "Versions"], kinds)
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 1}}]
    s3.put_bucket_lifecycle_configuration(Bucket="docs", LifecycleConfiguration={"Rules": rules})
    claim("a lifecycle comes back", s3.get_bucket_lifecycle_configuration(Bucket="docs")["Rules"] == rules)
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example.org"], "MaxAgeSeconds": 60}]
    s3.put_bucket_cors(Bucket="docs", CORSConfiguration={"CORSRules": cors})
    claim("CORS comes back", s3.get_bucket_cors(Bucket="docs")["CORSRules"] == cors)
    s3.put_bucket_tagging(Bucket="docs", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    claim("bucket tags", s3.get_bucket_tagging(Bucket="docs")["TagSet"] == [{"Key": "a", "Value": "b"}])
    s3.put_object(Bucket="docs", Key="log/1", Body=b"x")
    story.emulator.advance(3 * 86400)
    story.refused("what is over is gone", "NoSuchKey", s3.get_object, Bucket="docs", Key="log/1")


def roles(story):
    api, claim = story.emulator.api, story.claim
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": [f"urn:ecs:iam::{story.namespace}:user/ci"]}}]}
    api("POST", f"/{story.service}/roles", {"name": "reader", "assume_role_policy_document": json.dumps(trust)})
    api("POST", f"/{story.service}/roles/reader/policies", {"name": "ECSS3ReadOnlyAccess"})
    sts, arn = story.client("sts"), f"urn:ecs:iam::{story.namespace}:role/reader"
    got = sts.assume_role(RoleArn=arn, RoleSessionName="job", DurationSeconds=900)["Credentials"]
    key = got["AccessKeyId"], got["SecretAccessKey"]
    session = story.client("s3", key, got["SessionToken"])
    claim("a session reads", session.get_object(Bucket="logs", Key="a/1")["ContentLength"] == 10)
    story.refused("and does not write", "AccessDenied", session.put_object, Bucket="logs", Key="a/1")
    story.refused("without its token it is nobody", "InvalidToken", story.client("s3", key).list_buckets)
    story.refused("a session has bounds", "ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="job", DurationSeconds=43201)
    stranger = story.emulator.user(story.service, "other")
    story.refused("others may not", "AccessDenied", story.client("sts", stranger).assume_role, RoleArn=arn, RoleSessionName="job")
    story.emulator.advance(1000)
    story.refused("a session ends", "ExpiredToken", session.list_buckets)
    used = api("GET", f"/{story.service}/users/ci/access-keys")[0]
    claim("the use of the key is noted", used["last_used_at"] > used["created_at"], used)


def command_lines(story, aws, rclone, folder):
    source, back = os.path.join(folder, "source"), os.path.join(folder, "back")
    os.makedirs(os.path.join(source, "deep"))
    for name, size in [("small", 10), ("deep/grün +", 1000), ("large", 20 * MIB)]:
        with open(os.path.join(source, name), "wb") as file:
            file.write(os.urandom(size))
    config = os.path.join(folder, "rclone.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[r]\ntype = s3\nprovider = Other\nendpoint = {story.endpoint}\nregion = europe-2\nforce_path_style = true\naccess_key_id = {story.key[0]}\nsecret_access_key = {story.key[1]}\n")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "AWS_ACCESS_KEY_ID": story.key[0],
        "AWS_SECRET_ACCESS_KEY": story.key[1],
        "AWS_DEFAULT_REGION": "europe-2",
        "AWS_ENDPOINT_URL": story.endpoint,
    }

    def run(text, *command):
        done = subprocess.run(command, env=env, capture_output=True, timeout=300, check=False)
        story.claim(text, done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-1000:])
        return done.stdout.decode(errors="replace")

    run("awscli makes a bucket", aws, "s3", "mb", "s3://cli")
    run("syncs to it", aws, "s3", "sync", "--quiet", source, "s3://cli/x")
    run("syncs from it", aws, "s3", "sync", "--quiet", "s3://cli/x", back)
    run("unchanged", "diff", "-r", source, back)
    listed = run("lists it", aws, "s3", "ls", "--recursive", "s3://cli")
    story.claim("with all it has", len(listed.splitlines()) == 3, listed)
    run("moves in it", aws, "s3", "mv", "--quiet", "s3://cli/x/small", "s3://cli/y/small")
    run("knows who it is", aws, "sts", "get-caller-identity")
    run("removes it", aws, "s3", "rb", "--force", "s3://cli")
    remote = [rclone, "--config", config]
    run("rclone syncs", *remote, "sync", source, "r:clone/x")
    run("checks", *remote, "check", "--download", source, "r:clone/x")
    run("moves", *remote, "moveto", "r:clone/x/small", "r:clone/y/small")
    listed = run("lists", *remote, "lsf", "-R", "--files-only", "r:clone")
    story.claim("with all it has", len(listed.splitlines()) == 3, listed)
    run("purges", *remote, "purge", "r:clone")


def main(program, aws, rclone):
    checks = Checks()
    with Emulator(program) as emulator, tempfile.TemporaryDirectory(prefix="cooper-clients-") as folder:
        story = Story(emulator, checks)
        objects(story)
        multipart(story, folder)
        command_lines(story, aws, rclone, folder)
        documents(story)
        roles(story)
    checks.end()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The emulated cloud as a process of ours, and what it takes to talk to it: the Python library alone."""

import datetime
import hashlib
import hmac
import http.client
import json
import subprocess
import urllib.parse

BASE = "/1.3/object-storage-2"


class Emulator:
    """Ends with this process: it exits when its stdin closes."""

    def __init__(self, program, *flags):
        command = [program, "--until-stdin-closes", "--step", "0", *flags]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{program} did not start")
        self.at = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def port(self, side):
        return urllib.parse.urlsplit(self.at[side]).port

    def host(self, side):
        return urllib.parse.urlsplit(self.at[side]).hostname

    def send(self, side, method, path, body=b"", headers=None):
        """Status, headers and body of any request to one of the four addresses."""
        connection = http.client.HTTPConnection(self.host(side), self.port(side), timeout=60)
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        result = answer.status, answer.headers, answer.read()
        connection.close()
        return result

    def api(self, method, path, body=None):
        """A call to the product; anything but a success ends the program."""
        headers = {"Authorization": "Bearer ucat_demo", "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        status, _, text = self.send("api", method, BASE + path, data, headers)
        if status >= 300:
            raise SystemExit(f"{method} {path} answers {status}: {text.decode()}")
        return json.loads(text) if text else None

    def advance(self, seconds):
        headers = {"Content-Type": "application/json"}
        self.send("control", "POST", "/clock/advance", json.dumps({"seconds": seconds}).encode(), headers)

    def user(self, service, name, policy="ECSS3FullAccess"):
        """A user with a policy; returns its key as (id, secret)."""
        self.api("POST", f"/{service}/users", {"username": name})
        self.api("POST", f"/{service}/users/{name}/policies", {"name": policy})
        key = self.api("POST", f"/{service}/users/{name}/access-keys", {})
        return key["access_key_id"], key["secret_access_key"]

    def s3(self, key, method, path, body=b"", query="", headers=None):
        """A call to S3, signed with signature version 4; anything but a success ends the program."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        host = f"127.0.0.1:{self.port('s3')}"
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        path = urllib.parse.quote(path)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/europe-2/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        secret = ("AWS4" + key[1]).encode()
        for part in scope.split("/"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        proof = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        value = f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={proof}"
        target = path + (f"?{query}" if query else "")
        sent = {**signed, **(headers or {}), "Authorization": value}
        status, answered, result = self.send("s3", method, target, body, sent)
        if status >= 300:
            raise SystemExit(f"{method} {target} answers {status}: {result.decode()}")
        return answered, result


def service(name):
    """Body of a service with a public network."""
    network = {"name": "public", "type": "public", "family": "IPv4"}
    return {"name": name, "region": "europe-2", "configured_status": "started", "networks": [network]}


class Checks:
    """Claims and how many did not hold."""

    def __init__(self):
        self.failures = 0

    def claim(self, text, holds, otherwise=""):
        print(f"{'ok' if holds else 'FAILED'}: {text}", flush=True)
        if not holds:
            self.failures += 1
            print(f"      {otherwise}", flush=True)

    def end(self):
        if self.failures:
            raise SystemExit(f"{self.failures} claims did not hold")

"""Websites in headless Chromium: a page, its 404 page, a deep link of a single-page app, a custom domain.

Usage: website.py EMULATOR CHROMIUM FOLDER"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

from emulated import Checks, Emulator, service

GREEN, RED, BLUE = (30, 111, 92), (176, 58, 46), (46, 95, 176)
APP = "app.example.org"


def page(colour, title, more=""):
    style = f"body {{ background: rgb{colour}; color: white; font: 40px sans-serif }}"
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{title}</title><style>{style}</style></head>"
        f"<body><h1>{title}</h1>{more}</body></html>"
    ).encode()


# The router of a single-page app: what is shown depends on the path alone.
ROUTER = b"""
const view = document.getElementById('view');
const routes = [[/^\\/$/, () => 'Start'], [/^\\/orders\\/(\\d+)$/, m => 'Order ' + m[1]]];
const found = routes.map(([path, show]) => [location.pathname.match(path), show]).find(([m]) => m);
view.textContent = found ? found[1](found[0]) : 'No such view';
"""

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


def furnish(emulator):
    """Two websites: `site` on the service's own domain, `app` on a domain of the customer's."""
    made = emulator.api("POST", "", service("media"))
    uuid = made["uuid"]
    key = emulator.user(uuid, "ci")
    app = page(BLUE, "App", "<p id=view></p><script src=/app.js></script>")
    objects = {
        "/site/dist/index.html": ("text/html", page(GREEN, "It is up", "<a href=docs>docs</a>")),
        "/site/dist/docs/index.html": ("text/html", page(GREEN, "Docs")),
        "/site/dist/errors/404.html": ("text/html", page(RED, "Not here")),
        "/app/index.html": ("text/html", app),
        "/app/app.js": ("text/javascript", ROUTER),
    }
    for bucket in ["site", "app"]:
        emulator.api("POST", f"/{uuid}/buckets", {"name": bucket})
        statement = {**PUBLIC, "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        emulator.s3(key, "PUT", f"/{bucket}", json.dumps(policy).encode(), "policy=")
    for path, (kind, body) in objects.items():
        emulator.s3(key, "PUT", path, body, headers={"Content-Type": kind})
    pages = [{"error_document": "errors/404.html", "status_range": {"start": 400, "end": 499}}]
    site = {"bucket_name": "site", "bucket_prefix": "dist/", "error_pages": pages}
    own = emulator.api("POST", f"/{uuid}/static-websites", site)["domain_name"]
    domain = {"domain_name": APP, "type": "public", "mode": "static-website"}
    emulator.api("POST", f"/{uuid}/custom-domains", domain)
    emulator.api("POST", f"/{uuid}/static-websites", {"bucket_name": "app", "domain_name": APP, "spa_mode": True})
    return uuid, own


class Browser:
    """Headless Chromium, which finds every host at the emulator's websites."""

    def __init__(self, program, port, profile, out):
        self.out = out
        self.command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--no-proxy-server",
            "--hide-scrollbars",
            "--window-size=800,600",
            "--virtual-time-budget=5000",
            f"--user-data-dir={profile}",
            f"--host-resolver-rules=MAP * 127.0.0.1:{port}",
        ]

    def run(self, *more):
        done = subprocess.run([*self.command, *more], capture_output=True, timeout=180, check=False)
        return done.stdout.decode(errors="replace")

    def dom(self, url):
        """The document as it stands after the page's scripts have run."""
        return self.run("--dump-dom", url)

    def shot(self, name, url):
        path = os.path.join(self.out, f"{name}.png")
        if os.path.exists(path):
            os.remove(path)
        self.run(f"--screenshot={path}", url)
        return path


def pixels(path):
    """Width, height and the pixels of a PNG of 8 bits a channel, as (red, green, blue)."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise SystemExit(f"{path} is no PNG")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", chunk[:10])
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + length
    size = {2: 3, 6: 4}[colours]
    if depth != 8:
        raise SystemExit(f"{path} has {depth} bits a channel")
    raw, stride = zlib.decompress(packed), width * size
    above, out = bytearray(stride), []
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        for x in range(stride):
            a = line[x - size] if x >= size else 0
            b, c = above[x], above[x - size] if x >= size else 0
            line[x] = (line[x] + predicted(raw[start], a, b, c)) & 255
        above = line
        out.extend(tuple(line[x : x + 3]) for x in range(0, stride, size))
    return width, height, out


def predicted(kind, a, b, c):
    """Filters of PNG (section 9.2 of its specification)."""
    if kind == 4:
        p = a + b - c
        distances = [(abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c)]
        return min(distances)[2]
    return [0, a, b, (a + b) // 2][kind]


def look(checks, browser, name, url, colour, texts):
    """What a page shows, in its document and in a picture."""
    dom = browser.dom(url)
    for text in texts:
        checks.claim(f"{url} shows {text!r}", re.search(text, dom), dom[:2000])
    path = browser.shot(name, url)
    if not os.path.exists(path):
        checks.claim(f"{url} can be photographed", False)
        return
    width, height, dots = pixels(path)
    share = dots.count(colour) / len(dots)
    kinds = len(set(dots))
    # The page's colour fills most of it; text with its smooth edges has many shades.
    good = width * height > 100_000 and share > 0.5 and kinds > 8
    seen = f"{width}×{height}, {share:.0%} of its colour, {kinds} colours"
    checks.claim(f"the picture {path} shows the page ({seen})", good, seen)


def over_http(checks, emulator, uuid, own):
    """What a browser does not show: statuses and headers."""

    def visit(path, method="GET", host=own, **headers):
        return emulator.send("web", method, path, headers={"Host": host, **headers})

    status, headers, body = visit("/")
    checks.claim("the page is HTML", (status, headers["content-type"]) == (200, "text/html"), headers)
    tag = headers["etag"]
    status, _, empty = visit("/", **{"If-None-Match": tag})
    checks.claim("an unchanged page is 304", (status, empty) == (304, b""), status)
    status, headers, empty = visit("/", "HEAD")
    length = headers["content-length"]
    checks.claim("HEAD has the length and no body", (status, length, empty) == (200, str(len(body)), b""), length)
    status, headers, part = visit("/", Range="bytes=0-8")
    checks.claim("a range is 206", (status, part) == (206, body[:9]), (status, part))
    status, _, whole = visit("/", Range="bytes=0-8", **{"If-Range": '"other"'})
    checks.claim("a range of another version is the whole", (status, whole) == (200, body), status)
    status, headers, _ = visit("/docs?x=1")
    where = headers["location"]
    checks.claim("a folder without its slash is elsewhere", (status, where) == (302, "/docs/?x=1"), where)
    status, _, text = visit("/absent")
    checks.claim("the error page keeps its status", status == 404 and b"Not here" in text, status)
    status, _, _ = visit("/", "POST")
    checks.claim("a website only shows", status == 405, status)
    status, _, _ = visit("/", host="unknown.example.org")
    checks.claim("an unknown host has no website", status == 404, status)
    emulator.api("PATCH", f"/{uuid}/static-websites/{own}", {"enabled": False})
    status, _, _ = visit("/")
    checks.claim("a disabled website answers 404", status == 404, status)
    status, _, _ = visit("/", host=APP)
    checks.claim("the other goes on", status == 200, status)


def main(program, chromium, out):
    checks = Checks()
    with Emulator(program) as emulator, tempfile.TemporaryDirectory(prefix="cooper-e2e-") as profile:
        uuid, own = furnish(emulator)
        browser = Browser(chromium, emulator.port("web"), profile, out)
        look(checks, browser, "page", f"http://{own}/", GREEN, ["<title>It is up</title>"])
        look(checks, browser, "folder", f"http://{own}/docs", GREEN, ["<title>Docs</title>"])
        look(checks, browser, "not-found", f"http://{own}/absent", RED, ["<h1>Not here</h1>"])
        look(checks, browser, "app", f"http://{APP}/", BLUE, ['<p id="view">Start</p>'])
        look(checks, browser, "deep-link", f"http://{APP}/orders/42", BLUE, ['<p id="view">Order 42</p>'])
        over_http(checks, emulator, uuid, own)
    print(f"screenshots: {os.path.abspath(out)}")
    checks.end()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Writes an image of some files as an OCI archive, without a daemon, a base image or root; the same files give the same bytes.

    python3 image/oci.py --out cooper.tar --name docker.io/library/cooper:0.1.0 --entrypoint /cooper \\
        --file target/cooper:/cooper:755 --file ca.crt:/etc/ssl/certs/ca-certificates.crt:644

`ctr images import`, `podman load`, `skopeo copy oci-archive:…` and `crane push` take it. Prints what a registry would call it: the
digest of its manifest. Format: https://github.com/opencontainers/image-spec
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
# Who may not write what the process reads: all files are root's.
USER = "65532:65532"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--name", required=True, help="full name with tag, as container runtimes keep it")
    parser.add_argument("--architecture", default="amd64")
    parser.add_argument("--epoch", type=int, default=0, help="seconds; the time of everything in the image")
    parser.add_argument("--user", default=USER, help="numeric, with group: without it that would be 0")
    parser.add_argument("--entrypoint", required=True)
    parser.add_argument("--argument", action="append", default=[])
    parser.add_argument("--port", action="append", default=[])
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--file", action="append", default=[], metavar="FROM:TO:MODE")
    parser.add_argument("--most", type=int, default=0, metavar="BYTES", help="fails if the layer is larger, unpacked; 0 allows any size")
    return parser.parse_args()


def archive(entries, epoch):
    """A tar of (name, content, mode), with the folders on the way; nothing in it depends on who makes it where."""
    out = io.BytesIO()
    made = set()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name, kind, mode, content=b""):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.size = kind, mode, epoch, len(content)
            tar.addfile(info, io.BytesIO(content))

        for name, content, mode in entries:
            for folder in reversed([str(path) for path in pathlib.PurePosixPath(name).parents][:-1]):
                if folder not in made:
                    made.add(folder)
                    add(folder, tarfile.DIRTYPE, 0o755)
            add(name, tarfile.REGTYPE, mode, content)
    return out.getvalue()


class Blobs(dict):
    """Contents by digest."""

    def put(self, media, content, **more):
        if not isinstance(content, bytes):
            content = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()
        self[digest] = content
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content), **more}


def main():
    asked = arguments()
    files = []
    for entry in asked.file:
        source, target, mode = entry.rsplit(":", 2)
        files.append((target.lstrip("/"), pathlib.Path(source).read_bytes(), int(mode, 8)))
    layer = archive(sorted(files), asked.epoch)
    if 0 < asked.most < len(layer):
        sys.exit(f"{asked.out.name} would have {len(layer):,} bytes unpacked, more than the {asked.most:,} it may have")
    created = datetime.datetime.fromtimestamp(asked.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = dict(label.split("=", 1) for label in asked.label)
    platform = {"architecture": asked.architecture, "os": "linux"}
    process = {"User": asked.user, "Entrypoint": [asked.entrypoint], "Env": ["PATH=/"], "WorkingDir": "/"}
    if asked.argument:
        process["Cmd"] = asked.argument
    if asked.port:
        process["ExposedPorts"] = {f"{port}/tcp": {} for port in asked.port}
    if labels:
        process["Labels"] = labels

    blobs = Blobs()
    described = blobs.put(LAYER, gzip.compress(layer, 9, mtime=0))
    config = blobs.put(
        CONFIG,
        {
            **platform,
            "created": created,
            "config": process,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created": created, "created_by": "image/oci.py"}],
        },
    )
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [described], "annotations": labels}
    names = {"io.containerd.image.name": asked.name, "org.opencontainers.image.ref.name": asked.name.rsplit(":", 1)[1]}
    manifest = blobs.put(MANIFEST, body, platform=platform, annotations=names)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    entries = [("index.json", json.dumps(index, sort_keys=True).encode(), 0o644), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644)]
    entries += [(f"blobs/sha256/{digest}", content, 0o644) for digest, content in sorted(blobs.items())]
    asked.out.write_bytes(archive(entries, asked.epoch))
    print(json.dumps({"digest": manifest["digest"], "unpacked": len(layer), "packed": described["size"]}))


main()

"""Prints what the operator is made of, as CycloneDX 1.5 in JSON (https://cyclonedx.org/docs/1.5/json).

    python3 image/sbom.py TARGET EPOCH NAME=FILE...

Crates are those that are linked for TARGET, neither those of tests nor those of build scripts and macros. NAME=FILE adds a file of the
image with its digest. Time and identity follow from EPOCH and the contents, so the same image gives the same document.
"""

import datetime
import hashlib
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def said(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(metadata):
    """Ids of the packages that end up in the program, and what each of them depends on."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(id for id in metadata["workspace_members"] if packages[id]["name"] == "cooper")
    edges, open_ends = {}, [root]
    while open_ends:
        one = open_ends.pop()
        if one in edges:
            continue
        edges[one] = sorted(
            dep["pkg"]
            for dep in nodes[one]["deps"]
            if any(kind["kind"] is None for kind in dep["dep_kinds"])
            # A macro runs in the compiler.
            and not any("proc-macro" in target["kind"] for target in packages[dep["pkg"]]["targets"])
        )
        open_ends += edges[one]
    return root, packages, edges


def component(package, sums):
    name, version = package["name"], package["version"]
    found = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{version}",
        "purl": f"pkg:cargo/{name}@{version}",
        "name": name,
        "version": version,
        "scope": "required",
    }
    if package.get("license"):
        # Some crates still write a slash where SPDX says OR.
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in sums:
        found["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    return found


def beside_crates():
    """What is linked in and comes from no crate: Rust's own library and, on Debian, the C library."""
    rust = said("rustc", "--version").split()[1]
    yield {"type": "library", "bom-ref": f"pkg:generic/rust-std@{rust}", "purl": f"pkg:generic/rust-std@{rust}", "name": "rust-std", "version": rust}
    try:
        libc = said("dpkg-query", "--show", "--showformat", "${Version}", "libc6-dev")
    except (OSError, subprocess.CalledProcessError):
        return
    yield {"type": "library", "bom-ref": f"pkg:deb/debian/libc6@{libc}", "purl": f"pkg:deb/debian/libc6@{libc}", "name": "glibc", "version": libc}


def main():
    target, epoch, *files = sys.argv[1:]
    metadata = json.loads(said("cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"))
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(entry["name"], entry["version"]): entry["checksum"] for entry in lock["package"] if "checksum" in entry}
    root, packages, edges = linked(metadata)
    crates = {id: component(packages[id], sums) for id in edges}
    program = {**crates.pop(root), "type": "application"}
    others = list(beside_crates())
    for entry in files:
        name, path = entry.split("=", 1)
        digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        others.append({"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]})
    references = {id: crate["bom-ref"] for id, crate in crates.items()} | {root: program["bom-ref"]}
    depends = {references[id]: sorted(references[dep] for dep in deps) for id, deps in edges.items()}
    depends[program["bom-ref"]] = sorted(depends[program["bom-ref"]] + [other["bom-ref"] for other in others])
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": program,
        },
        "components": sorted([*crates.values(), *others], key=lambda item: item["bom-ref"]),
        "dependencies": [{"ref": ref, "dependsOn": deps} for ref, deps in sorted(depends.items())],
    }
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    print(json.dumps({**document, "serialNumber": f"urn:uuid:{identity}"}, indent=1, sort_keys=True))


main()

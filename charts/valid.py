"""Holds renderings against the schemas of every supported minor version of Kubernetes. Called by test.sh.

Kinds that come with CRDs have no schema there and are left out. A field that one of the versions does not know is a finding."""

import json
import pathlib
import sys

import kubernetes_validate

from compare import read

OLDEST = 30
OTHERS = {"upcloud.cooper.dev", "monitoring.coreos.com"}


def objects(work):
    """What is rendered in different ways, each once."""
    told = {}
    for path in sorted(work.iterdir()):
        if path.name in ("default", "full", "base", "releasing") or path.name.endswith("-overlay"):
            told |= {json.dumps(found, sort_keys=True): found for found in read(path).values()}
    assert told, "nothing is rendered"
    return [found for found in told.values() if found["apiVersion"].partition("/")[0] not in OTHERS]


def main():
    versions = {".".join(version.split(".")[:2]) for version in kubernetes_validate.utils.all_versions()}
    versions = sorted((version for version in versions if int(version.split(".")[1]) >= OLDEST), key=lambda version: int(version.split(".")[1]))
    assert versions, "no schemas"
    wrong = []
    for found in objects(pathlib.Path(sys.argv[1])):
        for version in versions:
            try:
                kubernetes_validate.validate(found, version, strict=True)
            except Exception as error:  # each of its errors is a finding
                wrong.append(f"{version} {found['kind']} {found['metadata']['name']}: {getattr(error, 'message', error)}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"valid for Kubernetes {versions[0]} to {versions[-1]}")


main()

"""Holds renderings against the schemas of every supported minor version of Kubernetes. Called by test.sh.

    valid.py FILE...

Kinds that come with CRDs have no schema there and are left out; so is a field that a version does not know yet, which the API server drops."""

import json
import pathlib
import sys

import kubernetes_validate

OLDEST = 30
OTHERS = {"upcloud.cooper.dev", "monitoring.coreos.com"}


def objects(path):
    decoder, text = json.JSONDecoder(), path.read_text()
    while text := text.lstrip():
        found, end = decoder.raw_decode(text)
        text = text[end:]
        if found["apiVersion"].partition("/")[0] not in OTHERS:
            yield found


def main():
    versions = {".".join(version.split(".")[:2]) for version in kubernetes_validate.utils.all_versions()}
    versions = sorted((version for version in versions if int(version.split(".")[1]) >= OLDEST), key=lambda version: int(version.split(".")[1]))
    assert versions, "no schemas"
    wrong = []
    for path in map(pathlib.Path, sys.argv[1:]):
        for found in objects(path):
            for version in versions:
                try:
                    kubernetes_validate.validate(found, version, strict=True)
                except Exception as error:  # each of its errors is a finding
                    wrong.append(f"{version} {found['kind']} {found['metadata']['name']}: {getattr(error, 'message', error)}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"valid for Kubernetes {versions[0]} to {versions[-1]}")


main()

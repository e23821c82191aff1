"""The chart's values as a page of the reference, from values.schema.json (what it means) and values.yaml (the default). `make crds`
writes it; test.sh fails where it is stale, where a value has no meaning, and where the two files do not have the same values.

    values.py [write]"""

import json
import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).parent.parent
CHART = ROOT / "charts/cooper"
PAGE = ROOT / "docs/chart.md"
# A chart around this one may set it; there is nothing to set here.
NO_DEFAULT = {"global"}
HEAD = """<!-- Made by `make crds`; do not edit. -->
# Values of the chart

What may be set at `helm install` and `helm upgrade`; Helm refuses what is not in this list. [values.yaml](../charts/cooper/values.yaml)
says more on some. The folders in [deploy/overlays](../deploy/overlays) have values for common cases, and the same for kustomize.

| Value | Default | Meaning |
|---|---|---|
"""


def leaves(schema, definitions, path=""):
    """Each value that has no values below it: its path and its schema."""
    for name, found in schema["properties"].items():
        said = definitions[found["$ref"].rpartition("/")[2]] | found if "$ref" in found else found
        if "properties" in said:
            yield from leaves(said, definitions, f"{path}{name}.")
        else:
            yield path + name, said


def defaults(values, known, path=""):
    for name, value in values.items():
        if isinstance(value, dict) and path + name not in known:
            yield from defaults(value, known, f"{path}{name}.")
        else:
            yield path + name, value


schema = json.loads((CHART / "values.schema.json").read_text())
described = dict(leaves(schema, schema["definitions"]))
set_to = dict(defaults(yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader), described))
assert set(described) - NO_DEFAULT == set(set_to), f"in one file only: {(set(described) - NO_DEFAULT) ^ set(set_to)}"
silent = [path for path, said in described.items() if not said.get("description")]
assert not silent, f"without a meaning: {silent}"
rows = [(path, json.dumps(set_to[path]), described[path]["description"]) for path in set_to]
page = HEAD + "".join(f"| `{path}` | `{value}` | {meaning} |\n" for path, value, meaning in rows)
if sys.argv[1:] == ["write"]:
    PAGE.write_text(page)
assert PAGE.read_text() == page, "docs/chart.md is stale: run `make crds`"

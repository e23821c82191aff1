"""That a provider's CRDs, rights, fence and flag come and go with its name in `providers`. Called by test.sh, with a chart that has a
second one, made up."""

import json
import pathlib
import sys

from compare import bare, read

work = pathlib.Path(sys.argv[1])
default, one, other, both = (read(work / name) for name in ("default", "for-upcloud", "for-elsewhere", "for-both"))
assert {key: bare(item) for key, item in one.items()} == {key: bare(item) for key, item in default.items()}, "what is not asked for leaves no trace"
assert "upcloud" not in json.dumps([item for key, item in other.items() if key[0] != "CustomResourceDefinition"]), "nor does what was there before"

for objects, names in ((one, ["upcloud"]), (other, ["elsewhere"]), (both, ["upcloud", "elsewhere"])):
    groups = {f"{name}.cooper.dev" for name in names}
    assert {item["spec"]["group"] for key, item in objects.items() if key[0] == "CustomResourceDefinition"} == groups
    for role in ("cooper", "cooper-view", "cooper-edit"):
        rules = objects["ClusterRole", "", role]["rules"]
        assert {group for rule in rules for group in rule["apiGroups"] if group.endswith(".cooper.dev")} == groups, role
    fence = objects["ValidatingAdmissionPolicy", "", "cooper-status"]["spec"]["matchConstraints"]["resourceRules"]
    assert [set(rule["apiGroups"]) for rule in fence] == [groups]
    args = objects["Deployment", "cooper-system", "cooper"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"--providers={','.join(names)}" in args, args

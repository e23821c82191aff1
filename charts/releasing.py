"""What the chart has for `release.onUninstall`: a Job with rights of its own and no more than it needs. Called by test.sh."""

import pathlib
import sys

from compare import read

work = pathlib.Path(sys.argv[1])
default, all_of_it, one = (read(work / name) for name in ("default", "releasing", "releasing-one"))
assert not any("release" in key[2] for key in default), "only when asked for"


def hooks(objects):
    notes = {key: item["metadata"].get("annotations", {}) for key, item in objects.items()}
    return {key: note for key, note in notes.items() if note.get("helm.sh/hook") == "pre-delete"}


name = "cooper-release"
for objects, namespace in ((all_of_it, ""), (one, "team-a")):
    role = ("Role", "team-a", name) if namespace else ("ClusterRole", "", name)
    found = hooks(objects)
    weights = {key: int(note["helm.sh/hook-weight"]) for key, note in found.items()}
    job = ("Job", "cooper-system", name)
    assert {key[0] for key in found} >= {"Job", "ServiceAccount", "Role", "RoleBinding"}, found.keys()
    assert all(weight < weights[job] for key, weight in weights.items() if key != job), weights
    rules = objects[role]["rules"]
    assert [rule["verbs"] for rule in rules] == [["get", "list", "patch"], ["update", "delete"]], rules
    pod = objects[job]["spec"]["template"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == name
    args = pod["spec"]["containers"][0]["args"]
    assert args[:3] == ["release", "--all", "--stop=cooper-system/cooper"], args
    assert ("--namespace=team-a" in args) == bool(namespace), args

fence = all_of_it["ValidatingAdmissionPolicy", "", name]
assert "system:serviceaccount:cooper-system:cooper-release" in fence["spec"]["matchConditions"][0]["expression"]
assert ("ValidatingAdmissionPolicy", "", name) not in one
assert not {key for key in hooks(all_of_it) if "Admission" in key[0]}, "the fence stands before the Job begins"

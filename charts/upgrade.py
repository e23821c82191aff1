"""The steps of upgrade.sh that look at objects, and what is claimed of an upgrade.

    save STATE CLOUD              what is in the cluster and at the emulated cloud, uids replaced by names
    restore STATE CLOUD           the resources but the Account, and the cloud's file for these
    account STATE API             the Account that leads there, Secrets, and each status
    snapshot FILE                 all of it, as it is
    upgraded FILE                 the API server has the kinds of now, and each object is as it was
    taken-over FILE CONTROL HTTP  each is Ready by the operator of now, and nothing was written at the cloud, no Secret changed
    changed CONTROL               a new wish, a rotation and a deletion are carried out
    uninstalled FILE              each object is there still

A uid is another one in each cluster. So it stands in the state as `uid:Kind/name`."""

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import yaml

SPACE = "demo"
GROUP = "upcloud.cooper.dev"
# What a status is trusted for: the claim, and the ledger of keys.
KEPT = ("account", "place", "origin", "keys", "identity")
CRDS = pathlib.Path(__file__).parent.parent / "crds"


def kubectl(*arguments, put=None):
    text = None if put is None else json.dumps(put)
    done = subprocess.run([os.environ["COOPER_KUBECTL"], "kubectl", *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def told(*arguments):
    return json.loads(kubectl("get", *arguments, "--output", "json"))["items"]


def key(item):
    return f"{item['kind']}/{item['metadata']['name']}"


def objects():
    """Resources and the Secrets that cooper made or was lent."""
    secrets = [item for item in told("secrets", "--namespace", SPACE) if any("cooper.dev" in name for name in item["metadata"].get("labels", {}))]
    return {key(item): item for item in told("cooper", "--namespace", SPACE) + secrets}


def plain(item):
    """Without what the API server says of its own."""
    kept = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
    metadata = {name: value for name, value in item["metadata"].items() if name in kept}
    metadata.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {**item, "metadata": metadata}


def snapshot():
    return {name: plain(item) for name, item in objects().items()}


def read(path):
    return json.loads(pathlib.Path(path).read_text())


def ask(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def eventually(what, holds):
    """Until `holds` complains of nothing."""
    deadline = time.monotonic() + 120
    while wrong := holds():
        assert time.monotonic() < deadline, f"{what}: {wrong}"
        time.sleep(0.3)


def save(state, cloud):
    state, found = pathlib.Path(state), objects()
    uids = {item["metadata"]["uid"]: f"uid:{name}" for name, item in found.items()}

    def without(text):
        for uid, name in uids.items():
            text = text.replace(uid, name)
        return text

    (state / "objects.json").write_text(without(json.dumps({name: plain(item) for name, item in found.items()}, indent=1)) + "\n")
    (state / "cloud.json").write_text(without(json.dumps(json.loads(pathlib.Path(cloud).read_text().splitlines()[0]), indent=1)) + "\n")


def with_uids(text):
    for name, item in objects().items():
        text = text.replace(f"uid:{name}", item["metadata"]["uid"])
    return text


def restore(state, cloud):
    kubectl("create", "namespace", SPACE)
    for name, item in read(f"{state}/objects.json").items():
        if item["apiVersion"].startswith(GROUP) and item["kind"] != "Account":
            kubectl("create", "--filename", "-", put={part: value for part, value in item.items() if part != "status"})
    text = json.dumps(json.loads(with_uids(pathlib.Path(f"{state}/cloud.json").read_text())))
    pathlib.Path(cloud).write_text(f'{text}\n"{hashlib.sha256(text.encode()).hexdigest()}"\n')


def account(state, api):
    text = with_uids(pathlib.Path(f"{state}/objects.json").read_text())
    for name, item in json.loads(text).items():
        if item["kind"] == "Account":
            item["spec"]["endpoint"] = api
        if item["kind"] in ("Account", "Secret"):
            kubectl("create", "--filename", "-", put={part: value for part, value in item.items() if part != "status"})
    text = with_uids(text)
    assert "uid:" not in text, text
    for name, item in json.loads(text).items():
        if "status" in item:
            now = json.loads(kubectl("get", name, "--namespace", SPACE, "--output", "json"))
            kubectl("replace", "--subresource", "status", "--filename", "-", put={**now, "status": item["status"]})
    assert snapshot().keys() == read(f"{state}/objects.json").keys()


def upgraded(file):
    for path in CRDS.glob(f"{GROUP}_*.yaml"):
        wanted = yaml.load(path.read_text(), yaml.CSafeLoader)
        found = json.loads(kubectl("get", "crd", wanted["metadata"]["name"], "--output", "json"))
        schemas = [[version["schema"] for version in crd["spec"]["versions"]] for crd in (wanted, found)]
        assert schemas[0] == schemas[1], f"{path.name} is not what the API server has"
    before, now = read(file), snapshot()
    assert before.keys() == now.keys(), before.keys() ^ now.keys()
    assert not list(lost(before, now)), list(lost(before, now))


def lost(before, now, path=""):
    """What is not as it was. New fields may have come with their defaults."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, was in before.items():
            yield from lost(was, now.get(name), f"{path}.{name}")
    elif before != now:
        yield f"{path} was {before} and is {now}"


def unready(names=None):
    wrong = []
    for name, item in objects().items():
        if item["kind"] == "Secret" or names and name not in names:
            continue
        conditions = {one["type"]: one for one in item.get("status", {}).get("conditions", [])}
        for which in ("Ready", "Synced"):
            one = conditions.get(which, {"status": "missing"})
            if which == "Synced" and item["kind"] == "Account":
                continue
            if one["status"] != "True" or one["observedGeneration"] != item["metadata"]["generation"]:
                wrong.append((name, which, one))
    return wrong


def unpassed(http):
    """Kinds of which the operator of now has ended no pass."""
    kinds = {item["kind"] for item in objects().values()} - {"Secret"}
    lines = [line for line in ask(f"{http}/metrics").splitlines() if line.startswith("cooper_passes_total") and 'outcome="in_sync"' in line]
    return {kind for kind in kinds - {"Account"} if not any(f'kind="{kind}"' in line and not line.endswith(" 0") for line in lines)}


def writes(control):
    return [f"{entry['method']} {entry['path']}" for entry in json.loads(ask(f"{control}/journal"))["entries"] if entry["method"] != "GET"]


def taken_over(file, control, http):
    before = read(file)
    eventually("each kind has had its pass", lambda: unpassed(http))
    eventually("each object is Ready", unready)
    now = snapshot()
    assert before.keys() == now.keys(), before.keys() ^ now.keys()
    for name, item in before.items():
        kept = {part: item.get(part) for part in ("spec", "data", "type", "metadata")}
        if "status" in item:
            kept["status"] = {part: what for part, what in item["status"].items() if part in KEPT}
        assert not list(lost(kept, now[name], name)), list(lost(kept, now[name], name))
        assert item.get("data") == now[name].get("data"), f"{name} has other entries"
    # The cloud shows nobody's groups, so a user may be put into its own once more.
    written = [write for write in writes(control) if not re.fullmatch(r"POST /.*/groups/[^/]+/users/[^/]+", write)]
    assert not written, f"written at the cloud, although all was as wanted: {written}"


def patch(name, change):
    kubectl("patch", name, "--namespace", SPACE, "--type", "merge", "--patch", json.dumps(change))


def key_id():
    return base64.b64decode(objects()["Secret/ci-s3"]["data"]["AWS_ACCESS_KEY_ID"]).decode()


def changed(control):
    first = key_id()
    patch("IamUser/ci", {"spec": {"tags": {"upgraded": "yes"}}, "metadata": {"annotations": {"cooper.dev/rotate": "upgraded"}}})
    patch("ObjectStorageService/media", {"spec": {"labels": {"upgraded": "yes"}}})
    kubectl("delete", "StaticWebsite", "--all", "--namespace", SPACE, "--timeout=60s")
    eventually("the key is replaced", lambda: key_id() == first)
    eventually("each object is Ready", unready)
    assert any(method.startswith("DELETE") and "static-websites" in method for method in writes(control)), writes(control)
    cloud = ask(f"{control}/state")
    assert first in cloud and key_id() in cloud, "the key before works on for a while"


def uninstalled(file):
    before, now = read(file), snapshot()
    assert before.keys() == now.keys(), before.keys() ^ now.keys()
    assert all(now[name].get("spec") == item.get("spec") for name, item in before.items())


STEPS = {
    "save": save,
    "restore": restore,
    "account": account,
    "snapshot": lambda file: pathlib.Path(file).write_text(json.dumps(snapshot())),
    "upgraded": upgraded,
    "taken-over": taken_over,
    "changed": changed,
    "uninstalled": uninstalled,
}

STEPS[sys.argv[1]](*sys.argv[2:])

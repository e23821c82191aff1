"""Compares renderings of the chart with deploy/base, its overlays, and what the values promise. Called by test.sh."""

import difflib
import json
import pathlib
import sys

import yaml

HELM_LABELS = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
# Helm makes the namespace itself, and the annotation is its own.
LEFT_OUT = {("Namespace", "cooper-system")}
ANNOTATIONS = {"helm.sh/resource-policy"}


def read(path):
    """The objects of a rendering, by kind, namespace and name."""
    objects = {}
    for found in yaml.load_all(path.read_text(), yaml.CSafeLoader):
        if found:
            key = (found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])
            assert key not in objects, f"{key} is rendered twice"
            objects[key] = found
    return objects


def bare(value):
    """Without what Helm adds, and without what is empty then."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: bare(item) for key, item in value.items() if key not in HELM_LABELS | ANNOTATIONS}
    return {key: item for key, item in kept.items() if not (key in ("labels", "annotations") and not item)}


def compare(chart, base, name="deploy/base"):
    base = {key: item for key, item in base.items() if (key[0], key[2]) not in LEFT_OUT}
    # Of a CRD the generator sets no labels; Helm's include the application's name.
    for objects in (chart, base):
        for key, item in objects.items():
            if key[0] == "CustomResourceDefinition":
                item["metadata"].pop("labels", None)
    wrong = sorted(set(chart) ^ set(base))
    for key in wrong:
        print(f"only in {'the chart' if key in chart else name}: {key}", file=sys.stderr)
    for key in sorted(set(chart) & set(base)):
        ours, theirs = (json.dumps(bare(objects[key]), indent=1, sort_keys=True).splitlines() for objects in (base, chart))
        if ours != theirs:
            wrong.append(key)
            print("\n".join(difflib.unified_diff(ours, theirs, f"{name} {key}", "chart", lineterm="", n=2)), file=sys.stderr)
    return not wrong


def secrets(role):
    return [rule["verbs"] for rule in role["rules"] if rule["resources"] == ["secrets"]]


def full(objects):
    """What is off unless a value asks for it."""
    assert not [key for key in objects if key[0] in ("ClusterRoleBinding", "PodDisruptionBudget")], "Roles only"
    account = objects["Account", "team-a", "first"]
    assert account["spec"] == {"credentialsSecretRef": {"name": "upcloud"}, "proxy": "http://proxy:3128"}
    assert account["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", "as all of cooper's objects"
    pod = objects["Deployment", "cooper-system", "cooper"]["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "trust", "configMap": {"name": "corporate", "items": [{"key": "pem", "path": "ca.crt"}]}}]
    assert {"name": "SSL_CERT_FILE", "value": "/etc/cooper/trust/ca.crt"} in pod["containers"][0]["env"]
    variables = {one["name"]: one.get("value") or one["valueFrom"] for one in pod["containers"][0]["env"]}
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318" and variables["OTEL_TRACES_SAMPLER_ARG"] == "0.5"
    assert variables["OTEL_EXPORTER_OTLP_HEADERS"] == {"secretKeyRef": {"name": "collector", "key": "headers"}}
    assert [one["maxSkew"] for one in pod["topologySpreadConstraints"]] == [2]
    policy = objects["NetworkPolicy", "cooper-system", "cooper"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= objects["Deployment", "cooper-system", "cooper"]["spec"]["template"]["metadata"]["labels"].items()
    assert [port["port"] for port in policy["egress"][1]["ports"]] == [8443, 4318] and "to" not in policy["egress"][1]
    service = objects["ServiceMonitor", "cooper-system", "cooper"]
    assert service["spec"]["endpoints"][0]["interval"] == "1m" and service["metadata"]["labels"]["release"] == "prometheus"
    assert service["spec"]["selector"]["matchLabels"].items() <= objects["Service", "cooper-system", "cooper"]["metadata"]["labels"].items()
    assert objects["PodMonitor", "cooper-system", "cooper"]["spec"]["podMetricsEndpoints"][0]["port"] == "http"
    unlabelled = [key for key, item in objects.items() if item["metadata"].get("labels", {}).get("team") != "storage" and key[0] != "Pod"]
    assert not unlabelled, unlabelled
    selectors = objects["Deployment", "cooper-system", "cooper"]["spec"]["selector"]["matchLabels"]
    assert "team" not in selectors, "a selector cannot change, and labels may"


def main():
    work = pathlib.Path(sys.argv[1])
    default, base, other, elsewhere = (read(work / name) for name in ("default", "base", "other", "elsewhere"))
    assert read(work / "helm3") == default, "Helm 3 makes something else of the chart"
    test = default.pop(("Pod", "cooper-system", "cooper-test"))
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    if not compare(default, base):
        sys.exit("the chart and deploy/base differ")

    kinds = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment", "Service", "PodDisruptionBudget", "Pod"}
    assert {key[0] for key in other} == kinds, other.keys()
    assert not secrets(other["ClusterRole", "", "cooper"]), "with a namespace the rights are in a Role"
    assert secrets(other["Role", "team-a", "cooper-work"]) == secrets(base["ClusterRole", "", "cooper"])
    assert other["RoleBinding", "team-a", "cooper-work"]["subjects"][0]["name"] == "robot"
    pod = other["Deployment", "cooper-system", "cooper"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert other["Deployment", "cooper-system", "cooper"]["spec"]["replicas"] == 0
    assert pod["metadata"]["labels"]["team"] == "media"
    assert [entry["name"] for entry in container["env"]] == ["POD_NAMESPACE", "A"], container["env"]
    assert container["image"] == "cooper@sha256:" + "1".zfill(64), container["image"]
    assert container["args"][3:] == ["--namespace=team-a", "--no-fence-check", "--drift-interval=300"], container["args"]

    rendered = sorted(work.glob("*-overlay"))
    assert rendered, "no overlays"
    for path in rendered:
        name = path.name.removesuffix("-overlay")
        chart = read(work / f"{name}-chart")
        assert read(work / f"{name}-helm3") == chart, f"Helm 3 makes something else of {name}"
        del chart["Pod", "cooper-system", "cooper-test"]
        if not compare(chart, read(path), f"deploy/overlays/{name}"):
            sys.exit(f"the chart with the values of deploy/overlays/{name} differs from it")
    reach = read(work / "namespaced-overlay")
    assert not [key for key in reach if key[0] == "ClusterRoleBinding"], "Roles only"
    watching = read(work / "secrets-watch-overlay")
    assert secrets(watching["ClusterRole", "", "cooper-secrets-watch"]) == [["list", "watch"]]
    assert watching["Deployment", "cooper-system", "cooper"]["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--secrets-watch"

    full(read(work / "full"))

    users = [json.dumps(item["spec"]["matchConditions"]) for key, item in elsewhere.items() if key[0] == "ValidatingAdmissionPolicy"]
    assert len(users) == 2 and all("'system:serviceaccount:tools:elsewhere-cooper'" in user for user in users), users
    assert ("ServiceAccount", "tools", "elsewhere-cooper") in elsewhere


if __name__ == "__main__":
    main()

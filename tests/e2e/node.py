"""cooper on a real node: installed by its chart, used by a workload, hurt in several ways, and removed.

Usage: node.py EMULATOR NODE, where NODE is the folder of a running node (tests/node/up.sh)."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from emulated import Checks, Emulator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KINDS = "accounts,objectstorageservices,buckets,customdomains,iampolicies,iamgroups,iamusers,iamroles,staticwebsites"
# The node runs on what other builds leave over; nothing below is a measurement.
PATIENCE = 180

NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted}}
"""

# The emulator runs beside the node. Pods know it by a name of the cluster's.
CLOUD = """
apiVersion: v1
kind: Service
metadata: {name: emulator, namespace: demo}
spec:
  ports: [{name: api, port: %(api)d}, {name: s3, port: %(s3)d}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: emulator, namespace: demo, labels: {kubernetes.io/service-name: emulator}}
addressType: IPv4
endpoints: [{addresses: ["%(host)s"]}]
ports: [{name: api, port: %(api)d}, {name: s3, port: %(s3)d}]
---
apiVersion: v1
kind: Secret
metadata: {name: upcloud, namespace: demo, labels: {cooper.dev/credentials: upcloud}}
stringData: {token: ucat_demo}
"""

ACCOUNT = """
apiVersion: upcloud.cooper.dev/v1alpha1
kind: Account
metadata: {name: default, namespace: demo}
spec:
  endpoint: http://emulator.demo.svc:%(api)d
  dataPlane: {scheme: http, port: %(s3)d, hostOverride: emulator.demo.svc}
"""

WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: demo}
spec:
  replicas: 1
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: client
          image: localhost/client:1
          envFrom: [{secretRef: {name: ci-s3}}]
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
"""

BUCKET = """
apiVersion: upcloud.cooper.dev/v1alpha1
kind: Bucket
metadata: {name: %s, namespace: demo}
spec: {serviceRef: {name: media}}
"""

# What was let go of is taken over again. An Account is nothing at the cloud.
BACK = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../demo]
patches:
  - target: {group: upcloud.cooper.dev, kind: "[^A].*"}
    patch: |-
      - op: add
        path: /spec/adoption
        value: IfExists
"""

# Granted, and never asked for as a request of its own.
UNASKED = {
    # Where the admission plugin OwnerReferencesPermissionEnforcement is on, it asks for this right when a Secret gets an owner.
    "finalizers": "the admission of owner references",
}


class Cluster:
    """kubectl and helm against the node, and its processes."""

    def __init__(self, node):
        self.node = node
        self.environment = {**os.environ, "KUBECONFIG": str(node / "admin.kubeconfig"), "HOME": str(node / "state")}

    def run(self, *command, text=None, check=True):
        done = subprocess.run(command, input=text, env=self.environment, cwd=ROOT, capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}{self.trouble()}")
        return done.stdout if check else done

    def kubectl(self, *words, **more):
        return self.run("kubectl", *words, **more)

    def apply(self, text):
        self.kubectl("apply", "-f", "-", text=text)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def ready(self, kinds=KINDS, *names):
        self.kubectl("wait", "--for=condition=Ready", f"--timeout={PATIENCE}s", "-n", "demo", kinds, *(names or ["--all"]))

    def rollout(self, namespace, name):
        self.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE}s")

    def key(self):
        """Id of the key in the workload's Secret."""
        return base64.b64decode(self.get("secret", "ci-s3", "-n", "demo")["data"]["AWS_ACCESS_KEY_ID"]).decode()

    def workload(self):
        """What the workload's one Pod says of itself."""
        pods = self.get("pods", "-n", "demo", "-l", "app=app")["items"]
        name = next(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"])
        return json.loads(self.kubectl("get", "--raw", f"/api/v1/namespaces/demo/pods/{name}:8080/proxy/"))

    def works_on(self):
        """The workload, after some more rounds."""
        before = self.workload()
        eventually("more rounds of the workload", lambda: self.workload()["rounds"] >= before["rounds"] + 3)
        return before, self.workload()

    def kill(self, component):
        """Kills a component of the node, which starts it again, and waits until it has another process."""
        file = self.node / "pids" / component
        before = file.read_text()
        first = (self.node / "first-pid").read_text().strip()
        self.run("nsenter", "--target", first, "--pid", "--mount", "bash", "-c", f"kill -9 {before.strip()}")
        eventually(f"a new {component}", lambda: file.read_text() not in ("", before))

    def trouble(self):
        """What a person looks at first."""
        words = (("get", "pods", "-A", "-o", "wide"), ("get", KINDS, "-n", "demo"), ("events", "-A", "--types=Warning"))
        words += (("-n", "cooper-system", "logs", "--tail=30", "deployment/cooper"),)
        return "".join(f"\n--- kubectl {' '.join(part)}\n{self.kubectl(*part, check=False).stdout}" for part in words)


def eventually(what, holds):
    """Returns once it holds. An API server that is just starting again may refuse to answer."""
    deadline, last = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
            last = None
        except (SystemExit, StopIteration, ValueError) as error:
            last = error
        time.sleep(0.3)
    raise SystemExit(f"waited {PATIENCE} s in vain for {what}: {last}")


def helm(cluster, verb, *words):
    cluster.run("helm", verb, "cooper", *words, "--namespace", "cooper-system", "--wait", "--timeout", f"{PATIENCE}s")


def furnish(cluster, emulator):
    """The samples, with the emulator as their cloud."""
    at = {"host": (cluster.node / "host").read_text().strip(), "api": emulator.port("api"), "s3": emulator.port("s3")}
    cluster.apply(CLOUD % at)
    overlay = cluster.node / "overlay"
    for part in ("samples", "demo"):
        shutil.copytree(ROOT / "deploy" / part, overlay / part)
    (overlay / "demo" / "emulator.yaml").write_text(ACCOUNT % at)
    cluster.kubectl("apply", "-k", str(overlay / "demo"))


def converges(cluster, checks, after, name):
    """Something new is asked for and made, while the workload goes on."""
    eventually(f"the API after {after}", lambda: cluster.apply(BUCKET % name) is None)
    eventually(f"bucket {name}", lambda: cluster.ready("buckets", name) is None)
    cluster.ready()
    before, now = cluster.works_on()
    checks.claim(f"after {after} what is new is made, and all is Ready", True)
    checks.claim("the workload went on", now["failed"] == before["failed"], now)


def granted(cluster):
    """(group, resource, name or "", verb) of each right of the installed operator."""
    roles = [cluster.get("clusterrole", "cooper")]
    roles += [role for role in cluster.get("roles", "-A")["items"] if role["metadata"]["name"].startswith("cooper")]
    for rule in (rule for role in roles for rule in role["rules"]):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    for verb in rule["verbs"]:
                        yield group, resource, name, verb


def asked(cluster):
    """The same of each request of the operator's ServiceAccount that was answered below 400, with and without its name."""
    with open(cluster.node / "audit.log") as log:
        for line in log:
            entry = json.loads(line)
            what = entry.get("objectRef")
            if entry["user"]["username"] != "system:serviceaccount:cooper-system:cooper" or not what:
                continue
            # One that is refused is no use of a right; one that the audit log has no answer of is not known to be.
            if entry.get("responseStatus", {}).get("code", 500) >= 400:
                continue
            resource = "/".join(part for part in (what["resource"], what.get("subresource")) if part)
            # The events of the core group are allowed by nothing here.
            for name in ("", what.get("name", "")):
                yield what.get("apiGroup", ""), resource, name, entry["verb"]


def rights(cluster, checks, granted):
    rest = sorted(right for right in granted - set(asked(cluster)) if right[1].rpartition("/")[2] not in UNASKED)
    checks.claim("every right of the operator was used", not rest, "\n      ".join(map(str, rest)))


def rotate(cluster, checks):
    old = cluster.key()
    cluster.kubectl("annotate", "iamuser", "ci", "-n", "demo", "cooper.dev/rotate=now", "--overwrite")
    eventually("another key in the Secret", lambda: cluster.key() != old)
    before, now = cluster.works_on()
    checks.claim("the key is replaced, and the workload goes on with the old one", now["key"] == old and now["failed"] == before["failed"], now)
    cluster.kubectl("rollout", "restart", "deployment/app", "-n", "demo")
    cluster.rollout("demo", "app")
    _, now = cluster.works_on()
    checks.claim("started again, it works with the new one", now["key"] == cluster.key() and not now["failed"], now)


def contents(emulator):
    """Names of buckets and of users with their keys and policies at the cloud, in its own words. The workload goes on meanwhile."""
    _, _, text = emulator.send("control", "GET", "/state")
    services = json.loads(text)["accounts"]["demo"]["services"]
    return [
        (
            service["name"],
            service["state"],
            [(bucket["name"], bucket["objects"] > 0, bucket["deleted"]) for bucket in service["buckets"]],
            [(user["name"], user["attached"], [(key["id"], key["status"]) for key in user["keys"]]) for user in service["users"]],
        )
        for service in services
    ]


def main():
    program, node = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    # A signal ends the emulator as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks, cluster = Checks(), Cluster(node)
    host = (node / "host").read_text().strip()
    with Emulator(program, "--api", f"{host}:0", "--s3", f"{host}:0") as emulator:
        cluster.apply(NAMESPACES % "cooper-system" + "---" + NAMESPACES % "demo")
        helm(cluster, "install", "charts/cooper")
        checks.claim("the chart installs the image into a namespace that enforces `restricted`", True)
        cluster.run("helm", "test", "cooper", "--namespace", "cooper-system", "--timeout", f"{PATIENCE}s")
        checks.claim("helm test finds an operator that is ready, by its Service's name", True)
        furnish(cluster, emulator)
        cluster.ready()
        checks.claim("the samples became Ready", True)
        cluster.apply(WORKLOAD)
        cluster.rollout("demo", "app")
        _, now = cluster.works_on()
        checks.claim("a workload puts and gets objects with its environment from the Secret", not now["failed"], now)
        rotate(cluster, checks)

        cluster.kubectl("delete", "pod", "-n", "cooper-system", "-l", "app.kubernetes.io/name=cooper", "--grace-period=0", "--force")
        cluster.rollout("cooper-system", "cooper")
        converges(cluster, checks, "the operator's Pod was killed", "one")
        cluster.kill("kubelet")
        converges(cluster, checks, "kubelet was killed", "two")
        cluster.kill("kube-apiserver")
        converges(cluster, checks, "the API server was killed", "three")
        had = contents(emulator)
        leave(cluster, checks)
        gone(cluster, checks, emulator, had)
        come_back(cluster, checks)
        leave_by_job(cluster, checks)
        gone(cluster, checks, emulator, had)
        cluster.kubectl("delete", "namespace", "demo", "cooper-system", f"--timeout={PATIENCE}s")
        checks.claim("no finalizer holds the namespaces", True)
    checks.end()


def leave(cluster, checks):
    """As the documentation says: the CRDs first, while the operator runs, then the rest."""
    may = set(granted(cluster))
    cluster.kubectl("delete", "-k", "crds", f"--timeout={PATIENCE}s")
    checks.claim("removing the CRDs lets go of every object", True)
    rights(cluster, checks, may)
    helm(cluster, "uninstall")


def come_back(cluster, checks):
    """The same manifests under `adoption: IfExists`."""
    key = cluster.key()
    helm(cluster, "install", "charts/cooper", "--set", "release.onUninstall=true")
    back = cluster.node / "overlay" / "back"
    back.mkdir()
    (back / "kustomization.yaml").write_text(BACK)
    cluster.kubectl("apply", "-k", str(back))
    cluster.ready()
    checks.claim("installed again, cooper takes over what is there, with the key that the Secret holds", cluster.key() == key, cluster.key())


def leave_by_job(cluster, checks):
    """The other way: the chart's Job stops the operator and lets go, so that nobody is needed when the CRDs go."""
    helm(cluster, "uninstall")
    held = [item["metadata"]["name"] for item in cluster.get(KINDS + ",secrets", "-n", "demo")["items"] if "finalizers" in item["metadata"]]
    checks.claim("the Job before `helm uninstall` takes every finalizer off", not held, held)
    owners = cluster.get("secret", "ci-s3", "-n", "demo")["metadata"].get("ownerReferences")
    checks.claim("and the resource off the owners of its Secret", not owners, owners)
    cluster.kubectl("delete", "crd", "-l", "app.kubernetes.io/name=cooper", f"--timeout={PATIENCE}s")


def gone(cluster, checks, emulator, had):
    left = cluster.kubectl("get", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,crds", "-o", "name")
    left = [line for line in left.splitlines() if "cooper" in line]
    checks.claim("nothing of cooper is left in the cluster", not left, left)
    _, now = cluster.works_on()
    checks.claim("the workload goes on without cooper", now["failed"] == 0, now)
    has = contents(emulator)
    checks.claim("the cloud has all that it had", has == had, f"{has}\n      instead of\n      {had}")


main()

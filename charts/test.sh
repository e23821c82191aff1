#!/bin/sh
# Checks the chart: helm's own lint, refused values, renderings that differ, and that it is deploy/base and its overlays.
# helm (4), helm3 and kubectl come from the PATH or else from charts/tools.sh.
set -eu
cd "$(dirname "$0")/.."
for tool in helm helm3 kubectl; do command -v $tool >/dev/null || { PATH="$(charts/tools.sh):$PATH" && break; }; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No cluster is asked for anything.
export KUBECONFIG="$work/none"

render() { helm template cooper charts/cooper --namespace cooper-system "$@" 2>"$work/errors" || { cat "$work/errors" >&2; return 1; }; }
helm lint --strict charts/cooper --quiet
helm3 lint --strict charts/cooper --quiet

refused() {
    if render --set "$1" >/dev/null 2>&1; then
        echo "the schema lets $1 through" >&2
        exit 1
    fi
}
refused replicas=two
refused replicas=6
refused image.digest=latest
refused watchNamespace=Team_A
refused secrets.fences=false
refused secrets.watch=always
refused release.onUninstall=maybe
refused unknown=1
refused 'networkPolicy.ports={0}'
refused serviceMonitor.interval=often
refused account.name=A
refused monitoring.runbookUrl=https://git.example.org/
refused commonLabels.x=1
refused trust.key=a/b
refused traces.endpoint=collector:4318
refused traces.ratio=2
refused 'providers={}'
refused 'providers={upcloud,upcloud}'
refused 'providers={nowhere}'
# Whoever passes over the schema is told, too.
render --skip-schema-validation --set 'providers={nowhere}' >/dev/null 2>"$work/said" && exit 1
grep -q 'providers: "nowhere" is not known; there is upcloud' "$work/said" || { cat "$work/said" >&2; exit 1; }

render >"$work/default"
kubectl kustomize deploy/base >"$work/base"
render --set watchNamespace=team-a --set 'extraArgs={--drift-interval=300}' --set secrets.fence=false --set crds.install=false \
    --set serviceAccount.create=false --set serviceAccount.name=robot --set roles.aggregate=false --set replicas=0 \
    --set "image.digest=sha256:$(printf '%064d' 1)" --set podLabels.team=media --set 'env[0].name=A,env[0].value=b' >"$work/other"
render --set watchNamespace=team-a --set rbac.clusterRole=false --set commonLabels.team=storage --set podDisruptionBudget.enabled=false \
    --api-versions upcloud.cooper.dev/v1alpha1/Account --set account.create=true --set account.name=first --set account.spec.proxy=http://proxy:3128 \
    --set trust.configMap=corporate --set trust.key=pem --set 'topologySpreadConstraints[0].maxSkew=2,topologySpreadConstraints[0].topologyKey=zone,topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule' \
    --set networkPolicy.enabled=true --set 'networkPolicy.ports={8443}' --set podMonitor.enabled=true \
    --set traces.endpoint=http://collector:4318 --set-json traces.ratio=0.5 --set traces.headersSecret.name=collector \
    --set serviceMonitor.enabled=true --set serviceMonitor.interval=1m --set serviceMonitor.labels.release=prometheus >"$work/full"
# Each overlay says by which values Helm makes the same.
for overlay in deploy/overlays/*; do
    name=$(basename "$overlay")
    render --values "$overlay/values.yaml" >"$work/$name-chart"
    kubectl kustomize "$overlay" >"$work/$name-overlay"
    helm3 template cooper charts/cooper --namespace cooper-system --values "$overlay/values.yaml" >"$work/$name-helm3" 2>/dev/null
done
helm3 template cooper charts/cooper --namespace cooper-system >"$work/helm3" 2>/dev/null
# A second provider, made up: what it brings comes and goes with its name.
cp -RL charts/cooper "$work/two"
sed 's/upcloud\.cooper\.dev/elsewhere.cooper.dev/g' crds/upcloud.cooper.dev_iamusers.yaml >"$work/two/files/crds/elsewhere.cooper.dev_iamusers.yaml"
sed -i 's/"enum": \["upcloud"\]/"enum": ["upcloud", "elsewhere"]/' "$work/two/values.schema.json"
with() { helm template cooper "$work/two" --namespace cooper-system --set "providers={$1}" 2>/dev/null; }
with upcloud >"$work/for-upcloud"
with elsewhere >"$work/for-elsewhere"
with upcloud,elsewhere >"$work/for-both"
helm template elsewhere charts/cooper --namespace tools >"$work/elsewhere" 2>/dev/null
render --set release.onUninstall=true >"$work/releasing"
render --set release.onUninstall=true --set watchNamespace=team-a --set secrets.fence=false >"$work/releasing-one"
render --set monitoring.rules=true --set 'monitoring.runbookUrl=https://git.example.org/runbooks/%s.md' >"$work/runbooks"
alerts=$(grep -c ' alert: ' "$work/runbooks")
[ "$(grep -c ' runbook_url: "https://git.example.org/runbooks/Cooper[A-Za-z]*.md"$' "$work/runbooks")" = "$alerts" ] || { echo "not every alert has its runbook_url" >&2; exit 1; }
python=$(charts/schemas.sh)
for check in values compare releasing providers valid; do "$python" charts/$check.py "$work"; done
# One of each manifest, for a scanner of policies.
mkdir "$work/scanned"
kubectl kustomize deploy/samples >"$work/scanned/samples.yaml"
for rendering in default full base releasing "$work"/*-overlay; do cp "$work/$(basename "$rendering")" "$work/scanned/$(basename "$rendering").yaml"; done
cp Dockerfile deploy/samples/credentials.example.yaml "$work/scanned"
# Whatever it finds is judged below.
"$(charts/checkov.sh)" --framework kubernetes dockerfile --directory "$work/scanned" --skip-download --quiet --compact --soft-fail --output json >"$work/findings" 2>"$work/errors" ||
    { cat "$work/errors" >&2; exit 1; }
"$python" charts/policies.py "$work/findings"
if command -v lua5.4 >/dev/null; then
    lua5.4 deploy/argocd/test.lua deploy/argocd/health.lua
else
    echo "not tested: health.lua, because lua5.4 is missing" >&2
    [ -z "${COOPER_TEST_ALL:-}" ] || exit 1
fi
echo "the chart is deploy/base and its overlays, and its values do what they say"

#!/bin/sh
# Checks the chart: helm's own lint, refused values, renderings that differ, and that its default rendering is deploy/base.
# helm and kubectl come from the PATH or else from charts/tools.sh.
set -eu
cd "$(dirname "$0")/.."
command -v helm >/dev/null && command -v kubectl >/dev/null || PATH="$(charts/tools.sh):$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No cluster is asked for anything.
export KUBECONFIG="$work/none"

render() { helm template cooper charts/cooper --namespace cooper-system "$@" 2>"$work/errors" || { cat "$work/errors" >&2; return 1; }; }
# YAML in, JSON out, for Python to read without a parser of YAML: one object after another.
as_json() { kubectl annotate --local --output json --filename "$1" cooper.dev/converted=true >"$1.json"; }

helm lint --strict charts/cooper --quiet

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
refused commonLabels.x=1
refused trust.key=a/b

render >"$work/default"
kubectl kustomize deploy/base >"$work/base"
render --set watchNamespace=team-a --set 'extraArgs={--drift-interval=300}' --set secrets.fence=false --set crds.install=false \
    --set serviceAccount.create=false --set serviceAccount.name=robot --set roles.aggregate=false --set replicas=0 \
    --set "image.digest=sha256:$(printf '%064d' 1)" --set podLabels.team=media --set 'env[0].name=A,env[0].value=b' >"$work/other"
render --set watchNamespace=team-a --set rbac.clusterRole=false --set commonLabels.team=storage --set podDisruptionBudget.enabled=false \
    --api-versions upcloud.cooper.dev/v1alpha1/Account --set account.create=true --set account.name=first --set account.spec.proxy=http://proxy:3128 \
    --set trust.configMap=corporate --set trust.key=pem --set 'topologySpreadConstraints[0].maxSkew=2,topologySpreadConstraints[0].topologyKey=zone,topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule' \
    --set networkPolicy.enabled=true --set 'networkPolicy.ports={8443}' --set podMonitor.enabled=true \
    --set serviceMonitor.enabled=true --set serviceMonitor.interval=1m --set serviceMonitor.labels.release=prometheus >"$work/full"
render --set secrets.watch=true >"$work/watching"
kubectl kustomize deploy/secrets-watch >"$work/watching-base"
helm template elsewhere charts/cooper --namespace tools >"$work/elsewhere" 2>/dev/null
render --set release.onUninstall=true >"$work/releasing"
render --set release.onUninstall=true --set watchNamespace=team-a --set secrets.fence=false >"$work/releasing-one"
for rendering in releasing releasing-one default base other full watching watching-base elsewhere; do as_json "$work/$rendering"; done
python3 charts/compare.py "$work"
python3 charts/releasing.py "$work"
schemas=$(charts/schemas.sh)
"$schemas" charts/valid.py "$work"/default.json "$work"/full.json "$work"/base.json
if command -v lua5.4 >/dev/null; then
    lua5.4 deploy/argocd/test.lua deploy/argocd/health.lua
else
    echo "health.lua is not tried: lua5.4 is missing" >&2
fi
echo "the chart is deploy/base, and its values do what they say"

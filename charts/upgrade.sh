#!/usr/bin/env bash
# An upgrade on a real API server: the chart of then with what it had in its care, `helm upgrade` as docs/howto/install.md says it, and
# the operator of now. What is claimed stands in upgrade.py. Exits 0 if all of it held.
#
# As nothing was released yet, the chart of then is an earlier state of 0.1.0, which calls itself 0.1.0-pre.
#
#   charts/upgrade.sh                        the test; needs the programs built (cargo build --workspace --bins)
#   charts/upgrade.sh save CHART OPERATOR    writes charts/upgrade/ anew, with a released chart and its program: once a release
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../demo/lib.sh"
state=charts/upgrade

version() { sed -n 's/^version: //p' "$1/Chart.yaml"; }

tools=$(charts/tools.sh)
python=$(charts/schemas.sh)
cluster=$(tests/cluster/build.sh)
scratch upgrade

# Both talk to the control plane below and to nothing else.
helm() { KUBECONFIG="$dir/cluster/kubeconfig" "$tools/$1" "${@:2}" --namespace cooper-system; }
check() { COOPER_KUBECTL="$cluster" KUBECONFIG="$dir/cluster/kubeconfig" KUBECACHEDIR="$dir/kubectl" PYTHONDONTWRITEBYTECODE=1 "$python" charts/upgrade.py "$@"; }
cloud() { start emulator "$bin/cooper-emulator" --step 0 --purge 0 --data "$dir/cloud.json" && until_said emulator; }
operator() { # operator PROGRAM
    operator_kubeconfig "$dir/operator.kubeconfig"
    start operator "$1" run --kubeconfig "$dir/operator.kubeconfig" --listen 127.0.0.1:0
    until_said operator
    until_ready "$(member "$dir/operator.json" http)/readyz"
}
# There is no node: the Deployment is stored, and the operator runs here.
before() { # before HELM CHART
    start control-plane "$cluster" up --dir "$dir/cluster"
    until_said control-plane
    helm "$1" install cooper "$2" --create-namespace --set image.repository=registry.example.org/cooper >/dev/null
    kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null
}

if [ "${1:-}" = save ]; then
    before helm3 "$2"
    cloud
    operator "$3"
    overlay
    credentials
    kubectl apply -k "$dir/overlay/demo" >/dev/null
    kubectl wait --for=condition=Ready --timeout=180s cooper --all -n demo >/dev/null
    rm -rf "$state"
    mkdir -p "$state"
    cp -RL "$2" "$state/chart"
    # The emulator writes what has changed a few times a second.
    sleep 1
    check save "$state" "$dir/cloud.json"
    say "the state is in $state"
    exit 0
fi

[ "$(version $state/chart)" != "$(version charts/cooper)" ] || die "the chart of then has the version of now: no upgrade"
# Whoever came by Helm 3 goes on with Helm 4, and whoever came by 4 too.
for helm in helm3 helm; do
    say "$("$tools/$helm" version --template '{{.Version}}'): version $(version $state/chart), and what it had in its care"
    before $helm $state/chart
    check restore $state "$dir/cloud.json"
    cloud
    check account $state "$(member "$dir/emulator.json" api)"
    check snapshot "$dir/before.json"

    helm helm upgrade cooper charts/cooper --reset-then-reuse-values >/dev/null
    check upgraded "$dir/before.json"
    say "upgraded, nothing lost; the operator of now takes over"
    operator "$bin/cooper"
    check taken-over "$dir/before.json" "$(member "$dir/emulator.json" control)" "$(member "$dir/operator.json" http)"
    check changed "$(member "$dir/emulator.json" control)"
    say "all is as it was, was changed, and is looked after; uninstalling"
    check snapshot "$dir/changed.json"
    helm helm uninstall cooper >/dev/null
    check uninstalled "$dir/changed.json"
    stop_all
    rm -rf "${dir:?}"/*
done
echo "2 passed, 0 failed"

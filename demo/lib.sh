# What demo.sh, up.sh, down.sh and the tests with processes share: building, starting and stopping a
# control plane, the emulated cloud and the operator. Sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper"
bin="${CARGO_TARGET_DIR:-target}/debug"
awscli_version=1.46.3
# What the emulator's account is made with; see its --account flag.
cloud_account=demo
cloud_token=ucat_demo

# Everything here talks to this machine only.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY KUBECONFIG

begin=$SECONDS
say() {
    local t=$((SECONDS - begin))
    printf '%d:%02d  %s\n' $((t / 60)) $((t % 60)) "$*"
}
die() {
    echo "$*" >&2
    exit 1
}

need() { # need COMMAND HINT
    command -v "$1" >/dev/null 2>&1 || die "$1 is needed: $2"
}

# scratch NAME: a folder, $dir, for what the script starts. However that ends, all of it is stopped and the folder goes; after a
# failure the ends of all logs are shown.
scratch() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/cooper-$1-XXXXXX")
    trap scratched EXIT
    trap 'exit 130' INT TERM
}
scratched() {
    local code=$?
    set +e
    [ $code -eq 0 ] || tail -n 20 "$dir"/*.log >&2
    stop_all
    rm -rf "$dir"
    exit $code
}

# member FILE NAME: a member of the JSON object in the file's first line.
member() {
    python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readline())[sys.argv[2]])' "$1" "$2"
}

build() {
    need git "get it from your system's packages"
    need cc "a C compiler and linker, such as Debian's build-essential"
    need cargo "get Rust from https://rustup.rs"
    need go "get it from https://go.dev/dl/"
    need python3 "get it from your system's packages"
    cluster=$(tests/cluster/build.sh)
    say "control plane: $("$cluster" version) of Kubernetes"
    say "building the operator and the emulator"
    cargo build --workspace --bins
}

kubectl() { KUBECONFIG="$dir/cluster/kubeconfig" KUBECACHEDIR="$dir/kubectl" "$cluster" kubectl "$@"; }

# start NAME COMMAND...: in the background, with its output in $dir and its pid in $dir/pids.
start() {
    local name=$1
    shift
    nohup "$@" </dev/null >"$dir/$name.json" 2>"$dir/$name.log" &
    echo "$! $name $1" >>"$dir/pids"
    disown
}

pid_of() { awk -v name="$1" '$2 == name { print $1 }' "$dir/pids"; }

# until_said NAME: waits for the one line by which a program says that it is ready.
until_said() {
    local deadline=$((SECONDS + 180))
    until grep -q '}' "$dir/$1.json" 2>/dev/null; do
        if ! kill -0 "$(pid_of "$1")" 2>/dev/null || [ $SECONDS -gt $deadline ]; then
            tail -n 20 "$dir/$1.log" >&2
            die "$1 did not start; its log is above"
        fi
        sleep 0.1
    done
}

# stop_all: ends what start started, the last one first, and waits for it. A pid
# that meanwhile belongs to another program is left alone.
stop_all() {
    [ -f "$dir/pids" ] || return 0
    local pid name program tries
    while read -r pid name program; do
        case "$(ps -o command= -p "$pid" 2>/dev/null)" in
        "$program"*) kill "$pid" 2>/dev/null || continue ;;
        *) continue ;;
        esac
        tries=0
        while kill -0 "$pid" 2>/dev/null; do
            tries=$((tries + 1))
            [ $tries -lt 400 ] || kill -9 "$pid" 2>/dev/null || true
            sleep 0.05
        done
    done < <(awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$dir/pids")
    rm -f "$dir/pids"
}

# operator_kubeconfig FILE: one that holds a token of the operator's ServiceAccount, and nothing else.
operator_kubeconfig() {
    local token server
    server=$(member "$dir/control-plane.json" server)
    token=$(kubectl create token cooper -n cooper-system --duration 24h)
    (umask 077 && python3 - "$1" "$server" "$dir/cluster/ca.crt" 3<<<"$token" <<'PYTHON'
import base64, json, os, sys
file, server, authority = sys.argv[1:]
token = os.fdopen(3).read().strip()
with open(authority, "rb") as f:
    authority = base64.b64encode(f.read()).decode()
named = lambda kind, what: {"name": "cooper", kind: what}
config = {
    "apiVersion": "v1", "kind": "Config", "current-context": "cooper",
    "clusters": [named("cluster", {"server": server, "certificate-authority-data": authority})],
    "users": [named("user", {"token": token})],
    "contexts": [named("context", {"cluster": "cooper", "user": "cooper"})],
}
with open(file, "w") as f:
    json.dump(config, f)  # JSON is YAML too
PYTHON
    )
}

# overlay: the samples against this emulator, as a kustomization in $dir/overlay/demo.
overlay() {
    mkdir -p "$dir/overlay"
    cp -R deploy/samples deploy/demo "$dir/overlay/"
    cat >"$dir/overlay/demo/emulator.yaml" <<YAML
apiVersion: upcloud.cooper.dev/v1alpha1
kind: Account
metadata:
  name: default
  namespace: demo
spec:
  endpoint: $(member "$dir/emulator.json" api)
  dataPlane:
    scheme: http
    port: $(member "$dir/emulator.json" s3 | sed 's/.*://; s,/.*,,')
    hostOverride: 127.0.0.1
YAML
}

# start_all: control plane, emulator and operator, ready to work.
start_all() {
    say "starting the control plane"
    start control-plane "$cluster" up --dir "$dir/cluster"
    until_said control-plane
    say "starting the emulated cloud"
    start emulator "$bin/cooper-emulator" --step 500 --purge 1000
    until_said emulator
    say "installing cooper: CRDs, rights, fence"
    # There is no node: the Deployment is stored, and the operator runs below.
    kubectl apply --server-side -k deploy/base >/dev/null
    kubectl wait --for=condition=Established --timeout=60s -f <(kubectl kustomize crds) >/dev/null
    operator_kubeconfig "$dir/operator.kubeconfig"
    say "starting the operator with its ServiceAccount's token"
    start operator "$bin/cooper" run --kubeconfig "$dir/operator.kubeconfig" --listen 127.0.0.1:0
    until_said operator
    until_ready "$(member "$dir/operator.json" http)/readyz"
    overlay
    say "the operator is ready"
}

until_ready() {
    python3 - "$1" <<'PYTHON' || { tail -n 20 "$dir/operator.log" >&2; die "the operator did not become ready; its log is above"; }
import sys, time, urllib.request
last = None
for _ in range(600):
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
            sys.exit(0)
    except OSError as error:
        last = error
    time.sleep(0.1)
sys.exit(f"{sys.argv[1]}: {last}")
PYTHON
}

# credentials: the account's Secret, as its owner makes it.
credentials() {
    kubectl apply -f deploy/samples/namespace.yaml >/dev/null
    kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: upcloud
  namespace: demo
  labels: {cooper.dev/credentials: upcloud}
stringData: {token: $cloud_token}
YAML
}

# install_aws: awscli in an environment of its own, outside the clone. Sets $aws.
install_aws() {
    aws="$cache/awscli-$awscli_version/bin/aws"
    [ -x "$aws" ] && return
    say "installing awscli $awscli_version"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        die "python3 has no venv module: install your system's package for it, such as Debian's python3-venv"
    local new="$cache/awscli-$awscli_version"
    rm -rf "$new"
    python3 -m venv "$new"
    if ! "$new/bin/pip" install --quiet --disable-pip-version-check "awscli==$awscli_version"; then
        rm -rf "$new"
        die "awscli could not be installed from the Python package index"
    fi
}

#!/bin/sh
# Builds the test control plane once, outside the clone, and prints its path.
#
#   tests/cluster/build.sh          -> .../cooper/cluster-<hash>/cluster
#
# The place is ${COOPER_CACHE:-${XDG_CACHE_HOME:-~/.cache}}/cooper; the hash is of the
# sources and the Go version. The first build compiles Kubernetes: minutes. Later
# calls only print. Progress goes to standard error.
set -eu
cd "$(dirname "$0")"

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
wanted=$(awk '$1 == "go" { print $2; exit }' go.mod)
say() { echo "cluster: $*" >&2; }
get_go="get it from https://go.dev/dl/ or, where Go 1.21 or later is installed, let it fetch its successor with GOTOOLCHAIN=auto"

if ! command -v go >/dev/null 2>&1; then
    say "Go $wanted or later is needed to build the test control plane: $get_go"
    exit 1
fi
# In this folder go is the toolchain that go.mod asks for, or an error.
if ! go_version=$(go env GOVERSION 2>&1); then
    say "Go $wanted or later is needed ($(echo "$go_version" | tail -n 1)): $get_go"
    exit 1
fi
# A Go from before 1.21 does not look at go.mod's version by itself.
oldest=$(printf '%s\n%s\n' "$wanted" "${go_version#go}" | sort -V | head -n 1)
if [ "$oldest" != "$wanted" ]; then
    say "Go $wanted or later is needed, this is $go_version: $get_go"
    exit 1
fi

hash=$({ cat go.mod go.sum ./*.go build.sh; go env GOVERSION GOOS GOARCH; } | git hash-object --stdin | cut -c 1-16)
place="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper/cluster-$hash"
if [ -x "$place/cluster" ]; then
    echo "$place/cluster"
    exit 0
fi

mkdir -p "$place"
# One build at a time where flock exists; elsewhere two cost time and nothing else.
if command -v flock >/dev/null 2>&1; then
    exec 9>"$place/lock"
    if ! flock -n 9; then
        say "another build of it is running; waiting for that one"
        flock 9
    fi
    if [ -x "$place/cluster" ]; then
        echo "$place/cluster"
        exit 0
    fi
fi

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
begin=$(date +%s)
elapsed() { clock $(($(date +%s) - begin)); }

say "building Kubernetes $kubernetes, once for this version (5 to 10 minutes on two cores)"
new="$place/cluster.$$"
log="$place/build.$$.log"
trap 'rm -f "$new" "$log"' EXIT
trap 'kill "$build" 2>/dev/null || true; exit 130' INT TERM

export CGO_ENABLED=0
go mod download >"$log" 2>&1 || { cat "$log" >&2; say "the Go modules could not be downloaded"; exit 1; }
total=$(go list -deps . | wc -l | tr -d ' ')
say "$(elapsed) modules are here, compiling up to $total packages"

minor=${kubernetes#v1.}
stamp=k8s.io/component-base/version
go build -v -trimpath -buildvcs=false -o "$new" -ldflags "-s -w \
    -X $stamp.gitVersion=$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} \
    -X $stamp.gitTreeState=clean -X $stamp.gitCommit=gomodule -X $stamp.buildDate=1970-01-01T00:00:00Z" \
    . >"$log" 2>&1 9>&- &
build=$!
seconds=0
while kill -0 "$build" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 20)) -eq 0 ]; then
        say "$(elapsed) $(wc -l <"$log" | tr -d ' ') packages compiled"
    fi
done
if ! wait "$build"; then
    tail -n 40 "$log" >&2
    say "the build failed"
    exit 1
fi
mv "$new" "$place/cluster"
say "$(elapsed) built"
echo "$place/cluster"

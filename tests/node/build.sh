#!/bin/sh
# Builds what the node is made of once, outside the clone, and prints the folder:
# `node` (kubelet, kube-proxy, kube-scheduler, names), `pause` and `client`.
#
#   tests/node/build.sh          -> .../cooper/node-<hash>
#
# As tests/cluster/build.sh, whose binary has the rest of the control plane and
# whose toolchain, modules and compiled packages this shares: after that one it
# takes about a minute, alone it takes five.
set -eu
cd "$(dirname "$0")"

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
go_version=$(go env GOVERSION) || { echo "node: Go $(awk '$1 == "go" { print $2; exit }' go.mod) or later is needed" >&2; exit 1; }
hash=$({ cat go.mod go.sum ./*.go ./*/*.go build.sh; echo "$go_version"; go env GOOS GOARCH; } | git hash-object --stdin | cut -c 1-16)
place="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper/node-$hash"
if [ ! -d "$place" ]; then
    mkdir -p "${place%/*}"
    work=$(mktemp -d "$place.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    echo "node: building kubelet and kube-proxy $kubernetes, once for this version" >&2
    export CGO_ENABLED=0
    minor=${kubernetes#v1.}
    stamp=k8s.io/component-base/version
    for program in . ./pause ./client; do
        go build -trimpath -buildvcs=false -o "$work/bin/" -ldflags "-s -w \
            -X $stamp.gitVersion=$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} \
            -X $stamp.gitTreeState=clean -X $stamp.gitCommit=gomodule -X $stamp.buildDate=1970-01-01T00:00:00Z" $program
    done
    # Whoever else did the same meanwhile has put down the same.
    mv -T "$work/bin" "$place" 2>/dev/null || [ -d "$place" ]
fi
echo "$place"

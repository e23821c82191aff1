#!/usr/bin/env bash
# cooper as it is installed: the image that `make image` builds, by the chart, on a
# real node of Kubernetes, with a workload that uses what it gets. What is claimed
# stands in node.py. Exits 0 if all of it held.
#
# Where it can run, tests/node/check.sh says. Where Docker runs, the machine's own
# containerd is not touched. IMAGE_PROFILE=dev takes an image that is built faster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Everything here talks to this machine only.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY KUBECONFIG

tests/node/check.sh
tools=$(charts/tools.sh)
export PATH="$tools:$PATH"
cargo build --quiet --workspace --bins
archive=$(image/build.sh)
work=$(mktemp -d)
# The node ends with this script, however that ends.
trap 'status=$?; [ ! -e "$work/node" ] || tests/node/down.sh "$work/node" || status=1; rm -rf "$work"; exit $status' EXIT
trap 'exit 130' INT TERM
tests/node/images.sh "$work"
tests/node/up.sh "$work/node" "$work/pause.tar" "$work/client.tar" "$archive"
python3 tests/e2e/node.py "${CARGO_TARGET_DIR:-target}/debug/cooper-emulator" "$work/node"

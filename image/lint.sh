#!/bin/sh
# What is built from and how it is packed: one version everywhere, Dockerfile, licences and sources of the dependencies, release notes.
set -eu
cd "$(dirname "$0")/.."
tools=$(charts/tools.sh)
PATH="$tools:$PATH"

version=$(image/version.sh)
same() { # same WHERE WHAT
    [ "$2" = "$version" ] || { echo "$1 says version $2, Cargo.toml says $version" >&2; exit 1; }
}
same charts/cooper/Chart.yaml "$(sed -n 's/^version: //p' charts/cooper/Chart.yaml)"
same "appVersion of charts/cooper/Chart.yaml" "$(sed -n 's/^appVersion: //p' charts/cooper/Chart.yaml)"
same deploy/base/deployment.yaml "$(sed -n 's/^ *image: cooper://p' deploy/base/deployment.yaml)"
same Dockerfile "$(sed -n 's/^#   docker build -t cooper:\([^ ]*\) .*/\1/p' Dockerfile)"
python3 image/notes.py >/dev/null

hadolint Dockerfile
cargo deny --offline --log-level error check bans licenses sources
# Advisories come from the network. Where there is none, that is said, and not taken for a yes.
if ! out=$(cargo deny --log-level error check advisories 2>&1); then
    case $out in
    *"failed to fetch advisory database"*) echo "advisories are not checked: the database cannot be fetched from here" >&2 ;;
    *) echo "$out" >&2; exit 1 ;;
    esac
fi

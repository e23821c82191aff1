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
for page in README.md docs/howto/install.md; do
    found=$(sed -n 's/.*\(cooper[:-]\|newTag: \)\([0-9][0-9.]*[0-9]\).*/\2/p' $page)
    [ -n "$found" ] || { echo "$page names no version of the image" >&2; exit 1; }
    for one in $found; do same $page "$one"; done
done
python3 image/notes.py >/dev/null

hadolint Dockerfile
cargo deny --offline --log-level error check bans licenses sources
# Advisories come from the network. Where there is none, that is said, and not taken for a yes: where nothing may be left out it is a
# failure, unless COOPER_OFFLINE=1 says that it is known.
if ! out=$(cargo deny --log-level error check advisories 2>&1); then
    case $out in
    *"failed to fetch advisory database"*)
        said="advisories (database not reachable)"
        echo "not checked: $said" >&2
        [ -z "${COOPER_NOT_CHECKED:-}" ] || echo "$said" >>"$COOPER_NOT_CHECKED"
        if [ -n "${COOPER_TEST_ALL:-}" ] && [ "${COOPER_OFFLINE:-}" != 1 ]; then
            echo "COOPER_TEST_ALL is set, so that is a failure; COOPER_OFFLINE=1 allows it" >&2
            exit 1
        fi
        ;;
    *) echo "$out" >&2; exit 1 ;;
    esac
fi

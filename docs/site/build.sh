#!/usr/bin/env bash
# Builds the documentation as a site that works without a network, and fails on a link or heading that leads nowhere and on a
# page that the navigation does not have. MkDocs is installed outside the clone, in the versions of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cache="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper"
tool="$cache/site-$(git hash-object docs/site/requirements.txt | cut -c 1-16)"
if [ ! -f "$tool/ready" ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || {
        echo "python3 has no venv module: install your system's package for it, such as Debian's python3-venv" >&2
        exit 1
    }
    rm -rf "$tool"
    python3 -m venv "$tool"
    "$tool/bin/pip" install --quiet --disable-pip-version-check --requirement docs/site/requirements.txt
    touch "$tool/ready"
fi
export PYTHONDONTWRITEBYTECODE=1 NO_MKDOCS_2_WARNING=1
site="$(realpath -m "${CARGO_TARGET_DIR:-target}")/site"
# Not --quiet: it drops the warnings, and with them what --strict counts.
said=$("$tool/bin/mkdocs" build --strict --clean --site-dir "$site" 2>&1) || {
    grep -v '^INFO' <<<"$said" >&2
    exit 1
}
echo "the documentation is in $site"

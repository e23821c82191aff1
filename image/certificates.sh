#!/bin/sh
# Puts Mozilla's certificate authorities into the cache, once, and prints the file. A fixed version, so that images do not depend on the
# machine that builds them, which may trust more than the world does. COOPER_CA_BUNDLE names another file.
set -eu
[ -z "${COOPER_CA_BUNDLE:-}" ] || { echo "$COOPER_CA_BUNDLE"; exit 0; }

wanted='certifi==2026.10.18 --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62'
cache="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper"
file="$cache/certificates-$(printf %s "$wanted" | cksum | cut -d ' ' -f 1).crt"
if [ ! -f "$file" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/certificates.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "$wanted" >"$work/wanted.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --dest "$work" --requirement "$work/wanted.txt" >&2
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("certifi/cacert.pem"))' "$work"/*.whl >"$work/crt"
    mv "$work/crt" "$file"
fi
echo "$file"

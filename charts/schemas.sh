#!/bin/sh
# Puts the schemas of Kubernetes' minor versions, and what reads them, into the cache, once, and prints the Python that knows them.
set -eu
wanted='kubernetes-validate==1.37.0 attrs==26.1.0 importlib_resources==7.1.0 jsonschema==4.26.0 jsonschema-specifications==2025.9.1
packaging==26.3 PyYAML==6.0.3 referencing==0.37.0 rpds-py==2026.9.1 typing_extensions==4.16.0'
place="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper/schemas-$(printf %s "$wanted" | cksum | cut -d ' ' -f 1)"
if [ ! -f "$place/done" ]; then
    python3 -m venv --clear "$place" >&2
    # shellcheck disable=SC2086 # words
    "$place/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps $wanted >&2
    : >"$place/done"
fi
echo "$place/bin/python"

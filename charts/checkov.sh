#!/bin/sh
# Puts checkov into the cache, once, in the versions of checkov.txt (290 MB installed), and prints the program.
set -eu
here=$(dirname "$0")
place="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper/checkov-$(cksum <"$here/checkov.txt" | cut -d ' ' -f 1)"
if [ ! -f "$place/done" ]; then
    echo "checkov: installing" >&2
    python3 -m venv --clear "$place" >&2
    "$place/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/checkov.txt" >&2
    : >"$place/done"
fi
echo "$place/bin/checkov"

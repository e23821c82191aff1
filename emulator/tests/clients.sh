#!/usr/bin/env bash
# Ordinary S3 clients against the emulator: boto3, awscli and rclone, each with nothing but a key and
# an endpoint. They are installed outside the clone, in pinned versions (rclone is the system's).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
cache="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper"

# venv NAME VERSION: a Python package in an environment of its own.
venv() {
    local folder="$cache/$1-$2"
    if [ ! -x "$folder/bin/python" ] || [ ! -f "$folder/ready" ]; then
        # One that was made elsewhere without the mark is good if the package is there.
        if ! "$folder/bin/pip" show --quiet "$1" 2>/dev/null; then
            rm -rf "$folder"
            python3 -m venv "$folder"
            "$folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2"
        fi
        touch "$folder/ready"
    fi
    echo "$folder"
}

boto3=$(venv boto3 1.44.5)
awscli=$(venv awscli 1.46.3)
command -v rclone >/dev/null || {
    echo "rclone is needed: get it from your system's packages" >&2
    exit 1
}
cargo build --quiet --package cooper-emulator --bins
PYTHONPATH=tests/e2e exec "$boto3/bin/python" emulator/tests/clients.py \
    "${CARGO_TARGET_DIR:-target}/debug/cooper-emulator" "$awscli/bin/aws" "$(command -v rclone)"

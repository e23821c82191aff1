#!/usr/bin/env bash
# A static website in a real browser: starts the emulated cloud, makes a service, buckets
# and websites over its API and S3, and looks at them with headless Chromium. Screenshots
# are kept in target/e2e (COOPER_E2E_OUT moves them). Exits 0 if all of it held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Everything here talks to this machine only.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

chromium=""
for name in chromium chromium-browser google-chrome; do
    chromium=$(command -v "$name") && break
done
[ -n "$chromium" ] || {
    echo "chromium is needed: get it from your system's packages, such as Debian's chromium" >&2
    exit 1
}
cargo build --quiet --workspace --bins
out="${COOPER_E2E_OUT:-${CARGO_TARGET_DIR:-target}/e2e}"
mkdir -p "$out"
exec python3 tests/e2e/website.py "${CARGO_TARGET_DIR:-target}/debug/cooper-emulator" "$chromium" "$out"

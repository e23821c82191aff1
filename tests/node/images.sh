#!/usr/bin/env bash
# Writes the images of the node's own programs into a folder: pause.tar and client.tar.
#
#   tests/node/images.sh DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
node=$(tests/node/build.sh)
for program in pause client; do
    python3 image/oci.py --out "$1/$program.tar" --name "localhost/$program:1" --entrypoint "/$program" --file "$node/$program:/$program:755" >/dev/null
done

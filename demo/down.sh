#!/usr/bin/env bash
# Ends what up.sh started and removes its state.
. "$(dirname "$0")/lib.sh"

dir="$cache/up"
if [ ! -d "$dir" ]; then
    say "nothing is running"
    exit 0
fi
stop_all
rm -rf "$dir"
say "ended"

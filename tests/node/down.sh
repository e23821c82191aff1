#!/usr/bin/env bash
# Ends the node that up.sh started in this folder and leaves nothing behind, also
# where up.sh broke off or the node died by itself. What it could not remove is named,
# and then it exits with 1.
#
#   tests/node/down.sh DIR
set -u
dir=${1:?usage: down.sh DIR}
[ -e "$dir/name" ] || { echo "node: $dir is no node's" >&2; exit 0; }
name=$(cat "$dir/name")
outer=$(cat "$dir/outer-pid" 2>/dev/null)
first=$(cat "$dir/first-pid" 2>/dev/null)
# The kernel ends every process of a namespace with its first one, then mounts and network go. A pid that
# meanwhile is another program's is left alone.
if [ -n "$outer" ] && [ "$(cat "/proc/$outer/comm" 2>/dev/null)" = unshare ]; then
    kill -9 "${first:-$outer}" 2>/dev/null
    for _ in $(seq 200); do
        kill -0 "$outer" 2>/dev/null || break
        sleep 0.1
    done
fi
ip link del "$name" 2>/dev/null
left=()
for root in /sys/fs/cgroup/*; do
    [ "${root##*/}" = memory ] && root=$root$(sed 's,/$,,' "$dir/memory-cgroup")
    for _ in $(seq 30); do
        [ -d "$root/$name" ] || break
        find "$root/$name" -depth -type d -exec rmdir {} + 2>/dev/null
        sleep 0.1
    done
    [ ! -d "$root/$name" ] || left+=("$root/$name")
done
rm -rf "$dir" 2>/dev/null || left+=("$dir")
[ ${#left[@]} = 0 ] || { echo "node: left behind: ${left[*]}" >&2; exit 1; }

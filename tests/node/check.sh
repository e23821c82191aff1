#!/usr/bin/env bash
# Whether a real node (up.sh) can run on this machine, and if not, why. It tries
# what a node does to a machine, in namespaces that end with the attempt.
#
#   tests/node/check.sh     exits 0: it can
#                           1: packages are missing
#                           3: not on this machine, or not without root
set -u
cannot() { echo "the real node cannot run here: $1" >&2; exit "$2"; }

[ "$(uname -sm)" = "Linux x86_64" ] || cannot "it is made for Linux on x86_64, this is $(uname -sm)" 3
[ -d /sys/fs/cgroup/memory ] || cannot "cgroups of version 1 are needed, alone or as hybrid (/sys/fs/cgroup/memory)" 3
[ "$(id -u)" = 0 ] || cannot "root is needed" 3
missing=()
for pair in containerd:containerd ctr:containerd runc:runc nft:nftables iptables:iptables ip:iproute2 openssl:openssl unshare:util-linux nsenter:util-linux; do
    command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
[ ${#missing[@]} = 0 ] || cannot "of Debian's packages there are missing: $(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')" 1

# As init.sh does it, and undone with the mount namespace; a cgroup that was made is removed.
attempt() {
    mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /sys/fs/cgroup || return
    for one in cpu cpuacct cpuset memory devices freezer blkio pids; do
        mkdir /sys/fs/cgroup/$one && mount -t cgroup -o $one cgroup /sys/fs/cgroup/$one &&
            mkdir "/sys/fs/cgroup/$one/$name" && rmdir "/sys/fs/cgroup/$one/$name" || return
    done
    mkdir /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified || return
    mkdir "$work/upper" "$work/work" && mount -t overlay -o "lowerdir=/var/lib,upperdir=$work/upper,workdir=$work/work" overlay /var/lib || return
    ip link add name probe type bridge && ip link add name one type veth peer name two || return
    nft add table ip probe && iptables -t nat -L -n >/dev/null || return
    test -w /proc/sys/net/ipv4/ip_forward && test -w /proc/sys/net/bridge/bridge-nf-call-iptables
}
work=$(mktemp -d) name=cooper-check-$$
trap 'rm -rf "$work"' EXIT
export work name
export -f attempt
said=$(unshare --net --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc --propagation private bash -c attempt 2>&1) ||
    cannot "${said:-it may not do what a node does}" 3

#!/usr/bin/env bash
# A real Kubernetes of one node, shut in: its processes, mounts, network and
# cgroups are its own, below one process; when that ends, the kernel removes all
# of them but the cgroups and the folder, which down.sh does.
#
#   tests/node/up.sh DIR IMAGE...     DIR: a new folder; IMAGE: OCI archives to load
#   tests/node/down.sh DIR
#
# Ready when it returns: DIR/admin.kubeconfig is the administrator's, DIR/host the
# address under which Pods reach servers of this machine, DIR/audit.log what
# ServiceAccounts asked of the API. Kubernetes comes from tests/cluster/build.sh
# and tests/node/build.sh. What it needs, check.sh says.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { echo "node: $*" >&2; }
die() { say "$*"; exit 1; }

[ $# -ge 1 ] || die "usage: up.sh DIR IMAGE..."
"$here/check.sh" || exit
cluster=$("$here/../cluster/build.sh")
node="$("$here/build.sh")/node"
mkdir "$1" 2>/dev/null || die "$1 exists already, or cannot be made"
dir=$(cd "$1" && pwd)
shift
images=()
for image in "$@"; do images+=("$(realpath "$image")"); done

# A name and addresses that no other node of this machine has.
for number in 0 1 2 3 4 5 6 7 8 9; do
    name=cooper$number
    # The link is the lock: making it fails where it exists.
    ip link add "$name" type veth peer name "${name}p" 2>/dev/null && break
    name=
done
[ -n "$name" ] || { rmdir "$dir"; die "ten nodes run already, or links cannot be made"; }
net=10.222.$number pods=10.$((100 + number)).0.0/16 services=10.$((120 + number)).0.0/16
api=${services%.0.0/16}.0.1
mkdir -p "$dir"/{pki,conf,log,cni,state,sysctl,pids}
cd "$dir"
echo "$name" >name
echo "$net.1" >host
# down.sh finds the cgroups of the node below that of this process.
sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup >memory-cgroup
trap 'status=$?; [ $status = 0 ] || { tail -n 5 "$dir"/log/*.log >&2 || true; "$here/down.sh" "$dir"; }; exit $status' EXIT

# --- keys and tokens
key() { openssl "$@" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes 2>>log/openssl.log; }
key req -x509 -days 30 -subj /CN=node-test -keyout pki/ca.key -out pki/ca.crt
sign() { # NAME SUBJECT USAGE [NAMES]
    key req -subj "$2" -keyout "pki/$1.key" -out "pki/$1.csr"
    openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 30 -out "pki/$1.crt" 2>>log/openssl.log \
        -extfile <(printf 'extendedKeyUsage=%s\n' "$3"; [ -z "${4:-}" ] || printf 'subjectAltName=%s\n' "$4")
}
sign api /CN=kube-apiserver serverAuth "IP:$net.2,IP:$api,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
sign kubelet "/O=system:nodes/CN=system:node:$name" serverAuth "IP:$net.2,DNS:$name"
sign kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
openssl genrsa -out pki/sa.key 2048 2>>log/openssl.log
openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>>log/openssl.log
umask 077
: >pki/tokens.csv
account() { # FILE USER [GROUP]
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$2,$2${3:+,\"$3\"}" >>pki/tokens.csv
    cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://$net.2:6443", certificate-authority-data: "$(base64 -w0 <pki/ca.crt)"}}]
users: [{name: node, user: {token: "$token"}}]
contexts: [{name: node, context: {cluster: node, user: node}}]
current-context: node
YAML
}
account admin admin system:masters
account conf/controllers system:kube-controller-manager
account conf/scheduler system:kube-scheduler
account conf/kubelet "system:node:$name" system:nodes
account conf/proxy system:kube-proxy
# May list and watch Services, all that the name server asks for.
account conf/dns system:kube-scheduler
umask 022

# --- configuration
cat >conf/containerd.toml <<TOML
version = 2
root = "$dir/state/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$(command -v runc)"
        SystemdCgroup = false
TOML
cat >cni/10-pods.conflist <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/state/ipam", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
: >conf/resolv.conf
cat >conf/kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$name
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
oomScoreAdj: 0
readOnlyPort: 0
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: ["$net.2"]
clusterDomain: cluster.local
resolvConf: $dir/conf/resolv.conf
volumePluginDir: $dir/state/flexvolume
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
syncFrequency: 10s
nodeStatusUpdateFrequency: 5s
YAML
cat >conf/proxy.yaml <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $dir/conf/proxy.kubeconfig}
mode: nftables
hostnameOverride: $name
clusterCIDR: $pods
# No settings of the whole machine are touched.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 100ms}
oomScoreAdj: 0
YAML
# What ServiceAccounts ask for, without bodies.
cat >conf/audit.yaml <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - {level: Metadata, userGroups: ["system:serviceaccounts"]}
  - {level: None}
YAML

# --- the node
export dir name net pods services cluster node
IMAGES="${images[*]}" setsid unshare --net --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc --propagation private \
    env -u SSL_CERT_FILE -u SSL_CERT_DIR -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY bash "$here/init.sh" \
    >log/init.log 2>&1 </dev/null &
outer=$!
echo "$outer" >outer-pid
for _ in $(seq 200); do
    read -r first _ 2>/dev/null <"/proc/$outer/task/$outer/children" && [ -n "$first" ] && break
    sleep 0.05
done
[ -n "${first:-}" ] || die "the node's first process did not start"
echo "$first" >first-pid
ip link set "${name}p" netns "$first" name eth0
ip addr add "$net.1/30" dev "$name"
ip link set "$name" up
ip route add "$pods" via "$net.2"
ip route add "$services" via "$net.2"
ready() {
    local kubectl=("$cluster" kubectl --kubeconfig "$dir/admin.kubeconfig" --cache-dir "$dir/state/kubectl")
    [ "$("${kubectl[@]}" get node "$name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints}' 2>/dev/null)" = True ] &&
        "${kubectl[@]}" -n default get serviceaccount default >/dev/null 2>&1
}
for _ in $(seq 300); do
    kill -0 $outer 2>/dev/null || die "the node died"
    if ready; then
        say "ready: KUBECONFIG=$dir/admin.kubeconfig"
        exit 0
    fi
    sleep 0.3
done
die "the node did not become ready"

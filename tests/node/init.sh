# The first process of a node, called by up.sh in namespaces of its own: shuts it
# in, starts everything, starts again what ends, and reaps.
# shellcheck shell=bash disable=SC2154 # dir, name, … come from up.sh
set -u
cg=/sys/fs/cgroup

# /sys of this network, cgroups that begin at the one we were started in.
umount -l -R /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs $cg
for one in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir $cg/$one && mount -t cgroup -o $one cgroup $cg/$one && mkdir -p "$cg/$one/$name"
done
mkdir $cg/systemd && mount -t cgroup -o none,name=systemd cgroup $cg/systemd && mkdir -p "$cg/systemd/$name"
mkdir $cg/unified && mount -t cgroup2 cgroup2 $cg/unified && mkdir -p "$cg/unified/$name"
for file in cpuset.cpus cpuset.mems; do cat $cg/cpuset/$file >"$cg/cpuset/$name/$file"; done

# What is written below /run and /var goes with the node, or into its folder.
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p "$dir/state/lib" "$dir/state/lib-work"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$dir/state/lib,workdir=$dir/state/lib-work" overlay /var/lib
mount --make-rshared /

# Kubelet sets these for the whole machine: it gets files of its own that hold what it wants already.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$dir/sysctl/$(basename "${setting%=*}")
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done

# One cable to the host.
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip addr add "$net.2/30" dev eth0
ip link set eth0 up
ip route add default via "$net.1"
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
hostname "$name"

# keep NAME COMMAND...: runs it for as long as the node lives; its pid, as seen from here, is in pids/.
keep() {
    local what=$1
    shift
    while :; do
        "$@" >>"$dir/log/$what.log" 2>&1 &
        echo $! >"$dir/pids/$what"
        wait $!
        echo "$what ended with $?"
        sleep 0.5
    done &
}
admin() { "$cluster" kubectl --kubeconfig "$dir/admin.kubeconfig" --cache-dir "$dir/state/kubectl" "$@"; }
containers() { ctr -a /run/containerd/containerd.sock "$@"; }

keep etcd "$cluster" etcd --data-dir "$dir/state/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
keep containerd containerd -c "$dir/conf/containerd.toml"
keep kube-apiserver "$cluster" kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --bind-address=0.0.0.0 --advertise-address="$net.2" \
    --tls-cert-file="$dir/pki/api.crt" --tls-private-key-file="$dir/pki/api.key" --client-ca-file="$dir/pki/ca.crt" \
    --kubelet-client-certificate="$dir/pki/kubelet-client.crt" --kubelet-client-key="$dir/pki/kubelet-client.key" \
    --kubelet-certificate-authority="$dir/pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --service-account-key-file="$dir/pki/sa.pub" --service-account-signing-key-file="$dir/pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local --token-auth-file="$dir/pki/tokens.csv" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --service-cluster-ip-range="$services" \
    --audit-policy-file="$dir/conf/audit.yaml" --audit-log-path="$dir/audit.log" --audit-log-mode=blocking
until containers version >/dev/null 2>&1; do sleep 0.1; done
for image in $IMAGES; do containers -n k8s.io images import "$image"; done >"$dir/log/import.log" 2>&1
until [ "$(admin get --raw /readyz 2>/dev/null)" = ok ]; do sleep 0.2; done
keep kube-controller-manager "$cluster" kube-controller-manager --kubeconfig="$dir/conf/controllers.kubeconfig" \
    --authentication-kubeconfig="$dir/conf/controllers.kubeconfig" --authorization-kubeconfig="$dir/conf/controllers.kubeconfig" \
    --service-account-private-key-file="$dir/pki/sa.key" --root-ca-file="$dir/pki/ca.crt" --use-service-account-credentials=true --leader-elect=false \
    --cert-dir="$dir/state/controllers" --cluster-cidr="$pods" --flex-volume-plugin-dir="$dir/state/flexvolume" \
    --controllers='*,-node-ipam-controller,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller'
keep kube-scheduler "$node" kube-scheduler --kubeconfig="$dir/conf/scheduler.kubeconfig" --authentication-kubeconfig="$dir/conf/scheduler.kubeconfig" \
    --authorization-kubeconfig="$dir/conf/scheduler.kubeconfig" --leader-elect=false --cert-dir="$dir/state/scheduler"
keep kubelet "$node" kubelet --config="$dir/conf/kubelet.yaml" --kubeconfig="$dir/conf/kubelet.kubeconfig" --root-dir="$dir/state/kubelet" \
    --cert-dir="$dir/state/kubelet-pki" --hostname-override="$name" --node-ip="$net.2"
keep kube-proxy "$node" kube-proxy --config="$dir/conf/proxy.yaml"
keep dns "$node" dns "$dir/conf/dns.kubeconfig" "$net.2:53"
# Being the first process, it inherits whom the others leave behind.
while :; do wait -n; sleep 0.2; done

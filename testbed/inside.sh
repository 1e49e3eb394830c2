#!/bin/bash
# The first process of the cluster's own mount, process and network namespaces:
# sets them up, keeps every component running, and takes everything with it
# when it is killed. Started by up.sh; not for use by hand.
. "$(dirname "$0")/lib.sh"
. "$testbed/machine.sh"

nodes=${NODES:?}
program=$bin/casskop-testbed

# /proc is still the machine's here, so it tells our process number out there.
read -ra self </proc/self/stat
printf '%s %s\n' "${self[0]}" "${self[21]}" >"$run/init"

# ---- for those who come to visit --------------------------------------------
# Commands run "in the cluster" from outside keep the machine's /proc, so that
# they stay ordinary processes; only the network and the resolver are ours. The
# mount namespace for them is held open by a process that sleeps.
visitors() {
    local me
    read -r me _ </proc/self/stat
    if [ -e /etc/resolv.conf ]; then mount --bind "$run/resolv.conf" "$(readlink -f /etc/resolv.conf)"; fi
    cat >"$run/in.new" <<END
#!/bin/sh
# Runs a command inside the network of the cluster, in the folder it is called
# from. Its cgroup lets the end of the cluster find it. Should the cluster be
# gone, nothing is run: not in the machine's own network by a number used again.
[ "\$(readlink /proc/$me/ns/net)" = "$(readlink /proc/self/ns/net)" ] ||
    { echo "the testbed has ended; start one by: make cluster" >&2; exit 1; }
echo \$\$ 2>/dev/null >"$visitors_group/cgroup.procs"
PATH="\$PATH:$bin" exec nsenter --target $me --mount --net --wdns="\$PWD" -- "\$@"
END
    chmod +x "$run/in.new"
    mv "$run/in.new" "$run/in"
    exec sleep infinity
}
# One hierarchy is enough to be found by; version 2, if it is there, shares out
# nothing on machines that have both.
visitors_group=$(cgroup_roots | sort | tail -n 1)/$cgroup/visitors
export -f visitors
export run bin visitors_group
unshare --mount --propagation slave bash -c visitors &
# It must have copied our mounts before /proc becomes that of our own processes:
# by its inner number "in" would lead to some process of the machine.
for ((tries = 0; tries < 200; tries++)); do
    if [ -e "$run/in" ]; then break; fi
    sleep 0.05
done
[ -e "$run/in" ] || die "the namespace for visitors did not come up"

# ---- mounts -----------------------------------------------------------------
mount --make-rprivate /
mount -t proc proc /proc
if [ -e /etc/resolv.conf ]; then mount --bind "$run/resolv.conf" "$(readlink -f /etc/resolv.conf)"; fi
# Contents of our own for the folders with fixed names, so that they never meet
# those of another cluster on this machine.
for folder in "${fixed_folders[@]}"; do
    mkdir -p "$run/own$folder"
    mount --bind "$run/own$folder" "$folder"
done
# Volumes that kubelet mounts must show up in the containers.
mount --make-rshared /

# ---- network ----------------------------------------------------------------
# node0 is this namespace itself, with the control plane. Further
# nodes have namespaces of their own on the same bridge. No interface of the
# machine is among them: nothing in here can reach anything out there.
ip link set lo up
ip link add nodes type bridge
ip addr add "$node0/24" dev nodes
ip link set nodes up
# Service addresses need some route before kube-proxy translates them.
ip route add default dev nodes src "$node0"
forward() {
    echo 1 >/proc/sys/net/ipv4/ip_forward
    # Service addresses must be translated back also between pods on one bridge.
    if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi
}
forward

# on_node N COMMAND...: runs it in the network of that node
on_node() {
    local n=$1
    shift
    if [ "$n" = 0 ]; then "$@"; else nsenter --net="$run/nodes/node$n/netns" "$@"; fi
}

add_network() {
    local n=$1 folder=$run/nodes/node$1
    touch "$folder/netns"
    unshare --net mount --bind /proc/self/ns/net "$folder/netns" # keeps it open
    ip link add "node$n" type veth peer name eth0 netns "$folder/netns"
    ip link set "node$n" master nodes up
    on_node "$n" ip link set lo up
    on_node "$n" ip addr add "$nodes_network.$((n + 1))/24" dev eth0
    on_node "$n" ip link set eth0 up
    on_node "$n" ip route add default via "$node0"
    on_node "$n" bash -c "$(declare -f forward); forward"
    ip route add "$pods_network.$n.0/24" via "$nodes_network.$((n + 1))"
}

# ---- components -------------------------------------------------------------
# keep NAME COMMAND...: runs it, and again should it end
keep() {
    local name=$1
    shift
    while true; do
        "$@" >>"$run/logs/$name.log" 2>&1 </dev/null || true
        echo "$(date +%T) $name ended" >>"$run/logs/restarts.log"
        sleep 1
    done
}

# fill TEMPLATE N: prints it with the values of node N
fill() {
    local folder=$run/nodes/node$2
    sed -e "s|@run@|$run|g; s|@containerd@|$containerd|g; s|@cgroup@|$cgroup|g; s|@dns@|$node0|g" \
        -e "s|@node_folder@|$folder|g; s|@node@|node$2|g; s|@pods@|$pods_network.0.0/16|g" \
        -e "s|@node_pods@|$pods_network.$2.0/24|g" "$testbed/config/$1"
}

control_plane() {
    local pki=$run/pki
    keep etcd "$program" etcd --name testbed --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 &
    keep kube-apiserver "$program" kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
        --advertise-address="$node0" --service-cluster-ip-range="$services_network.0/16" \
        --authorization-mode=Node,RBAC --allow-privileged --client-ca-file="$pki/ca.crt" \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
        --kubelet-preferred-address-types=InternalIP \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$pki/service-account.pub" \
        --service-account-signing-key-file="$pki/service-account.key" \
        --feature-gates=MutatingAdmissionPolicy=true \
        --runtime-config=admissionregistration.k8s.io/v1beta1=true \
        --audit-policy-file="$testbed/config/audit.yaml" --audit-log-path="$run/logs/audit.log" \
        --audit-log-maxsize=50 --audit-log-maxbackup=1 &
    keep kube-controller-manager "$program" kube-controller-manager \
        --kubeconfig="$pki/kube-controller-manager.kubeconfig" --use-service-account-credentials \
        --authentication-kubeconfig="$pki/kube-controller-manager.kubeconfig" \
        --authorization-kubeconfig="$pki/kube-controller-manager.kubeconfig" \
        --service-account-private-key-file="$pki/service-account.key" --root-ca-file="$pki/ca.crt" \
        --flex-volume-plugin-dir="$run/volume-plugins" --leader-elect=false --bind-address=127.0.0.1 &
    keep kube-scheduler "$program" kube-scheduler --kubeconfig="$pki/kube-scheduler.kubeconfig" \
        --authentication-kubeconfig="$pki/kube-scheduler.kubeconfig" \
        --authorization-kubeconfig="$pki/kube-scheduler.kubeconfig" \
        --leader-elect=false --bind-address=127.0.0.1 &
    fill Corefile 0 >"$run/Corefile"
    keep coredns "$program" coredns -conf "$run/Corefile" &
    # Reads of tests; only root may use it.
    keep api-socket "$program" kubectl proxy --kubeconfig "$pki/admin.kubeconfig" --unix-socket "$run/api.socket" &
    keep storage "$program" storage --kubeconfig "$pki/admin.kubeconfig" --root "$run/volumes" &
}

node() {
    local n=$1 folder=$run/nodes/node$1
    mkdir -p "$folder/cni" "$containerd/node$n"
    if [ "$n" != 0 ]; then add_network "$n"; fi
    fill containerd.toml "$n" >"$folder/containerd.toml"
    fill kubelet.yaml "$n" >"$folder/kubelet.yaml"
    fill kube-proxy.yaml "$n" >"$folder/kube-proxy.yaml"
    fill cni.conflist "$n" >"$folder/cni/pods.conflist"
    keep "containerd-node$n" on_node "$n" containerd --config "$folder/containerd.toml" --log-level warn &
    keep "kubelet-node$n" on_node "$n" "$program" kubelet --config "$folder/kubelet.yaml" \
        --kubeconfig "$run/pki/node$n.kubeconfig" --root-dir "$folder/kubelet" --cert-dir "$folder/kubelet/pki" \
        --hostname-override "node$n" --node-ip "$nodes_network.$((n + 1))" \
        --node-labels "topology.kubernetes.io/region=testbed,topology.kubernetes.io/zone=zone$n" &
    keep "kube-proxy-node$n" on_node "$n" "$program" kube-proxy --config "$folder/kube-proxy.yaml" &
}

control_plane
for ((n = 0; n < nodes; n++)); do node "$n"; done

# As the first process of the namespace we also bury the orphans of containers;
# bash does so while it waits.
while true; do wait; sleep 1; done

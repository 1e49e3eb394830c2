#!/bin/bash
# Measures the operator with many clusters and prints a table: memory, CPU time and requests at rest, times. The control plane
# is real, in namespaces of its own; kwok runs the pods, which have no containers, and one program answers for all of their
# Jolokia agents. It ends with this script and needs no testbed. Takes some forty minutes to 500 clusters, and four GiB.
#   SCALE="0 1 50 200 500" SCALE_REST=60 testbed/scale.sh
# CASSKOP_OPERATOR measures another build of the operator. The logs are kept in the folder "scale" of the cache.
. "$(dirname "$0")/lib.sh"

place=$cache/scale
program=$bin/casskop-testbed
# The address of the API server in the network of its own.
api=$node0
pods=10.246.0.0/16
machines=100

# ---- inside the namespaces: the first process, which takes everything with it ----
control_plane() {
    local pki=$place/pki
    start etcd "$program" etcd --name scale --data-dir "$place/etcd" --unsafe-no-fsync --log-level warn \
        --quota-backend-bytes 4294967296 \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380
    # Admission and controllers would take notice of machines without a kubelet: the lifecycle of nodes is left out.
    start kube-apiserver "$program" kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
        --advertise-address="$api" --service-cluster-ip-range="$services_network.0/16" \
        --authorization-mode=RBAC --client-ca-file="$pki/ca.crt" \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$pki/service-account.pub" \
        --service-account-signing-key-file="$pki/service-account.key" \
        --disable-admission-plugins=TaintNodesByCondition,DefaultTolerationSeconds \
        --audit-policy-file="$testbed/config/scale-audit.yaml" --audit-log-path="$place/logs/audit.log" \
        --audit-log-maxsize=1000
    wait_for kubectl_of_scale get --raw /readyz
    start kube-controller-manager "$program" kube-controller-manager --kubeconfig="$pki/admin.kubeconfig" \
        --service-account-private-key-file="$pki/service-account.key" --root-ca-file="$pki/ca.crt" \
        --leader-elect=false --bind-address=127.0.0.1 --kube-api-qps=1000 --kube-api-burst=2000 \
        --concurrent-statefulset-syncs=20 --concurrent-service-endpoint-syncs=10 --enable-hostpath-provisioner \
        --controllers='*,-node-lifecycle-controller,-taint-eviction-controller,-node-ipam-controller'
    start kube-scheduler "$program" kube-scheduler --kubeconfig="$pki/admin.kubeconfig" --leader-elect=false \
        --bind-address=127.0.0.1 --kube-api-qps=1000 --kube-api-burst=2000
    start kwok "$cache/tools/bin/kwok" --kubeconfig="$pki/admin.kubeconfig" --manage-all-nodes \
        --cidr="${pods/.0.0\//.0.1/}" --node-ip="$api" --node-lease-duration-seconds=40 -v WARN
}

# start NAME COMMAND...: runs it in the background
start() {
    local name=$1
    shift
    "$@" >"$place/logs/$name.log" 2>&1 </dev/null &
}

wait_for() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    die "gave up waiting for: $*; the logs are in $place/logs"
}

kubectl_of_scale() { "$program" kubectl --kubeconfig "$place/pki/admin.kubeconfig" "$@"; }

machines() {
    local n
    for ((n = 0; n < machines; n++)); do
        cat <<END
---
apiVersion: v1
kind: Node
metadata: {name: machine$n, labels: {kubernetes.io/hostname: machine$n}}
status:
  allocatable: {cpu: "64", memory: 256Gi, pods: "250"}
  capacity: {cpu: "64", memory: 256Gi, pods: "250"}
END
    done
}

# The operator has a name of its own in the audit log.
account() {
    kubectl_of_scale create namespace casskop
    kubectl_of_scale -n casskop create serviceaccount casskop-operator
    kubectl_of_scale create clusterrolebinding casskop-operator --clusterrole=cluster-admin \
        --serviceaccount=casskop:casskop-operator
    cp "$place/pki/admin.kubeconfig" "$SCALE_KUBECONFIG"
    local token
    token=$(kubectl_of_scale -n casskop create token casskop-operator --duration=24h)
    sed -i "s|^users: .*|users: [{name: $context-admin, user: {token: $token}}]|" "$SCALE_KUBECONFIG"
} >"$place/logs/account.log"

inside() {
    ip link set lo up
    ip addr add "$api/24" dev lo
    # Each address of a pod leads to the program that answers for all agents.
    ip route add local "$pods" dev lo
    # The provisioner of the controller manager makes its folders here.
    mkdir -p /tmp/hostpath_pv
    mount -t tmpfs scale /tmp/hostpath_pv
    "$testbed/pki.sh" "$place/pki" 2>"$place/logs/pki.log"
    control_plane
    machines | kubectl_of_scale apply --server-side -f - >/dev/null
    kubectl_of_scale apply -f - >/dev/null <<'END'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
END
    kubectl_of_scale apply --server-side -f "$testbed/../manifests/crds" >/dev/null
    wait_for kubectl_of_scale get --all-namespaces cassandraclusters.db.orange.com
    account
    "$SCALE_PROGRAM"
}

if [ "${1:-}" = inside ]; then
    inside
    exit
fi

# ---- outside ----
[ "$(id -u)" = 0 ] || die "run as root: the measurement makes namespaces and mounts"
. "$testbed/rust.sh"
cd "$testbed/.."
"$testbed/build.sh" --check || step "build Kubernetes $kubernetes_version (minutes the first time)" "$testbed/build.sh"
go_programs kwok sigs.k8s.io/kwok/cmd/kwok
if [ -z "${CASSKOP_OPERATOR:-}" ]; then
    step "build the operator" "$testbed/binaries.sh" release casskop-operator
    CASSKOP_OPERATOR=$("$testbed/binaries.sh" release casskop-operator)/casskop-operator
fi
step "build the measuring program" cargo build --quiet --locked -p casskop-e2e --bin scale --bin agents
exec 7>"$cache/scale.lock"
flock -n 7 || die "another measurement is under way"
rm -rf "$place"
mkdir -p "$place/logs"
export CASSKOP_OPERATOR KUBECONFIG=$place/pki/admin.kubeconfig SCALE_FOLDER=$place SCALE_KUBECONFIG=$place/pki/operator.kubeconfig \
    CASSANDRA_IMAGE=localhost/cassandra:5.0 KUBECTL=$bin/kubectl \
    SCALE_PROGRAM=$PWD/target/debug/scale
if [ -n "${CARGO_TARGET_DIR:-}" ]; then SCALE_PROGRAM=$CARGO_TARGET_DIR/debug/scale; fi
unshare --mount --pid --net --fork --kill-child --mount-proc --propagation private "$0" inside 7>&-
rm -rf "$place/etcd"

#!/bin/bash
# Starts the testbed: builds what the cache lacks, then CLUSTERS times a Kubernetes
# of NODES nodes in namespaces of its own, and links between them. A running one is
# left as it is; the remains of a killed one are cleared away first.
. "$(dirname "$0")/lib.sh"
. "$testbed/machine.sh"

[ "$(id -u)" = 0 ] || die "run as root: the testbed makes namespaces and mounts"
lock
began=$SECONDS
export NODES=${NODES:-1}
clusters=${CLUSTERS:-1}
[ "$clusters" -ge 1 ] && [ "$clusters" -le $most_clusters ] || die "CLUSTERS is a number from 1 to $most_clusters"

# A busy machine is slow to answer: a cluster whose processes live is given time
# before it is taken for broken and replaced, with all that is in it.
healthy() {
    local try
    [ -e "$run/ready" ] && init_pid >/dev/null || return 1
    if "$testbed/api.sh" is-stopped "$CASSKOP_CLUSTER" 2>/dev/null; then
        say "the API server of $context is stopped; it goes on by: testbed/api.sh start $CASSKOP_CLUSTER"
        return 0
    fi
    for try in 1 2 3 4 5 6; do
        init_pid >/dev/null || return 1
        timeout 10 "$run/in" "$bin/kubectl" --kubeconfig "$run/pki/admin.kubeconfig" get --raw /readyz >/dev/null 2>&1 && return 0
        say "  ...   $context runs and does not answer (try $try of 6)"
        sleep 1
    done
    return 1
}

starting=()
for ((number = 1; number <= clusters; number++)); do
    select_cluster "$number"
    healthy || starting+=("$number")
done
select_cluster 1
if [ ${#starting[@]} = 0 ]; then
    have=$(wc -l <"$run/ready")
    say "the testbed is running ($(running | wc -l) cluster(s) of $have node(s)); use it by: eval \"\$(make -s env)\""
    [ "$have" = "$NODES" ] || say "for $NODES node(s) end it first: make clean"
    # Images may have been asked for that it does not have yet.
    "$testbed/images.sh"
    exit 0
fi

step "install missing packages" "$testbed/packages.sh"
"$testbed/build.sh" --check || step "build Kubernetes $kubernetes_version (minutes the first time)" "$testbed/build.sh" &
builder=$!
images_built=yes
"$testbed/images.sh" --build-only || images_built=no
wait "$builder" || exit 1
[ $images_built = yes ] || exit 1

# each TITLE COMMAND...: the step, for every cluster that is started
each() {
    local title=$1 number
    shift
    for number in "${starting[@]}"; do
        select_cluster "$number"
        if [ "$clusters" = 1 ]; then step "$title" "$@"; else step "$context: $title" "$@"; fi
    done
}

prepare() {
    local node nodes=()
    mkdir -p "$run/logs" "$run/volumes"
    chmod 755 "$run/volumes"
    printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' "$node0" >"$run/resolv.conf"

    # The cgroup is what tells others that this cluster is there: it comes first.
    exclusively eval 'make_cgroups && remember_machine'
    for ((node = 0; node < NODES; node++)); do
        nodes+=("node$node")
        mkdir -p "$run/nodes/node$node"
    done
    "$testbed/pki.sh" "$run/pki" "${nodes[@]}"
    ln -sf pki/admin.kubeconfig "$kubeconfig"
}

# Groups in each hierarchy: node<N> for kubelet's pods, system for the other
# processes, visitors for commands run from outside. In version 2 a group with subgroups must not have processes itself.
make_cgroups() {
    local root group node controller
    for root in $(cgroup_roots); do
        mkdir -p "$root/$cgroup/system" "$root/$cgroup/visitors"
        for ((node = 0; node < NODES; node++)); do mkdir -p "$root/$cgroup/node$node"; done
        if [ -e "$root/cgroup.controllers" ]; then
            for group in "$root" "$root/$cgroup"; do
                for controller in $(cat "$group/cgroup.controllers"); do
                    echo "+$controller" >"$group/cgroup.subtree_control" || true
                done
            done
        elif [ -e "$root/cpuset.cpus" ]; then
            # A cpuset takes no process before it has been given CPUs and memory.
            for group in "$root/$cgroup" "$root/$cgroup"/*/; do
                cat "$root/cpuset.cpus" >"$group/cpuset.cpus"
                cat "$root/cpuset.mems" >"$group/cpuset.mems"
            done
        fi
    done
}

# The shell joins the groups, then becomes the cluster's parent: what it starts
# is in them from the first instruction on. Nothing of the caller's terminal,
# pipes or lock may be held by what lives on.
launch() {
    (
        for root in $(cgroup_roots); do echo "$BASHPID" >"$root/$cgroup/system/cgroup.procs"; done
        cd /
        exec setsid unshare --mount --pid --net --fork --kill-child --propagation slave \
            "$testbed/inside.sh" </dev/null >>"$run/logs/init.log" 2>&1 9>&-
    ) &
    disown
    await 10 entered
}

# Commands from outside must arrive in the cluster's network and in no other:
# this is what keeps them, and all that is tried here, on this machine.
entered() {
    local network
    network=$(readlink "/proc/$(init_pid)/ns/net")
    [ "$network" != "$(readlink /proc/self/ns/net)" ] && [ "$(in_cluster readlink /proc/self/ns/net)" = "$network" ]
}

# await SECONDS COMMAND...: repeats it until it succeeds
await() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || { say "gave up waiting for: $*"; "$@"; return 1; }
        init_pid >/dev/null || [ ! -e "$run/init" ] || { say "the cluster ended:"; tail "$run/logs/init.log"; return 1; }
        sleep 0.2
    done
}

api_ready() { kubectl_ get --raw /readyz; }
nodes_ready() { [ "$(kubectl_ get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" = "$NODES" ]; }
wait_for_nodes() { await 90 nodes_ready; }
wait_for_api() {
    await 90 api_ready
    kubectl_ apply -f "$testbed/config/storage.yaml"
    # Pods cannot be made before this exists.
    await 30 kubectl_ get serviceaccount default
}

for number in "${starting[@]}"; do
    select_cluster "$number"
    if [ -e "$run" ]; then step "clear away what the last run of $context left" "$testbed/down.sh" --locked "$number"; fi
done
each "prepare certificates and folders" prepare
each "start the cluster's namespaces" launch
each "API server ready" wait_for_api
"$testbed/images.sh" --load-only
each "$NODES node(s) ready" wait_for_nodes
if [ "$(running | wc -l)" -gt 1 ]; then step "link the clusters" "$testbed/link.sh" join; fi
for number in "${starting[@]}"; do
    select_cluster "$number"
    kubectl_ get nodes --no-headers >"$run/ready"
done
say "the testbed runs Kubernetes $kubernetes_version after $((SECONDS - began)) s; use it by: eval \"\$(make -s env)\""

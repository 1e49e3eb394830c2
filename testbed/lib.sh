# What the testbed's scripts share: where things are, and how they report.
# Sourced, never run.
set -euo pipefail

testbed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Everything worth keeping between runs is in one folder, outside the checkout
# so that a fresh clone finds it.
cache=${CASSKOP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/casskop}
bin=$cache/bin

kubernetes_version=1.34.4
# Which Cassandra each image has; CASSANDRA_VERSIONS chooses the images.
declare -A cassandra_release=([5.0]=5.0.9 [4.1]=4.1.10 [4.0]=4.0.19)
cassandra_versions=${CASSANDRA_VERSIONS:-5.0}

# Clusters are numbered from 1; their networks must not overlap.
most_clusters=6

# select_cluster NUMBER: what follows is about that cluster, in the scripts called from here too.
select_cluster() {
    export CASSKOP_CLUSTER=$1
    context=cluster$1
    # What belongs to the running cluster is in its "run" folder: run, run2, run3 and so on.
    run=$cache/run${1#1}
    kubeconfig=$run/kubeconfig
    containerd=$cache/containerd${1#1}
    # A cgroup of its own, named after its run folder, so that everything it started can be found again by the
    # kernel's own account.
    cgroup=casskop-$(printf %s "$run" | sha256sum | cut -c1-8)
    # Node n has address n + 1 and its pods the n-th /24.
    nodes_network=10.$((249 + $1)).0
    pods_network=10.$((243 + $1))
    services_network=10.$((95 + $1)).0
    node0=$nodes_network.1
}
select_cluster "${CASSKOP_CLUSTER:-1}"

say() { printf '%s\n' "$*"; }
die() {
    printf 'testbed: %s\n' "$*" >&2
    exit 1
}

# step TITLE COMMAND...: runs the command, tells how long it took, and on failure
# the end of what it printed. A sign of life is given every 30 s.
step() {
    local title=$1 began=$SECONDS told=$SECONDS log worker status=0
    shift
    mkdir -p "$cache/logs"
    log=$cache/logs/${title// /-}.log
    say "  ...   $title"
    "$@" >"$log" 2>&1 </dev/null &
    worker=$!
    while kill -0 "$worker" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - told)) -ge 30 ]; then
            told=$SECONDS
            say "  ...   $title ($((told - began)) s so far)"
        fi
    done
    wait "$worker" || status=$?
    if [ "$status" != 0 ]; then
        tail -n 25 "$log" >&2
        die "$title failed (all of its output: $log)"
    fi
    say "$(printf '%4d s' $((SECONDS - began)))  $title"
}

# key_of TEXT... : a short hash of the texts and of the files that are among them.
key_of() {
    local part
    for part; do
        if [ -d "$part" ]; then
            (cd "$part" && find . -type f -print0 | sort -z | xargs -0 sha256sum && find . -type f -perm -u+x | sort)
        elif [ -f "$part" ]; then
            sha256sum <"$part"
        else
            printf '%s\n' "$part"
        fi
    done | sha256sum | cut -c1-16
}

# go_programs MODULE PACKAGE...: builds programs of the Go module testbed/MODULE into $cache/tools/bin; built once and kept. One
# build of a module at a time: tests prepare beside each other.
go_programs() {
    local module=$1 key
    shift
    key=$(key_of "$testbed/$module" "$@")
    mkdir -p "$cache/tools/bin"
    (
        flock 8
        if [ "$(cat "$cache/tools/$module.key" 2>/dev/null)" = "$key" ]; then exit 0; fi
        command -v go >/dev/null || step "install missing packages" "$testbed/packages.sh"
        step "build $module" go_build "$module" "$@"
        printf '%s\n' "$key" >"$cache/tools/$module.key"
    ) 8>"$cache/tools/$module.lock"
}
go_build() {
    cd "$testbed/$1"
    shift
    GOCACHE=$cache/go-build GOMODCACHE=$cache/go-mod GOFLAGS=-modcacherw CGO_ENABLED=0 \
        go build -trimpath -ldflags "-s -w" -o "$cache/tools/bin/" "$@"
}

# Prints the path of the testbed's kubectl, or of another one.
kubectl_program() {
    if [ -x "$bin/kubectl" ]; then
        printf '%s\n' "$bin/kubectl"
    else
        command -v kubectl || die "kubectl is needed: make cluster builds one"
    fi
}

# Only one start or stop at a time. The lock ends with the script that took it,
# so the cluster's own processes must not inherit it (9>&-).
lock() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock -w 900 9 || die "another start or stop of the testbed is under way"
}

# ---- the running cluster ----------------------------------------------------

# The start time of a process tells it from a later one of the same number.
started_at() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }

# Prints the process number of the cluster's first process if it is alive.
init_pid() {
    local pid began
    read -r pid began 2>/dev/null <"$run/init" || return 1
    [ "$(started_at "$pid")" = "$began" ] && printf '%s\n' "$pid"
}

# Prints the numbers of the clusters that are alive.
running() {
    local number
    for ((number = 1; number <= most_clusters; number++)); do
        (select_cluster "$number" && init_pid >/dev/null && echo "$number") || true
    done
}

in_cluster() { "$run/in" "$@"; }
kubectl_() { in_cluster casskop-testbed kubectl --kubeconfig "$run/pki/admin.kubeconfig" "$@"; }

# The cgroup hierarchies of this machine: several in version 1, one in version 2.
cgroup_roots() { findmnt -rn -t cgroup,cgroup2 -o TARGET; }

# The numbers of the cluster's processes, by the kernel's account.
processes() {
    local root
    for root in $(cgroup_roots); do
        if [ -d "$root/$cgroup" ]; then find "$root/$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done | sort -un
}

# processes_of WORDS: those that are the testbed's program with these arguments
processes_of() {
    local pid
    for pid in $(processes); do
        case " $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") " in
            *"casskop-testbed $* "*) printf '%s\n' "$pid" ;;
        esac
    done
}

#!/bin/bash
# Ends the testbed and removes all it made outside the cache: processes, cgroups,
# kernel settings, folders. Namespaces, mounts and links end with the processes.
#   down.sh [--locked] [CLUSTER...]    these clusters; all of them unless some are named
#   down.sh --cache                    all of them, and the cache too
. "$(dirname "$0")/lib.sh"
. "$testbed/machine.sh"

[ "$(id -u)" = 0 ] || die "run as root"
if [ "${1:-}" = --locked ]; then shift; else lock; fi # up.sh has it already
whole_cache=no
if [ "${1:-}" = --cache ]; then
    whole_cache=yes
    shift
fi
numbers=("$@")
if [ $# = 0 ]; then mapfile -t numbers < <(seq $most_clusters); fi

end_processes() {
    local pid root left tries
    # The kernel ends every process of a namespace with its first one.
    if pid=$(init_pid); then kill -9 "$pid"; fi
    # What else there is: what is still dying, commands run from outside, and what a run left that was killed half-way.
    for ((tries = 0; tries < 100; tries++)); do
        left=$(processes)
        if [ -z "$left" ]; then break; fi
        # shellcheck disable=SC2086 # one word per process
        kill -9 $left 2>/dev/null || true
        sleep 0.1
    done
    [ -z "$left" ] || die "these processes do not end: $left"
    for root in $(cgroup_roots); do
        if [ -d "$root/$cgroup" ]; then find "$root/$cgroup" -depth -type d -exec rmdir {} +; fi
    done
}

# Mounts are never made in the machine's own namespace; should one be here all
# the same, then deleting would reach through it.
remove_folder() {
    if findmnt -rn -o TARGET | grep -qF "$run/"; then die "something is mounted under $run"; fi
    rm -rf --one-file-system "$run"
}

for number in "${numbers[@]}"; do
    select_cluster "$number"
    end_processes
done
exclusively restore_machine
for number in "${numbers[@]}"; do
    select_cluster "$number"
    remove_folder
done
if [ $whole_cache = yes ]; then rm -rf --one-file-system "$cache"; fi

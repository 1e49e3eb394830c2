#!/bin/bash
# Ends the testbed and removes all it made outside the cache: processes, cgroups,
# kernel settings, folders. Namespaces and mounts end with the processes.
# With --cache it removes the cache too.
. "$(dirname "$0")/lib.sh"
. "$testbed/machine.sh"

[ "$(id -u)" = 0 ] || die "run as root"
[ "${1:-}" = --locked ] || lock # up.sh has it already

# The kernel ends every process of a namespace with its first one.
if pid=$(init_pid); then kill -9 "$pid"; fi

# What else there is, by the kernel's account: what is still dying, commands run
# from outside, and what a run left that was killed half-way.
processes() { find "${groups[@]}" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un; }
groups=()
for root in $(cgroup_roots); do
    if [ -d "$root/$cgroup" ]; then groups+=("$root/$cgroup"); fi
done
if [ ${#groups[@]} -gt 0 ]; then
    for ((tries = 0; tries < 100; tries++)); do
        left=$(processes)
        if [ -z "$left" ]; then break; fi
        # shellcheck disable=SC2086 # one word per process
        kill -9 $left 2>/dev/null || true
        sleep 0.1
    done
    [ -z "$left" ] || die "these processes do not end: $left"
    find "${groups[@]}" -depth -type d -exec rmdir {} +
fi

exclusively restore_machine

# Mounts are never made in the machine's own namespace; should one be here all
# the same, then deleting would reach through it.
if findmnt -rn -o TARGET | grep -qF "$run/"; then die "something is mounted under $run"; fi
rm -rf --one-file-system "$run"
if [ "${1:-}" = --cache ]; then rm -rf --one-file-system "$cache"; fi

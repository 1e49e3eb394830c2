# What a cluster changes on the machine itself, and how the last one to end sets
# it back. Sourced, never run.

# Clusters of several caches may run side by side, so this is kept once for all
# of them: the first writes it, the last reads and removes it.
machine=/run/casskop-testbed

# Kubelet sets these for the whole machine.
sysctls=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes)

# Mount points whose names are fixed in kubelet, containerd and CNI. Each cluster
# mounts a folder of its own there, in its own mount namespace.
fixed_folders=(/var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers /run/containerd)

# Run a command while no other cluster changes the machine. The lock is on a
# folder that is there anyway, so that no lock file stays behind.
exclusively() {
    local status=0
    exec 8</run
    flock 8
    "$@" || status=$?
    exec 8<&-
    return $status
}

remember_machine() {
    local name folder
    mkdir -p "$machine"
    if [ ! -e "$machine/sysctls" ]; then
        for name in "${sysctls[@]}"; do printf '%s %s\n' "$name" "$(cat "/proc/sys/$name")"; done >"$machine/sysctls"
    fi
    for folder in "${fixed_folders[@]}"; do
        if [ ! -d "$folder" ]; then
            mkdir -p "$folder"
            echo "$folder" >>"$machine/made-folders"
        fi
    done
}

# Does nothing while another cluster has its cgroup: removing a folder would take
# the mount on it away from that cluster.
restore_machine() {
    local root name value folder
    if [ ! -d "$machine" ]; then return 0; fi
    for root in $(cgroup_roots); do
        if compgen -G "$root/casskop-*" >/dev/null; then return 0; fi
    done
    if [ -e "$machine/sysctls" ]; then
        while read -r name value; do
            [ "$(cat "/proc/sys/$name")" = "$value" ] || echo "$value" >"/proc/sys/$name"
        done <"$machine/sysctls"
    fi
    if [ -e "$machine/made-folders" ]; then
        while read -r folder; do rmdir --ignore-fail-on-non-empty "$folder" || true; done <"$machine/made-folders"
    fi
    rm -r "$machine"
}

#!/bin/bash
# The links between the testbed's clusters, and what may happen to them:
#   link.sh join                                    links all that run, and one kubeconfig with a context for each
#   link.sh cut A B [--one-way] [--port NUMBER]     drops what A sends to B and, unless one-way, what B sends to A;
#                                                   with a port, only what is sent to that one
#   link.sh slow A B DELAY                          what is sent arrives that much later, each way: 200ms
#   link.sh heal [A B]                              as good as new; all of them unless two clusters are named
# A cut drops silently, as networks do: connections that are open hang, new ones are never answered.
. "$(dirname "$0")/lib.sh"

usage() { die "usage: link.sh join | cut A B [--one-way] [--port NUMBER] | slow A B DELAY | heal [A B]"; }

# alive NUMBER...: these clusters run
alive() {
    local number
    for number; do
        running | grep -qx -- "$number" || die "there is no cluster $number; make cluster CLUSTERS=N starts more"
    done
}

# pairs COMMAND...: for each two clusters that run
pairs() {
    local one other
    for one in $(running); do
        for other in $(running); do
            if [ "$one" -lt "$other" ]; then "$@" "$one" "$other"; fi
        done
    done
}

# on NUMBER COMMAND...: in the network of that cluster
on() {
    local number=$1
    shift
    (select_cluster "$number" && in_cluster "$@")
}

# The networks of a cluster, its nodes and its pods. Services stay its own.
networks() { (select_cluster "$1" && echo "$nodes_network.0/24 $pods_network.0.0/16"); }
address() { (select_cluster "$1" && echo "$node0"); }
process() { (select_cluster "$1" && init_pid); }

# ---- join -------------------------------------------------------------------

# A pair of interfaces without addresses of their own; it ends with either cluster, and its routes too.
half() { on "$1" ip link "$3" "link$2" >/dev/null 2>&1; }
join_pair() {
    local one=$1 other=$2
    if half "$one" "$other" show && half "$other" "$one" show; then return 0; fi
    # One half alone leads to a cluster that ended; the kernel takes its time to clear away.
    half "$one" "$other" delete || half "$other" "$one" delete || true
    on "$one" ip link add name "link$other" type veth peer name "link$one" netns "$(process "$other")"
    on "$one" ip link set "link$other" up
    on "$other" ip link set "link$one" up
    route "$one" "$other" "link$other" via "$(address "$other")" onlink metric 10
    route "$other" "$one" "link$one" via "$(address "$one")" onlink metric 10
}

# route FROM TO INTERFACE ...
route() {
    local from=$1 to=$2 interface=$3 network
    shift 3
    for network in $(networks "$to"); do
        on "$from" ip route replace "$network" dev "$interface" src "$(address "$from")" "$@"
    done
}

# The first cluster's kubeconfig gets the contexts of all; its own stays the current one.
write_kubeconfig() {
    local number files=()
    for number in $(running); do
        files+=("$(select_cluster "$number" && echo "$run/pki/admin.kubeconfig")")
    done
    select_cluster 1
    (
        umask 077
        IFS=:
        KUBECONFIG="${files[*]}" "$bin/kubectl" config view --flatten >"$kubeconfig.new"
    )
    mv "$kubeconfig.new" "$kubeconfig"
}

# ---- cut, slow, heal --------------------------------------------------------

# drop FROM TO [MATCH...]: TO does not see what FROM sends
drop() {
    local from=$1 to=$2 sources
    shift 2
    sources=$(networks "$from")
    on "$to" nft -f - <<END
table inet links {
    chain from$from {
        type filter hook prerouting priority raw
        ip saddr { ${sources/ /, } } $* drop
    }
}
END
}

cut_link() {
    local one=$1 other=$2 one_way=no match=()
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
            --one-way) one_way=yes ;;
            --port)
                match=(tcp dport "${2:?}")
                shift
                ;;
            *) usage ;;
        esac
        shift
    done
    drop "$one" "$other" "${match[@]}"
    if [ $one_way = no ]; then drop "$other" "$one" "${match[@]}"; fi
}

# All packets take another way, through a program that keeps each for a while. When it ends, that way is gone with its
# routes, and the link is what it was.
slow_link() {
    local one=$1 other=$2 delay=$3 tries
    heal_delay "$one" "$other"
    on "$one" setsid casskop-testbed delay "$delay" "slow$other" "slow$one" "$(process "$other")" \
        </dev/null >"$cache/logs/delay-$one-$other.log" 2>&1 &
    for ((tries = 0; tries < 50; tries++)); do
        if on "$other" ip link set "slow$one" up 2>/dev/null && on "$one" ip link set "slow$other" up 2>/dev/null; then
            route "$one" "$other" "slow$other"
            route "$other" "$one" "slow$one"
            return 0
        fi
        sleep 0.1
    done
    die "the link cannot be slowed: $(cat "$cache/logs/delay-$one-$other.log")"
}

heal_delay() {
    local pid
    for pid in $(select_cluster "$1" && processes_of delay); do
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q " slow$2 slow$1 "; then kill "$pid"; fi
    done
}

restore() {
    on "$2" nft -f - <<END
add table inet links
add chain inet links from$1
flush chain inet links from$1
delete chain inet links from$1
END
}

heal_link() {
    restore "$1" "$2"
    restore "$2" "$1"
    heal_delay "$1" "$2"
}

# ---- what is asked for ------------------------------------------------------
what=${1:-}
[ $# = 0 ] || shift
case "$what $#" in
    "join 0")
        pairs join_pair
        write_kubeconfig
        ;;
    "heal 0") pairs heal_link ;;
    "heal 2" | "slow 3" | cut\ [2345])
        alive "$1" "$2"
        "${what}_link" "$@"
        ;;
    *) usage ;;
esac

#!/bin/bash
# Takes the API server of a cluster away and brings it back:
#   api.sh stop CLUSTER | start CLUSTER | is-stopped CLUSTER
# A stopped one accepts connections and never answers. That only other clusters do not reach it is a cut link:
# link.sh cut A B --one-way --port 6443.
. "$(dirname "$0")/lib.sh"

[ $# = 2 ] || die "usage: api.sh stop | start | is-stopped CLUSTER"
select_cluster "$2"
init_pid >/dev/null || die "there is no cluster $2; make cluster CLUSTERS=N starts more"
pid=$(processes_of kube-apiserver)
[ -n "$pid" ] || die "the API server of $context is not running now; it is started again within a second"
case $1 in
    stop) kill -STOP "$pid" ;;
    start) kill -CONT "$pid" ;;
    is-stopped) grep -q "^State:.T" "/proc/$pid/status" ;;
    *) die "usage: api.sh stop | start | is-stopped CLUSTER" ;;
esac

#!/bin/bash
# The clusters beside the first one that tests of several clusters need:
#   linked.sh start NUMBER     starts those of clusters 2 to NUMBER that do not run, and links them, with the operator's image
#   linked.sh end NUMBER       ends those that it started
. "$(dirname "$0")/lib.sh"

[ $# = 2 ] || die "usage: linked.sh start | end NUMBER"
started=$cache/run/linked-started
case $1 in
    start)
        : "${CASSKOP_OPERATOR:?the binary of the operator}"
        before=$(running)
        for ((number = 2; number <= $2; number++)); do
            grep -qx "$number" <<<"$before" || echo "$number"
        done >"$started"
        CLUSTERS=$2 NODES=1 CASSANDRA_VERSIONS=5.0 "$testbed/up.sh"
        "$testbed/load.sh" operator "$CASSKOP_OPERATOR"
        ;;
    end)
        if [ -s "$started" ]; then
            mapfile -t numbers <"$started"
            "$testbed/down.sh" "${numbers[@]}"
            "$testbed/link.sh" join
        fi
        rm -f "$started"
        ;;
    *) die "usage: linked.sh start | end NUMBER" ;;
esac

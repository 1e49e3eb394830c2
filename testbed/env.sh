#!/bin/bash
# Prints the shell lines by which a person or a script uses the running testbed:
#   eval "$(make -s env)"; $IN kubectl get nodes
. "$(dirname "$0")/lib.sh"

if ! init_pid >/dev/null || [ ! -e "$run/ready" ]; then
    echo "echo 'no testbed is running; start one by: make cluster' >&2; false"
    exit 0
fi
printf 'export KUBECONFIG=%q\n' "$kubeconfig"
printf 'export CASSANDRA_IMAGE=%q\n' localhost/cassandra:5.0
printf 'export MANAGEMENT_API_IMAGE=%q\n' localhost/cass-management-api:5.0
printf 'export OPERATOR_IMAGE=%q\n' "${OPERATOR_IMAGE:-localhost/casskop-operator:dev}"
# Command prefixes: each runs a command inside the network of its cluster.
printf 'export IN=%q\n' "$run/in"
printf 'export CLUSTERS=%q\n' "$(running | wc -l)"
for number in $(running | grep -vx 1); do
    select_cluster "$number"
    printf 'export IN%s=%q\n' "$number" "$run/in"
done

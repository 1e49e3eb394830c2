#!/bin/bash
# As in the stock image: CASSANDRA_* variables are written into the
# configuration before "cassandra" starts; any other command just runs.
set -eu

if [ "${1#-}" != "$1" ]; then set -- cassandra -f "$@"; fi

conf=${CASSANDRA_CONF:-/etc/cassandra}
# Rewrites a file in place; "sed -i" would need a writable folder too.
edit() { local text; text=$(sed -E "$2" "$1"); printf '%s\n' "$text" >"$1"; }

if [ "$1" = cassandra ]; then
    own=$(hostname -i); own=${own%% *}
    if [ "${CASSANDRA_LISTEN_ADDRESS:=}" = auto ]; then CASSANDRA_LISTEN_ADDRESS=$own; fi
    for name in cluster_name num_tokens endpoint_snitch listen_address \
        broadcast_address rpc_address broadcast_rpc_address; do
        variable=CASSANDRA_${name^^}
        value=${!variable:-}
        if [ -n "$value" ]; then edit "$conf/cassandra.yaml" "s|^(# *)?$name:.*|$name: $value|"; fi
    done
    if [ -n "${CASSANDRA_SEEDS:-}" ]; then
        edit "$conf/cassandra.yaml" "s|^( *- seeds:).*|\\1 \"$CASSANDRA_SEEDS\"|"
    fi
    for name in dc rack; do
        variable=CASSANDRA_${name^^}
        value=${!variable:-}
        if [ -n "$value" ]; then edit "$conf/cassandra-rackdc.properties" "s|^$name=.*|$name=$value|"; fi
    done
fi

exec "$@"

#!/bin/bash
# As in images of the Management API: "mgmtapi" starts the server, which starts Cassandra; any other command just runs.
set -eu
[ "${1:-}" = mgmtapi ] || exec "$@"

conf=${CASSANDRA_CONF:-/etc/cassandra}
if [ -d /config ]; then cp -RLf /config/. "$conf/"; fi

# Without one of these the script writes a configuration of its own, whose only seed is the node itself.
if [ -z "${USE_MGMT_API:-}" ] && [ -z "${IGNORE_DEFAULTS:-}" ]; then
    own=$(hostname -i)
    text=$(sed -E "s|^( *- seeds:).*|\\1 \"${own%% *}\"|" "$conf/cassandra.yaml")
    printf '%s\n' "$text" >"$conf/cassandra.yaml"
fi

# The signal goes to all processes, and the container ends with the server.
trap 'trap "" TERM; kill -TERM 0; exit 143' TERM
/opt/management-api/server &
wait $!

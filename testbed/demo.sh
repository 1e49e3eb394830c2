#!/bin/bash
# The main job, from nothing: a real Kubernetes, the operator in it, a ring of three racks of real Cassandra, rows, and
# a cleanup asked for by the plugin and then as Git would ask for it. Leaves all of it running.
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."
began=$SECONDS
builder=
work=$(mktemp -d)
# What still builds when this ends early ends, too.
trap '[ -z "$builder" ] || kill "$builder" 2>/dev/null || true; rm -r "$work"' EXIT

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
# Shows a command as a person would type it, then runs it in the cluster's network.
show() {
    printf '$ %s\n' "$*"
    "$run/in" "$@"
}

title "Build the operator and the plugin, start a Kubernetes"
# Both at once: the last steps of each build keep one processor busy. Link-time optimization would take minutes.
. "$testbed/rust.sh"
"$testbed/binaries.sh" testbed >/dev/null 2>"$work/binaries.log" &
builder=$!
"$testbed/up.sh"
step "build the operator and the plugin" tail --pid=$builder -f /dev/null
if ! wait $builder; then
    cat "$work/binaries.log" >&2
    die "the operator and the plugin do not build"
fi
binaries=$("$testbed/binaries.sh" testbed)
eval "$("$testbed/env.sh")"
export PATH=$binaries:$bin:$PATH
step "the operator's image" "$testbed/load.sh" operator "$binaries/casskop-operator"

title "Install the operator"
show kubectl apply --server-side -f manifests/crds
show kubectl wait --for=condition=Established crd/cassandraclusters.db.orange.com --timeout=60s
show kubectl apply -k testbed/operator
# The image's name stays the same when it is built anew.
"$run/in" kubectl -n casskop rollout restart deployment/casskop-operator >/dev/null
show kubectl -n casskop rollout status deployment/casskop-operator --timeout=180s

title "A ring of three racks"
"$run/in" kubectl config set-context --current --namespace=casskop >/dev/null
sed "s#cassandraImage: .*#cassandraImage: $CASSANDRA_IMAGE#" testbed/samples/demo.yaml >"$run/demo.yaml"
show kubectl apply -f "$run/demo.yaml"
show kubectl wait cassandracluster/demo --for=condition=Ready --timeout=600s
show kubectl casskop status demo

title "Some rows, by CQL"
node=$("$run/in" kubectl get pod demo-dc1-rack1-0 -o 'jsonpath={.status.podIP}')
show cql "$node" \
    "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}" \
    "CREATE TABLE IF NOT EXISTS shop.orders (id int PRIMARY KEY, item text)" \
    "INSERT INTO shop.orders (id, item) VALUES (1, 'tea')" \
    "INSERT INTO shop.orders (id, item) VALUES (2, 'cups')" \
    "SELECT * FROM shop.orders"

title "A cleanup, asked for by the plugin"
show kubectl casskop cleanup demo --wait
show kubectl casskop status demo
echo
echo "What the plugin wrote is an annotation of the resource, for all to see:"
show kubectl get cassandracluster demo -o 'jsonpath={.metadata.annotations}'
echo

title "The same request as a user of Git would make it"
show kubectl casskop cleanup demo --keyspace shop --id from-git --dry-run=client -o yaml
id=from-git-$(date +%s)
show kubectl annotate cassandracluster demo --overwrite "operations.db.orange.com/cleanup=$id --keyspace shop"
show kubectl wait cassandracluster/demo --timeout=120s \
    --for="jsonpath={.status.operations[?(@.id==\"$id\")].phase}=Succeeded"
show kubectl casskop status demo

title "Done in $((SECONDS - began)) s; everything is still running"
cat <<END
Use it:   eval "\$(make -s env)"
          export PATH=$binaries:\$PATH
          \$IN kubectl casskop status demo --watch
          \$IN kubectl -n casskop get cassandraclusters,pods
End it:   make clean
END

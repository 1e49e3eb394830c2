#!/bin/bash
# Measures everything anew and prints it as one table: times beside the same pods as plain StatefulSets, memory,
# writes at rest, sizes. Takes some ten minutes, in namespaces bench-*; whatever else runs on the machine is in the
# figures. A testbed that was not running before is ended again.
#   BENCH_RUNS=3 BENCH_REQUESTS=100 BENCH_REST=90 testbed/bench.sh [many|operations|resize|sites]
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh"
cd "$testbed/.."

if ! init_pid >/dev/null; then
    trap '"$testbed/down.sh"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi
if [ "${1:-}" = sites ]; then export CLUSTERS=2; fi
"$testbed/up.sh"
step "build the operator, the program of backups and the plugin" "$testbed/binaries.sh"
binaries=$("$testbed/binaries.sh")
step "build the measuring program" cargo build --quiet --locked -p casskop-e2e --bins
eval "$("$testbed/env.sh")"
export CASSKOP_OPERATOR=$binaries/casskop-operator KUBECTL_CASSKOP=$binaries/kubectl-casskop \
    CASSKOP_BACKUP=$binaries/casskop-backup
step "the operator's image" "$testbed/load.sh" operator "$CASSKOP_OPERATOR"
"$run/in" "${CARGO_TARGET_DIR:-target}/debug/bench" "$@"

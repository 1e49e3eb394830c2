#!/bin/bash
# All tests. A testbed that was not running before is ended again, whatever happens.
#   test.sh unit    formatting, lints, unit, property and snapshot tests, dependencies
#   test.sh e2e     the end-to-end tests on the testbed
#   test.sh multi   those over several linked Kubernetes clusters
#   test.sh         all of them
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh"
cd "$testbed/.."
what=${1:-all}
began=$SECONDS
times=()

stage() {
    local title=$1 at=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    printf '== %s: %d s\n' "$title" $((SECONDS - at))
    times+=("$(printf '%5d s  %s' $((SECONDS - at)) "$title")")
}

# ---- without a cluster ------------------------------------------------------

# The tool is built once and kept; a machine that cannot have it says so.
deny() {
    local tool=$cache/tools/bin/cargo-deny
    if [ ! -x "$tool" ] && ! cargo install --quiet --locked --root "$cache/tools" cargo-deny; then
        echo "cargo-deny cannot be installed here: licences and sources of dependencies are not checked"
        return 0
    fi
    "$tool" --log-level error check licenses bans sources
}

unit() {
    stage "formatting" cargo fmt --all --check
    stage "lints" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
    # The committed CRDs are compared with the API types among them.
    stage "unit, property and snapshot tests" cargo test --quiet --locked --workspace
    stage "dependencies" deny
}

# ---- on the testbed ---------------------------------------------------------
before=$(running)

# However it ends: what was not running before is ended; before that, what a failure left is shown.
end() {
    local status=$? ours number
    trap - EXIT INT TERM
    [ -z "$beside" ] || kill "$beside" 2>/dev/null || true
    mend || true
    if [ $status != 0 ]; then each_cluster show_all; fi
    ours=$(running | grep -vxF "$before" || true)
    # shellcheck disable=SC2086 # one word per cluster
    if [ -z "$before" ]; then
        "$testbed/down.sh" || true
    elif [ -n "$ours" ]; then
        "$testbed/down.sh" $ours || true
        "$testbed/link.sh" join || true
    fi
    if [ $status != 0 ] && [ -n "$before" ]; then
        echo "what the tests left is in the namespaces e2e-*; the next run clears it away"
    fi
    exit $status
}

# What a test that was killed took away from the clusters comes back.
mend() {
    local number
    for number in $(running); do "$testbed/api.sh" start "$number"; done
    "$testbed/link.sh" heal
}

# each_cluster COMMAND...: once for each cluster that runs
each_cluster() {
    local number
    for number in $(running); do
        (select_cluster "$number" && "$@")
    done
}

show_all() {
    echo "== what is in $context"
    kubectl_ --request-timeout=20s get cassandraclusters,pods,persistentvolumeclaims -A -o wide || true
    kubectl_ --request-timeout=20s get nodes || true
    free -m || true
}

e2e_namespaces() { kubectl_ get namespaces -o name | grep '^namespace/e2e-' || true; }

# Pods first, at once: a namespace is looked at again only after half the time that its pods have to end, and a node that
# would take its time to drain is not waited for.
clear_away() {
    local left namespace
    left=$(e2e_namespaces)
    for namespace in $left; do
        kubectl_ -n "${namespace#*/}" delete --all --wait=false \
            multicasskops.db.orange.com,cassandraclusters.db.orange.com,statefulsets,deployments || true
        kubectl_ -n "${namespace#*/}" delete pods --all --grace-period=1 || true
    done
    # shellcheck disable=SC2086 # one word per namespace
    [ -z "$left" ] || kubectl_ delete $left --timeout=300s
}

# Two streams of about the same length: the tests that share the ring of three racks run one after the other, beside them
# most of those with rings of their own.
one_by_one="bundle crash faults fields input kill loss many midway operations plugin refused ring"
# What measures a cluster at rest runs when nothing else does, and then what loses a machine.
alone="rest machine"
# What needs several clusters has a stage of its own.
multi="multi register sites"
beside=

streams() {
    local file name together=() apart=() status=0
    local suite=(cargo test --quiet --locked -p casskop-e2e --no-fail-fast)
    for file in e2e/tests/*.rs; do
        name=$(basename "$file" .rs)
        case " $alone $multi " in *" $name "*) continue ;; esac
        case " $one_by_one " in
            *" $name "*) together+=(--test "$name") ;;
            *) apart+=(--test "$name") ;;
        esac
    done
    "${suite[@]}" --tests --no-run
    echo "beside, told at their end: ${apart[*]}"
    # In a process group of its own, which ends with it.
    timeout 60m "${suite[@]}" "${apart[@]}" -- --ignored --test-threads=1 >"$run/beside.log" 2>&1 &
    beside=$!
    timeout --foreground 60m "${suite[@]}" "${together[@]}" -- --ignored --test-threads=1 || status=$?
    wait $beside || status=$?
    beside=
    cat "$run/beside.log"
    for name in $alone; do
        if [ "$name" = machine ] && [ "$(wc -l <"$run/ready")" -lt 2 ]; then
            echo "the running testbed has one machine: not tested what happens when one is lost"
            continue
        fi
        "${suite[@]}" --test "$name" -- --ignored --test-threads=1 || status=$?
    done
    return $status
}

# prepare: the testbed, the operator in it, and what the tests find in their environment
prepare() {
    local binaries
    trap end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mend
    stage "testbed" "$testbed/up.sh"
    stage "release builds" "$testbed/binaries.sh"
    binaries=$("$testbed/binaries.sh")
    eval "$("$testbed/env.sh")"
    export CASSKOP_OPERATOR=$binaries/casskop-operator KUBECTL_CASSKOP=$binaries/kubectl-casskop
    stage "operator image" "$testbed/load.sh" operator "$CASSKOP_OPERATOR"
    each_cluster clear_away
}

e2e() {
    export CASSANDRA_VERSIONS="5.0 4.1 4.0" NODES=${NODES:-2}
    prepare
    stage "installation by krew" "$testbed/krew.sh" "$(dirname "$KUBECTL_CASSKOP")"
    stage "end-to-end tests" streams
    each_cluster clear_away
}

multi() {
    export CASSANDRA_VERSIONS=5.0 CLUSTERS=3 NODES=1
    prepare
    stage "tests over several clusters" timeout --foreground 60m \
        cargo test --quiet --locked -p casskop-e2e $(printf ' --test %s' $multi) -- --ignored --test-threads=1
    each_cluster clear_away
}

case $what in
    unit) unit ;;
    e2e) e2e ;;
    multi) multi ;;
    all)
        unit
        e2e
        multi
        ;;
    *) die "usage: test.sh [unit|e2e|multi]" ;;
esac
printf '\n'
printf '%s\n' "${times[@]}"
printf 'all tests passed in %d s\n' $((SECONDS - began))

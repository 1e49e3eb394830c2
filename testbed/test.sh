#!/bin/bash
# Tests, stage by stage; prints how long each took. A testbed that was not running before is ended again.
#   test.sh             all that pull requests must pass
#   test.sh all         everything: also what takes longer, with new random histories
#   test.sh unit        formatting, lints, unit, property and snapshot tests, start scripts, dependencies
#   test.sh e2e [NAME...]   the end-to-end tests, or those of these files of e2e/tests, or the jobs with these tests
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh"
cd "$testbed/.."
what=${1:-test}
[ $# = 0 ] || shift
began=$SECONDS
times=()
# The release takes minutes longer to build.
profile=testbed
[ "$what" != all ] || profile=release

stage() {
    local title=$1 at=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    took "$title" $((SECONDS - at))
}
took() {
    printf '== %s: %d s\n' "$1" "$2"
    times+=("$(printf '%5d s  %s' "$2" "$1")")
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
    # A shell starts what goes on in the background with Ctrl-C ignored, and some tests type Ctrl-C.
    stage "unit, property and snapshot tests" env --default-signal=INT cargo test --quiet --locked --workspace
    stage "start scripts of the images" "$testbed/images/scripts.sh"
    stage "dependencies" deny
}

# ---- on the testbed ---------------------------------------------------------
before=$(running)
groups=()

# beside COMMAND...: in a process group of its own, which ends with this script
beside() {
    set -m
    "$@" </dev/null &
    set +m
    groups+=($!)
}

# However it ends: what was not running before is ended; before that, what a failure left is shown.
end() {
    local status=$? ours group
    trap - EXIT INT TERM
    for group in "${groups[@]}"; do kill -- "-$group" 2>/dev/null || true; done
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
        echo "the namespaces e2e-* keep what the tests left; the next run removes it"
    fi
    exit $status
}
trap_end() {
    trap end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
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

preparing=

# The testbed and the builds, while something else goes on: neither keeps two processors busy. begin_preparing,
# and then prepared, which waits for it and reads the environment of the tests.
begin_preparing() {
    trap_end
    mend
    export CASSANDRA_VERSIONS="5.0 4.1 4.0" NODES=${NODES:-2}
    mkdir -p "$cache/logs"
    beside prepare
    preparing=$!
}
prepare() {
    times=()
    trap - EXIT INT TERM
    exec >"$cache/logs/prepare.log" 2>&1
    stage "testbed" "$testbed/up.sh"
    stage "builds" "$testbed/binaries.sh" "$profile"
    stage "the stand-in for the Management API" "$testbed/binaries.sh" testbed management-api-stand-in
    stage "the S3 servers" "$testbed/s3.sh"
}
prepared() {
    local status=0 binaries
    wait "$preparing" || status=$?
    cat "$cache/logs/prepare.log"
    [ $status = 0 ] || die "the testbed or the builds failed"
    binaries=$("$testbed/binaries.sh" "$profile")
    eval "$("$testbed/env.sh")"
    export CASSKOP_OPERATOR=$binaries/casskop-operator KUBECTL_CASSKOP=$binaries/kubectl-casskop \
        CASSKOP_BACKUP=$binaries/casskop-backup
    "$testbed/load.sh" operator "$CASSKOP_OPERATOR"
    CASSANDRA_VERSIONS=5.0 "$testbed/load.sh" management-api "$("$testbed/binaries.sh" testbed management-api-stand-in)/management-api-stand-in"
    each_cluster clear_away
}

# e2e WORD...: the end-to-end tests that the program suite takes by these words
e2e() {
    stage "krew installs the plugin" "$testbed/krew.sh" "$(dirname "$KUBECTL_CASSKOP")"
    stage "end-to-end tests" suite "$@"
    each_cluster clear_away
}
# earlier WORD...: an earlier version of the operator, for the tests that need one
earlier() {
    local word
    for word; do
        case $word in all | operator_versions)
            CASSKOP_OPERATOR_EARLIER=$("$testbed/earlier.sh")
            export CASSKOP_OPERATOR_EARLIER OPERATOR_IMAGE_EARLIER=localhost/casskop-operator:earlier
            ;;
        esac
    done
}

# Waited for, so that a signal ends it at once.
suite() {
    beside cargo run --quiet --locked -p casskop-e2e --bin suite -- "$@"
    wait $!
}

case $what in
    unit) unit ;;
    e2e)
        begin_preparing
        stage "testbed and builds" prepared
        stage "an earlier version of the operator" earlier "$@"
        if [ $# = 0 ]; then e2e test; else stage "end-to-end tests" suite "$@"; fi
        ;;
    test | all)
        if [ "$what" = all ]; then export PROPTEST_CASES=${PROPTEST_CASES:-500}; fi
        begin_preparing
        unit
        [ "$what" != all ] || stage "the chart" "$testbed/helm.sh"
        [ "$what" != all ] || stage "the alerts" "$testbed/alerts.sh"
        [ "$what" != all ] || stage "the page of the plugin in Chromium" "$testbed/dashboard.sh"
        [ "$what" != all ] || stage "backups on S3 servers" "$testbed/backup.sh" "$profile"
        stage "testbed and release builds, what was left of them" prepared
        stage "an earlier version of the operator" earlier "$what"
        e2e "$what"
        ;;
    *) die "usage: test.sh [all | unit | e2e [NAME...]]" ;;
esac
printf '\n'
printf '%s\n' "${times[@]}"
printf 'all tests passed in %d s\n' $((SECONDS - began))

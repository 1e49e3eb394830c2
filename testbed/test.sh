#!/bin/bash
# All tests. A testbed that was not running before is ended again, whatever happens.
#   test.sh unit    formatting, lints, dependencies, unit, property and snapshot tests
#   test.sh e2e     the end-to-end tests on the testbed
#   test.sh         both
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."
what=${1:-all}
began=$SECONDS

command -v cargo >/dev/null || die "Rust is needed, 1.90 or newer: install it from https://rustup.rs"

stage() {
    local title=$1 at=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    printf '== %s: %d s\n' "$title" $((SECONDS - at))
}

# The tool is built once and kept; a machine that cannot have it says so.
deny() {
    local tool=$cache/tools/bin/cargo-deny
    if [ ! -x "$tool" ] && ! cargo install --quiet --locked --root "$cache/tools" cargo-deny; then
        echo "cargo-deny cannot be installed here: licences and sources of dependencies are not checked"
        return 0
    fi
    "$tool" check licenses bans sources
}

unit() {
    stage "formatting" cargo fmt --all --check
    stage "lints" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
    stage "unit, property and snapshot tests" cargo test --locked --workspace
    stage "dependencies" deny
}

ended=no
end() {
    [ "$ended" = no ] || return 0
    ended=yes
    "$testbed/down.sh" || true
}

e2e() {
    local binaries
    if ! init_pid >/dev/null; then trap end EXIT; fi
    stage "testbed" "$testbed/up.sh"
    stage "release builds" "$testbed/binaries.sh"
    binaries=$("$testbed/binaries.sh")
    eval "$("$testbed/env.sh")"
    export PATH=$binaries:$bin:$PATH
    export CASSKOP_OPERATOR=$binaries/casskop-operator KUBECTL_CASSKOP=$binaries/kubectl-casskop
    stage "operator image" "$testbed/load.sh" operator "$CASSKOP_OPERATOR"
    stage "CRDs" "$run/in" kubectl apply --server-side --force-conflicts -f manifests/crds
    stage "end-to-end tests" cargo test --locked -p casskop-e2e -- --ignored --test-threads=1
}

case $what in
    unit) unit ;;
    e2e) e2e ;;
    all)
        unit
        e2e
        ;;
    *) die "usage: test.sh [unit|e2e]" ;;
esac
printf '\nall tests passed in %d s\n' $((SECONDS - began))

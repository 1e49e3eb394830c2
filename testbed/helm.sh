#!/bin/bash
# The real helm lints, packs and renders the chart, and the objects are those of manifests/. Needs no testbed.
#   helm.sh            runs these tests
#   helm.sh package DIST    packs the chart of a release into the folder DIST
#   helm.sh program    prints the path of helm
# Helm itself is built from its module at the first call, and kept.
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."
chart=charts/casskop

go_programs helm helm.sh/helm/v4/cmd/helm >&2
helm=$cache/tools/bin/helm

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# Nothing of this machine's own helm and kubeconfig is touched.
export HELM_CACHE_HOME=$place/cache HELM_CONFIG_HOME=$place/config HELM_DATA_HOME=$place/data KUBECONFIG=/dev/null

tests() {
    . "$testbed/rust.sh"
    "$helm" lint --strict "$chart"
    # As users install it: from the archive.
    "$helm" package --destination "$place" "$chart"
    HELM=$helm KUBECTL=$(kubectl_program) CHART=$(echo "$place"/casskop-operator-*.tgz) \
        cargo test --quiet --locked -p kubectl-casskop --test cli -- --ignored chart::
    say "the chart renders the manifests of the repository"
}

case ${1:-} in
    "") tests ;;
    package) "$helm" package --destination "${2:?the folder of the release}" "$chart" ;;
    program) printf '%s\n' "$helm" ;;
    *) die "usage: helm.sh [package DIST | program]" ;;
esac

#!/bin/bash
# Brings the operator's image into the running clusters, in a second or two:
#   load.sh operator PATH_TO_BINARY    as $OPERATOR_IMAGE, by default localhost/casskop-operator:dev
# The image is the static binary and the Jolokia agent, and nothing else.
. "$(dirname "$0")/lib.sh"
. "$testbed/image.sh"

[ "${1:-}" = operator ] && [ -f "${2:-}" ] || die "usage: load.sh operator PATH_TO_BINARY"
binary=$2
[ -n "$(running)" ] || die "no testbed is running; start one by: make cluster"
if LC_ALL=C readelf -l "$binary" 2>/dev/null | grep -q INTERP; then
    die "$binary needs shared libraries, which its image does not have: link it statically"
fi

mkdir -p "$images"
agent=$images/jolokia-agent-$(key_of "$testbed/agent.sh").tar
if [ ! -e "$agent" ]; then
    stage=$(mktemp -d)
    chmod 755 "$stage"
    "$testbed/agent.sh" "$stage"
    layer "$(basename "$agent" .tar)" "$stage"
    rm -r "$stage"
fi

stage=$(mktemp -d)
chmod 755 "$stage"
install -m 755 "$binary" "$stage/casskop-operator"
layer casskop-operator "$stage"
rm -r "$stage"
import "${OPERATOR_IMAGE:-localhost/casskop-operator:dev}" '{"Entrypoint":["/casskop-operator"],"User":"65532:65532"}' \
    "$agent" "$images/casskop-operator.tar"

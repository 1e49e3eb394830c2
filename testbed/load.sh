#!/bin/bash
# Brings the operator's image into the running cluster, in a second or two:
#   load.sh operator PATH_TO_BINARY    as localhost/casskop-operator:dev
# The image is the static binary and the Jolokia agent, and nothing else.
. "$(dirname "$0")/lib.sh"
. "$testbed/image.sh"

[ "${1:-}" = operator ] && [ -f "${2:-}" ] || die "usage: load.sh operator PATH_TO_BINARY"
binary=$2
init_pid >/dev/null || die "no testbed is running; start one by: make cluster"
if LC_ALL=C readelf -l "$binary" 2>/dev/null | grep -q INTERP; then
    die "$binary needs shared libraries, which its image does not have: link it statically"
fi

jolokia=2.6.0
jolokia_sha256=95c2c1230970ac0ad71b9cb556b8a55c4c6008e9ffd7745be7797f477120b6ae
mkdir -p "$images"

agent=$images/jolokia-agent-$jolokia.tar
if [ ! -e "$agent" ]; then
    stage=$(mktemp -d)
    mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$cache/maven" dependency:copy \
        -Dartifact="org.jolokia:jolokia-agent-jvm:$jolokia:jar:javaagent" \
        -DoutputDirectory="$stage" -Dmdep.stripVersion=true
    mv "$stage"/*.jar "$stage/jolokia-agent.jar"
    echo "$jolokia_sha256  $stage/jolokia-agent.jar" | sha256sum --check --quiet
    chmod 755 "$stage"
    chmod 644 "$stage/jolokia-agent.jar"
    layer "$(basename "$agent" .tar)" "$stage"
    rm -r "$stage"
fi

stage=$(mktemp -d)
chmod 755 "$stage"
install -m 755 "$binary" "$stage/casskop-operator"
layer casskop-operator "$stage"
rm -r "$stage"
import localhost/casskop-operator:dev '{"Entrypoint":["/casskop-operator"],"User":"65532:65532"}' \
    "$agent" "$images/casskop-operator.tar"

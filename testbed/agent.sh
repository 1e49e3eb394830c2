#!/bin/bash
# Puts the Jolokia agent that goes into the operator's image beside the operator into a folder:  agent.sh FOLDER
# or the one that pods of the Go CassKop have:  agent.sh FOLDER go
. "$(dirname "$0")/lib.sh"
[ -d "${1:-}" ] || die "usage: agent.sh FOLDER [go]"

case ${2:-} in
    go)
        artifact=org.jolokia:jolokia-jvm:1.6.1:jar:agent
        sha256=cc0883217bfd96bb542b7a27c6ea14dda99d604d91dc700f9bb980f5d2a0e359
        ;;
    *)
        artifact=org.jolokia:jolokia-agent-jvm:2.6.0:jar:javaagent
        sha256=95c2c1230970ac0ad71b9cb556b8a55c4c6008e9ffd7745be7797f477120b6ae
        ;;
esac

stage=$(mktemp -d)
trap 'rm -r "$stage"' EXIT
mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$cache/maven" dependency:copy \
    -Dartifact="$artifact" \
    -DoutputDirectory="$stage" -Dmdep.stripVersion=true
mv "$stage"/*.jar "$stage/jolokia-agent.jar"
echo "$sha256  $stage/jolokia-agent.jar" | sha256sum --check --quiet
install -m 644 "$stage/jolokia-agent.jar" "$1"

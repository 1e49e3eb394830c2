#!/bin/bash
# Puts the Jolokia agent that goes into the operator's image beside the operator into a folder:  agent.sh FOLDER
. "$(dirname "$0")/lib.sh"
[ -d "${1:-}" ] || die "usage: agent.sh FOLDER"

version=2.6.0
sha256=95c2c1230970ac0ad71b9cb556b8a55c4c6008e9ffd7745be7797f477120b6ae

stage=$(mktemp -d)
trap 'rm -r "$stage"' EXIT
mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$cache/maven" dependency:copy \
    -Dartifact="org.jolokia:jolokia-agent-jvm:$version:jar:javaagent" \
    -DoutputDirectory="$stage" -Dmdep.stripVersion=true
mv "$stage"/*.jar "$stage/jolokia-agent.jar"
echo "$sha256  $stage/jolokia-agent.jar" | sha256sum --check --quiet
install -m 644 "$stage/jolokia-agent.jar" "$1"

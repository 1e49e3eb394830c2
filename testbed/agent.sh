#!/bin/bash
# Puts the Java agents that go into the operator's image beside the operator into a folder:  agent.sh FOLDER
# or the Jolokia agent that pods of the Go CassKop have:  agent.sh FOLDER go
. "$(dirname "$0")/lib.sh"
[ -d "${1:-}" ] || die "usage: agent.sh FOLDER [go]"
folder=$1
stage=$(mktemp -d)
trap 'rm -r "$stage"' EXIT

# get ARTIFACT SHA256 NAME: downloads an artifact, and puts it into the folder under the name
get() {
    mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$cache/maven" dependency:copy \
        -Dartifact="$1" \
        -DoutputDirectory="$stage" -Dmdep.stripVersion=true
    mv "$stage"/*.jar "$stage/$3"
    echo "$2  $stage/$3" | sha256sum --check --quiet
    install -m 644 "$stage/$3" "$folder"
    rm "$stage/$3"
}

case ${2:-} in
    go)
        get org.jolokia:jolokia-jvm:1.6.1:jar:agent \
            cc0883217bfd96bb542b7a27c6ea14dda99d604d91dc700f9bb980f5d2a0e359 jolokia-agent.jar
        ;;
    *)
        get org.jolokia:jolokia-agent-jvm:2.6.0:jar:javaagent \
            95c2c1230970ac0ad71b9cb556b8a55c4c6008e9ffd7745be7797f477120b6ae jolokia-agent.jar
        get io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1 \
            7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1 metrics-agent.jar
        ;;
esac

#!/bin/bash
# Builds Kubernetes, CoreDNS, etcd and the testbed's own programs into one
# binary, unless the one in the cache is of the same sources. With --check it
# only tells by its exit code whether there is nothing to do.
. "$(dirname "$0")/lib.sh"

key=$(key_of "$testbed/kubernetes" "$kubernetes_version" "$0")
if [ "$(cat "$bin/.key" 2>/dev/null)" = "$key" ]; then exit 0; fi
if [ "${1:-}" = --check ]; then exit 1; fi

mkdir -p "$bin"
cd "$testbed/kubernetes"
export GOCACHE=$cache/go-build GOMODCACHE=$cache/go-mod GOFLAGS=-modcacherw CGO_ENABLED=0
version=k8s.io/component-base/version
nice -n 5 go build -trimpath -tags providerless \
    -ldflags "-s -w -X $version.gitVersion=v$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=34" \
    -o "$bin/casskop-testbed.new" .
nice -n 5 go build -trimpath -ldflags "-s -w" -o "$bin/pause.new" ./pause
nice -n 5 go build -trimpath -ldflags "-s -w" -o "$bin/cql.new" ./cql

# A running cluster keeps the files it has open: replace, do not overwrite.
mv "$bin/casskop-testbed.new" "$bin/casskop-testbed"
mv "$bin/pause.new" "$bin/pause"
mv "$bin/cql.new" "$bin/cql"
ln -sf casskop-testbed "$bin/kubectl"
printf '%s\n' "$key" >"$bin/.key"

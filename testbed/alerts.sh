#!/bin/bash
# The real promtool checks the alerts of manifests/monitoring, and runs their tests, testbed/promtool/alerts.yaml. Needs no testbed.
# promtool itself is built from its module at the first call, and kept.
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."

go_programs promtool github.com/prometheus/prometheus/cmd/promtool >&2
promtool=$cache/tools/bin/promtool

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# promtool reads the rules without the object of Kubernetes around them.
for file in alerts cassandra-alerts; do
    sed '1,/^spec:$/d; s/^  //' "manifests/monitoring/$file.yaml" >"$place/$file.yaml"
done
"$promtool" check rules --lint=all --lint-fatal "$place"/*alerts.yaml
cp testbed/promtool/alerts.yaml "$place/tests.yaml"
"$promtool" test rules "$place/tests.yaml"
say "the alerts fire when they have to, and not before"

#!/bin/bash
# Prints the path of the real kube-state-metrics, for its end-to-end test. It is built from its module at the first call, and kept.
. "$(dirname "$0")/lib.sh"

go_programs state-metrics k8s.io/kube-state-metrics/v2 >&2
printf '%s\n' "$cache/tools/bin/kube-state-metrics"

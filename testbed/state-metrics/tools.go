//go:build tools

// Package tools names the program that testbed/state-metrics.sh builds out of its module.
package tools

import (
	_ "k8s.io/kube-state-metrics/v2"
)

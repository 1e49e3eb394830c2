//go:build tools

// Package tools names the program that testbed/scale.sh builds out of its module.
package tools

import (
	_ "sigs.k8s.io/kwok/cmd/kwok"
)

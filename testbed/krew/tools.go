//go:build tools

// Package tools names the programs that testbed/krew.sh builds out of their module.
package tools

import (
	_ "sigs.k8s.io/krew/cmd/krew"
	_ "sigs.k8s.io/krew/cmd/validate-krew-manifest"
)

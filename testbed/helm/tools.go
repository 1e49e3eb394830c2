//go:build tools

// Package tools names the program that testbed/helm.sh builds out of its module.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)

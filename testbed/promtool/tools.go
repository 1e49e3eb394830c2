//go:build tools

// Package tools names the program that testbed/alerts.sh builds out of its module.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/promtool"
)

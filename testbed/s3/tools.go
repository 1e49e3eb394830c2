//go:build tools

// Package tools names the programs that testbed/backup.sh builds out of its module.
package tools

import (
	_ "github.com/johannesboyne/gofakes3/cmd/gofakes3"
	_ "github.com/versity/versitygw/cmd/versitygw"
)

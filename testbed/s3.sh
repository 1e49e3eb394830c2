#!/bin/bash
# Builds the S3 servers of the tests at the first call, and prints the folder that they are in: gofakes3, and versitygw, which checks
# signatures.
. "$(dirname "$0")/lib.sh"
go_programs s3 github.com/johannesboyne/gofakes3/cmd/gofakes3 github.com/versity/versitygw/cmd/versitygw >&2
printf '%s\n' "$cache/tools/bin"

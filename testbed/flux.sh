#!/bin/bash
# Builds the program with Flux's own libraries at the first call, and prints its path.
. "$(dirname "$0")/lib.sh"
go_programs flux . >&2
printf '%s\n' "$cache/tools/bin/casskop-flux"

#!/bin/bash
# Builds the operator, the program of backups and the plugin as they are released, or with another profile of Cargo: static, so that
# the first two are an image of their own, and the operator runs in the Cassandra pods, whatever their image has. Prints the folder
# they are in.
#   binaries.sh [PROFILE [PACKAGE...]]
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh" >&2

cd "$testbed/.."
profile=${1:-release}
shift $(($# > 0))
[ $# -gt 0 ] || set -- casskop-operator casskop-backup kubectl-casskop
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
# At a place that stays: what was built with other flags is built anew.
cp "$testbed/binaries.ld" "$cache/binaries.ld"
RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-T,$cache/binaries.ld" cargo build --quiet --profile "$profile" --locked --target "$host" \
    "${@/#/--package=}"
(cd "$target/$host/$profile" && pwd)

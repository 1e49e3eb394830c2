#!/bin/bash
# Builds the operator and the plugin as they are released: static, so that the operator is an image of its own and
# runs in the Cassandra pods, whatever their image has. Prints the folder they are in.
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh" >&2

cd "$testbed/.."
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
# At a place that stays: what was built with other flags is built anew.
cp "$testbed/binaries.ld" "$cache/binaries.ld"
RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-T,$cache/binaries.ld" cargo build --quiet --release --locked --target "$host" \
    -p casskop-operator -p kubectl-casskop
(cd "$target/$host/release" && pwd)

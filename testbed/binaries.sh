#!/bin/bash
# Builds the operator and the plugin as they are released: static, so that the operator is an image of its own and
# runs in the Cassandra pods, whatever their image has. Prints the folder they are in.
. "$(dirname "$0")/lib.sh"

command -v cargo >/dev/null || die "Rust is needed, 1.90 or newer: install it from https://rustup.rs"
command -v cc >/dev/null || die "a C compiler is needed: apt-get install gcc libc6-dev"
cd "$testbed/.."
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --release --locked --target "$host" \
    -p casskop-operator -p kubectl-casskop
(cd "$target/$host/release" && pwd)

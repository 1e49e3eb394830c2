#!/usr/bin/env bash
# Packs the plugin as krew installs it, for the platform of this machine:  krew/local.sh FOLDER_WITH_BINARY
# Writes the archive and its manifest into target/krew, and prints the command that installs them.
set -euo pipefail
[ -x "${1:-}/kubectl-casskop" ] || { echo "usage: $0 FOLDER_WITH_BINARY" >&2; exit 2; }
binaries=$1
here=$(dirname "$0")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n1)
case $(uname -m) in
    x86_64) platform=linux_amd64 ;;
    aarch64) platform=linux_arm64 ;;
    *) echo "$0: krew's manifest has no platform for $(uname -m)" >&2; exit 1 ;;
esac

dist=${CARGO_TARGET_DIR:-$here/../target}/krew
files=("$binaries/kubectl-casskop")
# krew links only the plugin itself: for completion, users put this program from the store of krew onto the PATH.
if [ -e "$binaries/kubectl_complete-casskop" ]; then files+=("$binaries/kubectl_complete-casskop"); fi
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
archive=$("$here/archive.sh" "$version" "$platform" "$dist" "${files[@]}")
"$here/render.sh" "$version" "$dist" "$platform" >"$dist/casskop.yaml.new"
mv "$dist/casskop.yaml.new" "$dist/casskop.yaml"
echo "kubectl krew install --manifest=$dist/casskop.yaml --archive=$archive"

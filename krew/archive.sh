#!/usr/bin/env bash
# Packs the archive of a release for one platform:  krew/archive.sh VERSION OS_ARCH DIST FILE...
# The archive contains the files and LICENSE, which the index of krew requires. Owner, time and order are fixed:
# equal files result in equal archives. The format is tar.gz on all platforms; Windows has tar as well.
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: $0 VERSION OS_ARCH DIST FILE..." >&2; exit 2; }
version=${1#v} platform=$2 dist=$3
shift 3

stage=$(mktemp -d)
trap 'rm -r "$stage"' EXIT
chmod 755 "$stage"
install -m 644 "$(dirname "$0")/../LICENSE" "$stage"
install -m 755 "$@" "$stage"
mkdir -p "$dist"
archive=$dist/kubectl-casskop_${version}_$platform.tar.gz
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$stage" -cf - . | gzip -9n >"$archive.new"
mv "$archive.new" "$archive"
printf '%s\n' "$archive"
